//! Two machines and a network between them, in simulated time.

mod connections;
mod random;
mod streams;

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use super::*;
use crate::record::{self, Kind, Neighbor, Station};

const MS: Duration = Duration::from_millis(1);

/// One router: what it has of its own, and what the peer has told it.
struct Node {
    machine: Machine,
    /// By address and MAC.
    own: BTreeMap<u128, u8>,
    told: BTreeMap<u128, u8>,
    /// Those told since the bulk began.
    in_bulk: Option<BTreeMap<u128, u8>>,
    /// What is still to be pushed of a bulk.
    to_tell: VecDeque<(u128, u8)>,
    ups: u32,
    downs: Vec<Why>,
    notices: Vec<Notice>,
    applied: u64,
    /// Deliveries that wait while it is slow.
    waiting: VecDeque<Delivery>,
    slow: bool,
    /// It does nothing at all.
    stopped: bool,
}

/// Messages on their way: when they come, where, and what.
type Way = VecDeque<(Instant, ConnId, Option<Vec<u8>>)>;

struct Net {
    now: Instant,
    nodes: [Node; 2],
    /// To each node.
    ways: [Way; 2],
    next_conn: u64,
    /// Whether connections can be made.
    reachable: bool,
    delay: Duration,
    /// Connections that are open.
    open: Vec<ConnId>,
    /// Bytes on their way to each node at most, ever.
    most: [usize; 2],
}

fn config(node: &str, boot: u64) -> Config {
    Config {
        node: node.into(),
        boot,
        kinds: vec![Kind::Neighbor],
        seed: boot,
        ..Config::default()
    }
}

fn neighbor(address: u128, mac: Option<u8>) -> Neighbor {
    Neighbor {
        router: "r".into(),
        interface: "lan".into(),
        address: Ipv6Addr::from_bits(address).into(),
        mac: mac.map(|mac| [2, 0, 0, 0, 0, mac]),
        is_router: false,
    }
}

impl Node {
    fn new(config: Config, now: Instant) -> Self {
        Self {
            machine: Machine::new(config, now),
            own: BTreeMap::new(),
            told: BTreeMap::new(),
            in_bulk: None,
            to_tell: VecDeque::new(),
            ups: 0,
            downs: Vec::new(),
            notices: Vec::new(),
            applied: 0,
            waiting: VecDeque::new(),
            slow: false,
            stopped: false,
        }
    }

    /// Changes something of its own, and tells it.
    fn set(&mut self, now: Instant, address: u128, mac: Option<u8>) -> Pushed {
        match mac {
            Some(mac) => self.own.insert(address, mac),
            None => self.own.remove(&address),
        };
        self.machine.push(now, &neighbor(address, mac)).unwrap()
    }

    fn apply(&mut self, delivery: &Delivery) {
        assert_eq!(delivery.kind, Kind::Neighbor);
        match &delivery.what {
            Delivered::Begin => self.in_bulk = Some(BTreeMap::new()),
            Delivered::End => self.told = self.in_bulk.take().unwrap(),
            Delivered::Records(_) => {
                for bytes in delivery.records() {
                    let neighbor: Neighbor = record::read(bytes).unwrap();
                    let std::net::IpAddr::V6(address) = neighbor.address else {
                        panic!("{neighbor:?}")
                    };
                    let change = |map: &mut BTreeMap<u128, u8>| match neighbor.mac {
                        Some(mac) => map.insert(address.to_bits(), mac[5]),
                        None => map.remove(&address.to_bits()),
                    };
                    change(&mut self.told);
                    self.in_bulk.as_mut().map(change);
                }
            }
        }
        self.machine.applied(delivery.kind, delivery.number);
    }

    /// Pushes what there is room for.
    fn tell(&mut self, now: Instant) {
        while self.machine.room(Kind::Neighbor) > 200
            && let Some((address, mac)) = self.to_tell.pop_front()
        {
            // It may have changed since.
            if self.own.get(&address) == Some(&mac) {
                self.machine
                    .push(now, &neighbor(address, Some(mac)))
                    .unwrap();
            }
            if self.to_tell.is_empty() {
                self.machine.told(now, Kind::Neighbor);
            }
        }
    }
}

impl Net {
    fn new(configs: [Config; 2]) -> Self {
        let now = Instant::now();
        Self {
            now,
            nodes: configs.map(|config| Node::new(config, now)),
            ways: [VecDeque::new(), VecDeque::new()],
            next_conn: 1,
            reachable: true,
            delay: MS,
            open: Vec::new(),
            most: [0; 2],
        }
    }

    fn pair() -> Self {
        Self::new([config("a", 1), config("b", 2)])
    }

    /// Something happens at a node.
    fn event(&mut self, at: usize, event: Event<'_>) {
        let mut out = Vec::new();
        self.nodes[at].machine.on_event(self.now, event, &mut out);
        for action in out {
            self.carry_out(at, action);
        }
    }

    fn send(&mut self, to: usize, conn: ConnId, what: Option<Vec<u8>>) {
        self.ways[to].push_back((self.now + self.delay, conn, what));
        let bytes = |(_, _, what): &(_, _, Option<Vec<u8>>)| what.as_ref().map_or(0, Vec::len);
        self.most[to] = self.most[to].max(self.ways[to].iter().map(bytes).sum());
    }

    fn carry_out(&mut self, at: usize, action: Action) {
        let (now, other) = (self.now, 1 - at);
        let node = &mut self.nodes[at];
        match action {
            Action::Dial if self.reachable => {
                let conn = ConnId(self.next_conn);
                self.next_conn += 1;
                self.open.push(conn);
                self.event(
                    at,
                    Event::Connected {
                        conn,
                        dialled: true,
                    },
                );
                let dialled = false;
                self.event(other, Event::Connected { conn, dialled });
            }
            Action::Dial => self.event(at, Event::NotConnected { wrong_key: false }),
            Action::Send { conn, bytes } => self.send(other, conn, Some(bytes)),
            Action::Close(conn) => self.send(other, conn, None),
            Action::Up(_) => {
                node.ups += 1;
                node.waiting.clear();
                node.in_bulk = None;
            }
            Action::Down(why) => {
                node.downs.push(why);
                node.to_tell.clear();
            }
            Action::Tell(kind) => {
                assert_eq!(kind, Kind::Neighbor);
                node.to_tell = node.own.clone().into_iter().collect();
                if node.to_tell.is_empty() {
                    node.machine.told(now, kind);
                }
            }
            Action::Deliver(delivery) if node.slow => node.waiting.push_back(delivery),
            Action::Deliver(delivery) => node.apply(&delivery),
            Action::Applied(_, ticket) => {
                assert!(ticket >= node.applied);
                node.applied = ticket;
            }
            Action::Notice(notice) => node.notices.push(notice),
        }
    }

    /// Lets time pass, a millisecond at a time.
    fn run(&mut self, ms: u32) {
        for _ in 0..ms {
            self.now += MS;
            for at in 0..2 {
                if !self.nodes[at].stopped {
                    self.step(at);
                }
            }
        }
    }

    fn step(&mut self, at: usize) {
        while self.ways[at]
            .front()
            .is_some_and(|(when, ..)| *when <= self.now)
            && let Some((_, conn, what)) = self.ways[at].pop_front()
        {
            if !self.open.contains(&conn) {
                continue;
            }
            match what {
                Some(bytes) => self.event(
                    at,
                    Event::Frame {
                        conn,
                        bytes: &bytes,
                    },
                ),
                None => {
                    self.open.retain(|open| *open != conn);
                    self.event(at, Event::Lost(conn));
                }
            }
        }
        let now = self.now;
        let node = &mut self.nodes[at];
        if !node.slow {
            for delivery in std::mem::take(&mut node.waiting) {
                node.apply(&delivery);
            }
        }
        node.tell(now);
        self.event(at, Event::Timer);
        let next = self.nodes[at].machine.next_deadline();
        // Nothing is left undone that could be done.
        let status = self.status(at);
        assert!(next.is_none_or(|next| next > now), "{status:?}");
    }

    /// Every connection breaks.
    fn cut(&mut self) {
        for conn in std::mem::take(&mut self.open) {
            for at in 0..2 {
                self.event(at, Event::Lost(conn));
            }
        }
        self.ways.iter_mut().for_each(VecDeque::clear);
    }

    fn in_step(&self) -> bool {
        let [a, b] = &self.nodes;
        a.machine.is_up() && b.machine.is_up() && a.told == b.own && b.told == a.own
    }

    fn status(&self, at: usize) -> KindStatus {
        self.nodes[at].machine.status(self.now).kinds[Kind::Neighbor.index()]
    }

    fn counters(&self, at: usize) -> KindCounters {
        let status = self.nodes[at].machine.status(self.now);
        status.counters.kinds[Kind::Neighbor.index()]
    }
}
