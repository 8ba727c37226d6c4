//! From intent to a running router: the first configuration, and the difference a reload makes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use tables::id::{IfaceId, VrfId};
use tracing::{error, info};
use wire::MacAddr;

use super::Engine;
use super::addresses::{address_changes, is_link_local, own_addresses};
use crate::compile::interfaces::{groups4, groups6, mac};
use crate::compile::routes::{Edit, Link, Rib, RibRoute};
use crate::config::{self, LoadError, Loaded};
use crate::injector::NamedLink;
use crate::log;
use crate::model::{Changes, Indexed, Interface, Model, Router, Tag, diff, solicited_node};
use crate::publish;
use protocols::nd::AddressState;
use protocols::{igmp, mld, nd, ra};

/// How long a last advertisement may take from the worker's ring to the wire.
const GOODBYE: Duration = Duration::from_millis(5);

/// What came of a reload.
#[derive(Clone, Debug)]
pub enum ReloadOutcome {
    /// It was applied (or would be, for a dry run).
    Applied {
        /// What changed.
        changes: Box<Changes>,
        /// The model that holds now.
        old: Arc<Indexed>,
        /// What the file's reader warned of.
        warnings: Vec<String>,
    },
    /// The file has faults, or asks for what only a restart can give; nothing changed.
    Refused(Vec<api::Fault>),
}

impl Engine {
    /// Brings up the whole model, once, at the start.
    pub fn start(&mut self, model: Model) {
        self.intent = Arc::new(model.into());
        self.restore_delegations();
        self.plan_delegations();
        let model = self.effective(&self.intent);
        let old = std::mem::replace(&mut self.model, model);
        let changes = diff(&old, &self.model);
        self.apply(&old, &changes);
        self.route_unassigned();
    }

    /// Applies the difference to what the file says now; a dry run applies nothing. The caller has read the file: it may be long,
    /// and neighbours do not wait for it.
    pub fn reload(&mut self, loaded: Result<Loaded, LoadError>, dry_run: bool) -> ReloadOutcome {
        let began = Instant::now();
        let outcome = self.try_reload(loaded, dry_run);
        match &outcome {
            ReloadOutcome::Refused(faults) => {
                self.reloads.refused += 1;
                error!(faults = faults.len(), "reload refused, nothing changed");
            }
            ReloadOutcome::Applied { .. } if !dry_run => {
                self.reloads.applied += 1;
                let ms = began.elapsed().as_millis();
                info!(file = %self.config.display(), ms, "configuration reloaded");
            }
            ReloadOutcome::Applied { .. } => {}
        }
        outcome
    }

    fn try_reload(&mut self, loaded: Result<Loaded, LoadError>, dry_run: bool) -> ReloadOutcome {
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(error) => return ReloadOutcome::Refused(faults(&self.config, &error)),
        };
        let mut intent = loaded.model;
        intent.keep_ids(&self.intent);
        let intent = Arc::new(Indexed::from(intent));
        let model = self.effective(&intent);
        let mut changes = diff(&self.model, &model);
        let reopened = self.lost_devices();
        for port in &reopened {
            changes.reopen(*port, &self.model, &model);
        }
        if !changes.needs_restart.is_empty() {
            let told = |key: &String| api::Fault {
                file: self.config.display().to_string(),
                line: None,
                column: None,
                path: key.clone(),
                message: "cannot change while the router runs: restart hextetd".into(),
            };
            return ReloadOutcome::Refused(changes.needs_restart.iter().map(told).collect());
        }
        let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        if !dry_run {
            // A device that cannot be opened refuses the reload before anything else is touched.
            if let Err((device, error)) = self.open_devices(&model, &changes) {
                return ReloadOutcome::Refused(vec![api::Fault {
                    file: self.config.display().to_string(),
                    line: None,
                    column: None,
                    path: format!("device {device}"),
                    message: error,
                }]);
            }
            self.intent = intent;
            // What is assigned may change with the plan.
            self.plan_delegations();
            let planned = self.effective(&self.intent);
            if !Arc::ptr_eq(&planned, &model) {
                changes = diff(&self.model, &planned);
                for port in reopened {
                    changes.reopen(port, &self.model, &planned);
                }
            }
            let model = planned;
            let old = std::mem::replace(&mut self.model, model);
            self.warnings.clone_from(&warnings);
            self.apply(&old, &changes);
            self.route_unassigned();
            return ReloadOutcome::Applied {
                changes: Box::new(changes),
                old,
                warnings,
            };
        }
        ReloadOutcome::Applied {
            changes: Box::new(changes),
            old: Arc::clone(&self.model),
            warnings,
        }
    }

    /// Turns what runs for `old` into what the current model says.
    pub(super) fn apply(&mut self, old: &Indexed, changes: &Changes) {
        if changes.log
            && let Err(error) = log::set(&self.model.system.log)
        {
            error!(%error, "the log filter stays as it was");
        }
        self.leave_virtual_routers(old);
        self.leave_sessions();
        self.say_goodbye(changes);
        for (vrf, iface) in &changes.interfaces.removed {
            self.take_down(*vrf, *iface);
        }
        for vrf in &changes.routers.removed {
            self.remove_router(*vrf);
        }
        self.close_devices(changes);
        for vrf in &changes.routers.added {
            let done = self.publisher.add_vrf(*vrf);
            self.told("router", done);
            self.ribs.insert(*vrf, Rib::new(*vrf));
        }
        self.publish_links();
        let model = Arc::clone(&self.model);
        for (vrf, iface) in &changes.interfaces.added {
            if let Some(interface) = model.interface(*iface) {
                self.bring_up(*vrf, interface);
            }
        }
        for change in &changes.changed {
            if let (Some(interface), Some(was)) =
                (model.interface(change.id), old.interface(change.id))
            {
                self.change_interface(interface, was);
            }
        }
        self.change_virtual_routers(old);
        self.follow_all_sessions();
        self.change_dhcp6(old);
        self.change_dhcp4(old);
        self.change_relays(old);
        self.change_dhcp6_client(old);
        let vrfs: Vec<VrfId> = self.ribs.keys().copied().collect();
        for vrf in vrfs {
            let removed = changes.routes.removed.iter().filter(|(of, _)| *of == vrf);
            let added = changes.routes.added.iter().filter(|(of, _)| *of == vrf);
            let edits: Vec<Edit> = removed
                .map(|(_, route)| RibRoute::from_model(route))
                .map(|route| Edit::Remove(route.prefix, route.source, route.distance))
                .chain(added.map(|(_, route)| Edit::Add(RibRoute::from_model(route))))
                .collect();
            self.edit_routes(vrf, edits);
        }
        if !(changes.routers.is_empty() && changes.interfaces.is_empty()) {
            self.settle_api_routes();
        }
        self.follow_networks();
        // Only now, because it tells the interfaces.
        self.look_at_links();
        self.publish_forwarding();
        self.look_at_carriers();
        self.tell_ports();
    }

    /// Interfaces about to go cease to advertise (RFC 4861 section 6.2.5), while their frames can still leave.
    fn say_goodbye(&self, changes: &Changes) {
        if changes.interfaces.removed.is_empty() {
            return;
        }
        self.give_back(&changes.interfaces.removed);
        for &(_, iface) in &changes.interfaces.removed {
            self.bus.mld(mld::Event::RemoveInterface { iface });
            self.bus.igmp(igmp::Event::RemoveInterface { iface });
            self.bus.ra(ra::Event::RemoveInterface { iface });
        }
        self.bus.ra_settled();
        if !changes.devices.removed.is_empty() {
            std::thread::sleep(GOODBYE);
        }
    }

    /// Applies edits to a router's table and publishes what came of them.
    pub(super) fn edit_routes(&mut self, vrf: VrfId, edits: Vec<Edit>) {
        if let Some(rib) = self.ribs.get_mut(&vrf) {
            let changes = rib.apply(edits);
            self.publish_routes(&changes);
        }
    }

    fn remove_router(&mut self, vrf: VrfId) {
        if let Some(rib) = self.ribs.remove(&vrf) {
            let mut all: Vec<_> = rib.snapshot().collect();
            for change in &mut all {
                change.resolution = None;
            }
            self.publish_routes(&all);
            let done = self.publisher.remove_vrf(vrf);
            self.told("router", done);
        }
    }

    fn bring_up(&mut self, vrf: VrfId, interface: &Interface) {
        let link = self.link(vrf, interface);
        let done = self.publisher.set_interface(interface.id, link);
        self.told("interface", done);
        if interface.carrier.is_tunnel() {
            self.own_at_once(interface);
        } else {
            self.tell_mld(interface, link.mac);
            self.tell_nd(interface, link.mac);
            self.tell_ra(interface, link.mac);
        }
        if self.is_up(interface) {
            self.tell_link(interface, true);
        }
        self.refresh_link(interface.id);
    }

    fn take_down(&mut self, vrf: VrfId, iface: IfaceId) {
        self.bus.nd(nd::Event::RemoveInterface { iface });
        if let Some(rib) = self.ribs.get_mut(&vrf) {
            let changes = rib.remove_link(iface);
            self.publish_routes(&changes);
        }
        self.addresses.retain(|(on, _), _| *on != iface);
        self.carried.remove(&iface);
        let done = self.publisher.remove_interface(iface);
        self.told("interface", done);
    }

    fn change_interface(&mut self, now: &Interface, was: &Interface) {
        let iface = now.id;
        let Some(vrf) = self.vrf_of(iface) else {
            return;
        };
        let link = self.link(vrf, now);
        let done = self.publisher.set_interface(iface, link);
        self.told("interface", done);
        if now.carrier.is_tunnel() {
            self.own_at_once(now);
            return self.refresh_link(iface);
        }
        self.tell_mld(now, link.mac);
        if now.nd != was.nd {
            self.bus.nd(nd::Event::ConfigureInterface {
                iface,
                config: now.nd.clone(),
                mac: link.mac,
            });
        }
        let (before, after) = (own_addresses(was, link.mac), own_addresses(now, link.mac));
        let (removed, added) = address_changes(&before, &after);
        for addr in removed {
            self.bus.nd(nd::Event::RemoveAddress { iface, addr });
            if self.addresses.remove(&(iface, addr)).is_some() && is_link_local(addr) {
                self.tell_advertiser(iface);
                self.tell_vrrp_source(iface);
                self.bus.mld(mld::Event::LinkLocal { iface, addr: None });
            }
        }
        for own in added {
            self.bus.nd(own.event(iface));
        }
        for gone in was.neighbors.iter().filter(|n| !now.neighbors.contains(n)) {
            self.bus.nd(nd::Event::RemoveStatic {
                iface,
                addr: gone.address,
            });
        }
        for new in now.neighbors.iter().filter(|n| !was.neighbors.contains(n)) {
            self.bus.nd(nd::Event::AddStatic {
                iface,
                addr: new.address,
                mac: new.mac,
            });
        }
        if now.ra != was.ra || now.mtu != was.mtu || now.vrrp != was.vrrp {
            self.tell_ra(now, link.mac);
        }
        self.refresh_link(iface);
    }

    /// The ND room is told everything anew. What it knew of neighbours is lost, so nothing may lead to them.
    pub(super) fn configure_nd(&mut self) {
        let done = self.publisher.forget_neighbors();
        self.told("neighbours", done);
        let model = Arc::clone(&self.model);
        for (_, interface) in on_links(&model) {
            self.addresses.retain(|(on, _), _| *on != interface.id);
            self.tell_nd(interface, self.mac(interface));
            if self.is_up(interface) {
                self.bus.nd(nd::Event::LinkUp {
                    iface: interface.id,
                });
            }
            self.refresh_link(interface.id);
        }
        self.publish_forwarding();
    }

    /// The RA room is told everything anew.
    pub(super) fn configure_ra(&mut self) {
        for (_, interface) in on_links(&self.model) {
            let iface = interface.id;
            self.tell_ra(interface, self.mac(interface));
            if self.is_up(interface) {
                self.bus.ra(ra::Event::LinkUp { iface });
            }
        }
    }

    /// The MLD room is told everything anew.
    pub(super) fn configure_mld(&mut self) {
        for (_, interface) in on_links(&self.model) {
            let iface = interface.id;
            self.tell_mld(interface, self.mac(interface));
            let addr = self.valid_link_local(iface);
            self.bus.mld(mld::Event::LinkLocal { iface, addr });
            if self.is_up(interface) {
                self.bus.mld(mld::Event::LinkUp { iface });
                self.bus.igmp(igmp::Event::LinkUp { iface });
            }
        }
    }

    /// The interface's own link-local address, if it may be used.
    pub(super) fn valid_link_local(&self, iface: IfaceId) -> Option<Ipv6Addr> {
        let valid = |((on, addr), state): (&(IfaceId, IpAddr), &AddressState)| match addr {
            IpAddr::V6(v6) => {
                let usable = *on == iface && *state == AddressState::Valid;
                (usable && v6.is_unicast_link_local()).then_some(*v6)
            }
            IpAddr::V4(_) => None,
        };
        self.addresses.iter().find_map(valid)
    }

    fn tell_nd(&self, interface: &Interface, mac: MacAddr) {
        let iface = interface.id;
        self.bus.nd(nd::Event::ConfigureInterface {
            iface,
            config: interface.nd.clone(),
            mac,
        });
        for own in own_addresses(interface, mac) {
            self.bus.nd(own.event(iface));
        }
        for (addr, mac, _) in self.active_addresses(interface) {
            self.bus.nd(nd::Event::AddVirtual { iface, addr, mac });
        }
        for neighbor in &interface.neighbors {
            self.bus.nd(nd::Event::AddStatic {
                iface,
                addr: neighbor.address,
                mac: neighbor.mac,
            });
        }
    }

    pub(super) fn tell_mld(&self, interface: &Interface, mac: MacAddr) {
        let mut groups = groups6(interface, mac);
        let shared = self.active_addresses(interface);
        groups.extend(shared.filter_map(|(addr, ..)| match addr {
            IpAddr::V6(v6) => Some(solicited_node(v6)),
            IpAddr::V4(_) => None,
        }));
        self.bus.mld(mld::Event::ConfigureInterface {
            iface: interface.id,
            config: mld::Config::default(),
            groups,
        });
        let v4 = |net: &IpNet| match net.addr() {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        };
        let own = interface.addresses.iter().find_map(v4);
        self.bus.igmp(igmp::Event::ConfigureInterface {
            iface: interface.id,
            source: own.unwrap_or(Ipv4Addr::UNSPECIFIED),
            groups: groups4(interface),
        });
    }

    fn tell_ra(&self, interface: &Interface, mac: MacAddr) {
        let (iface, config, mtu) = (interface.id, Box::new(interface.ra.clone()), interface.mtu);
        let mac = match Self::advertised(interface) {
            Some(group) if group.virtual_mac => group.config.mac,
            _ => mac,
        };
        self.bus.ra(ra::Event::ConfigureInterface {
            iface,
            config,
            mac,
            mtu,
        });
        self.tell_advertiser(iface);
    }

    /// Tells the routing table what an interface is now: up or not, and which of its addresses may be used.
    pub(super) fn refresh_link(&mut self, iface: IfaceId) {
        let Some((router, interface)) = self.model.placed(iface) else {
            return;
        };
        let vrf = router.id;
        let valid = |addr| self.addresses.get(&(iface, addr)) == Some(&AddressState::Valid);
        let mut link = Link::of(interface, self.is_up(interface), valid);
        let shared = self.active_addresses(interface).map(|(addr, ..)| addr);
        link.locals
            .extend(shared.filter(|addr| !is_link_local(*addr)));
        link.failed = self.failed_neighbors(interface);
        if let Some(rib) = self.ribs.get_mut(&vrf) {
            let changes = rib.set_link(iface, link);
            self.publish_routes(&changes);
        }
    }

    fn publish_links(&self) {
        let named = |vrf, interface: &Interface| {
            (
                interface.id,
                NamedLink {
                    name: interface.name.clone(),
                    link: self.link(vrf, interface),
                },
            )
        };
        self.injector.set_links(
            self.model
                .interfaces()
                .map(|(r, i)| named(r.id, i))
                .collect(),
        );
    }

    fn link(&self, vrf: VrfId, interface: &Interface) -> publish::Link {
        publish::Link {
            carrier: interface.carrier,
            vrf,
            mac: self.mac(interface),
            mtu: interface.mtu,
        }
    }

    /// An interface's MAC: its own, its device's, or one made for it; all zero while its device is not open.
    pub(super) fn mac(&self, interface: &Interface) -> MacAddr {
        mac(interface, &self.learned()).unwrap_or_default()
    }

    pub(super) fn is_up(&self, interface: &Interface) -> bool {
        match interface.carrier.device() {
            Some(port) => self.links.get(&port).copied().unwrap_or(false),
            None => self.carried.contains(&interface.id),
        }
    }

    pub(super) fn vrf_of(&self, iface: IfaceId) -> Option<VrfId> {
        self.model.placed(iface).map(|(router, _)| router.id)
    }
}

/// Interfaces on links, each with its router: tunnels have no stations, of which rooms could know.
fn on_links(model: &Model) -> impl Iterator<Item = (&Router, &Interface)> {
    let all = model.interfaces();
    all.filter(|(_, interface)| !interface.carrier.is_tunnel())
}

/// VLAN identifiers of a tag, outer first.
pub(super) fn vlans(tag: Tag) -> Vec<u16> {
    match tag {
        Tag::Untagged => Vec::new(),
        Tag::Vlan(vid) => vec![vid],
        Tag::QinQ { outer, inner, .. } => vec![outer, inner],
    }
}

/// What is wrong with a file, as the API tells it.
pub fn faults(file: &Path, error: &LoadError) -> Vec<api::Fault> {
    match error {
        LoadError::Faults(faults) => faults.0.iter().map(fault).collect(),
        other => vec![api::Fault {
            file: file.display().to_string(),
            line: None,
            column: None,
            path: String::new(),
            message: other.to_string(),
        }],
    }
}

fn fault(fault: &config::Fault) -> api::Fault {
    let number = |n: usize| u32::try_from(n).ok();
    api::Fault {
        file: fault.file.display().to_string(),
        line: number(fault.line),
        column: number(fault.column),
        path: fault.path.clone(),
        message: fault.message.clone(),
    }
}
