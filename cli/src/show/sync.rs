//! The other router of a pair.

use api::PairSync;

use super::Facts;
use crate::paint::Paint;
use crate::table::{Cell, Table, cell};
use crate::units::span;

/// The other router, then what is told, one kind a row.
pub(crate) fn syncs(all: &[PairSync], paint: Paint) -> String {
    let Some(sync) = all.first() else {
        return "this router is none of a pair\n".to_owned();
    };
    let mut facts = Facts::default();
    facts.add("peer", sync.peer.to_string());
    facts.add("local", sync.local.to_string());
    let state = match (sync.connected, sync.since_ms) {
        (true, Some(since)) => format!("connected for {}", span(since)),
        (true, None) => "connected".to_owned(),
        (false, _) => match &sync.fault {
            Some(fault) => format!("not connected: {fault}"),
            None => "not connected".to_owned(),
        },
    };
    facts.add("state", state);
    if sync.same_config == Some(false) {
        facts.add("configuration", "differs from ours");
    }
    if let Some(us) = sync.round_trip_us {
        facts.add("round trip", format!("{}.{:03} ms", us / 1000, us % 1000));
    }
    facts.add("lag", format!("{} ms", sync.lag_ms));
    facts.add("flows kept for it", sync.kept_flows.to_string());
    for (name, count) in sync.counters.iter().filter(|(_, count)| **count != 0) {
        facts.add("counted", format!("{name} {count}"));
    }
    let mut table = Table::new([
        "kind",
        "ours there",
        "its here",
        ">lag",
        ">queued",
        ">sent",
        ">received",
        ">refused",
        ">dropped",
        ">bulks",
    ]);
    for kind in &sync.kinds {
        let count = |name: &str| kind.counters.get(name).copied().unwrap_or(0);
        table.row([
            cell(&kind.kind),
            cell(&kind.phase).bad_if(kind.phase == "behind"),
            cell(if kind.complete { "all" } else { "-" }),
            Cell::from(format!("{} ms", kind.lag_ms)),
            cell(kind.queued_bytes),
            cell(count("sent")),
            cell(count("received")),
            cell(count("refused")).bad_if(count("refused") != 0),
            cell(count("dropped")).bad_if(count("dropped") != 0),
            cell(count("bulks_sent") + count("bulks_received")),
        ]);
    }
    format!(
        "{}\n{}",
        facts.render(0),
        table.render(paint, "nothing is told")
    )
}
