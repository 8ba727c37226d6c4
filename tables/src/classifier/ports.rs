//! The first rule for a port, of those of one protocol at one node.

/// No rule.
pub(super) const NO_RULE: u32 = u32::MAX;

/// Intervals from which on a bitmap is worth its 10 KiB.
const MANY: usize = 48;
/// Words of a bitmap of all ports.
const WORDS: usize = 1 << 16 >> 6;

/// Where an interval begins, and the first rule in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Interval {
    start: u16,
    rule: u32,
}

/// Rules by port, compiled.
#[derive(Clone, Debug)]
pub(super) struct Ports {
    /// The first rule without ports.
    without: u32,
    /// In order; the first begins at 0. Empty: no rule has ports.
    intervals: Box<[Interval]>,
    ranks: Option<Box<Ranks>>,
}

/// Which interval a port is in, in one step.
#[derive(Clone, Debug)]
struct Ranks {
    /// A bit where an interval begins.
    starts: [u64; WORDS],
    /// How many begin in the words before; at most 2^16 - 64.
    before: [u16; WORDS],
}

/// Ports, both ends included, and a rule; `None`: it has no ports.
pub(super) type PortRule = (Option<(u16, u16)>, u32);

impl Ports {
    /// Compiles rules. They need not be in order.
    pub fn new(rules: &[PortRule]) -> Self {
        let without = rules.iter().filter(|(ports, _)| ports.is_none());
        let without = without.map(|&(_, rule)| rule).min().unwrap_or(NO_RULE);
        // A rule behind one without ports is never the first.
        let mut ranges: Vec<(u16, u16, u32)> = rules
            .iter()
            .filter_map(|&(ports, rule)| ports.map(|(first, last)| (first, last, rule)))
            .filter(|&(first, last, rule)| first <= last && rule < without)
            .collect();
        let intervals = Self::sweep(&mut ranges, without);
        let ranks = (intervals.len() > MANY).then(|| Ranks::new(&intervals));
        Self {
            without,
            intervals: intervals.into(),
            ranks,
        }
    }

    fn sweep(ranges: &mut [(u16, u16, u32)], without: u32) -> Vec<Interval> {
        if ranges.is_empty() {
            return Vec::new();
        }
        ranges.sort_unstable();
        let mut edges: Vec<u32> = ranges
            .iter()
            .flat_map(|&(first, last, _)| [u32::from(first), u32::from(last) + 1])
            .chain([0])
            .filter(|&edge| edge <= u32::from(u16::MAX))
            .collect();
        edges.sort_unstable();
        edges.dedup();
        let mut open = std::collections::BinaryHeap::new();
        let mut coming = ranges.iter().peekable();
        let mut intervals = Vec::<Interval>::new();
        for edge in edges {
            let start = edge as u16;
            while let Some(&(_, last, rule)) = coming.next_if(|range| range.0 <= start) {
                open.push((std::cmp::Reverse(rule), last));
            }
            while open.peek().is_some_and(|&(_, last)| last < start) {
                open.pop();
            }
            let rule = open.peek().map_or(without, |&(rule, _)| rule.0);
            if intervals.last().is_none_or(|last| last.rule != rule) {
                intervals.push(Interval { start, rule });
            }
        }
        intervals
    }

    /// The first of all its rules.
    pub fn first(&self) -> u32 {
        let rules = self.intervals.iter().map(|interval| interval.rule);
        rules.chain([self.without]).min().unwrap_or(NO_RULE)
    }

    /// The first rule for a port, or for a packet without.
    #[inline]
    pub fn find(&self, port: Option<u16>) -> u32 {
        let (Some(port), false) = (port, self.intervals.is_empty()) else {
            return self.without;
        };
        let rank = match &self.ranks {
            Some(ranks) => ranks.of(port),
            None => self.search(port),
        };
        self.intervals
            .get(rank)
            .map_or(self.without, |interval| interval.rule)
    }

    /// Which interval a port is in: halved as often as the number of intervals needs, without a branch.
    #[inline(always)]
    fn search(&self, port: u16) -> usize {
        let (mut base, mut left) = (0, self.intervals.len());
        while left > 1 {
            let half = left / 2;
            base += usize::from(self.intervals[base + half].start <= port) * half;
            left -= half;
        }
        base
    }
}

impl Ranks {
    fn new(intervals: &[Interval]) -> Box<Self> {
        let mut ranks = Box::new(Self {
            starts: [0; WORDS],
            before: [0; WORDS],
        });
        for interval in intervals {
            let port = usize::from(interval.start);
            ranks.starts[port >> 6] |= 1 << (port & 63);
        }
        let mut sum = 0;
        for word in 0..WORDS {
            ranks.before[word] = sum;
            sum = sum.wrapping_add(ranks.starts[word].count_ones() as u16);
        }
        ranks
    }

    #[inline(always)]
    fn of(&self, port: u16) -> usize {
        let word = usize::from(port) >> 6;
        // The port's own bit and those below it; the first interval begins at 0, so there is one.
        let below = self.starts[word] << (63 - (port & 63));
        usize::from(self.before[word]) + below.count_ones() as usize - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(rules: &[PortRule], port: Option<u16>) -> u32 {
        let matching = rules.iter().filter(|(ports, _)| match (ports, port) {
            (None, _) => true,
            (Some((first, last)), Some(port)) => (first..=last).contains(&&port),
            (Some(_), None) => false,
        });
        matching.map(|&(_, rule)| rule).min().unwrap_or(NO_RULE)
    }

    #[test]
    fn every_port_with_a_rule_of_its_own() {
        let rules: Vec<PortRule> = (0..=u16::MAX)
            .map(|port| (Some((port, port)), u32::from(port)))
            .collect();
        let ports = Ports::new(&rules);
        assert!((0..=u16::MAX).all(|port| ports.find(Some(port)) == u32::from(port)));
        assert_eq!(ports.find(None), NO_RULE);
        assert_eq!(ports.first(), 0);
    }

    #[test]
    fn ends_are_included_and_reversed_ranges_are_empty() {
        let ports = Ports::new(&[(Some((80, 443)), 3), (Some((9, 8)), 1), (None, 7)]);
        let found = [None, Some(79), Some(80), Some(443), Some(444), Some(9)];
        assert_eq!(found.map(|port| ports.find(port)), [7, 7, 3, 3, 7, 7]);
        assert_eq!(ports.first(), 3);
    }

    proptest! {
        #[test]
        fn the_first_rule_is_found(
            ranges in proptest::collection::vec((any::<u16>(), 0..0x200_u16, 0..20_u8), 0..150),
            probes in proptest::collection::vec(any::<u16>(), 200),
        ) {
            let rules: Vec<PortRule> = ranges
                .iter()
                .zip(0..)
                .map(|(&(first, len, kind), rule)| ((kind != 0 || rule < 60).then_some((first, first.saturating_add(len))), rule))
                .collect();
            let ports = Ports::new(&rules);
            prop_assert_eq!(ports.find(None), naive(&rules, None));
            let edges = ranges.iter().flat_map(|&(first, len, _)| [first, first.saturating_add(len)]);
            for port in edges.flat_map(|edge| [edge.wrapping_sub(1), edge, edge.wrapping_add(1)]).chain(probes) {
                prop_assert_eq!(ports.find(Some(port)), naive(&rules, Some(port)), "port {}", port);
            }
        }
    }
}
