//! How many bytes do packets move to and from memory, and at what rate is that all a machine can?
//!
//! Two cases bound the truth. *By memory*: the card cannot write to a processor's cache, so packets and descriptors go to
//! memory and come back. *By cache*: it can (Intel's DDIO and its like), and all buffers on their way fit in what it may use;
//! then nothing of a packet touches memory, and only lookups that miss do.

use super::lookups::BUFFERS;
use super::{LINE, WORKERS};

/// Packets a second of one worker, millions: an input, to be replaced by what was measured; all rates are proportional to it.
pub const PER_WORKER: f64 = 10.0;
/// The share of a memory's peak rate that mixed reads and writes get.
pub const USABLE: f64 = 0.8;

/// Bytes of a receive descriptor with its completion, and of a transmit descriptor: as many drivers have them.
const DESCRIPTORS: [usize; 2] = [32, 16];
/// On the wire beside the frame: check sequence, preamble, gap.
const WIRE: usize = 4 + 8 + 12;
/// Bytes of an `rte_mbuf`.
const MBUF: usize = 2 * LINE;

/// Frames without their check sequence, and how many there are of each.
#[derive(Clone, Copy, Debug)]
pub struct Frames {
    /// The page's name.
    pub name: &'static str,
    of: &'static [(usize, usize)],
}

/// What is looked at: the smallest, the "simple IMIX" 7 : 4 : 1, the largest.
pub const FRAMES: [Frames; 3] = [
    Frames {
        name: "64 bytes",
        of: &[(60, 1)],
    },
    Frames {
        name: "IMIX",
        of: &[(60, 7), (590, 4), (1514, 1)],
    },
    Frames {
        name: "1518 bytes",
        of: &[(1514, 1)],
    },
];

impl Frames {
    fn mean(&self, of: impl Fn(usize) -> usize) -> f64 {
        let all: usize = self.of.iter().map(|(_, n)| n).sum();
        let sum: usize = self.of.iter().map(|(bytes, n)| n * of(*bytes)).sum();
        sum as f64 / all as f64
    }

    /// Bits on the wire of a frame.
    pub fn wire_bits(&self) -> f64 {
        self.mean(|bytes| 8 * (bytes + WIRE))
    }

    /// Bytes that a frame moves where all goes by memory: the card writes it, the worker reads the line of its headers and
    /// changes it, the card reads it; and each descriptor is written by one of them and read by the other.
    pub fn by_memory(&self) -> f64 {
        let frame = self.mean(|bytes| 2 * bytes.next_multiple_of(LINE));
        let headers = 2 * LINE;
        let descriptors: usize = DESCRIPTORS.iter().map(|bytes| 2 * bytes).sum();
        frame + headers as f64 + descriptors as f64
    }

    /// Bytes of the buffers that so many workers have going round on one port, as far as they are used.
    pub fn in_flight(&self, workers: usize) -> f64 {
        let buffer = self.mean(|bytes| bytes.next_multiple_of(LINE) + MBUF);
        workers as f64 * BUFFERS as f64 * buffer
    }
}

/// A machine's memory.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// What it is.
    pub name: &'static str,
    channels: usize,
    /// Millions of transfers of 8 bytes a second and channel.
    transfers: usize,
}

/// What is looked at, one socket each.
pub const MEMORIES: [Memory; 4] = [
    Memory {
        name: "2 x DDR5-4800",
        channels: 2,
        transfers: 4800,
    },
    Memory {
        name: "8 x DDR4-3200",
        channels: 8,
        transfers: 3200,
    },
    Memory {
        name: "8 x DDR5-4800",
        channels: 8,
        transfers: 4800,
    },
    Memory {
        name: "12 x DDR5-4800",
        channels: 12,
        transfers: 4800,
    },
];

impl Memory {
    /// Peak rate, GB/s.
    pub fn peak(&self) -> f64 {
        (self.channels * self.transfers * 8) as f64 / 1000.0
    }

    /// Millions of packets a second that take all it can give, at so many bytes each.
    pub fn packets(&self, bytes: f64) -> f64 {
        self.peak() * USABLE * 1000.0 / bytes
    }
}

/// GB/s of so many workers at so many bytes a packet.
pub fn rate(workers: usize, bytes: f64) -> f64 {
    workers as f64 * PER_WORKER * bytes / 1000.0
}

/// Prints the section.
pub fn print() {
    println!(
        "\nmemory: bytes by memory, GB/s of N workers at {PER_WORKER} Mpps each, Gbit/s on the wire"
    );
    println!("  and MiB of buffers on their way on one port");
    println!("  frames       bytes  workers     GB/s   Gbit/s   in flight");
    for frames in FRAMES {
        for workers in WORKERS {
            println!(
                "  {:<10} {:>7.0} {workers:>8} {:>8.1} {:>8.0} {:>11.1}",
                frames.name,
                frames.by_memory(),
                rate(workers, frames.by_memory()),
                workers as f64 * PER_WORKER * frames.wire_bits() / 1000.0,
                frames.in_flight(workers) / f64::from(1 << 20)
            );
        }
    }
    println!("memory: a line of the tables missed per packet, GB/s");
    for workers in WORKERS {
        println!("  {workers:>2} workers {:>8.1}", rate(workers, LINE as f64));
    }
    println!(
        "memory: where {:.0} % of the peak are used, all by memory",
        USABLE * 100.0
    );
    println!("  memory            GB/s  frames         Mpps   Gbit/s  workers");
    for memory in MEMORIES {
        for frames in FRAMES {
            let packets = memory.packets(frames.by_memory());
            println!(
                "  {:<15} {:>6.1}  {:<10} {:>8.0} {:>8.0} {:>8.1}",
                memory.name,
                memory.peak(),
                frames.name,
                packets,
                packets * frames.wire_bits() / 1000.0,
                packets / PER_WORKER
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_the_formula() {
        let [small, imix, large] = FRAMES;
        // One line each way, the headers' twice, descriptors of 48 bytes twice.
        assert_eq!(small.by_memory(), (128 + 128 + 96) as f64);
        assert_eq!(large.by_memory(), (2 * 24 * 64 + 128 + 96) as f64);
        let lines = (7 + 4 * 10 + 24) as f64 / 12.0;
        assert!((imix.by_memory() - (lines * 128.0 + 224.0)).abs() < 1e-9);
        // 100 Gbit/s of the smallest frames are 148.8 Mpps.
        assert!((100_000.0 / small.wire_bits() - 148.8).abs() < 0.1);
        assert_eq!(small.in_flight(1), (1408 * (64 + 128)) as f64);
    }

    #[test]
    fn rates_are_proportional() {
        let [two, _, _, twelve] = MEMORIES;
        assert_eq!(two.peak(), 76.8);
        assert_eq!(twelve.peak(), 460.8);
        assert!((rate(64, 352.0) / rate(8, 352.0) - 8.0).abs() < 1e-9);
        assert_eq!(rate(8, 100.0), 8.0);
        // As many packets as use it all, back again.
        let packets = two.packets(352.0);
        assert!((packets * 352.0 / 1000.0 - 76.8 * USABLE).abs() < 1e-9);
    }
}
