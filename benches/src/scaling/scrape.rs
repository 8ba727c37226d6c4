//! What does it cost to read the counters of many workers?
//!
//! The real [`WorkerCounters`], of the default sizes. *near*: all were written by the CPU that reads them, and what does not
//! fit in its caches comes from memory. In a router each worker's lines are in another CPU's caches: *far* is the number of
//! lines times the price of one, from many at once to one after the other. The worker pays too: what it counts in next has to be fetched back.

use super::lines::Prices;
use super::{LINE, cycles};
use dataplane::counters::{
    CounterSizes, InterfaceCounters, LoopCounters, PORTS, PortCounters, Traffic, WorkerCounters,
};
use std::hint::black_box;
use tables::id::{IfaceId, NextHopId, PortId};

/// Interfaces and next hops that there are cells for, by default.
const ROOM: (usize, usize) = (1024, 65_536);

/// What is read.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// The page's name for it.
    pub name: &'static str,
    /// All rows of ports, and the worker's own cells: of every scrape, for the drop reasons and the books.
    pub rows: bool,
    /// Interfaces.
    pub interfaces: usize,
    /// Next hops: those of neighbours, which the engine looks at once a second.
    pub next_hops: usize,
}

/// What is looked at.
pub const READINGS: [Reading; 4] = [
    Reading {
        name: "a scrape, 32 interfaces",
        rows: true,
        interfaces: 32,
        next_hops: 0,
    },
    Reading {
        name: "a second's look at 1,000 neighbours",
        rows: false,
        interfaces: 0,
        next_hops: 1000,
    },
    Reading {
        name: "the same, 16,000 neighbours",
        rows: false,
        interfaces: 0,
        next_hops: 16_000,
    },
    Reading {
        name: "every cell",
        rows: true,
        interfaces: ROOM.0,
        next_hops: ROOM.1,
    },
];

impl Reading {
    /// Cache lines of one worker that are read.
    pub fn lines(&self) -> usize {
        let ports = PORTS * size_of::<PortCounters>();
        let interfaces = self.interfaces * size_of::<InterfaceCounters>();
        let next_hops = self.next_hops * size_of::<Traffic>();
        // The last cells stand alone in the struct, behind those of the loop.
        let own = size_of::<LoopCounters>() + 11 * size_of::<u64>();
        let rows = if self.rows { ports + own } else { 0 };
        rows.div_ceil(LINE) + interfaces.div_ceil(LINE) + next_hops.div_ceil(LINE)
    }

    /// Reads it of every worker.
    pub fn sum(&self, workers: &[WorkerCounters]) -> u64 {
        let of = |worker: &WorkerCounters| {
            let mut sum = 0u64;
            if self.rows {
                let books = worker.accounting();
                sum += books.rx + books.tx + books.dropped + books.punted + books.held;
                sum += worker.run.polls.get() + worker.icmp_sent.get();
            }
            for id in 0..self.interfaces {
                let cells = worker.interface(IfaceId(id as u16));
                for traffic in [&cells.rx6, &cells.tx6, &cells.rx4, &cells.tx4] {
                    let traffic = traffic.get();
                    sum += traffic.packets + traffic.bytes;
                }
            }
            for id in 0..self.next_hops {
                sum += worker.next_hop(NextHopId(id as u32)).packets.get();
            }
            sum
        };
        workers.iter().map(of).sum()
    }
}

/// Counters of so many workers, each of which has counted once in every row.
fn counted(workers: usize) -> Vec<WorkerCounters> {
    let all = std::iter::repeat_with(|| {
        WorkerCounters::new(CounterSizes {
            interfaces: ROOM.0,
            next_hops: ROOM.1,
            networks: 1,
            tunnels: 1,
            anchors: 8,
            rules: 64,
        })
    })
    .take(workers);
    let all: Vec<_> = all.collect();
    for worker in &all {
        (0..PORTS).for_each(|port| worker.port(PortId(port as u16)).rx.add(1, 64));
        (0..ROOM.0).for_each(|id| worker.interface(IfaceId(id as u16)).rx6.add(1, 50));
        (0..ROOM.1).for_each(|id| worker.next_hop(NextHopId(id as u32)).add(1, 50));
    }
    all
}

/// Prints the section.
pub fn print(tsc_ghz: f64, prices: Option<&Prices>) {
    println!("\nscrape: reading the counters of N workers; us");
    println!(
        "  what                                 workers     lines      KiB     near           far"
    );
    for reading in READINGS {
        for workers in super::WORKERS {
            let counters = counted(workers);
            let near = cycles(15, || {
                black_box(reading.sum(&counters));
            });
            let lines = workers * reading.lines();
            let far = prices.map_or("not run".into(), |prices| {
                let far = |ns: f64| lines as f64 * ns / 1000.0;
                format!(
                    "{:.0} to {:.0}",
                    far(prices.read_many),
                    far(prices.read_one)
                )
            });
            println!(
                "  {:<36} {workers:>7} {lines:>9} {:>8} {:>8.0} {far:>13}",
                reading.name,
                lines * LINE / 1024,
                near / tsc_ghz / 1000.0
            );
        }
    }
    if let Some(prices) = prices {
        println!(
            "scrape: what it costs each worker, for the lines that it goes on counting in; us"
        );
        for reading in READINGS {
            let lost = reading.lines() as f64 * (prices.add_read - prices.add_own).max(0.0);
            println!("  {:<36} at most {:>8.1}", reading.name, lost / 1000.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_read_once() {
        let counters = counted(3);
        let [scrape, thousand, _, every] = READINGS;
        // Ports count packets only in the books; interfaces count packets and bytes.
        let scraped = PORTS as u64 + 32 * (1 + 50);
        assert_eq!(scrape.sum(&counters), 3 * scraped);
        assert_eq!(thousand.sum(&counters), 3000);
        let all = PORTS as u64 + ROOM.0 as u64 * 51 + ROOM.1 as u64;
        assert_eq!(every.sum(&counters), 3 * all);
    }

    #[test]
    fn lines_are_those_of_the_cells() {
        let [_, thousand, sixteen, every] = READINGS;
        assert_eq!(thousand.lines(), 250);
        assert_eq!(sixteen.lines(), 4000);
        let bytes = every.lines() * LINE;
        let cells = 65_536 * 16 + 1024 * 64 + PORTS * size_of::<PortCounters>();
        assert!(
            (cells..cells + 1024).contains(&bytes),
            "{bytes} for {cells}"
        );
    }
}
