//! DHCP relays.

use api::Relay;

use crate::paint::Paint;
use crate::table::{Table, cell};

/// Links that are relayed for, one a row, each with what is delegated behind it.
pub(crate) fn relays(relays: &[Relay], paint: Paint) -> String {
    let mut table = Table::new(["interface", "dhcp", "servers", "address", "id", ">prefixes"]);
    let mut prefixes = Table::new(["interface", "prefix", "client", "gateway", "ends"]);
    for relay in relays {
        let servers: Vec<_> = relay.servers.iter().map(ToString::to_string).collect();
        table.row([
            cell(&relay.interface),
            cell(format!("v{}", relay.ip_version)),
            cell(servers.join(" ")),
            cell(relay.address),
            cell(&relay.id),
            cell(relay.prefixes.len()),
        ]);
        for prefix in &relay.prefixes {
            prefixes.row([
                cell(&relay.interface),
                cell(prefix.prefix),
                cell(&prefix.client),
                cell(prefix.gateway),
                cell(&prefix.ends),
            ]);
        }
    }
    let table = table.render(paint, "DHCP is relayed nowhere");
    if relays.iter().all(|relay| relay.prefixes.is_empty()) {
        return table;
    }
    format!("{table}\n{}", prefixes.render(paint, ""))
}
