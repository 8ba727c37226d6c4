//! The `[[network]]` tables.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use dataplane::forwarding::network::{TunnelKind, UnknownUnicast};
use tables::id::{NetworkId, Place, PortId, TunnelId, VrfId};
use wire::MacAddr;

use super::document::{Names, Seen};
use super::interface::{claim_tag, device, hint};
use super::net;
use super::reader::Table;
use super::schema::{FLAT, OVERLAY, QINQ, SEGMENT, STATION, Section, VLAN};
use super::time::{Unit, duration};
use super::vtep::{KINDS, word};
use crate::model::network::{Local, Network, Overlay, Station};
use crate::model::{Rate, Tag, Vtep};

/// Least MTU of a link that carries IPv6 (RFC 8200 section 5).
const MIN_MTU: u16 = 1280;
/// Longest VNI of VXLAN and Geneve, and GRE key.
const MAX_VNI: u64 = (1 << 24) - 1;
const MAX_KEY: u64 = u32::MAX as u64;
/// Ageing times that IEEE 802.1D table 7-5 allows, but shorter ones too.
const AGEING: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(1_000_000)];

/// What was read of networks, for the checks between sections.
#[derive(Default)]
pub(super) struct NetworksSeen {
    pub(super) names: Names,
    /// Those that were read whole, with their MTU.
    pub(super) whole: HashMap<String, (NetworkId, u16)>,
    /// Who has a MAC address in a network.
    pub(super) macs: HashMap<(NetworkId, MacAddr), String>,
    vnis: HashMap<(VrfId, TunnelKind, u32), String>,
    n_locals: u32,
}

/// Reads a network. One that is named and otherwise wrong still counts as named.
pub(super) fn read(table: &Table<'_>, id: NetworkId, seen: &mut Seen) -> Option<Network> {
    let name = seen.networks.names.take(table, "network");
    let called = name.as_deref().unwrap_or_default();
    let mut segments = Segments::default();
    for mut segment in table.raw_tables("segments") {
        segments.read(&mut segment, called, seen);
    }
    let stations = stations(table, id, &segments, seen);
    let max_rate = 10_000_000;
    let default = dataplane::forwarding::Network::new(id);
    let network = Network {
        id,
        mtu: mtu(table, &segments),
        learning: table.boolean("learning").unwrap_or(true),
        unknown_unicast: table
            .choice(
                "unknown_unicast",
                &[
                    ("flood", UnknownUnicast::Flood),
                    ("drop", UnknownUnicast::Drop),
                ],
            )
            .unwrap_or_default(),
        max_stations: table.integer("max_stations", 0..=1 << 24).unwrap_or(8192),
        ageing: duration(table, "ageing", Unit::S, AGEING[0], AGEING[1])
            .map_or(300, |time| time.as_secs() as u32),
        flood: Rate {
            per_second: table
                .integer("flood_per_second", 0..=max_rate)
                .unwrap_or(default.flood_rate.per_second),
            burst: table
                .integer("flood_burst", 1..=max_rate)
                .unwrap_or(default.flood_rate.burst),
        },
        suppression: table.boolean("arp_nd_suppression").unwrap_or(false),
        max_bindings: table.integer("max_bindings", 0..=1 << 24).unwrap_or(8192),
        locals: segments.locals,
        overlays: segments.overlays,
        stations,
        name: name?,
    };
    let whole = (id, network.mtu);
    seen.networks.whole.insert(network.name.clone(), whole);
    Some(network)
}

/// The segments of a network as they are read.
#[derive(Default)]
struct Segments {
    locals: Vec<Local>,
    overlays: Vec<Overlay>,
    /// The peers of all of these.
    peers: HashSet<TunnelId>,
    /// Longest packet that all of them carry, and who carries no longer one.
    bound: Option<(u16, String)>,
}

/// A segment's kind.
#[derive(Clone, Copy)]
enum Kind {
    Flat,
    Vlan,
    Qinq,
    Tunnels(TunnelKind),
}

impl Segments {
    fn read(&mut self, table: &mut Table<'_>, network: &str, seen: &mut Seen) {
        let overlays = KINDS.map(|(word, kind)| (word, (&OVERLAY, Kind::Tunnels(kind))));
        let kinds: [(&'static str, (&'static Section, Kind)); 6] = [
            ("flat", (&FLAT, Kind::Flat)),
            ("vlan", (&VLAN, Kind::Vlan)),
            ("qinq", (&QINQ, Kind::Qinq)),
            overlays[0],
            overlays[1],
            overlays[2],
        ];
        let kind = table.require("kind").and_then(|value| value.choice(&kinds));
        let Some((section, kind)) = kind else {
            // Which keys are allowed cannot be told.
            return table.assume_keys(&[&SEGMENT]);
        };
        table.check_keys(&[&SEGMENT, section]);
        match kind {
            Kind::Flat => self.local(table, Some(Tag::Untagged), network, seen),
            Kind::Vlan => {
                let vlan = vid(table, "vlan");
                self.local(table, vlan.map(Tag::Vlan), network, seen);
            }
            Kind::Qinq => {
                let (outer, inner) = (vid(table, "outer"), vid(table, "vlan"));
                let tag = outer.zip(inner).map(|(outer, inner)| qinq(outer, inner));
                self.local(table, tag, network, seen);
            }
            Kind::Tunnels(kind) => self.overlay(table, kind, network, seen),
        }
    }

    fn local(&mut self, table: &Table<'_>, tag: Option<Tag>, network: &str, seen: &mut Seen) {
        let device = device(table, seen);
        let (Some((port, mtu)), Some(tag)) = (device, tag) else {
            return;
        };
        let fields = ["device", "vlan", "outer"];
        claim_tag(table, seen, (port, tag), ("a network", network), fields);
        let named = table.string("device").unwrap_or_default();
        self.carries(mtu, || format!("device \"{named}\""));
        seen.networks.n_locals += 1;
        self.locals.push(Local {
            number: seen.networks.n_locals,
            device: port,
            tag,
        });
    }

    fn overlay(&mut self, table: &Table<'_>, kind: TunnelKind, network: &str, seen: &mut Seen) {
        let max = if kind == TunnelKind::Gre {
            MAX_KEY
        } else {
            MAX_VNI
        };
        let vni = table.require("vni").and_then(|v| v.integer::<u32>(0..=max));
        let names = table.require("vteps").and_then(|value| value.items());
        let mut vteps: Vec<TunnelId> = Vec::new();
        for value in names.unwrap_or_default() {
            let Some(name) = value.string() else { continue };
            let members = seen.vteps.groups.get(name);
            let alone = [name.to_owned()];
            for name in members.map_or(&alone[..], Vec::as_slice) {
                let Some((vtep, _)) = seen.vteps.whole.get(name) else {
                    if !seen.vteps.names.contains(name) {
                        let groups = seen.vteps.groups.keys().map(String::as_str);
                        let hint = hint(name, seen.vteps.names.iter().chain(groups));
                        value.fault(format_args!("there is no vtep \"{name}\"{hint}"));
                    }
                    continue;
                };
                if let Err(why) = self.stretch(vtep, kind, vni.is_some()) {
                    value.fault(why);
                    continue;
                }
                vteps.push(vtep.id);
                let owner = vni.map(|vni| {
                    let owner = seen.networks.vnis.entry((vtep.router, kind, vni));
                    owner.or_insert_with(|| network.to_owned())
                });
                if let (Some(vni), Some(owner)) = (vni, owner)
                    && owner != network
                {
                    let kind = word(kind);
                    let why = format!(
                        "{vni} is network \"{owner}\" for {kind} at the router of vtep \"{name}\" already"
                    );
                    table.fault("vni", why);
                }
            }
        }
        vteps.sort_unstable();
        let flood = self.flood(table, kind, &vteps, seen);
        if let Some(vni) = vni {
            self.overlays.push(Overlay {
                kind,
                vni,
                vteps,
                flood,
            });
        }
    }

    /// The multicast group by which a segment floods.
    fn flood(
        &mut self,
        table: &Table<'_>,
        kind: TunnelKind,
        vteps: &[TunnelId],
        seen: &Seen,
    ) -> Option<TunnelId> {
        let value = table.get("flood")?;
        let name = value.string()?;
        let Some((group, _)) = seen.vteps.whole.get(name) else {
            if !seen.vteps.names.contains(name) {
                let hint = hint(name, seen.vteps.names.iter());
                value.fault(format_args!("there is no vtep \"{name}\"{hint}"));
            }
            return None;
        };
        if !group.remote.is_multicast() {
            value.fault(format_args!(
                "vtep \"{name}\" is one peer, and no multicast group"
            ));
            return None;
        }
        if group.kind != kind {
            value.fault(format_args!(
                "vtep \"{name}\" is of kind {}, and the segment of kind {}",
                word(group.kind),
                word(kind)
            ));
            return None;
        }
        let mut peers = seen.vteps.whole.values().map(|(vtep, _)| vtep);
        let ends = (group.router, group.local);
        let other =
            peers.find(|vtep| vteps.contains(&vtep.id) && (vtep.router, vtep.local) != ends);
        if let Some(other) = other {
            value.fault(format_args!(
                "vtep \"{}\" has another `router` or `local` than multicast group \"{name}\"",
                other.name
            ));
            return None;
        }
        self.carries(group.network_mtu(), || format!("vtep \"{name}\""));
        Some(group.id)
    }

    /// Stretches the network to a peer, unless that is of another kind or has it already. What is not `whole` is faulted, and
    /// takes the peer from nobody.
    fn stretch(&mut self, vtep: &Vtep, kind: TunnelKind, whole: bool) -> Result<(), String> {
        let name = &vtep.name;
        if vtep.remote.is_multicast() {
            return Err(format!(
                "vtep \"{name}\" is a multicast group: `flood` names it"
            ));
        }
        if vtep.kind != kind {
            return Err(format!(
                "vtep \"{name}\" is of kind {}, and the segment of kind {}",
                word(vtep.kind),
                word(kind)
            ));
        }
        if whole && !self.peers.insert(vtep.id) {
            return Err(format!(
                "the network is stretched to vtep \"{name}\" already"
            ));
        }
        self.carries(vtep.network_mtu(), || format!("vtep \"{name}\""));
        Ok(())
    }

    fn carries(&mut self, mtu: u16, who: impl FnOnce() -> String) {
        if self.bound.as_ref().is_none_or(|(bound, _)| mtu < *bound) {
            self.bound = Some((mtu, who()));
        }
    }
}

fn vid(table: &Table<'_>, name: &'static str) -> Option<u16> {
    table.require(name)?.integer(1..=4094)
}

fn qinq(outer: u16, inner: u16) -> Tag {
    Tag::QinQ {
        outer_tpid: 0x88a8,
        outer,
        inner,
    }
}

fn mtu(table: &Table<'_>, segments: &Segments) -> u16 {
    let own: Option<u16> = table.integer("mtu", u64::from(MIN_MTU)..=9600);
    let Some((bound, who)) = &segments.bound else {
        return own.unwrap_or(1500);
    };
    if let Some(own) = own
        && *bound < own
    {
        table.fault(
            "mtu",
            format_args!("{own} is above what {who} carries, {bound}"),
        );
    } else if *bound < MIN_MTU {
        table.fault(
            "mtu",
            format_args!("{who} carries {bound}, and a network must carry {MIN_MTU} at least"),
        );
    }
    own.unwrap_or(*bound)
}

fn stations(
    table: &Table<'_>,
    id: NetworkId,
    segments: &Segments,
    seen: &mut Seen,
) -> Vec<Station> {
    let mut stations = Vec::new();
    for entry in table.tables("stations", &STATION) {
        let mac = entry.require("mac").and_then(|value| net::mac(&value));
        let at = station_place(&entry, segments, seen);
        let Some(mac) = mac else { continue };
        let owner = seen.networks.macs.entry((id, mac));
        if let std::collections::hash_map::Entry::Occupied(owner) = &owner {
            let why = format!("{mac} is the address of {} already", owner.get());
            entry.fault("mac", why);
            continue;
        }
        owner.or_insert_with(|| entry.at.path.clone());
        stations.extend(at.map(|at| Station { mac, at }));
    }
    stations
}

fn station_place(entry: &Table<'_>, segments: &Segments, seen: &Seen) -> Option<Place> {
    let vlan: Option<u16> = entry.integer("vlan", 1..=4094);
    let outer: Option<u16> = entry.integer("outer", 1..=4094);
    let given = |name| entry.get(name).is_some();
    if given("vtep") == given("device") {
        let why = "either `device` or `vtep` must say where the station is";
        entry.fault("device", why);
        return None;
    }
    if given("vtep") {
        let name = entry.string("vtep")?;
        let mut tunnels = segments.overlays.iter().flat_map(|o| &o.vteps);
        let Some((vtep, _)) = seen.vteps.whole.get(name) else {
            if !seen.vteps.names.contains(name) {
                let hint = hint(name, seen.vteps.names.iter());
                entry.fault("vtep", format_args!("there is no vtep \"{name}\"{hint}"));
            }
            return None;
        };
        if !tunnels.any(|id| *id == vtep.id) {
            let why = format!("no segment of the network is stretched to vtep \"{name}\"");
            entry.fault("vtep", why);
            return None;
        }
        return Some(Place::Tunnel(vtep.id));
    }
    let (port, _): (PortId, u16) = device(entry, seen)?;
    let tag = match (outer, vlan) {
        (None, None) => Tag::Untagged,
        (None, Some(vlan)) => Tag::Vlan(vlan),
        (Some(outer), Some(inner)) => qinq(outer, inner),
        (Some(_), None) => {
            entry.fault("outer", "needs `vlan`, the inner tag");
            return None;
        }
    };
    let there = |local: &&Local| (local.device, local.tag) == (port, tag);
    let Some(local) = segments.locals.iter().find(there) else {
        let why = "no segment of the network is on this device with these tags";
        entry.fault("device", why);
        return None;
    };
    Some(Place::Local(local.number))
}

#[cfg(test)]
mod tests;
