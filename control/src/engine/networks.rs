//! Networks and tunnels in the running router: what of them is up, and where stations are.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::time::Instant;

use dataplane::forwarding::network::TunnelKind;
use dataplane::path_mtu::TooBig;
use protocols::binding;
use protocols::fdb::{self, Notice};
use protocols::nd::AddressState;
use tables::id::{AttachId, NetworkId, Place, PortId, VrfId};
use tracing::{debug, error, info, warn};
use wire::MacAddr;

use super::Engine;
use super::addresses::own_addresses;
use crate::compile::networks;
use crate::model::{Carrier, Interface, Network, Vtep};
use crate::rooms::binding::Setting as BindingSetting;
use crate::rooms::fdb::Setting;

impl Engine {
    /// Tells interfaces that are on no device whether they are up. They come up when the workers know what carries them: the
    /// snapshot has been published.
    pub(super) fn look_at_carriers(&mut self) {
        let on_none = self.model.interfaces().map(|(_, interface)| interface);
        let on_none = on_none.filter(|interface| interface.carrier.device().is_none());
        let networks = self.networks_up();
        let is_up = |interface: &Interface| match interface.carrier {
            Carrier::Network(network) => networks.contains(&network),
            Carrier::Device { .. } | Carrier::Tunnel { .. } => true,
        };
        let changed: Vec<(Interface, bool)> = on_none
            .map(|interface| (interface, is_up(interface)))
            .filter(|(interface, up)| *up != self.carried.contains(&interface.id))
            .map(|(interface, up)| (interface.clone(), up))
            .collect();
        if changed.is_empty() {
            return;
        }
        for (interface, up) in changed {
            let iface = interface.id;
            if up {
                self.carried.insert(iface);
            } else {
                self.carried.remove(&iface);
            }
            self.tell_link(&interface, up);
            self.refresh_link(iface);
        }
        self.publish_forwarding();
    }

    /// The networks that are up.
    fn networks_up(&self) -> HashSet<NetworkId> {
        let networks = self.model.networks.iter();
        let up = networks.filter(|network| self.is_network_up(network));
        up.map(|network| network.id).collect()
    }

    /// A network is up when a device of it is. Of tunnels that is not known; and one without segments joins our routers.
    pub(super) fn is_network_up(&self, network: &Network) -> bool {
        let up = |port: &PortId| self.links.get(port).copied().unwrap_or(false);
        let mut devices = network.locals.iter().map(|local| local.device);
        let tunnels = network.tunnels().next().is_some();
        tunnels || network.locals.is_empty() || devices.any(|port| up(&port))
    }

    /// The addresses of a tunnel interface are valid at once: there is nobody who could have them too.
    pub(super) fn own_at_once(&mut self, interface: &Interface) {
        let iface = interface.id;
        self.addresses.retain(|(on, _), _| *on != iface);
        for own in own_addresses(interface, self.mac(interface)) {
            self.addresses
                .insert((iface, own.addr), AddressState::Valid);
        }
    }

    /// Has the FDB and the path MTUs follow the model.
    pub(super) fn follow_networks(&mut self) {
        let vteps = self.model.vteps.iter();
        let tunnels = vteps.map(|vtep| (vtep.id, [vtep.local, vtep.remote], vtep.mtu));
        self.paths.configure(tunnels);
        let statics = networks::statics(&self.model, &self.learned());
        let settings = self.model.networks.iter().map(|network| {
            let setting = Setting {
                config: fdb::Config {
                    learning: network.learning,
                    max_stations: network.max_stations,
                    ageing_time: network.ageing,
                    ..fdb::Config::default()
                },
                statics: statics.get(&network.id).cloned().unwrap_or_default(),
                places: network.places().map(AttachId::of).collect(),
            };
            (network.id, setting)
        });
        let settings: HashMap<NetworkId, Setting> = settings.collect();
        let notices = self.stations.follow(settings);
        self.say(notices);
    }

    /// A device is down: no station is behind it.
    pub(super) fn forget_stations(&mut self, port: PortId) {
        let locals = self.model.networks.iter().flat_map(|n| &n.locals);
        let there: BTreeSet<u32> = locals
            .filter(|local| local.device == port)
            .map(|local| local.number)
            .collect();
        for number in there {
            let place = AttachId::of(Place::Local(number));
            let notices = self.stations.place_gone(None, place);
            self.say(notices);
        }
    }

    /// A router on the way of a tunnel's packets says what fits.
    pub(super) fn path_too_big(&mut self, vrf: VrfId, told: &TooBig) {
        let sender = |vtep: &&Vtep| {
            (vtep.router, vtep.local, vtep.remote) == (vrf, told.local, told.remote)
                && (vtep.kind != TunnelKind::Gre).then_some(vtep.port) == told.port
        };
        let Some(vtep) = self.model.vteps.iter().find(sender) else {
            return;
        };
        if self.paths.told(Instant::now(), vtep.id, told.mtu) {
            let mtu = self.paths.learned(vtep.id).map(|learned| learned.mtu);
            info!(vtep = vtep.name, mtu, "the path carries less");
            self.stale.get_or_insert_with(Instant::now);
        }
    }

    /// Paths that were said to carry less are tried again by and by.
    pub(super) fn age_paths(&mut self) {
        if self.paths.age(Instant::now()) {
            self.stale.get_or_insert_with(Instant::now);
        }
    }

    /// Has the bindings follow the model, and the addresses of our own that are in use.
    pub(super) fn follow_bindings(&mut self) {
        let suppressing = self.model.networks.iter();
        let suppressing = suppressing.filter(|network| network.suppression);
        let setting = |network: &Network| BindingSetting {
            config: binding::Config {
                max_bindings: network.max_bindings,
                ageing_time: network.ageing,
                ..binding::Config::default()
            },
            own: BTreeMap::new(),
        };
        let settings = suppressing.map(|network| (network.id, setting(network)));
        let mut settings: HashMap<NetworkId, BindingSetting> = settings.collect();
        // Most routers have none such, and thousands of interfaces.
        let interfaces = match settings.is_empty() {
            true => None,
            false => Some(self.model.interfaces()),
        };
        for (_, interface) in interfaces.into_iter().flatten() {
            let Carrier::Network(network) = interface.carrier else {
                continue;
            };
            if let Some(setting) = settings.get_mut(&network) {
                setting.own.extend(self.used_addresses(interface));
            }
        }
        self.bindings.follow(settings);
    }

    /// The addresses of an interface that only it has and that are in use, with its MAC.
    fn used_addresses(&self, interface: &Interface) -> impl Iterator<Item = (IpAddr, MacAddr)> {
        let (iface, mac) = (interface.id, self.mac(interface));
        let own = own_addresses(interface, mac).into_iter();
        let own = own.filter(|own| !own.anycast).map(|own| own.addr);
        own.filter(move |addr| self.addresses.get(&(iface, *addr)) == Some(&AddressState::Valid))
            .map(move |addr| (addr, mac))
    }

    /// Reads what workers have heard.
    pub(super) fn hear_stations(&mut self) {
        let notices = self.stations.tick();
        self.say(notices);
        for (network, mac) in self.stations.take_gone() {
            self.bindings.station_gone(network, mac);
        }
        self.bindings.tick();
    }

    /// Logs what the FDB's room has to say.
    pub(super) fn say(&self, notices: Vec<Notice>) {
        for notice in notices {
            self.say_one(&notice);
        }
    }

    fn say_one(&self, notice: &Notice) {
        let named = |id: &NetworkId| self.network_name(*id);
        match notice {
            Notice::ConfigRefused { network, faults } => {
                let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
                let faults = faults.join("; ");
                error!(network = named(network), faults, "stations");
            }
            Notice::Moved {
                network,
                mac,
                from,
                to,
                unsaid,
            } => {
                let (from, to) = (self.place_name(*from), self.place_name(*to));
                info!(network = named(network), %mac, from, to, unsaid, "station moved");
            }
            Notice::Flapping {
                network,
                mac,
                at,
                other,
                hold_down,
                unsaid,
            } => {
                let (at, other) = (self.place_name(*at), self.place_name(*other));
                warn!(
                    network = named(network), %mac, at, other, hold_down, unsaid,
                    "station is heard at several places (a loop, or an address twice): it is held where it is"
                );
            }
            Notice::Limit {
                network,
                mac,
                max_stations,
                unsaid,
            } => {
                warn!(
                    network = named(network), %mac, max_stations, unsaid,
                    "station not learned: the network has as many as it may"
                );
            }
            Notice::Full {
                network,
                mac,
                unsaid,
            } => {
                warn!(network = named(network), %mac, unsaid, "station not learned: the table is full");
            }
            Notice::StaticWaits {
                network,
                mac,
                unsaid,
            } => {
                error!(network = named(network), %mac, unsaid, "configured station not entered: the table is full");
            }
        }
        debug!(?notice, "fdb");
    }

    /// A network's name.
    pub fn network_name(&self, id: NetworkId) -> String {
        let network = self.model.network(id);
        network.map_or_else(|| id.to_string(), |network| network.name.clone())
    }

    /// A place in words: a device with its tags, a peer, an interface of ours.
    pub fn place_name(&self, at: AttachId) -> String {
        match at.place() {
            Place::Nowhere => "nowhere".into(),
            Place::Tunnel(id) => {
                let vtep = self.model.vtep(id);
                vtep.map_or_else(|| id.to_string(), |vtep| vtep.name.clone())
            }
            Place::Router(id) => self.interface_name(id).unwrap_or_else(|| id.to_string()),
            Place::Local(number) => self.local_name(number),
        }
    }

    fn local_name(&self, number: u32) -> String {
        let mut locals = self.model.networks.iter().flat_map(|n| &n.locals);
        let Some(local) = locals.find(|local| local.number == number) else {
            return number.to_string();
        };
        let device = self.model.device(local.device).map(|d| d.name.clone());
        let vlans = super::configure::vlans(local.tag).into_iter();
        let tags: String = vlans.map(|vid| format!(".{vid}")).collect();
        device.unwrap_or_default() + &tags
    }
}
