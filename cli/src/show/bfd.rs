//! BFD sessions.

use api::{BfdPath, BfdSession};

use crate::paint::Paint;
use crate::table::{Cell, Table, cell};
use crate::units::span;

/// All sessions, one a row; below, why packets were not believed.
pub(crate) fn sessions(all: &[BfdSession], paint: Paint) -> String {
    let mut table = Table::new([
        "interface",
        "peer",
        "local",
        "state",
        ">for",
        "diagnostic",
        "peer's state",
        ">send every",
        ">given up after",
        ">ups",
        ">failures",
        ">sent",
        ">received",
    ]);
    let mut refused = Table::new(["interface", "peer", "broken rule", ">packets"]);
    let mut strays: Vec<&str> = Vec::new();
    for b in all {
        let count = |name: &str| b.counters.get(name).copied().unwrap_or(0);
        let remote = b.remote.as_ref();
        table.row([
            cell(&b.interface),
            cell(b.peer),
            cell(b.local),
            cell(b.state).bad_if(b.path == BfdPath::Failed),
            Cell::from(span(b.since_ms)),
            cell(&b.diagnostic),
            Cell::maybe(remote.map(|remote| remote.state)),
            Cell::maybe(b.transmit_interval_us.map(interval)),
            Cell::maybe(b.detection_time_us.map(interval)),
            cell(count("ups")),
            cell(count("failures")),
            cell(count("sent") + count("finals_sent")),
            cell(count("received")),
        ]);
        let peer = b.peer.to_string();
        let mut refuse = |peer: &str, rules: &std::collections::BTreeMap<String, u64>| {
            for (rule, count) in rules {
                refused.row([cell(&b.interface), cell(peer), cell(rule), cell(count)]);
            }
        };
        refuse(&peer, &b.invalid);
        if !strays.contains(&b.interface.as_str()) {
            strays.push(&b.interface);
            refuse("-", &b.strays);
        }
    }
    let table = table.render(paint, "no interface has a BFD session");
    let believed = |b: &BfdSession| b.invalid.is_empty() && b.strays.is_empty();
    if all.iter().all(believed) {
        return table;
    }
    format!("{table}\n{}", refused.render(paint, ""))
}

/// Microseconds, in milliseconds.
fn interval(us: u64) -> String {
    match us % 1000 {
        0 => format!("{} ms", us / 1000),
        _ => format!("{:.1} ms", us as f64 / 1000.0),
    }
}
