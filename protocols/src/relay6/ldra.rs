//! The Lightweight DHCPv6 Relay Agent (RFC 6221): on a switch, between ports of one link.
//!
//! ```text
//!   clients ─ untrusted ─┐                     ┌─ network-facing ─ relay agent, server
//!   relays  ─  trusted  ─┴─► Relay-forward ───►┤
//!                  ◄──────── its inside ───────┘ Relay-reply
//! ```
//!
//! It has no address. A Relay-forward leaves with the addresses of the message in it, an unspecified link-address, and an
//! Interface-Id that names the port (section 5.3). What comes back in a Relay-reply with that Interface-Id leaves by that port.
//!
//! Its datagrams are those that the switch would forward from or to UDP port 547; what [`Verdict::Pass`] says is switched as if there were no LDRA.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use tables::id::IfaceId;

use super::config::RemoteId;
use super::counters::Counters;
use super::packet::{self, Answer, HOP_COUNT_LIMIT, Invalid, Message, Writer, code, kind};
use super::sm::{CLIENT_PORT, Datagram, SERVER_PORT};

/// What stands behind a port (RFC 6221 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Clients, of whom anything may be expected.
    Untrusted,
    /// Clients and further relays that are trusted.
    Trusted,
    /// Servers, or the relay agent before them.
    Network,
}

/// A port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// What stands behind it.
    pub role: Role,
    /// How it is called; unique among the ports, the same after a restart. Not used of network-facing ports.
    pub interface_id: Vec<u8>,
    /// Remote-ID (RFC 4649) of clients behind it.
    pub remote_id: Option<RemoteId>,
}

/// What happens to a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is switched as it is.
    Pass,
    /// It goes no further; the port has counted why.
    Drop,
    /// Another leaves in its place.
    Send {
        /// By these ports.
        ports: Vec<IfaceId>,
        /// From this address, that of somebody else.
        src: Ipv6Addr,
        /// To this one.
        dst: Ipv6Addr,
        /// From this port.
        src_port: u16,
        /// To this port.
        dst_port: u16,
        /// What follows the UDP header.
        payload: Vec<u8>,
    },
}

/// The relay of one link; it keeps no state but its counters.
#[derive(Debug, Default)]
pub struct Ldra {
    ports: BTreeMap<IfaceId, (Port, Counters)>,
}

impl Ldra {
    /// A port is there, or has changed; `None` takes it away.
    pub fn configure(&mut self, id: IfaceId, port: Option<Port>) {
        let old = self.ports.remove(&id);
        if let Some(port) = port {
            let counters = old.map(|(_, counters)| counters).unwrap_or_default();
            self.ports.insert(id, (port, counters));
        }
    }

    /// What happens to a datagram that came in by one of the ports.
    pub fn on_packet(&mut self, datagram: &Datagram<'_>) -> Verdict {
        let Some((port, _)) = self.ports.get(&datagram.iface) else {
            return Verdict::Pass;
        };
        let verdict = match port.role {
            Role::Network => self.at_network(datagram),
            Role::Trusted | Role::Untrusted => self.at_client(port, datagram),
        };
        verdict.unwrap_or_else(|invalid| {
            if let Some((_, counters)) = self.ports.get_mut(&datagram.iface) {
                counters.count_invalid(invalid.label());
            }
            Verdict::Drop
        })
    }

    /// RFC 6221 section 5.1 and 6.1.
    fn at_client(&self, port: &Port, datagram: &Datagram<'_>) -> Result<Verdict, Invalid> {
        let hop_count = match Message::read(datagram.payload)? {
            Message::Client { .. } => 0,
            Message::Reply(_) => return Err(Invalid::NotClientMessage),
            Message::Relayed(_) if port.role == Role::Untrusted => {
                return Err(Invalid::UntrustedRelay);
            }
            Message::Relayed(envelope) if HOP_COUNT_LIMIT <= envelope.hop_count => {
                return Err(Invalid::HopLimit);
            }
            Message::Relayed(envelope) => {
                packet::check_nested(envelope.message)?;
                envelope.hop_count + 1
            }
        };
        // What goes to one station is between it and the client.
        if !datagram.dst.is_multicast() {
            return Ok(Verdict::Pass);
        }
        let unspecified = Ipv6Addr::UNSPECIFIED;
        let mut w = Writer::new(kind::RELAY_FORWARD, hop_count, unspecified, datagram.src);
        w.option(code::INTERFACE_ID, &[&port.interface_id])?;
        if let Some(remote) = &port.remote_id {
            w.option(
                code::REMOTE_ID,
                &[&remote.enterprise.to_be_bytes(), &remote.id],
            )?;
        }
        w.option(code::RELAY_MSG, &[datagram.payload])?;
        let network = self
            .ports
            .iter()
            .filter(|(_, (port, _))| port.role == Role::Network);
        Ok(Verdict::Send {
            ports: network.map(|(id, _)| *id).collect(),
            src: datagram.src,
            dst: datagram.dst,
            src_port: SERVER_PORT,
            dst_port: SERVER_PORT,
            payload: w.finish(),
        })
    }

    /// RFC 6221 section 5.2 and 6.2: a Relay-reply is ours when it names one of our ports and no link.
    fn at_network(&self, datagram: &Datagram<'_>) -> Result<Verdict, Invalid> {
        if datagram.payload.first() != Some(&kind::RELAY_REPLY) {
            return Ok(Verdict::Pass);
        }
        let Message::Reply(envelope) = Message::read(datagram.payload)? else {
            return Ok(Verdict::Pass);
        };
        let named = |id: &[u8]| {
            let is_it = |port: &Port| port.role != Role::Network && port.interface_id == id;
            self.ports.iter().find(|(_, (port, _))| is_it(port))
        };
        let port = envelope.interface_id.and_then(named);
        let Some((id, (port, _))) = port.filter(|_| envelope.link_address.is_unspecified()) else {
            return Ok(Verdict::Pass);
        };
        let dst_port = match Answer::read(envelope.message)? {
            Answer::Client { .. } => CLIENT_PORT,
            Answer::Relay if port.role == Role::Untrusted => return Err(Invalid::UntrustedRelay),
            Answer::Relay => SERVER_PORT,
        };
        Ok(Verdict::Send {
            ports: vec![*id],
            src: datagram.src,
            dst: envelope.peer_address,
            src_port: SERVER_PORT,
            dst_port,
            payload: envelope.message.to_vec(),
        })
    }

    /// The counters of each port.
    pub fn counters(&self) -> impl Iterator<Item = (IfaceId, &Counters)> {
        self.ports.iter().map(|(id, (_, counters))| (*id, counters))
    }
}

#[cfg(test)]
mod tests {
    use wire::MacAddr;

    use super::super::packet::Envelope;
    use super::*;

    const CLIENT: IfaceId = IfaceId(1);
    const RELAY: IfaceId = IfaceId(2);
    const NETWORK: IfaceId = IfaceId(3);
    const SOLICIT: &[u8] = &[1, 0, 0, 1, 0, 1, 0, 3, 0, 3, 0];
    const ADVERTISE: &[u8] = &[2, 0, 0, 1, 0, 1, 0, 3, 0, 3, 0];

    fn ldra() -> Ldra {
        let mut ldra = Ldra::default();
        for (id, role, name) in [
            (CLIENT, Role::Untrusted, "p1"),
            (RELAY, Role::Trusted, "p2"),
            (NETWORK, Role::Network, ""),
        ] {
            let port = Port {
                role,
                interface_id: name.into(),
                remote_id: None,
            };
            ldra.configure(id, Some(port));
        }
        ldra
    }

    fn give(ldra: &mut Ldra, iface: IfaceId, dst: &str, payload: &[u8]) -> Verdict {
        ldra.on_packet(&Datagram {
            iface,
            vrf: tables::id::VrfId(0),
            src_mac: MacAddr([2, 0, 0, 0, 0, 1]),
            src: "fe80::1".parse().unwrap(),
            src_port: 546,
            dst: dst.parse().unwrap(),
            payload,
        })
    }

    fn envelope(kind: u8, hops: u8, id: &str, inner: &[u8]) -> Vec<u8> {
        let mut w = Writer::new(
            kind,
            hops,
            Ipv6Addr::UNSPECIFIED,
            "fe80::c".parse().unwrap(),
        );
        w.option(code::INTERFACE_ID, &[id.as_bytes()]).unwrap();
        w.option(code::RELAY_MSG, &[inner]).unwrap();
        w.finish()
    }

    #[test]
    fn a_clients_message_goes_to_the_network_in_an_envelope_without_a_link() {
        let mut ldra = ldra();
        let Verdict::Send {
            ports,
            src,
            dst,
            dst_port,
            payload,
            ..
        } = give(&mut ldra, CLIENT, "ff02::1:2", SOLICIT)
        else {
            panic!("not sent");
        };
        assert_eq!((ports, dst_port), (vec![NETWORK], 547));
        assert_eq!(
            (src.to_string(), dst.to_string()),
            ("fe80::1".into(), "ff02::1:2".into())
        );
        let envelope = Envelope::read(&payload).unwrap();
        assert!(envelope.link_address.is_unspecified());
        assert_eq!(envelope.interface_id, Some(&b"p1"[..]));
        assert_eq!((envelope.hop_count, envelope.message), (0, SOLICIT));
    }

    #[test]
    fn untrusted_ports_speak_for_themselves_only() {
        let mut ldra = ldra();
        let forward = envelope(kind::RELAY_FORWARD, 0, "x", SOLICIT);
        let reply = envelope(kind::RELAY_REPLY, 0, "p1", ADVERTISE);
        for payload in [&forward[..], ADVERTISE, &reply] {
            assert_eq!(give(&mut ldra, CLIENT, "ff02::1:2", payload), Verdict::Drop);
        }
        let Verdict::Send { payload, .. } = give(&mut ldra, RELAY, "ff02::1:2", &forward) else {
            panic!("a trusted relay is heard");
        };
        assert_eq!(payload[1], 1);
        let far = envelope(kind::RELAY_FORWARD, 8, "x", SOLICIT);
        assert_eq!(give(&mut ldra, RELAY, "ff02::1:2", &far), Verdict::Drop);
        let counted: Vec<_> = ldra.counters().map(|(_, c)| c.invalid.clone()).collect();
        assert_eq!(counted[0].get("untrusted_relay"), Some(&1));
        assert_eq!(counted[0].get("not_client_message"), Some(&2));
        assert_eq!(counted[1].get("hop_limit"), Some(&1));
    }

    #[test]
    fn an_answer_leaves_by_the_port_that_it_names() {
        let mut ldra = ldra();
        let reply = envelope(kind::RELAY_REPLY, 0, "p1", ADVERTISE);
        let Verdict::Send {
            ports,
            dst,
            dst_port,
            payload,
            ..
        } = give(&mut ldra, NETWORK, "fe80::1", &reply)
        else {
            panic!("not sent");
        };
        assert_eq!((ports, dst_port), (vec![CLIENT], 546));
        assert_eq!(
            (dst.to_string().as_str(), &payload[..]),
            ("fe80::c", ADVERTISE)
        );
        // Of another switch, or of no relay at all.
        let other = envelope(kind::RELAY_REPLY, 0, "p9", ADVERTISE);
        assert_eq!(give(&mut ldra, NETWORK, "fe80::1", &other), Verdict::Pass);
        assert_eq!(
            give(&mut ldra, NETWORK, "fe80::1", ADVERTISE),
            Verdict::Pass
        );
        // The answer to another relay goes to a trusted port only.
        let nested = envelope(kind::RELAY_REPLY, 0, "p2", &reply);
        assert!(matches!(
            give(&mut ldra, NETWORK, "fe80::1", &nested),
            Verdict::Send { dst_port: 547, .. }
        ));
        let nested = envelope(kind::RELAY_REPLY, 0, "p1", &reply);
        assert_eq!(give(&mut ldra, NETWORK, "fe80::1", &nested), Verdict::Drop);
    }

    #[test]
    fn what_is_not_for_it_passes() {
        let mut ldra = ldra();
        assert_eq!(give(&mut ldra, CLIENT, "fe80::5", SOLICIT), Verdict::Pass);
        assert_eq!(
            give(&mut ldra, IfaceId(9), "ff02::1:2", SOLICIT),
            Verdict::Pass
        );
        ldra.configure(CLIENT, None);
        assert_eq!(give(&mut ldra, CLIENT, "ff02::1:2", SOLICIT), Verdict::Pass);
    }
}
