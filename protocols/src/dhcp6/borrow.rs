//! A client's message that waits until the other router of the pair allows what it is to get: something of its half.

use std::net::Ipv6Addr;

use tables::id::IfaceId;
use wire::MacAddr;

use super::link::LinkId;
use super::sm::{Action, Datagram, Machine};
use crate::pairing::Wanted;
use lease::sync::Message;
use lease::{Lease, Resource, State, Wall};

/// Seconds that what was asked for is kept from others.
const KEPT_FOR: u32 = 10;

/// A datagram, kept.
#[derive(Clone, Debug)]
pub(super) struct Question {
    iface: IfaceId,
    src_mac: MacAddr,
    src: Ipv6Addr,
    src_port: u16,
    dst: Ipv6Addr,
    payload: Box<[u8]>,
    asked: Asked,
}

/// What a message has asked the other router.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// How often.
    pub times: u8,
    /// What it was not allowed.
    pub refused: Option<Resource>,
}

impl Question {
    pub(super) fn new(datagram: &Datagram<'_>, asked: Asked) -> Self {
        Question {
            iface: datagram.iface,
            src_mac: datagram.src_mac,
            src: datagram.src,
            src_port: datagram.src_port,
            dst: datagram.dst,
            payload: datagram.payload.into(),
            asked,
        }
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

impl Machine {
    /// Asks the other router for a lease of its half; the message waits.
    pub(super) fn ask(
        &mut self,
        id: LinkId,
        lease: Lease,
        question: Question,
        out: &mut Vec<Action>,
    ) {
        let wanted = (lease.realm(), lease.resource);
        let has_room = self.questions.has_room();
        if let Some(link) = self.links.get_mut(&id) {
            link.counters.asked_peer += u64::from(question.asked.times == 0);
            link.counters.peer_silent += u64::from(!has_room);
        }
        if !has_room {
            return;
        }
        if self.book.get(wanted.0, wanted.1).is_none() {
            // Nobody else is given it meanwhile.
            let offer = Lease {
                state: State::Offered,
                ends: Wall::from(self.clock.1).after(KEPT_FOR),
                ..lease.clone()
            };
            out.push(Action::Write(self.book.put(offer)));
        }
        let lease = self.book.propose(lease);
        let client = lease.holder.client.clone();
        self.questions.put(wanted, client, question, self.clock.0);
        out.push(Action::Tell(Message::Ask(Box::new(lease))));
    }

    /// The other router does not allow it: the message is looked at anew.
    pub(super) fn refused(&mut self, wanted: Wanted, out: &mut Vec<Action>) {
        self.forget_offer(wanted, out);
        self.look_again(wanted, Some(wanted.1), out);
    }

    /// Looks anew at the message that waits for a resource.
    pub(super) fn look_again(
        &mut self,
        wanted: Wanted,
        refused: Option<Resource>,
        out: &mut Vec<Action>,
    ) {
        if let Some(question) = self.questions.take(wanted) {
            let arrival = LinkId::Iface(question.iface);
            let times = question.asked.times + 1;
            let asked = Asked { times, refused };
            // It was read before; what may have changed is the configuration.
            let _ = self.read(arrival, &question.datagram(), asked, out);
        }
    }

    /// Looks anew at all messages that wait: there is nobody to wait for.
    pub(super) fn look_at_all_again(&mut self, out: &mut Vec<Action>) {
        for wanted in self.questions.wanted() {
            self.forget_offer(wanted, out);
            self.look_again(wanted, None, out);
        }
    }

    /// Drops messages that have waited for too long; their clients ask again.
    pub(super) fn question_timer(&mut self) {
        while let Some(wanted) = self.questions.pop_due(self.clock.0) {
            if let Some(question) = self.questions.take(wanted)
                && let Some(link) = self.links.get_mut(&LinkId::Iface(question.iface))
            {
                link.counters.peer_silent += 1;
            }
        }
    }

    fn forget_offer(&mut self, (realm, resource): Wanted, out: &mut Vec<Action>) {
        let known = self.book.get(realm, resource);
        if known.is_some_and(|lease| lease.state == State::Offered) {
            let now = Wall::from(self.clock.1);
            out.extend(self.book.remove(realm, resource, now).map(Action::Write));
        }
    }
}
