//! Routes, and addresses to look up, of either family.

use super::engine::{Engine, Fib4Engine, Fib6Engine, Lpm4Engine, Lpm6Engine, NotRun};
use super::{N_NEXT_HOPS, Selection};
use anyhow::{Context, Result, ensure};
use dpdk::Eal;
use std::net::{Ipv4Addr, Ipv6Addr};
use tables::id::NextHopId;
use tables::lpm::{Address, Prefix};
use tables::testing::{Random, Route, bgp4, bgp6, uniform_trace, zipf_trace};

/// Addresses in a trace.
pub const TRACE: usize = 1 << 20;

/// An address family as it is measured.
pub trait Family: Address {
    /// The first part of its scenarios' names.
    const NAME: &str;
    /// Its generated tables: name and routes.
    const TABLES: &[(&str, usize)];
    /// Those of a quick run.
    const QUICK: &[&str];
    /// An address as its peers want it.
    type Wire: Copy;

    /// This address for the peers.
    fn wire(self) -> Self::Wire;
    /// A table like the Internet's.
    fn generate(count: usize) -> Vec<Route<Self>>;
    /// An address from its text.
    fn parse(text: &str) -> Option<Self>;
    /// The peers that can hold a table, and those that cannot with the reason.
    fn peers(eal: &Eal, table: &Table<Self>) -> Peers<Self>;
}

/// Engines, and those that do not run.
pub type Peers<F> = (Vec<Box<dyn Engine<F>>>, Vec<NotRun>);

impl Family for u128 {
    const NAME: &str = "lpm6";
    const TABLES: &[(&str, usize)] = &[
        ("1k", 1000),
        ("10k", 10_000),
        ("160k", 160_000),
        ("230k", 230_000),
        ("500k", 500_000),
    ];
    const QUICK: &[&str] = &["1k", "10k", "160k"];
    type Wire = [u8; 16];

    fn wire(self) -> [u8; 16] {
        self.to_be_bytes()
    }

    fn generate(count: usize) -> Vec<Route<u128>> {
        bgp6(count, N_NEXT_HOPS, 1)
    }

    fn parse(text: &str) -> Option<u128> {
        text.parse::<Ipv6Addr>().ok().map(u128::from)
    }

    fn peers(eal: &Eal, table: &Table<u128>) -> Peers<u128> {
        let (mut engines, mut absent): Peers<u128> = Default::default();
        match Fib6Engine::new(eal, table) {
            Ok(engine) => engines.push(Box::new(engine)),
            Err(error) => absent.extend(NotRun::all(Fib6Engine::WAYS, &error)),
        }
        match Lpm6Engine::new(eal, table) {
            Ok(engine) => engines.push(Box::new(engine)),
            Err(error) => absent.extend(NotRun::all(Lpm6Engine::WAYS, &error)),
        }
        (engines, absent)
    }
}

impl Family for u32 {
    const NAME: &str = "lpm4";
    const TABLES: &[(&str, usize)] = &[("10k", 10_000), ("900k", 900_000)];
    const QUICK: &[&str] = &["10k", "900k"];
    type Wire = u32;

    fn wire(self) -> u32 {
        self
    }

    fn generate(count: usize) -> Vec<Route<u32>> {
        bgp4(count, N_NEXT_HOPS, 1)
    }

    fn parse(text: &str) -> Option<u32> {
        text.parse::<Ipv4Addr>().ok().map(u32::from)
    }

    fn peers(eal: &Eal, table: &Table<u32>) -> Peers<u32> {
        let (mut engines, mut absent): Peers<u32> = Default::default();
        match Fib4Engine::new(eal, table) {
            Ok(engine) => engines.push(Box::new(engine)),
            Err(error) => absent.extend(NotRun::all(Fib4Engine::WAYS, &error)),
        }
        match Lpm4Engine::new(eal, table) {
            Ok(engine) => engines.push(Box::new(engine)),
            Err(error) => absent.extend(NotRun::all(Lpm4Engine::WAYS, &error)),
        }
        (engines, absent)
    }
}

/// A table's routes.
#[derive(Clone, Debug)]
pub struct Table<F: Family> {
    /// Its part of the scenarios' names.
    pub name: &'static str,
    /// Sorted, no default route: `rte_lpm` and `rte_lpm6` cannot hold one.
    pub routes: Vec<Route<F>>,
    /// Second-level tables of 256 entries that DIR-24-8 needs for them: one for every value of the first 24, 32, ... bits
    /// that a longer route has.
    pub groups: usize,
}

impl<F: Family> Table<F> {
    fn new(name: &'static str, routes: Vec<Route<F>>) -> Self {
        let groups = (24..F::BITS).step_by(8).map(|level| {
            let longer = routes.iter().filter(|(prefix, _)| prefix.len() > level);
            let mut values: Vec<F> = longer.map(|(p, _)| p.addr().network(level)).collect();
            values.dedup();
            values.len()
        });
        Self {
            name,
            groups: groups.sum(),
            routes,
        }
    }

    /// The tables to measure, by name; made when they are needed.
    pub fn names(selection: &Selection) -> impl Iterator<Item = &'static str> + use<F> {
        let generated = F::TABLES.iter().map(|&(name, _)| name);
        let from_file = selection.file.is_some();
        from_file
            .then_some("file")
            .into_iter()
            .chain(generated.filter(move |_| !from_file))
    }

    /// The table of a name that [`names`](Self::names) gave.
    ///
    /// # Errors
    /// When the file cannot be read or a line is no prefix.
    pub fn make(name: &'static str, selection: &Selection) -> Result<Self> {
        if let Some(path) = &selection.file {
            return Ok(Self::new(name, read(path)?));
        }
        let count = F::TABLES
            .iter()
            .find(|(n, _)| *n == name)
            .map_or(0, |&(_, count)| count);
        Ok(Self::new(name, F::generate(count)))
    }
}

/// The prefixes of this family in a file, one a line, with random next hops.
fn read<F: Family>(path: &str) -> Result<Vec<Route<F>>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    let mut prefixes = Vec::new();
    for (number, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = || format!("{path}, line {}: {line}", number + 1);
        let (addr, len) = line.split_once('/').with_context(at)?;
        let len = len.parse().with_context(at)?;
        match F::parse(addr) {
            Some(addr) if len > 0 => prefixes.push(Prefix::new(addr, len).with_context(at)?),
            Some(_) => {}
            None => ensure!(other_family::<F>(addr), at()),
        }
    }
    prefixes.sort_unstable();
    prefixes.dedup();
    let mut random = Random::new(1);
    let mut next_hop = || NextHopId(1 + random.below(N_NEXT_HOPS.into()) as u32);
    Ok(prefixes
        .into_iter()
        .map(|prefix| (prefix, next_hop()))
        .collect())
}

fn other_family<F: Family>(addr: &str) -> bool {
    match F::BITS {
        32 => u128::parse(addr).is_some(),
        _ => u32::parse(addr).is_some(),
    }
}

/// Addresses to look up, as ours and as the peers want them.
#[derive(Clone, Debug)]
pub struct Trace<F: Family> {
    /// As integers.
    pub native: Vec<F>,
    /// The same for the peers.
    pub wire: Vec<F::Wire>,
}

impl<F: Family> Trace<F> {
    /// The traces by name.
    pub const NAMES: [&str; 3] = ["uniform", "zipf64k", "zipf1m"];

    /// The trace of one of [`NAMES`](Self::NAMES).
    pub fn make(name: &str, routes: &[Route<F>]) -> Self {
        let native = match name {
            "zipf64k" => zipf_trace(routes, 1 << 16, TRACE, 3),
            "zipf1m" => zipf_trace(routes, 1 << 20, TRACE, 4),
            _ => uniform_trace(routes, TRACE, 2),
        };
        let wire = native.iter().map(|addr| addr.wire()).collect();
        Self { native, wire }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_file_is_read_by_family_without_its_default_route() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let lines = "# a table\n10.0.0.0/8\n::/0\n2001:db8:1::/48\n\n2001:db8::/32\n0.0.0.0/0\n10.0.0.0/8\n";
        file.write_all(lines.as_bytes()).unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        let of6 = read::<u128>(&path).unwrap();
        let names: Vec<_> = of6.iter().map(|(prefix, _)| prefix.to_string()).collect();
        assert_eq!(names, ["2001:db8::/32", "2001:db8:1::/48"]);
        assert_eq!(read::<u32>(&path).unwrap().len(), 1);
        file.write_all(b"10.0.0.0/33\n").unwrap();
        let error = format!("{:#}", read::<u32>(&path).unwrap_err());
        assert!(error.contains("line 9: 10.0.0.0/33"), "{error}");
    }

    #[test]
    fn groups_are_counted_per_level() {
        let route = |addr: u32, len| (Prefix::new(addr, len).unwrap(), NextHopId(1));
        let routes = vec![
            route(0x0a00_0000, 24),
            route(0x0a00_0100, 25),
            route(0x0a00_0180, 26),
            route(0x0a00_0201, 32),
        ];
        assert_eq!(Table::new("t", routes).groups, 2);
        let route = |addr: u128, len| (Prefix::new(addr, len).unwrap(), NextHopId(1));
        let routes = vec![
            route(0x2001_0db8 << 96, 32),
            route(0x2001_0db8_0001 << 80, 48),
        ];
        assert_eq!(Table::new("t", routes).groups, 3, "24 bits, 32, 40");
    }
}
