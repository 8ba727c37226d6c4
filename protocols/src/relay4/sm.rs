//! The machine: events in, actions out. One machine relays for all links; it has no timer.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use tables::id::{IfaceId, VrfId};
use wire::MacAddr;

use super::config::Config;
use super::counters::Counters;
use super::error::ConfigError;
use super::packet::{Invalid, Message, Op, kind};

/// UDP port of servers and relay agents (RFC 2131 section 4.1).
pub(super) const SERVER_PORT: u16 = 67;
/// UDP port of clients.
pub(super) const CLIENT_PORT: u16 = 68;

/// A UDP datagram to port 67, as it came.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Where.
    pub iface: IfaceId,
    /// Its router.
    pub vrf: VrfId,
    /// Source address.
    pub src: Ipv4Addr,
    /// Destination address: broadcast, or one of ours.
    pub dst: Ipv4Addr,
    /// What follows the UDP header.
    pub payload: &'a [u8],
}

/// What happens to the room.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A link is relayed for, or its configuration has changed.
    ConfigureLink {
        /// Which.
        link: IfaceId,
        /// Its router.
        vrf: VrfId,
        /// What holds from now on.
        config: Box<Config>,
    },
    /// A link is not relayed for any more.
    RemoveLink {
        /// Which.
        link: IfaceId,
    },
    /// Whether messages of clients on a link are relayed from now on, until this is told anew; they are, where it was never told. Answers
    /// to what was relayed before are.
    Serve {
        /// Which.
        link: IfaceId,
        /// Whether.
        serving: bool,
    },
    /// A datagram came.
    Packet(Datagram<'a>),
}

/// How a datagram leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Out of this interface, to a station or to all.
    Link {
        /// The interface.
        iface: IfaceId,
        /// The station's MAC, or the broadcast address.
        mac: MacAddr,
    },
    /// By the routing table.
    Routed {
        /// Of this router.
        vrf: VrfId,
    },
}

/// What the router shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a UDP datagram from port 67.
    Send {
        /// How.
        via: Via,
        /// Its source.
        src: Ipv4Addr,
        /// Its destination.
        dst: Ipv4Addr,
        /// Its destination port.
        dst_port: u16,
        /// What follows the UDP header.
        payload: Vec<u8>,
    },
    /// Something to log.
    Notice(Notice),
}

/// What people should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A configuration that cannot be followed; the link is as it was.
    ConfigRefused {
        /// Which link.
        link: IfaceId,
        /// Why.
        faults: Vec<ConfigError>,
    },
}

/// A link that is relayed for.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) vrf: VrfId,
    pub(super) config: Config,
    pub(super) counters: Counters,
}

/// The relay.
#[derive(Debug, Default)]
pub struct Machine {
    pub(super) links: BTreeMap<IfaceId, Link>,
    /// Links that are not served.
    pub(super) silent: BTreeSet<IfaceId>,
    /// Of datagrams that belong to no link.
    pub(super) elsewhere: Counters,
}

impl Machine {
    /// Handles one event; what is to be done is appended to `out`, in order.
    pub fn on_event(&mut self, event: Event<'_>, out: &mut Vec<Action>) {
        match event {
            Event::ConfigureLink { link, vrf, config } => self.configure(link, vrf, *config, out),
            Event::RemoveLink { link } => drop(self.links.remove(&link)),
            Event::Serve { link, serving } => {
                if serving {
                    self.silent.remove(&link);
                } else {
                    self.silent.insert(link);
                }
            }
            Event::Packet(datagram) => self.receive(&datagram, out),
        }
    }

    fn receive(&mut self, datagram: &Datagram<'_>, out: &mut Vec<Action>) {
        let invalid = match Message::read(datagram.payload) {
            Ok(message) if message.op == Op::Reply => {
                return self.backward(datagram, &message, out);
            }
            // BOOTREQUEST with the type of an answer.
            Ok(message) if matches!(message.kind, Some(kind::OFFER | kind::ACK | kind::NAK)) => {
                Invalid::NotClientMessage
            }
            Ok(message) => return self.forward(datagram, &message, out),
            Err(invalid) => invalid,
        };
        let link = self.links.get_mut(&datagram.iface);
        let counters = link.map_or(&mut self.elsewhere, |link| &mut link.counters);
        counters.count_invalid(invalid.label());
    }

    fn configure(&mut self, id: IfaceId, vrf: VrfId, config: Config, out: &mut Vec<Action>) {
        let mut faults = config.validate();
        let clash = |(other, link): (&IfaceId, &Link)| {
            *other != id
                && link.vrf == vrf
                && link.config.giaddr == config.giaddr
                && (config.circuit_id.is_none() || link.config.circuit_id == config.circuit_id)
        };
        if self.links.iter().any(clash) {
            faults.push(ConfigError::SameCircuitId);
        }
        if !faults.is_empty() {
            out.push(Action::Notice(Notice::ConfigRefused { link: id, faults }));
            return;
        }
        let old = self.links.remove(&id);
        let counters = old.map(|old| old.counters).unwrap_or_default();
        let link = Link {
            vrf,
            config,
            counters,
        };
        self.links.insert(id, link);
    }

    /// The links that are relayed for.
    pub fn links(&self) -> impl Iterator<Item = (IfaceId, &Config)> {
        self.links.iter().map(|(id, link)| (*id, &link.config))
    }

    /// The counters of each link.
    pub fn counters(&self) -> impl Iterator<Item = (IfaceId, &Counters)> {
        self.links.iter().map(|(id, link)| (*id, &link.counters))
    }

    /// The counters of datagrams that belong to no link.
    pub fn counters_elsewhere(&self) -> &Counters {
        &self.elsewhere
    }
}

#[cfg(test)]
mod tests;
