//! A port with its groups, a flow, and a packet that did not pass.

use super::{ip, mac, net, tally};
use crate::*;

/// A port that is guarded, and one that is only observed.
pub fn ports() -> Vec<Port> {
    let vm1 = Port {
        name: "vm1".into(),
        device: "lan".into(),
        vlans: vec![100],
        link: "blue".into(),
        mac_address: Some(mac(0x10)),
        fixed_ips: vec![ip("2001:db8:1::10")],
        allowed_address_pairs: vec![AllowedAddressPair {
            ip_address: net("2001:db8:99::/64"),
            mac_address: None,
        }],
        learned_ips: vec![ip("2001:db8:1::a1")],
        port_security_enabled: true,
        security_groups: vec!["web".into()],
        guard: GuardMode::Enforce,
        trusted: vec![],
        max_addresses: 16,
        flows: 12,
        max_flows: 131_072,
        counters: PortCounters {
            egress_packets: 900,
            egress_bytes: 80_000,
            ingress_packets: 1_100,
            ingress_bytes: 1_200_000,
        },
        drops: tally(&[("ra_guard", 3), ("ingress_denied", 40)]),
        observed: tally(&[]),
        events: tally(&[("learned", 1)]),
    };
    let vm2 = Port {
        name: "vm2".into(),
        vlans: vec![101],
        mac_address: None,
        fixed_ips: vec![],
        allowed_address_pairs: vec![],
        learned_ips: vec![],
        security_groups: vec!["default".into()],
        guard: GuardMode::Observe,
        trusted: vec!["ra".into()],
        flows: 0,
        counters: PortCounters::default(),
        drops: tally(&[]),
        observed: tally(&[("nd_spoofed", 2)]),
        events: tally(&[]),
        ..vm1.clone()
    };
    vec![vm1, vm2]
}

/// A group with a rule of each direction.
pub fn security_groups() -> Vec<SecurityGroup> {
    let http = SecurityRule {
        id: 1,
        direction: FlowDirection::Ingress,
        ethertype: "ipv6".into(),
        protocol: "tcp".into(),
        port_range_min: Some(80),
        port_range_max: Some(443),
        remote_ip_prefix: None,
        remote_group: Some("clients".into()),
        remote_address_group: None,
        packets: 2_000,
        bytes: 1_280_000,
    };
    let out = SecurityRule {
        id: 2,
        direction: FlowDirection::Egress,
        protocol: "any".into(),
        port_range_min: None,
        port_range_max: None,
        remote_ip_prefix: Some(net("2001:db8::/32")),
        remote_group: None,
        packets: 7,
        bytes: 700,
        ..http.clone()
    };
    vec![SecurityGroup {
        name: "web".into(),
        stateful: true,
        ports: 1,
        members: 3,
        rules: vec![http, out],
    }]
}

/// A connection to a port.
pub fn flows() -> Vec<Flow> {
    vec![Flow {
        port: "vm1".into(),
        opened: FlowDirection::Ingress,
        protocol: "tcp".into(),
        local: ip("2001:db8:1::10"),
        local_port: 443,
        remote: ip("2001:db8:9::42"),
        remote_port: 40_000,
        state: "established".into(),
        age_seconds: 61,
        idle_seconds: 2,
        left_seconds: 431_998,
        rule: 1,
        stale: false,
        counters: PortCounters {
            egress_packets: 300,
            egress_bytes: 400_000,
            ingress_packets: 200,
            ingress_bytes: 14_000,
        },
    }]
}

/// An address of our own, a port's, and one that is looked at.
pub fn port_bindings() -> Vec<PortBinding> {
    let own = PortBinding {
        link: "blue".into(),
        port: None,
        address: ip("2001:db8:1::1"),
        mac: Some(mac(0x01)),
        origin: "own".into(),
        state: "valid".into(),
        age_seconds: None,
        left_seconds: None,
    };
    let fixed = PortBinding {
        port: Some("vm1".into()),
        address: ip("2001:db8:1::10"),
        mac: Some(mac(0x10)),
        origin: "fixed".into(),
        age_seconds: Some(3),
        ..own.clone()
    };
    let learned = PortBinding {
        address: ip("2001:db8:1::a1"),
        origin: "learned".into(),
        state: "testing_rival".into(),
        left_seconds: Some(1),
        ..fixed.clone()
    };
    vec![own, fixed, learned]
}

/// Packets of a port that did not pass.
pub fn denied() -> Vec<Denied> {
    vec![Denied {
        age_seconds: 4,
        direction: FlowDirection::Ingress,
        reason: "ingress_denied".into(),
        about: "no rule of the port's security groups lets it in".into(),
        observed: false,
        rule: None,
        source: mac(0x01),
        destination: mac(0x10),
        packet: "2001:db8:9::42 > 2001:db8:1::10 tcp 40001 > 22 hop limit 63".into(),
        bytes: 74,
        remedy: "a rule: ingress, ipv6, tcp 22, from 2001:db8:9::42".into(),
    }]
}

/// The flow table.
pub fn flow_usage() -> FlowUsage {
    FlowUsage {
        capacity: 1 << 20,
        flows: 12,
        created: 400,
        expired: 380,
        evicted: 8,
    }
}
