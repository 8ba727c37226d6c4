//! Layer-2 networks, their stations, and peers of tunnels.

use api::{Binding, Network, NetworkSegment, Station, Vtep};

use super::few;
use crate::paint::Paint;
use crate::table::{Cell, Table, cell};
use crate::units::bytes;

/// Networks, one a row.
pub(crate) fn networks(networks: &[Network], paint: Paint) -> String {
    let mut table = Table::new([
        "network",
        "state",
        ">mtu",
        "segments",
        "interfaces",
        ">learned",
        ">static",
        ">rx frames",
        ">rx bytes",
        ">tx frames",
        ">tx bytes",
        ">flooded",
        ">bindings",
        ">answered",
    ]);
    for n in networks {
        let c = &n.counters;
        table.row([
            cell(&n.name),
            cell(if n.up { "up" } else { "down" }).bad_if(!n.up),
            cell(n.mtu),
            Cell::from(few(&n.segments.iter().map(segment).collect::<Vec<_>>())),
            Cell::from(few(&n.interfaces)),
            cell(n.learned).odd_if(n.learning && n.max_stations <= n.learned),
            cell(n.statics),
            cell(c.rx_frames),
            Cell::from(bytes(c.rx_bytes)),
            cell(c.tx_frames),
            Cell::from(bytes(c.tx_bytes)),
            cell(c.flooded_frames),
            cell(if n.suppression {
                n.bindings.to_string()
            } else {
                "-".to_owned()
            }),
            cell(c.answered_frames),
        ]);
    }
    table.render(paint, "no networks")
}

/// A segment in a word or two: `lan`, `lan.100`, `vxlan 77 (west, hq)`.
fn segment(segment: &NetworkSegment) -> String {
    match (&segment.device, segment.vni) {
        (_, Some(vni)) => {
            let flood = segment.flood.as_ref();
            let flood = flood.map(|group| format!(", floods by {group}"));
            let flood = flood.unwrap_or_default();
            format!("{} {vni} ({}{flood})", segment.kind, few(&segment.vteps))
        }
        (device, None) => {
            let tags = segment.vlans.iter().map(|vid| format!(".{vid}"));
            device.clone().unwrap_or_default() + &tags.collect::<String>()
        }
    }
}

/// Stations, one a row.
pub(crate) fn stations(stations: &[Station], paint: Paint) -> String {
    let mut table = Table::new(["network", "mac", "at", "origin", ">age", ">moves", "note"]);
    for s in stations {
        let note = match (s.waits, s.held_seconds) {
            (true, _) => "not in use: the table is full".to_owned(),
            (false, Some(seconds)) => format!("moves too often: held for {seconds} s"),
            (false, None) => String::new(),
        };
        let age = s.age_seconds.map(|seconds| format!("{seconds} s"));
        table.row([
            cell(&s.network),
            cell(s.mac),
            cell(&s.at),
            cell(if s.is_static { "static" } else { "learned" }),
            Cell::from(age.unwrap_or_else(|| "-".to_owned())),
            cell(s.moves),
            Cell::from(note)
                .odd_if(s.held_seconds.is_some())
                .bad_if(s.waits),
        ]);
    }
    table.render(paint, "no stations")
}

/// Bindings, one a row.
pub(crate) fn bindings(bindings: &[Binding], paint: Paint) -> String {
    let mut table = Table::new([
        "network", "address", "mac", "origin", "router", ">age", ">moves", "note",
    ]);
    for b in bindings {
        let note = match (b.in_use, b.held_seconds) {
            (_, Some(seconds)) => format!("changes hands too often: held for {seconds} s"),
            (false, None) => "doubted: not answered for".to_owned(),
            (true, None) => String::new(),
        };
        let age = b.age_seconds.map(|seconds| format!("{seconds} s"));
        table.row([
            cell(&b.network),
            cell(b.address),
            cell(b.mac),
            cell(if b.is_own { "own" } else { "learned" }),
            cell(if b.is_router { "yes" } else { "no" }),
            Cell::from(age.unwrap_or_else(|| "-".to_owned())),
            cell(b.moves),
            Cell::from(note).odd_if(!b.in_use || b.held_seconds.is_some()),
        ]);
    }
    table.render(paint, "no bindings")
}

/// Peers, one a row.
pub(crate) fn vteps(vteps: &[Vtep], paint: Paint) -> String {
    let mut table = Table::new([
        "vtep",
        "kind",
        "router",
        "local",
        "remote",
        ">port",
        ">mtu",
        ">path mtu",
        ">networks",
        "interfaces",
        ">rx packets",
        ">rx bytes",
        ">tx packets",
        ">tx bytes",
        ">too big",
    ]);
    for v in vteps {
        let c = &v.counters;
        table.row([
            cell(&v.name),
            cell(v.kind),
            cell(&v.router),
            cell(v.local),
            cell(v.remote),
            Cell::from(
                v.port
                    .map_or_else(|| "-".to_owned(), |port| port.to_string()),
            ),
            cell(v.mtu),
            path_mtu(v).odd_if(v.path_mtu.is_some()),
            cell(v.networks),
            Cell::from(few(&v.interfaces)),
            cell(c.rx_packets),
            Cell::from(bytes(c.rx_bytes)),
            cell(c.tx_packets),
            Cell::from(bytes(c.tx_bytes)),
            cell(c.too_big).odd_if(0 < c.too_big),
        ]);
    }
    table.render(paint, "no vteps")
}

/// What routers on the way said, and for how long it is believed: `1400 (590 s)`.
fn path_mtu(vtep: &Vtep) -> Cell {
    let said = vtep.path_mtu.zip(vtep.path_mtu_seconds);
    let said = said.map(|(mtu, seconds)| format!("{mtu} ({seconds} s)"));
    Cell::from(said.unwrap_or_else(|| "-".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::sample;

    #[test]
    fn segments_and_what_is_odd_are_in_words() {
        let shown = networks(&sample::networks(), Paint::new(false));
        assert!(
            shown.contains("lan.100, vxlan 77 (west, floods by all)"),
            "{shown}"
        );
        let shown = stations(&sample::stations(), Paint::new(false));
        assert!(shown.contains("moves too often: held for 27 s"), "{shown}");
        assert!(shown.contains("static"), "{shown}");
        let shown = bindings(&sample::bindings(), Paint::new(false));
        assert!(
            shown.contains("changes hands too often: held for 27 s"),
            "{shown}"
        );
        assert!(shown.contains("own"), "{shown}");
        let shown = vteps(&sample::vteps(), Paint::new(false));
        assert!(shown.contains("4789"), "{shown}");
        assert!(shown.contains("1400 (590 s)"), "{shown}");
    }
}
