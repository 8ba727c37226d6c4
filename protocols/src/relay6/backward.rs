//! From servers to clients and relays (RFC 8415 section 19.2), with a look at what a Reply delegates (RFC 8987).

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use lease::{ClientId, Holder, Kind, Lease, NextHop, Resource, ScopeId, Wall};
use tables::id::IfaceId;
use wire::MacAddr;

use super::config::Server;
use super::packet::{Answer, Delegated, Delegation, Envelope, Invalid, Message, kind};
use super::prefix::Named;
use super::sm::{Action, CLIENT_PORT, Datagram, Link, Machine, SERVER_PORT, Via};

impl Machine {
    /// Relays a server's answer to its client.
    pub(super) fn backward(&mut self, datagram: &Datagram<'_>, out: &mut Vec<Action>) {
        match self.answer(datagram, out) {
            Ok(()) => {}
            Err((None, invalid)) => self.elsewhere.count_invalid(invalid.label()),
            Err((Some(iface), invalid)) => {
                if let Some(link) = self.links.get_mut(&iface) {
                    link.counters.count_invalid(invalid.label());
                }
            }
        }
    }

    /// The link is told with the fault as soon as it is known.
    fn answer(
        &mut self,
        datagram: &Datagram<'_>,
        out: &mut Vec<Action>,
    ) -> Result<(), (Option<IfaceId>, Invalid)> {
        let elsewhere = |invalid| (None, invalid);
        // Who is not a server is told so before anything of what it sent is read.
        let mut links = self.links.values().filter(|link| link.vrf == datagram.vrf);
        if !links.any(|link| link.is_server(datagram)) {
            return Err(elsewhere(Invalid::UnknownServer));
        }
        if datagram.src_port == CLIENT_PORT {
            return Err(elsewhere(Invalid::ClientPort));
        }
        let Message::Reply(envelope) = Message::read(datagram.payload).map_err(elsewhere)? else {
            return Err(elsewhere(Invalid::NotServerMessage));
        };
        let iface = self.link_of(datagram, &envelope).map_err(elsewhere)?;
        let here = |invalid| (Some(iface), invalid);
        let Some(link) = self.links.get(&iface) else {
            return Err(elsewhere(Invalid::UnknownInterfaceId));
        };
        if !link.is_server(datagram) {
            return Err(here(Invalid::UnknownServer));
        }
        let answer = Answer::read(envelope.message).map_err(here)?;
        let peer = envelope.peer_address;
        if peer.is_unspecified() || peer.is_multicast() || peer.is_loopback() {
            return Err(here(Invalid::NestedDamage));
        }
        let mac = self.neighbors.get(iface, peer);
        let (dst_port, after_commit) = match answer {
            Answer::Relay => (port(&envelope), false),
            Answer::Client {
                kind: kind::REPLY,
                xid,
            } if link.config.routes => {
                let stored = self.snoop(iface, peer, mac, xid, envelope.message, out);
                (CLIENT_PORT, stored.map_err(here)?)
            }
            Answer::Client { .. } => (CLIENT_PORT, false),
        };
        let Some(link) = self.links.get_mut(&iface) else {
            return Ok(());
        };
        match answer {
            Answer::Relay => link.counters.relay_replies += 1,
            Answer::Client { kind, .. } => *link.counters.of_server(kind) += 1,
        }
        let on_link = peer.is_unicast_link_local() || (mac.is_some() && answer != Answer::Relay);
        let (via, src) = match on_link {
            true => (Via::Link { iface, mac }, None),
            false => {
                let own = Some(link.config.link_address).filter(|a| !a.is_unspecified());
                (Via::Routed { vrf: link.vrf }, own)
            }
        };
        out.push(Action::Send {
            via,
            src,
            dst: peer,
            dst_port,
            payload: envelope.message.to_vec(),
            after_commit,
        });
        Ok(())
    }

    /// RFC 8415 section 19.2: by Interface-Id, or by link-address where there is none.
    fn link_of(
        &self,
        datagram: &Datagram<'_>,
        envelope: &Envelope<'_>,
    ) -> Result<IfaceId, Invalid> {
        let mut links = self
            .links
            .iter()
            .filter(|(_, link)| link.vrf == datagram.vrf);
        let (found, otherwise) = match envelope.interface_id {
            Some(id) => (
                links.find(|(_, link)| link.config.interface_id == id),
                Invalid::UnknownInterfaceId,
            ),
            None => {
                let address = envelope.link_address;
                let is_it =
                    |link: &Link| !address.is_unspecified() && link.config.link_address == address;
                (
                    links.find(|(_, link)| is_it(link)),
                    Invalid::UnknownLinkAddress,
                )
            }
        };
        found.map(|(iface, _)| *iface).ok_or(otherwise)
    }

    /// Takes note of what a Reply delegates; whether the Reply has to wait for the store.
    fn snoop(
        &mut self,
        iface: IfaceId,
        peer: Ipv6Addr,
        mac: Option<MacAddr>,
        xid: [u8; 3],
        message: &[u8],
        out: &mut Vec<Action>,
    ) -> Result<bool, Invalid> {
        let delegation = Delegation::read(message).map_err(|_| Invalid::NestedDamage)?;
        let released = self.releases.take(iface, peer, xid);
        if delegation.prefixes.is_empty() && released.is_empty() {
            return Ok(false);
        }
        let client = ClientId::new(delegation.client).map_err(|_| Invalid::NestedDamage)?;
        let Some(link) = self.links.get(&iface) else {
            return Ok(false);
        };
        if !delegation.prefixes.iter().all(|d| is_routable(&d.prefix)) {
            return Err(Invalid::Prefix);
        }
        if !self.may_store() {
            // The server may say it again, and the client asks again: nobody must be told before it is stored.
            self.releases
                .put_back(self.clock.0, iface, peer, xid, released);
            return Err(Invalid::NotStored);
        }
        let realm = link.realm;
        let is_of = |d: &Delegated| self.prefixes.is_of(&(realm, d.prefix), &link.name, &client);
        let is_new = |d: &&Delegated| d.valid != 0 && !is_of(d);
        let more = delegation.prefixes.iter().filter(is_new).count();
        let of_client = self.prefixes.of_client(&link.name, &client) + more;
        let of_link = self.prefixes.of_link(&link.name) + more;
        if more != 0
            && (link.config.max_prefixes_per_client < of_client
                || link.config.max_prefixes < of_link)
        {
            return Err(Invalid::TooManyPrefixes);
        }
        let (name, now) = (link.name.clone(), Wall::from(self.clock.1));
        // A Reply to a Release says nothing of what it released.
        for prefix in released {
            let again = delegation
                .prefixes
                .iter()
                .any(|d| d.prefix == prefix && d.valid != 0);
            if !again && self.prefixes.is_of(&(realm, prefix), &name, &client) {
                self.end((realm, prefix), out);
            }
        }
        for d in &delegation.prefixes {
            if d.valid == 0 {
                let named = (realm, d.prefix);
                if self.prefixes.is_of(&named, &name, &client) {
                    self.end(named, out);
                }
                continue;
            }
            let holder = Holder {
                client: client.clone(),
                iaid: d.iaid,
                kind: Kind::Pd,
            };
            let mut lease = Lease::bound(
                Resource::Prefix(d.prefix),
                holder,
                ScopeId::of(realm, &name),
                now,
                now.after(d.preferred),
                now.after(d.valid),
            );
            lease.mac = mac;
            lease.next_hop = Some(Box::new(NextHop {
                iface: name.clone(),
                address: peer,
            }));
            self.begin(iface, d.prefix, lease, out);
        }
        Ok(true)
    }

    /// Stores a delegation and has its route installed.
    fn begin(&mut self, iface: IfaceId, prefix: Ipv6Net, lease: Lease, out: &mut Vec<Action>) {
        let Some(link) = self.links.get_mut(&iface) else {
            return;
        };
        let next_hop = lease.next_hop.as_deref().cloned();
        let write = self.prefixes.set((lease.realm(), prefix), Some(lease));
        let before = write.before.as_ref();
        match before {
            None => link.counters.prefixes_delegated += 1,
            Some(_) => link.counters.prefixes_renewed += 1,
        }
        let is_same = before.is_some_and(|before| before.next_hop.as_deref() == next_hop.as_ref());
        let vrf = link.vrf;
        out.push(Action::Write(write));
        if let Some(next_hop) = next_hop.filter(|_| !is_same) {
            out.push(Action::RouteUp {
                prefix,
                vrf,
                next_hop,
            });
        }
    }

    /// Forgets a delegation that its client has given back or lost.
    fn end(&mut self, named: Named, out: &mut Vec<Action>) {
        if let Some(link) = self.forget(named, out) {
            link.counters.prefixes_released += 1;
        }
    }
}

/// RFC 8357 section 5.3: where the relay behind us listens.
fn port(envelope: &Envelope<'_>) -> u16 {
    envelope
        .source_port
        .filter(|port| *port != 0)
        .unwrap_or(SERVER_PORT)
}

/// Whether a route may lead to it: not to everything, and not to what is never forwarded.
fn is_routable(prefix: &Ipv6Net) -> bool {
    let network = prefix.network();
    // A part of 2000::/3 or fc00::/7, or of another block that is not handed out yet, but not all of one.
    8 <= prefix.prefix_len()
        && !network.is_multicast()
        && !network.is_unicast_link_local()
        && 0 < network.octets()[0]
}

impl Link {
    /// Whether the datagram is from where this link's servers are.
    pub(super) fn is_server(&self, datagram: &Datagram<'_>) -> bool {
        self.config.servers.iter().any(|server| match *server {
            Server::Routed(address) => address == datagram.src,
            Server::Link { iface, address } => {
                iface == datagram.iface && (address.is_multicast() || address == datagram.src)
            }
        })
    }
}
