//! From an identity association to leases: which are made, last longer, and end. `choice.rs` says which.

use std::time::SystemTime;

use super::choice::Source;
use super::client::Client;
use super::link::Link;
use super::packet::{Asked, Ia, IaKind, Message};
use super::reply::{Granted, IaAnswer, Status};
use super::sm::{Action, Notice};
use crate::Random;
use lease::{Book, Holder, Kind, Lease, Resource, State, Wall, Write};

/// What one message of one client works with.
pub(super) struct Desk<'a> {
    pub link: &'a mut Link,
    pub book: &'a mut Book,
    pub random: &'a mut Random,
    pub wall: SystemTime,
    pub client: &'a Client,
    pub message: &'a Message<'a>,
    /// Whether leases are made, or only offered.
    pub commits: bool,
    /// The key for Reconfigure messages, kept with the lease.
    pub key: Option<[u8; 16]>,
    /// The other router of the pair, if there is one.
    pub peer: Peer,
    /// A lease of the other router's half that the client is to get: nothing of the message is done before that router allows it.
    pub borrows: Option<Lease>,
    /// The client would be told that something is not its own, and the other router may know better.
    pub is_withheld: bool,
    /// What an offer has put into the book for a moment, so that no resource is offered to two associations of one message.
    pub offered: Vec<Write>,
    pub out: &'a mut Vec<Action>,
}

/// What the other router of the pair is good for at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// It can be asked for a lease of its half.
    pub may_ask: bool,
    /// There is none, or it knows of no lease that is not known here.
    pub is_known: bool,
    /// What it has not allowed this message to get.
    pub refused: Option<Resource>,
}

/// The kind of the holder.
pub(super) fn kind(kind: IaKind) -> Kind {
    match kind {
        IaKind::Na => Kind::Na,
        IaKind::Ta => Kind::Ta,
        IaKind::Pd => Kind::Pd,
    }
}

/// What is asked for, as a resource.
pub(super) fn resource(kind: IaKind, asked: &Asked) -> Resource {
    match kind {
        IaKind::Na | IaKind::Ta => Resource::V6(asked.address),
        // The length was checked when it was read.
        IaKind::Pd => Resource::Prefix(ipnet::Ipv6Net::new_assert(asked.address, asked.len)),
    }
}

impl Desk<'_> {
    pub(super) fn holder(&self, ia: &Ia) -> Holder {
        Holder {
            client: self.client.id.clone(),
            iaid: ia.iaid,
            kind: kind(ia.kind),
        }
    }

    pub(super) fn now(&self) -> Wall {
        Wall::from(self.wall)
    }

    /// For Solicit and Request: what the association gets (RFC 8415 sections 18.3.2 and 18.3.9).
    pub(super) fn assign(&mut self, ia: &Ia) -> IaAnswer {
        self.assign_and_end(ia).0
    }

    /// The same, and what the client had and shall not keep.
    fn assign_and_end(&mut self, ia: &Ia) -> (IaAnswer, Vec<Resource>) {
        let hints: Vec<_> = self
            .message
            .asked(ia)
            .iter()
            .map(|a| resource(ia.kind, a))
            .collect();
        let holder = self.holder(ia);
        let mut answer = IaAnswer::new(ia);
        let ended = self.give(ia, &holder, &hints, &mut answer);
        if answer.leases.is_empty() {
            answer.status = Some(self.nothing_left(ia.kind));
        }
        (answer, ended)
    }

    /// For Renew and Rebind of an association that has leases, or that may be given some: they last longer; of what the client
    /// names, that it does not have or may not keep gets lifetimes of 0 (RFC 8415 section 18.3.4).
    pub(super) fn extend(&mut self, ia: &Ia) -> IaAnswer {
        let (mut answer, ended) = self.assign_and_end(ia);
        let named = self.message.asked(ia).iter();
        let named = named.filter(|asked| !asked.address.is_unspecified());
        let named: Vec<_> = named.map(|asked| resource(ia.kind, asked)).collect();
        let is_answered = |answer: &IaAnswer, resource: &Resource| {
            let mut leases = answer.leases.iter();
            leases.any(|lease| lease.resource == *resource)
        };
        let keeps_some = named.iter().any(|named| is_answered(&answer, named));
        for resource in named.iter().copied().chain(ended) {
            if is_answered(&answer, &resource) {
                continue;
            }
            // What is not spoken of stays as it is (RFC 8415 section 18.2.10.1).
            if !self.peer.is_known && self.is_here(resource) && named.contains(&resource) {
                self.is_withheld |= !keeps_some;
            } else {
                answer.leases.push(Granted::ended(resource));
            }
        }
        if !answer.leases.is_empty() {
            answer.status = None;
        }
        answer
    }

    /// What the client names and what does not belong to this link, with lifetimes of 0.
    pub(super) fn elsewhere(&self, ia: &Ia) -> IaAnswer {
        let mut answer = IaAnswer::new(ia);
        for asked in self.message.asked(ia) {
            let resource = resource(ia.kind, asked);
            if !asked.address.is_unspecified() && !self.is_here(resource) {
                answer.leases.push(Granted::ended(resource));
            }
        }
        answer
    }

    /// Whether a resource belongs to this link.
    fn is_here(&self, resource: Resource) -> bool {
        let mut pools = self.link.config.prefix_pools.iter();
        match resource {
            Resource::V6(address) => self.link.is_on_link(address),
            Resource::Prefix(prefix) => pools.any(|pool| pool.prefix.contains(&prefix)),
            Resource::V4(_) => false,
        }
    }

    /// Whether the association has leases on this link.
    pub(super) fn has_binding(&self, ia: &Ia) -> bool {
        !self.bound(&self.holder(ia)).is_empty()
    }

    /// What the holder has on this link. What it has on others is no matter of a message that comes from here.
    fn bound(&self, holder: &Holder) -> Vec<Resource> {
        let is_here = |l: &&Lease| {
            let mut scopes = self.link.scopes();
            l.state == State::Bound && scopes.any(|scope| scope == l.scope)
        };
        let leases = self.book.of_holder(holder).filter(is_here);
        leases.map(|l| l.resource).collect()
    }

    /// Takes the offers out of the book again.
    pub(super) fn forget_offers(&mut self) {
        for write in self.offered.drain(..).rev() {
            self.book.undo(&write);
        }
    }

    fn nothing_left(&mut self, kind: IaKind) -> Status {
        let counters = &mut self.link.counters;
        match kind {
            IaKind::Na | IaKind::Ta => {
                counters.no_addrs_avail += 1;
                Status::NoAddrsAvail
            }
            IaKind::Pd => {
                counters.no_prefix_avail += 1;
                Status::NoPrefixAvail
            }
        }
    }

    /// Puts what the association gets into `answer`; what it had and does not keep is ended and given back.
    fn give(
        &mut self,
        ia: &Ia,
        holder: &Holder,
        hints: &[Resource],
        answer: &mut IaAnswer,
    ) -> Vec<Resource> {
        let sources = self.sources(ia.kind);
        let chosen = match ia.kind {
            IaKind::Na | IaKind::Ta => {
                let mut chosen = Vec::new();
                for source in &sources {
                    let some = self.choose(ia.kind, source, holder, hints);
                    chosen.extend(some.into_iter().map(|resource| (*source, resource)));
                }
                chosen
            }
            IaKind::Pd => self.choose_prefix(&sources, holder, hints),
        };
        let ended = if self.commits {
            self.end_others(holder, &chosen)
        } else {
            Vec::new()
        };
        for (source, resource) in chosen {
            self.grant(resource, &source, holder);
            answer.leases.push(Granted {
                resource,
                preferred: source.preferred,
                valid: source.valid,
                t1: source.t1,
                t2: source.t2,
                excluded: match ia.kind {
                    IaKind::Na | IaKind::Ta => None,
                    IaKind::Pd => self.link.config.prefix_pools[source.index].excluded_prefix,
                },
            });
        }
        ended
    }

    /// Makes the lease, or offers it.
    fn grant(&mut self, resource: Resource, source: &Source, holder: &Holder) {
        let (now, from) = (self.now(), Wall::rounded_up(self.wall));
        let delegated = holder.kind == Kind::Pd;
        let lease = Lease {
            state: if self.commits {
                State::Bound
            } else {
                State::Offered
            },
            mac: self.client.mac,
            hostname: self.client.hostname.clone(),
            next_hop: delegated.then(|| Box::new(self.client.next_hop.clone())),
            reconfigure_key: self.key.map(Box::new),
            relay: self.client.relay.clone(),
            ..Lease::bound(
                resource,
                holder.clone(),
                source.scope,
                now,
                from.after(source.preferred),
                from.after(source.valid),
            )
        };
        if !self.commits {
            if self.message.ias.len() > 1 {
                self.offered.push(self.book.put(lease));
            }
            return;
        }
        if self.must_borrow(&lease) {
            self.borrows.get_or_insert(lease);
            return;
        }
        let route = lease.next_hop.clone();
        let write = self.book.put(lease);
        let before = write.before.as_ref().filter(|l| l.state == State::Bound);
        let counters = &mut self.link.counters;
        match before.filter(|before| before.holder == *holder) {
            Some(before) => {
                counters.leases_renewed += 1;
                if before.mac.is_some() && before.mac != self.client.mac {
                    counters.mac_changed += 1;
                }
            }
            None => counters.leases_given += 1,
        }
        self.out.push(Action::Write(write));
        if let (Resource::Prefix(prefix), Some(next_hop)) = (resource, route) {
            self.out.push(Action::RouteUp {
                prefix,
                vrf: self.link.vrf,
                next_hop: *next_hop,
                until: from.after(source.valid),
            });
        }
    }

    /// Whether a lease is of the other router's half, and its holder does not have it yet. What is reserved is given by both.
    fn must_borrow(&self, lease: &Lease) -> bool {
        let known = self.book.get(lease.realm(), lease.resource);
        let has_it = known.is_some_and(|k| k.state == State::Bound && k.holder == lease.holder);
        !has_it
            && self.link.owner(lease.resource).is_none()
            && self.book.is_others(lease.scope, lease.resource)
    }

    /// Ends what the holder has on this link and shall not keep.
    fn end_others(&mut self, holder: &Holder, keeps: &[(Source, Resource)]) -> Vec<Resource> {
        let mut others = self.bound(holder);
        others.retain(|resource| !keeps.iter().any(|(_, kept)| kept == resource));
        for resource in &others {
            self.release(*resource);
        }
        others
    }

    /// Ends a lease; whether it was in use.
    pub(super) fn release(&mut self, resource: Resource) -> bool {
        let now = self.now();
        let Some(write) = self.book.release(self.link.realm, resource, now) else {
            return false;
        };
        end(write, self.link.vrf, self.out);
        self.link.counters.leases_released += 1;
        true
    }

    /// For Release and Decline: the leases that the client names and has, each given to `each`; an answer when it has none
    /// (RFC 8415 sections 18.3.7 and 18.3.8).
    pub(super) fn end(
        &mut self,
        ia: &Ia,
        each: impl Fn(&mut Self, Resource) -> bool,
    ) -> Option<IaAnswer> {
        let holder = self.holder(ia);
        let has = self.bound(&holder);
        if has.is_empty() {
            self.link.counters.no_binding += 1;
            return Some(IaAnswer {
                status: Some(Status::NoBinding),
                ..IaAnswer::new(ia)
            });
        }
        let message = self.message;
        for asked in message.asked(ia) {
            let resource = resource(ia.kind, asked);
            if has.contains(&resource) {
                each(self, resource);
            }
        }
        None
    }

    /// Puts an address into quarantine.
    pub(super) fn decline(&mut self, resource: Resource) -> bool {
        let Resource::V6(address) = resource else {
            return false;
        };
        let (now, quarantine) = (self.now(), self.link.config.quarantine);
        let realm = self.link.realm;
        let Some(write) = self.book.decline(realm, resource, now, quarantine) else {
            return false;
        };
        self.out.push(Action::Write(write));
        self.link.counters.leases_declined += 1;
        let client = self.client.id.clone();
        self.out
            .push(Action::Notice(Notice::Declined { address, client }));
        true
    }
}

/// Asks to store that a lease has ended, and then to take the route to it away.
pub(super) fn end(write: Write, vrf: tables::id::VrfId, out: &mut Vec<Action>) {
    let is_bound = |lease: &Option<Lease>| matches!(lease, Some(l) if l.state == State::Bound);
    let ends = is_bound(&write.before) && !is_bound(&write.after);
    let resource = write.resource;
    out.push(Action::Write(write));
    if let Resource::Prefix(prefix) = resource
        && ends
    {
        out.push(Action::RouteDown { prefix, vrf });
    }
}
