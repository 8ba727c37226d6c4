//! Routes, and addresses to look up, of either family.

use super::Selection;
use super::engine::{Engine, Fib4Engine, Fib6Engine, Lpm4Engine, Lpm6Engine, NotRun};
use crate::versus::table::{N_NEXT_HOPS, RouteFile};
use anyhow::Result;
use dpdk::Eal;
use tables::lpm::Address;
use tables::testing::{Route, bgp4, bgp6, uniform_trace, zipf_trace};

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
    /// Its routes in a file.
    fn of_file(file: &RouteFile) -> &[Route<Self>];
    /// The peers that are wanted, with a table loaded.
    fn peers(eal: &Eal, table: &Table<Self>, selection: &Selection) -> Peers<Self>;
}

/// Engines, and those that do not run.
#[expect(
    missing_debug_implementations,
    reason = "engines are closed to the eye"
)]
pub struct Peers<F: Family> {
    /// With the table loaded.
    pub engines: Vec<Box<dyn Engine<F>>>,
    /// Could not be made or hold the table.
    pub absent: Vec<NotRun>,
}

impl<F: Family> Default for Peers<F> {
    fn default() -> Self {
        Self {
            engines: Vec::new(),
            absent: Vec::new(),
        }
    }
}

impl<F: Family> Peers<F> {
    /// Makes an engine if one of its ways is wanted.
    fn add<E: Engine<F> + 'static>(
        &mut self,
        selection: &Selection,
        ways: &[&'static str],
        make: impl FnOnce() -> Result<E>,
    ) {
        if !ways.iter().any(|name| selection.peers.wants(name)) {
            return;
        }
        match make() {
            Ok(engine) => self.engines.push(Box::new(engine)),
            Err(error) => self.absent.extend(NotRun::all(ways, &error)),
        }
    }
}

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

    fn of_file(file: &RouteFile) -> &[Route<u128>] {
        &file.v6
    }

    fn peers(eal: &Eal, table: &Table<u128>, selection: &Selection) -> Peers<u128> {
        let mut peers = Peers::default();
        peers.add(selection, Fib6Engine::WAYS, || Fib6Engine::new(eal, table));
        peers.add(selection, Lpm6Engine::WAYS, || Lpm6Engine::new(eal, table));
        peers
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

    fn of_file(file: &RouteFile) -> &[Route<u32>] {
        &file.v4
    }

    fn peers(eal: &Eal, table: &Table<u32>, selection: &Selection) -> Peers<u32> {
        let mut peers = Peers::default();
        peers.add(selection, Fib4Engine::WAYS, || Fib4Engine::new(eal, table));
        peers.add(selection, Lpm4Engine::WAYS, || Lpm4Engine::new(eal, table));
        peers
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
        let from_file = selection
            .file
            .as_ref()
            .is_some_and(|f| !F::of_file(f).is_empty());
        F::TABLES
            .iter()
            .map(|&(name, _)| name)
            .chain(from_file.then_some(FILE))
    }

    /// The table of a name that [`names`](Self::names) gave.
    pub fn make(name: &'static str, selection: &Selection) -> Self {
        let routes = match (&selection.file, F::TABLES.iter().find(|(n, _)| *n == name)) {
            (_, Some(&(_, count))) => F::generate(count),
            (Some(file), None) => F::of_file(file).to_vec(),
            (None, None) => Vec::new(),
        };
        Self::new(name, routes)
    }
}

/// The name of a table that came from a file.
pub const FILE: &str = "file";

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
    use tables::id::NextHopId;
    use tables::lpm::Prefix;

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
