//! The relay6 room, driven by JSON.

use std::net::Ipv6Addr;
use std::time::{Duration, Instant, SystemTime};

use ipnet::Ipv6Net;
use lease::Write;
use protocols::dhcp6_wire::Tlvs;
use protocols::relay6::{Action, Config, Datagram, Event, Machine, Relays, Server, Via};
use serde_json::Value;
use tables::id::{IfaceId, VrfId};
use wire::MacAddr;

use crate::Subject;
use crate::text::{get, list, maybe};

const LAN: IfaceId = IfaceId(1);
const UPSTREAM: IfaceId = IfaceId(2);
const DUID: [u8; 10] = [0, 3, 0, 1, 2, 0, 0, 0, 0, 0xc];

/// The machine, and what it asked to store.
struct Relay {
    machine: Machine,
    start: Instant,
    asked: Vec<Write>,
}

pub fn run(case: &str) {
    let start = Instant::now();
    let relay = Relay {
        machine: Machine::new(start, wall(start, start)),
        start,
        asked: Vec::new(),
    };
    crate::case("relay6", case, start, relay);
}

fn wall(start: Instant, now: Instant) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + (now - start)
}

impl Relay {
    fn act(&mut self, now: Instant, event: Event<'_>) -> Vec<String> {
        let mut out = Vec::new();
        let wall = wall(self.start, now);
        self.machine.on_event(now, wall, event, &mut out);
        self.asked
            .extend(out.iter().filter_map(|action| match action {
                Action::Write(write) => Some(write.clone()),
                _ => None,
            }));
        out.iter().map(show).collect()
    }

    /// A datagram, and by which name it was dropped if nothing else happened.
    fn packet(&mut self, now: Instant, datagram: Datagram<'_>) -> Vec<String> {
        let before = self.dropped();
        let mut out = self.act(now, Event::Packet(datagram));
        let after = self.dropped();
        let new = after.iter().filter(|drop| !before.contains(drop));
        out.extend(new.map(|(why, _)| format!("drop {why}")));
        out
    }

    fn dropped(&self) -> Vec<(&'static str, u64)> {
        let links = self.machine.counters().map(|(_, counters)| counters);
        let all = links.chain([self.machine.counters_elsewhere()]);
        all.flat_map(|c| c.invalid.iter().map(|(why, n)| (*why, *n)))
            .collect()
    }
}

impl Subject for Relay {
    fn event(&mut self, now: Instant, step: &Value) -> Vec<String> {
        match step["do"].as_str().unwrap() {
            "configure" => {
                let servers = list(step, "servers").into_iter();
                let config = Config {
                    servers: servers.map(Server::Routed).collect(),
                    link_address: get(step, "link"),
                    interface_id: b"lan".to_vec(),
                    relays: Relays::From(list(step, "relays")),
                    ..Config::default()
                };
                let mut out = self.act(
                    now,
                    Event::ConfigureLink {
                        link: LAN,
                        vrf: VrfId(0),
                        realm: lease::RealmId(1),
                        name: "lan".into(),
                        config: Box::new(config),
                    },
                );
                out.extend(self.act(now, Event::Loaded { leases: vec![] }));
                out
            }
            "stored" => {
                self.asked.clear();
                self.act(now, Event::Stored)
            }
            "store_failed" => {
                let writes = std::mem::take(&mut self.asked);
                self.act(now, Event::StoreFailed { writes })
            }
            side => {
                let from_server = match side {
                    "server" => true,
                    "client" => false,
                    other => panic!("{other} says nothing"),
                };
                let payload = message(step, from_server);
                let src = if from_server {
                    "2001:db8:ff::53"
                } else {
                    "fe80::c"
                };
                let dst = if from_server {
                    "2001:db8:1::1"
                } else {
                    "ff02::1:2"
                };
                let datagram = Datagram {
                    iface: if from_server { UPSTREAM } else { LAN },
                    vrf: VrfId(0),
                    src_mac: MacAddr([2, 0, 0, 0, 0, 0xc]),
                    src: maybe(step, "src").unwrap_or(src.parse().unwrap()),
                    src_port: maybe(step, "port").unwrap_or(547),
                    dst: dst.parse().unwrap(),
                    payload: &payload,
                };
                self.packet(now, datagram)
            }
        }
    }

    fn timer(&mut self, now: Instant) -> Vec<String> {
        self.act(now, Event::Timer)
    }

    fn deadline(&self) -> Option<Instant> {
        self.machine.next_deadline()
    }
}

/// A message of this type with a client identifier and prefixes, in as many envelopes as hops are named.
fn message(step: &Value, from_server: bool) -> Vec<u8> {
    let mut ia: Vec<u8> = [0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0].to_vec();
    let valid: u32 = maybe(step, "valid").unwrap_or(0);
    for prefix in list::<Ipv6Net>(step, "prefixes") {
        let times = [(valid / 2).to_be_bytes(), valid.to_be_bytes()].concat();
        let data = [
            &times[..],
            &[prefix.prefix_len()],
            &prefix.network().octets(),
        ]
        .concat();
        ia.extend(option(26, &data));
    }
    let xid: u8 = maybe(step, "xid").unwrap_or(1);
    let mut bytes = vec![get::<u8>(step, "type"), 0, 0, xid];
    bytes.extend(option(1, &DUID));
    if !step["prefixes"].is_null() {
        bytes.extend(option(25, &ia));
    }
    let id: String = maybe(step, "id").unwrap_or("lan".into());
    let kind = if from_server { 13 } else { 12 };
    for hops in list::<u8>(step, "envelopes") {
        let peer = if hops == 0 {
            "fe80::c"
        } else {
            "2001:db8:77::1"
        };
        let mut outer = vec![kind, hops];
        outer.extend(Ipv6Addr::UNSPECIFIED.octets());
        outer.extend(peer.parse::<Ipv6Addr>().unwrap().octets());
        outer.extend(option(18, id.as_bytes()));
        outer.extend(option(9, &bytes));
        bytes = outer;
    }
    bytes
}

fn option(code: u16, data: &[u8]) -> Vec<u8> {
    [
        &code.to_be_bytes()[..],
        &(data.len() as u16).to_be_bytes(),
        data,
    ]
    .concat()
}

fn show(action: &Action) -> String {
    match action {
        Action::Send {
            via,
            dst,
            dst_port,
            payload,
            after_commit,
            ..
        } => {
            let via = match via {
                Via::Link { mac: Some(mac), .. } => format!("link, {mac}"),
                Via::Link { mac: None, .. } => "link".into(),
                Via::Routed { .. } => "routed".into(),
            };
            let when = if *after_commit { ", when stored" } else { "" };
            format!(
                "send ({via}{when}) to {dst} port {dst_port}: {}",
                words(payload)
            )
        }
        Action::Write(write) => {
            let what = if write.after.is_some() {
                "kept"
            } else {
                "forgotten"
            };
            format!("write {}: {what}", write.resource)
        }
        Action::RouteUp {
            prefix, next_hop, ..
        } => {
            format!(
                "route {prefix} to {} on {}",
                next_hop.address, next_hop.iface
            )
        }
        Action::RouteDown { prefix, .. } => format!("no route {prefix}"),
        Action::Notice(notice) => format!("notice {notice:?}"),
    }
}

fn words(bytes: &[u8]) -> String {
    if !matches!(bytes[0], 12 | 13) {
        return format!("message {} xid {}", bytes[0], bytes[3]);
    }
    let address = |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[at..at + 16]).unwrap());
    let one = |(code, data): (u16, &[u8])| match code {
        9 => words(data),
        18 => format!("interface {}", data.escape_ascii()),
        79 => "mac".into(),
        other => format!("option {other}"),
    };
    let options: Vec<_> = Tlvs(&bytes[34..])
        .map(|option| one(option.unwrap()))
        .collect();
    format!(
        "relay {} hop {} link {} peer {} [{}]",
        bytes[0],
        bytes[1],
        address(2),
        address(18),
        options.join(", ")
    )
}
