//! The ra room, driven by JSON.

use std::time::{Duration, Instant, SystemTime};

use protocols::ra::{Action, Config, Event, Lifetime, Machine, Prefix, Rdnss};
use serde_json::Value;
use tables::id::IfaceId;
use wire::nd::{Message, RouterAdvertisement};
use wire::nd_option::NdOption;

use crate::Subject;
use crate::text::{get, list, maybe, nd_packet, show_nd, write};

const IFACE: IfaceId = IfaceId(1);

pub fn run(case: &str) {
    let now = Instant::now();
    crate::case(
        "ra",
        case,
        now,
        Machine::new(1, now, SystemTime::UNIX_EPOCH),
    );
}

impl Subject for Machine {
    fn event(&mut self, now: Instant, step: &Value) -> Vec<String> {
        let iface = IFACE;
        let kind = step["do"].as_str().unwrap();
        let packet;
        let event = match kind {
            "configure" => Event::ConfigureInterface {
                iface,
                config: Box::new(config(step)),
                mac: get(step, "mac"),
                mtu: 1500,
            },
            "link_up" => Event::LinkUp { iface },
            "link_down" => Event::LinkDown { iface },
            "link_local" => Event::LinkLocal {
                iface,
                addr: maybe(step, "addr"),
            },
            "shutdown" => Event::Shutdown,
            "rs" => {
                packet = nd_packet(step, kind);
                Event::Packet {
                    iface,
                    src_mac: get(step, "mac"),
                    packet: &packet,
                }
            }
            "ra" => {
                let message = Message::RouterAdvertisement(RouterAdvertisement {
                    cur_hop_limit: get(step, "hop_limit"),
                    managed: maybe(step, "managed").unwrap_or(false),
                    router_lifetime: get(step, "lifetime"),
                    ..Default::default()
                });
                let mut options = Vec::new();
                options.extend(maybe(step, "slla").map(NdOption::SourceLinkLayer));
                options.extend(maybe(step, "mtu").map(NdOption::Mtu));
                packet = write(step, &message, &options);
                Event::Packet {
                    iface,
                    src_mac: get(step, "mac"),
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

fn config(step: &Value) -> Config {
    let servers: Vec<_> = list(step, "rdnss");
    let lifetime = Lifetime::Fixed(Duration::from_secs(1800));
    let prefixes = list::<std::net::Ipv6Addr>(step, "prefixes");
    Config {
        send_advertisements: maybe(step, "send").unwrap_or(true),
        managed: maybe(step, "managed").unwrap_or(false),
        link_mtu: maybe(step, "link_mtu"),
        prefixes: prefixes
            .into_iter()
            .map(|prefix| Prefix::new(prefix, 64))
            .collect(),
        rdnss: if servers.is_empty() {
            vec![]
        } else {
            vec![Rdnss { servers, lifetime }]
        },
        ..Config::default()
    }
}

fn show(action: &Action) -> String {
    match action {
        Action::Send {
            dst_mac, packet, ..
        } => format!("send to {dst_mac}: {}", show_nd(packet)),
        Action::NeighborHint {
            addr, mac, router, ..
        } => {
            format!(
                "hint {addr} at {mac}, {}",
                if *router { "a router" } else { "a host" }
            )
        }
        Action::Inconsistent { from, what, .. } => format!("inconsistent {from}: {what}"),
        Action::ForeignRouter { from, .. } => format!("foreign router {from}"),
    }
}
