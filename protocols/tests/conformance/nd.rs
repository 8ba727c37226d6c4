//! The nd room, driven by JSON.

use std::time::Instant;

use protocols::nd::{Action, Config, Event, Machine};
use serde_json::Value;
use tables::id::IfaceId;
use wire::EtherType;
use wire::arp::{ArpPacket, Operation};
use zerocopy::IntoBytes;

use crate::Subject;
use crate::text::{get, list, maybe, nd_packet, show_arp, show_nd};

const IFACE: IfaceId = IfaceId(1);

pub fn run(case: &str) {
    crate::case("nd", case, Instant::now(), Machine::new(1));
}

impl Subject for Machine {
    fn event(&mut self, now: Instant, step: &Value) -> Vec<String> {
        let iface = IFACE;
        let kind = step["do"].as_str().unwrap();
        let packet;
        let event = match kind {
            "configure" => {
                let prefix = |text: String| {
                    let (addr, len) = text.split_once('/').unwrap();
                    (addr.parse().unwrap(), len.parse().unwrap())
                };
                let proxy = list::<String>(step, "proxy")
                    .into_iter()
                    .map(prefix)
                    .collect();
                let config = Config {
                    proxy,
                    ..Config::default()
                };
                Event::ConfigureInterface {
                    iface,
                    config,
                    mac: get(step, "mac"),
                }
            }
            "link_up" => Event::LinkUp { iface },
            "link_down" => Event::LinkDown { iface },
            "add_address" => Event::AddAddress {
                iface,
                addr: get(step, "addr"),
                prefix_len: get(step, "prefix_len"),
                anycast: maybe(step, "anycast").unwrap_or(false),
            },
            "glean" => Event::Glean {
                iface,
                target: get(step, "target"),
                source: maybe(step, "source"),
            },
            "in_use" => Event::InUse {
                iface,
                addr: get(step, "addr"),
            },
            "ns" | "na" => {
                packet = nd_packet(step, kind);
                Event::Packet {
                    iface,
                    src_mac: get(step, "mac"),
                    packet: &packet,
                }
            }
            "arp_request" | "arp_reply" => {
                let operation = if kind == "arp_reply" {
                    Operation::Reply
                } else {
                    Operation::Request
                };
                let target_mac = maybe(step, "target_mac").unwrap_or_default();
                let sender = (get(step, "mac"), get(step, "sender"));
                let arp = ArpPacket::new(operation, sender, (target_mac, get(step, "target")));
                packet = arp.as_bytes().to_vec();
                Event::ArpPacket {
                    iface,
                    packet: &packet,
                }
            }
            other => panic!("{other} is not an event of this room"),
        };
        let mut out = Vec::new();
        self.on_event(now, event, &mut out);
        out.iter().map(show).collect()
    }

    fn timer(&mut self, now: Instant) -> Vec<String> {
        let mut out = Vec::new();
        self.on_event(now, Event::Timer, &mut out);
        out.iter().map(show).collect()
    }

    fn deadline(&self) -> Option<Instant> {
        self.next_deadline()
    }
}

fn show(action: &Action) -> String {
    match action {
        Action::Send {
            dst_mac,
            ether_type,
            packet,
            ..
        } if *ether_type == EtherType::ARP => {
            format!("send to {dst_mac}: {}", show_arp(packet))
        }
        Action::Send {
            dst_mac, packet, ..
        } => format!("send to {dst_mac}: {}", show_nd(packet)),
        Action::Install {
            addr, mac, router, ..
        } => {
            format!(
                "install {addr} at {mac}{}",
                if *router { ", a router" } else { "" }
            )
        }
        Action::Withdraw { addr, .. } => format!("withdraw {addr}"),
        Action::Release { addr, .. } => format!("release {addr}"),
        Action::Fail { addr, .. } => format!("fail {addr}"),
        Action::AddressState { addr, state, .. } => format!("{addr} is {state:?}"),
        Action::Note { note, .. } => format!("note {note:?}"),
    }
}
