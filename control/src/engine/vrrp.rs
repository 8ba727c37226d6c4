//! What the engine tells the liveness thread of virtual routers, and what it does when one changes its state.
//!
//! An active virtual router's addresses are ours: they are routed to us, answered for, and advertised from. A backup has none of
//! that: nothing is said that only the active one may say.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use dataplane::forwarding::VirtualMacs;
use protocols::nd::{self, AddressState};
use protocols::vrrp::{Config, Event, Family, GroupId, State};
use protocols::{dhcp4, dhcp6, ra, relay4, relay6};
use tables::id::{IfaceId, VrfId};
use wire::MacAddr;

use super::Engine;
use super::addresses::own_addresses;
use crate::bus::relay::{Relay4Message, Relay6Message};
use crate::bus::{Dhcp4Message, Dhcp6Message};
use crate::compile::interfaces::VirtualView;
use crate::model::{Indexed, Interface, Router, Vrrp, Watched};
use crate::rooms::liveness::LivenessMessage;

/// What the engine knows of virtual routers.
#[derive(Debug, Default)]
pub(super) struct VirtualRouters {
    /// Where it is said which virtual MAC addresses are ours, of each interface that has virtual routers.
    macs: HashMap<IfaceId, Arc<VirtualMacs>>,
    states: HashMap<GroupId, State>,
    /// What was told of what is watched: what is taken off the priority, and whether it may take part.
    told: HashMap<GroupId, (u8, bool)>,
}

impl Engine {
    /// Leaves virtual routers to others that a change takes away, while their frames can still leave; and addresses that it takes
    /// from others.
    pub(super) fn leave_virtual_routers(&mut self, old: &Indexed) {
        let mut left = false;
        for (_, interface) in old.interfaces() {
            for group in &interface.vrrp {
                let (iface, id) = (interface.id, group.id(interface.id));
                let stays = self.group(id);
                let kept = stays.map(Vrrp::addresses).unwrap_or_default();
                let is_gone = stays.is_none();
                if self.virtual_routers.states.get(&id) == Some(&State::Active) {
                    for &addr in group.addresses().iter().filter(|a| !kept.contains(a)) {
                        self.bus.nd(nd::Event::RemoveAddress { iface, addr });
                    }
                }
                if is_gone {
                    self.bus.vrrp(Event::Remove { id });
                    self.virtual_routers.states.remove(&id);
                    self.virtual_routers.told.remove(&id);
                    left = true;
                }
            }
        }
        if left {
            self.bus.liveness_settled();
        }
    }

    /// A virtual router as it is configured.
    fn group(&self, id: GroupId) -> Option<&Vrrp> {
        let interface = self.model.interface(id.iface)?;
        let mut groups = interface.vrrp.iter();
        groups.find(|group| group.id(interface.id) == id)
    }

    /// Tells the liveness thread what a change of the model means to it.
    pub(super) fn change_virtual_routers(&mut self, old: &Indexed) {
        let before = self.wanted(old);
        let now = self.wanted(&self.model);
        let changed = |(id, config): &(GroupId, Config)| before.get(id) != Some(config);
        let changed: Vec<_> = now.into_iter().filter(changed).collect();
        for (id, config) in changed {
            self.configure_virtual_router(id, config);
        }
        let used: Vec<IfaceId> = self.model.interfaces().map(|(_, i)| i.id).collect();
        self.virtual_routers
            .macs
            .retain(|iface, _| used.contains(iface));
        self.follow_tracks();
        // Also where there are none any more.
        self.tell_servers_all();
    }

    /// The liveness thread is told everything anew; until it says otherwise nothing is active.
    pub(super) fn configure_liveness(&mut self) {
        for id in self
            .virtual_routers
            .states
            .keys()
            .copied()
            .collect::<Vec<_>>()
        {
            self.virtual_router(id, State::Initialize);
        }
        self.virtual_routers.told.clear();
        for macs in self.virtual_routers.macs.values() {
            macs.clear();
        }
        for (id, config) in self.wanted(&self.model) {
            self.configure_virtual_router(id, config);
        }
        self.configure_sessions();
        self.follow_tracks();
    }

    fn configure_virtual_router(&mut self, id: GroupId, config: Config) {
        let iface = id.iface;
        let macs = self.virtual_routers.macs.entry(iface).or_default();
        self.bus.liveness(LivenessMessage::Macs {
            iface,
            macs: Arc::clone(macs),
        });
        let config = Box::new(config);
        self.bus.vrrp(Event::Configure { id, config });
        self.virtual_routers.states.entry(id).or_default();
        self.tell_advertiser(iface);
        self.tell_servers(iface);
        let Some(interface) = self.model.interface(iface) else {
            return;
        };
        let up = self.is_up(interface);
        self.bus.vrrp(Event::Link { iface, up });
        self.tell_vrrp_source(iface);
    }

    /// The virtual routers of a model, as the machine wants them.
    fn wanted(&self, model: &Indexed) -> BTreeMap<GroupId, Config> {
        let mut wanted = BTreeMap::new();
        for (_, interface) in model.interfaces() {
            for group in &interface.vrrp {
                let mut config = group.config.clone();
                if !group.virtual_mac {
                    config.mac = self.mac(interface);
                }
                wanted.insert(group.id(interface.id), config);
            }
        }
        wanted
    }

    /// A virtual router has another state: its addresses come or go.
    pub(super) fn virtual_router(&mut self, id: GroupId, state: State) {
        let model = Arc::clone(&self.model);
        let Some(interface) = model.interface(id.iface) else {
            self.virtual_routers.states.remove(&id);
            return;
        };
        let was = self.virtual_routers.states.insert(id, state);
        let Some(group) = interface
            .vrrp
            .iter()
            .find(|group| group.id(interface.id) == id)
        else {
            // A change of the model took it away: what it had goes with it.
            self.virtual_routers.states.remove(&id);
            return;
        };
        let iface = id.iface;
        let active = state == State::Active;
        if !active && was != Some(State::Active) {
            return;
        }
        let mac = self.group_mac(interface, group);
        for &addr in group.addresses() {
            self.bus.nd(match active {
                true => nd::Event::AddVirtual { iface, addr, mac },
                false => nd::Event::RemoveAddress { iface, addr },
            });
        }
        self.tell_mld(interface, self.mac(interface));
        self.tell_advertiser(iface);
        self.tell_servers(iface);
        self.refresh_link(iface);
        if interface.carrier.network().is_some() {
            self.stations_stale = true;
        }
        self.stale.get_or_insert_with(Instant::now);
    }

    /// Tells the DHCP servers and relays whether clients of an interface are answered here: where it takes part in virtual routers, by
    /// the one that is active. (Of several of a family one that is will do: half of them may be active at the other router.)
    pub(super) fn tell_servers(&self, iface: IfaceId) {
        let Some(interface) = self.model.interface(iface) else {
            return;
        };
        let serving = |family| {
            let mut groups = interface.vrrp.iter().filter(|g| g.family == family);
            let takes_part = groups.clone().next().is_some();
            !takes_part || groups.any(|group| self.is_active(interface, group))
        };
        let (of_6, of_4) = (serving(Family::V6), serving(Family::V4));
        self.bus.dhcp6(Dhcp6Message::Event(dhcp6::Event::Serve {
            link: dhcp6::LinkId::Iface(iface),
            serving: of_6,
        }));
        self.bus.dhcp4(Dhcp4Message::Event(dhcp4::Event::Serve {
            link: dhcp4::LinkId::Iface(iface),
            serving: of_4,
        }));
        self.bus.relay6(Relay6Message::Event(relay6::Event::Serve {
            link: iface,
            serving: of_6,
        }));
        self.bus.relay4(Relay4Message::Event(relay4::Event::Serve {
            link: iface,
            serving: of_4,
        }));
    }

    /// The same of all interfaces.
    pub(super) fn tell_servers_all(&self) {
        for (_, interface) in self.model.interfaces() {
            self.tell_servers(interface.id);
        }
    }

    fn group_mac(&self, interface: &Interface, group: &Vrrp) -> MacAddr {
        match group.virtual_mac {
            true => group.config.mac,
            false => self.mac(interface),
        }
    }

    fn is_active(&self, interface: &Interface, group: &Vrrp) -> bool {
        let id = group.id(interface.id);
        self.virtual_routers.states.get(&id) == Some(&State::Active)
    }

    /// The addresses of virtual routers that are active here, each with its MAC and whether packets to it are accepted.
    pub(super) fn active_addresses<'a>(
        &'a self,
        interface: &'a Interface,
    ) -> impl Iterator<Item = (IpAddr, MacAddr, bool)> + 'a {
        let active = interface.vrrp.iter();
        let active = active.filter(|group| self.is_active(interface, group));
        active.flat_map(move |group| {
            let mac = self.group_mac(interface, group);
            let addresses = group.addresses().iter();
            addresses.map(move |addr| (*addr, mac, group.accept))
        })
    }

    /// What the packet path is told of the virtual routers of an interface.
    pub(super) fn virtual_view(&self, iface: IfaceId) -> VirtualView {
        let macs = self.virtual_routers.macs.get(&iface).cloned();
        let interface = self.model.interface(iface);
        let interface = interface.filter(|interface| !interface.vrrp.is_empty());
        match interface {
            Some(interface) => VirtualView {
                macs: Some(macs.unwrap_or_default()),
                addresses: self.active_addresses(interface).collect(),
            },
            None => VirtualView::default(),
        }
    }

    /// The virtual router that an interface advertises for, if it takes part in any of IPv6: the first.
    pub(super) fn advertised(interface: &Interface) -> Option<&Vrrp> {
        let mut groups = interface.vrrp.iter();
        groups.find(|group| group.family == Family::V6)
    }

    /// Tells the RA room from where to advertise, and whether. An interface with virtual routers advertises for the first of
    /// them, from its link-local address, while that is active.
    pub(super) fn tell_advertiser(&self, iface: IfaceId) {
        let Some(interface) = self.model.interface(iface) else {
            return;
        };
        let (addr, withheld) = match Self::advertised(interface) {
            Some(group) => {
                let first = group.addresses().first();
                let address = first.and_then(|address| match address {
                    IpAddr::V6(v6) => Some(*v6),
                    IpAddr::V4(_) => None,
                });
                (address, !self.is_active(interface, group))
            }
            None => (self.valid_link_local(iface), false),
        };
        self.bus.ra(ra::Event::Withhold { iface, withheld });
        self.bus.ra(ra::Event::LinkLocal { iface, addr });
    }

    /// Tells the liveness thread what advertisements of an interface are sent from.
    pub(super) fn tell_vrrp_source(&self, iface: IfaceId) {
        let Some(interface) = self.model.interface(iface) else {
            return;
        };
        if interface.vrrp.is_empty() {
            return;
        }
        let usable =
            |addr: &IpAddr| self.addresses.get(&(iface, *addr)) == Some(&AddressState::Valid);
        let mut own = interface.addresses.iter().map(ipnet::IpNet::addr);
        let v4 = own.find(|addr| addr.is_ipv4() && usable(addr));
        let v6 = self.valid_link_local(iface).map(IpAddr::V6);
        for (family, addr) in [(Family::V6, v6), (Family::V4, v4)] {
            self.bus.vrrp(Event::Source {
                iface,
                family,
                addr,
            });
        }
    }

    /// Looks at what is watched, and tells what has changed.
    pub(super) fn follow_tracks(&mut self) {
        let mut told = Vec::new();
        for router in &self.model.routers {
            if router.interfaces.iter().all(|i| i.vrrp.is_empty()) {
                continue;
            }
            let ready = self.is_ready(router);
            for interface in &router.interfaces {
                for group in &interface.vrrp {
                    let (lowered, down) = self.tracked(router, group);
                    let (id, now) = (group.id(interface.id), (lowered, down || !ready));
                    if self.virtual_routers.told.get(&id) != Some(&now) {
                        told.push((id, now));
                    }
                }
            }
        }
        for (id, (lowered, held)) in told {
            self.virtual_routers.told.insert(id, (lowered, held));
            self.bus.vrrp(Event::Track { id, lowered, held });
        }
    }

    /// What is taken off the priority of a virtual router, and whether it may not take part, because of what it watches.
    fn tracked(&self, router: &Router, group: &Vrrp) -> (u8, bool) {
        let down = group.track.iter();
        let down = down.filter(|track| !self.is_watched_up(router.id, &track.watched));
        down.fold((0, false), |(lowered, held), track| match track.decrement {
            Some(by) => (by.saturating_add(lowered), held),
            None => (lowered, true),
        })
    }

    /// Whether a router can do its work: each of its interfaces that is up has its own addresses, without which no neighbour is
    /// found. One that has just started would take packets over that it cannot send on.
    fn is_ready(&self, router: &Router) -> bool {
        let interfaces = router.interfaces.iter();
        let mut up = interfaces.filter(|interface| self.is_up(interface));
        up.all(|interface| {
            let own = own_addresses(interface, self.mac(interface));
            own.iter().all(|own| {
                let state = self.addresses.get(&(interface.id, own.addr));
                matches!(state, Some(AddressState::Valid | AddressState::Duplicate))
            })
        })
    }

    fn is_watched_up(&self, vrf: VrfId, watched: &Watched) -> bool {
        match watched {
            Watched::Interface(name) => {
                let mut interfaces = self.model.interfaces().map(|(_, interface)| interface);
                let found = interfaces.find(|interface| interface.name == *name);
                found.is_some_and(|interface| self.is_up(interface))
            }
            Watched::Route(prefix) => {
                let rib = self.ribs.get(&vrf);
                rib.is_some_and(|rib| rib.resolution(prefix).is_some())
            }
            Watched::Bfd(peer) => self.is_peer_up(vrf, *peer),
        }
    }

    /// The state of a virtual router here.
    pub(super) fn virtual_state(&self, id: GroupId) -> State {
        let known = self.virtual_routers.states.get(&id);
        known.copied().unwrap_or(State::Initialize)
    }

    /// Whether there are virtual routers.
    pub(super) fn has_virtual_routers(&self) -> bool {
        !self.virtual_routers.states.is_empty()
    }
}
