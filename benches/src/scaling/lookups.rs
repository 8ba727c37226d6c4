//! How many cache lines does a packet need of the tables, and how many of them miss?
//!
//! The real tables are asked which lines each lookup of a trace reads; to these come the next hop's slot, record and counter.
//! Between them stand the lines of the packets, of which so many buffers go round: full rings of descriptors and the pool's
//! cache. The reuse distances of all tell what caches of several sizes would hold.

use super::LINE;
use super::reuse::Reuse;
use anyhow::Result;
use dataplane::counters::Traffic;
use tables::id::VrfId;
use tables::lpm::{Address, LpmWriter};
use tables::next_hop::NextHop;
use tables::publish::Qsbr;
use tables::testing::{Route, bgp4, bgp6, uniform_trace, zipf_trace};

/// Packet buffers that a worker has going round: 512 descriptors each way, and 1.5 × 256 in its cache of the pool.
pub const BUFFERS: usize = 512 + 512 + 384;
/// Sizes of caches, MiB: second-level ones of a core, third-level ones.
pub const CACHES: [usize; 5] = [1, 2, 8, 16, 32];
/// Next hops that the routes lead to.
const NEXT_HOPS: u32 = 1000;
/// Packets of a trace, and flows of the one by Zipf's law.
const PACKETS: usize = 1 << 18;
const FLOWS: usize = 65_536;

/// What a trace needs of a table.
#[derive(Clone, Debug)]
pub struct Lookups {
    /// Family and routes.
    pub table: &'static str,
    /// How destinations are drawn.
    pub trace: &'static str,
    /// Bytes of the lookup structure.
    pub bytes: usize,
    /// Mean lines that a lookup reads, without the next hop's.
    pub lookup: f64,
    /// Mean lines of lookup, next hop and its counter.
    pub packet: f64,
    /// Bytes of different lines that the trace read.
    pub touched: usize,
    /// By [`CACHES`], mean lines of a packet that miss.
    pub misses: Vec<f64>,
}

const VRF: VrfId = VrfId(0);

/// Follows both traces over a table.
fn follow<A: Address>(
    name: &'static str,
    routes: &[Route<A>],
    packets: usize,
    caches: &[usize],
) -> Result<Vec<Lookups>> {
    let qsbr = Qsbr::new(1);
    let (mut writer, table) = LpmWriter::new(1, qsbr.clone())?;
    writer.add_vrf(VRF)?;
    writer.begin();
    for &(prefix, next_hop) in routes {
        writer.insert(VRF, prefix, next_hop)?;
    }
    writer.commit()?;
    let reader = qsbr.register()?;
    let sizes: Vec<usize> = caches.iter().map(|mib| (mib << 20) / LINE).collect();
    let traces = [
        ("uniform", uniform_trace(routes, packets, 2)),
        ("zipf", zipf_trace(routes, FLOWS, packets, 3)),
    ];
    let mut all = Vec::new();
    for (trace, addrs) in traces {
        let (mut lines, mut ends) = (Vec::new(), Vec::with_capacity(packets));
        for &addr in &addrs {
            table.lines_read(&reader, VRF, addr, |line| lines.push(line));
            ends.push(lines.len());
        }
        let per_packet = next_hop_lines(0).len() + packet_lines(0).len();
        let mut reuse = Reuse::new(lines.len() + packets * per_packet, &sizes);
        let (mut begin, mut packet_only) = (0, 0);
        for (n, (&addr, end)) in addrs.iter().zip(ends).enumerate() {
            for line in packet_lines(n % BUFFERS) {
                packet_only += usize::from(n < BUFFERS);
                reuse.access(line, false);
            }
            lines[begin..end]
                .iter()
                .for_each(|&l| reuse.access(l, true));
            begin = end;
            let next_hop = table.lookup(&reader, VRF, addr);
            for line in next_hop_lines(next_hop.0) {
                reuse.access(line, true);
            }
        }
        let lookup = lines.len() as f64 / packets as f64;
        let packet = lookup + next_hop_lines(0).len() as f64;
        let ratios = reuse.miss_ratios().into_iter();
        all.push(Lookups {
            table: name,
            trace,
            bytes: writer.memory_bytes(VRF),
            lookup,
            packet,
            touched: (reuse.lines() - packet_only) * LINE,
            misses: ratios.map(|ratio| ratio * packet).collect(),
        });
    }
    Ok(all)
}

/// Lines beyond those of the lookup structure, which is reserved 2^26 of them: of the next hops, and of packets.
const BEYOND: u32 = 1 << 26;

/// The lines of a next hop: slot, record, counter.
fn next_hop_lines(id: u32) -> [u32; 3] {
    let line = |size: usize| id / (LINE / size) as u32;
    [
        BEYOND + line(size_of::<u32>()),
        2 * BEYOND + line(size_of::<NextHop>()),
        3 * BEYOND + line(size_of::<Traffic>()),
    ]
}

/// The lines of a packet that a worker reads: both of its `rte_mbuf`, and that of the headers.
fn packet_lines(buffer: usize) -> [u32; 3] {
    let first = 4 * BEYOND + 3 * buffer as u32;
    [first, first + 1, first + 2]
}

/// Follows packets through tables of several sizes.
///
/// # Errors
/// When a table refuses a route.
pub fn measure() -> Result<Vec<Lookups>> {
    let v6 = |name, count| follow(name, &bgp6(count, NEXT_HOPS, 1), PACKETS, &CACHES);
    let mut all = v6("IPv6, 8", 8)?;
    all.extend(v6("IPv6, 160,000", 160_000)?);
    all.extend(v6("IPv6, 500,000", 500_000)?);
    let routes = bgp4(900_000, NEXT_HOPS, 1);
    all.extend(follow("IPv4, 900,000", &routes, PACKETS, &CACHES)?);
    Ok(all)
}

/// Prints the section.
pub fn print(all: &[Lookups]) {
    println!(
        "\nmemory: lines of the tables that a packet reads, and how many of them miss a cache of"
    );
    print!("  table          trace     size MiB  touched  lookup  packet ");
    CACHES
        .iter()
        .for_each(|mib| print!("{:>7}", format!("{mib} MiB")));
    println!();
    for l in all {
        print!(
            "  {:<14} {:<8} {:>9.1} {:>8.1} {:>7.1} {:>7.1} ",
            l.table,
            l.trace,
            l.bytes as f64 / f64::from(1 << 20),
            l.touched as f64 / f64::from(1 << 20),
            l.lookup,
            l.packet
        );
        l.misses.iter().for_each(|misses| print!("{misses:>7.2}"));
        println!();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bigger_table_misses_more_and_a_bigger_cache_less() {
        let of = |count| follow("", &bgp6(count, 1000, 1), 20_000, &[1, 32]).unwrap();
        let (small, big) = (of(8), of(100_000));
        for (small, big) in small.iter().zip(&big) {
            assert_eq!(small.misses, [0.0, 0.0], "{small:?}");
            assert!(small.lookup < big.lookup, "{small:?} {big:?}");
            assert!(0.0 < big.misses[0] && big.misses[1] == 0.0, "{big:?}");
            assert!((big.packet - big.lookup - 3.0).abs() < 1e-9);
            assert!(big.touched <= big.bytes + (1 << 20), "{big:?}");
        }
        let [uniform, zipf] = &big[..] else {
            panic!("two traces")
        };
        assert!(
            zipf.misses[0] < 0.5 && 0.5 < uniform.misses[0],
            "{uniform:?} {zipf:?}"
        );
    }

    #[test]
    fn lines_of_different_things_are_different() {
        let mut lines: Vec<u32> = [1, 2000, 65_535]
            .into_iter()
            .flat_map(next_hop_lines)
            .collect();
        lines.extend((0..BUFFERS).flat_map(packet_lines));
        let all = lines.len();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), all);
        assert!(lines[0] >= BEYOND);
    }
}
