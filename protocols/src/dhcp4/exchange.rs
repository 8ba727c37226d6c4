//! What is answered to each kind of message (RFC 2131 sections 4.3.1 to 4.3.5), and what it does to leases.

use std::net::Ipv4Addr;
use std::time::SystemTime;

use super::client::Client;
use super::link::{Link, LinkId};
use super::option::code;
use super::packet::{ACK, Message, MessageType, NAK, OFFER};
use super::reply::{Answer, Times, seconds};
use super::sm::{Action, Notice};
use crate::Random;
use lease::{Book, Lease, Resource, State, Wall};

/// How long an offer is kept for its client, seconds: RFC 2131 says a short time, clients that retransmit need about ten.
const OFFER_FOR: u32 = 60;
/// The shortest lease that a client may wish for, seconds.
const SHORTEST: u32 = 60;

/// What one message of one client works with.
pub(super) struct Desk<'a> {
    pub link: &'a mut Link,
    pub book: &'a mut Book,
    pub random: &'a mut Random,
    pub wall: SystemTime,
    pub client: &'a Client,
    pub message: &'a Message<'a>,
    /// An address of the client's subnet, as a relay tells it.
    pub selector: Option<Ipv4Addr>,
    /// The address that nobody answered for.
    pub probed: Option<Ipv4Addr>,
    /// Whether one more address can be asked for.
    pub can_probe: bool,
    /// The other router of the pair, if there is one.
    pub peer: Peer,
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
    pub refused: Option<Ipv4Addr>,
}

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is answered.
    Answer(Answer),
    /// It waits until it is known whether somebody uses this address.
    Probe(Ipv4Addr),
    /// It waits until the other router of the pair allows this lease of its half.
    Ask(Box<Lease>),
    /// Nothing is said.
    Silence,
}

/// Serves one message.
pub(super) fn serve(desk: &mut Desk<'_>) -> Outcome {
    if desk.link.config.subnets.is_empty() {
        // Served for relays only: who asks from here is another server's client.
        desk.link.counters.unanswered += 1;
        return Outcome::Silence;
    }
    match desk.message.kind {
        MessageType::Discover => desk.discover(),
        MessageType::Request => desk.request(),
        MessageType::Decline => desk.decline(),
        MessageType::Release => desk.release_named(),
        MessageType::Inform => desk.inform(),
    }
}

impl Desk<'_> {
    pub(super) fn now(&self) -> Wall {
        Wall::from(self.wall)
    }

    /// RFC 2131 section 4.3.1.
    fn discover(&mut self) -> Outcome {
        let sources = self.sources();
        let Some((subnet, address)) = self.choose(&sources) else {
            self.link.counters.no_address += 1;
            return Outcome::Silence;
        };
        // RFC 8925 section 3.3: who can do without IPv4 is not going to take it.
        let ipv6_only = self.ipv6_only();
        if ipv6_only.is_none() {
            let is_new = self.offer(subnet, address);
            if is_new && self.needs_probe(address) {
                return Outcome::Probe(address);
            }
        }
        let rapid = self.message.rapid_commit && self.link.config.rapid_commit;
        if rapid && ipv6_only.is_none() {
            if self.must_borrow(address) {
                return self.borrow(subnet, address);
            }
            let mut answer = self.commit(subnet, address);
            answer.rapid = true;
            return Outcome::Answer(answer);
        }
        Outcome::Answer(Answer {
            yiaddr: address,
            subnet: Some(subnet),
            times: Some(self.times(subnet)),
            ipv6_only,
            ..Answer::new(OFFER)
        })
    }

    /// Keeps an address for the client for a moment; whether it is new to it.
    fn offer(&mut self, subnet: usize, address: Ipv4Addr) -> bool {
        let resource = Resource::V4(address);
        let lease = self.book.get(self.link.realm, resource);
        let mine = lease.filter(|l| l.holder == self.client.holder);
        match mine.map(|l| l.state) {
            Some(State::Bound | State::Released | State::Registered) => false,
            Some(State::Offered | State::Declined) | None => {
                let was_offered = mine.is_some_and(|l| l.state == State::Offered);
                let now = self.now();
                let mut lease = self.lease(subnet, address, now.after(OFFER_FOR));
                lease.state = State::Offered;
                let write = self.book.put(lease);
                self.out.push(Action::Write(write));
                !was_offered
            }
        }
    }

    /// Whether somebody may use an address that is new to the client: what can be asked on a link of ours only.
    fn needs_probe(&mut self, address: Ipv4Addr) -> bool {
        let probes = self.link.config.probe.is_some() && matches!(self.link.id, LinkId::Iface(_));
        let needs = probes && self.probed != Some(address);
        if needs && !self.can_probe {
            self.link.counters.probes_skipped += 1;
        }
        needs && self.can_probe
    }

    /// RFC 8925 section 3.3, for a client that says so.
    fn ipv6_only(&self) -> Option<u32> {
        let wait = self.link.config.settings.ipv6_only_wait?;
        let list = self.message.parameters.as_deref();
        let can = list.is_some_and(|list| list.contains(&code::IPV6_ONLY));
        can.then(|| seconds(wait))
    }

    /// RFC 2131 section 4.3.2.
    fn request(&mut self) -> Outcome {
        let message = self.message;
        let has_address = !message.ciaddr.is_unspecified();
        // To us by name; the others are INIT-REBOOT, RENEWING and REBINDING.
        let selecting = message.server_id.is_some() && !has_address;
        let asked = if has_address {
            message.ciaddr
        } else {
            message.requested.unwrap_or(message.ciaddr)
        };
        let authoritative = self.link.config.authoritative;
        let sources = self.sources();
        let is_here = self.link.subnet_of(asked);
        let is_refused = self.peer.refused == Some(asked);
        let may_have = !is_refused && self.may_have(&sources, asked, selecting);
        if let Some(subnet) = is_here.filter(|_| may_have) {
            // RFC 2131 section 2.2: a new address is asked for before it is given. It is new when we do not remember the offer
            // that the client takes, or when it is reserved and we have no record of it. Any other address of which we know
            // nothing is refused below, or not spoken of (section 4.3.2, INIT-REBOOT), so that there is nothing to ask for.
            if !self.is_mine(asked) && self.needs_probe(asked) {
                self.offer(subnet, asked);
                return Outcome::Probe(asked);
            }
            if self.must_borrow(asked) {
                return self.borrow(subnet, asked);
            }
            let ipv6_only = self.ipv6_only();
            return Outcome::Answer(Answer {
                ipv6_only,
                ..self.commit(subnet, asked)
            });
        }
        let is_wrong = if is_here.is_none() {
            "the address is not on this network"
        } else {
            "the address is not yours"
        };
        if is_here.is_some_and(|i| self.may_be_elsewhere(i, asked, selecting)) {
            self.link.counters.left_to_peer += 1;
            return Outcome::Silence;
        }
        // What we have of the client says that it is wrong (section 4.3.2), whoever else serves here.
        let knows_better = !self.bound().is_empty();
        if selecting || authoritative || knows_better {
            return Outcome::Answer(Answer {
                message: is_wrong,
                ..Answer::new(NAK)
            });
        }
        self.link.counters.unanswered += 1;
        Outcome::Silence
    }

    /// Whether the other router of the pair may have given the client this address. An address of the own half that the client was
    /// offered a moment ago it was offered here.
    fn may_be_elsewhere(&self, subnet: usize, address: Ipv4Addr, selecting: bool) -> bool {
        let (scope, resource) = (self.link.scopes[subnet], Resource::V4(address));
        let was_offered_here = selecting && !self.book.is_others(scope, resource);
        let is_refused = self.peer.refused == Some(address);
        !self.peer.is_known && !was_offered_here && !is_refused
    }

    /// Whether an address is of the other router's half, and the client does not have it yet. What is reserved is given by both.
    fn must_borrow(&self, address: Ipv4Addr) -> bool {
        let resource = Resource::V4(address);
        let Some(subnet) = self.link.subnet_of(address) else {
            return false;
        };
        let known = self.book.get(self.link.realm, resource);
        let is_his = |l: &Lease| l.state == State::Bound && l.holder == self.client.holder;
        !known.is_some_and(is_his)
            && self.link.owner(address).is_none()
            && self.book.is_others(self.link.scopes[subnet], resource)
    }

    /// Has the other router allow an address.
    fn borrow(&mut self, subnet: usize, address: Ipv4Addr) -> Outcome {
        if !self.peer.may_ask {
            self.link.counters.left_to_peer += 1;
            return Outcome::Silence;
        }
        let ends = self.ends(self.times(subnet));
        Outcome::Ask(Box::new(self.lease(subnet, address, ends)))
    }

    /// When a lease ends that is given now: no sooner than at its client.
    fn ends(&self, times: Times) -> Wall {
        Wall::rounded_up(self.wall).after(times.lease)
    }

    /// Makes the lease, or lets it last longer.
    fn commit(&mut self, subnet: usize, address: Ipv4Addr) -> Answer {
        let others = self.bound();
        for other in others.into_iter().filter(|other| *other != address) {
            self.release(other);
        }
        let times = self.times(subnet);
        let lease = self.lease(subnet, address, self.ends(times));
        let write = self.book.put(lease);
        let before = write.before.as_ref().filter(|l| l.state == State::Bound);
        let counters = &mut self.link.counters;
        match before.filter(|before| before.holder == self.client.holder) {
            Some(before) => {
                counters.leases_renewed += 1;
                if before.mac.is_some() && before.mac != self.client.mac {
                    counters.mac_changed += 1;
                }
            }
            None => counters.leases_given += 1,
        }
        self.out.push(Action::Write(write));
        Answer {
            yiaddr: address,
            subnet: Some(subnet),
            times: Some(times),
            ..Answer::new(ACK)
        }
    }

    fn lease(&self, subnet: usize, address: Ipv4Addr, ends: Wall) -> Lease {
        let (holder, scope) = (self.client.holder.clone(), self.link.scopes[subnet]);
        let resource = Resource::V4(address);
        Lease {
            mac: self.client.mac,
            hostname: self.client.hostname.clone(),
            relay: self.client.relay.clone(),
            ..Lease::bound(resource, holder, scope, self.now(), ends, ends)
        }
    }

    /// How long a lease of a subnet lasts: a client may wish for less (RFC 2131 section 4.3.1).
    fn times(&self, subnet: usize) -> Times {
        let config = &self.link.config.subnets[subnet].lifetimes;
        let configured = seconds(config.lease);
        let wish = self.message.lease_time.unwrap_or(configured);
        let lease = configured.min(wish.max(SHORTEST));
        let share = |of_8: u64| (u64::from(lease) * of_8 / 8) as u32;
        let t2 = config.t2.map_or(share(7), |t2| seconds(t2).min(share(8)));
        let t1 = config.t1.map_or(share(4), seconds).min(t2);
        Times { lease, t1, t2 }
    }

    /// RFC 2131 section 4.3.3: nobody gets the address for a while.
    fn decline(&mut self) -> Outcome {
        let address = self.message.requested.unwrap_or(self.message.ciaddr);
        let (now, quarantine) = (self.now(), self.link.config.quarantine);
        let write = self.is_mine(address).then(|| {
            self.book
                .decline(self.link.realm, Resource::V4(address), now, quarantine)
        });
        let Some(write) = write.flatten() else {
            self.link.counters.no_binding += 1;
            return Outcome::Silence;
        };
        self.out.push(Action::Write(write));
        self.link.counters.leases_declined += 1;
        let client = self.client.holder.client.clone();
        let notice = Notice::Declined { address, client };
        self.out.push(Action::Notice(notice));
        Outcome::Silence
    }

    /// RFC 2131 section 4.3.4.
    fn release_named(&mut self) -> Outcome {
        let address = self.message.ciaddr;
        if !(self.is_mine(address) && self.release(address)) {
            self.link.counters.no_binding += 1;
        }
        Outcome::Silence
    }

    /// Whether the client has, or was offered, an address of this link.
    fn is_mine(&self, address: Ipv4Addr) -> bool {
        let lease = self.book.get(self.link.realm, Resource::V4(address));
        lease.is_some_and(|lease| {
            lease.holder == self.client.holder && self.link.scopes.contains(&lease.scope)
        })
    }

    /// Ends a lease; whether it was in use.
    fn release(&mut self, address: Ipv4Addr) -> bool {
        let now = self.now();
        let (realm, resource) = (self.link.realm, Resource::V4(address));
        let Some(write) = self.book.release(realm, resource, now) else {
            return false;
        };
        self.out.push(Action::Write(write));
        self.link.counters.leases_released += 1;
        true
    }

    /// RFC 2131 section 4.3.5: settings without a lease.
    fn inform(&mut self) -> Outcome {
        match self.link.subnet_of(self.message.ciaddr) {
            Some(subnet) => Outcome::Answer(Answer {
                subnet: Some(subnet),
                ipv6_only: self.ipv6_only(),
                ..Answer::new(ACK)
            }),
            None => {
                self.link.counters.unanswered += 1;
                Outcome::Silence
            }
        }
    }
}
