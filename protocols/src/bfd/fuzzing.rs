//! A machine driven by arbitrary octets: for fuzzers, and for the tests that replay their seeds.
//!
//! Octets are a series of steps: kind (1), length (1), data.
//!
//! | kind | data |
//! |---|---|
//! | 0 | a packet of the peer's, as it is |
//! | 1 | the same, with our discriminator put where it belongs |
//! | 2 | milliseconds that pass (2) |
//! | 3 | a change: 0 link down, 1 link up, 2 configured with intervals in ms (1, 1) and multiplier (1), 3 switched off, 4 removed |

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use tables::id::IfaceId;

use super::config::MIN_INTERVAL;
use super::packet::Packet;
use super::{
    Action, Auth, Config, Counters, Datagram, Event, HOP_LIMIT, Key, Machine, SessionId, State,
};

/// Where Your Discriminator is.
const YOURS: std::ops::Range<usize> = 8..12;
const LOCAL: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));
const PEER: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2));
const SESSION: SessionId = SessionId {
    iface: IfaceId(1),
    local: LOCAL,
    peer: PEER,
};

/// One session, up to the end of the octets.
struct Driven {
    machine: Machine,
    now: Instant,
    auth: Option<Auth>,
    state: State,
}

/// Takes the steps, without and with authentication; the counters of each time, packets of nobody included.
///
/// # Panics
/// When an invariant of the room does not hold.
pub fn drive(octets: &[u8]) -> [Counters; 2] {
    let auth = Key::new(b"hextet").ok().map(|key| Auth {
        key_id: 1,
        key,
        meticulous: true,
    });
    [None, auth].map(|auth| Driven::new(auth).run(octets))
}

impl Driven {
    fn new(auth: Option<Auth>) -> Self {
        let mut driven = Driven {
            machine: Machine::new(1),
            now: Instant::now(),
            auth,
            state: State::Down,
        };
        let iface = SESSION.iface;
        driven.event(Event::LinkUp { iface });
        driven.configure(Config::default());
        driven
    }

    fn run(mut self, mut octets: &[u8]) -> Counters {
        while let Some((&[kind, len], rest)) = octets.split_first_chunk() {
            let (data, rest) = rest.split_at(rest.len().min(len.into()));
            octets = rest;
            self.step(kind, data);
        }
        let mut counters = Counters::default();
        if let Some((_, strays)) = self.machine.strays().next() {
            counters = strays.clone();
        }
        if let Some((_, of)) = self.machine.counters().next() {
            for (why, n) in &of.invalid {
                *counters.invalid.entry(why).or_default() += n;
            }
            counters = Counters {
                invalid: counters.invalid,
                ..of.clone()
            };
        }
        counters
    }

    fn step(&mut self, kind: u8, data: &[u8]) {
        match (kind % 4, data) {
            (0, _) => self.receive(data),
            (1, _) => {
                let mut data = data.to_vec();
                let ours = self.machine.snapshot().pop().map(|s| s.local_discriminator);
                if let (Some(field), Some(ours)) = (data.get_mut(YOURS), ours) {
                    field.copy_from_slice(&ours.to_be_bytes());
                }
                self.receive(&data);
            }
            (2, [high, low, ..]) => {
                let ms = u16::from_be_bytes([*high, *low]);
                self.pass(Duration::from_millis(ms.into()));
            }
            (3, [0, ..]) => self.event(Event::LinkDown {
                iface: SESSION.iface,
            }),
            (3, [1, ..]) => self.event(Event::LinkUp {
                iface: SESSION.iface,
            }),
            (3, [2, tx, rx, detect_mult, ..]) => self.configure(Config {
                desired_min_tx: Duration::from_millis((*tx).into()),
                required_min_rx: Duration::from_millis((*rx).into()),
                detect_mult: *detect_mult,
                ..Config::default()
            }),
            (3, [3, ..]) => self.configure(Config {
                admin_down: true,
                ..Config::default()
            }),
            (3, [4, ..]) => self.event(Event::Remove { session: SESSION }),
            _ => {}
        }
    }

    fn configure(&mut self, config: Config) {
        let config = Config {
            auth: self.auth.clone(),
            ..config
        };
        self.event(Event::Configure {
            session: SESSION,
            config: Box::new(config),
        });
    }

    fn receive(&mut self, payload: &[u8]) {
        self.event(Event::Packet(Datagram {
            iface: SESSION.iface,
            source: PEER,
            destination: LOCAL,
            hop_limit: HOP_LIMIT,
            payload,
        }));
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.machine.next_deadline().filter(|at| *at <= end) {
            assert!(self.now <= at, "a deadline lies in the past");
            self.now = at;
            self.event(Event::Timer);
            let next = self.machine.next_deadline();
            assert!(next.is_none_or(|next| at < next), "the timer stands still");
        }
        self.now = end;
    }

    fn event(&mut self, event: Event<'_>) {
        let mut out = Vec::new();
        self.machine.on_event(self.now, event, &mut out);
        for action in out {
            match action {
                Action::Send { payload, .. } => {
                    let read = Packet::read(&payload);
                    let verified = read.and_then(|p| p.verify(self.auth.as_ref()));
                    assert!(
                        verified.is_ok(),
                        "we send what we do not read: {verified:?}"
                    );
                }
                Action::State { from, to, .. } => {
                    assert_eq!(from, self.state);
                    assert_ne!(from, to);
                    self.state = to;
                }
                Action::Path { .. } | Action::Refused { .. } => {}
            }
        }
        match self.machine.snapshot().pop() {
            Some(shown) => {
                assert_eq!(shown.state, self.state);
                let is_heard = shown.remote.is_some();
                assert!(is_heard || !matches!(shown.state, State::Init | State::Up));
                assert!(shown.transmit_interval.is_none_or(|i| MIN_INTERVAL <= i));
                assert_eq!(shown.detection_time.is_some(), is_heard);
            }
            None => self.state = State::Down,
        }
    }
}
