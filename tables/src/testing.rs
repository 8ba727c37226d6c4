//! Routing tables and traffic for benches and tests, from a seed: shaped like the Internet's, without its data.
//!
//! What makes a real IPv6 table hard or easy is kept: the shares of prefix lengths, that routes crowd in few /12s, that most
//! sit in clusters under a provider's /29 or /32 while some stand alone, and that nearly every pair of neighbours has
//! different next hops.

use crate::id::NextHopId;
use crate::lpm::{Address, Prefix};
use hashbrown::HashSet;

/// A generator of pseudo-random numbers (SplitMix64): small, and the same everywhere.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A sequence of its own for each seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        ((self.bits() as u128 * n as u128) >> 64) as u64
    }

    /// 128 random bits.
    pub fn bits128(&mut self) -> u128 {
        (self.bits() as u128) << 64 | self.bits() as u128
    }

    /// A number in `0.0..1.0`.
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// One of the weighted values.
    fn pick<T: Copy>(&mut self, weighted: &[(T, u32)]) -> T {
        let total: u64 = weighted.iter().map(|(_, weight)| *weight as u64).sum();
        let mut at = self.below(total);
        for &(value, weight) in weighted {
            if at < weight as u64 {
                return value;
            }
            at -= weight as u64;
        }
        weighted[0].0
    }
}

/// A route of a generated table.
pub type Route<A> = (Prefix<A>, NextHopId);

/// The /12s that hold the IPv6 Internet, by their share of routes, and the number of /16s in use of each.
const REGIONS6: [((u32, u64), u32); 10] = [
    ((0x240, 12), 320),
    ((0x2a0, 14), 200),
    ((0x280, 4), 175),
    ((0x200, 12), 125),
    ((0x260, 8), 120),
    ((0x262, 2), 20),
    ((0x2a1, 4), 18),
    ((0x2c0, 2), 12),
    ((0x261, 1), 6),
    ((0x241, 1), 2),
];

/// Lengths of provider blocks, and of what is announced inside one, in thousandths.
const BLOCKS6: [(u8, u32); 8] = [
    (32, 720),
    (29, 140),
    (30, 25),
    (31, 15),
    (28, 15),
    (26, 5),
    (24, 3),
    (20, 1),
];
const INSIDE6: [(u8, u32); 14] = [
    (48, 590),
    (44, 112),
    (40, 105),
    (36, 47),
    (33, 22),
    (34, 20),
    (38, 13),
    (39, 11),
    (42, 18),
    (46, 24),
    (47, 25),
    (45, 12),
    (56, 2),
    (64, 1),
];

/// An IPv6 table of `count` routes, sorted, next hops random in `1..=next_hops`.
///
/// Made after a full table of 2025: 70 % of the providers announce their block and nothing inside it; the others announce
/// pieces, and half of them nothing else. How many pieces follows a power law, neighbouring blocks are often one provider's,
/// its pieces are mostly of one length and lie close together: so a quarter of all routes are in the 60 fullest /24s.
pub fn bgp6(count: usize, next_hops: u32, seed: u64) -> Vec<Route<u128>> {
    let mut random = Random::new(seed);
    let mut prefixes = HashSet::with_capacity(count);
    let mut place = 0u32;
    let mut pieces = 0;
    while prefixes.len() < count {
        match random.below(10) {
            // A registry's or a big provider's next block.
            0..=2 => place = place.wrapping_add(1),
            3 => place = place.wrapping_add(8),
            // Another provider, in one of the /20s in use.
            _ => {
                let (region, crowd) = random.pick(&REGIONS6);
                let in_use = random.below(crowd).min(random.below(crowd)) as u32;
                let slash20 = random.below(10).min(random.below(16)) as u32;
                place = region << 20 | in_use << 16 | slash20 << 12 | random.bits() as u32 & 0xff8;
                let announces = random.below(10) < 3;
                pieces = match announces {
                    true => (1.6 / (random.fraction() + 0.0006)) as u64,
                    false => 0,
                };
            }
        }
        let len = random.pick(&BLOCKS6);
        let block = Prefix::of((place as u128) << 96, len);
        if pieces == 0 || random.below(2) == 0 {
            prefixes.insert(block);
        }
        announce_inside(block, pieces, count, &mut random, &mut prefixes);
    }
    finish(prefixes, next_hops, random)
}

/// Some pieces of a provider's block.
fn announce_inside(
    block: Prefix<u128>,
    pieces: u64,
    count: usize,
    random: &mut Random,
    prefixes: &mut HashSet<Prefix<u128>>,
) {
    let usual = random.pick(&INSIDE6);
    let spread = (pieces << random.below(5)).max(2);
    let room = block.addr().last(block.len()) ^ block.addr();
    for _ in 0..pieces {
        if prefixes.len() >= count {
            break;
        }
        let other = random.below(10) < 2;
        let len = if other { random.pick(&INSIDE6) } else { usual };
        let len = len.max(block.len() + 1);
        let site = random.below(spread) as u128;
        let host = if len > 48 { random.bits() as u128 } else { 0 };
        let place = match len >= 48 {
            true => site << 80,
            false => site << (128 - len as u32),
        };
        prefixes.insert(Prefix::of(block.addr() | (place | host) & room, len));
    }
}

/// Lengths of provider blocks in an IPv4 table, in thousandths.
const BLOCKS4: [(u8, u32); 9] = [
    (24, 600),
    (23, 115),
    (22, 120),
    (21, 55),
    (20, 50),
    (19, 40),
    (18, 20),
    (17, 10),
    (16, 15),
];

/// An IPv4 table of `count` routes, sorted, next hops random in `1..=next_hops`.
///
/// Made after a full table of 2025: half of the /16s are in use, a tenth of them nearly full, most with few routes. In each
/// blocks lie one after the other, some with holes between; a quarter of them are announced in pieces as well.
pub fn bgp4(count: usize, next_hops: u32, seed: u64) -> Vec<Route<u32>> {
    let mut random = Random::new(seed);
    let mut prefixes = HashSet::with_capacity(count);
    let mut seen = HashSet::new();
    while prefixes.len() < count {
        let first = 1 + random.below(223) as u32;
        let slash16 = first << 24 | (random.below(256) as u32) << 16;
        // When all are in use, they are used again.
        let fresh = seen.insert(slash16) || 40_000 < seen.len();
        if first == 10 || first == 127 || !fresh {
            continue;
        }
        if random.below(100) == 0 {
            prefixes.insert(Prefix::of(slash16, 8 + random.below(8) as u8));
        }
        let routes = 1 + (180.0 * (-4.7 * random.fraction()).exp()) as usize;
        let wanted = count.min(prefixes.len() + routes);
        fill_slash16(slash16, routes, wanted, &mut random, &mut prefixes);
    }
    finish(prefixes, next_hops, random)
}

/// About so many routes in a /16, until there are `wanted` in all.
fn fill_slash16(
    slash16: u32,
    routes: usize,
    wanted: usize,
    random: &mut Random,
    prefixes: &mut HashSet<Prefix<u32>>,
) {
    // In a crowded one blocks are small.
    let shortest = (13 + routes.ilog2() as u8).clamp(16, 22);
    let mut cursor = 0u32;
    while prefixes.len() < wanted {
        let len = random.pick(&BLOCKS4).max(shortest);
        let size = 1u32 << (24 - len);
        cursor = cursor.next_multiple_of(size);
        // Past the end it begins anew, between and inside what is there.
        let block = slash16 | (cursor & 0xff) << 8;
        prefixes.insert(Prefix::of(block, len));
        if len < 24 && random.below(4) == 0 {
            let inside = if random.below(4) == 0 { len + 1 } else { 24 };
            let pieces = 1 + random.below(6).min(random.below(1 << (inside - len)));
            for piece in 0..pieces as u32 {
                if prefixes.len() < wanted {
                    prefixes.insert(Prefix::of(block | piece << (32 - inside), inside));
                }
            }
        }
        cursor += size;
        if random.below(3) == 0 {
            cursor += size << random.below(3);
        }
    }
}

/// A router of `subnets` connected /64s with `hosts` neighbours each: addresses as hosts make them, half of them small
/// numbers, half from a MAC (RFC 4291 appendix A).
pub fn connected6(subnets: usize, hosts: usize, next_hops: u32, seed: u64) -> Vec<Route<u128>> {
    let mut random = Random::new(seed);
    let mut prefixes = HashSet::new();
    for subnet in 0..subnets as u128 {
        let lan = 0x2001_0db8_u128 << 96 | subnet << 64;
        prefixes.insert(Prefix::of(lan, 64));
        for host in 0..hosts as u128 {
            let eui64 = 0x0200_5eff_fe00_0000 | random.bits() as u128 & 0xff_ffff;
            prefixes.insert(Prefix::host(
                lan | if host % 2 == 0 { host + 1 } else { eui64 },
            ));
        }
    }
    finish(prefixes, next_hops, random)
}

fn finish<A: Address>(
    prefixes: HashSet<Prefix<A>>,
    next_hops: u32,
    mut random: Random,
) -> Vec<Route<A>> {
    let mut prefixes: Vec<_> = prefixes.into_iter().collect();
    prefixes.sort_unstable();
    let mut next_hop = || NextHopId(1 + random.below(next_hops.max(1) as u64) as u32);
    prefixes
        .into_iter()
        .map(|prefix| (prefix, next_hop()))
        .collect()
}

/// Addresses to look up: each one of a route chosen evenly, its host bits random. The hard case: nothing repeats.
pub fn uniform_trace<A: Address>(routes: &[Route<A>], count: usize, seed: u64) -> Vec<A> {
    let mut random = Random::new(seed);
    let mut addrs = Vec::with_capacity(count);
    while addrs.len() < count && !routes.is_empty() {
        let prefix = routes[random.below(routes.len() as u64) as usize].0;
        let mut addr = A::default();
        for at in (0..A::BITS).step_by(32) {
            addr = addr.or(A::from_bits(random.bits() as u32, at, 32));
        }
        addrs.push(prefix.addr().or(addr.network(prefix.len()).xor(addr)));
    }
    addrs
}

/// As [`uniform_trace`] over `flows` destinations whose popularity follows Zipf's law (exponent 1): what traffic is
/// like.
pub fn zipf_trace<A: Address>(
    routes: &[Route<A>],
    flows: usize,
    count: usize,
    seed: u64,
) -> Vec<A> {
    let destinations = uniform_trace(routes, flows, seed ^ 0x5a5a);
    let mut sum = 0.0;
    let cumulative: Vec<f64> = (1..=destinations.len())
        .map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        })
        .collect();
    let mut random = Random::new(seed);
    let mut pick = || {
        let at = random.fraction() * sum;
        let rank = cumulative.partition_point(|&c| c < at);
        destinations.get(rank).or(destinations.last()).copied()
    };
    (0..count).map_while(|_| pick()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share<A: Address>(routes: &[Route<A>], len: u8) -> f64 {
        let of_len = routes
            .iter()
            .filter(|(prefix, _)| prefix.len() == len)
            .count();
        of_len as f64 / routes.len() as f64
    }

    #[test]
    fn an_ipv6_table_has_the_internets_shape() {
        let routes = bgp6(50_000, 1000, 1);
        assert_eq!(routes.len(), 50_000);
        assert_eq!(
            routes,
            bgp6(50_000, 1000, 1),
            "the same seed gives the same table"
        );
        assert_ne!(routes, bgp6(50_000, 1000, 2));
        for (len, expected) in [(48, 0.47), (32, 0.14), (44, 0.09), (40, 0.084), (36, 0.037)] {
            let share = share(&routes, len);
            assert!(
                (share - expected).abs() < 0.05,
                "/{len}: {share} for {expected}"
            );
        }
        let regions: HashSet<u128> = routes.iter().map(|(p, _)| p.addr() >> 116).collect();
        assert!(regions.len() <= 10);
        // What makes it hard: most routes crowd in few places, beside many places with a few routes each.
        let mut places: Vec<usize> = routes
            .chunk_by(|(a, _), (b, _)| a.addr() >> 104 == b.addr() >> 104)
            .map(<[_]>::len)
            .collect();
        places.sort_unstable_by(|a, b| b.cmp(a));
        let fullest: usize = places[..60].iter().sum();
        assert!((3000..6000).contains(&places.len()), "{}", places.len());
        assert!((15_000..35_000).contains(&fullest), "{fullest}");
        assert!(routes.iter().all(|(_, n)| (1..=1000).contains(&n.0)));
        assert!(routes.windows(2).all(|w| w[0].0 < w[1].0));
    }

    #[test]
    fn an_ipv4_table_has_the_internets_shape() {
        let routes = bgp4(50_000, 1000, 1);
        assert_eq!(routes.len(), 50_000);
        for (len, expected) in [(24, 0.61), (23, 0.1), (22, 0.11)] {
            let share = share(&routes, len);
            assert!(
                (share - expected).abs() < 0.05,
                "/{len}: {share} for {expected}"
            );
        }
        // Neighbours crowd: 50,000 routes, each on its own, would be in 30,000 of the /16s.
        let places = routes.chunk_by(|(a, _), (b, _)| a.addr() >> 16 == b.addr() >> 16);
        assert!((1000..2500).contains(&places.count()));
    }

    #[test]
    fn traces_stay_in_the_table_and_zipf_repeats() {
        let routes = bgp6(1000, 10, 1);
        let covered = |addr: &u128| routes.iter().any(|(prefix, _)| prefix.contains(*addr));
        assert!(uniform_trace(&routes, 500, 1).iter().all(covered));
        let zipf = zipf_trace(&routes, 1000, 5000, 1);
        assert!(zipf[..500].iter().all(covered));
        let distinct: HashSet<u128> = zipf.iter().copied().collect();
        assert!((300..999).contains(&distinct.len()), "{}", distinct.len());
        assert!(
            uniform_trace::<u32>(&[], 5, 1).is_empty()
                && zipf_trace::<u32>(&[], 5, 5, 1).is_empty()
        );
        let connected = connected6(3, 4, 5, 1);
        assert_eq!(connected.iter().filter(|(p, _)| p.len() == 128).count(), 12);
        assert_eq!(share(&connected, 64), 3.0 / 15.0);
    }
}
