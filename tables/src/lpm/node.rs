//! The layout of the lookup structure: entries, and the nodes they name.
//!
//! An **entry** is one word: a tag in the lowest 6 bits, and above it a next-hop id or the number of the node's first line. So with the tag cleared an entry is the node's offset in bytes.
//!
//! | tag | what | bits of the address that decide |
//! |---|---|---|
//! | 0 | leaf: the next hop | |
//! | 1, 2, 3 | chunk of that many levels | `A`: 24..56 |
//! | 4 | direct node of 256 entries | the next 8 |
//! | 5, 6, 7 | chunk | `B`: 32..64; IPv4: all 32 |
//! | 8 | wide direct node | the next 12; IPv4: the first 16 |
//! | 9, 10, 11 | chunk | `C`: 0..64 |
//! | 12 | chunk of 4 levels | `D` |
//! | 13, 14, 15 | chunk | `D`: 64..128 |
//! | 16 | chunk of 4 levels | `A` |
//! | 32 to 47 | packed chunk of that form | IPv4, `E`: 16..24 |
//! | 48 to 63 | packed chunk | IPv4, `F`: 24..32 |
//!
//! A **chunk** is an immutable 17-ary search tree over the starts of intervals. A key line holds 16 separators, each the
//! start of a subtree less one, so that the number of separators below the key is the child's number; unused ones
//! are all ones, which is below no key. A leaf has 16 intervals: 15 separators, and a line of 16 values.
//! Values are entries; one with a tag other than 0 goes on in a later window. In `A` and `B` separators are 32 bits wide (a key
//! line is one line), in `C` and `D` 64 bits (two).
//!
//! ```text
//!   narrow, 2 levels:  [16 separators] [leaf 0: separators | values] [leaf 1 ...] ... up to 17 leaves
//!   wide,   2 levels:  [16 separators: 2 lines] [leaf 0: 2 lines | values] ...
//! ```
//!
//! A **packed chunk** decides 8 bits, and each lookup reads one line of it. Of 1 to 8 lines each has an equal part, as near as can be,
//! of the 256 places. In a line stand bitmaps, whose bits say at which places intervals begin; for each word of these how many
//! bits come before it; and the next hops of the intervals: up to 14 in 1 line, 23 in each of 2 or 3, 27 in each of 4 to 7. An
//! interval that reaches into several lines is in each. Of 8 lines (*direct*) each has the next hops of its 32 places. A next hop
//! is 16 bits. With the top bit set it is instead the number, from 1 on, of an entry in a *side line* behind the others: for what
//! goes on in a later window, and for ids that are too great. Spans with more than 16 of those get a chunk or a direct node
//! instead. A form is the lines less one, plus 8 with a side line.
//!
//! ```text
//!   form 1:  [2 words, 2 bytes, 23 next hops: places 0 to 127] [the same: 128 to 255]
//!   form 15: [32 next hops: places 0 to 31] ... [224 to 255] [16 entries]
//! ```

use super::arena::LINE;

/// Marks in an entry's tag which 17-ary tree, of which window, or which other thing it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Leaf,
    Direct8,
    DirectWide,
    /// With its levels; a packed one with its form.
    Chunk(Window, u8),
}

/// Which bits of the address a chunk's keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Window {
    A,
    B,
    C,
    D,
    E,
    F,
}

/// A word of the structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry(pub u32);

/// Bits of an entry below the next hop or line.
pub(super) const TAG_BITS: u32 = LINE.trailing_zeros();
/// The part of an entry that tells its kind: 0 for a leaf.
pub(super) const TAG: u32 = (1 << TAG_BITS) - 1;
/// The greatest next hop, or line.
pub(super) const INDEX: u32 = u32::MAX >> TAG_BITS;
pub(super) const TAG_DIRECT8: u8 = 4;
pub(super) const TAG_DIRECT_WIDE: u8 = 8;
pub(super) const TAG_D4: u8 = 12;
pub(super) const TAG_A4: u8 = 16;
/// Set in the tags of packed chunks.
pub(super) const TAG_PACKED: u8 = 32;
/// Set in those of window `F`.
const TAG_F: u8 = 16;
/// Set in the tags of chunks with 64-bit keys (and of the wide direct node).
pub(super) const TAG_WIDE: u8 = 8;

/// Children of an inner node.
pub(super) const FANOUT: usize = 17;
/// Intervals of a leaf.
pub(super) const LEAF: usize = 16;
/// First line of the leaves in a narrow chunk of 1 to 4 levels.
pub(super) const LEAVES_NARROW: [usize; 4] = [0, 1, 1 + 17, 1 + 17 + 289];
/// First line of the leaves in a wide chunk of 1 to 4 levels.
pub(super) const LEAVES_WIDE: [usize; 4] = [0, 2, 2 * (1 + 17), 2 * (1 + 17 + 289)];

/// Places that a packed chunk decides between.
pub(super) const PLACES: usize = 256;
/// The part of a packed chunk's form that tells its lines, less one.
pub(super) const FORM_LINES: u8 = 7;
/// Lines of a direct one.
pub(super) const DIRECT_LINES: usize = 8;
/// Set in the form of a packed chunk with a side line.
pub(super) const FORM_SIDE: u8 = 8;
/// Entries of a side line.
pub(super) const SIDE: usize = LINE / size_of::<u32>();
/// Set in a next hop of a packed chunk that is the number of an entry in its side line.
pub(super) const ASIDE: u16 = 1 << 15;

/// How the lines of a packed chunk are divided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packing {
    /// 1 to 8.
    pub lines: usize,
}

impl Packing {
    /// That of a form.
    #[inline(always)]
    pub fn of(form: u8) -> Packing {
        let lines = (form & FORM_LINES) as usize + 1;
        Packing { lines }
    }

    /// The line of a place, and its bit there; in a direct one the next hop's number.
    #[inline(always)]
    pub fn spot(self, place: usize) -> (usize, usize) {
        let scaled = place * self.lines;
        // A place more is `lines` more: the logarithm, rounded down, leaves each place its own bit.
        (scaled / PLACES, (scaled % PLACES) >> self.lines.ilog2())
    }

    /// Words of the bitmaps in a line.
    #[inline(always)]
    pub fn words(self) -> usize {
        4 >> self.lines.ilog2()
    }

    /// Where the next hops begin in a line, in bytes.
    #[inline(always)]
    pub fn hops_at(self) -> usize {
        (self.words() * (size_of::<u64>() + 1)).next_multiple_of(2)
    }

    /// Next hops in a line.
    pub fn capacity(self) -> usize {
        (LINE - self.hops_at()) / size_of::<u16>()
    }

    /// Whether there is a next hop for each place.
    #[inline(always)]
    pub fn is_direct(self) -> bool {
        self.lines == DIRECT_LINES
    }

    /// The first place of a line.
    pub fn first(self, line: usize) -> usize {
        (line * PLACES).div_ceil(self.lines)
    }
}

impl Entry {
    /// Nothing: the VRF's default route applies.
    pub const NONE: Entry = Entry(0);

    pub fn leaf(next_hop: u32) -> Entry {
        debug_assert!(next_hop <= INDEX);
        Entry(next_hop << TAG_BITS)
    }

    pub fn node(kind: Kind, first_line: u32) -> Entry {
        debug_assert!(first_line <= INDEX);
        let tag = match kind {
            Kind::Leaf => 0,
            Kind::Direct8 => TAG_DIRECT8,
            Kind::DirectWide => TAG_DIRECT_WIDE,
            Kind::Chunk(Window::D, 4) => TAG_D4,
            Kind::Chunk(Window::A, 4) => TAG_A4,
            Kind::Chunk(Window::E, form) => TAG_PACKED | form,
            Kind::Chunk(Window::F, form) => TAG_PACKED | TAG_F | form,
            Kind::Chunk(window, levels) => {
                debug_assert!((1..=3).contains(&levels));
                (window as u8) << 2 | levels
            }
        };
        Entry(tag as u32 | first_line << TAG_BITS)
    }

    #[inline(always)]
    pub fn tag(self) -> u8 {
        (self.0 & TAG) as u8
    }

    #[inline(always)]
    pub fn index(self) -> u32 {
        self.0 >> TAG_BITS
    }

    /// Where the node begins, in bytes.
    #[inline(always)]
    pub fn offset(self) -> usize {
        (self.0 & !TAG) as usize
    }

    #[inline(always)]
    pub fn is_leaf(self) -> bool {
        self.0 & TAG == 0
    }

    pub fn kind(self) -> Kind {
        match self.tag() {
            0 => Kind::Leaf,
            TAG_DIRECT8 => Kind::Direct8,
            TAG_DIRECT_WIDE => Kind::DirectWide,
            TAG_D4 => Kind::Chunk(Window::D, 4),
            TAG_A4 => Kind::Chunk(Window::A, 4),
            tag if tag & TAG_PACKED != 0 => {
                let window = if tag & TAG_F == 0 {
                    Window::E
                } else {
                    Window::F
                };
                Kind::Chunk(window, tag & (TAG_F - 1))
            }
            tag => {
                let window = [Window::A, Window::B, Window::C, Window::D][(tag >> 2) as usize];
                Kind::Chunk(window, tag & 3)
            }
        }
    }
}

impl Window {
    /// Whether its separators are 64 bits wide.
    pub fn is_wide(self) -> bool {
        matches!(self, Window::C | Window::D)
    }

    /// Whether its chunks are packed.
    pub fn is_packed(self) -> bool {
        matches!(self, Window::E | Window::F)
    }

    /// The first address bit after the window, for an address of `bits` bits.
    pub fn end(self, bits: u8) -> u8 {
        match self {
            Window::A => 56,
            Window::B | Window::C => 64.min(bits),
            Window::D => 128,
            Window::E => 24,
            Window::F => 32,
        }
    }

    /// Most intervals that a chunk of this window can hold; a packed one perhaps not so many.
    pub fn capacity(self) -> usize {
        if self.is_packed() {
            return PLACES;
        }
        let levels = if matches!(self, Window::A | Window::D) {
            4
        } else {
            3
        };
        LEAF * FANOUT.pow(levels - 1)
    }

    /// Levels that `intervals` intervals need.
    pub fn levels(self, intervals: usize) -> u8 {
        let leaves = intervals.div_ceil(LEAF);
        1 + (leaves > 1) as u8 + (leaves > FANOUT) as u8 + (leaves > FANOUT * FANOUT) as u8
    }

    /// Lines of a key node.
    pub fn key_lines(self) -> usize {
        1 + self.is_wide() as usize
    }

    /// Lines of a leaf: its separators and its values.
    pub fn leaf_lines(self) -> usize {
        self.key_lines() + 1
    }

    /// First line of the leaves of a chunk of `levels` levels.
    pub fn leaves_at(self, levels: u8) -> usize {
        let level = levels as usize - 1;
        if self.is_wide() {
            LEAVES_WIDE[level]
        } else {
            LEAVES_NARROW[level]
        }
    }

    /// Lines of a chunk with that many leaves.
    pub fn chunk_lines(self, levels: u8, leaves: usize) -> u32 {
        (self.leaves_at(levels) + leaves * self.leaf_lines()) as u32
    }
}

/// Lines of a direct node that `bits` bits decide.
pub(super) fn direct_lines(bits: u8) -> u32 {
    ((size_of::<u32>() << bits) / LINE) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_its_tag() {
        let windows = [Window::A, Window::B, Window::C, Window::D];
        let chunks = windows
            .iter()
            .flat_map(|&w| (1..=3).map(move |l| Kind::Chunk(w, l)));
        let four = [Window::A, Window::D].map(|window| Kind::Chunk(window, 4));
        let others = [Kind::Direct8, Kind::DirectWide];
        let packed = [Window::E, Window::F]
            .into_iter()
            .flat_map(|w| (0..16).map(move |form| Kind::Chunk(w, form)));
        let mut tags = vec![0];
        for kind in chunks.chain(four).chain(others).chain(packed) {
            let entry = Entry::node(kind, 12345);
            assert_eq!(
                (entry.kind(), entry.index(), entry.is_leaf()),
                (kind, 12345, false)
            );
            tags.push(entry.tag());
        }
        tags.sort_unstable();
        assert!(tags.into_iter().eq((0..=16).chain(32..=63)));
        assert!(Entry::leaf(INDEX).is_leaf());
    }

    #[test]
    fn levels_follow_the_capacity() {
        for (intervals, levels) in [(1, 1), (16, 1), (17, 2), (272, 2), (273, 3), (4624, 3)] {
            assert_eq!(Window::B.levels(intervals), levels, "{intervals}");
        }
        assert_eq!(Window::D.levels(Window::D.capacity()), 4);
        assert_eq!(Window::A.levels(Window::A.capacity()), 4);
        assert_eq!(Window::B.levels(Window::B.capacity()), 3);
        assert_eq!((direct_lines(8), direct_lines(12)), (16, 256));
    }

    #[test]
    fn every_place_of_a_packed_chunk_has_a_bit_of_its_own() {
        for lines in 1..=DIRECT_LINES {
            let packing = Packing { lines };
            let spots: Vec<_> = (0..PLACES).map(|place| packing.spot(place)).collect();
            assert!(spots.is_sorted_by(|a, b| a < b), "{lines} lines");
            let bits = if packing.is_direct() {
                32
            } else {
                64 * packing.words()
            };
            assert!(spots.iter().all(|&(line, bit)| line < lines && bit < bits));
            for line in 0..lines {
                let first = packing.first(line);
                assert_eq!(packing.spot(first).0, line);
                assert!(first == 0 || packing.spot(first - 1).0 == line - 1);
            }
        }
        let capacities = [1, 2, 3, 4, 7, 8].map(|lines| Packing { lines }.capacity());
        assert_eq!(capacities, [14, 23, 23, 27, 27, 32]);
    }
}
