//! The `[forwarding]` table.

use super::reader::Table;
use super::schema::FORWARDING;
use crate::model::{Forwarding, Rate};

/// Highest rate that means anything.
const MAX_RATE: u64 = 10_000_000;

pub(super) fn read(table: Option<Table<'_>>) -> Forwarding {
    let default = Forwarding::default();
    let Some(mut table) = table else {
        return default;
    };
    table.check_keys(&[&FORWARDING]);
    let rate = |default: Rate, per_second, burst| Rate {
        per_second: table
            .integer(per_second, 0..=MAX_RATE)
            .unwrap_or(default.per_second),
        burst: table.integer(burst, 1..=MAX_RATE).unwrap_or(default.burst),
    };
    Forwarding {
        symmetric_hash: table
            .choice("flow_hash", &[("directional", false), ("symmetric", true)])
            .unwrap_or(default.symmetric_hash),
        icmp_per_interface: rate(
            default.icmp_per_interface,
            "icmp_per_interface",
            "icmp_per_interface_burst",
        ),
        icmp_per_destination: rate(
            default.icmp_per_destination,
            "icmp_per_destination",
            "icmp_per_destination_burst",
        ),
        dhcp_per_device: rate(
            default.dhcp_per_device,
            "dhcp_per_device",
            "dhcp_per_device_burst",
        ),
    }
}
