//! The savi room, driven by JSON.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use protocols::savi::{
    Action, Anchor, Configuration, Event, Link, Machine, Millis, Prefix, Timing, Used,
};
use serde_json::Value;
use tables::id::{AnchorId, LinkId};

use crate::Subject;
use crate::text::{get, list, maybe};

const LAN: LinkId = LinkId(1);
/// The workers' clock at the start of a case: everything there is has been silent for long.
const BEGIN: Millis = 1_000_000;

struct Savi {
    start: Instant,
    machine: Machine,
    configuration: Configuration,
    /// When bindings were used, seconds.
    used: RefCell<BTreeMap<(AnchorId, IpAddr), u32>>,
}

pub fn run(case: &str) {
    let start = Instant::now();
    let savi = Savi {
        start,
        machine: Machine::new(Timing::default()),
        configuration: Configuration::default(),
        used: RefCell::default(),
    };
    crate::case("savi", case, start, savi);
}

impl Savi {
    fn millis(&self, now: Instant) -> Millis {
        BEGIN + (now - self.start).as_millis() as Millis
    }

    fn with(
        &mut self,
        now: Instant,
        run: impl FnOnce(&mut Machine, Millis, &dyn Fn(Used) -> Option<u32>, &mut Vec<Action>),
    ) -> Vec<String> {
        let now = self.millis(now);
        let mut out = Vec::new();
        let seen = |used| match used {
            Used::At(anchor, address) => self.used.borrow().get(&(anchor, address)).copied(),
            Used::On(..) => None,
        };
        run(&mut self.machine, now, &seen, &mut out);
        for action in &out {
            match *action {
                Action::Bind {
                    anchor, address, ..
                } => {
                    let mut used = self.used.borrow_mut();
                    used.insert((anchor, address), (now / 1000) as u32);
                }
                Action::Unbind { anchor, address } => {
                    self.used.borrow_mut().remove(&(anchor, address));
                }
                _ => {}
            }
        }
        out.iter().map(show).collect()
    }
}

impl Subject for Savi {
    fn event(&mut self, now: Instant, step: &Value) -> Vec<String> {
        let anchor = || maybe::<u16>(step, "port").map(AnchorId);
        let until = maybe::<u64>(step, "seconds").map(|left| self.millis(now) + left * 1000);
        let event = match step["do"].as_str().unwrap() {
            "link" => {
                let link = Link {
                    own: list(step, "own")
                        .into_iter()
                        .map(|address| (address, get(step, "mac")))
                        .collect(),
                    has_strangers: maybe(step, "strangers").unwrap_or(false),
                };
                self.configuration.links.insert(LAN, link);
                Event::Configure(self.configuration.clone())
            }
            "port" => {
                let macs = list(step, "macs");
                let fixed = list(step, "fixed");
                let anchor = Anchor {
                    link: LAN,
                    fixed: fixed
                        .into_iter()
                        .map(|address| (address, macs.first().copied()))
                        .collect(),
                    macs,
                    learns: maybe(step, "learns").unwrap_or(true),
                    max_addresses: maybe(step, "max").unwrap_or(16),
                    ..Anchor::default()
                };
                let id = AnchorId(get(step, "port"));
                self.configuration.anchors.insert(id, anchor);
                Event::Configure(self.configuration.clone())
            }
            kind @ ("probes" | "uses") => Event::Heard {
                link: LAN,
                anchor: anchor(),
                mac: get(step, "mac"),
                address: get(step, "addr"),
                probes: kind == "probes",
            },
            "passes" => {
                let key = (AnchorId(get(step, "port")), get(step, "addr"));
                let seconds = (self.millis(now) / 1000) as u32;
                self.used.borrow_mut().insert(key, seconds);
                return Vec::new();
            }
            "leased" => Event::Leased {
                link: LAN,
                address: get(step, "addr"),
                mac: get(step, "mac"),
                until,
            },
            "released" => Event::Released {
                link: LAN,
                address: get(step, "addr"),
            },
            "delegated" => Event::Delegated {
                link: LAN,
                prefix: Prefix {
                    prefix: get(step, "prefix"),
                    len: get(step, "len"),
                },
                mac: get(step, "mac"),
                until,
            },
            other => panic!("{other}"),
        };
        self.with(now, |machine, now, seen, out| {
            machine.on_event(now, event, seen, out);
        })
    }

    fn timer(&mut self, now: Instant) -> Vec<String> {
        self.with(now, |machine, now, seen, out| {
            machine.on_timer(now, 100, seen, out);
        })
    }

    fn deadline(&self) -> Option<Instant> {
        let due = self.machine.next_deadline()?;
        Some(self.start + Duration::from_millis(due.saturating_sub(BEGIN)))
    }
}

fn show(action: &Action) -> String {
    let port = |anchor: Option<AnchorId>| match anchor {
        Some(anchor) => format!("port {anchor}"),
        None => "no port".into(),
    };
    match *action {
        Action::Bind {
            anchor,
            address,
            mac,
        } => format!("bind {address} to port {anchor} with {mac}"),
        Action::Unbind { anchor, address } => format!("unbind {address} from port {anchor}"),
        Action::Hold {
            address,
            anchor,
            is_tentative,
            ..
        } => {
            let tentative = if is_tentative { ", tentative" } else { "" };
            format!("hold {address} for {}{tentative}", port(anchor))
        }
        Action::Release { address, .. } => format!("release {address}"),
        Action::HoldMac { mac, anchor, .. } => format!("hold {mac} for {}", port(anchor)),
        Action::ReleaseMac { mac, .. } => format!("release {mac}"),
        Action::Delegate {
            anchor,
            prefix: Prefix { prefix, len },
            mac,
        } => format!("let port {anchor} send from {prefix}/{len} with {mac}"),
        Action::Undelegate {
            anchor,
            prefix: Prefix { prefix, len },
        } => format!("do not let port {anchor} send from {prefix}/{len}"),
        Action::Full {
            anchor,
            is_ipv4,
            is_full,
        } => {
            let family = if is_ipv4 { "IPv4" } else { "IPv6" };
            format!("port {anchor} is full of {family}: {is_full}")
        }
        Action::Probe {
            anchor,
            address,
            mac,
        } => format!("ask {mac} at port {anchor} for {address}"),
        Action::Ask { address, .. } => format!("ask all strangers for {address}"),
        Action::Defend {
            anchor,
            to,
            address,
            owner,
        } => format!("tell {to} at port {anchor} that {owner} has {address}"),
    }
}
