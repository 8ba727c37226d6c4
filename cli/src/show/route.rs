//! Routes and their explanation.

use std::fmt::Write as _;

use api::{Route, RouteChanges, RouteExplain, RouteNextHop};

use super::join;
use crate::paint::Paint;
use crate::table::{Cell, Table, cell};

fn next_hop(hop: &RouteNextHop, several: bool) -> String {
    let mut text = match (&hop.via, &hop.interface) {
        (Some(via), Some(interface)) => format!("via {via} dev {interface}"),
        (Some(via), None) => format!("via {via}"),
        (None, Some(interface)) => format!("dev {interface}"),
        (None, None) => "nowhere".to_owned(),
    };
    if several {
        let _ = write!(text, " weight {}", hop.weight);
    }
    text
}

/// Routes, a row for each next hop.
pub(crate) fn routes(routes: &[Route], paint: Paint) -> String {
    let mut table = Table::new([
        "router",
        "prefix",
        "source",
        ">distance",
        "kind",
        "installed",
        "next hop",
        "resolved",
    ]);
    for route in routes {
        let several = route.next_hops.len() > 1;
        let hop = |hop: Option<&RouteNextHop>| match hop {
            Some(hop) => (
                Cell::from(next_hop(hop, several)),
                Cell::from(super::yes(hop.resolved)).odd_if(!hop.resolved),
            ),
            None => (Cell::from("-"), Cell::from("-")),
        };
        let (first, resolved) = match &route.to_router {
            Some(router) => (Cell::from(format!("router {router}")), Cell::from("-")),
            None => hop(route.next_hops.first()),
        };
        table.row([
            cell(&route.router),
            cell(route.prefix),
            cell(route.source),
            cell(route.distance),
            cell(route.kind),
            Cell::from(super::yes(route.installed)).odd_if(!route.installed),
            first,
            resolved,
        ]);
        for further in route.next_hops.iter().skip(1) {
            let (text, resolved) = hop(Some(further));
            let [a, b, c, d, e, f] = [(); 6].map(|()| Cell::default());
            table.row([a, b, c, d, e, f, text, resolved]);
        }
    }
    table.render(paint, "no routes")
}

/// What became of a request to change routes.
pub(crate) fn changed(changes: &RouteChanges) -> String {
    let parts = [
        (changes.added, "added"),
        (changes.replaced, "replaced"),
        (changes.deleted, "deleted"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let text = join(parts.map(|(count, what)| format!("{count} {what}")), ", ");
    if text == "-" {
        "nothing changed\n".to_owned()
    } else {
        format!("{text}\n")
    }
}

/// Why packets to an address go where they go.
pub(crate) fn explain(explain: &RouteExplain, paint: Paint) -> String {
    let heading = format!("{} in router {}", explain.address, explain.router);
    let mut out = format!(
        "{}\n{}.\n",
        paint.head(&heading),
        explain.why.trim_end_matches('.')
    );
    if !explain.chain.is_empty() {
        let mut table = Table::new(["lookup", "longest match", "source", "kind", "via"]);
        for step in &explain.chain {
            table.row([
                cell(step.lookup),
                cell(step.prefix),
                cell(step.source),
                cell(step.kind),
                Cell::from(join(&step.via, ", ")),
            ]);
        }
        let _ = write!(out, "\n{}", table.render(paint, ""));
    }
    if !explain.exits.is_empty() {
        let mut table = Table::new(["leaves by", "to neighbour", "state", "mac", ">weight"]);
        for exit in &explain.exits {
            table.row([
                cell(&exit.interface),
                cell(exit.neighbor),
                Cell::maybe(exit.neighbor_state),
                Cell::maybe(exit.mac),
                cell(exit.weight),
            ]);
        }
        let _ = write!(out, "\n{}", table.render(paint, ""));
    }
    if !explain.candidates.is_empty() {
        let mut table = Table::new(["not taken", "source", "kind", "because"]);
        for candidate in &explain.candidates {
            table.row([
                cell(candidate.prefix),
                cell(candidate.source),
                cell(candidate.kind),
                cell(&candidate.why_not),
            ]);
        }
        let _ = write!(out, "\n{}", table.render(paint, ""));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_in_words() {
        let changes = RouteChanges {
            added: 2,
            replaced: 0,
            deleted: 1,
        };
        assert_eq!(changed(&changes), "2 added, 1 deleted\n");
        assert_eq!(changed(&RouteChanges::default()), "nothing changed\n");
    }
}
