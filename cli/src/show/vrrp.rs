//! Virtual routers.

use api::{VirtualRouter, VrrpState};

use super::join;
use crate::paint::Paint;
use crate::table::{Cell, Table, cell};
use crate::units::span;

/// All virtual routers, one a row; below, why advertisements were not believed.
pub(crate) fn virtual_routers(all: &[VirtualRouter], paint: Paint) -> String {
    let mut table = Table::new([
        "interface",
        "ip",
        ">vrid",
        "state",
        ">for",
        ">priority",
        "active router",
        "addresses",
        "mac",
        ">transitions",
    ]);
    let mut refused = Table::new(["interface", "ip", "vrid", "broken rule", ">advertisements"]);
    let mut strays: Vec<&str> = Vec::new();
    for v in all {
        let ip = format!("v{}", v.ip_version);
        let lowered = v.priority < v.configured_priority;
        table.row([
            cell(&v.interface),
            cell(&ip),
            cell(v.vrid),
            cell(v.state).bad_if(v.state == VrrpState::Initialize),
            Cell::from(span(v.since_ms)),
            cell(v.priority).bad_if(lowered),
            Cell::maybe(v.active.map(|active| match v.active_priority {
                Some(priority) if v.state != VrrpState::Active => format!("{active} ({priority})"),
                _ => active.to_string(),
            })),
            Cell::from(join(&v.addresses, ", ")),
            cell(v.mac),
            cell(v.transitions),
        ]);
        for (rule, count) in &v.invalid {
            refused.row([
                cell(&v.interface),
                cell(&ip),
                cell(v.vrid),
                cell(rule),
                cell(count),
            ]);
        }
        if !strays.contains(&v.interface.as_str()) {
            strays.push(&v.interface);
            for (rule, count) in &v.strays {
                refused.row([
                    cell(&v.interface),
                    cell("-"),
                    cell("-"),
                    cell(rule),
                    cell(count),
                ]);
            }
        }
    }
    let table = table.render(paint, "no interface takes part in a virtual router");
    if all
        .iter()
        .all(|v| v.invalid.is_empty() && v.strays.is_empty())
    {
        return table;
    }
    format!("{table}\n{}", refused.render(paint, ""))
}
