//! What configuration, links and administrators want of an uplink.

use std::net::Ipv6Addr;
use std::time::Duration;

use tables::id::IfaceId;

use super::config::Config;
use super::sm::{Action, Machine, Notice};
use super::uplink::{Aim, Doing, Uplink};

impl Machine {
    pub(super) fn configure(
        &mut self,
        iface: IfaceId,
        name: Box<str>,
        config: Config,
        out: &mut Vec<Action>,
    ) {
        let faults = config.validate();
        if !faults.is_empty() {
            out.push(Action::Notice(Notice::ConfigRefused { iface, faults }));
            return;
        }
        let (now, wall) = (self.clock.0, self.wall());
        let known = self.uplinks.get_mut(&iface).filter(|u| !u.is_removed);
        let Some(uplink) = known else {
            let mut uplink = Uplink::new(iface, name, config);
            uplink.kept = self.restored.remove(&uplink.name);
            uplink.binding = uplink.kept.clone();
            if let Some(binding) = &mut uplink.binding {
                binding.take_unwanted(&uplink.config, &uplink.config);
            }
            uplink.link_local = self.links.get(&iface).copied();
            self.uplinks.insert(iface, uplink);
            self.start(iface);
            return;
        };
        let old = std::mem::replace(&mut uplink.config, config);
        let is_other = old != uplink.config;
        let has_link = uplink.link_local.is_some();
        if !is_other {
            return;
        }
        let release = old.release_on_removal;
        if old.is_stateless() != uplink.config.is_stateless() {
            uplink.informed = None;
            uplink.refresh_at = None;
        }
        if let Some(binding) = &mut uplink.binding {
            let unwanted = binding.take_unwanted(&old, &uplink.config);
            let server = binding.server.clone();
            if !unwanted.is_empty() && release && has_link {
                let aim = Aim::Release {
                    server,
                    leases: unwanted,
                    rest: false,
                };
                uplink.begin(now, &mut self.random, aim, Duration::ZERO, None);
                return;
            }
        }
        if !has_link || matches!(uplink.doing, Doing::Rest) {
            return;
        }
        match &uplink.binding {
            Some(binding) if !binding.is_empty() => {
                if binding.is_missing(&uplink.config, wall) {
                    // What has come to be asked for is got from the server there is (RFC 8415 section 18.2.4).
                    let long = self.until_rebind(iface);
                    if let Some(uplink) = self.uplinks.get_mut(&iface) {
                        uplink.begin(now, &mut self.random, Aim::Renew, Duration::ZERO, long);
                    }
                }
            }
            _ => self.start(iface),
        }
    }

    pub(super) fn remove(&mut self, iface: IfaceId, out: &mut Vec<Action>) {
        let now = self.clock.0;
        let Some(uplink) = self.uplinks.get_mut(&iface).filter(|u| !u.is_removed) else {
            return;
        };
        uplink.is_removed = true;
        let binding = uplink.binding.take().filter(|b| !b.is_empty());
        match (binding, uplink.link_local) {
            (Some(binding), Some(_)) if uplink.config.release_on_removal => {
                let aim = Aim::Release {
                    leases: binding.all(),
                    server: binding.server,
                    rest: false,
                };
                uplink.begin(now, &mut self.random, aim, Duration::ZERO, None);
            }
            _ => uplink.doing = Doing::Idle,
        }
        self.settle(iface, out);
    }

    pub(super) fn link_up(&mut self, iface: IfaceId, link_local: Ipv6Addr) {
        self.links.insert(iface, link_local);
        let Some(uplink) = self.uplinks.get_mut(&iface) else {
            return;
        };
        if uplink.link_local.replace(link_local).is_none() && !uplink.is_removed {
            self.start(iface);
        }
    }

    pub(super) fn duplicate(&mut self, iface: IfaceId, address: Ipv6Addr, out: &mut Vec<Action>) {
        let now = self.clock.0;
        let Some(uplink) = self.uplinks.get_mut(&iface) else {
            return;
        };
        let Some(binding) = &mut uplink.binding else {
            return;
        };
        let mut declined = binding.all();
        for ia in &mut declined {
            ia.leases
                .retain(|(held, len)| (*held, *len) == (address, 128));
        }
        declined.retain(|ia| !ia.leases.is_empty());
        if declined.is_empty() {
            return;
        }
        binding.addresses.retain(|held| held.address != address);
        uplink.counters.leases_declined += 1;
        out.push(Action::Notice(Notice::Duplicate { iface, address }));
        let aim = Aim::Decline {
            server: binding.server.clone(),
            leases: declined,
        };
        if uplink.link_local.is_some() {
            uplink.begin(now, &mut self.random, aim, Duration::ZERO, None);
        }
    }

    pub(super) fn renew(&mut self, iface: IfaceId) {
        let now = self.clock.0;
        let long = self.until_rebind(iface);
        let Some(uplink) = self.uplinks.get_mut(&iface).filter(|u| !u.is_removed) else {
            return;
        };
        if let Doing::Rest = uplink.doing {
            uplink.doing = Doing::Idle;
        }
        let busy =
            matches!(&uplink.doing, Doing::Exchange(e) if !matches!(e.aim, Aim::Solicit { .. }));
        if uplink.link_local.is_none() || busy {
            return;
        }
        match &uplink.binding {
            Some(binding) if !binding.is_empty() => {
                uplink.begin(now, &mut self.random, Aim::Renew, Duration::ZERO, long);
            }
            _ => self.start(iface),
        }
    }

    pub(super) fn release(&mut self, iface: IfaceId) {
        let now = self.clock.0;
        let Some(uplink) = self.uplinks.get_mut(&iface).filter(|u| !u.is_removed) else {
            return;
        };
        uplink.informed = None;
        uplink.refresh_at = None;
        match uplink.binding.take().filter(|b| !b.is_empty()) {
            Some(binding) if uplink.link_local.is_some() => {
                let aim = Aim::Release {
                    leases: binding.all(),
                    server: binding.server,
                    rest: true,
                };
                uplink.begin(now, &mut self.random, aim, Duration::ZERO, None);
            }
            _ => uplink.doing = Doing::Rest,
        }
    }
}
