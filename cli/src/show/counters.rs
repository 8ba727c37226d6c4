//! Everything that is counted, table after table.

use std::fmt::Write as _;

use api::{Counters, FamilyCounters};

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
    let mut punts = Table::new(["punt class", ">packets", ">refused"]);
    for (class, packets) in &c.punted {
        let refused = c.punts_refused.get(class).copied().unwrap_or(0);
        punts.row([
            cell(class),
            cell(packets),
            cell(refused).odd_if(refused > 0),
        ]);
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
