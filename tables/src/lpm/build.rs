//! From the intervals of a span to an entry: which nodes represent it, and their making.

use super::arena::{Arena, Lines};
use super::chunk::{Chunk, Slots};
use super::node::{Entry, Kind, PLACES, SIDE, Window, direct_lines};
use super::packed::{Outline, aside};
use super::rib::Interval;
use super::{Address, Prefix};
use std::convert::Infallible;
use std::io;

/// The part of a span's intervals that lies in `part`; the first may begin before it.
pub(super) fn cut<A: Address>(intervals: &[Interval<A>], part: Prefix<A>) -> &[Interval<A>] {
    let from = intervals.partition_point(|i| i.start <= part.addr()).max(1) - 1;
    let to = intervals.partition_point(|i| i.start <= part.last());
    &intervals[from..to]
}

/// The key of an address in a window.
#[inline(always)]
pub(super) fn key<A: Address>(window: Window, addr: A) -> u64 {
    match window {
        Window::A => (addr.high() >> 8) as u32 as u64,
        Window::B => addr.high() as u32 as u64,
        Window::C => addr.high(),
        Window::D => addr.low(),
        Window::E => addr.high() >> 8 & 0xff,
        Window::F => addr.high() & 0xff,
    }
}

/// The first address of a key in a chunk of `span`: the inverse of [`key`].
pub(super) fn address<A: Address>(window: Window, span: Prefix<A>, key: u64) -> A {
    let (upper, lower) = ((key >> 32) as u32, key as u32);
    let at = |bits, at| A::from_bits(bits, at, 32);
    match window {
        Window::A => span.addr().network(24).or(at(lower, 24)),
        Window::B if A::BITS == 32 => at(lower, 0),
        Window::B => span.addr().network(32).or(at(lower, 32)),
        Window::C => at(upper, 0).or(at(lower, 32)),
        Window::D => span.addr().network(64).or(at(upper, 64)).or(at(lower, 96)),
        Window::E => span.addr().network(16).or(A::from_bits(lower, 16, 8)),
        Window::F => span.addr().network(24).or(A::from_bits(lower, 24, 8)),
    }
}

/// What a chunk holds for a key and those after it.
enum Site<'i, A> {
    Leaf(u32),
    /// The key's span holds boundaries after the window: these intervals, the first from before it perhaps.
    Deep(Prefix<A>, &'i [Interval<A>]),
}

/// The intervals of `span` as a window sees them, in order, by their first keys. Stops when `each` fails.
fn sites<'i, A: Address, E>(
    window: Window,
    span: Prefix<A>,
    intervals: &'i [Interval<A>],
    mut each: impl FnMut(u64, Site<'i, A>) -> Result<(), E>,
) -> Result<(), E> {
    let end = window.end(A::BITS);
    let start = |i: &Interval<A>| i.start.max(span.addr());
    let mut at = 0;
    while let Some(first) = intervals.get(at).map(start) {
        let site = Prefix::of(first, end);
        let inside = |i: &&Interval<A>| i.start.network(end) == site.addr();
        let next = at + 1 + intervals[at + 1..].iter().take_while(inside).count();
        if next == at + 1 && first == site.addr() {
            each(key(window, first), Site::Leaf(intervals[at].next_hop))?;
            at = next;
            continue;
        }
        // What comes before the site's first boundary is the interval before.
        let from = at - (first != site.addr()) as usize;
        each(
            key(window, site.addr()),
            Site::Deep(site, &intervals[from..next]),
        )?;
        // The last interval inside goes on behind the site, unless another begins right there or is split itself.
        if let Some(after) = site.last().next().filter(|&after| after <= span.last())
            && intervals
                .get(next)
                .is_none_or(|i| i.start.network(end) != after)
        {
            each(key(window, after), Site::Leaf(intervals[next - 1].next_hop))?;
        }
        at = next;
    }
    Ok(())
}

/// How a span is represented.
enum Shape {
    Chunk(Window),
    Direct(Kind),
}

/// Most intervals of a chunk, by where its span begins: what an update rebuilds, and for `C` a lookup's cost before a direct
/// node takes over. LIMIT: a /64 with more than 39,000 neighbours is split by direct nodes.
const MAX_CHUNK: usize = 4624;
/// For `A`: in the Internet's table single /24s have thousands of routes, and a direct node is a detour for lookups.
const MAX_A_CHUNK: usize = 16_384;
const MAX_ROOT_CHUNK: usize = 272;
const MAX_PAGE_CHUNK: usize = 4;

/// Most intervals of a chunk of this window for `span`.
pub(super) fn most<A: Address>(span: Prefix<A>, window: Window) -> usize {
    match (A::BITS, span.len()) {
        (32, 0) => window.capacity(),
        (_, 0) => MAX_ROOT_CHUNK,
        (128, len) if len < A::WIDE_END => MAX_PAGE_CHUNK,
        _ if window == Window::D || window.is_packed() => window.capacity(),
        _ if window == Window::A => MAX_A_CHUNK,
        _ => MAX_CHUNK,
    }
}

/// Whether so many of a chunk's keys go on in a later window that one step over 64 bits is better than two over 32:
/// connected /64s.
pub(super) fn too_deep(window: Window, keys: usize, deep: usize) -> bool {
    window == Window::A && deep * 4 > keys
}

/// Most routes below a direct node that is rebuilt, as a chunk, when something in it has become empty. It is far enough
/// below the limits above (a route makes at most two intervals) that one route more or less does not rebuild it back and
/// forth.
pub(super) fn collapse_below<A: Address>(span: Prefix<A>) -> usize {
    match (A::BITS, span.len()) {
        (32, 0) => MAX_CHUNK / 4,
        (_, 0) => MAX_ROOT_CHUNK / 4,
        (128, len) if len < A::WIDE_END => MAX_PAGE_CHUNK / 4,
        _ => MAX_CHUNK / 8,
    }
}

/// The window of packed chunks for an IPv4 span below the wide direct node.
fn packed_window<A: Address>(span: Prefix<A>) -> Window {
    if span.len() < 24 {
        Window::E
    } else {
        Window::F
    }
}

/// The outline of a packed chunk for a span.
fn outline<A: Address>(window: Window, span: Prefix<A>, intervals: &[Interval<A>]) -> Outline {
    let mut outline = Outline::default();
    let Ok(()) = sites(window, span, intervals, |key, site| {
        outline.add(
            key,
            match site {
                Site::Leaf(next_hop) => aside(Entry::leaf(next_hop)),
                Site::Deep(..) => true,
            },
        );
        Ok::<(), Infallible>(())
    });
    outline
}

/// Whether a chunk of other windows with these intervals, which represents an IPv4 span below the wide direct node, should
/// be a packed one: if that needed half its side line at most, so that one route more or less does not rebuild it back and
/// forth.
pub(super) fn packs<A: Address>(span: Prefix<A>, window: Window, slots: &Slots) -> bool {
    if A::BITS != 32 || span.len() < A::WIDE_END || window.is_packed() {
        return false;
    }
    let mut outline = Outline::default();
    // Behind a place that is divided its last next hop goes on.
    let mut behind: Option<(u64, bool)> = None;
    for (&key, &entry) in slots.keys.iter().zip(&slots.entries) {
        let (place, divided) = match packed_window(span) {
            Window::E => (key >> 8 & 0xff, key & 0xff != 0),
            _ => (key & 0xff, false),
        };
        if let Some((at, aside)) = behind.take_if(|(at, _)| *at < place) {
            outline.add(at, aside);
        }
        outline.add(place, divided || aside(entry));
        behind = divided.then_some((place + 1, aside(entry)));
    }
    if let Some((at, aside)) = behind.filter(|(at, _)| *at < PLACES as u64) {
        outline.add(at, aside);
    }
    outline.form(SIDE / 2).is_some()
}

fn shape<A: Address>(span: Prefix<A>, intervals: &[Interval<A>]) -> Shape {
    // Keys and how many of them go on, unless there are too many.
    let fits = |window| {
        let (most, mut keys, mut deep) = (most(span, window), 0, 0);
        sites(window, span, intervals, |_, site| {
            keys += 1;
            deep += matches!(site, Site::Deep(..)) as usize;
            if keys <= most { Ok(()) } else { Err(()) }
        })
        .ok()
        .map(|()| (keys, deep))
    };
    let chunk = |window| fits(window).map(|_| Shape::Chunk(window));
    let (chunk, otherwise) = match (A::BITS, span.len()) {
        (32, 0) => (chunk(Window::B), Kind::DirectWide),
        (32, _) => {
            let window = packed_window(span);
            let fits = outline(window, span, intervals).form(SIDE).is_some();
            let packed = fits.then_some(Shape::Chunk(window));
            (packed.or_else(|| chunk(Window::B)), Kind::Direct8)
        }
        (_, len) if len < A::WIDE_END => (chunk(Window::C), Kind::DirectWide),
        (_, len) if len < 32 => {
            let narrow = fits(Window::A).map(|(keys, deep)| {
                let wide = too_deep(Window::A, keys, deep)
                    .then(|| chunk(Window::C))
                    .flatten();
                wide.unwrap_or(Shape::Chunk(Window::A))
            });
            (narrow, Kind::Direct8)
        }
        (_, len) if len < 64 => (chunk(Window::B), Kind::Direct8),
        _ => (chunk(Window::D), Kind::Direct8),
    };
    chunk.unwrap_or(Shape::Direct(otherwise))
}

/// Bits that a direct node decides.
pub(super) fn direct_bits<A: Address>(kind: Kind) -> u8 {
    if kind == Kind::DirectWide {
        A::WIDE_BITS
    } else {
        8
    }
}

/// The span of a direct node's slot.
pub(super) fn slot_span<A: Address>(span: Prefix<A>, bits: u8, slot: u32) -> Prefix<A> {
    Prefix::of(
        span.addr().or(A::from_bits(slot, span.len(), bits)),
        span.len() + bits,
    )
}

/// Writes nodes that nobody can see yet.
pub(super) struct Builder<'a> {
    arena: &'a mut Arena,
    /// What has been allocated.
    fresh: &'a mut Vec<Lines>,
}

impl<'a> Builder<'a> {
    /// A builder that notes in `fresh`, which is cleared, what it allocates.
    pub fn new(arena: &'a mut Arena, fresh: &'a mut Vec<Lines>) -> Builder<'a> {
        fresh.clear();
        Builder { arena, fresh }
    }

    /// Frees all that was built: it will not be published.
    pub fn discard(&mut self) {
        for lines in self.fresh.drain(..) {
            self.arena.free(lines);
        }
    }

    /// Builds an entry for a span from its intervals.
    pub fn entry<A: Address>(
        &mut self,
        span: Prefix<A>,
        intervals: &[Interval<A>],
    ) -> io::Result<Entry> {
        if let [all] = intervals {
            return Ok(Entry::leaf(all.next_hop));
        }
        match shape(span, intervals) {
            Shape::Chunk(window) => {
                let mut slots = Slots::default();
                self.slots(window, span, intervals, &mut slots)?;
                match self.chunk(window, &slots)? {
                    Some(entry) => Ok(entry),
                    None => unreachable!("the intervals were counted"),
                }
            }
            Shape::Direct(kind) => self.direct(kind, span, intervals),
        }
    }

    /// Appends the intervals of `part` to the content of a chunk, with what is below them.
    pub fn slots<A: Address>(
        &mut self,
        window: Window,
        part: Prefix<A>,
        intervals: &[Interval<A>],
        out: &mut Slots,
    ) -> io::Result<()> {
        sites(window, part, intervals, |key, site| {
            let entry = match site {
                Site::Leaf(next_hop) => Entry::leaf(next_hop),
                Site::Deep(site, inside) => self.entry(site, inside)?,
            };
            out.push(key, entry);
            Ok(())
        })
    }

    /// Makes a chunk, if the intervals go into one.
    pub fn chunk(&mut self, window: Window, slots: &Slots) -> io::Result<Option<Entry>> {
        let Some((chunk, lines)) = Chunk::plan(window, slots) else {
            return Ok(None);
        };
        let first = self.alloc(lines)?;
        Ok(Some(chunk.write(self.arena, first, slots)))
    }

    fn alloc(&mut self, count: u32) -> io::Result<u32> {
        let lines = self.arena.alloc(count)?;
        self.fresh.push(lines);
        Ok(lines.first)
    }

    fn direct<A: Address>(
        &mut self,
        kind: Kind,
        span: Prefix<A>,
        intervals: &[Interval<A>],
    ) -> io::Result<Entry> {
        let bits = direct_bits::<A>(kind);
        let first = self.alloc(direct_lines(bits))?;
        let mut at = 0;
        for slot in 0..1u32 << bits {
            let part = slot_span(span, bits, slot);
            let starts_by = |i: usize, addr| intervals.get(i).is_some_and(|i| i.start <= addr);
            while starts_by(at + 1, part.addr()) {
                at += 1;
            }
            let mut to = at + 1;
            while starts_by(to, part.last()) {
                to += 1;
            }
            let entry = self.entry(part, &intervals[at..to])?;
            // SAFETY: the node has `1 << bits` words, and nobody else knows it yet.
            unsafe { self.arena.line(first).add(slot as usize).write(entry.0) };
            at = to - 1;
        }
        Ok(Entry::node(kind, first))
    }
}

#[cfg(test)]
mod tests {
    use super::super::rib::Rib;
    use super::*;
    use crate::id::NextHopId;

    fn swept(span: Prefix<u32>, routes: &[(u32, u8, u32)]) -> Vec<Interval<u32>> {
        let mut rib = Rib::default();
        for &(addr, len, next_hop) in routes {
            rib.insert(Prefix::of(addr, len), NextHopId(next_hop));
        }
        let mut out = Vec::new();
        rib.intervals(span, &mut out);
        out
    }

    fn starts(intervals: &[Interval<u32>]) -> Vec<(u32, u32)> {
        intervals.iter().map(|i| (i.start, i.next_hop)).collect()
    }

    #[test]
    fn nested_routes_become_disjoint_intervals() {
        let span = Prefix::of(0x0a00_0000u32, 8);
        let swept = swept(
            span,
            &[
                (0x0800_0000, 6, 9),
                (0x0a00_0000, 16, 1),
                (0x0a00_0100, 24, 2),
                (0x0aff_0000, 16, 3),
            ],
        );
        assert_eq!(
            starts(&swept),
            [
                (0x0a00_0000, 1),
                (0x0a00_0100, 2),
                (0x0a00_0200, 1),
                (0x0a01_0000, 9),
                (0x0aff_0000, 3)
            ]
        );
        let part = cut(&swept, Prefix::of(0x0a00_0180, 25));
        assert_eq!(starts(part), [(0x0a00_0100, 2)]);
        assert_eq!(cut(&swept, span), swept);
    }

    #[test]
    fn equal_neighbours_merge_and_the_last_address_has_no_next() {
        let all = Prefix::all();
        let host = u32::MAX;
        let halves = swept(all, &[(0, 1, 5), (1 << 31, 1, 5), (host, 32, 7)]);
        assert_eq!(starts(&halves), [(0, 5), (host, 7)]);
        let inside = swept(Prefix::of(0, 1), &[(0, 1, 4), (1 << 30, 2, 4)]);
        assert_eq!(starts(&inside), [(0, 4)]);
        let default = swept(all, &[(0, 0, 4), (1 << 30, 2, 3)]);
        assert_eq!(starts(&default), [(0, 0), (1 << 30, 3), (1 << 31, 0)]);
    }

    #[test]
    fn gaps_are_what_no_longer_route_takes() {
        let mut rib = Rib::<u32>::default();
        let mut gaps = Vec::new();
        let ten = Prefix::of(10 << 24, 8);
        rib.gaps(ten, &mut gaps);
        assert_eq!(gaps, [(10 << 24, ten.last())]);
        for (addr, len) in [
            (10 << 24, 8),
            (10 << 24, 16),
            (10 << 24 | 5, 32),
            (0x0aff_ff00, 24),
            (0x0a02_0000, 15),
        ] {
            rib.insert(Prefix::of(addr, len), NextHopId(1));
        }
        rib.gaps(ten, &mut gaps);
        assert_eq!(
            gaps,
            [(0x0a01_0000, 0x0a01_ffff), (0x0a04_0000, 0x0aff_feff)]
        );
        rib.gaps(Prefix::all(), &mut gaps);
        assert_eq!(gaps, [(0, 0x09ff_ffff), (11 << 24, u32::MAX)]);
    }
}
