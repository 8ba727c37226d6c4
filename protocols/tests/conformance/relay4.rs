//! The relay4 room, driven by JSON.

use std::net::Ipv4Addr;
use std::time::Instant;

use protocols::dhcp4::option::Tlvs;
use protocols::relay4::{Action, Config, Datagram, Event, Existing, Machine, Relays, Via};
use serde_json::Value;
use tables::id::{IfaceId, VrfId};
use wire::MacAddr;

use crate::Subject;
use crate::text::{get, list, maybe};

/// Interfaces, by their number; servers are behind the last one.
const IFACES: [&str; 4] = ["none", "lan", "guests", "upstream"];
/// DHCP message types, by their number.
const TYPES: [&str; 9] = [
    "none", "discover", "offer", "request", "decline", "ack", "nak", "release", "inform",
];

#[derive(Default)]
struct Relay(Machine);

pub fn run(case: &str) {
    crate::case("relay4", case, Instant::now(), Relay::default());
}

impl Relay {
    fn act(&mut self, event: Event<'_>) -> Vec<String> {
        let mut out = Vec::new();
        self.0.on_event(event, &mut out);
        out.iter().map(show).collect()
    }

    /// A datagram, and by which name it was dropped if it was.
    fn packet(&mut self, datagram: Datagram<'_>) -> Vec<String> {
        let before = self.dropped();
        let mut out = self.act(Event::Packet(datagram));
        let after = self.dropped();
        let new = after.iter().filter(|drop| !before.contains(drop));
        out.extend(new.map(|(why, _)| format!("drop {why}")));
        out
    }

    fn dropped(&self) -> Vec<(&'static str, u64)> {
        let links = self.0.counters().map(|(_, counters)| counters);
        let all = links.chain([self.0.counters_elsewhere()]);
        all.flat_map(|c| c.invalid.iter().map(|(why, n)| (*why, *n)))
            .collect()
    }
}

impl Subject for Relay {
    fn event(&mut self, _now: Instant, step: &Value) -> Vec<String> {
        match step["do"].as_str().unwrap() {
            "configure" => {
                let event = Event::ConfigureLink {
                    link: iface(step, "lan"),
                    vrf: VrfId(0),
                    config: Box::new(config(step)),
                };
                self.act(event)
            }
            "remove" => {
                let link = iface(step, "lan");
                self.act(Event::RemoveLink { link })
            }
            "client" => {
                let payload = message(step, 1);
                self.packet(Datagram {
                    iface: iface(step, "lan"),
                    vrf: VrfId(0),
                    src: maybe(step, "src").unwrap_or(Ipv4Addr::UNSPECIFIED),
                    dst: maybe(step, "dst").unwrap_or(Ipv4Addr::BROADCAST),
                    payload: &payload,
                })
            }
            "server" => {
                let payload = message(step, 2);
                self.packet(Datagram {
                    iface: iface(step, "upstream"),
                    vrf: VrfId(0),
                    src: maybe(step, "src").unwrap_or(Ipv4Addr::new(192, 0, 2, 53)),
                    dst: maybe(step, "dst").unwrap_or(Ipv4Addr::new(10, 1, 0, 1)),
                    payload: &payload,
                })
            }
            other => panic!("{other} is not an event of this room"),
        }
    }

    fn timer(&mut self, _now: Instant) -> Vec<String> {
        unreachable!("the room has no timer")
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}

/// The interface that a step names.
fn iface(step: &Value, default: &str) -> IfaceId {
    let name = maybe(step, "iface").unwrap_or(default.to_owned());
    let at = IFACES.iter().position(|iface| *iface == name);
    IfaceId(at.unwrap_or_else(|| panic!("no interface in {step}")) as u16)
}

/// A link whose Circuit ID is the name of its interface.
fn config(step: &Value) -> Config {
    let address = get(step, "address");
    let existing: Option<String> = maybe(step, "existing");
    let default = Config::default();
    Config {
        servers: list(step, "servers"),
        address,
        giaddr: maybe(step, "giaddr").unwrap_or(address),
        circuit_id: Some(maybe(step, "iface").unwrap_or("lan".to_owned()).into()),
        remote_id: maybe(step, "remote").map(String::into_bytes),
        link_selection: maybe(step, "link_selection"),
        server_override: maybe(step, "server_override").unwrap_or(default.server_override),
        flags: maybe(step, "flags").unwrap_or(default.flags),
        existing: match existing.as_deref() {
            None | Some("drop") => Existing::Drop,
            Some("keep") => Existing::Keep,
            Some("replace") => Existing::Replace,
            Some(other) => panic!("{other} is not a way with the option"),
        },
        relays: Relays::From(list(step, "relays")),
        hop_limit: maybe(step, "hop_limit").unwrap_or(default.hop_limit),
        ..default
    }
}

fn tlv(code: u8, data: &[u8]) -> Vec<u8> {
    [&[code, data.len() as u8], data].concat()
}

/// The message that a step describes: `circuit` and `remote` are sub-options of option 82, which `agent_cut` damages.
fn message(step: &Value, op: u8) -> Vec<u8> {
    let name: String = get(step, "type");
    let number = TYPES.iter().position(|known| *known == name);
    let number = number.unwrap_or_else(|| panic!("no message type in {step}"));
    let address = |field| maybe(step, field).unwrap_or(Ipv4Addr::UNSPECIFIED);
    let mac = MacAddr([2, 0, 0, 0, 0, 0xc]);
    let mut bytes = vec![0; 236];
    let hops = maybe(step, "hops").unwrap_or(0);
    bytes[..4].copy_from_slice(&[op, 1, 6, hops]);
    bytes[7] = maybe(step, "xid").unwrap_or(1);
    if maybe(step, "broadcast").unwrap_or(false) {
        bytes[10] = 0x80;
    }
    for (field, at) in [("ciaddr", 12), ("yiaddr", 16), ("giaddr", 24)] {
        bytes[at..at + 4].copy_from_slice(&address(field).octets());
    }
    bytes[28..34].copy_from_slice(&maybe(step, "mac").unwrap_or(mac).octets());
    bytes.extend([99, 130, 83, 99]);
    bytes.extend(tlv(53, &[number as u8]));
    let mut agent = Vec::new();
    for (field, code) in [("circuit", 1), ("remote", 2)] {
        if let Some(id) = maybe::<String>(step, field) {
            agent.extend(tlv(code, id.as_bytes()));
        }
    }
    if maybe(step, "agent_cut").unwrap_or(false) {
        // A sub-option that says it is longer than what holds it.
        agent.extend([1, 9]);
    }
    if !agent.is_empty() {
        bytes.extend(tlv(82, &agent));
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
        } => {
            let way = match via {
                Via::Link { iface, mac } => format!("{}, {mac}", IFACES[iface.0 as usize]),
                Via::Routed { .. } => "routed".to_owned(),
            };
            let words = words(payload);
            format!("send ({way}) from {src} to {dst} port {dst_port}: {words}")
        }
        Action::Notice(notice) => format!("notice {notice:?}"),
    }
}

/// A message in words: those of its fields that a relay writes, and the options.
fn words(bytes: &[u8]) -> String {
    let address = |data: &[u8]| Ipv4Addr::from(<[u8; 4]>::try_from(&data[..4]).unwrap());
    let sub_option = |(code, data): (u8, &[u8])| match code {
        1 => format!("circuit {}", data.escape_ascii()),
        2 => format!("remote {}", data.escape_ascii()),
        5 => format!("link {}", address(data)),
        10 => format!("flags {}", data[0]),
        11 => format!("server {}", address(data)),
        other => format!("sub-option {other}"),
    };
    let option = |(code, data): (u8, &[u8])| match code {
        53 => TYPES[usize::from(data[0])].to_owned(),
        82 => {
            let all = Tlvs(data).map(|o| sub_option(o.unwrap()));
            format!("agent {}", all.collect::<Vec<_>>().join(" "))
        }
        other => format!("option {other}"),
    };
    let options = Tlvs(&bytes[240..]).map(|o| option(o.unwrap()));
    let options: Vec<_> = options.collect();
    format!(
        "xid {} hops {} giaddr {} [{}]",
        bytes[7],
        bytes[3],
        address(&bytes[24..]),
        options.join(", ")
    )
}
