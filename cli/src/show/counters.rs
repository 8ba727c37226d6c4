//! Everything that is counted, table after table.

use std::fmt::Write as _;

use api::{Counters, FamilyCounters, ProtocolCounters};

use crate::paint::Paint;
use crate::table::{Cell, Table, cell};
use crate::units::bytes;

/// The counters.
pub(crate) fn counters(c: &Counters, paint: Paint) -> String {
    let mut devices = Table::new([
        "device",
        ">rx packets",
        ">rx bytes",
        ">tx packets",
        ">tx bytes",
        ">rx errors",
        ">missed",
        ">no mbuf",
        ">tx errors",
    ]);
    for (name, d) in &c.devices {
        devices.row([
            cell(name),
            cell(d.rx_packets),
            Cell::from(bytes(d.rx_bytes)),
            cell(d.tx_packets),
            Cell::from(bytes(d.tx_bytes)),
            cell(d.rx_errors).odd_if(d.rx_errors > 0),
            cell(d.rx_missed).odd_if(d.rx_missed > 0),
            cell(d.rx_no_mbuf).odd_if(d.rx_no_mbuf > 0),
            cell(d.tx_errors).odd_if(d.tx_errors > 0),
        ]);
    }
    let mut interfaces = Table::new([
        "interface",
        "family",
        ">rx packets",
        ">rx bytes",
        ">tx packets",
        ">tx bytes",
    ]);
    for (name, i) in &c.interfaces {
        for (family, f) in [("ipv6", i.ipv6), ("ipv4", i.ipv4)] {
            let FamilyCounters {
                rx_packets,
                rx_bytes,
                tx_packets,
                tx_bytes,
            } = f;
            interfaces.row([
                cell(name),
                Cell::from(family),
                cell(rx_packets),
                Cell::from(bytes(rx_bytes)),
                cell(tx_packets),
                Cell::from(bytes(tx_bytes)),
            ]);
        }
    }
    let mut punts = Table::new(["punt class", ">packets"]);
    for (class, packets) in &c.punted {
        punts.row([cell(class), cell(packets)]);
    }
    let mut lost = Table::new(["lost to the control plane", ">count"]);
    for (cause, count) in c.punts_refused.iter().chain(&c.control_lost) {
        lost.row([cell(cause), cell(count).odd_if(*count > 0)]);
    }
    let mut made = Table::new(["made by the workers", ">packets"]);
    for (what, packets) in [
        ("icmp errors", c.originated.icmp_errors),
        ("icmp errors limited", c.originated.icmp_errors_limited),
        ("echo replies", c.originated.echo_replies),
        ("fragmented", c.originated.fragmented),
        ("resolve requests", c.originated.resolve_requests),
    ] {
        made.row([Cell::from(what), cell(packets)]);
    }
    let mut pools = Table::new(["buffer pool", ">available", ">in use"]);
    for pool in &c.mempools {
        pools.row([
            cell(&pool.name),
            cell(pool.available).bad_if(pool.available == 0),
            cell(pool.in_use),
        ]);
    }
    let mut routes = Table::new(["router", ">ipv6 routes", ">ipv4 routes"]);
    for r in &c.routes {
        routes.row([cell(&r.router), cell(r.ipv6), cell(r.ipv4)]);
    }
    let mut neighbors = Table::new(["interface", "neighbour state", ">count"]);
    for n in c.neighbors.iter().filter(|n| n.count > 0) {
        neighbors.row([cell(&n.interface), cell(n.state), cell(n.count)]);
    }
    let mut out = String::new();
    for (table, none) in [
        (devices, "no devices"),
        (interfaces, "no interfaces"),
        (punts, "no punt classes"),
        (lost, "nothing can be lost"),
        (made, "nothing is made"),
        (
            protocol("neighbour discovery", &c.nd),
            "no neighbour discovery",
        ),
        (
            protocol("router advertisement", &c.ra),
            "no router advertisement",
        ),
        (protocol("dhcpv6 server", &c.dhcp6), "no dhcpv6 server"),
        (protocol("dhcpv4 server", &c.dhcp4), "no dhcpv4 server"),
        (protocol("dhcpv6 relay", &c.dhcp6_relay), "no dhcpv6 relay"),
        (protocol("dhcpv4 relay", &c.dhcp4_relay), "no dhcpv4 relay"),
        (
            protocol("dhcpv6 client", &c.dhcp6_client),
            "no dhcpv6 client",
        ),
        (pools, "no buffer pools"),
        (routes, "no routers"),
        (neighbors, "no neighbours"),
    ] {
        let _ = writeln!(out, "{}", table.render(paint, none));
    }
    let _ = writeln!(
        out,
        "configuration reloads: {} applied, {} refused",
        c.reloads.applied, c.reloads.refused
    );
    out
}

/// What a protocol has counted so far; events that never happened are left out.
fn protocol(name: &'static str, counters: &[ProtocolCounters]) -> Table {
    let mut table = Table::new(["interface", name, ">count"]);
    for c in counters {
        for (event, count) in c.events.iter().filter(|(_, count)| **count > 0) {
            table.row([cell(&c.interface), cell(event), cell(count)]);
        }
        for (rule, count) in c.invalid.iter().filter(|(_, count)| **count > 0) {
            let told = Cell::from(format!("invalid: {rule}"));
            table.row([cell(&c.interface), told, cell(count).odd_if(true)]);
        }
    }
    table
}
