//! The other router of a pair: what it is told, what becomes of what it tells, and messages that wait for its word.

use std::net::Ipv4Addr;

use super::link::LinkId;
use super::probe::{Question, Tried};
use super::sm::{Action, Machine, Notice};
use crate::pairing::{PairEvent, Wanted};
use lease::sync::Message;
use lease::{Adoption, Lease, RealmId, Resource, Standing, State, Wall, Write};

/// Leases told at once; the rest has its own event.
const TELL_AT_ONCE: usize = 256;
/// Seconds that what was asked for is kept from others.
const KEPT_FOR: u32 = 10;

impl Machine {
    pub(super) fn pair(&mut self, event: PairEvent, out: &mut Vec<Action>) {
        match event {
            PairEvent::Standing(standing) => {
                self.book.set_standing(standing);
                self.look_at_all_again(out);
            }
            PairEvent::Up => self.pairing.up(),
            PairEvent::Down => {
                self.pairing.down();
                self.look_at_all_again(out);
            }
            PairEvent::More => {
                let messages = self.pairing.more(&self.book, TELL_AT_ONCE);
                out.extend(messages.into_iter().map(Action::Tell));
            }
            // What is not loaded cannot be compared; the channel is to come later.
            PairEvent::Told(_) if !self.is_loaded => {}
            PairEvent::Told(message) => self.told(message, out),
        }
    }

    fn told(&mut self, message: Message, out: &mut Vec<Action>) {
        match message {
            Message::Lease(lease) => self.adopt(*lease, out),
            Message::Ack {
                realm,
                resource,
                stamp,
                ended,
                has,
            } => {
                if has {
                    self.book.acked(realm, resource, stamp, ended);
                }
            }
            Message::Ask(lease) => self.lend(*lease, out),
            Message::No { realm, resource } => self.refused((realm, resource), out),
            Message::End(_) => out.push(Action::Tell(self.pairing.heard())),
            Message::Met(_) => self.pairing.was_heard(),
        }
    }

    /// Tells the other router what an event has changed, but for what it has told itself.
    pub(super) fn tell_writes(&self, from: usize, out: &mut Vec<Action>) {
        if !self.pairing.is_up() {
            return;
        }
        let is_news = |write: &Write| {
            let (realm, resource) = (write.realm, write.resource);
            let after = write.after.as_ref().filter(|_| write.is_durable())?;
            let is_last = self.book.get(realm, resource) == Some(after);
            (is_last && !self.book.is_acked(realm, resource) && after.state != State::Offered)
                .then(|| Message::Lease(Box::new(after.clone())))
        };
        let news: Vec<Action> = out[from..]
            .iter()
            .filter_map(|action| match action {
                Action::Write(write) => is_news(write).map(Action::Tell),
                _ => None,
            })
            .collect();
        out.extend(news);
    }

    /// Takes a lease over, unless the own one is the later.
    fn adopt(&mut self, lease: Lease, out: &mut Vec<Action>) {
        let now = Wall::from(self.clock.1);
        let wanted = (lease.realm(), lease.resource);
        let ack = |has| Action::Tell(Message::ack(&lease, has));
        match self.book.adopt(lease.clone(), now) {
            Adoption::Taken(write) => {
                self.note_adoption(&write, now, out);
                out.push(Action::Write(write));
                out.push(ack(true));
            }
            Adoption::Known => out.push(ack(true)),
            Adoption::Early => out.push(ack(false)),
            Adoption::Older => {
                out.push(ack(false));
                out.extend(self.known(wanted).map(Action::Tell));
            }
        }
        self.look_again(wanted, None, out);
    }

    fn known(&self, (realm, resource): (RealmId, Resource)) -> Option<Message> {
        let known = self.book.get(realm, resource);
        let known = known.filter(|known| known.state != State::Offered)?;
        Some(Message::Lease(Box::new(known.clone())))
    }

    fn note_adoption(&mut self, write: &Write, now: Wall, out: &mut Vec<Action>) {
        if let Some(link) = self.link_of(write.after.as_ref()) {
            link.counters.leases_adopted += 1;
        }
        if let (Some(before), Some(after)) = (&write.before, &write.after)
            && before.state == State::Bound
            && now < before.ends
            && after.state == State::Bound
            && before.holder != after.holder
        {
            out.push(Action::Notice(Notice::TwoHolders {
                resource: write.resource,
                from: before.holder.client.clone(),
                to: after.holder.client.clone(),
            }));
        }
    }

    /// Makes a lease of the own half for a client of the other router, if nothing stands against it; one that the client has here goes
    /// on, when it has run out there. It is told as any lease is.
    fn lend(&mut self, mut lease: Lease, out: &mut Vec<Action>) {
        let now = Wall::from(self.clock.1);
        let wanted = (lease.realm(), lease.resource);
        let known = self.book.get(wanted.0, wanted.1);
        let known = known.filter(|known| known.state != State::Offered);
        let is_later = known.is_some_and(|known| lease.stamp <= known.stamp);
        let his = known.filter(|known| {
            known.state == State::Bound && known.holder == lease.holder && now < known.ends
        });
        let has_it = his.is_some();
        if let Some(his) = his {
            lease.preferred_until = lease.preferred_until.max(his.preferred_until);
            lease.ends = lease.ends.max(his.ends);
        }
        let stores = self.refuse_until.is_none_or(|until| until <= self.clock.0);
        let may_have = has_it || self.has_room_for(&lease) && self.book.may_lend(&lease);
        if is_later || !(stores && may_have && now < lease.ends) {
            out.extend(self.known(wanted).map(Action::Tell));
            let (realm, resource) = wanted;
            return out.push(Action::Tell(Message::No { realm, resource }));
        }
        let write = self.book.lend(lease);
        if let Some(link) = self.link_of(write.after.as_ref()) {
            link.counters.leases_lent += 1;
        }
        out.push(Action::Write(write));
    }

    /// How the server stands to the other one of the pair.
    pub fn standing(&self) -> Standing {
        self.book.standing()
    }

    // ===== messages that wait =====

    /// Asks the other router for a lease of its half; the message waits.
    pub(super) fn ask(
        &mut self,
        id: LinkId,
        lease: Lease,
        question: (Question, u8),
        out: &mut Vec<Action>,
    ) {
        let wanted = (lease.realm(), lease.resource);
        let has_room = self.questions.has_room();
        if let Some(link) = self.links.get_mut(&id) {
            link.counters.asked_peer += u64::from(question.1 == 0);
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
    fn refused(&mut self, wanted: Wanted, out: &mut Vec<Action>) {
        self.forget_wanted(wanted, out);
        let (_, resource) = wanted;
        let refused = match resource {
            Resource::V4(address) => Some(address),
            Resource::V6(_) | Resource::Prefix(_) => None,
        };
        self.look_again(wanted, refused, out);
    }

    /// Looks anew at the message that waits for a resource.
    fn look_again(&mut self, wanted: Wanted, refused: Option<Ipv4Addr>, out: &mut Vec<Action>) {
        if let Some((question, asked)) = self.questions.take(wanted) {
            let tried = Tried {
                free: match wanted.1 {
                    Resource::V4(address) => Some(address),
                    Resource::V6(_) | Resource::Prefix(_) => None,
                },
                asked: asked + 1,
                refused,
                ..Tried::default()
            };
            self.ask_again(&question, tried, out);
        }
    }

    /// Looks anew at all messages that wait: there is nobody to wait for.
    fn look_at_all_again(&mut self, out: &mut Vec<Action>) {
        for wanted in self.questions.wanted() {
            self.forget_wanted(wanted, out);
            self.look_again(wanted, None, out);
        }
    }

    fn forget_wanted(&mut self, (realm, resource): Wanted, out: &mut Vec<Action>) {
        let known = self.book.get(realm, resource);
        if known.is_some_and(|lease| lease.state == State::Offered) {
            let now = Wall::from(self.clock.1);
            out.extend(self.book.remove(realm, resource, now).map(Action::Write));
        }
    }

    /// Drops messages that have waited for too long; their clients ask again.
    pub(super) fn question_timer(&mut self) {
        while let Some(wanted) = self.questions.pop_due(self.clock.0) {
            if let Some((question, _)) = self.questions.take(wanted)
                && let Some(link) = self.links.get_mut(&question.arrival())
            {
                link.counters.peer_silent += 1;
            }
        }
    }
}
