//! From a datagram to its answer: relay, link, checks, client, exchange, and the way back.

use std::net::Ipv4Addr;

use tables::id::VrfId;
use wire::MacAddr;

use super::client::{self, Client};
use super::counters::Counters;
use super::exchange::{self, Desk, Outcome, Peer};
use super::link::{Link, LinkId};
use super::option::Invalid;
use super::packet::{ACK, Message, MessageType, NAK, OFFER, is_host};
use super::probe::{Question, Tried};
use super::reply::{Answer, HEADERS};
use super::sm::{Action, Datagram, Machine, Via};
use crate::pairing::MAX_ASKED;
use lease::{State, Wall};

/// Clients' port (RFC 2131 section 4.1).
const CLIENT_PORT: u16 = 68;
/// Servers' and relays' port.
const SERVER_PORT: u16 = 67;
/// Most relay addresses remembered.
const MAX_ADDRESSES: usize = 4096;

/// The client's link, and what told it.
struct Place {
    link: LinkId,
    selector: Option<Ipv4Addr>,
    /// The client is not on the link that the datagram came in by.
    is_far: bool,
}

impl Machine {
    pub(super) fn receive(&mut self, datagram: &Datagram<'_>, out: &mut Vec<Action>) {
        if let Err(invalid) = self.read(datagram, None, out) {
            let arrival = LinkId::Iface(datagram.iface);
            self.counters_of(arrival).count_invalid(invalid.label());
        }
    }

    fn counters_of(&mut self, link: LinkId) -> &mut Counters {
        match self.links.get_mut(&link) {
            Some(link) => &mut link.counters,
            None => &mut self.elsewhere,
        }
    }

    /// Reads and serves a datagram; `tried`: not for the first time.
    pub(super) fn read(
        &mut self,
        datagram: &Datagram<'_>,
        tried: Option<Tried>,
        out: &mut Vec<Action>,
    ) -> Result<(), Invalid> {
        if !datagram.src.is_unspecified() && !is_host(datagram.src) {
            return Err(Invalid::Source);
        }
        let message = Message::read(datagram.payload)?;
        let arrival = LinkId::Iface(datagram.iface);
        if !self.links.contains_key(&arrival) {
            self.elsewhere.unknown_link += 1;
            return Ok(());
        }
        if self.silent.contains(&arrival) {
            self.counters_of(arrival).not_serving += 1;
            return Ok(());
        }
        self.check_relay(arrival, datagram, &message)?;
        let Some(place) = self.place(arrival, datagram, &message) else {
            self.counters_of(arrival).unknown_link += 1;
            return Ok(());
        };
        if tried.is_none() {
            let counters = self.counters_of(place.link);
            count(counters, message.kind);
            counters.relayed += u64::from(message.is_relayed());
        }
        if !self.is_ours(arrival, datagram, &message) {
            self.counters_of(place.link).other_server += 1;
            self.forget_offer(place.link, &message, out);
            return Ok(());
        }
        if self.may_serve(place.link, message.kind) {
            self.serve(&place, datagram, &message, tried.unwrap_or_default(), out);
        }
        Ok(())
    }

    /// RFC 3046 section 2.1: who says that it is a relay must be one.
    fn check_relay(
        &self,
        arrival: LinkId,
        datagram: &Datagram<'_>,
        message: &Message<'_>,
    ) -> Result<(), Invalid> {
        let Some(here) = self.links.get(&arrival) else {
            return Ok(());
        };
        if !message.is_relayed() && message.relay_info.is_none() {
            return Ok(());
        }
        if self.own.contains_key(&(here.vrf, message.giaddr)) {
            return Err(Invalid::RelayAddress);
        }
        if here.config.relays.allow(datagram.src) {
            Ok(())
        } else {
            Err(Invalid::UntrustedRelay)
        }
    }

    /// The link of the client, in the router of the interface: that of the link selection (RFC 3527), else of giaddr, else
    /// that of an address which speaks to us from afar, else where the datagram came in.
    fn place(
        &mut self,
        arrival: LinkId,
        datagram: &Datagram<'_>,
        message: &Message<'_>,
    ) -> Option<Place> {
        let here = self.links.get(&arrival)?;
        let vrf = here.vrf;
        let relay = message
            .is_relayed()
            .then(|| message.agent.link_selection.unwrap_or(message.giaddr));
        // RFC 2131 section 4.3.2: clients renew by unicast, past their relay.
        let from_afar = datagram.src == message.ciaddr
            && !message.ciaddr.is_unspecified()
            && here.subnet_of(message.ciaddr).is_none();
        let told = relay.or(Some(message.ciaddr).filter(|_| from_afar));
        let Some(address) = told else {
            return Some(Place {
                link: arrival,
                selector: None,
                is_far: false,
            });
        };
        let found = self.link_with(vrf, address);
        match found {
            Some(link) if relay.is_some() || matches!(link, LinkId::Remote(_)) => Some(Place {
                link,
                selector: relay,
                is_far: true,
            }),
            // A neighbour with an address of elsewhere: it has moved.
            _ if relay.is_none() => Some(Place {
                link: arrival,
                selector: None,
                is_far: false,
            }),
            _ => None,
        }
    }

    /// The link that an address stands for.
    fn link_with(&mut self, vrf: VrfId, address: Ipv4Addr) -> Option<LinkId> {
        if let Some(link) = self.by_address.get(&(vrf, address)) {
            return Some(*link);
        }
        let has = |(_, link): &(&LinkId, &Link)| link.vrf == vrf && link.has_relay_address(address);
        let (link, _) = self.links.iter().find(has)?;
        if self.by_address.len() >= MAX_ADDRESSES {
            self.by_address.clear();
        }
        self.by_address.insert((vrf, address), *link);
        Some(*link)
    }

    /// Whether the message is not for another server: the one that it names is us, or what a relay said that we are
    /// (RFC 5107).
    fn is_ours(&self, arrival: LinkId, datagram: &Datagram<'_>, message: &Message<'_>) -> bool {
        let vrf = self.links.get(&arrival).map(|link| link.vrf);
        message.server_id.is_none_or(|server| {
            server == datagram.dst
                || message.agent.server_id == Some(server)
                || vrf.is_some_and(|vrf| self.own.contains_key(&(vrf, server)))
        })
    }

    /// A client that has taken another server's offer does not need ours (RFC 2131 section 3.1).
    fn forget_offer(&mut self, id: LinkId, message: &Message<'_>, out: &mut Vec<Action>) {
        let realm = self.links.get(&id).map(|link| link.realm);
        let Some(realm) = realm.filter(|_| message.kind == MessageType::Request) else {
            return;
        };
        let holder = client::holder(message);
        let mut offers = self.book.of_holder(&holder);
        let offered = offers.find(|l| l.state == State::Offered && l.realm() == realm);
        let offered = offered.map(|l| l.resource);
        drop(offers);
        if let Some(resource) = offered {
            let now = Wall::from(self.clock.1);
            let write = self.book.remove(realm, resource, now);
            out.extend(write.map(Action::Write));
        }
    }

    /// Whether leases can be given and taken now; the message is counted when not.
    fn may_serve(&mut self, id: LinkId, kind: MessageType) -> bool {
        if kind == MessageType::Inform {
            return true;
        }
        let (now, _) = self.clock;
        let is_loaded = self.is_loaded;
        let stores = self.refuse_until.is_none_or(|until| until <= now);
        let counters = self.counters_of(id);
        counters.not_loaded += u64::from(!is_loaded);
        counters.not_stored += u64::from(is_loaded && !stores);
        is_loaded && stores
    }

    fn serve(
        &mut self,
        place: &Place,
        datagram: &Datagram<'_>,
        message: &Message<'_>,
        tried: Tried,
        out: &mut Vec<Action>,
    ) {
        let can_probe = self.probes.has_room();
        let may_wait = matches!(message.kind, MessageType::Discover | MessageType::Request);
        let is_first = may_wait && tried == Tried::default();
        if is_first && self.waits(place.link, message, datagram) {
            return;
        }
        let peer = Peer {
            may_ask: self.pairing.is_up() && tried.asked < MAX_ASKED,
            is_known: self.pairing.knows_all(&self.book),
            refused: tried.refused,
        };
        let Some(link) = self.links.get_mut(&place.link) else {
            return;
        };
        let client = Client::new(link, message);
        let id = &client.holder.client;
        if is_first && let Some(earlier) = self.questions.of_client(link.realm, id) {
            earlier.0 = Question::new(datagram);
            return;
        }
        let (before, wait) = (out.len(), link.config.probe);
        let mut desk = Desk {
            link,
            book: &mut self.book,
            random: &mut self.random,
            wall: self.clock.1,
            client: &client,
            message,
            selector: place.selector,
            probed: tried.free,
            can_probe,
            peer,
            out,
        };
        match exchange::serve(&mut desk) {
            Outcome::Silence => {}
            Outcome::Probe(address) => {
                let Some(wait) = wait else { return };
                let asker = (client.holder.client, client.mac);
                if let Some(link) = self.links.get_mut(&place.link) {
                    link.counters.probes += 1;
                }
                self.probe(place.link, address, asker, tried.taken, wait, datagram, out);
            }
            Outcome::Ask(lease) => {
                let question = (Question::new(datagram), tried.asked);
                self.ask(place.link, *lease, question, out);
            }
            Outcome::Answer(answer) => {
                let after_commit = out[before..]
                    .iter()
                    .any(|action| matches!(action, Action::Write(write) if write.is_durable()));
                self.send(
                    place,
                    datagram,
                    message,
                    &client,
                    &answer,
                    after_commit,
                    out,
                );
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one caller, and all belong to one question"
    )]
    fn send(
        &mut self,
        place: &Place,
        datagram: &Datagram<'_>,
        message: &Message<'_>,
        client: &Client,
        answer: &Answer,
        after_commit: bool,
        out: &mut Vec<Action>,
    ) {
        let Some(src) = self.speaks_as(place, datagram, answer) else {
            self.counters_of(place.link).unanswered += 1;
            return;
        };
        let Some(link) = self.links.get_mut(&place.link) else {
            return;
        };
        let reservation = client.reservation;
        let own = reservation.and_then(|i| link.config.reservations.get(i));
        let own = own.map_or(&[][..], |reservation| &reservation.options);
        let (payload, left_out) = answer.write(message, &link.config, own, src);
        let counters = &mut link.counters;
        counters.options_left_out += left_out;
        *match answer.kind {
            OFFER => &mut counters.offers,
            ACK => &mut counters.acks,
            _ => &mut counters.naks,
        } += 1;
        let (via, dst, dst_port) = way(place, datagram, message, answer, link.vrf);
        let is_long = usize::from(link.config.link_mtu) < payload.len() + usize::from(HEADERS);
        if is_long && matches!(via, Via::Link { .. }) {
            link.counters.fragmented += 1;
        }
        out.push(Action::Send {
            via,
            src,
            dst,
            dst_port,
            payload,
            after_commit,
        });
    }

    /// Our address in an answer: the one that was spoken to, else one of the client's subnet, else one of where it came in.
    fn speaks_as(
        &self,
        place: &Place,
        datagram: &Datagram<'_>,
        answer: &Answer,
    ) -> Option<Ipv4Addr> {
        let arrival = self.links.get(&LinkId::Iface(datagram.iface))?;
        if self.own.contains_key(&(arrival.vrf, datagram.dst)) {
            return Some(datagram.dst);
        }
        let link = self.links.get(&place.link)?;
        link.server_address(answer.subnet)
            .or_else(|| arrival.server_address(None))
    }
}

/// How an answer reaches who sent the message (RFC 2131 section 4.1), and at which port.
fn way(
    place: &Place,
    datagram: &Datagram<'_>,
    message: &Message<'_>,
    answer: &Answer,
    vrf: VrfId,
) -> (Via, Ipv4Addr, u16) {
    let neighbour = |mac: Option<MacAddr>| Via::Link {
        iface: datagram.iface,
        mac: mac.unwrap_or(MacAddr::BROADCAST),
    };
    let broadcast = (neighbour(None), Ipv4Addr::BROADCAST, CLIENT_PORT);
    if message.is_relayed() {
        // RFC 8357 section 5.
        let port = match message.agent.source_port {
            true => datagram.src_port,
            false => SERVER_PORT,
        };
        return (Via::Routed { vrf }, message.giaddr, port);
    }
    if answer.kind == NAK && !place.is_far {
        return broadcast;
    }
    if !message.ciaddr.is_unspecified() {
        let via = match place.is_far {
            true => Via::Routed { vrf },
            false => neighbour(Some(datagram.src_mac).filter(|mac| mac.is_station())),
        };
        return (via, message.ciaddr, CLIENT_PORT);
    }
    match message.mac() {
        Some(mac) if !message.broadcast() => (neighbour(Some(mac)), answer.yiaddr, CLIENT_PORT),
        _ => broadcast,
    }
}

fn count(counters: &mut Counters, kind: MessageType) {
    *match kind {
        MessageType::Discover => &mut counters.discovers,
        MessageType::Request => &mut counters.requests,
        MessageType::Decline => &mut counters.declines,
        MessageType::Release => &mut counters.releases,
        MessageType::Inform => &mut counters.informs,
    } += 1;
}
