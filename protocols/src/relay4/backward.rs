//! From servers to clients (RFC 1542 section 4.1.2, RFC 2131 section 4.1).

use std::net::Ipv4Addr;

use tables::id::IfaceId;
use wire::MacAddr;

use super::forward::HEADERS;
use super::packet::{CIRCUIT_ID, Invalid, Message, kind, sub_option};
use super::sm::{Action, CLIENT_PORT, Datagram, Link, Machine, Via};

impl Machine {
    /// Relays a server's answer to its client.
    pub(super) fn backward(
        &mut self,
        datagram: &Datagram<'_>,
        message: &Message<'_>,
        out: &mut Vec<Action>,
    ) {
        let iface = match self.link_of(datagram, message) {
            Ok(iface) => iface,
            Err(invalid) => return self.elsewhere.count_invalid(invalid.label()),
        };
        let Some(link) = self.links.get_mut(&iface) else {
            return;
        };
        let payload = message.without_agent();
        if usize::from(link.config.link_mtu) < payload.len() + HEADERS {
            return link.counters.count_invalid(Invalid::TooLong.label());
        }
        *link.counters.of_server(message.kind) += 1;
        let (dst, mac) = destination(message).unwrap_or_else(|| {
            link.counters.broadcasts += 1;
            (Ipv4Addr::BROADCAST, MacAddr::BROADCAST)
        });
        out.push(Action::Send {
            via: Via::Link { iface, mac },
            src: link.config.address,
            dst,
            dst_port: CLIENT_PORT,
            payload,
        });
    }

    /// The link that an answer is for: of giaddr, and of the Circuit ID where servers echo it.
    fn link_of(&self, datagram: &Datagram<'_>, message: &Message<'_>) -> Result<IfaceId, Invalid> {
        let of_router = || {
            self.links
                .iter()
                .filter(|(_, link)| link.vrf == datagram.vrf)
        };
        let is_server = |link: &Link| link.config.servers.contains(&datagram.src);
        if !of_router().any(|(_, link)| is_server(link)) {
            return Err(Invalid::UnknownServer);
        }
        if matches!(
            message.kind,
            Some(kind::DISCOVER | kind::REQUEST | kind::DECLINE | kind::RELEASE | kind::INFORM)
        ) {
            return Err(Invalid::NotServerMessage);
        }
        let here: Vec<_> = of_router()
            .filter(|(_, link)| link.config.giaddr == message.giaddr)
            .collect();
        if here.is_empty() {
            return Err(Invalid::UnknownGiaddr);
        }
        let circuit = match message.agent {
            Some(agent) => sub_option(agent, CIRCUIT_ID)?,
            None => None,
        };
        let (iface, link) = match (circuit, &here[..]) {
            // A server that does not echo the option.
            (None, [only]) => only,
            (None, _) => return Err(Invalid::UnknownCircuitId),
            (Some(id), links) => {
                // What a trusted switch put there is not ours to compare.
                let keeps = |link: &Link| link.config.existing == super::Existing::Keep;
                let is_it = |link: &Link| link.config.circuit_id.as_deref() == Some(id);
                let named = links.iter().find(|(_, link)| is_it(link));
                let kept = || {
                    links
                        .iter()
                        .find(|(_, link)| links.len() == 1 && keeps(link))
                };
                named.or_else(kept).ok_or(Invalid::UnknownCircuitId)?
            }
        };
        match is_server(link) {
            true => Ok(**iface),
            false => Err(Invalid::UnknownServer),
        }
    }
}

/// Where a client hears its answer; none: it has to be broadcast. A client that has no address yet answers no ARP, so its MAC
/// is taken from the message.
fn destination(message: &Message<'_>) -> Option<(Ipv4Addr, MacAddr)> {
    if message.broadcast || message.kind == Some(kind::NAK) {
        return None;
    }
    let address = [message.yiaddr, message.ciaddr]
        .into_iter()
        .find(|address| !address.is_unspecified())?;
    let is_station = !address.is_multicast() && !address.is_broadcast() && !address.is_loopback();
    is_station.then_some((address, message.mac?))
}
