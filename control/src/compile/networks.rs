//! Networks and peers of the model to what the workers need, and to what the FDB is told.

use std::collections::{BTreeMap, HashMap};

use dataplane::forwarding::network::Local;
use dataplane::forwarding::{self, Forwarding};
use dataplane::guard::LinkId;
use tables::id::{AttachId, NetworkId, Place};
use wire::MacAddr;

use super::interfaces::{Learned, mac, rate, tags};
use super::security::{Anchors, network_link};
use crate::model::{Carrier, Interface, Model, Network, Vtep};

/// Puts tunnels and networks into the snapshot. Places on devices that are not open are left out.
pub fn insert(snapshot: &mut Forwarding, model: &Model, learned: &impl Learned) {
    for vtep in &model.vteps {
        snapshot.networks.insert_tunnel(tunnel(vtep, learned));
    }
    for (_, interface) in model.interfaces() {
        if let Carrier::Tunnel { tunnel, key } = interface.carrier {
            let networks = &mut snapshot.networks;
            networks.insert_routed(tunnel, key, interface.id);
        }
    }
    let routers = routers(model);
    let anchors = Anchors::of(model);
    let links = anchors.links();
    for network in &model.networks {
        let on = routers.get(&network.id).map_or(&[][..], Vec::as_slice);
        let mut view = view(snapshot, network, on, &anchors, learned);
        let link = network_link(network.id);
        if links.contains(&link) {
            view.link = link;
        }
        snapshot.networks.insert(view);
    }
}

/// Has the tunnels of a snapshot carry what their paths are known to carry now.
pub fn follow_paths(snapshot: &mut Forwarding, model: &Model, learned: &impl Learned) {
    for vtep in &model.vteps {
        let tunnel = tunnel(vtep, learned);
        let was = snapshot.networks.tunnel(vtep.id).map(|was| was.mtu);
        if was.is_some_and(|was| was != tunnel.mtu) {
            snapshot.networks.insert_tunnel(tunnel);
        }
    }
}

fn tunnel(vtep: &Vtep, learned: &impl Learned) -> forwarding::Tunnel {
    let mut tunnel = vtep.tunnel();
    let path = learned.path_mtu(vtep.id);
    tunnel.mtu = path.map_or(tunnel.mtu, |path| path.min(tunnel.mtu));
    tunnel
}

/// The interfaces on each network that has any.
fn routers(model: &Model) -> HashMap<NetworkId, Vec<&Interface>> {
    let mut routers: HashMap<NetworkId, Vec<&Interface>> = HashMap::new();
    for (_, interface) in model.interfaces() {
        if let Carrier::Network(network) = interface.carrier {
            routers.entry(network).or_default().push(interface);
        }
    }
    routers
}

/// A network as the packet path sees it; its places on devices are attached.
fn view(
    snapshot: &mut Forwarding,
    network: &Network,
    routers: &[&Interface],
    anchors: &Anchors,
    learned: &impl Learned,
) -> forwarding::Network {
    let open = network.locals.iter();
    let open = open.filter(|local| learned.mac(local.device).is_some());
    let local = open.map(|local| {
        let place = Local {
            network: network.id,
            port: local.device,
            tags: tags(local.tag),
            anchor: anchors.local(local.number),
        };
        snapshot.attach(local.number, place)
    });
    let segments = network.overlays.iter();
    forwarding::Network {
        id: network.id,
        mtu: network.mtu,
        local: local.collect(),
        routers: routers.iter().map(|interface| interface.id).collect(),
        segments: segments
            .map(|overlay| forwarding::network::Segment {
                kind: overlay.kind,
                vni: overlay.vni,
                tunnels: overlay.vteps.as_slice().into(),
                flood: overlay.flood,
            })
            .collect(),
        unknown_unicast: network.unknown_unicast,
        learning: network.learning,
        flood_rate: rate(network.flood),
        suppression: network.suppression,
        link: LinkId(0),
    }
}

/// The stations of each network that are where they are: what is configured, and its routers' own.
pub fn statics(
    model: &Model,
    learned: &impl Learned,
) -> HashMap<NetworkId, BTreeMap<MacAddr, AttachId>> {
    let routers = routers(model);
    let of = |network: &Network| {
        let configured = network.stations.iter();
        let configured = configured.map(|station| (station.mac, AttachId::of(station.at)));
        let on = routers.get(&network.id).into_iter().flatten();
        let own = on.flat_map(|interface| {
            let at = AttachId::of(Place::Router(interface.id));
            let active = learned.virtual_routers(interface.id).addresses;
            let virtual_macs = active.into_iter().map(|(_, mac, _)| mac);
            let macs = mac(interface, learned).into_iter().chain(virtual_macs);
            macs.map(move |mac| (mac, at))
        });
        (network.id, configured.chain(own).collect())
    };
    model.networks.iter().map(of).collect()
}
