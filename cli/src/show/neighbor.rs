//! Neighbours.

use api::{Neighbor, NudState};

use crate::paint::Paint;
use crate::table::{Cell, Table, cell};
use crate::units::span;

/// Neighbours, of one interface or all.
pub(crate) fn neighbors(neighbors: &[Neighbor], interface: Option<&str>, paint: Paint) -> String {
    let mut table = Table::new([
        "router",
        "interface",
        "address",
        "mac",
        "state",
        ">age",
        "origin",
        "note",
    ]);
    for n in neighbors
        .iter()
        .filter(|n| interface.is_none_or(|name| name == n.interface))
    {
        table.row([
            cell(&n.router),
            cell(&n.interface),
            cell(n.address),
            Cell::maybe(n.mac),
            cell(n.state)
                .odd_if(matches!(
                    n.state,
                    NudState::Incomplete | NudState::Unreachable
                ))
                .bad_if(n.state == NudState::Failed),
            Cell::from(span(n.age_ms)),
            cell(n.origin),
            Cell::from(if n.is_router { "router" } else { "" }),
        ]);
    }
    table.render(paint, "no neighbours")
}
