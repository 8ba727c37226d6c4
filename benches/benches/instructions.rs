//! The guard against slow decay: instructions per packet and per lookup of the main paths, counted by callgrind and
//! compared with `benches/baseline.toml`. No clock is read: on one machine and compiler the counts are the same each time.
//!
//! ```text
//! cargo bench -p benches --bench instructions            fails where a path has become dearer by more than 3 %
//! BLESS=1 cargo bench -p benches --bench instructions    writes the baseline anew
//! ```
//!
//! Each path is run in a process of its own under valgrind; only what happens inside [`counted`] is collected. Valgrind
//! offers no AVX-512, so that lookup and lane are the AVX2 ones here, and the scalar ones where asked for; the algorithm is
//! the same (`tables::lpm::arch`). Packets go through the router of the dataplane's own tests, a whole round of its worker;
//! what its fake devices do is left out.

#[path = "../../dataplane/tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::Ipv6Addr;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use support::packet::Packet;
use support::{HOST, MAC0, PORT0, World};
use tables::id::{NextHopId, VrfId};
use tables::lpm::{Address, Isa, LpmWriter};
use tables::publish::Qsbr;
use tables::testing::{Route, bgp4, bgp6, uniform_trace, zipf_trace};
use wire::MacAddr;
use wire::nd::{Message, NeighborAdvertisement, parse_packet, write};
use wire::nd_option::NdOption;

/// How much dearer a path may become unnoticed.
const TOLERANCE: f64 = 0.03;
/// Packets in a burst.
const BURST: usize = 64;
/// Bursts that are counted.
const BURSTS: usize = 200;

/// Where collection is switched over: on inside `counted`, off again inside the fake devices.
const COLLECTED: [&str; 3] = [
    "*instructions::counted*",
    "*dpdk::testing::rx*",
    "*dpdk::testing::tx*",
];

/// A path: sets itself up, runs what is to be counted under [`counted`], and says how many packets that were.
type Case = (&'static str, fn() -> u64);

const CASES: [Case; 14] = [
    ("lpm6/avx2", || lookups(&bgp6(20_000, 1000, 1), Isa::Avx2)),
    ("lpm6/scalar", || {
        lookups(&bgp6(20_000, 1000, 1), Isa::Scalar)
    }),
    ("lpm4/avx2", || lookups(&bgp4(50_000, 1000, 1), Isa::Avx2)),
    ("lpm4/scalar", || {
        lookups(&bgp4(50_000, 1000, 1), Isa::Scalar)
    }),
    ("lpm6/zipf/avx2", zipf_lookups),
    ("lane/ipv6", || {
        packets(true, &udp6("2001:db8:2::10"), "tx port 1 packets")
    }),
    ("lane/ipv4", || {
        packets(true, &udp4("10.2.0.10"), "tx port 1 packets")
    }),
    ("lane/ipv6 to a VLAN", || {
        packets(true, &udp6("2001:db8:3::10"), "tx port 1 packets")
    }),
    ("graph/ipv6", || {
        packets(false, &udp6("2001:db8:2::10"), "tx port 1 packets")
    }),
    ("graph/ipv4", || {
        packets(false, &udp4("10.2.0.10"), "tx port 1 packets")
    }),
    ("odd/options", || {
        packets(true, &options(), "tx port 1 packets")
    }),
    ("odd/blackhole", || {
        packets(true, &udp6("2001:db8:b0::1"), "drop blackhole")
    }),
    ("odd/another station's", || {
        packets(true, &udp6("2001:db8:2::10").to(HOST), "drop not_our_mac")
    }),
    ("nd/parse", nd_parse),
];

/// What is collected: callgrind knows it by its name.
#[inline(never)]
fn counted<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|a| a == "--case") {
        let name = arguments.get(at + 1).context("--case needs a name")?;
        let case = CASES.iter().find(|(n, _)| n == name);
        let (_, run) = case.with_context(|| format!("no case is named {name}"))?;
        println!("packets {}", run());
        return Ok(ExitCode::SUCCESS);
    }
    if !arguments.iter().any(|a| a == "--bench") {
        return Ok(ExitCode::SUCCESS); // built and started by `cargo test`: nothing to test
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.toml");
    let counts = CASES
        .iter()
        .map(|(name, _)| Ok((*name, count(name)?)))
        .collect::<Result<Vec<_>>>()?;
    if std::env::var("BLESS").is_ok_and(|v| !["", "0"].contains(&v.as_str())) {
        std::fs::write(&file, baseline_text(&counts))?;
        println!("{} is written", file.display());
    }
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("reading {} (BLESS=1 makes it)", file.display()))?;
    Ok(judge(&counts, &toml::from_str(&text)?))
}

/// Instructions per packet of a case.
fn count(name: &str) -> Result<f64> {
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--collect-atstart=no",
        ])
        .args(COLLECTED.map(|name| format!("--toggle-collect={name}")))
        .arg(std::env::current_exe()?)
        .args(["--case", name])
        .output()
        .context("valgrind is needed (tools/setup.sh bench)")?;
    let (out, log) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    ensure!(
        output.status.success(),
        "{name} failed under valgrind:\n{log}"
    );
    let after = |text: &str, word: &str| {
        let (_, number) = text.split_once(word)?;
        number.split_whitespace().next()?.parse::<f64>().ok()
    };
    match (after(&log, "Collected :"), after(&out, "packets ")) {
        (Some(instructions), Some(packets)) if 0.0 < instructions => Ok(instructions / packets),
        _ => bail!("{name}: nothing was counted:\n{out}{log}"),
    }
}

fn baseline_text(counts: &[(&str, f64)]) -> String {
    let mut text = format!(
        "# Instructions per packet or lookup under valgrind (AVX2), by `BLESS=1 make bench`, with {}.\n",
        compiler()
    );
    for (name, instructions) in counts {
        text += &format!("{name:?} = {instructions:.1}\n");
    }
    text
}

/// Which compiler made the figures: another may differ without anybody's fault.
fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output();
    output.map_or("an unknown compiler".to_owned(), |o| {
        String::from_utf8_lossy(&o.stdout).trim().to_owned()
    })
}

/// Prints the table; failure if a path is dearer than the tolerance allows, or has no baseline.
fn judge(counts: &[(&str, f64)], baseline: &BTreeMap<String, f64>) -> ExitCode {
    let mut worse = Vec::new();
    println!(
        "{:<24} {:>12} {:>10} {:>8}",
        "instructions per packet", "now", "baseline", "change"
    );
    for (name, now) in counts {
        let Some(before) = baseline.get(*name) else {
            println!("{name:<24} {now:>12.1} {:>10} {:>8}  no baseline", "-", "-");
            worse.push((*name).to_owned());
            continue;
        };
        let change = now / before - 1.0;
        let verdict = match change {
            c if c > TOLERANCE => "  DEARER",
            c if c < -TOLERANCE => "  cheaper: BLESS=1 keeps it",
            _ => "",
        };
        println!(
            "{name:<24} {now:>12.1} {before:>10.1} {:>+7.1} %{verdict}",
            change * 100.0
        );
        if change > TOLERANCE {
            worse.push(format!("{name} ({before:.1} to {now:.1})"));
        }
    }
    if worse.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!(
        "\nMore instructions than benches/baseline.toml allows: {}.\nFind out why, or accept it by BLESS=1 make bench. Compiler: {}.",
        worse.join(", "),
        compiler()
    );
    ExitCode::FAILURE
}

const VRF: VrfId = VrfId(0);

fn lookups<A: Address>(routes: &[Route<A>], isa: Isa) -> u64 {
    look_up_all(routes, &uniform_trace(routes, BURST * BURSTS, 2), isa)
}

fn zipf_lookups() -> u64 {
    let routes = bgp6(20_000, 1000, 1);
    look_up_all(
        &routes,
        &zipf_trace(&routes, 4096, BURST * BURSTS, 2),
        Isa::Avx2,
    )
}

fn look_up_all<A: Address>(routes: &[Route<A>], addrs: &[A], isa: Isa) -> u64 {
    assert!(
        Isa::available().contains(&isa),
        "the processor has no {isa:?}"
    );
    let qsbr = Qsbr::new(1);
    let (mut writer, table) = LpmWriter::with_isa(1, qsbr.clone(), isa).unwrap();
    let reader = qsbr.register().unwrap();
    writer.add_vrf(VRF).unwrap();
    writer.begin();
    for &(prefix, next_hop) in routes {
        writer.insert(VRF, prefix, next_hop).unwrap();
    }
    writer.commit().unwrap();
    let mut out = [NextHopId(0); BURST];
    for burst in addrs.chunks(BURST) {
        counted(|| table.lookup_burst(&reader, VRF, burst, &mut out));
        assert!(
            out.iter().all(|next_hop| next_hop.0 != 0),
            "each address has a route"
        );
    }
    addrs.len() as u64
}

fn udp6(to: &str) -> Packet {
    Packet::udp6(MAC0, "2001:db8:1::10", to, 16)
}

fn udp4(to: &str) -> Packet {
    Packet::udp4(MAC0, "10.1.0.10", to, 16)
}

/// Destination options, empty: transit reads past them.
fn options() -> Packet {
    let options = [17, 0, 1, 4, 0, 0, 0, 0, 0x30, 0x39, 0, 53, 0, 8, 0x12, 0x34];
    Packet::ip6(MAC0, "2001:db8:1::10", "2001:db8:2::10", 60, &options)
}

fn packets(with_lane: bool, packet: &Packet, counter: &str) -> u64 {
    let mut world = World::new(with_lane);
    let bytes = packet.bytes();
    // The first rounds meet cold code, and make room that later ones reuse.
    for warm in [true, false] {
        for _ in 0..if warm { 2 } else { BURSTS } {
            (0..BURST).for_each(|_| world.receive(PORT0, &bytes));
            match warm {
                true => world.round(),
                false => counted(|| world.round()),
            }
            world.forget();
        }
    }
    let sent = (BURST * BURSTS) as u64;
    assert_eq!(world.outcome().count(counter), sent + 2 * BURST as u64);
    sent
}

fn nd_parse() -> u64 {
    let host = |n: u128| Ipv6Addr::from_bits(0x2001_0db8_0001 << 80 | n);
    let own = host(1);
    let advertisements: Vec<Vec<u8>> = (0..BURST as u128)
        .map(|n| {
            let message = Message::NeighborAdvertisement(NeighborAdvertisement {
                router: false,
                solicited: true,
                override_flag: true,
                target: host(16 + n),
            });
            let mac = NdOption::TargetLinkLayer(MacAddr([2, 0, 0, 0, 0, n as u8]));
            let mut bytes = vec![0; 128];
            let len = write(&mut bytes, &host(16 + n), &own, &message, &[mac]).unwrap();
            bytes.truncate(len);
            bytes
        })
        .collect();
    for _ in 0..BURSTS {
        for packet in &advertisements {
            let heard = counted(|| parse_packet(black_box(packet)).map(|_| ()));
            assert!(heard.is_ok());
        }
    }
    (BURST * BURSTS) as u64
}
