//! Cases: a packet and what must become of it, each sent twice, with the fast lane and without. Both ways must give
//! the same frames, the same punts and the same counters, and no packet may be lost.

use dataplane::drop::DropReason;
use dataplane::punt::PuntClass;
use tables::id::PortId;

use super::packet::Packet;
use super::{MAC0, Outcome, World};

/// What must become of a packet.
pub enum Expect {
    /// It is dropped under this reason, and an ICMP error may leave.
    Drop(DropReason),
    /// It leaves by the port with this header, its hop limit one lower.
    Sent(PortId, Vec<u8>),
    /// It waits for a neighbour.
    Held,
    /// The control plane gets it.
    Punt(PuntClass),
}

pub fn through_both_ways(
    name: &str,
    port: PortId,
    packet: &Packet,
    prepare: fn(&mut World),
) -> (Outcome, u64) {
    let mut outcomes = [true, false].map(|with_lane| {
        let mut world = World::new(with_lane);
        prepare(&mut world);
        world.receive(port, &packet.bytes());
        world.round();
        (world.outcome(), world.lane_packets())
    });
    assert_eq!(
        outcomes[0].0, outcomes[1].0,
        "{name}: lane and graph disagree"
    );
    assert_eq!(outcomes[1].1, 0, "{name}: the lane was off");
    std::mem::take(&mut outcomes[0])
}

pub fn check(cases: Vec<(&str, PortId, Packet, Expect)>) {
    check_with(cases, |_| ());
}

pub fn check_with(cases: Vec<(&str, PortId, Packet, Expect)>, prepare: fn(&mut World)) {
    for (name, port, packet, expect) in cases {
        let (outcome, _) = through_both_ways(name, port, &packet, prepare);
        match expect {
            Expect::Drop(reason) => {
                assert_eq!(outcome.drops(), [reason.label()], "{name}: {outcome:#?}");
                let errors = outcome.count("originated");
                assert_eq!(outcome.sent.len() as u64, errors, "{name}: {outcome:#?}");
            }
            Expect::Sent(port, header) => {
                let forwarded = expected(&packet, &header);
                assert!(
                    outcome.sent.contains(&(port, forwarded)),
                    "{name}: {outcome:#?}"
                );
                assert!(outcome.drops().is_empty(), "{name}: {outcome:#?}");
            }
            Expect::Held => assert_eq!(outcome.count("held"), 1, "{name}: {outcome:#?}"),
            Expect::Punt(class) => {
                let punted = outcome.punted.iter().map(|(class, _)| *class);
                assert_eq!(punted.collect::<Vec<_>>(), [class], "{name}: {outcome:#?}");
                assert_eq!(
                    outcome.count(&format!("punt {class}")),
                    1,
                    "{name}: {outcome:#?}"
                );
            }
        }
    }
}

/// The packet as it must leave behind this link-layer header.
pub fn expected(packet: &Packet, header: &[u8]) -> Vec<u8> {
    let is6 = packet.ether_type == 0x86dd;
    let hop_limit = packet.l3[if is6 { 7 } else { 8 }] - 1;
    let after = packet.clone().set(if is6 { 7 } else { 8 }, &[hop_limit]);
    let after = if is6 { after } else { after.summed() };
    [header, &after.l3].concat()
}

/// From the host on the LAN to an IPv6 address.
pub fn v6(to: &str) -> Packet {
    Packet::udp6(MAC0, "2001:db8:1::10", to, 64)
}

/// From the host on the LAN to an IPv4 address.
pub fn v4(to: &str) -> Packet {
    Packet::udp4(MAC0, "10.1.0.10", to, 64)
}

pub fn v6_from(source: &str) -> Packet {
    Packet::udp6(MAC0, source, "2001:db8:2::10", 64)
}

pub fn v4_from(source: &str) -> Packet {
    Packet::udp4(MAC0, source, "10.2.0.10", 64)
}
