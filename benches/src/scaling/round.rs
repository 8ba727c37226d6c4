//! What does a worker's round cost that grows with the number of workers?
//!
//! Only one thing does: each worker looks into a hand-off ring from every other, to take over packets for queues that it
//! owns. The rings stay empty when every device has a queue for every worker; they are looked into all the same.

use super::{WORKERS, cycles};
use dataplane::counters::WorkerCounters;
use dataplane::stages::tx::{Handoff, TxPorts};
use dataplane::state::Trash;
use rtrb::{Consumer, Producer, RingBuffer};

/// Slots of a ring, by default.
const SLOTS: usize = 1024;

/// A worker's output side among so many workers, and the far ends of its rings.
struct Rings {
    tx: TxPorts,
    _others: Vec<(Producer<Handoff>, Consumer<Handoff>)>,
}

impl Rings {
    fn new(workers: usize) -> Self {
        let (mut peers, mut owed, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..workers {
            let (to, from_us) = RingBuffer::new(SLOTS);
            let (to_us, from) = RingBuffer::new(SLOTS);
            peers.push(to);
            owed.push(from);
            others.push((to_us, from_us));
        }
        Self {
            tx: TxPorts::new(peers, owed),
            _others: others,
        }
    }

    /// Cycles of a look into all of them, empty.
    fn look(&mut self) -> f64 {
        const CALLS: usize = 64;
        let (counters, mut trash) = (
            WorkerCounters::new(dataplane::counters::CounterSizes {
                interfaces: 1,
                next_hops: 1,
                networks: 1,
                tunnels: 1,
                anchors: 8,
                rules: 64,
            }),
            Trash::default(),
        );
        let all = cycles(300, || {
            for _ in 0..CALLS {
                assert_eq!(self.tx.take_over(&counters, &mut trash), 0);
            }
        });
        all / CALLS as f64
    }
}

/// Bytes of all rings among so many workers.
pub fn ring_bytes(workers: usize) -> usize {
    workers * workers * SLOTS * size_of::<Handoff>()
}

/// Prints the section.
pub fn print(tsc_ghz: f64) {
    println!("\nround: looking into a hand-off ring from every worker");
    println!("  workers  cycles a round     ns   a packet in bursts of 32   all rings, MiB");
    for workers in [1].into_iter().chain(WORKERS) {
        let cycles = Rings::new(workers).look();
        println!(
            "  {workers:>7} {cycles:>15.0} {:>6.0} {:>26.1} {:>16}",
            cycles / tsc_ghz,
            cycles / 32.0,
            ring_bytes(workers) >> 20
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_grows_with_the_workers_and_rings_with_their_square() {
        let (few, many) = (Rings::new(1).look(), Rings::new(64).look());
        assert!(0.0 < few && few < many, "{few} {many}");
        assert_eq!(ring_bytes(64), 64 * ring_bytes(8));
    }
}
