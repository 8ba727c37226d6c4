//! What a reload changed, in a line each.

use api::{Change, ChangeKind};

use crate::model::diff::Delta;
use crate::model::{Changes, Model};

/// The changes in the order of their nouns; removed things are named by the old model.
pub(super) fn told(changes: &Changes, old: &Model, new: &Model) -> Vec<Change> {
    let mut told = Vec::new();
    named(
        &changes.devices,
        |port| old.device(*port).map(|d| format!("device {}", d.name)),
        |port| new.device(*port).map(|d| format!("device {}", d.name)),
        &mut told,
    );
    named(
        &changes.vteps,
        |id| old.vtep(*id).map(|vtep| format!("vtep {}", vtep.name)),
        |id| new.vtep(*id).map(|vtep| format!("vtep {}", vtep.name)),
        &mut told,
    );
    named(
        &changes.networks,
        |id| old.network(*id).map(|n| format!("network {}", n.name)),
        |id| new.network(*id).map(|n| format!("network {}", n.name)),
        &mut told,
    );
    named(
        &changes.groups,
        |id| old.set_name(*id).map(|name| format!("group {name}")),
        |id| new.set_name(*id).map(|name| format!("group {name}")),
        &mut told,
    );
    named(
        &changes.ports,
        |id| old.port(*id).map(|port| format!("port {}", port.name)),
        |id| new.port(*id).map(|port| format!("port {}", port.name)),
        &mut told,
    );
    let mut line = |kind, what: String, detail: String| told.push(Change { kind, what, detail });
    for (of, vrfs, kind) in [
        (old, &changes.routers.removed, ChangeKind::Removed),
        (new, &changes.routers.added, ChangeKind::Added),
    ] {
        for router in of.routers.iter().filter(|r| vrfs.contains(&r.id)) {
            line(kind, format!("router {}", router.name), String::new());
        }
    }
    for (of, ifaces, kind) in [
        (old, &changes.interfaces.removed, ChangeKind::Removed),
        (new, &changes.interfaces.added, ChangeKind::Added),
    ] {
        for (_, iface) in ifaces {
            if let Some(interface) = of.interface(*iface) {
                line(kind, format!("interface {}", interface.name), String::new());
            }
        }
    }
    for change in &changes.changed {
        let Some(interface) = new.interface(change.id) else {
            continue;
        };
        let mut details = Vec::new();
        details.extend(change.addresses.added.iter().map(|a| format!("+{a}")));
        details.extend(change.addresses.removed.iter().map(|a| format!("-{a}")));
        details.extend(change.anycast.added.iter().map(|a| format!("+anycast {a}")));
        details.extend(
            change
                .anycast
                .removed
                .iter()
                .map(|a| format!("-anycast {a}")),
        );
        details.extend(
            change
                .neighbors
                .added
                .iter()
                .map(|n| format!("+neighbor {}", n.address)),
        );
        details.extend(
            change
                .neighbors
                .removed
                .iter()
                .map(|n| format!("-neighbor {}", n.address)),
        );
        let flags = [
            (change.link_local, "link-local address"),
            (change.forwarding, "forwarding options"),
            (change.nd, "neighbour discovery"),
            (change.ra, "router advertisements"),
            (change.dhcp, "subnets, ports and DHCP"),
            (change.vrrp, "virtual routers"),
            (change.bfd, "BFD sessions"),
        ];
        details.extend(
            flags
                .iter()
                .filter(|(is, _)| *is)
                .map(|(_, what)| (*what).to_owned()),
        );
        line(
            ChangeKind::Changed,
            format!("interface {}", interface.name),
            details.join(", "),
        );
    }
    for (routes, kind) in [
        (&changes.routes.removed, ChangeKind::Removed),
        (&changes.routes.added, ChangeKind::Added),
    ] {
        for (_, route) in routes {
            line(kind, format!("route {}", route.prefix), String::new());
        }
    }
    if changes.log {
        line(ChangeKind::Changed, "system.log".into(), String::new());
    }
    told
}

/// What came, went and changed of one kind of thing; what is in both lists changed.
fn named<Id: PartialEq>(
    delta: &Delta<Id>,
    before: impl Fn(&Id) -> Option<String>,
    now: impl Fn(&Id) -> Option<String>,
    told: &mut Vec<Change>,
) {
    let mut line = |kind, what: Option<String>| {
        told.extend(what.map(|what| Change {
            kind,
            what,
            detail: String::new(),
        }));
    };
    let gone = |id: &&Id| !delta.added.contains(id);
    for id in delta.removed.iter().filter(gone) {
        line(ChangeKind::Removed, before(id));
    }
    for id in &delta.added {
        let kind = match delta.removed.contains(id) {
            true => ChangeKind::Changed,
            false => ChangeKind::Added,
        };
        line(kind, now(id));
    }
}
