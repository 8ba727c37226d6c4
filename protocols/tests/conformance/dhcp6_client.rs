//! The dhcp6_client room, driven by JSON.

use std::net::Ipv6Addr;
use std::time::{Duration, Instant, SystemTime};

use ipnet::Ipv6Net;
use lease::Wall;
use protocols::dhcp6_client::{Action, Config, Datagram, Duid, Event, Kept, Machine, PrefixHint};
use serde_json::Value;
use tables::id::IfaceId;

use crate::Subject;
use crate::text::{get, list, maybe};

const IFACE: IfaceId = IfaceId(1);
const CLIENT: [u8; 6] = [0, 3, 0, 1, 0xcc, 0xdd];
const DATE: u64 = 1_800_000_000;

/// The machine, what it said last, and what it had kept.
struct Client {
    machine: Machine,
    start: Instant,
    xid: [u8; 3],
    kept: Vec<Kept>,
}

pub fn run(case: &str) {
    let start = Instant::now();
    let client = Client {
        machine: machine(start, start),
        start,
        xid: [0; 3],
        kept: Vec::new(),
    };
    crate::case("dhcp6_client", case, start, client);
}

fn machine(start: Instant, now: Instant) -> Machine {
    let duid = Duid::new(&CLIENT).unwrap();
    Machine::new(duid, 1, now, wall(start, now))
}

fn wall(start: Instant, now: Instant) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(DATE) + (now - start)
}

impl Client {
    fn act(&mut self, now: Instant, event: Event<'_>) -> Vec<String> {
        let mut out = Vec::new();
        self.machine
            .on_event(now, wall(self.start, now), event, &mut out);
        for action in &out {
            match action {
                Action::Send { payload, .. } => self.xid.copy_from_slice(&payload[1..4]),
                Action::Keep(kept) => self.kept = vec![kept.clone()],
                Action::Forget { .. } => self.kept.clear(),
                _ => {}
            }
        }
        out.iter().map(show).collect()
    }
}

impl Subject for Client {
    fn event(&mut self, now: Instant, step: &Value) -> Vec<String> {
        match step["do"].as_str().unwrap() {
            "configure" => self.act(
                now,
                Event::Configure {
                    iface: IFACE,
                    name: "wan".into(),
                    config: Box::new(config(step)),
                },
            ),
            "up" => {
                let link_local = get(step, "link_local");
                self.act(
                    now,
                    Event::LinkUp {
                        iface: IFACE,
                        link_local,
                    },
                )
            }
            "down" => self.act(now, Event::LinkDown { iface: IFACE }),
            "restart" => {
                self.machine = machine(self.start, now);
                let kept = self.kept.clone();
                self.act(now, Event::Restore(kept))
            }
            "duplicate" => {
                let address = get(step, "address");
                self.act(
                    now,
                    Event::AddressDuplicate {
                        iface: IFACE,
                        address,
                    },
                )
            }
            "remove" => self.act(now, Event::Remove { iface: IFACE }),
            kind => {
                let payload = self.message(step, kind);
                let datagram = Datagram {
                    iface: IFACE,
                    src: "fe80::1".parse().unwrap(),
                    dst: "fe80::cc".parse().unwrap(),
                    payload: &payload,
                };
                self.act(now, Event::Packet(datagram))
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
    let lengths: Vec<u8> = list(step, "lengths");
    Config {
        address: maybe(step, "address").unwrap_or(true),
        prefixes: lengths
            .into_iter()
            .map(|len| PrefixHint {
                prefix: None,
                len: Some(len),
            })
            .collect(),
        information_only: maybe(step, "information_only").unwrap_or(false),
        rapid_commit: maybe(step, "rapid_commit").unwrap_or(false),
        ..Config::default()
    }
}

fn tlv(code: u16, data: &[u8]) -> Vec<u8> {
    let head = [code.to_be_bytes(), (data.len() as u16).to_be_bytes()].concat();
    [&head, data].concat()
}

impl Client {
    /// The message of a server that a step describes, in answer to the last one: `addresses` in an IA_NA, `prefixes` in an
    /// IA_PD, each "what preferred valid", or `na_status`, `pd_status` in their place.
    fn message(&self, step: &Value, kind: &str) -> Vec<u8> {
        let number = match kind {
            "advertise" => 2,
            "reply" => 7,
            other => panic!("{other} is not an event of this room"),
        };
        let mut bytes = vec![number];
        bytes.extend(self.xid);
        bytes.extend(tlv(1, &CLIENT));
        bytes.extend(tlv(2, &[0, 3, 0, 1, maybe(step, "server").unwrap_or(1)]));
        let (t1, t2): (u32, u32) = (
            maybe(step, "t1").unwrap_or(0),
            maybe(step, "t2").unwrap_or(0),
        );
        for (code, field, status) in [(3, "addresses", "na_status"), (25, "prefixes", "pd_status")]
        {
            let mut inner = Vec::new();
            for text in list::<String>(step, field) {
                inner.extend(lease(code, &text));
            }
            if let Some(status) = maybe::<u16>(step, status) {
                inner.extend(tlv(13, &status.to_be_bytes()));
            }
            if !inner.is_empty() {
                let head = [1, t1, t2].map(u32::to_be_bytes).concat();
                bytes.extend(tlv(code, &[head, inner].concat()));
            }
        }
        let dns = list::<Ipv6Addr>(step, "dns");
        if !dns.is_empty() {
            let octets: Vec<u8> = dns.iter().flat_map(Ipv6Addr::octets).collect();
            bytes.extend(tlv(23, &octets));
        }
        if maybe(step, "rapid_commit").unwrap_or(false) {
            bytes.extend(tlv(14, &[]));
        }
        bytes
    }
}

fn lease(ia: u16, text: &str) -> Vec<u8> {
    let parts: Vec<&str> = text.split(' ').collect();
    let times: Vec<u8> = parts[1..]
        .iter()
        .flat_map(|part| part.parse::<u32>().unwrap().to_be_bytes())
        .collect();
    if ia == 3 {
        let address: Ipv6Addr = parts[0].parse().unwrap();
        return tlv(5, &[&address.octets()[..], &times].concat());
    }
    let prefix: Ipv6Net = parts[0].parse().unwrap();
    let rest = [&[prefix.prefix_len()][..], &prefix.addr().octets()].concat();
    tlv(26, &[times, rest].concat())
}

fn show(action: &Action) -> String {
    match action {
        Action::Send { payload, .. } => format!("send {}", words(payload)),
        Action::Held(held) => {
            let until = |preferred: Wall, valid: Wall| {
                let left = |wall: Wall| wall.left(Wall::from_secs(DATE));
                format!("until {} {}", left(preferred), left(valid))
            };
            let addresses = held
                .addresses
                .iter()
                .map(|h| format!("{} {}", h.address, until(h.preferred_until, h.valid_until)));
            let prefixes = held
                .prefixes
                .iter()
                .map(|h| format!("{} {}", h.prefix, until(h.preferred_until, h.valid_until)));
            let all: Vec<_> = addresses.chain(prefixes).collect();
            let dns = match &held.settings.dns_servers[..] {
                [] => String::new(),
                servers => format!(" dns {servers:?}"),
            };
            format!("held {} [{}]{dns}", held.state.label(), all.join(", "))
        }
        Action::Keep(kept) => format!("keep {}", kept.name),
        Action::Forget { name } => format!("forget {name}"),
        Action::Notice(notice) => format!("notice {notice:?}"),
    }
}

/// A client's message in words.
fn words(bytes: &[u8]) -> String {
    let name = match bytes[0] {
        1 => "Solicit",
        3 => "Request",
        4 => "Confirm",
        5 => "Renew",
        6 => "Rebind",
        8 => "Release",
        9 => "Decline",
        11 => "Information-request",
        other => panic!("{other} is no client's"),
    };
    format!("{name} [{}]", options(&bytes[4..]).join(", "))
}

fn options(mut bytes: &[u8]) -> Vec<String> {
    let address = |data: &[u8]| Ipv6Addr::from(<[u8; 16]>::try_from(&data[..16]).unwrap());
    let hex = |data: &[u8]| -> String { data.iter().map(|b| format!("{b:02x}")).collect() };
    let mut all = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<4>() {
        let code = u16::from_be_bytes([head[0], head[1]]);
        let (data, rest) = rest.split_at(usize::from(u16::from_be_bytes([head[2], head[3]])));
        bytes = rest;
        all.push(match code {
            1 => continue,
            2 => format!("server {}", hex(data)),
            3 | 25 => {
                let name = if code == 3 { "ia-na" } else { "ia-pd" };
                format!("{name} {} ({})", data[3], options(&data[12..]).join(", "))
            }
            5 => address(data).to_string(),
            6 => {
                let codes = data.chunks(2).map(|c| c[1].to_string());
                format!("wants {}", codes.collect::<Vec<_>>().join(" "))
            }
            8 => format!("elapsed {}", u16::from_be_bytes([data[0], data[1]])),
            14 => "rapid commit".to_owned(),
            26 => format!("{}/{}", address(&data[9..]), data[8]),
            other => format!("option {other} {}", hex(data)),
        });
    }
    all
}
