//! Leases and pools of the DHCP servers.

use std::fmt::Write as _;

use api::{Lease, LeaseChanges, LeaseImported, LeasePool, LeaseState};

use crate::paint::Paint;
use crate::table::{Cell, Table, cell};

/// Leases, one a row.
pub(crate) fn leases(leases: &[Lease], paint: Paint) -> String {
    let mut table = Table::new([
        "resource", "router", "kind", "state", "ends", "client", ">iaid", "mac", "name",
    ]);
    for lease in leases {
        table.row([
            cell(&lease.resource),
            Cell::maybe(lease.router.as_ref()),
            cell(lease.kind),
            state(lease),
            cell(&lease.ends),
            cell(&lease.client),
            cell(lease.iaid),
            Cell::maybe(lease.mac),
            Cell::maybe(lease.hostname.as_ref()),
        ]);
    }
    table.render(paint, "no leases")
}

/// Delegated prefixes, with where they lead.
pub(crate) fn prefixes(leases: &[Lease], paint: Paint) -> String {
    let mut table = Table::new([
        "prefix",
        "router",
        "state",
        "ends",
        "via",
        "interface",
        "client",
        ">iaid",
        "pool",
    ]);
    for lease in leases {
        let hop = lease.next_hop.as_ref();
        let interface = hop
            .map(|hop| hop.interface.as_str())
            .filter(|name| !name.is_empty());
        table.row([
            cell(&lease.resource),
            Cell::maybe(lease.router.as_ref()),
            state(lease),
            cell(&lease.ends),
            Cell::maybe(hop.map(|hop| hop.address)),
            Cell::maybe(interface),
            cell(&lease.client),
            cell(lease.iaid),
            Cell::maybe(lease.pool.as_ref()),
        ]);
    }
    table.render(paint, "no prefix is delegated")
}

fn state(lease: &Lease) -> Cell {
    cell(lease.state).bad_if(lease.state == LeaseState::Declined)
}

/// Subnets and prefix pools, one a row.
pub(crate) fn pools(pools: &[LeasePool], paint: Paint) -> String {
    let mut table = Table::new([
        "pool",
        "link",
        "kind",
        "prefix",
        ">size",
        ">bound",
        ">declined",
        ">released",
        ">offered",
        ">used",
    ]);
    for pool in pools {
        // Sizes go beyond what a table can show exactly; a share does not need to be exact.
        let size: f64 = pool.size.parse().unwrap_or(0.0);
        let taken = (pool.bound + pool.declined + pool.offered) as f64;
        let used = if size > 0.0 { taken / size } else { 1.0 };
        table.row([
            cell(&pool.name),
            cell(&pool.link),
            cell(pool.kind),
            cell(pool.prefix),
            cell(&pool.size),
            cell(pool.bound),
            cell(pool.declined).bad_if(pool.declined > 0),
            cell(pool.released),
            cell(pool.offered),
            Cell::from(format!("{:.1} %", used * 100.0)).bad_if(used >= 1.0),
        ]);
    }
    table.render(paint, "nothing is leased out")
}

/// What an import of a file did.
pub(crate) fn imported(imported: &LeaseImported, file: &str, paint: Paint) -> String {
    let mut out = String::new();
    for fault in &imported.faults {
        let _ = writeln!(out, "{} {file}:{fault}", paint.bad("fault:"));
    }
    if imported.faults.is_empty() {
        let LeaseImported {
            added,
            replaced,
            unchanged,
            ..
        } = imported;
        let _ = writeln!(
            out,
            "{added} added, {replaced} replaced, {unchanged} unchanged"
        );
    }
    out
}

/// What was done.
pub(crate) fn changed(changes: &LeaseChanges) -> String {
    match (changes.added, changes.released) {
        (n, 0) => format!("{n} added\n"),
        (0, n) => format!("{n} released\n"),
        (added, released) => format!("{added} added, {released} released\n"),
    }
}
