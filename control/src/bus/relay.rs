//! The doors of the DHCP relays' rooms.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tables::id::{IfaceId, VrfId};
use tokio::sync::{mpsc, oneshot};
use wire::udp;

use super::{Bus, Inbox, PACKETS, Packet};
use crate::rooms::dhcp6::Sources;
use protocols::{relay4, relay6};

/// First octet of a Relay-reply (RFC 8415 section 9).
const RELAY_REPLY: u8 = 13;
/// First octet of an answer of a DHCPv4 server.
const BOOT_REPLY: u8 = 2;

/// A question about a machine, answered by what it captured.
pub struct Question<M>(pub Box<dyn FnOnce(&M) + Send>);

impl<M> std::fmt::Debug for Question<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Question")
    }
}

/// To the DHCPv6 relay's room.
#[derive(Debug)]
pub enum Relay6Message {
    /// An event without packet bytes.
    Event(relay6::Event<'static>),
    /// Which addresses it may speak from.
    Sources(Box<Sources>),
    /// A question of the API.
    Ask(Question<relay6::Machine>),
}

/// To the DHCPv4 relay's room.
#[derive(Debug)]
pub enum Relay4Message {
    /// An event without packet bytes.
    Event(relay4::Event<'static>),
    /// A question of the API.
    Ask(Question<relay4::Machine>),
}

/// Where DHCP is relayed: who gets a packet, server or relay, is told by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relaying {
    /// Interfaces with a DHCPv6 relay.
    pub v6: HashSet<IfaceId>,
    /// Their routers: Relay-replies come in anywhere.
    pub v6_routers: HashSet<VrfId>,
    /// Interfaces with a DHCPv4 relay.
    pub v4: HashSet<IfaceId>,
    /// Their routers: answers of servers come in anywhere.
    pub v4_routers: HashSet<VrfId>,
}

/// Senders to the rooms of the relays.
#[derive(Clone, Debug)]
pub(super) struct Senders {
    v6: mpsc::UnboundedSender<Relay6Message>,
    v6_packets: mpsc::Sender<Packet>,
    v4: mpsc::UnboundedSender<Relay4Message>,
    v4_packets: mpsc::Sender<Packet>,
    relaying: Arc<ArcSwap<Relaying>>,
}

/// The rooms' inboxes.
#[derive(Debug)]
pub struct RelayInboxes {
    /// The DHCPv6 relay's.
    pub v6: Inbox<Relay6Message>,
    /// The DHCPv4 relay's.
    pub v4: Inbox<Relay4Message>,
}

/// The senders and the inboxes they lead to.
pub(super) fn channels() -> (Senders, RelayInboxes) {
    let (v6, v6_messages) = mpsc::unbounded_channel();
    let (v6_packets, v6_packets_out) = mpsc::channel(PACKETS);
    let (v4, v4_messages) = mpsc::unbounded_channel();
    let (v4_packets, v4_packets_out) = mpsc::channel(PACKETS);
    let senders = Senders {
        v6,
        v6_packets,
        v4,
        v4_packets,
        relaying: Arc::default(),
    };
    let inboxes = RelayInboxes {
        v6: Inbox {
            messages: v6_messages,
            packets: v6_packets_out,
        },
        v4: Inbox {
            messages: v4_messages,
            packets: v4_packets_out,
        },
    };
    (senders, inboxes)
}

impl Bus {
    /// Tells the DHCPv6 relay's room.
    pub fn relay6(&self, message: Relay6Message) {
        let _ = self.relays.v6.send(message);
    }

    /// Tells the DHCPv4 relay's room.
    pub fn relay4(&self, message: Relay4Message) {
        let _ = self.relays.v4.send(message);
    }

    /// Where DHCP is relayed from now on.
    pub fn set_relaying(&self, relaying: Relaying) {
        self.relays.relaying.store(Arc::new(relaying));
    }

    /// Asks the DHCPv6 relay's room; `None` when it does not answer.
    pub async fn ask_relay6<T: Send + 'static>(
        &self,
        question: impl FnOnce(&relay6::Machine) -> T + Send + 'static,
    ) -> Option<T> {
        let (question, answer) = asked(question);
        self.relay6(Relay6Message::Ask(question));
        answer.await.ok()
    }

    /// Asks the DHCPv4 relay's room; `None` when it does not answer.
    pub async fn ask_relay4<T: Send + 'static>(
        &self,
        question: impl FnOnce(&relay4::Machine) -> T + Send + 'static,
    ) -> Option<T> {
        let (question, answer) = asked(question);
        self.relay4(Relay4Message::Ask(question));
        answer.await.ok()
    }

    /// Offers a DHCPv6 message to the relay if it is the relay's: all on its links, and Relay-replies. Otherwise it comes back.
    pub(super) fn offer_relay6(&self, packet: Packet) -> Option<Packet> {
        let relaying = self.relays.relaying.load();
        let is_reply = || first_octet(&packet) == Some(RELAY_REPLY);
        let is_for_it = relaying.v6.contains(&packet.iface)
            || (relaying.v6_routers.contains(&packet.vrf) && is_reply());
        if !is_for_it {
            return Some(packet);
        }
        self.offer(&self.relays.v6_packets, packet);
        None
    }

    /// Offers a DHCPv4 message to the relay if it is the relay's: all on its links, and answers of servers. Otherwise it comes
    /// back.
    pub(super) fn offer_relay4(&self, packet: Packet) -> Option<Packet> {
        let relaying = self.relays.relaying.load();
        let is_reply = || first_octet(&packet) == Some(BOOT_REPLY);
        let is_for_it = relaying.v4.contains(&packet.iface)
            || (relaying.v4_routers.contains(&packet.vrf) && is_reply());
        if !is_for_it {
            return Some(packet);
        }
        self.offer(&self.relays.v4_packets, packet);
        None
    }
}

fn asked<M: 'static, T: Send + 'static>(
    question: impl FnOnce(&M) -> T + Send + 'static,
) -> (Question<M>, oneshot::Receiver<T>) {
    let (reply, answer) = oneshot::channel();
    let ask = move |machine: &M| {
        let _ = reply.send(question(machine));
    };
    (Question(Box::new(ask)), answer)
}

/// The first octet behind the UDP header.
fn first_octet(packet: &Packet) -> Option<u8> {
    let datagram = udp::Datagram::parse(&packet.bytes).ok()?;
    datagram.payload.first().copied()
}

/// The MAC of a group's address, if it is one.
pub(crate) fn group_mac(destination: IpAddr) -> Option<wire::MacAddr> {
    match destination {
        IpAddr::V6(group) if group.is_multicast() => {
            Some(wire::MacAddr::for_ipv6_multicast(&group))
        }
        _ => None,
    }
}
