//! From clients and relays to servers (RFC 8415 section 19.1).

use std::net::Ipv6Addr;

use super::config::Server;
use super::packet::{
    self, Delegation, Envelope, HOP_COUNT_LIMIT, Invalid, Message, Writer, code, kind,
};
use super::sm::{Action, Datagram, Link, Machine, SERVER_PORT, Via};

/// Most octets of a message: what fits a UDP datagram over IPv6 (RFC 8200 section 8.1).
const MAX_MESSAGE: usize = 65_527;

impl Machine {
    /// Relays a message to the servers of its link.
    pub(super) fn forward(&mut self, datagram: &Datagram<'_>, out: &mut Vec<Action>) {
        let Some(link) = self.links.get_mut(&datagram.iface) else {
            self.elsewhere.count_invalid("no_relay");
            return;
        };
        if self.silent.contains(&datagram.iface) {
            link.counters.not_serving += 1;
            return;
        }
        match wrap(link, datagram) {
            Ok((message, payload)) => {
                self.neighbors
                    .learn(datagram.iface, datagram.src, datagram.src_mac);
                match message {
                    Message::Client { kind, xid } => {
                        *link.counters.of_client(kind) += 1;
                        if kind == kind::RELEASE && link.config.routes {
                            // What cannot be read is the server's to refuse.
                            let given_back = Delegation::read(datagram.payload).unwrap_or_default();
                            self.releases
                                .remember(self.clock.0, datagram, xid, &given_back);
                        }
                    }
                    Message::Relayed(_) | Message::Reply(_) => link.counters.relay_forwards += 1,
                }
                out.extend(
                    link.config
                        .servers
                        .iter()
                        .map(|server| send(link, *server, &payload)),
                );
            }
            Err(invalid) => link.counters.count_invalid(invalid.label()),
        }
    }
}

/// The Relay-forward, with what was in it.
fn wrap<'a>(link: &Link, datagram: &Datagram<'a>) -> Result<(Message<'a>, Vec<u8>), Invalid> {
    let src = datagram.src;
    if src.is_unspecified() || src.is_multicast() || src.is_loopback() {
        return Err(Invalid::Source);
    }
    let config = &link.config;
    let message = Message::read(datagram.payload)?;
    let mut w = match &message {
        Message::Client { .. } if !datagram.dst.is_multicast() => return Err(Invalid::Unicast),
        Message::Client { .. } => Writer::new(kind::RELAY_FORWARD, 0, config.link_address, src),
        Message::Relayed(envelope) => relayed(link, datagram, envelope)?,
        Message::Reply(_) => return Err(Invalid::NotClientMessage),
    };
    w.option(code::INTERFACE_ID, &[&config.interface_id])?;
    match &message {
        Message::Relayed(envelope) => {
            // RFC 8357 section 5.2: only a relay that says so listens where it sent from.
            if envelope_tells_port(envelope) && datagram.src_port != SERVER_PORT {
                w.option(code::RELAY_SOURCE_PORT, &[&datagram.src_port.to_be_bytes()])?;
            }
        }
        Message::Client { .. } | Message::Reply(_) => {
            if config.client_mac && datagram.src_mac.is_station() {
                // Hardware type 1: Ethernet.
                w.option(
                    code::CLIENT_LINKLAYER_ADDR,
                    &[&[0, 1], &datagram.src_mac.octets()],
                )?;
            }
            if let Some(remote) = &config.remote_id {
                w.option(
                    code::REMOTE_ID,
                    &[&remote.enterprise.to_be_bytes(), &remote.id],
                )?;
            }
            if let Some(id) = &config.subscriber_id {
                w.option(code::SUBSCRIBER_ID, &[id])?;
            }
        }
    }
    w.option(code::RELAY_MSG, &[datagram.payload])?;
    let payload = w.finish();
    if MAX_MESSAGE < payload.len() {
        return Err(Invalid::TooLong);
    }
    Ok((message, payload))
}

fn envelope_tells_port(envelope: &Envelope<'_>) -> bool {
    envelope.source_port.is_some()
}

/// RFC 8415 section 19.1.2.
fn relayed(
    link: &Link,
    datagram: &Datagram<'_>,
    envelope: &Envelope<'_>,
) -> Result<Writer, Invalid> {
    if !link.config.relays.allow(datagram.src) {
        return Err(Invalid::UntrustedRelay);
    }
    if HOP_COUNT_LIMIT <= envelope.hop_count {
        return Err(Invalid::HopLimit);
    }
    packet::check_nested(envelope.message)?;
    // The address of a relay that is not link-local says by itself which link it is on.
    let link_address = match datagram.src.is_unicast_link_local() {
        true => link.config.link_address,
        false => Ipv6Addr::UNSPECIFIED,
    };
    let hop_count = envelope.hop_count + 1;
    Ok(Writer::new(
        kind::RELAY_FORWARD,
        hop_count,
        link_address,
        datagram.src,
    ))
}

fn send(link: &Link, server: Server, payload: &[u8]) -> Action {
    let (via, src, dst) = match server {
        Server::Routed(address) => (Via::Routed { vrf: link.vrf }, link.config.source, address),
        Server::Link { iface, address } => (Via::Link { iface, mac: None }, None, address),
    };
    Action::Send {
        via,
        src,
        dst,
        dst_port: SERVER_PORT,
        payload: payload.to_vec(),
        after_commit: false,
    }
}
