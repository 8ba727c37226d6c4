//! Random lives of an interface against the invariants that `mod.rs` states.

use proptest::prelude::*;
use wire::nd::{Message, RouterAdvertisement, parse_packet};

use super::tests::{Bench, IFACE, secs};
use super::*;
use crate::ra::Prefix;

#[derive(Clone, Debug)]
enum Op {
    Wait(u64),
    Solicit(u16),
    Foreign(u16),
    Configure {
        on: bool,
        unicast: bool,
        n_prefixes: u16,
    },
    LinkLocal(bool),
    Link(bool),
    Bytes(Vec<u8>),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (0..20_000u64).prop_map(Op::Wait),
        5 => (0..100u16).prop_map(Op::Solicit),
        2 => (0..100u16).prop_map(Op::Foreign),
        2 => (any::<bool>(), any::<bool>(), 0..60u16)
            .prop_map(|(on, unicast, n_prefixes)| Op::Configure { on, unicast, n_prefixes }),
        1 => any::<bool>().prop_map(Op::LinkLocal),
        1 => any::<bool>().prop_map(Op::Link),
        1 => proptest::collection::vec(any::<u8>(), 0..90).prop_map(Op::Bytes),
    ]
}

fn configure(on: bool, unicast: bool, n_prefixes: u16) -> Config {
    let prefix = |n| Prefix::new(Ipv6Addr::new(0x2001, 0xdb8, n, 0, 0, 0, 0, 0), 64);
    Config {
        send_advertisements: on,
        unicast_solicited: unicast,
        prefixes: (0..n_prefixes).map(prefix).collect(),
        ..Config::default()
    }
}

proptest! {
    #[test]
    fn invariants_hold(seed: u64, ops in proptest::collection::vec(op(), 1..100)) {
        let mut bench = Bench::new(seed);
        bench.configure(configure(true, true, 1));
        let (mut up, mut valid) = (false, false);
        let mut last: Option<Instant> = None;
        let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
        for op in ops {
            let begin = bench.now;
            let could_send = up && valid;
            let out = match op {
                Op::Wait(ms) => bench.run(std::time::Duration::from_millis(ms)),
                Op::Solicit(n) => {
                    let out = bench.solicit(&format!("fe80::1:{n:x}"));
                    out.into_iter().map(|a| (secs(0), a)).collect()
                }
                Op::Foreign(n) => {
                    let theirs = Message::RouterAdvertisement(RouterAdvertisement::default());
                    let out = bench.receive(&format!("fe80::2:{n:x}"), theirs, &[]);
                    out.into_iter().map(|a| (secs(0), a)).collect()
                }
                Op::Configure { on, unicast, n_prefixes } => {
                    let out = bench.configure(configure(on, unicast, n_prefixes));
                    out.into_iter().map(|a| (secs(0), a)).collect()
                }
                Op::LinkLocal(is) => {
                    valid = is;
                    let addr = is.then_some(link_local);
                    let out = bench.event(Event::LinkLocal { iface: IFACE, addr });
                    out.into_iter().map(|a| (secs(0), a)).collect()
                }
                Op::Link(is) => {
                    up = is;
                    let event = if is { Event::LinkUp { iface: IFACE } } else { Event::LinkDown { iface: IFACE } };
                    bench.event(event).into_iter().map(|a| (secs(0), a)).collect()
                }
                Op::Bytes(bytes) => {
                    let src_mac = MacAddr([2, 0, 0, 0, 0, 7]);
                    let out = bench.event(Event::Packet { iface: IFACE, src_mac, packet: &bytes });
                    out.into_iter().map(|a| (secs(0), a)).collect::<Vec<_>>()
                }
            };
            for (at, action) in out {
                let Action::Send { dst, packet, .. } = action else { continue };
                prop_assert!(could_send, "sent without link or address");
                prop_assert!(packet.len() <= 1500);
                let received = parse_packet(&packet);
                prop_assert!(received.is_ok(), "{received:?}");
                let Ok(received) = received else { continue };
                prop_assert_eq!(received.envelope.source, link_local);
                let Message::RouterAdvertisement(ra) = received.message else {
                    prop_assert!(false, "not an advertisement");
                    continue;
                };
                // The packets of a split one go together; the first final one does not wait.
                let at = begin + at;
                if dst.is_multicast() && ra.router_lifetime > 0 {
                    let gap_holds = last.is_none_or(|last| at == last || at - last >= secs(3));
                    prop_assert!(gap_holds, "multicast too soon");
                }
                if dst.is_multicast() {
                    last = Some(at);
                }
            }
            let snapshot = &bench.machine.snapshot()[0];
            prop_assert!(snapshot.foreign.len() <= 64);
            prop_assert!(!snapshot.advertising || (up && valid));
            prop_assert!(bench.machine.next_deadline().is_none_or(|at| at >= bench.now));
        }
    }
}
