//! From routes to nodes: a sweep turns nested prefixes into disjoint intervals, and the intervals of a span become an entry.

use super::arena::{Arena, LINE, Lines};
use super::node::{Entry, FANOUT, Kind, LEAF, Window, direct_lines};
use super::{Address, Prefix};
use crate::id::NextHopId;
use std::io;

/// From `start` up to the next interval's start (or the end of the span) addresses go to `next_hop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval<A> {
    pub start: A,
    pub next_hop: u32,
}

/// The intervals of `span`, of which addresses without a longer route go to `cover`. `routes` are those inside the span,
/// parents before children. The first interval starts where the span does; neighbours differ.
pub(super) fn sweep<A: Address>(
    span: Prefix<A>,
    cover: u32,
    routes: impl Iterator<Item = (Prefix<A>, NextHopId)>,
) -> Vec<Interval<A>> {
    let mut out = vec![Interval {
        start: span.addr(),
        next_hop: cover,
    }];
    // The routes that are open where the sweep stands, outermost first, by their last address.
    let mut open: Vec<(A, u32)> = vec![(span.last(), cover)];
    let close = |open: &mut Vec<(A, u32)>, out: &mut Vec<Interval<A>>| {
        if let (Some((last, _)), Some(&(_, outer))) = (open.pop(), open.last())
            && last < span.last()
            && let Some(start) = last.next()
        {
            push(out, start, outer);
        }
    };
    for (prefix, next_hop) in routes {
        while open.len() > 1 && open.last().is_some_and(|(last, _)| *last < prefix.addr()) {
            close(&mut open, &mut out);
        }
        push(&mut out, prefix.addr(), next_hop.0);
        open.push((prefix.last(), next_hop.0));
    }
    while open.len() > 1 {
        close(&mut open, &mut out);
    }
    out
}

/// Appends an interval; one that starts at the same address replaces the last, one with the same next hop is no new one.
fn push<A: Address>(out: &mut Vec<Interval<A>>, start: A, next_hop: u32) {
    if out.last().is_some_and(|last| last.start == start) {
        out.pop();
    }
    if out.last().is_none_or(|last| last.next_hop != next_hop) {
        out.push(Interval { start, next_hop });
    }
}

/// The part of a span's intervals that lies in `part`, its first one starting where `part` does.
pub(super) fn cut<A: Address>(intervals: &[Interval<A>], part: Prefix<A>) -> Vec<Interval<A>> {
    let from = intervals.partition_point(|i| i.start <= part.addr()).max(1) - 1;
    let to = intervals.partition_point(|i| i.start <= part.last());
    let mut cut = intervals[from..to].to_vec();
    if let Some(first) = cut.first_mut() {
        first.start = part.addr();
    }
    cut
}

/// What a chunk's slot holds.
#[derive(Clone, Copy, Debug)]
enum Value {
    Leaf(u32),
    /// The key's span holds boundaries after the window: the intervals at these places are inside it.
    Deep(usize, usize),
}

/// The intervals of `span` as a window sees them.
struct Keys {
    window: Window,
    keys: Vec<(u64, Value)>,
    deep: usize,
}

/// The key of an address in a window.
#[inline(always)]
pub(super) fn key<A: Address>(window: Window, addr: A) -> u64 {
    match window {
        Window::A => (addr.high() >> 8) as u32 as u64,
        Window::B => addr.high() as u32 as u64,
        Window::C => addr.high(),
        Window::D => addr.low(),
    }
}

fn keys<A: Address>(window: Window, span: Prefix<A>, intervals: &[Interval<A>]) -> Keys {
    let end = window.end(A::BITS);
    let mut out = Keys {
        window,
        keys: Vec::with_capacity(intervals.len() + 1),
        deep: 0,
    };
    let mut at = 0;
    while at < intervals.len() {
        let site = intervals[at].start.network(end);
        let same = |i: &&Interval<A>| i.start.network(end) == site;
        let next = at + intervals[at..].iter().take_while(same).count();
        if next == at + 1 && intervals[at].start == site {
            out.keys
                .push((key(window, site), Value::Leaf(intervals[at].next_hop)));
            at = next;
            continue;
        }
        out.keys.push((key(window, site), Value::Deep(at, next)));
        out.deep += 1;
        // The last interval inside goes on behind the site, unless another begins right there or is split itself.
        if let Some(after) = site.last(end).next().filter(|&after| after <= span.last())
            && intervals
                .get(next)
                .is_none_or(|i| i.start.network(end) != after)
        {
            out.keys.push((
                key(window, after),
                Value::Leaf(intervals[next - 1].next_hop),
            ));
        }
        at = next;
    }
    out
}

/// How a span is represented.
enum Shape {
    Chunk(Keys),
    Direct(Kind),
}

/// Most intervals of a chunk, by where its span begins: what an update rebuilds, and for `C` a lookup's cost before a direct
/// node takes over. LIMIT: a /64 with more than 39,000 neighbours is split by direct nodes.
const MAX_CHUNK: usize = 1024;
const MAX_ROOT_CHUNK: usize = 272;
const MAX_PAGE_CHUNK: usize = 48;

/// Most routes below a node that is rebuilt when something in it has become empty. For direct nodes, which turn back into
/// chunks so, it is far enough below the limits above (a route makes at most two intervals) that one route more or less does
/// not rebuild them back and forth.
pub(super) fn collapse_below<A: Address>(span: Prefix<A>, kind: Kind) -> usize {
    match (kind, A::BITS, span.len()) {
        (Kind::Leaf | Kind::Chunk(..), ..) => MAX_CHUNK / 16,
        (_, 32, 0) => MAX_CHUNK / 4,
        (_, _, 0) => MAX_ROOT_CHUNK / 4,
        (_, _, 12) => MAX_PAGE_CHUNK / 4,
        _ => MAX_CHUNK / 8,
    }
}

fn shape<A: Address>(span: Prefix<A>, intervals: &[Interval<A>]) -> Shape {
    let chunk = |window, most: usize| {
        let keys = keys(window, span, intervals);
        (keys.keys.len() <= most).then_some(keys)
    };
    let (chunk, otherwise) = match (A::BITS, span.len()) {
        (32, 0) => (chunk(Window::B, Window::B.capacity()), Kind::DirectWide),
        (32, _) => (chunk(Window::B, MAX_CHUNK), Kind::Direct8),
        (_, 0) => (chunk(Window::C, MAX_ROOT_CHUNK), Kind::DirectWide),
        (_, len) if len < 24 => (chunk(Window::C, MAX_PAGE_CHUNK), Kind::DirectWide),
        (_, len) if len < 32 => {
            let narrow = chunk(Window::A, MAX_CHUNK);
            // Connected /64s: one step over 64 bits instead of two over 32.
            let wide = || chunk(Window::C, MAX_CHUNK);
            let chunk = match narrow {
                Some(keys) if keys.deep * 4 <= keys.keys.len() => Some(keys),
                Some(keys) => Some(wide().unwrap_or(keys)),
                None => None,
            };
            (chunk, Kind::Direct8)
        }
        (_, len) if len < 64 => (chunk(Window::B, MAX_CHUNK), Kind::Direct8),
        _ => (chunk(Window::D, Window::D.capacity()), Kind::Direct8),
    };
    chunk.map_or(Shape::Direct(otherwise), Shape::Chunk)
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
    fresh: Vec<Lines>,
}

impl<'a> Builder<'a> {
    pub fn new(arena: &'a mut Arena) -> Builder<'a> {
        Builder {
            arena,
            fresh: Vec::new(),
        }
    }

    /// Builds an entry for a span; also returns the lines it took. When memory runs out, nothing is kept.
    pub fn build<A: Address>(
        mut self,
        span: Prefix<A>,
        intervals: &[Interval<A>],
    ) -> io::Result<(Entry, u32)> {
        let built = self.entry(span, intervals);
        let lines = self.fresh.iter().map(|lines| lines.count).sum();
        if built.is_err() {
            for lines in self.fresh {
                self.arena.free(lines);
            }
        }
        Ok((built?, lines))
    }

    fn alloc(&mut self, count: u32) -> io::Result<u32> {
        let lines = self.arena.alloc(count)?;
        self.fresh.push(lines);
        Ok(lines.first)
    }

    fn entry<A: Address>(
        &mut self,
        span: Prefix<A>,
        intervals: &[Interval<A>],
    ) -> io::Result<Entry> {
        if let [all] = intervals {
            return Ok(Entry::leaf(all.next_hop));
        }
        match shape(span, intervals) {
            Shape::Chunk(keys) => self.chunk(keys, intervals),
            Shape::Direct(kind) => self.direct(kind, span, intervals),
        }
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
            while intervals
                .get(at + 1)
                .is_some_and(|next| next.start <= part.addr())
            {
                at += 1;
            }
            let entry = match intervals.get(at + 1) {
                Some(next) if next.start <= part.last() => {
                    self.entry(part, &cut(&intervals[at..], part))?
                }
                _ => Entry::leaf(intervals[at].next_hop),
            };
            // SAFETY: the node has `1 << bits` words, and nobody else knows it yet.
            unsafe { self.arena.line(first).add(slot as usize).write(entry.0) };
        }
        Ok(Entry::node(kind, first))
    }

    fn chunk<A: Address>(&mut self, keys: Keys, intervals: &[Interval<A>]) -> io::Result<Entry> {
        let window = keys.window;
        let end = window.end(A::BITS);
        let mut sorted = Vec::with_capacity(keys.keys.len());
        for (key, value) in keys.keys {
            let entry = match value {
                Value::Leaf(next_hop) => Entry::leaf(next_hop),
                Value::Deep(from, to) => {
                    // A site begins a span of its own; what comes before its first boundary is the interval before.
                    let site = Prefix::of(intervals[from].start, end);
                    let from = if intervals[from].start == site.addr() {
                        from
                    } else {
                        from - 1
                    };
                    self.entry(site, &cut(&intervals[from..to], site))?
                }
            };
            sorted.push((key, entry));
        }
        let levels = window.levels(sorted.len());
        let leaves = sorted.len().div_ceil(LEAF);
        let first = self.alloc(window.chunk_lines(levels, leaves))?;
        self.write_chunk(window, levels, first, &sorted);
        Ok(Entry::node(Kind::Chunk(window, levels), first))
    }

    fn write_chunk(&self, window: Window, levels: u8, first: u32, sorted: &[(u64, Entry)]) {
        let leaves = sorted.len().div_ceil(LEAF);
        // All ones where there is no separator: no key is above it.
        let separator = |index: usize| sorted.get(index).map_or(u64::MAX, |(key, _)| key - 1);
        let mut line = first as usize;
        for level in 0..levels - 1 {
            let stride = FANOUT.pow((levels - 2 - level) as u32);
            for node in 0..FANOUT.pow(level as u32) {
                let child = |c: usize| (node * FANOUT + c) * stride;
                self.write_keys(window, line, |c| separator(child(c + 1) * LEAF));
                line += window.key_lines();
            }
        }
        debug_assert_eq!(line, first as usize + window.leaves_at(levels));
        for leaf in 0..leaves {
            let inside = |i: usize| {
                if i + 1 < LEAF {
                    separator(leaf * LEAF + i + 1)
                } else {
                    u64::MAX
                }
            };
            self.write_keys(window, line, inside);
            let values = self.arena.line((line + window.key_lines()) as u32);
            for i in 0..LEAF {
                let entry = sorted
                    .get(leaf * LEAF + i)
                    .map_or(Entry::NONE, |(_, entry)| *entry);
                // SAFETY: the last line of the leaf, 16 words, which nobody else knows yet.
                unsafe { values.add(i).write(entry.0) };
            }
            line += window.leaf_lines();
        }
    }

    fn write_keys(&self, window: Window, line: usize, separator: impl Fn(usize) -> u64) {
        let words = self.arena.line(line as u32);
        for i in 0..LEAF {
            let separator = separator(i);
            if window.is_wide() {
                // SAFETY: a wide key node is two lines, 16 aligned u64, which nobody else knows yet.
                unsafe { words.cast::<u64>().add(i).write(separator) };
            } else {
                // SAFETY: a narrow key node is one line, 16 words, which nobody else knows yet.
                unsafe { words.add(i).write(separator as u32) };
            }
        }
    }
}

const _: () = assert!(LINE == LEAF * size_of::<u32>());

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(list: &[(u32, u8, u32)]) -> impl Iterator<Item = (Prefix<u32>, NextHopId)> {
        list.iter()
            .map(|&(addr, len, next_hop)| (Prefix::of(addr, len), NextHopId(next_hop)))
    }

    fn starts(intervals: &[Interval<u32>]) -> Vec<(u32, u32)> {
        intervals.iter().map(|i| (i.start, i.next_hop)).collect()
    }

    #[test]
    fn nested_routes_become_disjoint_intervals() {
        let span = Prefix::of(0x0a00_0000u32, 8);
        let swept = sweep(
            span,
            9,
            routes(&[
                (0x0a00_0000, 16, 1),
                (0x0a00_0100, 24, 2),
                (0x0aff_0000, 16, 3),
            ]),
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
        assert_eq!(starts(&part), [(0x0a00_0180, 2)]);
        assert_eq!(cut(&swept, span), swept);
    }

    #[test]
    fn equal_neighbours_merge_and_the_last_address_has_no_next() {
        let all = Prefix::all();
        let host = u32::MAX;
        let swept = sweep(all, 0, routes(&[(0, 1, 5), (1 << 31, 1, 5), (host, 32, 7)]));
        assert_eq!(starts(&swept), [(0, 5), (host, 7)]);
        let back = sweep(all, 4, routes(&[(0, 1, 4), (1 << 30, 2, 4)]));
        assert_eq!(starts(&back), [(0, 4)]);
    }
}
