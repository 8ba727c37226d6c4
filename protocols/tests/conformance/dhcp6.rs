//! The dhcp6 room, driven by JSON.

use std::net::Ipv6Addr;
use std::time::{Duration, Instant, SystemTime};

use ipnet::Ipv6Net;
use lease::sync::Family;
use lease::{RealmId, Resource, Write};
use protocols::dhcp6::config::{PrefixPool, Range, Relays, Reservation, Settings, Subnet};
use protocols::dhcp6::{
    Action, Config, Datagram, Event, Identity, LinkId, Machine, MessageType, Secret, Via, Whom,
};
use protocols::dhcp6_wire::Tlvs;
use serde_json::Value;
use tables::id::{IfaceId, VrfId};
use wire::MacAddr;

use crate::Subject;
use crate::pair::Peer;
use crate::text::{get, list, maybe};

const IFACE: IfaceId = IfaceId(1);
const SERVER: [u8; 6] = [0, 3, 0, 1, 0xaa, 0xbb];

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
        duid: SERVER.to_vec(),
        secret: Secret([7; 32]),
        retention: Duration::from_secs(3600),
    };
    let machine = Machine::new(identity, 1, start, wall(start, start));
    let server = Server {
        machine,
        start,
        asked: Vec::new(),
        peer: Peer::default(),
    };
    crate::case("dhcp6", case, start, server);
}

fn wall(start: Instant, now: Instant) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + (now - start)
}

impl Server {
    fn act(&mut self, now: Instant, event: Event<'_>) -> Vec<String> {
        let mut out = Vec::new();
        self.machine
            .on_event(now, wall(self.start, now), event, &mut out);
        self.asked
            .extend(out.iter().filter_map(|action| match action {
                Action::Write(write) => Some(write.clone()),
                _ => None,
            }));
        let said = |action: &Action| match action {
            Action::Tell(message) => self.peer.hear(message),
            other => show(other),
        };
        out.iter().map(said).collect()
    }
}

impl Subject for Server {
    fn event(&mut self, now: Instant, step: &Value) -> Vec<String> {
        let of_pair = self.peer.event(step, RealmId(1), Family::V6);
        if let Some(event) = of_pair {
            return self.act(now, Event::Pair(event));
        }
        match step["do"].as_str().unwrap() {
            "configure" => {
                let event = Event::ConfigureLink {
                    link: LinkId::Iface(IFACE),
                    vrf: VrfId(0),
                    realm: RealmId(1),
                    name: "lan".into(),
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
            "reconfigure" => self.act(
                now,
                Event::Reconfigure {
                    whom: Whom::All,
                    with: MessageType::Renew,
                },
            ),
            kind => {
                let payload = message(step, kind);
                let src_mac: MacAddr = get(step, "mac");
                let event = Event::Packet(Datagram {
                    iface: IFACE,
                    src_mac,
                    src: maybe(step, "src").unwrap_or(Ipv6Addr::from_bits(0xfe80 << 112 | 1)),
                    src_port: 546,
                    dst: maybe(step, "dst").unwrap_or("ff02::1:2".parse().unwrap()),
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

fn config(step: &Value) -> Config {
    let subnets = list::<Ipv6Net>(step, "subnets").into_iter();
    let pools = list::<Ipv6Net>(step, "prefix_pools").into_iter();
    let mut config = Config {
        subnets: subnets
            .map(|prefix| Subnet {
                pools: vec![Range {
                    start: Ipv6Addr::from_bits(prefix.network().to_bits() + 0x1000),
                    end: Ipv6Addr::from_bits(prefix.network().to_bits() + 0x1fff),
                }],
                ..Subnet::new(prefix)
            })
            .collect(),
        prefix_pools: pools.map(|prefix| PrefixPool::new(prefix, 56)).collect(),
        settings: Settings {
            dns_servers: list(step, "dns"),
            domain_search: list(step, "domains"),
            address_registration: maybe(step, "address_registration").unwrap_or(false),
            ..Settings::default()
        },
        rapid_commit: maybe(step, "rapid_commit").unwrap_or(false),
        reconfigure: maybe(step, "reconfigure").unwrap_or(false),
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

fn tlv(code: u16, data: &[u8]) -> Vec<u8> {
    [
        &code.to_be_bytes()[..],
        &(data.len() as u16).to_be_bytes(),
        data,
    ]
    .concat()
}

/// The message that a step describes: `na` and `pd` name an IA with its IAID, `addresses` and `prefixes` what is in it,
/// `registers` an address that a registration is about, `oro` the options requested; `relay` puts it into an envelope with that link-address.
fn message(step: &Value, kind: &str) -> Vec<u8> {
    let (number, to_server) = match kind {
        "solicit" => (1, false),
        "request" => (3, true),
        "confirm" => (4, false),
        "renew" => (5, true),
        "rebind" => (6, false),
        "release" => (8, true),
        "decline" => (9, true),
        "information_request" => (11, false),
        "addr_reg_inform" => (36, false),
        other => panic!("{other} is not an event of this room"),
    };
    let mac: MacAddr = get(step, "mac");
    let mut bytes = vec![number, 0, 0, maybe(step, "xid").unwrap_or(1)];
    bytes.extend(tlv(1, &[&[0, 3, 0, 1][..], &mac.octets()].concat()));
    if to_server {
        bytes.extend(tlv(2, &SERVER));
    }
    if let Some(iaid) = maybe::<u32>(step, "na") {
        let mut ia = [&iaid.to_be_bytes()[..], &[0; 8]].concat();
        for address in list::<Ipv6Addr>(step, "addresses") {
            ia.extend(tlv(5, &[&address.octets()[..], &[0; 8]].concat()));
        }
        bytes.extend(tlv(3, &ia));
    }
    if let Some(iaid) = maybe::<u32>(step, "pd") {
        let mut ia = [&iaid.to_be_bytes()[..], &[0; 8]].concat();
        for prefix in list::<Ipv6Net>(step, "prefixes") {
            let data = [&[0; 8][..], &[prefix.prefix_len()], &prefix.addr().octets()].concat();
            ia.extend(tlv(26, &data));
        }
        bytes.extend(tlv(25, &ia));
    }
    if let Some(address) = maybe::<Ipv6Addr>(step, "registers") {
        let life = |field| maybe::<u32>(step, field).unwrap_or(0).to_be_bytes();
        let lives = [life("preferred"), life("valid")].concat();
        bytes.extend(tlv(5, &[&address.octets()[..], &lives].concat()));
    }
    let requested = list::<u16>(step, "oro");
    if !requested.is_empty() {
        let codes: Vec<u8> = requested.iter().flat_map(|c| c.to_be_bytes()).collect();
        bytes.extend(tlv(6, &codes));
    }
    for (field, code) in [("rapid_commit", 14), ("accepts_reconfigure", 20)] {
        if maybe(step, field).unwrap_or(false) {
            bytes.extend(tlv(code, &[]));
        }
    }
    match maybe::<Ipv6Addr>(step, "relay") {
        None => bytes,
        Some(link) => {
            let peer = Ipv6Addr::from_bits(0xfe80 << 112 | 1);
            let header = [&[12, 0][..], &link.octets(), &peer.octets()].concat();
            [header, tlv(18, b"eth7"), tlv(9, &bytes)].concat()
        }
    }
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
            let way = match via {
                Via::Link { .. } => "link",
                Via::Routed { .. } => "routed",
            };
            let when = if *after_commit { ", when stored" } else { "" };
            format!(
                "send ({way}{when}) to {dst} port {dst_port}: {}",
                words(payload)
            )
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
        Action::RouteUp {
            prefix, next_hop, ..
        } => format!(
            "route {prefix} up, by {} on {}",
            next_hop.address, next_hop.iface
        ),
        Action::RouteDown { prefix, .. } => format!("route {prefix} down"),
        Action::Notice(notice) => format!("notice {notice:?}"),
        Action::Tell(_) => unreachable!("the peer has heard it"),
    }
}

/// A message in words; authentication is only named.
fn words(bytes: &[u8]) -> String {
    let name = match bytes[0] {
        2 => "Advertise",
        7 => "Reply",
        10 => "Reconfigure",
        37 => "Addr-reg-reply",
        13 => {
            let options = options(&bytes[34..]);
            return format!("Relay-reply hop {} [{}]", bytes[1], options.join(", "));
        }
        other => panic!("{other} is no answer"),
    };
    format!(
        "{name} xid {} [{}]",
        bytes[3],
        options(&bytes[4..]).join(", ")
    )
}

fn options(bytes: &[u8]) -> Vec<String> {
    let number = |data: &[u8]| u32::from_be_bytes(data[..4].try_into().unwrap());
    let address = |data: &[u8]| Ipv6Addr::from(<[u8; 16]>::try_from(&data[..16]).unwrap());
    let one = |(code, data): (u16, &[u8])| match code {
        1 => format!("client {}", hex(data)),
        2 => format!("server {}", hex(data)),
        3 | 25 => {
            let name = if code == 3 { "ia-na" } else { "ia-pd" };
            let (t1, t2) = (number(&data[4..]), number(&data[8..]));
            let inner = options(&data[12..]).join(", ");
            format!("{name} {} t1 {t1} t2 {t2} ({inner})", number(data))
        }
        5 => {
            let (preferred, valid) = (number(&data[16..]), number(&data[20..]));
            format!("{} {preferred} {valid}", address(data))
        }
        26 => {
            let prefix = Resource::Prefix(Ipv6Net::new(address(&data[9..]), data[8]).unwrap());
            format!("{prefix} {} {}", number(data), number(&data[4..]))
        }
        9 => words(data),
        11 => "authentication".to_owned(),
        13 => format!("status {}", u16::from_be_bytes([data[0], data[1]])),
        14 => "rapid commit".to_owned(),
        18 => format!("interface {}", data.escape_ascii()),
        19 => format!("come with message {}", data[0]),
        20 => "reconfigure accept".to_owned(),
        23 => {
            let servers: Vec<_> = data.chunks(16).map(|a| address(a).to_string()).collect();
            format!("dns {}", servers.join(" "))
        }
        24 => format!("domains {}", data.escape_ascii()),
        148 if data.is_empty() => "registrations are taken".to_owned(),
        other => format!("option {other} {}", hex(data)),
    };
    Tlvs(bytes).map(|option| one(option.unwrap())).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
