//! The thread: runs the session, feeds it, and applies what comes.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dataplane::worker::clock;
use pair::key::Key;
use pair::record::Kind;
use pair::session::{Action, Config, ConnId, Delivery, Event, Machine, Why};
use tables::flow::FlowPeer;
use tables::publish::Reader;
use tokio::sync::mpsc;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::flows::Flows;
use super::net::{self, Ends, Happening};
use super::{Keepers, PairInbox, PairMessage, PairSnapshot, ToKeeper, Told};
use crate::events::Events;
use crate::model::Pair;

/// How often workers' notes of flows are looked at while there is a session.
const NOTES: Duration = Duration::from_millis(5);
/// How often flows are aged.
const AGE: Duration = Duration::from_millis(100);
/// Messages that are taken at a time.
const AT_ONCE: usize = 256;
/// Bytes of a record of a kind with a keeper, about: so much room is left.
const ROOM: usize = 8192;
/// Records of a kind that wait to be told, beyond what its keeper had, before all is told again.
const MORE: usize = 100_000;
/// The same thing is not said again for so long.
const SILENCE: Duration = Duration::from_secs(60);

/// What the thread works with.
pub struct Means {
    /// What is configured.
    pub pair: Pair,
    /// The flows' part of the table.
    pub flows: FlowPeer,
    /// A registration with the tables, for the thread.
    pub reader: Reader,
    /// What is told to the thread.
    pub inbox: PairInbox,
    /// Who keeps the other kinds.
    pub keepers: Keepers,
    /// Where it is told that the routers are connected, or not.
    pub events: Events,
    /// Ends the thread.
    pub stop: CancellationToken,
}

/// The thread.
pub struct PairTask {
    pair: Pair,
    key: Key,
    machine: Machine,
    flows: Flows,
    keepers: Keepers,
    events: Events,
    /// Records that wait for room, by kind.
    waiting: HashMap<Kind, Waiting>,
    conns: HashMap<ConnId, Ends>,
    next_conn: u64,
    happenings: mpsc::Sender<Happening>,
    /// The peer's process of the last session.
    boot: Option<u64>,
    fault: Option<String>,
    said: HashMap<String, Instant>,
    aged: Instant,
    is_up: Arc<AtomicBool>,
}

/// Records of a kind that wait for room.
#[derive(Default)]
struct Waiting {
    records: VecDeque<Told>,
    /// All of the kind is among them, and nothing was told before.
    is_all: bool,
    most: usize,
}

impl PairTask {
    /// Runs until it is told to stop. Without a key nothing is told, and the router goes on.
    pub fn run(means: Means) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        match runtime {
            Ok(runtime) => runtime.block_on(live(means)),
            Err(error) => error!(%error, "no state is told to the other router"),
        }
    }

    fn new(
        pair: Pair,
        key: Key,
        flows: FlowPeer,
        keepers: Keepers,
        events: Events,
        happenings: mpsc::Sender<Happening>,
        is_up: Arc<AtomicBool>,
    ) -> Self {
        let now = Instant::now();
        let random = RandomState::new();
        let mut kinds: Vec<Kind> = keepers.keys().copied().collect();
        kinds.push(Kind::Flow);
        kinds.sort_unstable();
        let config = Config {
            node: pair.local.to_string(),
            boot: random.hash_one(now),
            kinds,
            rate: pair.rate,
            seed: random.hash_one(0),
            ..Config::default()
        };
        Self {
            pair,
            key,
            machine: Machine::new(config, now),
            flows: Flows::new(flows),
            keepers,
            events,
            waiting: HashMap::new(),
            conns: HashMap::new(),
            next_conn: 1,
            happenings,
            boot: None,
            fault: None,
            said: HashMap::new(),
            aged: now,
            is_up,
        }
    }

    fn event(&mut self, reader: &Reader, event: Event<'_>) {
        let mut out = Vec::new();
        let now = Instant::now();
        self.machine.on_event(now, event, &mut out);
        self.carry_out(reader, now, out);
    }

    fn carry_out(&mut self, reader: &Reader, now: Instant, actions: Vec<Action>) {
        let mut actions = VecDeque::from(actions);
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Dial => {
                    let Pair { local, peer, .. } = self.pair;
                    net::dial(local, peer, self.key.clone(), self.happenings.clone());
                }
                Action::Send { conn, bytes } => {
                    let sent = self.conns.get(&conn).is_none_or(|ends| ends.send(bytes));
                    if !sent {
                        self.conns.remove(&conn);
                        let mut out = Vec::new();
                        self.machine.on_event(now, Event::Lost(conn), &mut out);
                        actions.extend(out);
                    }
                }
                Action::Close(conn) => drop(self.conns.remove(&conn)),
                Action::Up(hello) => {
                    let anew = self.boot.is_some_and(|boot| boot != hello.boot);
                    self.boot = Some(hello.boot);
                    self.fault = None;
                    self.said.clear();
                    // From now on changes are told, before anybody is asked for all.
                    self.is_up.store(true, Ordering::Relaxed);
                    info!(peer = %self.pair.peer, "the other router is told our state, and tells its own");
                    self.events.tell(api::Happening::Pair {
                        peer: self.pair.peer,
                        connected: true,
                        why: None,
                    });
                    self.flows.up(anew, seconds());
                    self.keepers.values().for_each(|k| k(ToKeeper::Up { anew }));
                }
                Action::Down(why) => self.down(why),
                Action::Tell(Kind::Flow) => self.flows.begin(reader, seconds()),
                Action::Tell(kind) => {
                    self.waiting.remove(&kind);
                    self.keeper(kind, ToKeeper::Tell(kind));
                }
                Action::Deliver(delivery) => self.deliver(reader, delivery),
                Action::Applied(Kind::Flow, _) => {}
                Action::Applied(kind, n) => self.keeper(kind, ToKeeper::Applied(kind, n)),
                Action::Notice(notice) => self.say(notice.to_string()),
            }
        }
    }

    fn down(&mut self, why: Why) {
        match why {
            Why::Stopped => {}
            _ => {
                warn!(peer = %self.pair.peer, %why, "the other router is not told our state any more")
            }
        }
        self.events.tell(api::Happening::Pair {
            peer: self.pair.peer,
            connected: false,
            why: Some(why.to_string()),
        });
        self.is_up.store(false, Ordering::Relaxed);
        self.waiting.clear();
        self.flows.down(seconds());
        self.keepers.values().for_each(|k| k(ToKeeper::Down));
    }

    fn keeper(&self, kind: Kind, message: ToKeeper) {
        if let Some(keeper) = self.keepers.get(&kind) {
            keeper(message);
        }
    }

    fn deliver(&mut self, reader: &Reader, delivery: Delivery) {
        let (kind, number) = (delivery.kind, delivery.number);
        match self.keepers.get(&kind) {
            Some(keeper) => keeper(ToKeeper::Deliver(delivery)),
            None if kind == Kind::Flow => {
                let refused = self.flows.apply(reader, &delivery, seconds());
                self.machine.refused(kind, refused);
                self.machine.applied(kind, number);
            }
            // Nobody keeps such things here: that is no reason to hold them up.
            None => {
                let refused = delivery.records().count() as u64;
                self.machine.refused(kind, refused);
                self.machine.applied(kind, number);
            }
        }
    }

    /// Tells people, and not the same over and over.
    fn say(&mut self, what: String) {
        let now = Instant::now();
        let silent = self.said.get(&what);
        if silent.is_none_or(|said| now - *said >= SILENCE) {
            warn!(peer = %self.pair.peer, "{what}");
            self.said.insert(what.clone(), now);
        }
        self.fault = Some(what);
    }

    fn happened(&mut self, reader: &Reader, happening: Happening) {
        match happening {
            Happening::Open(conn) => {
                let id = ConnId(self.next_conn);
                self.next_conn += 1;
                let dialled = conn.dialled;
                self.conns.insert(id, conn.begin(id, &self.happenings));
                self.event(reader, Event::Connected { conn: id, dialled });
            }
            Happening::Failed(failed) => {
                let wrong_key = failed.is_about_the_key();
                if !wrong_key {
                    self.fault = Some(format!(
                        "cannot connect to {}: {}",
                        self.pair.peer,
                        chain(&failed)
                    ));
                }
                self.event(reader, Event::NotConnected { wrong_key });
                if wrong_key {
                    self.say(failed.to_string());
                }
            }
            Happening::Stranger(from, failed) => {
                if failed.is_about_the_key() {
                    self.event(reader, Event::Stranger);
                    self.say(format!("{from} has connected: {failed}"));
                }
            }
            Happening::Frame(conn, bytes) => {
                if self.conns.contains_key(&conn) {
                    self.event(
                        reader,
                        Event::Frame {
                            conn,
                            bytes: &bytes,
                        },
                    );
                }
            }
            Happening::Lost(conn) => {
                self.conns.remove(&conn);
                self.event(reader, Event::Lost(conn));
            }
            Happening::NoListener(error) => {
                self.say(format!("cannot listen on {}: {error}", self.pair.local));
            }
            Happening::Listens => info!(local = %self.pair.local, "waits for the other router"),
        }
    }

    fn message(&mut self, reader: &Reader, message: PairMessage) {
        let now = Instant::now();
        match message {
            PairMessage::Push(told) => {
                let kind = told.kind();
                match self.waiting.get_mut(&kind) {
                    // It must not overtake what is to be told before.
                    Some(waiting) if waiting.records.len() < waiting.most => {
                        waiting.records.push_back(told);
                    }
                    Some(_) => {
                        self.waiting.remove(&kind);
                        let mut out = Vec::new();
                        self.machine.tell_again(now, kind, &mut out);
                        self.carry_out(reader, now, out);
                    }
                    None => self.push(now, &told),
                }
            }
            PairMessage::All(kind, records) => {
                let waiting = Waiting {
                    most: records.len() + MORE,
                    records: records.into(),
                    is_all: true,
                };
                self.waiting.insert(kind, waiting);
            }
            PairMessage::Applied(kind, number, refused) => {
                self.machine.refused(kind, refused);
                self.machine.applied(kind, number);
            }
            PairMessage::Ports(ports, config) => {
                self.machine.configured(config);
                if self.flows.follow(ports) {
                    let mut out = Vec::new();
                    self.machine.ask_again(Kind::Flow, &mut out);
                    self.carry_out(reader, now, out);
                }
            }
            PairMessage::Snapshot(reply) => {
                let snapshot = PairSnapshot {
                    status: self.machine.status(now),
                    kept_flows: self.flows.n_kept(),
                    fault: self.fault.clone().filter(|_| !self.machine.is_up()),
                    now,
                };
                let _ = reply.send(snapshot);
            }
        }
    }

    fn push(&mut self, now: Instant, told: &Told) {
        if let Err(error) = told.push(&mut self.machine, now) {
            self.machine.refused(told.kind(), 1);
            warn!(kind = told.kind().name(), %error, "cannot be told to the other router");
        }
    }

    /// Waits until it is known what is configured. False: the router stops.
    async fn configured(
        &mut self,
        reader: &mut Reader,
        inbox: &mut PairInbox,
        stop: &CancellationToken,
    ) -> bool {
        loop {
            let offline = reader.offline();
            let message = tokio::select! {
                () = stop.cancelled() => None,
                message = inbox.messages.recv() => message,
            };
            offline.online();
            let Some(message) = message else {
                return false;
            };
            let is_configured = matches!(message, PairMessage::Ports(..));
            self.message(reader, message);
            if is_configured {
                return true;
            }
        }
    }

    /// Tells what there is room for.
    fn feed(&mut self, reader: &Reader) {
        let now = Instant::now();
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain(|&kind, waiting| {
            while self.machine.room(kind) > ROOM
                && let Some(told) = waiting.records.pop_front()
            {
                self.push(now, &told);
            }
            if waiting.records.is_empty() && waiting.is_all {
                self.machine.told(now, kind);
            }
            !waiting.records.is_empty()
        });
        self.waiting = waiting;
        if self.machine.is_up() {
            if self.flows.has_lost() {
                let mut out = Vec::new();
                self.machine.tell_again(now, Kind::Flow, &mut out);
                self.carry_out(reader, now, out);
            }
            let machine = std::cell::RefCell::new(&mut self.machine);
            let room = || machine.borrow().room(Kind::Flow);
            let push = |flow: &pair::record::Flow| {
                // A name is as long as a configuration lets it be: it fits.
                let _ = machine.borrow_mut().push(now, flow);
            };
            if self.flows.tell(reader, room, seconds(), push) {
                self.machine.told(now, Kind::Flow);
            }
        }
        if now - self.aged >= AGE {
            self.aged = now;
            self.flows.expire(seconds());
        }
        self.event(reader, Event::Timer);
    }
}

/// Seconds of the workers' clock.
fn seconds() -> u32 {
    (clock::ticks() / clock::hz().max(1)) as u32
}

/// An error with its cause.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// The life of the thread.
async fn live(means: Means) {
    let Means {
        pair,
        flows,
        mut reader,
        mut inbox,
        keepers,
        events,
        stop,
    } = means;
    let key = match Key::read(&pair.key_file) {
        Ok(key) => key,
        Err(error) => {
            let fault = format!("pair.key_file: {}", chain(&error));
            error!("{fault}: no state is told to the other router");
            return idle(reader, inbox, flows, &fault, stop).await;
        }
    };
    let (happenings, mut happened) = net::happenings();
    let (local, peer): (SocketAddr, SocketAddr) = (pair.local, pair.peer);
    let (its_key, is_up) = (key.clone(), inbox.is_up.clone());
    let mut task = PairTask::new(pair, key, flows, keepers, events, happenings.clone(), is_up);
    // Only then it can be said what is configured, and flows have ports.
    if !task.configured(&mut reader, &mut inbox, &stop).await {
        return;
    }
    let listener = tokio::spawn(net::listen(local, peer, its_key, happenings));
    loop {
        let pause = if task.machine.is_up() { NOTES } else { AGE };
        let due = task.machine.next_deadline();
        let wake = due.map_or(Instant::now() + pause, |due| {
            due.min(Instant::now() + pause)
        });
        // While it waits, nobody waits for it.
        let offline = reader.offline();
        let first = tokio::select! {
            () = stop.cancelled() => None,
            message = inbox.messages.recv() => Some(Woken::Message(message)),
            happening = happened.recv() => Some(Woken::Happening(happening)),
            () = sleep_until(wake.into()) => Some(Woken::Time),
        };
        offline.online();
        match first {
            None => break,
            Some(Woken::Message(message)) => {
                let more = std::iter::from_fn(|| inbox.messages.try_recv().ok()).take(AT_ONCE);
                let messages: Vec<_> = message.into_iter().chain(more).collect();
                messages.into_iter().for_each(|m| task.message(&reader, m));
            }
            Some(Woken::Happening(happening)) => {
                if let Some(happening) = happening {
                    task.happened(&reader, happening);
                }
            }
            Some(Woken::Time) => {}
        }
        task.feed(&reader);
        reader.quiescent();
    }
    task.event(&reader, Event::Stop);
    listener.abort();
    drop(task);
    let _offline = reader.offline();
    // What was said last is still written.
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// What has woken the thread.
enum Woken {
    Message(Option<PairMessage>),
    Happening(Option<Happening>),
    Time,
}

/// There is no key: only the flows' part is looked after, and people are told why.
async fn idle(
    mut reader: Reader,
    mut inbox: PairInbox,
    flows: FlowPeer,
    fault: &str,
    stop: CancellationToken,
) {
    let now = Instant::now();
    let machine = Machine::new(Config::default(), now);
    let _offline = reader.offline();
    let _flows = flows;
    loop {
        let message = tokio::select! {
            () = stop.cancelled() => return,
            message = inbox.messages.recv() => message,
        };
        match message {
            None => return,
            Some(PairMessage::Snapshot(reply)) => {
                let now = Instant::now();
                let snapshot = PairSnapshot {
                    status: machine.status(now),
                    kept_flows: 0,
                    fault: Some(fault.to_owned()),
                    now,
                };
                let _ = reply.send(snapshot);
            }
            Some(_) => {}
        }
    }
}
