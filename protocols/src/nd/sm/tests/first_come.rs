//! Who came first keeps an address while it answers, and a station has only so many (RFC 6620).

use super::*;

fn bench(max_per_station: usize) -> Bench {
    let config = Config {
        first_come: true,
        max_per_station,
        ..Config::default()
    };
    Bench::ready(1, config)
}

const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x66]);
const OURS: &str = "2001:db8::1";

fn solicits(bench: &mut Bench, mac: MacAddr, from: &str) -> Vec<Action> {
    bench.ns(mac, from, OURS, &[NdOption::SourceLinkLayer(mac)])
}

fn installed(actions: &[Action]) -> Vec<MacAddr> {
    let mac = |action: &Action| match action {
        Action::Install { mac, .. } => Some(*mac),
        _ => None,
    };
    actions.iter().filter_map(mac).collect()
}

#[test]
fn who_came_first_keeps_the_address_for_as_long_as_it_answers() {
    let mut bench = bench(32);
    assert_eq!(installed(&solicits(&mut bench, HOST_MAC, HOST)), [HOST_MAC]);
    // Whatever the other says, and the holder is asked.
    let out = solicits(&mut bench, OTHER, HOST);
    assert_eq!(installed(&out), []);
    let note = Note::ClaimRefused {
        addr: ip(HOST),
        holder: HOST_MAC,
        claimer: OTHER,
    };
    assert!(
        out.contains(&Action::Note { iface: IFACE, note }),
        "{out:?}"
    );
    let asked = out
        .iter()
        .any(|action| matches!(action, Action::Send { dst_mac, .. } if *dst_mac == HOST_MAC));
    assert!(asked, "{out:?}");
    for flags in ["SO", "O", "S"] {
        assert_eq!(installed(&bench.na(HOST, flags, Some(OTHER))), []);
    }
    assert_eq!(bench.counters().claims_refused, 4);
    bench.na(HOST, "SO", Some(HOST_MAC));
    assert_eq!(bench.state(HOST), Some(State::Reachable));
    assert_eq!(installed(&bench.na(HOST, "O", Some(OTHER))), []);
    // The holder has left: the next one may have the address.
    bench.run(secs(4));
    assert_eq!(bench.state(HOST), Some(State::Unreachable));
    assert_eq!(installed(&bench.na(HOST, "SO", Some(OTHER))), [OTHER]);
}

#[test]
fn a_station_has_only_so_many_addresses() {
    let mut bench = bench(2);
    for n in [1, 2] {
        let address = format!("2001:db8::1{n}");
        assert_eq!(
            installed(&solicits(&mut bench, HOST_MAC, &address)),
            [HOST_MAC]
        );
    }
    assert_eq!(
        installed(&solicits(&mut bench, HOST_MAC, "2001:db8::13")),
        []
    );
    assert_eq!(bench.state("2001:db8::13"), None);
    // Not by answering either: what waits is told at once.
    bench.glean("2001:db8::14");
    let out = bench.na("2001:db8::14", "SO", Some(HOST_MAC));
    let fail = Action::Fail {
        iface: IFACE,
        addr: ip("2001:db8::14"),
    };
    assert_eq!(out, [fail]);
    assert_eq!(bench.counters().station_full, 2);
    // Another station is not held back by it.
    assert_eq!(
        installed(&solicits(&mut bench, OTHER, "2001:db8::15")),
        [OTHER]
    );
}

#[test]
fn without_it_the_last_claim_holds() {
    let mut bench = Bench::ready(1, Config::default());
    solicits(&mut bench, HOST_MAC, HOST);
    assert_eq!(installed(&solicits(&mut bench, OTHER, HOST)), [OTHER]);
    assert_eq!(bench.counters().claims_refused, 0);
}
