//! How evenly does receive-side scaling spread traffic over workers?
//!
//! As cards do it: the Toeplitz hash of addresses and ports, its lowest bits the place in an indirection table, whose places
//! drivers deal out to the queues in turn (Hextet leaves it so). A flow stays with its worker, so the busiest worker is full
//! first, and what all can carry by then is *mean load / busiest load* of what so many workers could.

use super::{WORKERS, median};
use tables::testing::Random;

/// Flows of a simulation.
const FLOWS: usize = 65_536;
/// Places of an indirection table: many cards', and E810's and ConnectX's.
const TABLES: [usize; 2] = [128, 512];
/// Sets of flows, each from a seed of its own.
const SETS: u64 = 21;

/// Addresses and ports of a flow, as the hash takes them: source, destination, source port, destination port.
type Tuple = [u8; 36];

/// The key that Microsoft's RSS specification verifies implementations by; drivers have one like it.
const KEY: [u8; 40] = [
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0,
    0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c,
    0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
];

/// The Toeplitz hash: each bit that is set adds (by XOR) the 32 bits of the key that begin where it stands.
pub fn toeplitz(input: &[u8]) -> u32 {
    let mut hash = 0;
    for (at, byte) in input.iter().enumerate() {
        let window = (0..8).fold(0u64, |window, k| {
            window << 8 | u64::from(KEY.get(at + k).copied().unwrap_or(0))
        });
        for bit in 0..8 {
            if byte >> (7 - bit) & 1 != 0 {
                hash ^= (window << bit >> 32) as u32;
            }
        }
    }
    hash
}

/// How the packets are shared out among the flows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mix {
    /// All flows alike.
    Uniform,
    /// Zipf's law with exponent 1.
    Zipf,
    /// So many flows have so much of the traffic together, all others the rest.
    Elephants(usize, f64),
}

/// The mixes that are looked at, with their names.
pub const MIXES: [(&str, Mix); 5] = [
    ("all flows alike", Mix::Uniform),
    ("Zipf, exponent 1", Mix::Zipf),
    ("64 flows have half", Mix::Elephants(64, 0.5)),
    ("8 flows have half", Mix::Elephants(8, 0.5)),
    ("1 flow has a fifth", Mix::Elephants(1, 0.2)),
];

impl Mix {
    /// Each flow's share of the traffic; 1 in all.
    pub fn shares(self, flows: usize) -> Vec<f64> {
        let mut shares: Vec<f64> = match self {
            Mix::Uniform => vec![1.0; flows],
            Mix::Zipf => (1..=flows).map(|rank| 1.0 / rank as f64).collect(),
            Mix::Elephants(few, part) => {
                let (few, all) = (few.min(flows), flows as f64);
                let mouse = (1.0 - part) / (all - few as f64).max(1.0);
                let mut shares = vec![mouse; flows];
                shares[..few].fill(part / few as f64);
                shares
            }
        };
        let sum: f64 = shares.iter().sum();
        shares.iter_mut().for_each(|share| *share /= sum);
        shares
    }
}

/// The hashes of random flows: hosts of 4,096 subnets talk to servers of 256.
fn hashes(flows: usize, seed: u64) -> Vec<u32> {
    let mut random = Random::new(seed);
    let mut tuple: Tuple = [0; 36];
    tuple[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    tuple[16..20].copy_from_slice(&[0x2a, 0x00, 0x00, 0x01]);
    let flow = |_| {
        tuple[6..8].copy_from_slice(&(random.below(4096) as u16).to_be_bytes());
        tuple[8..16].copy_from_slice(&random.bits().to_be_bytes());
        tuple[22..24].copy_from_slice(&(random.below(256) as u16).to_be_bytes());
        tuple[30..32].copy_from_slice(&(random.below(64) as u16).to_be_bytes());
        tuple[32..34].copy_from_slice(&(0x8000 | random.bits() as u16).to_be_bytes());
        tuple[34..36].copy_from_slice(&443u16.to_be_bytes());
        toeplitz(&tuple)
    };
    (0..flows).map(flow).collect()
}

/// The load of each place of an indirection table.
fn places(hashes: &[u32], shares: &[f64], entries: usize) -> Vec<f64> {
    let mut loads = vec![0.0; entries];
    for (hash, share) in hashes.iter().zip(shares) {
        loads[*hash as usize % entries] += share;
    }
    loads
}

/// The busiest worker's load by the mean when places are dealt out in turn.
fn dealt(places: &[f64], workers: usize) -> f64 {
    let mut loads = vec![0.0; workers];
    for (at, load) in places.iter().enumerate() {
        loads[at % workers] += load;
    }
    busiest(&loads)
}

/// The same when places are given out by their load, the heaviest first to the worker that has least: what a balancer
/// that rewrites the table could reach.
fn balanced(places: &[f64], workers: usize) -> f64 {
    let mut places = places.to_vec();
    places.sort_by(|a, b| b.total_cmp(a));
    let mut loads = vec![0.0; workers];
    for load in places {
        let least = loads.iter_mut().min_by(|a, b| f64::total_cmp(a, b));
        if let Some(least) = least {
            *least += load;
        }
    }
    busiest(&loads)
}

fn busiest(loads: &[f64]) -> f64 {
    let mean = loads.iter().sum::<f64>() / loads.len() as f64;
    loads.iter().copied().fold(0.0, f64::max) / mean
}

/// A row of the page's table.
#[derive(Clone, Debug)]
pub struct Row {
    /// The mix's name.
    pub mix: &'static str,
    /// Workers.
    pub workers: usize,
    /// Busiest by mean, dealt out in turn: the median of the sets of flows.
    pub dealt: f64,
    /// The same, of the worst set.
    pub worst: f64,
    /// The median when places are given out by load, by [`TABLES`].
    pub balanced: [f64; 2],
}

/// Simulates every mix, table and number of workers.
pub fn simulate(flows: usize, sets: u64) -> Vec<Row> {
    let hashes: Vec<Vec<u32>> = (0..sets).map(|seed| hashes(flows, seed)).collect();
    let mut rows = Vec::new();
    for (mix, of) in MIXES {
        let shares = of.shares(flows);
        let places = TABLES.map(|entries| -> Vec<_> {
            hashes.iter().map(|h| places(h, &shares, entries)).collect()
        });
        for workers in WORKERS {
            let of = |table: &[Vec<f64>], f: fn(&[f64], usize) -> f64| -> Vec<f64> {
                table.iter().map(|places| f(places, workers)).collect()
            };
            let in_turn = of(&places[0], dealt);
            rows.push(Row {
                mix,
                workers,
                worst: in_turn.iter().copied().fold(0.0, f64::max),
                dealt: median(in_turn),
                balanced: [0, 1].map(|table| median(of(&places[table], balanced))),
            });
        }
    }
    rows
}

/// Prints the section.
pub fn print() {
    println!("\nrss: {FLOWS} flows, {SETS} sets of them; busiest worker / mean, and what share of");
    println!("all workers' capacity is carried when it is full");
    println!("                               dealt out in turn          balanced, by places");
    println!(
        "  mix                 workers   ratio (worst) usable   {:>11} {:>13}",
        TABLES[0], TABLES[1]
    );
    for row in simulate(FLOWS, SETS) {
        let balanced = row
            .balanced
            .map(|b| format!("{b:>6.2} {:>4.0} %", 100.0 / b));
        println!(
            "  {:<18} {:>8} {:>7.2} {:>7.2} {:>5.0} % {} {}",
            row.mix,
            row.workers,
            row.dealt,
            row.worst,
            100.0 / row.dealt,
            balanced[0],
            balanced[1]
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn the_hash_is_the_one_that_the_specification_verifies() {
        let v6 = |from: &str, to: &str| -> Vec<u8> {
            let octets = |a: &str| a.parse::<Ipv6Addr>().unwrap().octets();
            [octets(from), octets(to)].concat()
        };
        let mut input = v6("3ffe:2501:200:1fff::7", "3ffe:2501:200:3::1");
        assert_eq!(toeplitz(&input), 0x2cc1_8cd5);
        input.extend([2794u16.to_be_bytes(), 1766u16.to_be_bytes()].concat());
        assert_eq!(toeplitz(&input), 0x4020_7d3d);
        let v4 = |a: &str| a.parse::<Ipv4Addr>().unwrap().octets();
        let mut input = [v4("66.9.149.187"), v4("161.142.100.80")].concat();
        assert_eq!(toeplitz(&input), 0x323e_8fc2);
        input.extend([2794u16.to_be_bytes(), 1766u16.to_be_bytes()].concat());
        assert_eq!(toeplitz(&input), 0x51cc_c178);
    }

    #[test]
    fn shares_are_what_the_mix_says() {
        for (_, mix) in MIXES {
            let shares = mix.shares(1000);
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{mix:?}");
        }
        let shares = Mix::Zipf.shares(1000);
        assert!((shares[0] / shares[9] - 10.0).abs() < 1e-9);
        let shares = Mix::Elephants(8, 0.5).shares(1000);
        assert!((shares[7] - 0.5 / 8.0).abs() < 1e-9 && shares[8] < 0.001);
    }

    #[test]
    fn places_are_dealt_out_and_balanced() {
        assert_eq!(dealt(&[4.0, 1.0, 2.0, 1.0], 2), 6.0 / 4.0);
        assert_eq!(balanced(&[4.0, 1.0, 2.0, 1.0], 2), 1.0);
        // 128 places over 48 workers: some have three, some two.
        assert_eq!(dealt(&[1.0; 128], 48), 3.0 / (128.0 / 48.0));
        // Where the workers divide them it does not matter how many places there are.
        let (hashes, shares) = (hashes(5000, 1), Mix::Zipf.shares(5000));
        let [few, many] = TABLES.map(|n| dealt(&places(&hashes, &shares, n), 32));
        assert!((few - many).abs() < 1e-9, "{few} {many}");
    }

    #[test]
    fn one_flow_bounds_what_any_number_of_workers_can_carry() {
        let rows = simulate(4096, 3);
        assert_eq!(rows.len(), MIXES.len() * WORKERS.len());
        for row in &rows {
            let [few, many] = row.balanced;
            assert!(1.0 <= many && many <= few && few <= row.dealt, "{row:?}");
            assert!(row.dealt <= row.worst, "{row:?}");
        }
        let at = |mix: &str, workers: usize| {
            let found = rows.iter().find(|r| r.mix == mix && r.workers == workers);
            found.map(|row| row.balanced[1]).unwrap()
        };
        // A fifth of the traffic is 12.8 means of 64 workers, whoever has it.
        assert!(12.8 <= at("1 flow has a fifth", 64));
        assert!(at("all flows alike", 8) < 1.05);
        let again = simulate(4096, 3);
        assert!(rows.iter().zip(&again).all(|(a, b)| a.dealt == b.dealt));
    }
}
