//! DHCPv4: eight clients and six addresses.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant, SystemTime};

use lease::{Book, Resource};
use protocols::dhcp4::config::{Allocation, Range, Subnet};
use protocols::dhcp4::{self, Action, Config, Datagram, Identity, LinkId, Machine, Message};
use protocols::pairing::Pairing;
use tables::id::{IfaceId, VrfId};

use crate::sim::{Act, Ask, Event, Heard, LASTS, REALM, RETENTION, mac};

/// An address that both routers have, at different times.
const SHARED: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const OWN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const IFACE: IfaceId = IfaceId(1);

pub struct Server(Machine);

/// Bits of `shape`: addresses by chance, and asked for by ARP.
fn config(shape: u8) -> Config {
    let address = |n| Ipv4Addr::new(192, 0, 2, n);
    let mut subnet = Subnet {
        pools: vec![Range {
            start: address(10),
            end: address(15),
        }],
        allocation: match shape & 1 {
            0 => Allocation::Deterministic,
            _ => Allocation::Random,
        },
        ..Subnet::new("192.0.2.0/24".parse().unwrap())
    };
    subnet.lifetimes.lease = Duration::from_secs(LASTS);
    Config {
        own: vec![SHARED, OWN],
        subnets: vec![subnet],
        probe: (shape & 2 != 0).then_some(Duration::from_millis(500)),
        ..Config::default()
    }
}

impl crate::sim::Server for Server {
    const OFFERS: bool = true;

    fn new(now: Instant, wall: SystemTime, seed: u64, shape: u8) -> Self {
        let identity = Identity {
            secret: [7, 7],
            retention: Duration::from_secs(RETENTION),
        };
        let mut machine = Machine::new(identity, seed, now, wall);
        let event = dhcp4::Event::ConfigureLink {
            link: LinkId::Iface(IFACE),
            vrf: VrfId(0),
            realm: REALM,
            config: Box::new(config(shape)),
        };
        let mut out = Vec::new();
        machine.on_event(now, wall, event, &mut out);
        assert_eq!(out, [], "the configuration is right");
        Self(machine)
    }

    fn event(&mut self, now: Instant, wall: SystemTime, event: Event) -> Vec<Act> {
        let mut out = Vec::new();
        let payload;
        let event = match event {
            Event::Loaded(leases) => dhcp4::Event::Loaded { leases },
            Event::Stored => dhcp4::Event::Stored,
            Event::StoreFailed(writes) => dhcp4::Event::StoreFailed { writes },
            Event::Pair(event) => dhcp4::Event::Pair(event),
            Event::Serve(serving) => dhcp4::Event::Serve {
                link: LinkId::Iface(IFACE),
                serving,
            },
            Event::Timer => dhcp4::Event::Timer,
            Event::Packet(client, bytes) => {
                payload = bytes;
                dhcp4::Event::Packet(Datagram {
                    iface: IFACE,
                    src_mac: mac(client),
                    src: Message::read(&payload).unwrap().ciaddr,
                    src_port: 68,
                    dst: Ipv4Addr::BROADCAST,
                    payload: &payload,
                })
            }
        };
        self.0.on_event(now, wall, event, &mut out);
        let act = |action| match action {
            Action::Write(write) => Act::Write(write),
            Action::Tell(message) => Act::Tell(message),
            Action::Send {
                payload,
                after_commit,
                ..
            } => Act::Send {
                payload,
                after_commit,
            },
            Action::Probe { .. } | Action::Notice(_) => Act::Other,
        };
        out.into_iter().map(act).collect()
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.0.next_deadline()
    }

    fn book(&self) -> &Book {
        self.0.book()
    }

    fn pairing(&self) -> &Pairing {
        self.0.pairing()
    }

    fn ask(client: u8, ask: &Ask, number: u16) -> Vec<u8> {
        const DISCOVER: u8 = 1;
        const REQUEST: u8 = 3;
        const RELEASE: u8 = 7;
        let v4 = |resource: &Resource| match resource {
            Resource::V4(address) => *address,
            Resource::V6(_) | Resource::Prefix(_) => unreachable!("it was given none"),
        };
        let mut ciaddr = Ipv4Addr::UNSPECIFIED;
        let mut options = Vec::new();
        let kind = match ask {
            Ask::Something => DISCOVER,
            Ask::Offered(offered) => {
                options.extend([54, 4]);
                options.extend(SHARED.octets());
                options.extend([50, 4]);
                options.extend(v4(offered).octets());
                REQUEST
            }
            // It has started anew and asks for what it remembers.
            Ask::Longer(has) if client % 4 == 3 => {
                options.extend([50, 4]);
                options.extend(has.first().map_or([0; 4], |has| v4(has).octets()));
                REQUEST
            }
            Ask::Longer(has) => {
                ciaddr = has.first().map_or(ciaddr, v4);
                REQUEST
            }
            Ask::GiveBack(resource) => {
                ciaddr = v4(resource);
                options.extend([54, 4]);
                options.extend(SHARED.octets());
                RELEASE
            }
        };
        let mut message = vec![1, 1, 6, 0, 0, 0];
        message.extend(number.to_be_bytes());
        message.extend([0; 4]);
        message.extend(ciaddr.octets());
        message.extend([0; 12]);
        message.extend(mac(client).octets());
        message.resize(236, 0);
        message.extend([99, 130, 83, 99, 53, 1, kind]);
        message.extend(options);
        message.push(255);
        message
    }

    fn hear(payload: &[u8]) -> (u8, u16, Vec<Heard>) {
        let client = payload[33] - 1;
        let number = u16::from_be_bytes([payload[6], payload[7]]);
        let yiaddr: [u8; 4] = payload[16..20].try_into().unwrap();
        let address = Resource::V4(yiaddr.into());
        // The message type stands first.
        assert_eq!(payload[240..242], [53, 1]);
        let heard = match payload[242] {
            2 => Heard::Offer(address),
            5 => Heard::Given(address),
            6 => Heard::Lost(None),
            other => unreachable!("no server says {other}"),
        };
        (client, number, vec![heard])
    }
}
