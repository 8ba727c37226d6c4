//! The layout of the lookup structure: entries, and the nodes they name.
//!
//! An **entry** is one word: a tag in the lowest 6 bits (4 of them used), and above it a next-hop id or the number of the
//! node's first line. So with the tag cleared an entry is the node's offset in bytes.
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

use super::arena::LINE;

/// Marks in an entry's tag which 17-ary tree, of which window, or which other thing it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Leaf,
    Direct8,
    DirectWide,
    Chunk(Window, u8),
}

/// Which bits of the address a chunk's keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Window {
    A,
    B,
    C,
    D,
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

    /// The first address bit after the window, for an address of `bits` bits.
    pub fn end(self, bits: u8) -> u8 {
        match self {
            Window::A => 56,
            Window::B | Window::C => 64.min(bits),
            Window::D => 128,
        }
    }

    /// Most intervals that a chunk of this window can hold.
    pub fn capacity(self) -> usize {
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
        let mut tags = vec![0];
        for kind in chunks.chain(four).chain(others) {
            let entry = Entry::node(kind, 12345);
            assert_eq!(
                (entry.kind(), entry.index(), entry.is_leaf()),
                (kind, 12345, false)
            );
            tags.push(entry.tag());
        }
        tags.sort_unstable();
        assert_eq!(tags, (0..=16).collect::<Vec<u8>>());
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
}
