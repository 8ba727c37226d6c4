//! A tenant's machine that sends the first segment of another connection in every packet, as fast as it is polled, beside a machine
//! with established flows.
//!
//! Both devices always have packets, so the share of each is half of the worker's time. The victim's cycles are those of the worker
//! for each of the victim's packets, whoever used them: with the flood they may be twice as many as alone. A packet of the victim's that
//! does not arrive makes the figure void.

use super::super::MBUFS;
use super::super::api::Api;
use super::super::feed::{self, Feed};
use super::super::program::{Packets, Program};
use super::super::report::Outcome;
use super::super::scenario::Bench;
use super::feeds::{Feeds, syn};
use super::router::{self, ADDRESS, FEW_FLOWS, MACHINE};
use super::{FEW, Found, filled};
use anyhow::Result;
use std::fmt::Write as _;
use std::path::Path;

/// The machine that floods, in a subnet of its own.
const ATTACKER: &str = "2001:db8:fffd::1";

/// Runs it.
///
/// # Errors
/// When this program was asked to stop, or the feeds cannot be made.
pub fn run(name: &str, bench: &Bench<'_>) -> Result<Outcome> {
    println!(
        "\n{name}: {FEW} flows beside a flood of first segments, {} bytes a packet",
        feed::FRAME6
    );
    let feeds = Feeds::write(bench.dir, FEW)?;
    let flood = flood(&feeds, bench.dir)?;
    let mut found = Found::new(name, bench);
    for (who, flood) in [("alone", None), ("hextet", Some(&flood))] {
        found.start(who, |dir| start(who, &feeds, flood, dir), Some(filled(FEW)))?;
    }
    found.compare(None)
}

/// The victim's requests as another machine's first segments.
fn flood(feeds: &Feeds, dir: &Path) -> Result<Feed> {
    const SOURCE: std::ops::Range<usize> = 22..38;
    let (table, pcap) = (feeds.requests.table.clone(), dir.join("flood.pcap"));
    let attacker: std::net::Ipv6Addr = ATTACKER.parse()?;
    let segments = feeds.requests().map(|request| {
        let mut segment = syn(&request);
        segment[SOURCE].copy_from_slice(&attacker.octets());
        // To the device's own MAC, the third.
        segment[5] = 2;
        segment
    });
    feed::write_frames(&pcap, feed::FRAME6, segments)?;
    Ok(Feed { pcap, table })
}

fn start(name: &'static str, feeds: &Feeds, flood: Option<&Feed>, dir: &Path) -> Result<Program> {
    let (socket, config) = router::prepare(name, dir)?;
    std::fs::write(&config, configuration(feeds, flood, &socket))?;
    let packets = Packets::HextetAcross(Api(socket), ["feed", "second"]);
    router::spawn(name, dir, &config, packets)
}

fn configuration(feeds: &Feeds, flood: Option<&Feed>, socket: &Path) -> String {
    let mut text = router::system(socket, 1400, MBUFS + FEW as u32);
    router::device(&mut text, "feed", Some(&feeds.requests));
    router::device(&mut text, "second", None);
    router::device(&mut text, "flood", flood);
    let _ = writeln!(text, "\n[security]\nmax_flows = 262144");
    for (name, device, address, flows) in [
        ("victim", "feed", ADDRESS, FEW as u32 + FEW as u32 / 50),
        ("attacker", "flood", ATTACKER, FEW_FLOWS),
    ] {
        let _ = write!(
            text,
            r#"
[[port]]
name = "{name}"
device = "{device}"
mac_address = "{MACHINE}"
fixed_ips = ["{address}"]
security_groups = ["tenant"]
max_flows = {flows}
"#
        );
    }
    let _ = write!(
        text,
        r#"
[[security_group]]
name = "tenant"
[[security_group.rule]]
direction = "egress"
ethertype = "ipv6"
"#
    );
    router::machine(&mut text);
    router::world(
        &mut text,
        "device = \"second\"",
        router::WORLD,
        &feeds.requests,
    );
    // The flood leaves by the way it came, in a router of its own, so that what leaves by the world's is the victim's.
    let _ = write!(
        text,
        r#"
[[router]]
name = "other"
[[router.interface]]
name = "attacker"
device = "flood"
mac = "02:70:63:61:70:02"
addresses = ["2001:db8:fffd::2/48"]
[[router.interface.neighbor]]
address = "2001:db8:fffd::3"
mac = "02:00:00:00:00:03"
[[router.route]]
prefix = "::/0"
via = "2001:db8:fffd::3"
interface = "attacker"
"#
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flood_is_another_machines() {
        let dir = tempfile::tempdir().unwrap();
        let feeds = Feeds::write(dir.path(), 10).unwrap();
        let made = flood(&feeds, dir.path()).unwrap();
        let bytes = std::fs::read(&made.pcap).unwrap();
        let frame = &bytes[24 + 16..24 + 16 + feed::FRAME6];
        assert_eq!(frame[5], 2);
        assert_eq!(frame[20], 6);
        let socket = dir.path().join("x.sock");
        let text = configuration(&feeds, Some(&made), &socket);
        assert!(text.contains("flood.pcap") && text.matches("[[port]]").count() == 2);
        let alone = configuration(&feeds, None, &socket);
        assert!(!alone.contains("flood.pcap") && alone.matches("[[port]]").count() == 2);
    }
}
