//! The vrrp room, driven by JSON.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use protocols::vrrp::packet::{self, Advertisement, GROUP4, GROUP6};
use protocols::vrrp::{
    Action, Config, Event, Family, GroupId, MIN_INTERVAL, Machine, State, Version,
};
use serde_json::Value;
use tables::id::IfaceId;

use crate::Subject;
use crate::text::{get, list, maybe};

const IFACE: IfaceId = IfaceId(1);
const VRID: u8 = 61;

struct Vrrp(Machine);

pub fn run(case: &str) {
    crate::case("vrrp", case, Instant::now(), Vrrp(Machine::default()));
}

fn family(step: &Value) -> Family {
    match maybe::<u8>(step, "ip") {
        Some(4) => Family::V4,
        _ => Family::V6,
    }
}

fn interval(step: &Value) -> Duration {
    maybe(step, "interval_ms").map_or(Duration::from_secs(1), Duration::from_millis)
}

fn version(step: &Value) -> Version {
    match maybe::<u8>(step, "version") {
        Some(2) => Version::V2,
        _ => Version::V3,
    }
}

fn config(step: &Value) -> Config {
    let family = family(step);
    let addresses: Vec<IpAddr> = list(step, "addresses");
    let mut config = Config::new(family, VRID, addresses);
    config.version = version(step);
    config.priority = maybe(step, "priority").unwrap_or(100);
    config.interval = interval(step).max(MIN_INTERVAL);
    config.preempt = maybe(step, "preempt").unwrap_or(true);
    config
}

/// An advertisement of another router.
fn advertisement(step: &Value) -> Vec<u8> {
    let source: IpAddr = get(step, "from");
    let group = match source {
        IpAddr::V6(_) => IpAddr::V6(GROUP6),
        IpAddr::V4(_) => IpAddr::V4(GROUP4),
    };
    let said = Advertisement {
        version: version(step),
        vrid: maybe(step, "vrid").unwrap_or(VRID),
        priority: get(step, "priority"),
        interval: interval(step),
        addresses: list(step, "addresses"),
    };
    packet::write(source, group, &said, false)
}

impl Subject for Vrrp {
    fn event(&mut self, now: Instant, step: &Value) -> Vec<String> {
        let id = GroupId {
            iface: IFACE,
            family: family(step),
            vrid: VRID,
        };
        let packet;
        let event = match step["do"].as_str().unwrap() {
            "configure" => Event::Configure {
                id,
                config: Box::new(config(step)),
            },
            "remove" => Event::Remove { id },
            "source" => Event::Source {
                iface: IFACE,
                family: id.family,
                addr: maybe(step, "addr"),
            },
            "link_up" => Event::Link {
                iface: IFACE,
                up: true,
            },
            "link_down" => Event::Link {
                iface: IFACE,
                up: false,
            },
            "shutdown" => Event::Shutdown,
            "hear" => {
                packet = advertisement(step);
                Event::Packet {
                    iface: IFACE,
                    packet: &packet,
                }
            }
            other => panic!("{other} is not an event of this room"),
        };
        self.act(now, event)
    }

    fn timer(&mut self, now: Instant) -> Vec<String> {
        self.act(now, Event::Timer)
    }

    fn deadline(&self) -> Option<Instant> {
        self.0.next_deadline()
    }
}

impl Vrrp {
    fn act(&mut self, now: Instant, event: Event<'_>) -> Vec<String> {
        let mut out = Vec::new();
        self.0.on_event(now, event, &mut out);
        out.iter().map(show).collect()
    }
}

fn show(action: &Action) -> String {
    match action {
        Action::Become { state, why, .. } => {
            let state = match state {
                State::Initialize => "initialize",
                State::Backup => "backup",
                State::Active => "active",
            };
            format!("becomes {state}: {why}")
        }
        Action::Send {
            source_mac,
            dst_mac,
            packet,
            ..
        } => match packet::read(packet) {
            Ok(received) => {
                let said = received.advertisement;
                let addresses: Vec<_> = said.addresses.iter().map(ToString::to_string).collect();
                format!(
                    "advertises from {source_mac} to {dst_mac}: priority {}, every {} ms, {}",
                    said.priority,
                    said.interval.as_millis(),
                    addresses.join(" ")
                )
            }
            Err(_) => format!("announces from {source_mac} to {dst_mac}"),
        },
        Action::Route { .. } => "advertises to a peer".to_owned(),
    }
}
