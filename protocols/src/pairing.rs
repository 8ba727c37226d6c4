//! What both DHCP servers do alike as one of a pair of routers that have the same leases (see [`lease::Standing`] for who gives
//! what, and [`lease::sync`] for what they say).
//!
//! ```text
//!   Up ─► all leases are told, then End ─┐
//!         the other's are heard, then Met ┴─► in sync: what is not known here is known nowhere
//!   Down ─► not in sync
//! ```
//!
//! Out of sync a server gives new leases of its own half and lets those that it knows last longer; but it says of no address that
//! it is not a client's, for the other router may know better: such a message is left unanswered, and its sender goes on with what
//! it has.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use lease::sync::{Family, Message};
use lease::{Book, ClientId, RealmId, Resource, Standing, State};

use crate::timers::Timers;

/// Messages that wait for the other router at most; further ones are left unanswered.
const MAX_WAITING: usize = 1024;
/// How long one waits: then its client asks again.
const WAIT: Duration = Duration::from_secs(1);
/// How often one message may ask the other router.
pub(crate) const MAX_ASKED: u8 = 8;

/// What happens to a server as one of a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PairEvent {
    /// How it stands to the other one, from now on. Both have to know their halves before they give leases.
    Standing(Standing),
    /// There is a channel to the other one, and nothing has been said in it. Not before the leases are loaded.
    Up,
    /// There is none any more.
    Down,
    /// The channel has room for more, and [`Pairing::has_more`].
    More,
    /// The other one says something.
    Told(Message),
}

/// Where the conversation is.
#[derive(Debug)]
pub struct Pairing {
    family: Family,
    is_up: bool,
    /// The place in the book from which on leases are to be told; none: all are.
    from: Option<u32>,
    /// The other router has told all of its leases.
    has_heard: bool,
    /// The other router has dealt with all of ours.
    is_heard: bool,
}

impl Pairing {
    pub(crate) fn new(family: Family) -> Self {
        Pairing {
            family,
            is_up: false,
            from: None,
            has_heard: false,
            is_heard: false,
        }
    }

    pub(crate) fn up(&mut self) {
        *self = Pairing {
            is_up: true,
            from: Some(0),
            ..Pairing::new(self.family)
        };
    }

    pub(crate) fn down(&mut self) {
        *self = Pairing::new(self.family);
    }

    /// Whether there is a channel.
    pub fn is_up(&self) -> bool {
        self.is_up
    }

    /// Whether each has heard of all leases of the other.
    pub fn is_in_sync(&self) -> bool {
        self.is_up && self.has_heard && self.is_heard
    }

    /// Whether there is something to tell that nothing has happened to: [`PairEvent::More`] is wanted.
    pub fn has_more(&self) -> bool {
        self.is_up && self.from.is_some()
    }

    /// Whether a lease that is not in the book is nobody's.
    pub(crate) fn knows_all(&self, book: &Book) -> bool {
        !matches!(book.standing(), Standing::Paired(_)) || self.is_in_sync()
    }

    /// The next leases to tell, at most so many, and that they were all.
    pub(crate) fn more(&mut self, book: &Book, max: usize) -> Vec<Message> {
        let Some(from) = self.from.filter(|_| self.is_up) else {
            return Vec::new();
        };
        let mut messages = Vec::new();
        let mut next = None;
        for (after, lease) in book.page(from) {
            if messages.len() == max {
                break;
            }
            next = Some(after);
            if lease.state != State::Offered {
                messages.push(Message::Lease(Box::new(lease.clone())));
            }
        }
        self.from = next.filter(|_| messages.len() == max);
        if self.from.is_none() {
            messages.push(Message::End(self.family));
        }
        messages
    }

    /// The other one has told everything; the answer.
    pub(crate) fn heard(&mut self) -> Message {
        self.has_heard = true;
        Message::Met(self.family)
    }

    /// The other one has heard everything.
    pub(crate) fn was_heard(&mut self) {
        self.is_heard = true;
    }
}

/// A resource that the other router is asked for.
pub(crate) type Wanted = (RealmId, Resource);

/// Messages of clients that wait for the other router's word, each kept as a `Q`.
#[derive(Debug)]
pub(crate) struct Questions<Q> {
    waiting: HashMap<Wanted, (ClientId, Q)>,
    by_client: HashMap<(RealmId, ClientId), Resource>,
    timers: Timers<Wanted>,
}

impl<Q> Default for Questions<Q> {
    fn default() -> Self {
        Questions {
            waiting: HashMap::new(),
            by_client: HashMap::new(),
            timers: Timers::default(),
        }
    }
}

impl<Q> Questions<Q> {
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Whether one more may wait.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting.len() < MAX_WAITING
    }

    /// Lets a message wait.
    pub(crate) fn put(&mut self, wanted: Wanted, client: ClientId, question: Q, now: Instant) {
        self.take(wanted);
        self.by_client.insert((wanted.0, client.clone()), wanted.1);
        self.waiting.insert(wanted, (client, question));
        self.timers.arm(wanted, now + WAIT);
    }

    /// The message of a client that waits, to put its next one in its place.
    pub(crate) fn of_client(&mut self, realm: RealmId, client: &ClientId) -> Option<&mut Q> {
        let resource = self.by_client.get(&(realm, client.clone()))?;
        let (_, question) = self.waiting.get_mut(&(realm, *resource))?;
        Some(question)
    }

    /// The message that waits for a resource.
    pub(crate) fn take(&mut self, wanted: Wanted) -> Option<Q> {
        self.timers.cancel(wanted);
        let (client, question) = self.waiting.remove(&wanted)?;
        self.by_client.remove(&(wanted.0, client));
        Some(question)
    }

    /// One that has waited for too long.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Wanted> {
        self.timers.pop_due(now)
    }

    /// What all wait for.
    pub(crate) fn wanted(&self) -> Vec<Wanted> {
        self.waiting.keys().copied().collect()
    }
}

/// What is to be said to clients when the other router has dealt with all that was told so far, or there is none any more. So what
/// a client was told of, the other router knows of when this one is gone the next moment.
#[derive(Debug)]
pub struct Holds<T> {
    told: u64,
    dealt_with: u64,
    held: VecDeque<(u64, Instant, T)>,
}

impl<T> Default for Holds<T> {
    fn default() -> Self {
        Holds {
            told: 0,
            dealt_with: 0,
            held: VecDeque::new(),
        }
    }
}

impl<T> Holds<T> {
    /// A message goes out to the other router.
    pub fn tell(&mut self, message: &Message) {
        self.told += u64::from(matches!(message, Message::Lease(_)));
    }

    /// Gives back what has to wait for nothing; keeps the rest.
    pub fn hold(&mut self, what: T, now: Instant) -> Option<T> {
        if self.told == self.dealt_with {
            return Some(what);
        }
        self.held.push_back((self.told, now, what));
        None
    }

    /// A message has come from the other router: what waits no more.
    pub fn heard(&mut self, message: &Message) -> Vec<T> {
        self.dealt_with += u64::from(matches!(message, Message::Ack { .. }));
        let waits = |(after, _, _): &(u64, Instant, T)| self.dealt_with < *after;
        let ready = self.held.iter().position(waits).unwrap_or(self.held.len());
        self.held.drain(..ready).map(|(_, _, what)| what).collect()
    }

    /// Leases that were told and not dealt with.
    pub fn outstanding(&self) -> u64 {
        self.told.saturating_sub(self.dealt_with)
    }

    /// Since when something waits.
    pub fn since(&self) -> Option<Instant> {
        self.held.front().map(|(_, since, _)| *since)
    }

    /// How much waits.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// There is no channel any more, or another one: nothing waits.
    pub fn end(&mut self) -> Vec<T> {
        (self.told, self.dealt_with) = (0, 0);
        self.held.drain(..).map(|(_, _, what)| what).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lease::Stamp;

    #[test]
    fn answers_wait_for_what_was_told_before_them() {
        let now = Instant::now();
        let realm = RealmId(1);
        let resource: Resource = "192.0.2.1".parse().unwrap();
        let lease = {
            let holder = lease::Holder {
                client: "0102".parse().unwrap(),
                iaid: 0,
                kind: lease::Kind::V4,
            };
            let (at, scope) = (lease::Wall::EPOCH, lease::ScopeId::of(realm, "lan"));
            lease::Lease::bound(resource, holder, scope, at, at, at)
        };
        let told = Message::Lease(Box::new(lease.clone()));
        let ack = Message::ack(&lease, false);
        let mut holds = Holds::default();
        assert_eq!(holds.hold("at once", now), Some("at once"));
        holds.tell(&Message::End(Family::V4));
        holds.tell(&told);
        assert_eq!(holds.hold("first", now), None);
        holds.tell(&told);
        assert_eq!(holds.hold("second", now), None);
        assert_eq!((holds.len(), holds.since()), (2, Some(now)));
        assert_eq!(holds.outstanding(), 2);
        assert_eq!(holds.heard(&told), [""; 0]);
        assert_eq!(holds.heard(&ack), ["first"]);
        assert_eq!(holds.end(), ["second"]);
        assert_eq!(holds.hold("third", now), Some("third"));
        assert!(holds.is_empty());
        assert_eq!(lease.stamp, Stamp::NONE);
    }

    #[test]
    fn a_client_has_one_message_that_waits() {
        let now = Instant::now();
        let mut questions = Questions::default();
        let client: ClientId = "0102".parse().unwrap();
        let wanted = |text: &str| (RealmId(1), text.parse::<Resource>().unwrap());
        questions.put(wanted("192.0.2.1"), client.clone(), 'a', now);
        *questions.of_client(RealmId(1), &client).unwrap() = 'b';
        assert_eq!(questions.of_client(RealmId(2), &client), None);
        assert_eq!(questions.pop_due(now), None);
        assert_eq!(questions.next_deadline(), Some(now + WAIT));
        assert_eq!(questions.take(wanted("192.0.2.1")), Some('b'));
        assert_eq!(questions.of_client(RealmId(1), &client), None);
        assert_eq!(questions.next_deadline(), None);
        for n in 0..MAX_WAITING {
            let client = ClientId::new(&n.to_be_bytes()).unwrap();
            assert!(questions.has_room());
            let resource = Resource::V4(std::net::Ipv4Addr::from_bits(n as u32));
            questions.put((RealmId(1), resource), client, 'c', now);
        }
        assert!(!questions.has_room());
        assert_eq!(questions.wanted().len(), MAX_WAITING);
        assert!(questions.pop_due(now + WAIT).is_some());
    }
}
