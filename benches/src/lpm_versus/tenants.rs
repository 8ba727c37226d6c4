//! Many VRFs: how long they take to load, what they weigh, and how fast they are looked up beside one.

use super::engine::Hextet;
use super::measure::Figures as Cycles;
use super::{Memory, Report, Selection, VRF};
use crate::versus::meter::{tsc, tsc_ghz};
use crate::versus::table::N_NEXT_HOPS;
use anyhow::{Result, ensure};
use serde::Serialize;
use std::time::Instant;
use tables::id::{NextHopId, VrfId};
use tables::lpm::Prefix;
use tables::testing::{Random, Route, uniform_trace};

/// Names of the scenarios.
pub const SCENARIOS: [&str; 2] = [MANY, FOUR_ROUTES];
const MANY: &str = "vrfs/4000";
const FOUR_ROUTES: &str = "lpm6/4-route-vrf";

/// VRFs.
const VRFS: usize = 4000;
/// Neighbours in each, beside its four prefixes.
const HOSTS: u64 = 12;
/// Addresses in a burst.
const BURST: usize = 32;
/// Bursts in a trace.
const BURSTS: usize = 1 << 15;

/// The figures.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Seconds from an empty table until all can be looked up.
    pub load_s: f64,
    /// Bytes of what readers see.
    pub bytes: usize,
    /// Bytes by which the process grew: the routes as the writer keeps them included.
    pub process_bytes: usize,
    /// Cycles per lookup: each burst in another VRF; all in one VRF; all in one VRF that has all routes.
    pub cycles: [Cycles; 3],
}

impl Figures {
    /// The closing line.
    pub fn line(&self) -> String {
        let [many, one, all] = self.cycles.each_ref().map(|c| c.cycles_per_lookup);
        format!(
            "vrfs {VRFS} load_s {:.2} bytes {} process_bytes {} cycles {many:.1} one-vrf {one:.1} one-table {all:.1}",
            self.load_s, self.bytes, self.process_bytes
        )
    }
}

/// Measures what is wanted.
///
/// # Errors
/// When memory is short, or a lookup goes wrong.
pub fn run(selection: &Selection, report: &mut Report) -> Result<()> {
    if selection.wants(FOUR_ROUTES, true) {
        report.memory.push(four_routes()?);
    }
    if selection.wants(MANY, true) {
        let figures = many(if selection.quick { 5 } else { 11 })?;
        println!("\n{}", figures.line());
        figures.cycles.iter().for_each(|c| println!("{}", c.row()));
        report.tenants = Some(figures);
    }
    Ok(())
}

/// A tenant's table: a site, its two LANs, a summary of the others, and hosts on the LANs.
fn tenant(random: &mut Random, hosts: u64) -> Vec<Route<u128>> {
    let site = 0xfd << 120 | (random.bits() as u128 >> 24) << 80;
    let lan = |n: u64| site | u128::from(n) << 64;
    let nets = [(site, 48), (lan(1), 64), (lan(2), 64), (0xfd << 120, 8)];
    let hosts = (0..hosts).map(|n| (lan(1 + n % 2) | u128::from(random.bits() >> 8), 128));
    let hosts: Vec<_> = hosts.collect();
    let prefixes = nets
        .into_iter()
        .chain(hosts)
        .filter_map(|(a, len)| Prefix::new(a, len).ok());
    prefixes
        .map(|p| (p, NextHopId(1 + random.below(N_NEXT_HOPS.into()) as u32)))
        .collect()
}

fn four_routes() -> Result<Memory> {
    let mut hextet = Hextet::empty(1)?;
    insert(&mut hextet, VRF, &tenant(&mut Random::new(1), 0))?;
    let bytes = hextet.writer.memory_bytes(VRF);
    println!("\n{FOUR_ROUTES}: {bytes} bytes");
    Ok(Memory {
        table: FOUR_ROUTES.to_owned(),
        engine: "hextet".to_owned(),
        bytes,
    })
}

fn insert(hextet: &mut Hextet<u128>, vrf: VrfId, routes: &[Route<u128>]) -> Result<()> {
    for &(prefix, next_hop) in routes {
        hextet.writer.insert(vrf, prefix, next_hop)?;
    }
    Ok(())
}

/// A burst of lookups in one VRF.
type Burst = (VrfId, Vec<u128>);

fn many(repetitions: usize) -> Result<Figures> {
    let mut random = Random::new(1);
    let tables: Vec<_> = (0..VRFS).map(|_| tenant(&mut random, HOSTS)).collect();
    let before = resident_bytes()?;
    let began = Instant::now();
    let mut many = Hextet::empty(VRFS)?;
    many.writer.begin();
    let vrf = |n: usize| VrfId(n as u16);
    for (n, routes) in tables.iter().enumerate() {
        many.writer.add_vrf(vrf(n))?;
        insert(&mut many, vrf(n), routes)?;
    }
    many.writer.commit()?;
    let load_s = began.elapsed().as_secs_f64();
    let process_bytes = resident_bytes()?.saturating_sub(before);
    let bytes = (0..VRFS).map(|n| many.writer.memory_bytes(vrf(n))).sum();

    let burst = |in_vrf: usize, seed| (vrf(in_vrf), uniform_trace(&tables[in_vrf], BURST, seed));
    let drawn: Vec<usize> = (0..BURSTS)
        .map(|_| random.below(VRFS as u64) as usize)
        .collect();
    let spread: Vec<Burst> = drawn
        .iter()
        .zip(0..)
        .map(|(&n, seed)| burst(n, seed))
        .collect();
    let single: Vec<Burst> = (0..BURSTS as u64).map(|seed| burst(0, seed)).collect();
    let mut one_table = Hextet::empty(1)?;
    one_table.writer.begin();
    for routes in &tables {
        insert(&mut one_table, VRF, routes)?;
    }
    one_table.writer.commit()?;
    let merged: Vec<Burst> = spread
        .iter()
        .map(|(_, addrs)| (VRF, addrs.clone()))
        .collect();
    for bursts in [&spread, &single] {
        compare(&many, bursts)?;
    }
    compare(&one_table, &merged)?;

    let mut cycles = [const { Vec::new() }; 3];
    for _ in 0..repetitions {
        cycles[0].push(turn(&mut many, &spread));
        cycles[1].push(turn(&mut many, &single));
        cycles[2].push(turn(&mut one_table, &merged));
    }
    let tsc_ghz = tsc_ghz();
    let mut names = ["4000 VRFs", "one VRF", "one table"].into_iter();
    let cycles = cycles.map(|c| Cycles::new(names.next().unwrap_or_default(), c, tsc_ghz));
    Ok(Figures {
        load_s,
        bytes,
        process_bytes,
        cycles,
    })
}

/// Cycles per lookup of some bursts, after an untimed part of them.
fn turn(hextet: &mut Hextet<u128>, bursts: &[Burst]) -> f64 {
    let mut look_up = |bursts: &[Burst]| {
        for (vrf, addrs) in bursts {
            hextet.look_up_in(*vrf, addrs);
        }
    };
    look_up(&bursts[..BURSTS / 8]);
    let began = tsc();
    look_up(bursts);
    (tsc() - began) as f64 / (BURSTS * BURST) as f64
}

fn compare(hextet: &Hextet<u128>, bursts: &[Burst]) -> Result<()> {
    for (vrf, addrs) in &bursts[..bursts.len().min(4096)] {
        for &addr in addrs {
            let route = hextet
                .writer
                .explain(*vrf, addr)
                .map(|(_, next_hop)| next_hop);
            let found = hextet.find(*vrf, addr);
            ensure!(
                Some(found) == route,
                "{} in {vrf} finds {found}",
                Prefix::host(addr)
            );
        }
    }
    Ok(())
}

/// What the process has in memory.
fn resident_bytes() -> Result<usize> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    Ok(pages.unwrap_or_default() * 4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_four_prefixes_and_its_hosts_on_two_of_them() {
        let routes = tenant(&mut Random::new(3), HOSTS);
        assert_eq!(routes.len(), 4 + HOSTS as usize);
        let lans: Vec<_> = routes
            .iter()
            .map(|r| r.0)
            .filter(|p| p.len() == 64)
            .collect();
        let hosts = routes.iter().map(|r| r.0).filter(|p| p.len() == 128);
        let on: Vec<_> = hosts
            .map(|h| lans.iter().filter(|lan| lan.covers(h)).count())
            .collect();
        assert_eq!(on, [1; HOSTS as usize]);
    }

    #[test]
    fn a_small_vrf_is_small() {
        let memory = four_routes().unwrap();
        assert!((64..4096).contains(&memory.bytes), "{}", memory.bytes);
    }
}
