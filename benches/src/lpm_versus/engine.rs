//! The contestants: ours and DPDK's, behind one trait.

use super::measure::Ring;
use super::table::{Family, Table, Trace};
use super::{VRF, qualified};
use crate::versus::meter::tsc;
use anyhow::{Context, Result, bail};
use dpdk::peers::{
    FIRST_LEVEL_BYTES, Fib, Fib6, GROUP_BYTES, Lpm, Lpm6, PeerError, Way, heap_bytes,
};
use dpdk::{Eal, EalOptions, Hugepages};
use std::hint::black_box;
use std::ops::Range;
use std::sync::Arc;
use tables::id::{NextHopId, VrfId};
use tables::lpm::{self, LpmWriter};
use tables::publish::{Qsbr, Reader};

/// The longest burst.
pub const BURST: usize = 64;

/// A lookup that holds a table.
pub trait Engine<F: Family> {
    /// Its names, one for each way that it can look up.
    fn ways(&self) -> &'static [&'static str];

    /// Has it look up in one of its ways from now on.
    ///
    /// # Errors
    /// When it cannot.
    fn select(&mut self, _way: usize) -> Result<()> {
        Ok(())
    }

    /// Looks up part of a trace, at most [`BURST`] addresses.
    fn look_up(&mut self, trace: &Trace<F>, part: Range<usize>);

    /// The next hop found for an address of the last burst; 0 if there was no route.
    fn answer(&self, place: usize) -> u32;

    /// Bytes of its tables: those in use, and, where it must reserve more, those taken from the heap.
    fn bytes(&self) -> (usize, Option<usize>);

    /// Cycles per lookup over the first `count` addresses of a trace. With a ring only the lookups are timed, and caches
    /// are in the state in which packets leave them.
    ///
    /// It is a method so that the loop is compiled for the engine, and calls it directly.
    fn turn(
        &mut self,
        trace: &Trace<F>,
        count: usize,
        burst: usize,
        ring: Option<&mut Ring>,
    ) -> f64 {
        let mut cycles = 0;
        let starts = (0..count / burst).map(|n| n * burst);
        match ring {
            None => {
                let began = tsc();
                starts.for_each(|at| self.look_up(trace, at..at + burst));
                cycles += tsc() - began;
            }
            Some(ring) => {
                for at in starts {
                    ring.touch(burst);
                    let began = tsc();
                    self.look_up(trace, at..at + burst);
                    cycles += tsc() - began;
                }
            }
        }
        cycles as f64 / (count / burst * burst) as f64
    }
}

/// An engine that does not run.
#[derive(Clone, Debug)]
pub struct NotRun {
    /// Its name.
    pub name: &'static str,
    /// The reason.
    pub why: String,
}

impl NotRun {
    /// All ways of an engine, for one reason.
    pub fn all(ways: &[&'static str], why: &anyhow::Error) -> Vec<Self> {
        let not_run = |&name| NotRun {
            name,
            why: format!("{why:#}"),
        };
        ways.iter().map(not_run).collect()
    }
}

/// DPDK without devices, in huge pages, with leave to use AVX-512.
///
/// # Errors
/// When it does not start: the peers need it.
pub fn start() -> Result<Eal> {
    Eal::init(&EalOptions {
        file_prefix: format!("hextet-lpm-{}", std::process::id()),
        memory_mib: 64,
        hugepages: Hugepages::Always,
        max_simd_bits: 512,
        ..EalOptions::default()
    })
    .context("the peers need DPDK")
}

/// Hextet's table, as its workers call it.
#[derive(Debug)]
pub struct Hextet<F: Family> {
    /// The writer's side.
    pub writer: LpmWriter<F>,
    /// A worker's.
    pub reader: Reader,
    table: Arc<lpm::Lpm<F>>,
    out: [NextHopId; BURST],
}

impl<F: Family> Hextet<F> {
    /// Its name in the report.
    pub const WAYS: &[&str] = &["hextet"];

    /// Loads a table in one batch.
    ///
    /// # Errors
    /// When memory is short.
    pub fn new(table: &Table<F>) -> Result<Self> {
        let mut hextet = Self::empty(1)?;
        hextet.writer.begin();
        for &(prefix, next_hop) in &table.routes {
            hextet.writer.insert(VRF, prefix, next_hop)?;
        }
        hextet
            .writer
            .commit()
            .with_context(|| qualified::<F>(table.name))?;
        Ok(hextet)
    }

    /// A table without routes for `vrfs` VRFs, of which the first is there.
    ///
    /// # Errors
    /// When memory is short.
    pub fn empty(vrfs: usize) -> Result<Self> {
        let qsbr = Qsbr::new(1);
        let (mut writer, table) = LpmWriter::new(vrfs, qsbr.clone())?;
        writer.add_vrf(VRF)?;
        Ok(Self {
            writer,
            table,
            reader: qsbr.register()?,
            out: [NextHopId(0); BURST],
        })
    }

    /// The next hop of one address of a VRF.
    pub fn find(&self, vrf: VrfId, addr: F) -> NextHopId {
        self.table.lookup(&self.reader, vrf, addr)
    }

    /// The next hops of up to [`BURST`] addresses of a VRF.
    #[inline(always)]
    pub fn look_up_in(&mut self, vrf: VrfId, addrs: &[F]) -> &[NextHopId] {
        let out = &mut self.out[..addrs.len()];
        self.table.lookup_burst(&self.reader, vrf, addrs, out);
        black_box(out)
    }
}

impl<F: Family> Engine<F> for Hextet<F> {
    fn ways(&self) -> &'static [&'static str] {
        Self::WAYS
    }

    #[inline(always)]
    fn look_up(&mut self, trace: &Trace<F>, part: Range<usize>) {
        self.look_up_in(VRF, &trace.native[part]);
    }

    fn answer(&self, place: usize) -> u32 {
        self.out[place].0
    }

    fn bytes(&self) -> (usize, Option<usize>) {
        (self.writer.memory_bytes(VRF), None)
    }
}

/// A peer's table with its results.
#[derive(Debug)]
pub struct Loaded<T, R> {
    table: T,
    out: [R; BURST],
    groups: usize,
    heap: usize,
}

impl<T, R: Copy + Default> Loaded<T, R> {
    /// Makes a table and adds all routes; with more capacity as long as it says that it is full.
    fn load<F: Family>(
        eal: &Eal,
        routes: &Table<F>,
        first: usize,
        make: impl Fn(u32, u32) -> Result<T, PeerError>,
        add: impl Fn(&mut T, F, u8, u32) -> Result<(), PeerError>,
    ) -> Result<Self> {
        let n_routes = u32::try_from(routes.routes.len() + 16)?;
        let mut groups = first + 1024;
        while let Ok(capacity) = u32::try_from(groups) {
            let before = heap_bytes(eal);
            let mut table = make(n_routes, capacity)?;
            let mut all = routes.routes.iter();
            let full = all.find_map(|(prefix, next_hop)| {
                add(&mut table, prefix.addr(), prefix.len(), next_hop.0).err()
            });
            match full {
                None => {
                    let heap = heap_bytes(eal) - before;
                    let out = [R::default(); BURST];
                    return Ok(Self {
                        table,
                        out,
                        groups: routes.groups,
                        heap,
                    });
                }
                Some(PeerError::Add { errno, .. }) if errno.number() == libc::ENOSPC => {
                    groups += groups / 4;
                }
                Some(error) => return Err(error.into()),
            }
        }
        bail!("{} groups are not enough", u32::MAX)
    }

    fn bytes(&self) -> (usize, Option<usize>) {
        (
            FIRST_LEVEL_BYTES + self.groups * GROUP_BYTES,
            Some(self.heap),
        )
    }
}

/// What the two peers with a vector lookup are told.
const WAYS: [Way; 2] = [Way::Avx512, Way::Scalar];

/// An [`Engine`] over a [`Loaded`] table.
macro_rules! engine {
    ($engine:ident, $family:ty, $names:expr, |$table:ident, $way:ident| $select:expr, |$raw:ident| $answer:expr) => {
        impl $engine {
            /// Its names in the report.
            pub const WAYS: &[&str] = &$names;
        }

        impl Engine<$family> for $engine {
            fn ways(&self) -> &'static [&'static str] {
                Self::WAYS
            }

            fn select(&mut self, $way: usize) -> Result<()> {
                let $table = &mut self.0.table;
                $select
            }

            #[inline(always)]
            fn look_up(&mut self, trace: &Trace<$family>, part: Range<usize>) {
                self.0.table.lookup(&trace.wire[part], &mut self.0.out);
            }

            fn answer(&self, place: usize) -> u32 {
                let $raw = self.0.out[place];
                $answer
            }

            fn bytes(&self) -> (usize, Option<usize>) {
                self.0.bytes()
            }
        }
    };
}

/// `rte_fib6`.
#[derive(Debug)]
pub struct Fib6Engine(Loaded<Fib6, u64>);
/// `rte_lpm6`.
#[derive(Debug)]
pub struct Lpm6Engine(Loaded<Lpm6, i32>);
/// `rte_fib`.
#[derive(Debug)]
pub struct Fib4Engine(Loaded<Fib, u64>);
/// `rte_lpm`.
#[derive(Debug)]
pub struct Lpm4Engine(Loaded<Lpm, u32>);

engine!(
    Fib6Engine,
    u128,
    ["fib6-avx512", "fib6-scalar"],
    |table, way| Ok(table.select(WAYS[way])?),
    |raw| raw as u32
);
engine!(Lpm6Engine, u128, ["lpm6"], |_table, _way| Ok(()), |raw| raw
    .max(0)
    .cast_unsigned());
engine!(
    Fib4Engine,
    u32,
    ["fib-avx512", "fib-scalar"],
    |table, way| Ok(table.select(WAYS[way])?),
    |raw| raw as u32
);
engine!(
    Lpm4Engine,
    u32,
    ["lpm"],
    |_table, _way| Ok(()),
    |raw| if raw & Lpm::FOUND != 0 {
        raw & (Lpm::FOUND - 1)
    } else {
        0
    }
);

impl Fib6Engine {
    /// Loads a table.
    ///
    /// # Errors
    /// When memory is short.
    pub fn new(eal: &Eal, table: &Table<u128>) -> Result<Self> {
        // It counts the groups that each route might need alone, about 1.4 a route of the Internet.
        let first = table.routes.len() * 7 / 5;
        Loaded::load(eal, table, first, |r, g| Fib6::new(eal, r, g), Fib6::add).map(Self)
    }
}

impl Lpm6Engine {
    /// Loads a table.
    ///
    /// # Errors
    /// When memory is short.
    pub fn new(eal: &Eal, table: &Table<u128>) -> Result<Self> {
        Loaded::load(
            eal,
            table,
            table.groups,
            |r, g| Lpm6::new(eal, r, g),
            Lpm6::add,
        )
        .map(Self)
    }
}

impl Fib4Engine {
    /// Loads a table.
    ///
    /// # Errors
    /// When memory is short.
    pub fn new(eal: &Eal, table: &Table<u32>) -> Result<Self> {
        Loaded::load(
            eal,
            table,
            table.groups,
            |r, g| Fib::new(eal, r, g),
            Fib::add,
        )
        .map(Self)
    }
}

impl Lpm4Engine {
    /// Routes beyond which it is not tried: each addition moves all routes of other lengths behind it, or searches those
    /// of its own.
    const MOST: usize = 50_000;

    /// Loads a table.
    ///
    /// # Errors
    /// When memory is short, or it would not end soon.
    pub fn new(eal: &Eal, table: &Table<u32>) -> Result<Self> {
        let count = table.routes.len();
        if count > Self::MOST {
            bail!("loading takes time quadratic in the routes: {count} would take hours");
        }
        Loaded::load(
            eal,
            table,
            table.groups,
            |r, g| Lpm::new(eal, r, g),
            Lpm::add,
        )
        .map(Self)
    }
}
