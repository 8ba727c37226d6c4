//! The world of two routers: clients, channel, disks, time.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use lease::sync::Message;
use lease::{Book, Half, Lease, RealmId, Resource, Standing, State, Write};
use proptest::prelude::*;
use protocols::pairing::{Holds, PairEvent, Pairing};

pub const REALM: RealmId = RealmId(1);
/// Seconds that a lease lasts.
pub const LASTS: u64 = 60;
/// Seconds that an ended one is kept.
pub const RETENTION: u64 = 30;
pub const CLIENTS: u8 = 8;

/// What a machine is told.
pub enum Event {
    Loaded(Vec<Lease>),
    Stored,
    StoreFailed(Vec<Write>),
    Pair(PairEvent),
    Serve(bool),
    Timer,
    Packet(u8, Vec<u8>),
}

/// What a machine does, as far as it matters here.
#[expect(
    clippy::large_enum_variant,
    reason = "half of them are writes, and live for a moment"
)]
pub enum Act {
    Write(Write),
    Tell(Message),
    /// A datagram to clients.
    Send {
        payload: Vec<u8>,
        after_commit: bool,
    },
    Other,
}

/// What a client asks for.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Something, first message.
    Something,
    /// This, which it was offered.
    Offered(Resource),
    /// What it has, for longer.
    Longer(Vec<Resource>),
    /// To give back what it has.
    GiveBack(Resource),
}

/// What a client hears.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    Offer(Resource),
    /// It has this.
    Given(Resource),
    /// It has this no more; nothing: it has nothing.
    Lost(Option<Resource>),
}

/// A DHCP server under test.
pub trait Server {
    fn new(now: Instant, wall: SystemTime, seed: u64, shape: u8) -> Self;
    fn event(&mut self, now: Instant, wall: SystemTime, event: Event) -> Vec<Act>;
    fn next_deadline(&self) -> Option<Instant>;
    fn book(&self) -> &Book;
    fn pairing(&self) -> &Pairing;
    /// The message of a client, with its number.
    fn ask(client: u8, ask: &Ask, number: u16) -> Vec<u8>;
    /// Whose an answer is, to which message, and what it says.
    fn hear(payload: &[u8]) -> (u8, u16, Vec<Heard>);
    /// Whether a client is made an offer first, and has one address only.
    const OFFERS: bool;
}

/// What is tried.
#[derive(Clone, Debug)]
pub struct Case {
    pub steps: Vec<Step>,
    /// How far the second clock is ahead, or behind.
    pub skew_millis: i64,
    /// Which configuration.
    pub shape: u8,
}

#[derive(Clone, Debug)]
pub enum Step {
    /// A client asks for something, or for more time; these routers hear it, if they serve.
    Ask {
        client: u8,
        heard_by: u8,
    },
    /// A client gives back what it has.
    GiveBack {
        client: u8,
        heard_by: u8,
    },
    /// Which routers serve.
    Serve(u8),
    /// Seconds.
    Pass(u64),
    /// So many messages come through, from this router.
    Deliver {
        from: usize,
        most: usize,
    },
    /// What was gathered is stored.
    Commit(usize),
    /// It is not.
    Fail(usize),
    /// The channel breaks; what is in it is lost.
    Break,
    /// Both notice.
    Notice,
    /// They can talk again.
    Connect,
    Kill(usize),
    Start(usize),
}

pub fn case() -> impl Strategy<Value = Case> {
    let router = || 0..2usize;
    let clients = || (0..CLIENTS, 1..4u8);
    let step = prop_oneof![
        20 => clients().prop_map(|(client, heard_by)| Step::Ask { client, heard_by }),
        2 => clients().prop_map(|(client, heard_by)| Step::GiveBack { client, heard_by }),
        4 => (1..4u8).prop_map(Step::Serve),
        6 => (1..25u64).prop_map(Step::Pass),
        10 => (router(), 1..12usize).prop_map(|(from, most)| Step::Deliver { from, most }),
        10 => router().prop_map(Step::Commit),
        1 => router().prop_map(Step::Fail),
        2 => Just(Step::Break),
        3 => Just(Step::Notice),
        5 => Just(Step::Connect),
        1 => router().prop_map(Step::Kill),
        3 => router().prop_map(Step::Start),
    ];
    let steps = prop::collection::vec(step, 1..200);
    (steps, -400..400i64, 0..4u8).prop_map(|(steps, skew_millis, shape)| Case {
        steps,
        skew_millis,
        shape,
    })
}

/// A datagram to a client, and whether it waits for the other router.
type Datagram = Vec<u8>;

struct Router<S> {
    server: Option<S>,
    disk: BTreeMap<Resource, Lease>,
    /// Asked to store, in order, with what waits for it.
    writes: Vec<Write>,
    waiting: Vec<Act>,
    holds: Holds<Datagram>,
    /// It takes the channel to be there.
    is_up: bool,
    serves: bool,
    /// Since a failure of its disk.
    refuse_until: Option<Instant>,
    skew_millis: i64,
}

pub struct Sim<S> {
    routers: [Router<S>; 2],
    /// Messages under way from each.
    channel: [VecDeque<Message>; 2],
    /// The channel is there.
    is_joined: bool,
    start: Instant,
    now: Instant,
    shape: u8,
    seed: u64,
    /// Until when each client may use what.
    has: BTreeMap<(u8, Resource), Instant>,
    /// The same, as both routers know it.
    safe: BTreeMap<(u8, Resource), Instant>,
    /// When each message of clients was sent.
    asked: Vec<Instant>,
    /// The last one of each client, and whether it gives something back.
    last: BTreeMap<u8, u16>,
    gives_back: BTreeMap<u8, bool>,
    /// What each client was offered last.
    offered: BTreeMap<u8, Resource>,
    /// What has gone out to clients, by whom.
    answers: Vec<(usize, Datagram)>,
}

impl<S: Server> Sim<S> {
    pub fn new(skew_millis: i64, shape: u8) -> Self {
        let start = Instant::now();
        let router = |skew_millis| Router {
            server: None,
            disk: BTreeMap::new(),
            writes: Vec::new(),
            waiting: Vec::new(),
            holds: Holds::default(),
            is_up: false,
            serves: true,
            refuse_until: None,
            skew_millis,
        };
        let mut sim = Sim {
            routers: [router(0), router(skew_millis)],
            channel: Default::default(),
            is_joined: false,
            start,
            now: start,
            shape,
            seed: 0,
            has: BTreeMap::new(),
            safe: BTreeMap::new(),
            asked: Vec::new(),
            last: BTreeMap::new(),
            gives_back: BTreeMap::new(),
            offered: BTreeMap::new(),
            answers: Vec::new(),
        };
        sim.boot(0);
        sim.boot(1);
        sim
    }

    fn wall(&self, at: usize) -> SystemTime {
        let base = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let since = base + (self.now - self.start);
        let skew = Duration::from_millis(self.routers[at].skew_millis.unsigned_abs());
        match self.routers[at].skew_millis < 0 {
            true => since - skew,
            false => since + skew,
        }
    }

    fn boot(&mut self, at: usize) {
        self.seed += 1;
        let server = S::new(self.now, self.wall(at), self.seed, self.shape);
        self.routers[at].server = Some(server);
        let leases = self.routers[at].disk.values().cloned().collect();
        let half = [Half::Even, Half::Odd][at];
        self.event(at, Event::Pair(PairEvent::Standing(Standing::Paired(half))));
        self.event(at, Event::Loaded(leases));
        let serves = self.routers[at].serves;
        self.event(at, Event::Serve(serves));
    }

    fn event(&mut self, at: usize, event: Event) {
        let (now, wall) = (self.now, self.wall(at));
        let router = &mut self.routers[at];
        let Some(server) = &mut router.server else {
            return;
        };
        let mut at_once = Vec::new();
        for act in server.event(now, wall, event) {
            let waits = match &act {
                Act::Write(write) => {
                    if write.is_durable() {
                        router.writes.push(write.clone());
                    }
                    continue;
                }
                Act::Send { after_commit, .. } => *after_commit,
                Act::Tell(_) => true,
                Act::Other => continue,
            };
            let is_idle = router.writes.is_empty() && router.waiting.is_empty();
            if waits && !is_idle {
                router.waiting.push(act);
            } else {
                at_once.push(act);
            }
        }
        self.carry_out(at, at_once);
    }

    /// What waited for the disk waits no more: first what is told, so that answers wait for all of that.
    fn carry_out(&mut self, at: usize, acts: Vec<Act>) {
        let now = self.now;
        let router = &mut self.routers[at];
        let mut answers = Vec::new();
        for act in acts {
            match act {
                Act::Tell(message) if router.is_up => {
                    router.holds.tell(&message);
                    // Into the void, when the channel has broken and nobody has noticed.
                    if self.is_joined {
                        self.channel[at].push_back(message);
                    }
                }
                Act::Send {
                    payload,
                    after_commit,
                } => answers.push((payload, after_commit)),
                Act::Tell(_) | Act::Write(_) | Act::Other => {}
            }
        }
        for (payload, after_commit) in answers {
            match after_commit {
                true => {
                    let payload = router.holds.hold(payload, now);
                    self.answers.extend(payload.map(|payload| (at, payload)));
                }
                false => self.answers.push((at, payload)),
            }
        }
    }

    fn commit(&mut self, at: usize) {
        let router = &mut self.routers[at];
        let (writes, waiting) = (
            std::mem::take(&mut router.writes),
            std::mem::take(&mut router.waiting),
        );
        let wrote = !writes.is_empty();
        for write in writes {
            match write.after.filter(|lease| lease.state != State::Offered) {
                Some(lease) => drop(router.disk.insert(write.resource, lease)),
                None => drop(router.disk.remove(&write.resource)),
            }
        }
        if wrote {
            router.refuse_until = None;
            self.event(at, Event::Stored);
        }
        self.carry_out(at, waiting);
    }

    fn fail(&mut self, at: usize) {
        let router = &mut self.routers[at];
        let writes = std::mem::take(&mut router.writes);
        router.waiting.clear();
        if writes.is_empty() {
            return;
        }
        router.refuse_until = Some(self.now + Duration::from_secs(2));
        self.event(at, Event::StoreFailed(writes));
        self.part();
        self.notice();
    }

    fn part(&mut self) {
        self.is_joined = false;
        self.channel = Default::default();
    }

    /// Both hear that there is no channel, and only then do answers go out that have waited for it.
    fn notice(&mut self) {
        if self.is_joined {
            return;
        }
        for at in 0..2 {
            if std::mem::take(&mut self.routers[at].is_up) {
                // What was to be said in that conversation has no place in the next.
                let waiting = &mut self.routers[at].waiting;
                waiting.retain(|act| !matches!(act, Act::Tell(_)));
                self.event(at, Event::Pair(PairEvent::Down));
            }
        }
        for at in 0..2 {
            let held = self.routers[at].holds.end();
            self.answers
                .extend(held.into_iter().map(|payload| (at, payload)));
        }
    }

    fn connect(&mut self) {
        if self.is_joined || self.routers.iter().any(|router| router.server.is_none()) {
            return;
        }
        self.notice();
        self.is_joined = true;
        for at in 0..2 {
            self.routers[at].is_up = true;
            self.event(at, Event::Pair(PairEvent::Up));
        }
    }

    fn tell_more(&mut self, at: usize) {
        let has_more = |s: &S| s.pairing().has_more();
        while self.routers[at].server.as_ref().is_some_and(has_more) {
            // What is told of the book is on disk.
            self.commit(at);
            self.event(at, Event::Pair(PairEvent::More));
        }
    }

    fn deliver(&mut self, from: usize, most: usize) {
        self.tell_more(from);
        for _ in 0..most {
            let Some(message) = self.channel[from].pop_front() else {
                return;
            };
            // As it is on the wire.
            let mut bytes = Vec::new();
            message.encode(&mut bytes);
            let message = Message::decode(&bytes).expect("what is written can be read");
            let to = 1 - from;
            let released = self.routers[to].holds.heard(&message);
            self.answers
                .extend(released.into_iter().map(|payload| (to, payload)));
            self.event(to, Event::Pair(PairEvent::Told(message)));
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let next = self
                .routers
                .iter()
                .filter_map(|r| r.server.as_ref()?.next_deadline());
            let Some(due) = next.min().filter(|due| *due <= end) else {
                break;
            };
            self.now = due.max(self.now);
            for at in 0..2 {
                let is_due = |s: &S| s.next_deadline().is_some_and(|due| due <= self.now);
                if self.routers[at].server.as_ref().is_some_and(is_due) {
                    self.event(at, Event::Timer);
                }
            }
        }
        self.now = end;
        let now = self.now;
        self.has.retain(|_, until| now < *until);
        self.safe.retain(|_, until| now < *until);
    }

    /// Sends a message of a client to some routers.
    fn send(&mut self, client: u8, ask: &Ask, heard_by: u8) {
        let number = self.asked.len() as u16;
        self.asked.push(self.now);
        self.last.insert(client, number);
        self.gives_back
            .insert(client, matches!(ask, Ask::GiveBack(_)));
        for at in (0..2).filter(|at| heard_by >> at & 1 != 0) {
            self.event(at, Event::Packet(client, S::ask(client, ask, number)));
        }
    }

    fn of(&self, client: u8) -> Vec<Resource> {
        let of = self.has.keys().filter(|(c, _)| *c == client);
        of.map(|(_, resource)| *resource).collect()
    }

    /// Clients hear what has gone out.
    fn hear(&mut self) -> Result<(), String> {
        for (_, payload) in std::mem::take(&mut self.answers) {
            let (client, number, heard) = S::hear(&payload);
            // It waits for the answer to its last message.
            if self.last.get(&client) != Some(&number) {
                continue;
            }
            let asked = self.asked[usize::from(number)];
            for heard in heard {
                match heard {
                    Heard::Offer(resource) => drop(self.offered.insert(client, resource)),
                    Heard::Given(resource) => self.given(client, resource, asked)?,
                    // That what it gives back is not known is nothing to it.
                    Heard::Lost(_) if self.gives_back.get(&client) == Some(&true) => {}
                    Heard::Lost(lost) => {
                        let has = self.of(client);
                        // In its last second it may have ended by the one clock and not by the other.
                        let soon = self.now + Duration::from_secs(1);
                        let lasts = |r: &&Resource| soon < self.has[&(client, **r)];
                        let mut loses = has.iter().filter(lasts);
                        let loses = loses.find(|r| lost.is_none_or(|lost| **r == lost));
                        if let Some(resource) = loses {
                            return Err(format!("{client} loses {resource}"));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// A client is given something. It counts from when it has asked.
    fn given(&mut self, client: u8, resource: Resource, asked: Instant) -> Result<(), String> {
        let now = self.now;
        let until = asked + Duration::from_secs(LASTS);
        let known = self.has.get(&(client, resource)).copied();
        let until = known.map_or(until, |known| known.max(until));
        if until <= now {
            return Ok(());
        }
        let others = self
            .has
            .iter()
            .filter(|((c, _), until)| *c != client && now < **until);
        if let Some(((other, theirs), _)) =
            others.into_iter().find(|((_, r), _)| overlap(*r, resource))
        {
            return Err(format!(
                "{client} is given {resource}, and {other} has {theirs}"
            ));
        }
        if S::OFFERS {
            // It has one address, and forgets the one before.
            self.has.retain(|(c, _), _| *c != client);
            self.safe.retain(|(c, r), _| *c != client || *r == resource);
        }
        self.has.insert((client, resource), until);
        // What both have on disk in this moment is safe.
        let has_it = |router: &Router<S>| {
            let lease = router.disk.get(&resource);
            lease.is_some_and(|l| l.state == State::Bound && l.mac == Some(mac(client)))
        };
        if self.routers.iter().all(has_it) {
            let ends = self
                .routers
                .iter()
                .filter_map(|r| r.disk.get(&resource))
                .map(|l| l.ends);
            let left = ends.min().map_or(0, |ends| {
                let slowest = (0..2).map(|at| self.wall(at)).max();
                slowest.map_or(0, |wall| ends.left(wall.into()))
            });
            // Less a second, for clocks that differ.
            let until = now + Duration::from_secs(u64::from(left).saturating_sub(1).min(LASTS));
            self.safe.insert((client, resource), until);
        }
        Ok(())
    }

    pub fn step(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::Ask { client, heard_by } => self.ask(client, heard_by)?,
            Step::GiveBack { client, heard_by } => {
                if let Some(resource) = self.of(client).first().copied() {
                    self.has.remove(&(client, resource));
                    self.safe.remove(&(client, resource));
                    self.send(client, &Ask::GiveBack(resource), heard_by);
                }
            }
            Step::Serve(mask) => {
                for at in 0..2 {
                    let serves = mask >> at & 1 != 0;
                    self.routers[at].serves = serves;
                    self.event(at, Event::Serve(serves));
                }
            }
            Step::Pass(seconds) => self.pass(Duration::from_secs(seconds)),
            Step::Deliver { from, most } => self.deliver(from, most),
            Step::Commit(at) => self.commit(at),
            Step::Fail(at) => self.fail(at),
            Step::Break => self.part(),
            Step::Notice => self.notice(),
            Step::Connect => self.connect(),
            Step::Kill(at) => {
                self.part();
                let router = &mut self.routers[at];
                router.server = None;
                router.refuse_until = None;
                router.writes.clear();
                router.waiting.clear();
                router.is_up = false;
                // What waited was never said.
                drop(router.holds.end());
            }
            Step::Start(at) => {
                if self.routers[at].server.is_none() {
                    // That takes longer than the other one needs to notice; or answers wait for as long.
                    self.notice();
                    self.boot(at);
                }
            }
        }
        self.hear()?;
        // No two things happen in one moment: clocks differ by less than this.
        self.pass(Duration::from_millis(1100));
        Ok(())
    }

    fn ask(&mut self, client: u8, heard_by: u8) -> Result<(), String> {
        let has = self.of(client);
        if !has.is_empty() {
            self.send(client, &Ask::Longer(has.clone()), heard_by);
            return self.must_be_kept(client, &has, heard_by);
        }
        if !self.offered.contains_key(&client) {
            self.send(client, &Ask::Something, heard_by);
            self.hear()?;
        }
        if let Some(offered) = self.offered.remove(&client) {
            self.send(client, &Ask::Offered(offered), heard_by);
        }
        Ok(())
    }

    /// What is safe is kept at once by whoever serves, has a disk that works and can talk, or knows that it cannot.
    fn must_be_kept(&mut self, client: u8, has: &[Resource], heard_by: u8) -> Result<(), String> {
        let safe: Vec<Resource> = has
            .iter()
            .filter(|resource| self.safe.contains_key(&(client, **resource)))
            .copied()
            .collect();
        for at in (0..2).filter(|at| heard_by >> at & 1 != 0) {
            let router = &self.routers[at];
            if router.server.is_none() || !router.serves || router.is_up && !self.is_joined {
                continue;
            }
            self.settle();
            let mine: Vec<Heard> = std::mem::take(&mut self.answers)
                .into_iter()
                .inspect(|answer| self.answers.push(answer.clone()))
                .filter(|(from, payload)| *from == at && S::hear(payload).0 == client)
                .flat_map(|(_, payload)| S::hear(&payload).2)
                .collect();
            for resource in &safe {
                let book = self.routers[at].server.as_ref().map(S::book);
                // That leases cannot be stored is no question of the pair.
                let refuses = self.routers[at].refuse_until;
                let refuses = refuses.is_some_and(|until| self.now < until);
                if !mine.contains(&Heard::Given(*resource)) && !refuses {
                    let known = book.and_then(|book| book.get(REALM, *resource));
                    return Err(format!(
                        "{client} is not let keep {resource} by {at}: {mine:?}, {known:?}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Lets everything that is under way come to its end.
    fn settle(&mut self) {
        for _ in 0..100 {
            for at in 0..2 {
                self.tell_more(at);
                self.commit(at);
                self.deliver(at, usize::MAX);
            }
            let is_quiet = |at: usize| {
                let router = &self.routers[at];
                self.channel[at].is_empty() && router.writes.is_empty() && router.waiting.is_empty()
            };
            if is_quiet(0) && is_quiet(1) {
                return;
            }
        }
        panic!("they never come to an end");
    }

    /// Everything works again.
    pub fn heal(&mut self) -> Result<(), String> {
        self.part();
        self.notice();
        for at in 0..2 {
            if self.routers[at].server.is_none() {
                self.boot(at);
            }
            self.routers[at].serves = true;
            self.event(at, Event::Serve(true));
        }
        self.pass(Duration::from_secs(3));
        self.settle();
        self.connect();
        self.settle();
        self.hear()?;
        self.rest();
        self.same()?;
        for at in 0..2 {
            if !self.routers[at]
                .server
                .as_ref()
                .is_some_and(|s| s.pairing().is_in_sync())
            {
                return Err(format!("{at} is not in sync"));
            }
        }
        // Everybody goes on with what it has, at each.
        for at in 0..2 {
            for (client, resource) in self.has.keys().copied().collect::<Vec<_>>() {
                self.pass(Duration::from_millis(1100));
                let soon = self.now + Duration::from_secs(1);
                let until = self.has.get(&(client, resource));
                if until.is_none_or(|until| *until <= soon) {
                    continue;
                }
                self.send(client, &Ask::Longer(self.of(client)), 1 << at);
                self.settle();
                let until = self.has.get(&(client, resource)).copied();
                self.hear()?;
                if self.has.get(&(client, resource)).copied() == until {
                    return Err(format!(
                        "{client} has {resource}, and {at} does not let it keep it"
                    ));
                }
            }
        }
        self.rest();
        self.same()?;
        // And in the end everything is forgotten.
        for _ in 0..4 {
            self.pass(Duration::from_secs(LASTS + RETENTION));
            self.settle();
        }
        let left = self.routers.iter().map(|r| r.disk.len()).sum::<usize>();
        match left {
            0 => Ok(()),
            _ => Err(format!("{:?} is never forgotten", self.routers[0].disk)),
        }
    }

    /// Goes on to a moment in which nothing ends: clocks differ.
    fn rest(&mut self) {
        for _ in 0..200 {
            self.settle();
            let walls = [0, 1].map(|at| self.wall(at).into());
            let ends_now = |lease: &&Lease| {
                let left = |wall: lease::Wall| lease.ends.left(wall);
                lease.ends > lease::Wall::EPOCH && walls.iter().any(|wall| left(*wall) == 1)
                    || walls.iter().all(|wall| lease.ends <= *wall)
            };
            let books = self.routers.iter().filter_map(|r| r.server.as_ref());
            let mut leases = books.flat_map(|server| server.book().iter());
            let is_at_rest = !leases.any(|lease| ends_now(&lease));
            drop(leases);
            if is_at_rest {
                return;
            }
            self.pass(Duration::from_millis(700));
        }
        panic!("something ends all the time");
    }

    fn same(&self) -> Result<(), String> {
        let book = |at: usize| -> BTreeMap<Resource, Lease> {
            let server = self.routers[at].server.as_ref();
            let leases = server.into_iter().flat_map(|s| s.book().iter());
            let stored = leases.filter(|l| l.state != State::Offered);
            stored.map(|l| (l.resource, l.clone())).collect()
        };
        for (what, one, other) in [
            ("books", &book(0), &book(1)),
            ("first book and disk", &book(0), &self.routers[0].disk),
            ("second book and disk", &book(1), &self.routers[1].disk),
        ] {
            if one != other {
                return Err(format!("{what} differ: {one:#?} {other:#?}"));
            }
        }
        Ok(())
    }
}

pub fn mac(client: u8) -> wire::MacAddr {
    wire::MacAddr([2, 0, 0, 0, 0, client + 1])
}

fn overlap(one: Resource, other: Resource) -> bool {
    match (one, other) {
        (Resource::Prefix(a), Resource::Prefix(b)) => a.contains(&b) || b.contains(&a),
        _ => one == other,
    }
}
