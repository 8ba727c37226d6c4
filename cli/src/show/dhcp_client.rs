//! Uplinks of the DHCPv6 client.

use api::{DhcpClient, DhcpClientLease};

use super::join;
use crate::paint::Paint;
use crate::table::{Cell, Table, cell};

/// Uplinks, one a row for each address and prefix.
pub(crate) fn uplinks(uplinks: &[DhcpClient], paint: Paint) -> String {
    let mut table = Table::new([
        "interface",
        "state",
        "lease",
        "preferred until",
        "valid until",
        "excluded",
        ">iaid",
        "server",
        "dns",
    ]);
    for uplink in uplinks {
        let leases = uplink.addresses.iter().chain(&uplink.prefixes);
        let mut leases: Vec<Option<&DhcpClientLease>> = leases.map(Some).collect();
        if leases.is_empty() {
            leases.push(None);
        }
        for lease in leases {
            table.row([
                cell(&uplink.interface),
                cell(uplink.state),
                Cell::maybe(lease.map(|lease| &lease.resource)),
                Cell::maybe(lease.map(|lease| &lease.preferred_until))
                    .odd_if(lease.is_some_and(|lease| lease.deprecated)),
                Cell::maybe(lease.map(|lease| &lease.valid_until)),
                Cell::maybe(lease.and_then(|lease| lease.exclude)),
                Cell::maybe(lease.map(|lease| lease.iaid)),
                Cell::maybe(uplink.server.as_ref()),
                Cell::from(join(&uplink.dns_servers, ", ")),
            ]);
        }
    }
    table.render(paint, "no interface is an uplink")
}
