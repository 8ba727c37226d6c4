//! The `[[vtep]]` tables.

use std::collections::HashMap;
use std::net::IpAddr;

use dataplane::forwarding::network::TunnelKind;
use tables::id::{TunnelId, VrfId};
use toml::de::DeValue;
use wire::traffic_class::{Dscp, DscpMode};

use super::document::{Names, Seen};
use super::interface::hint;
use super::net;
use super::reader::{Place, Table};
use crate::model::{Router, Vtep};

/// Least MTU of a path that carries IPv6 (RFC 8200 section 5).
const MIN_MTU: u64 = 1280;

pub(super) const KINDS: [(&str, TunnelKind); 3] = [
    ("vxlan", TunnelKind::Vxlan),
    ("geneve", TunnelKind::Geneve),
    ("gre", TunnelKind::Gre),
];

/// A kind's word.
pub(super) const fn word(kind: TunnelKind) -> &'static str {
    match kind {
        TunnelKind::Vxlan => "vxlan",
        TunnelKind::Geneve => "geneve",
        TunnelKind::Gre => "gre",
    }
}

/// What was read of peers, for the checks between sections.
#[derive(Default)]
pub(super) struct VtepsSeen {
    pub(super) names: Names,
    /// Those that were read whole, each with where its own address stands.
    pub(super) whole: HashMap<String, (Vtep, Place)>,
    /// The peers of each group.
    pub(super) groups: HashMap<String, Vec<String>>,
    /// Multicast groups, each with the name of its interface and where that stands.
    by: Vec<(String, String, Place)>,
    ends: HashMap<(VrfId, TunnelKind, IpAddr, IpAddr), String>,
    ports: HashMap<(VrfId, u16), (TunnelKind, String)>,
}

/// Reads a peer. One that is named and otherwise wrong still counts as named.
pub(super) fn read(table: &Table<'_>, id: TunnelId, seen: &mut Seen) -> Option<Vtep> {
    let name = seen.vteps.names.take(table, "vtep");
    join(table, name.as_deref(), &mut seen.vteps);
    let kind = table.require("kind").and_then(|value| value.choice(&KINDS));
    let router = router(table, seen);
    let local = table.require("local").and_then(|value| net::host(&value));
    let remote = table.require("remote").and_then(|value| net::peer(&value));
    let by = table.string("interface");
    let is_group = remote.is_some_and(|remote| remote.is_multicast());
    if is_group && table.get("interface").is_none() {
        table.fault(
            "remote",
            "a multicast group needs `interface`, by which its packets leave and come",
        );
    } else if !is_group && remote.is_some() && table.get("interface").is_some() {
        table.fault(
            "interface",
            "packets to one peer are routed: only a multicast group has an interface",
        );
    }
    let port: Option<u16> = table.integer("port", 1..=65_535);
    let checksum = table.boolean("udp_checksum");
    if kind == Some(TunnelKind::Gre) {
        for name in ["port", "udp_checksum"] {
            if table.get(name).is_some() {
                table.fault(name, "GRE has no UDP header");
            }
        }
    }
    let dscp = dscp(table);
    let hop_limit = table.integer("hop_limit", 1..=255).unwrap_or(64);
    let mtu = table.integer("mtu", MIN_MTU..=9600).unwrap_or(1500);
    if let (Some(local), Some(remote)) = (local, remote) {
        if local.is_ipv6() != remote.is_ipv6() {
            let why = format!("{remote} and `local`, {local}, are of different families");
            table.fault("remote", why);
        } else if local == remote {
            table.fault("remote", format_args!("{remote} is `local` itself"));
        }
    }
    let (name, kind, router) = (name?, kind?, router?);
    let (local, remote) = (local?, remote?);
    let vtep = Vtep {
        id,
        kind,
        router,
        local,
        remote,
        out: None,
        port: match kind {
            TunnelKind::Vxlan => port.unwrap_or(4789),
            TunnelKind::Geneve => port.unwrap_or(6081),
            TunnelKind::Gre => 0,
        },
        checksum: checksum.unwrap_or(true),
        dscp,
        hop_limit,
        mtu,
        name,
    };
    claim(table, &vtep, &mut seen.vteps);
    if let (true, Some(by)) = (is_group, by) {
        let place = table.place("interface");
        seen.vteps
            .by
            .push((vtep.name.clone(), by.to_owned(), place));
    }
    let whole = (vtep.clone(), table.place("local"));
    seen.vteps.whole.insert(vtep.name.clone(), whole);
    Some(vtep)
}

/// Has a peer join its group. No group bears the name of a peer: segments name either.
fn join(table: &Table<'_>, name: Option<&str>, seen: &mut VtepsSeen) {
    let value = table.get("group");
    if let Some(name) = name
        && seen.groups.contains_key(name)
    {
        return table.fault("name", format_args!("\"{name}\" is the name of a group"));
    }
    let Some(value) = value else { return };
    let Some(group) = value.string() else { return };
    if seen.names.contains(group) {
        return value.fault(format_args!("\"{group}\" is the name of a vtep"));
    }
    let peers = seen.groups.entry(group.to_owned()).or_default();
    peers.extend(name.map(str::to_owned));
}

/// Faults ends that another peer has, and a UDP port that is another kind's.
fn claim(table: &Table<'_>, vtep: &Vtep, seen: &mut VtepsSeen) {
    // What comes to a group says nothing of which of our addresses is meant.
    let local = match vtep.remote.is_multicast() {
        true => vtep.remote,
        false => vtep.local,
    };
    let ends = (vtep.router, vtep.kind, local, vtep.remote);
    if let Some(other) = seen.ends.get(&ends) {
        let why = format!(
            "vtep \"{other}\" is {} from {} to {} already",
            word(vtep.kind),
            vtep.local,
            vtep.remote
        );
        table.fault("remote", why);
    } else {
        seen.ends.insert(ends, vtep.name.clone());
    }
    if vtep.kind == TunnelKind::Gre {
        return;
    }
    match seen.ports.get(&(vtep.router, vtep.port)) {
        Some((kind, other)) if *kind != vtep.kind => {
            let why = format!(
                "{} is the port of vtep \"{other}\", which is of kind {}",
                vtep.port,
                word(*kind)
            );
            table.fault("port", why);
        }
        Some(_) => {}
        None => {
            let user = (vtep.kind, vtep.name.clone());
            seen.ports.insert((vtep.router, vtep.port), user);
        }
    }
}

fn router(table: &Table<'_>, seen: &Seen) -> Option<VrfId> {
    let value = table.require("router")?;
    let name = value.string()?;
    let known = seen.router_ids.get(name).copied();
    if known.is_none() {
        let hint = hint(name, seen.router_ids.keys().map(String::as_str));
        value.fault(format_args!("there is no router \"{name}\"{hint}"));
    }
    known
}

fn dscp(table: &Table<'_>) -> DscpMode {
    let inherited = DscpMode::Uniform;
    let Some(value) = table.get("dscp") else {
        return inherited;
    };
    match value.value {
        DeValue::Integer(_) => value
            .integer(0..=63)
            .and_then(|dscp: u8| Dscp::try_from(dscp).ok())
            .map_or(inherited, DscpMode::Pipe),
        DeValue::String(word) if word == "inherit" => inherited,
        _ => {
            value.fault("must be \"inherit\" or a DSCP, 0 to 63");
            inherited
        }
    }
}

/// Has the interfaces of multicast groups listen to them, and the groups know their interfaces.
pub(super) fn join_groups(
    table: &Table<'_>,
    vteps: &mut [Vtep],
    routers: &mut [Router],
    seen: &VtepsSeen,
) {
    for (name, by, at) in &seen.by {
        let Some(vtep) = vteps.iter_mut().find(|vtep| vtep.name == *name) else {
            continue;
        };
        let Some(router) = routers.iter_mut().find(|router| router.id == vtep.router) else {
            continue;
        };
        let mut interfaces = router.interfaces.iter_mut();
        let Some(interface) = interfaces.find(|interface| interface.name == *by) else {
            let why = format!("router \"{}\" has no interface \"{by}\"", router.name);
            table.cx.fault(at, why);
            continue;
        };
        if interface.carrier.device().is_none() {
            let why = format!("interface \"{by}\" is on no device");
            table.cx.fault(at, why);
            continue;
        }
        vtep.out = Some(interface.id);
        interface.tunnel_groups.insert(vtep.remote);
    }
}

/// Warns of peers whose `local` is no configured address of their router: a delegated prefix may still bring it.
pub(super) fn check_local(table: &Table<'_>, routers: &[Router], seen: &VtepsSeen) {
    for (vtep, at) in seen.whole.values() {
        let Some(router) = routers.iter().find(|router| router.id == vtep.router) else {
            continue;
        };
        let mut own = router.interfaces.iter().flat_map(|i| &i.addresses);
        if !own.any(|net| net.addr() == vtep.local) {
            let why = format!(
                "{} is no address of an interface of router \"{}\": no packet of the tunnel is for us until it is",
                vtep.local, router.name
            );
            table.cx.warn(at, why);
        }
    }
}
