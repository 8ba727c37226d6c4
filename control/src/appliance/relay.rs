//! DHCP relays as the API shows them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use api::{ProtocolCounters, Relay, RelayedPrefix};
use tables::id::IfaceId;

use super::Router;
use super::counters::{ELSEWHERE, counters_of};
use crate::api::Error;
use lease::Lease;
use protocols::relay6::{self, Server};

impl Router {
    pub(super) async fn relay_list(&self) -> Result<Vec<Relay>, Error> {
        let names = self.ask(|engine| engine.relay_links()).await?;
        let of = names.clone();
        let v6 = self.bus.ask_relay6(move |machine| v6(machine, &of));
        let mut relays = v6.await.ok_or_else(stopping)?;
        let v4 = self.bus.ask_relay4(move |machine| {
            let links = machine.links().filter_map(|(id, config)| {
                Some(Relay {
                    interface: names.get(&id)?.clone(),
                    ip_version: 4,
                    servers: config.servers.iter().copied().map(IpAddr::V4).collect(),
                    address: config.giaddr.into(),
                    id: text(config.circuit_id.as_deref().unwrap_or_default()),
                    prefixes: Vec::new(),
                })
            });
            links.collect::<Vec<_>>()
        });
        relays.extend(v4.await.ok_or_else(stopping)?);
        relays.sort_by(|a, b| (&a.interface, b.ip_version).cmp(&(&b.interface, a.ip_version)));
        Ok(relays)
    }

    /// What the DHCPv6 and the DHCPv4 relay counted on each link; what belongs to none stands under `elsewhere`.
    pub(super) async fn relay_counters(
        &self,
    ) -> Result<(Vec<ProtocolCounters>, Vec<ProtocolCounters>), Error> {
        let names = self.ask(|engine| engine.relay_links()).await?;
        // Without a link there is nothing to tell.
        if names.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let of = names.clone();
        let v6 = self.bus.ask_relay6(move |machine| {
            let links = machine.counters().filter_map(|(id, counters)| {
                let name = of.get(&id)?.clone();
                Some(counters_of(name, counters.iter(), &counters.invalid))
            });
            let other = machine.counters_elsewhere();
            let elsewhere = counters_of(ELSEWHERE.to_owned(), other.iter(), &other.invalid);
            links.chain([elsewhere]).collect::<Vec<_>>()
        });
        let v4 = self.bus.ask_relay4(move |machine| {
            let links = machine.counters().filter_map(|(id, counters)| {
                let name = names.get(&id)?.clone();
                Some(counters_of(name, counters.iter(), &counters.invalid))
            });
            let other = machine.counters_elsewhere();
            let elsewhere = counters_of(ELSEWHERE.to_owned(), other.iter(), &other.invalid);
            links.chain([elsewhere]).collect::<Vec<_>>()
        });
        Ok((v6.await.unwrap_or_default(), v4.await.unwrap_or_default()))
    }
}

fn stopping() -> Error {
    Error::Unavailable("the DHCP relay does not answer".into())
}

fn v6(machine: &relay6::Machine, names: &HashMap<IfaceId, String>) -> Vec<Relay> {
    let links = machine.links().filter_map(|(id, config)| {
        let interface = names.get(&id)?.clone();
        let server = |server: &Server| match *server {
            Server::Routed(address) | Server::Link { address, .. } => IpAddr::V6(address),
        };
        let prefixes = machine.prefixes().filter_map(|(prefix, lease)| {
            let next_hop = lease.next_hop.as_ref()?;
            (*next_hop.iface == *interface).then(|| shown(*prefix, lease, next_hop.address))
        });
        Some(Relay {
            ip_version: 6,
            servers: config.servers.iter().map(server).collect(),
            address: config.link_address.into(),
            id: text(&config.interface_id),
            prefixes: prefixes.collect(),
            interface,
        })
    });
    links.collect()
}

fn shown(prefix: ipnet::Ipv6Net, lease: &Lease, gateway: Ipv6Addr) -> RelayedPrefix {
    RelayedPrefix {
        prefix,
        client: lease.holder.client.to_string(),
        gateway: gateway.into(),
        ends: lease.ends.to_string(),
    }
}

/// An identifier for people.
fn text(id: &[u8]) -> String {
    id.escape_ascii().to_string()
}
