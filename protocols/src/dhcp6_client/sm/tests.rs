//! The machine in simulated time.

mod end;
mod faults;
mod life;
mod reconfigure;
mod start;

use super::*;
use crate::dhcp6_client::held::{HeldAddress, HeldPrefix, State};
use crate::dhcp6_client::{Invalid, LeftOut, PrefixHint};

const IFACE: IfaceId = IfaceId(3);
const OURS: &[u8] = &[0, 3, 0, 1, 2, 0, 0, 0, 0, 0xaa];
const SERVER: &[u8] = &[0, 3, 0, 1, 2, 0, 0, 0, 0, 1];
const OTHER: &[u8] = &[0, 3, 0, 1, 2, 0, 0, 0, 0, 2];
const IAID: u32 = 70;
const ADVERTISE: u8 = 2;
const REPLY: u8 = 7;
/// The date at which every test begins.
const DATE: u64 = 1_800_000_000;

fn ll(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// A message sent, as far as the tests look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Out {
    at: Duration,
    kind: u8,
    xid: [u8; 3],
    payload: Vec<u8>,
}

impl Out {
    /// The data of each option `code` at the top.
    fn options(&self, code: u16) -> Vec<Vec<u8>> {
        options(&self.payload[4..], code)
    }

    /// Addresses and prefixes of all associations.
    fn leases(&self) -> Vec<String> {
        let addresses = self.options(3).into_iter().flat_map(|ia| {
            let inner = options(&ia[12..], 5).into_iter();
            inner.map(|d| Ipv6Addr::from(<[u8; 16]>::try_from(&d[..16]).unwrap()).to_string())
        });
        let prefixes = self.options(25).into_iter().flat_map(|ia| {
            let inner = options(&ia[12..], 26).into_iter();
            inner.map(|d| {
                let address = Ipv6Addr::from(<[u8; 16]>::try_from(&d[9..25]).unwrap());
                format!("{address}/{}", d[8])
            })
        });
        addresses.chain(prefixes).collect()
    }
}

fn options(mut bytes: &[u8], wanted: u16) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<4>() {
        let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if u16::from_be_bytes([head[0], head[1]]) == wanted {
            found.push(rest[..len].to_vec());
        }
        bytes = &rest[len..];
    }
    found
}

fn option(code: u16, data: &[u8]) -> Vec<u8> {
    let mut out = code.to_be_bytes().to_vec();
    out.extend((data.len() as u16).to_be_bytes());
    out.extend(data);
    out
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_be_bytes()).collect()
}

fn status(code: u16) -> Vec<u8> {
    option(13, &code.to_be_bytes())
}

/// An IA_NA with T1 and T2 and what is in it.
fn ia_na(t1: u32, t2: u32, inner: &[Vec<u8>]) -> Vec<u8> {
    option(3, &[words(&[IAID, t1, t2]), inner.concat()].concat())
}

fn ia_pd(iaid: u32, t1: u32, t2: u32, inner: &[Vec<u8>]) -> Vec<u8> {
    option(25, &[words(&[iaid, t1, t2]), inner.concat()].concat())
}

fn address(text: &str, preferred: u32, valid: u32) -> Vec<u8> {
    let octets = ll(text).octets().to_vec();
    option(5, &[octets, words(&[preferred, valid])].concat())
}

fn prefix_with(text: &str, preferred: u32, valid: u32, inner: &[u8]) -> Vec<u8> {
    let (address, len) = text.split_once('/').unwrap();
    let mut data = words(&[preferred, valid]);
    data.push(len.parse().unwrap());
    data.extend(ll(address).octets());
    data.extend(inner);
    option(26, &data)
}

fn prefix(text: &str, preferred: u32, valid: u32) -> Vec<u8> {
    prefix_with(text, preferred, valid, &[])
}

/// An address and a prefix for an hour, valid for two.
fn both() -> Vec<Vec<u8>> {
    vec![
        ia_na(1800, 2880, &[address("2001:db8::7", 3600, 7200)]),
        ia_pd(IAID, 1800, 2880, &[prefix("2001:db8:100::/56", 3600, 7200)]),
    ]
}

struct Bench {
    machine: Machine,
    start: Instant,
    at: Duration,
    /// What the wall clock is wrong by, seconds.
    step: i64,
    sent: Vec<Out>,
    held: Vec<Held>,
    kept: BTreeMap<String, Kept>,
    notices: Vec<Notice>,
}

impl Bench {
    fn bare() -> Self {
        let start = Instant::now();
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(DATE);
        Bench {
            machine: Machine::new(Duid::new(OURS).unwrap(), 7, start, date),
            start,
            at: Duration::ZERO,
            step: 0,
            sent: Vec::new(),
            held: Vec::new(),
            kept: BTreeMap::new(),
            notices: Vec::new(),
        }
    }

    /// Configured, and the link up.
    fn new(config: Config) -> Self {
        let mut bench = Bench::bare();
        bench.configure(config);
        bench.up();
        bench
    }

    fn usual() -> Config {
        Config {
            iaid: IAID,
            ..Config::default()
        }
    }

    /// With the leases of `both`.
    fn bound() -> Self {
        Bench::bound_with(Bench::usual())
    }

    fn bound_with(config: Config) -> Self {
        let mut bench = Bench::new(config);
        bench.until_sent(1);
        bench.answer(ADVERTISE, SERVER, &both());
        bench.until_sent(3);
        bench.answer(REPLY, SERVER, &both());
        assert_eq!(bench.state(), State::Bound);
        bench
    }

    fn configure(&mut self, config: Config) {
        self.event(Event::Configure {
            iface: IFACE,
            name: "wan0".into(),
            config: Box::new(config),
        });
    }

    fn up(&mut self) {
        let link_local = ll("fe80::aa");
        self.event(Event::LinkUp {
            iface: IFACE,
            link_local,
        });
    }

    fn down(&mut self) {
        self.event(Event::LinkDown { iface: IFACE });
    }

    fn event(&mut self, event: Event<'_>) {
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(DATE) + self.at;
        let wall = match self.step >= 0 {
            true => date + Duration::from_secs(self.step.unsigned_abs()),
            false => date - Duration::from_secs(self.step.unsigned_abs()),
        };
        let mut out = Vec::new();
        self.machine
            .on_event(self.start + self.at, wall, event, &mut out);
        for action in out {
            match action {
                Action::Send {
                    src, dst, payload, ..
                } => {
                    assert_eq!((src, dst), (ll("fe80::aa"), ALL_SERVERS));
                    self.sent.push(Out {
                        at: self.at,
                        kind: payload[0],
                        xid: payload[1..4].try_into().unwrap(),
                        payload,
                    });
                }
                Action::Held(held) => self.held.push(held),
                Action::Keep(kept) => {
                    // What goes to disk comes back the same.
                    let back = Kept::decode(&kept.name, &kept.encode()).unwrap();
                    assert_eq!(back, kept);
                    self.kept.insert(kept.name.to_string(), kept);
                }
                Action::Forget { name } => {
                    self.kept.remove(&*name);
                }
                Action::Notice(notice) => self.notices.push(notice),
            }
        }
    }

    /// Lets time pass to `secs` after the beginning.
    fn until(&mut self, secs: f64) {
        let end = Duration::from_secs_f64(secs);
        for _ in 0..10_000 {
            let next = self.machine.next_deadline().map(|at| at - self.start);
            match next {
                Some(next) if next <= end => {
                    self.at = self.at.max(next);
                    self.event(Event::Timer);
                }
                _ => {
                    self.at = end;
                    return;
                }
            }
        }
        panic!("the machine does not come to rest");
    }

    /// Lets time pass for `secs`.
    fn pass(&mut self, secs: f64) {
        self.until(self.at.as_secs_f64() + secs);
    }

    /// Lets time pass until a message of this kind is sent.
    fn until_sent(&mut self, kind: u8) -> Out {
        let from = self.sent.len();
        for _ in 0..10_000 {
            if let Some(out) = self.sent[from..].iter().find(|out| out.kind == kind) {
                return out.clone();
            }
            let next = self.machine.next_deadline().expect("nothing is due");
            self.at = self.at.max(next - self.start);
            self.event(Event::Timer);
        }
        panic!("no message {kind} in {:?}", self.kinds());
    }

    fn kinds(&self) -> Vec<u8> {
        self.sent.iter().map(|out| out.kind).collect()
    }

    fn last(&self) -> &Out {
        self.sent.last().unwrap()
    }

    /// Answers the message sent last.
    fn answer(&mut self, kind: u8, server: &[u8], parts: &[Vec<u8>]) {
        let mut payload = vec![kind];
        payload.extend(self.last().xid);
        payload.extend(option(1, OURS));
        payload.extend(option(2, server));
        payload.extend(parts.concat());
        self.packet(&payload);
    }

    fn packet(&mut self, payload: &[u8]) {
        self.event(Event::Packet(Datagram {
            iface: IFACE,
            src: ll("fe80::1"),
            dst: ll("fe80::aa"),
            payload,
        }));
    }

    fn held(&self) -> &Held {
        self.held.last().unwrap()
    }

    fn state(&self) -> State {
        self.held().state
    }

    fn counters(&self) -> Counters {
        self.machine.uplinks().next().unwrap().counters.clone()
    }

    fn invalid(&self, label: &str) -> u64 {
        self.counters().invalid.get(label).copied().unwrap_or(0)
    }

    /// What is held, shortly: addresses and prefixes, with `-` when deprecated.
    fn leases(&self) -> Vec<String> {
        let now = self.wall();
        let mark = |until: Wall| if until <= now { "-" } else { "" };
        let held = self.held();
        let address = |h: &HeldAddress| format!("{}{}", mark(h.preferred_until), h.address);
        let prefix = |h: &HeldPrefix| format!("{}{}", mark(h.preferred_until), h.prefix);
        let addresses = held.addresses.iter().map(address);
        addresses.chain(held.prefixes.iter().map(prefix)).collect()
    }

    fn wall(&self) -> Wall {
        Wall::from_secs((DATE + self.at.as_secs()).saturating_add_signed(self.step))
    }
}
