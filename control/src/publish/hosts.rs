//! Host routes: a neighbour on a connected prefix is reached without asking for it again.

use std::net::IpAddr;

use ipnet::IpNet;
use tables::id::{NextHopId, VrfId};

use super::targets::Target;
use super::{PublishError, Publisher, on};

impl Publisher {
    /// Keeps the list of connected prefixes per interface; its neighbours in `prefix` get or lose their host routes.
    pub(super) fn set_connected(
        &mut self,
        target: &Target,
        vrf: VrfId,
        prefix: IpNet,
        present: bool,
    ) -> Result<(), PublishError> {
        let Target::Connected(iface) = target else {
            return Ok(());
        };
        let Some(interface) = self.interfaces.get_mut(iface) else {
            return Ok(());
        };
        interface.connected.retain(|net| *net != prefix);
        if present {
            interface.connected.push(prefix);
        }
        let neighbors: Vec<IpAddr> = on(&self.adjacencies, *iface)
            .map(|(address, _)| address)
            .filter(|address| prefix.contains(address))
            .collect();
        for address in neighbors {
            self.settle_host(vrf, address)?;
        }
        Ok(())
    }

    /// Makes an address's host route what it must be now.
    pub(super) fn settle_host(&mut self, vrf: VrfId, address: IpAddr) -> Result<(), PublishError> {
        let (key, prefix) = ((vrf, address), IpNet::from(address));
        if self.installed.contains_key(&(vrf, prefix)) {
            return Ok(());
        }
        let wanted = self.neighbor(vrf, address);
        if wanted == self.hosts.get(&key).copied() {
            return Ok(());
        }
        self.write(vrf, prefix, wanted)?;
        match wanted {
            Some(id) => self.hosts.insert(key, id),
            None => self.hosts.remove(&key),
        };
        Ok(())
    }

    /// The resolved neighbour that an address on a connected prefix belongs to.
    fn neighbor(&self, vrf: VrfId, address: IpAddr) -> Option<NextHopId> {
        let resolved = self.resolved.get(&(vrf, address))?;
        let on_link = resolved.iter().find(|iface| {
            let interface = self.interfaces.get(iface);
            interface.is_some_and(|i| i.connected.iter().any(|net| net.contains(&address)))
        })?;
        let adjacency = self.adjacencies.get(&(*on_link, address))?;
        Some(adjacency.id)
    }
}
