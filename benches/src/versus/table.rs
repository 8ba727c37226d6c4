//! The tables under test: a few routes, tables of the Internet's shape from a seed, or those of a file.

use anyhow::{Context, Result, ensure};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tables::id::NextHopId;
use tables::lpm::{Address, Prefix};
use tables::testing::{Route, bgp4, bgp6, uniform_trace, zipf_trace};

/// Next hops that the routes are spread over: fewer would flatter tables that merge equal neighbours.
pub const N_NEXT_HOPS: u32 = 1000;
/// The prefix of documentation (RFC 3849): the subnet between the feed and its routers is taken from it.
pub const LINK6: u128 = 0x2001_0db8 << 96;
/// The prefix for benchmarks (RFC 2544), 198.18.0.0/15: the same for IPv4.
pub const LINK4: u32 = 0xc612_0000;
/// Flows of a Zipf trace.
const N_FLOWS: usize = 65_536;
const SEED: u64 = 1;

/// How destinations are drawn from a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// A route evenly, then random host bits: the hard case, nothing repeats.
    Uniform,
    /// Zipf's law (exponent 1) over 65,536 flows: what traffic is like.
    Zipf,
}

impl Trace {
    /// As it stands in names of scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Trace::Uniform => "uniform",
            Trace::Zipf => "zipf",
        }
    }
}

/// Routes of one family, sorted, each with its next hop in `1..=N_NEXT_HOPS`.
#[derive(Clone, Debug)]
pub enum Table {
    /// IPv6.
    V6(Vec<Route<u128>>),
    /// IPv4.
    V4(Vec<Route<u32>>),
}

impl Table {
    /// Eight /64s.
    pub fn few6() -> Table {
        let routes = (1..=8).map(|i| (of(LINK6 | u128::from(i) << 64, 64), NextHopId(i)));
        Table::V6(routes.collect())
    }

    /// Eight /24s.
    pub fn few4() -> Table {
        let routes = (1..=8).map(|i| (of(0x0a00_0000 | i << 8, 24), NextHopId(i)));
        Table::V4(routes.collect())
    }

    /// As many routes as wanted, in the shape of the IPv6 Internet's table.
    pub fn internet6(count: usize) -> Table {
        let routes = bgp6(count, N_NEXT_HOPS, SEED);
        Table::V6(routes.into_iter().filter(|r| usable6(r.0)).collect())
    }

    /// The same for IPv4.
    pub fn internet4(count: usize) -> Table {
        let routes = bgp4(count, N_NEXT_HOPS, SEED);
        Table::V4(routes.into_iter().filter(|r| usable4(r.0)).collect())
    }

    /// One of two parts, by the first bits of addresses: no route of one lies inside one of the other.
    pub fn part(&self, half: u32) -> Table {
        match self {
            Table::V6(routes) => {
                let of_half = |r: &&Route<u128>| in_half((r.0.addr() >> 108) as u32, half);
                Table::V6(routes.iter().filter(of_half).copied().collect())
            }
            Table::V4(routes) => {
                let of_half = |r: &&Route<u32>| in_half(r.0.addr() >> 24, half);
                Table::V4(routes.iter().filter(of_half).copied().collect())
            }
        }
    }

    /// Number of routes.
    pub fn len(&self) -> usize {
        match self {
            Table::V6(routes) => routes.len(),
            Table::V4(routes) => routes.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Prefixes as text, each with the number of its next hop (from 1).
    pub fn routes(&self) -> Vec<(String, u32)> {
        fn text<A: Address>(routes: &[Route<A>]) -> Vec<(String, u32)> {
            let text = routes.iter().map(|(p, via)| (p.to_string(), via.0));
            text.collect()
        }
        match self {
            Table::V6(routes) => text(routes),
            Table::V4(routes) => text(routes),
        }
    }

    /// The largest number of a next hop.
    pub fn n_next_hops(&self) -> u32 {
        let largest = match self {
            Table::V6(routes) => routes.iter().map(|r| r.1.0).max(),
            Table::V4(routes) => routes.iter().map(|r| r.1.0).max(),
        };
        largest.unwrap_or(0)
    }

    /// Destinations, each of which meets a route.
    pub fn destinations(&self, trace: Trace, count: usize) -> Vec<IpAddr> {
        fn draw<A: Address>(routes: &[Route<A>], trace: Trace, count: usize) -> Vec<A> {
            match trace {
                Trace::Uniform => uniform_trace(routes, count, SEED),
                Trace::Zipf => zipf_trace(routes, N_FLOWS, count, SEED),
            }
        }
        match self {
            Table::V6(routes) => draw(routes, trace, count)
                .into_iter()
                .map(|a| Ipv6Addr::from_bits(a).into())
                .collect(),
            Table::V4(routes) => draw(routes, trace, count)
                .into_iter()
                .map(|a| Ipv4Addr::from_bits(a).into())
                .collect(),
        }
    }
}

/// Even and odd numbers of leading bits.
pub fn in_half(leading: u32, half: u32) -> bool {
    leading % 2 == half
}

/// A prefix of a length that is known to be right.
fn of<A: Address>(addr: A, len: u8) -> Prefix<A> {
    Prefix::new(addr, len).expect("no prefix is longer than its address")
}

/// Global unicast, and nothing of the subnet between the feed and its routers.
fn usable6(prefix: Prefix<u128>) -> bool {
    let link = of(LINK6, 32);
    8 <= prefix.len() && prefix.addr() >> 125 == 1 && !prefix.covers(link) && !link.covers(prefix)
}

/// The same for IPv4; nor 0.0.0.0/8, loopback, or multicast and above.
fn usable4(prefix: Prefix<u32>) -> bool {
    let link = of(LINK4, 15);
    8 <= prefix.len()
        && (1..224).contains(&(prefix.addr() >> 24))
        && prefix.addr() >> 24 != 127
        && !prefix.covers(link)
        && !link.covers(prefix)
}

/// The routes of a file, by family.
#[derive(Clone, Debug, Default)]
pub struct RouteFile {
    /// IPv6 routes that can be forwarded here.
    pub v6: Vec<Route<u128>>,
    /// IPv4 routes.
    pub v4: Vec<Route<u32>>,
    /// Routes left out: not global unicast, shorter than /8, or of the ranges for documentation and benchmarks.
    pub left_out: usize,
}

impl RouteFile {
    /// Reads one prefix a line; what follows a `#`, or the prefix and a space, is comment.
    ///
    /// # Errors
    /// Names the first line that is no prefix.
    pub fn parse(text: &str) -> Result<RouteFile> {
        let mut file = RouteFile::default();
        let (mut v6, mut v4) = (Vec::new(), Vec::new());
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let Some(word) = line.split_whitespace().next() else {
                continue;
            };
            match prefix(word).with_context(|| format!("line {}: `{word}`", number + 1))? {
                (IpAddr::V6(addr), len) => v6.push(Prefix::new(addr.to_bits(), len)?),
                (IpAddr::V4(addr), len) => v4.push(Prefix::new(addr.to_bits(), len)?),
            }
        }
        let read = v6.len() + v4.len();
        file.v6 = finish(v6, usable6);
        file.v4 = finish(v4, usable4);
        file.left_out = read - file.v6.len() - file.v4.len();
        Ok(file)
    }
}

fn prefix(word: &str) -> Result<(IpAddr, u8)> {
    let (addr, len) = match word.split_once('/') {
        Some((addr, len)) => (addr, Some(len)),
        None => (word, None),
    };
    let addr: IpAddr = addr.parse()?;
    let bits = if addr.is_ipv6() { 128 } else { 32 };
    let len: u8 = len.map_or(Ok(bits), str::parse)?;
    ensure!(len <= bits, "a prefix of {len} bits");
    Ok((addr, len))
}

/// Sorted, each once, with a next hop each.
fn finish<A: Address>(
    mut prefixes: Vec<Prefix<A>>,
    usable: fn(Prefix<A>) -> bool,
) -> Vec<Route<A>> {
    prefixes.retain(|p| usable(*p));
    prefixes.sort_unstable();
    prefixes.dedup();
    let via = |i: usize| 1 + (i as u32).wrapping_mul(2_654_435_761) % N_NEXT_HOPS;
    let routes = prefixes.into_iter().enumerate();
    routes.map(|(i, p)| (p, NextHopId(via(i)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_is_full_and_leaves_the_link_alone() {
        let Table::V6(routes) = Table::internet6(160_000) else {
            panic!("not IPv6")
        };
        assert!(
            (159_900..=160_000).contains(&routes.len()),
            "{}",
            routes.len()
        );
        assert!(
            routes
                .iter()
                .all(|(p, _)| p.len() <= 64 && p.addr() >> 96 != LINK6 >> 96)
        );
        let Table::V4(routes) = Table::internet4(90_000) else {
            panic!("not IPv4")
        };
        assert!(
            (89_000..=90_000).contains(&routes.len()),
            "{}",
            routes.len()
        );
        let link = of(LINK4, 15);
        assert!(
            routes
                .iter()
                .all(|(p, _)| !p.covers(link) && !link.covers(*p))
        );
    }

    #[test]
    fn two_parts_make_a_whole_and_share_no_address() {
        let table = Table::internet6(3000);
        let parts = [table.part(0), table.part(1)];
        assert_eq!(parts[0].len() + parts[1].len(), table.len());
        let [Table::V6(a), Table::V6(b)] = &parts else {
            panic!("not IPv6")
        };
        assert!(
            700 < a.len() && 700 < b.len(),
            "{} and {}",
            a.len(),
            b.len()
        );
        assert!(
            a.iter()
                .all(|a| b.iter().all(|b| !a.0.covers(b.0) && !b.0.covers(a.0)))
        );
    }

    #[test]
    fn every_destination_meets_a_route() {
        for table in [
            Table::few6(),
            Table::few4(),
            Table::internet6(500),
            Table::internet4(500),
        ] {
            for trace in [Trace::Uniform, Trace::Zipf] {
                let destinations = table.destinations(trace, 300);
                assert_eq!(destinations.len(), 300);
                for to in destinations {
                    let met = match (&table, to) {
                        (Table::V6(r), IpAddr::V6(to)) => {
                            r.iter().any(|r| r.0.contains(to.to_bits()))
                        }
                        (Table::V4(r), IpAddr::V4(to)) => {
                            r.iter().any(|r| r.0.contains(to.to_bits()))
                        }
                        _ => false,
                    };
                    assert!(met, "{to} {trace:?}");
                }
            }
        }
    }

    #[test]
    fn a_file_of_routes_is_read() {
        let text = "# a table\n2a00:1::/32 # mine\n\n  192.88.99.0/24 via nowhere\n2a00:1::/32\n\
                    2a00:2::9/127\n::/0\n10.1.2.3\n2001:db8:1::/48\n198.18.3.0/24\nff02::/16\n";
        let file = RouteFile::parse(text).unwrap();
        let table = Table::V6(file.v6);
        let prefixes: Vec<String> = table.routes().into_iter().map(|r| r.0).collect();
        assert_eq!(prefixes, ["2a00:1::/32", "2a00:2::8/127"]);
        let table = Table::V4(file.v4);
        let prefixes: Vec<String> = table.routes().into_iter().map(|r| r.0).collect();
        assert_eq!(prefixes, ["10.1.2.3/32", "192.88.99.0/24"]);
        assert_eq!(file.left_out, 5, "the default, a double, and three ranges");
    }

    #[test]
    fn a_line_that_is_no_prefix_is_named() {
        for (text, line) in [
            ("10.0.0.0/33", "line 1"),
            ("\n::1/x", "line 2"),
            ("#\n\nnext", "line 3"),
        ] {
            let error = format!("{:#}", RouteFile::parse(text).unwrap_err());
            assert!(error.starts_with(line), "{error}");
        }
    }
}
