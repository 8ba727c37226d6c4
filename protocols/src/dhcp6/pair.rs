//! The other router of a pair: what it is told, and what becomes of what it tells.

use super::sm::{Action, Machine, Notice};
use crate::pairing::PairEvent;
use lease::sync::Message;
use lease::{Adoption, Lease, NextHop, RealmId, Resource, Standing, State, Wall, Write};

/// Leases told at once; the rest has its own event.
const TELL_AT_ONCE: usize = 256;

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
            PairEvent::Told(_) if !self.is_loaded() => {}
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

    /// Takes a lease over, unless the own one is the later. A route to a delegated prefix is there at once, whether its link is
    /// served here or not: packets for it that come to this router have nowhere else to go, and a switch needs no time.
    fn adopt(&mut self, lease: Lease, out: &mut Vec<Action>) {
        let now = Wall::from(self.clock.1);
        let wanted = (lease.realm(), lease.resource);
        let ack = |has| Action::Tell(Message::ack(&lease, has));
        match self.book.adopt(lease.clone(), now) {
            Adoption::Taken(write) => {
                self.note_adoption(&write, now, out);
                self.put_with_route(write, now, out);
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

    /// Asks to store a lease that was put, and then to make the route to it, or to take it away.
    pub(super) fn put_with_route(&mut self, write: Write, now: Wall, out: &mut Vec<Action>) {
        let resource = write.resource;
        let is_bound = |lease: &&Lease| lease.state == State::Bound && now < lease.ends;
        let was_routed = matches!(&write.before, Some(l) if l.state == State::Bound);
        let bound = write.after.as_ref().filter(is_bound);
        let next_hop = bound.and_then(|l| Some((NextHop::clone(l.next_hop.as_ref()?), l.ends)));
        let vrf = self.link_of(write.after.as_ref()).map(|link| link.vrf);
        out.push(Action::Write(write));
        let (Resource::Prefix(prefix), Some(vrf)) = (resource, vrf) else {
            return;
        };
        match next_hop {
            Some((next_hop, until)) => out.push(Action::RouteUp {
                prefix,
                vrf,
                next_hop,
                until,
            }),
            None if was_routed => out.push(Action::RouteDown { prefix, vrf }),
            None => {}
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
        self.put_with_route(write, now, out);
    }

    /// Whether this server gives everything that is not known to be somebody else's.
    pub(super) fn knows_all(&self) -> bool {
        self.pairing.knows_all(&self.book)
    }

    /// How the server stands to the other one of the pair.
    pub fn standing(&self) -> Standing {
        self.book.standing()
    }
}
