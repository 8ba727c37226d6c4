//! Addresses that are asked for before they are offered (RFC 2131 section 2.2): the Discover waits meanwhile.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use tables::id::IfaceId;
use wire::MacAddr;

use super::client;
use super::link::LinkId;
use super::packet::Message;
use super::sm::{Action, Datagram, Machine, Notice};
use crate::timers::Timers;
use lease::{ClientId, Resource, Wall};

/// Most addresses asked for at a time; further ones are offered unasked.
const MAX_PROBES: usize = 1024;
/// How many addresses are tried for one Discover.
const MAX_TRIES: u8 = 3;

/// An address on an interface: another link's may be the same.
type Asked = (IfaceId, Ipv4Addr);

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Probes {
    waiting: BTreeMap<Asked, Waiting>,
    /// Which address each client waits for.
    by_client: BTreeMap<(IfaceId, ClientId), Ipv4Addr>,
    timers: Timers<Asked>,
}

#[derive(Debug)]
struct Waiting {
    client: ClientId,
    mac: Option<MacAddr>,
    tries: u8,
    question: Question,
}

/// A Discover or a Request, kept.
#[derive(Clone, Debug)]
pub(super) struct Question {
    iface: IfaceId,
    src_mac: MacAddr,
    src: Ipv4Addr,
    src_port: u16,
    dst: Ipv4Addr,
    payload: Vec<u8>,
}

impl Question {
    pub(super) fn new(datagram: &Datagram<'_>) -> Self {
        Question {
            iface: datagram.iface,
            src_mac: datagram.src_mac,
            src: datagram.src,
            src_port: datagram.src_port,
            dst: datagram.dst,
            payload: datagram.payload.to_vec(),
        }
    }

    /// Where it came in.
    pub(super) fn arrival(&self) -> LinkId {
        LinkId::Iface(self.iface)
    }

    fn datagram(&self) -> Datagram<'_> {
        Datagram {
            iface: self.iface,
            src_mac: self.src_mac,
            src: self.src,
            src_port: self.src_port,
            dst: self.dst,
            payload: &self.payload,
        }
    }
}

/// What a Discover has behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tried {
    /// The address that nobody answered for.
    pub free: Option<Ipv4Addr>,
    /// How many addresses somebody answered for.
    pub taken: u8,
    /// How often the other router of the pair was asked.
    pub asked: u8,
    /// What that one has not allowed.
    pub refused: Option<Ipv4Addr>,
}

impl Probes {
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Whether one more address can be asked for.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < MAX_PROBES
    }

    /// How many addresses are being asked for.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

impl Machine {
    /// Lets a Discover or a Request wait for an answer about `address`.
    #[expect(
        clippy::too_many_arguments,
        reason = "one caller, and all belong to one question"
    )]
    pub(super) fn probe(
        &mut self,
        link: LinkId,
        address: Ipv4Addr,
        (client, mac): (ClientId, Option<MacAddr>),
        tries: u8,
        wait: Duration,
        datagram: &Datagram<'_>,
        out: &mut Vec<Action>,
    ) {
        let question = Question::new(datagram);
        let waiting = Waiting {
            client,
            mac,
            tries,
            question,
        };
        let LinkId::Iface(iface) = link else { return };
        let asked = (iface, address);
        self.forget_probe(asked);
        let asker = (iface, waiting.client.clone());
        self.probes.by_client.insert(asker, address);
        self.probes.waiting.insert(asked, waiting);
        self.probes.timers.arm(asked, self.clock.0 + wait);
        out.push(Action::Probe { iface, address });
    }

    /// A message of a client that waits already takes the place of its earlier one; whether there is one.
    pub(super) fn waits(
        &mut self,
        link: LinkId,
        message: &Message<'_>,
        datagram: &Datagram<'_>,
    ) -> bool {
        let LinkId::Iface(iface) = link else {
            return false;
        };
        let asker = (iface, client::holder(message).client);
        let asked = self.probes.by_client.get(&asker).map(|a| (iface, *a));
        let Some(waiting) = asked.and_then(|asked| self.probes.waiting.get_mut(&asked)) else {
            return false;
        };
        datagram.payload.clone_into(&mut waiting.question.payload);
        true
    }

    /// Somebody has answered for an address.
    pub(super) fn probe_result(
        &mut self,
        iface: IfaceId,
        address: Ipv4Addr,
        by: MacAddr,
        out: &mut Vec<Action>,
    ) {
        let asked = (iface, address);
        let waiting = self.probes.waiting.get(&asked);
        // The client itself, which has not forgotten it, is welcome to it.
        if waiting.is_none_or(|waiting| waiting.mac == Some(by)) {
            return;
        }
        let Some(waiting) = self.forget_probe(asked) else {
            return;
        };
        let Some(link) = self.links.get_mut(&LinkId::Iface(iface)) else {
            return;
        };
        link.counters.conflicts += 1;
        let now = Wall::from(self.clock.1);
        let quarantine = link.config.quarantine;
        let (realm, resource) = (link.realm, Resource::V4(address));
        let write = self.book.decline(realm, resource, now, quarantine);
        out.extend(write.map(Action::Write));
        out.push(Action::Notice(Notice::Conflict { address, by }));
        let taken = waiting.tries + 1;
        if taken < MAX_TRIES {
            let tried = Tried {
                taken,
                ..Tried::default()
            };
            self.ask_again(&waiting.question, tried, out);
        }
    }

    /// Answers those for whose addresses nobody has answered in time.
    pub(super) fn probe_timer(&mut self, out: &mut Vec<Action>) {
        while let Some(asked) = self.probes.timers.pop_due(self.clock.0) {
            if let Some(waiting) = self.forget_probe(asked) {
                let tried = Tried {
                    free: Some(asked.1),
                    taken: waiting.tries,
                    ..Tried::default()
                };
                self.ask_again(&waiting.question, tried, out);
            }
        }
    }

    fn forget_probe(&mut self, asked: Asked) -> Option<Waiting> {
        self.probes.timers.cancel(asked);
        let waiting = self.probes.waiting.remove(&asked)?;
        let asker = (asked.0, waiting.client.clone());
        self.probes.by_client.remove(&asker);
        Some(waiting)
    }

    pub(super) fn ask_again(&mut self, question: &Question, tried: Tried, out: &mut Vec<Action>) {
        // It was read before; what may have changed is the configuration.
        let _ = self.read(&question.datagram(), Some(tried), out);
    }
}
