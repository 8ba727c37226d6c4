//! The dhcp4 room, driven by JSON.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant, SystemTime};

use ipnet::Ipv4Net;
use lease::sync::Family;
use lease::{RealmId, Write};
use protocols::dhcp4::config::{Range, Relays, Reservation, Settings, Subnet};
use protocols::dhcp4::option::Tlvs;
use protocols::dhcp4::{Action, Config, Datagram, Event, Identity, LinkId, Machine, Via};
use serde_json::Value;
use tables::id::{IfaceId, VrfId};
use wire::MacAddr;

use crate::Subject;
use crate::pair::Peer;
use crate::text::{get, list, maybe};

const IFACE: IfaceId = IfaceId(1);

/// The machine, and the store that it was told of.
struct Server {
    machine: Machine,
    start: Instant,
    /// What the last event asked to store, until the store's word.
    asked: Vec<Write>,
    peer: Peer,
}

pub fn run(case: &str) {
    let start = Instant::now();
    let identity = Identity {
        secret: [7, 8],
        retention: Duration::from_secs(3600),
    };
    let machine = Machine::new(identity, 1, start, wall(start, start));
    let server = Server {
        machine,
        start,
        asked: Vec::new(),
        peer: Peer::default(),
    };
    crate::case("dhcp4", case, start, server);
}

fn wall(start: Instant, now: Instant) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + (now - start)
}

impl Server {
    fn act(&mut self, now: Instant, event: Event<'_>) -> Vec<String> {
        let mut out = Vec::new();
        self.machine
            .on_event(now, wall(self.start, now), event, &mut out);
        let write = |action: &Action| match action {
            Action::Write(write) if write.is_durable() => Some(write.clone()),
            _ => None,
        };
        self.asked.extend(out.iter().filter_map(write));
        let said = |action: &Action| match action {
            Action::Tell(message) => self.peer.hear(message),
            other => show(other),
        };
        out.iter().map(said).collect()
    }
}

impl Subject for Server {
    fn event(&mut self, now: Instant, step: &Value) -> Vec<String> {
        let of_pair = self.peer.event(step, RealmId(1), Family::V4);
        if let Some(event) = of_pair {
            return self.act(now, Event::Pair(event));
        }
        match step["do"].as_str().unwrap() {
            "configure" => {
                let event = Event::ConfigureLink {
                    link: LinkId::Iface(IFACE),
                    vrf: VrfId(0),
                    realm: RealmId(1),
                    config: Box::new(config(step)),
                };
                let mut out = self.act(now, event);
                out.extend(self.act(now, Event::Loaded { leases: vec![] }));
                out
            }
            "serve" => {
                let (link, serving) = (LinkId::Iface(IFACE), get(step, "serving"));
                self.act(now, Event::Serve { link, serving })
            }
            "stored" => {
                self.asked.clear();
                self.act(now, Event::Stored)
            }
            "store_failed" => {
                let writes = std::mem::take(&mut self.asked);
                self.act(now, Event::StoreFailed { writes })
            }
            "answered" => {
                let (address, by) = (get(step, "address"), get(step, "by"));
                let iface = IFACE;
                self.act(now, Event::ProbeResult { iface, address, by })
            }
            kind => {
                let payload = message(step, kind);
                let src_mac: MacAddr = get(step, "mac");
                let event = Event::Packet(Datagram {
                    iface: IFACE,
                    src_mac,
                    src: maybe(step, "src").unwrap_or(Ipv4Addr::UNSPECIFIED),
                    src_port: 68,
                    dst: maybe(step, "dst").unwrap_or(Ipv4Addr::BROADCAST),
                    payload: &payload,
                });
                self.act(now, event)
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

/// A link with the first address of `subnet` as ours and a pool from the tenth to the hundredth.
fn config(step: &Value) -> Config {
    let prefix: Ipv4Net = get(step, "subnet");
    let nth = |n| Ipv4Addr::from_bits(prefix.network().to_bits() + n);
    let subnet = Subnet {
        pools: vec![Range {
            start: nth(10),
            end: nth(100),
        }],
        routers: vec![nth(1)],
        ..Subnet::new(prefix)
    };
    let mut config = Config {
        own: vec![nth(1)],
        subnets: vec![subnet],
        settings: Settings {
            dns_servers: list(step, "dns"),
            domain_search: list(step, "domains"),
            ..Settings::default()
        },
        probe: maybe(step, "probe_ms").map(Duration::from_millis),
        ..Config::default()
    };
    if let Some(mac) = maybe(step, "port_mac") {
        config.reservations.push(Reservation {
            mac: Some(mac),
            addresses: list(step, "port_addresses"),
            ..Reservation::default()
        });
    }
    if maybe(step, "relays").unwrap_or(false) {
        config.relays = Relays::Any;
    }
    config
}

fn tlv(code: u8, data: &[u8]) -> Vec<u8> {
    [&[code, data.len() as u8], data].concat()
}

/// The message that a step describes: `asked` is option 50, `server` option 54, `codes` option 55.
fn message(step: &Value, kind: &str) -> Vec<u8> {
    let number = match kind {
        "discover" => 1,
        "request" => 3,
        "decline" => 4,
        "release" => 7,
        "inform" => 8,
        other => panic!("{other} is not an event of this room"),
    };
    let mac: MacAddr = get(step, "mac");
    let address = |field| maybe(step, field).unwrap_or(Ipv4Addr::UNSPECIFIED);
    let mut bytes = vec![0; 236];
    bytes[..4].copy_from_slice(&[1, 1, 6, 0]);
    bytes[7] = maybe(step, "xid").unwrap_or(1);
    if maybe(step, "broadcast").unwrap_or(false) {
        bytes[10] = 0x80;
    }
    bytes[12..16].copy_from_slice(&address("ciaddr").octets());
    bytes[24..28].copy_from_slice(&address("giaddr").octets());
    bytes[28..34].copy_from_slice(&mac.octets());
    bytes.extend([99, 130, 83, 99]);
    bytes.extend(tlv(53, &[number]));
    for (field, code) in [("asked", 50), ("server", 54)] {
        if let Some(address) = maybe::<Ipv4Addr>(step, field) {
            bytes.extend(tlv(code, &address.octets()));
        }
    }
    let codes = step["codes"].as_array().into_iter().flatten();
    let codes: Vec<u8> = codes.map(|c| c.as_u64().unwrap() as u8).collect();
    bytes.extend(tlv(55, if codes.is_empty() { &[1, 3] } else { &codes }));
    if let Some(circuit) = maybe::<String>(step, "circuit") {
        bytes.extend(tlv(82, &tlv(1, circuit.as_bytes())));
    }
    bytes.push(255);
    bytes
}

fn show(action: &Action) -> String {
    match action {
        Action::Send {
            via,
            src,
            dst,
            dst_port,
            payload,
            after_commit,
        } => {
            let way = match via {
                Via::Link { mac, .. } => format!("to {mac}"),
                Via::Routed { .. } => "routed".to_owned(),
            };
            let when = if *after_commit { ", when stored" } else { "" };
            let words = words(payload);
            format!("send ({way}{when}) from {src} to {dst} port {dst_port}: {words}")
        }
        Action::Write(write) => {
            let state = |lease: &Option<lease::Lease>| {
                lease
                    .as_ref()
                    .map_or("nothing", |lease| lease.state.label())
            };
            let (before, after) = (state(&write.before), state(&write.after));
            format!("write {}: {before} to {after}", write.resource)
        }
        Action::Probe { address, .. } => format!("probe {address}"),
        Action::Notice(notice) => format!("notice {notice:?}"),
        Action::Tell(_) => unreachable!("the peer has heard it"),
    }
}

/// A message in words.
fn words(bytes: &[u8]) -> String {
    let address = |data: &[u8]| Ipv4Addr::from(<[u8; 4]>::try_from(&data[..4]).unwrap());
    let option = |(code, data): (u8, &[u8])| match code {
        53 => ["", "", "Offer", "", "", "Ack", "Nak"][usize::from(data[0])].to_owned(),
        1 => format!("mask {}", address(data)),
        3 => format!("router {}", address(data)),
        6 => format!("dns {}", address(data)),
        51 | 58 | 59 => {
            let name = ["lease", "t1", "t2"][usize::from(code.saturating_sub(57))];
            format!("{name} {}", u32::from_be_bytes(data.try_into().unwrap()))
        }
        54 => format!("server {}", address(data)),
        other => format!("option {other} {}", data.escape_ascii()),
    };
    let options = Tlvs(&bytes[240..]).map(|o| option(o.unwrap()));
    let options: Vec<_> = options.collect();
    let (xid, yiaddr) = (bytes[7], address(&bytes[16..]));
    format!("xid {xid} yiaddr {yiaddr} [{}]", options.join(", "))
}
