//! From a datagram to its answer: envelopes, link, checks, client, exchange, envelopes again.

use std::net::Ipv6Addr;

use super::binding::{Desk, Peer};
use super::borrow::{Asked, Question};
use super::client::{self, Client};
use super::counters::Counters;
use super::exchange;
use super::link::{Link, LinkId};
use super::option::Invalid;
use super::packet::{Message, MessageType};
use super::reconfigure::Contact;
use super::register;
use super::relay::{self, Layer};
use super::reply::{Answer, Status};
use super::settings;
use super::sm::{Action, Datagram, Machine, Via};
use super::writer::Writer;
use crate::pairing::MAX_ASKED;
use lease::{ClientId, NextHop, Wall};

/// Clients' port (RFC 8415 section 7.2).
pub(super) const CLIENT_PORT: u16 = 546;
/// Servers' and relays' port.
pub(super) const SERVER_PORT: u16 = 547;
/// Most link-addresses remembered.
const MAX_ADDRESSES: usize = 4096;

impl Machine {
    pub(super) fn receive(&mut self, datagram: &Datagram<'_>, out: &mut Vec<Action>) {
        let arrival = LinkId::Iface(datagram.iface);
        if let Err(invalid) = self.read(arrival, datagram, Asked::default(), out) {
            self.counters_of(arrival).count_invalid(invalid.label());
        }
    }

    fn counters_of(&mut self, link: LinkId) -> &mut Counters {
        match self.links.get_mut(&link) {
            Some(link) => &mut link.counters,
            None => &mut self.elsewhere,
        }
    }

    /// Reads and serves a datagram that has asked the other router of the pair, or has not.
    pub(super) fn read(
        &mut self,
        arrival: LinkId,
        datagram: &Datagram<'_>,
        asked: Asked,
        out: &mut Vec<Action>,
    ) -> Result<(), Invalid> {
        let source = datagram.src;
        if source.is_multicast() || source.is_unspecified() || source.is_loopback() {
            return Err(Invalid::Source);
        }
        let (layers, inner) = relay::unwrap(datagram.payload)?;
        let Some(here) = self.links.get(&arrival) else {
            self.elsewhere.unknown_link += 1;
            return Ok(());
        };
        if self.silent.contains(&arrival) {
            self.counters_of(arrival).not_serving += 1;
            return Ok(());
        }
        if !layers.is_empty() && !here.config.relays.allow(source) {
            return Err(Invalid::UntrustedRelay);
        }
        let message = Message::read(inner)?;
        // RFC 9686 section 4.2.1: who registers an address has it, as far as the packet shows.
        let sender = layers.last().map_or(source, |layer| layer.peer_address);
        if message.registered.is_some_and(|of| of.address != sender) {
            return Err(Invalid::ForeignAddress);
        }
        let Some(id) = self.link_of_client(arrival, &layers) else {
            self.counters_of(arrival).unknown_link += 1;
            return Ok(());
        };
        let is_ours = message
            .server_id
            .is_none_or(|duid| duid == self.identity.duid);
        let counters = self.counters_of(id);
        if asked.times == 0 {
            count(counters, message.kind);
            counters.relayed += u64::from(!layers.is_empty());
        }
        if !is_ours {
            counters.other_server += 1;
            return Ok(());
        }
        if layers.is_empty() && !datagram.dst.is_multicast() {
            return self.unicast(id, datagram, &message, out);
        }
        if self.may_serve(id, message.kind) {
            self.serve(id, datagram, &layers, &message, asked, out);
        }
        Ok(())
    }

    /// The link of the client: that of the link-address closest to it, in the router of the interface (RFC 8415 section 13.1).
    fn link_of_client(&mut self, arrival: LinkId, layers: &[Layer<'_>]) -> Option<LinkId> {
        let Some(address) = client::link_address(layers) else {
            return Some(arrival);
        };
        let vrf = self.links.get(&arrival)?.vrf;
        if let Some(link) = self.by_address.get(&(vrf, address)) {
            return Some(*link);
        }
        let has = |(_, link): &(&LinkId, &Link)| link.vrf == vrf && link.has_link_address(address);
        let (link, _) = self.links.iter().find(has)?;
        if self.by_address.len() >= MAX_ADDRESSES {
            self.by_address.clear();
        }
        self.by_address.insert((vrf, address), *link);
        Some(*link)
    }

    /// RFC 8415 section 18.4: a client that was never told to use unicast is told not to, with nothing else in the answer.
    /// RFC 9915 has dropped that status, for its clients never use unicast; to those of RFC 8415 it still is a help.
    fn unicast(
        &mut self,
        id: LinkId,
        datagram: &Datagram<'_>,
        message: &Message<'_>,
        out: &mut Vec<Action>,
    ) -> Result<(), Invalid> {
        use MessageType::*;
        match message.kind {
            Solicit | Confirm | Rebind | InformationRequest | AddrRegInform => {
                return Err(Invalid::Unicast);
            }
            Request | Renew | Release | Decline => {}
        }
        self.counters_of(id).use_multicast += 1;
        let answer = Answer {
            status: Some(Status::UseMulticast),
            ..Answer::new(super::packet::REPLY)
        };
        self.send(id, datagram, &[], message, None, &answer, false, out);
        Ok(())
    }

    /// Whether leases can be given and taken now; the message is counted when not.
    fn may_serve(&mut self, id: LinkId, kind: MessageType) -> bool {
        if matches!(kind, MessageType::InformationRequest | MessageType::Confirm) {
            return true;
        }
        let (now, _) = self.clock;
        let is_loaded = self.is_loaded();
        let stores = self.refuse_until.is_none_or(|until| until <= now);
        let counters = self.counters_of(id);
        counters.not_loaded += u64::from(!is_loaded);
        counters.not_stored += u64::from(is_loaded && !stores);
        is_loaded && stores
    }

    fn serve(
        &mut self,
        id: LinkId,
        datagram: &Datagram<'_>,
        layers: &[Layer<'_>],
        message: &Message<'_>,
        asked: Asked,
        out: &mut Vec<Action>,
    ) {
        let peer = Peer {
            may_ask: self.pairing.is_up() && asked.times < MAX_ASKED,
            is_known: self.knows_all(),
            refused: asked.refused,
        };
        let arrival = self.links.get(&LinkId::Iface(datagram.iface));
        let iface = arrival.map(|link| link.name.clone()).unwrap_or_default();
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let realm = link.realm;
        let client = client(link, iface, datagram, layers, message);
        let reservation = client.reservation;
        let config = &link.config;
        if config.reserved_only && reservation.is_none() {
            link.counters.not_reserved += 1;
            return;
        }
        if let Some(registered) = &message.registered {
            let now = Wall::from(self.clock.1);
            let is_heard = register::register(link, &mut self.book, now, &client, registered, out);
            if is_heard {
                let answer = Answer::new(super::packet::ADDR_REG_REPLY);
                self.send(id, datagram, layers, message, None, &answer, true, out);
            }
            return;
        }
        if asked.times == 0
            && let Some(earlier) = self.questions.of_client(realm, &client.id)
        {
            *earlier = Question::new(datagram, asked);
            return;
        }
        let accepts = config.reconfigure && message.reconfigure_accept;
        let duid = message.client_id.filter(|_| accepts);
        let key = duid.map(|duid| self.identity.secret.key(duid));
        let rapid = message.rapid_commit && config.rapid_commit;
        let before = out.len();
        // What the message does is taken back when it has to wait, or is not to be answered.
        let counters = (!peer.is_known || peer.may_ask).then(|| link.counters.clone());
        let mut desk = Desk {
            link,
            book: &mut self.book,
            random: &mut self.random,
            wall: self.clock.1,
            client: &client,
            message,
            commits: message.kind != MessageType::Solicit || rapid,
            key,
            peer,
            borrows: None,
            is_withheld: false,
            offered: Vec::new(),
            out,
        };
        let answer = exchange::answer(&mut desk);
        desk.forget_offers();
        let (is_withheld, borrows) = (desk.is_withheld, desk.borrows.take());
        if is_withheld || borrows.is_some() {
            for action in out.drain(before..).rev() {
                if let Action::Write(write) = action {
                    self.book.undo(&write);
                }
            }
            if let (Some(link), Some(counters)) = (self.links.get_mut(&id), counters) {
                link.counters = counters;
                link.counters.left_to_peer += u64::from(is_withheld);
            }
            if let Some(lease) = borrows.filter(|_| !is_withheld) {
                self.ask(id, lease, Question::new(datagram, asked), out);
            }
            return;
        }
        let Some(mut answer) = answer else { return };
        // An Advertise promises nothing. A Reply may speak of a lease that an earlier message asked to be written.
        let speaks_of_leases = !answer.ias.is_empty();
        let after_commit = answer.kind == super::packet::REPLY
            && (speaks_of_leases || out[before..].iter().any(is_durable));
        if message.client_id.is_some() {
            self.has_come(id, &(realm, client.id.clone()), message.kind);
        }
        if let Some(key) = key {
            // RFC 8415 section 20.4.2: with what begins an exchange, not with what continues it.
            if answer.reconfigure_accept && begins(message.kind, &answer) {
                answer.key = Some((self.reconfigures.replay(self.clock.1), key));
            }
            let contact = Contact::new(id, datagram, layers);
            self.reconfigures.note((realm, client.id), contact);
        }
        self.send(
            id,
            datagram,
            layers,
            message,
            reservation,
            &answer,
            after_commit,
            out,
        );
    }

    /// Sends an answer the way that its question came.
    #[expect(
        clippy::too_many_arguments,
        reason = "one caller more, and all belong to one question"
    )]
    fn send(
        &mut self,
        id: LinkId,
        datagram: &Datagram<'_>,
        layers: &[Layer<'_>],
        message: &Message<'_>,
        reservation: Option<usize>,
        answer: &Answer,
        after_commit: bool,
        out: &mut Vec<Action>,
    ) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let own = reservation.and_then(|i| link.config.reservations.get(i));
        let own = own.map_or(&[][..], |reservation| &reservation.options);
        let (settings, duid) = (&link.config.settings, &self.identity.duid);
        let mut w = Writer::new();
        relay::wrap(layers, &mut w, &mut |w| {
            answer.write(w, message, duid, settings, own);
        });
        let Some(payload) = w.finish() else {
            link.counters.reply_too_big += 1;
            return;
        };
        match answer.kind {
            super::packet::ADVERTISE => link.counters.advertises += 1,
            super::packet::ADDR_REG_REPLY => link.counters.addr_reg_replies += 1,
            _ => link.counters.replies += 1,
        }
        let (via, dst_port) = way(datagram, layers, link);
        out.push(Action::Send {
            via,
            src: Some(datagram.dst).filter(|dst| !dst.is_multicast()),
            dst: datagram.src,
            dst_port,
            payload,
            after_commit,
        });
    }
}

/// How an answer reaches who sent `datagram` (RFC 8415 section 18.3.10), and at which port.
pub(super) fn way(datagram: &Datagram<'_>, layers: &[Layer<'_>], link: &Link) -> (Via, u16) {
    let neighbour = Via::Link {
        iface: datagram.iface,
        mac: Some(datagram.src_mac).filter(|mac| mac.is_station()),
    };
    match layers.first() {
        None => (neighbour, CLIENT_PORT),
        Some(relay) => {
            let via = if datagram.src.is_unicast_link_local() {
                neighbour
            } else {
                Via::Routed { vrf: link.vrf }
            };
            // RFC 8357 section 5.1.
            let port = relay.source_port.map_or(SERVER_PORT, |_| datagram.src_port);
            (via, port)
        }
    }
}

fn client(
    link: &Link,
    iface: Box<str>,
    datagram: &Datagram<'_>,
    layers: &[Layer<'_>],
    message: &Message<'_>,
) -> Client {
    // Clients that ask for settings alone may be nameless; no lease is made for them.
    let duid = message.client_id.unwrap_or(&[0]);
    let mac = client::mac(layers, datagram.src_mac, duid);
    let domain = link.config.settings.fqdn_domain.as_deref();
    let id = match ClientId::new(duid) {
        Ok(id) => id,
        Err(_) => unreachable!("the reader lets in DUIDs of 3 to 130 octets"),
    };
    Client {
        id,
        mac,
        reservation: client::reservation(link, layers, mac, duid),
        next_hop: NextHop {
            iface,
            address: next_hop(datagram.src, layers),
        },
        hostname: message
            .fqdn
            .and_then(|fqdn| settings::hostname(&fqdn, domain)),
        relay: client::relay(layers),
    }
}

/// The client itself, or the relay that is a router for it (RFC 8987 section 3.1): with relays in a row the outermost, by which
/// the others are reached.
fn next_hop(source: Ipv6Addr, layers: &[Layer<'_>]) -> Ipv6Addr {
    match layers {
        // A lightweight relay is a bridge, and the client the neighbour behind it (RFC 6221).
        [layer] if layer.link_address.is_unspecified() => layer.peer_address,
        _ => source,
    }
}

fn is_durable(action: &Action) -> bool {
    matches!(action, Action::Write(write) if write.is_durable())
}

fn begins(kind: MessageType, answer: &Answer) -> bool {
    let is_reply = answer.kind == super::packet::REPLY;
    is_reply
        && matches!(
            kind,
            MessageType::Solicit | MessageType::Request | MessageType::InformationRequest
        )
}

fn count(counters: &mut Counters, kind: MessageType) {
    *match kind {
        MessageType::Solicit => &mut counters.solicits,
        MessageType::Request => &mut counters.requests,
        MessageType::Confirm => &mut counters.confirms,
        MessageType::Renew => &mut counters.renews,
        MessageType::Rebind => &mut counters.rebinds,
        MessageType::Release => &mut counters.releases,
        MessageType::Decline => &mut counters.declines,
        MessageType::InformationRequest => &mut counters.information_requests,
        MessageType::AddrRegInform => &mut counters.addr_reg_informs,
    } += 1;
}
