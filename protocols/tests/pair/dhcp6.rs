//! DHCPv6: half of the clients want an address, the others a prefix.

use std::net::Ipv6Addr;
use std::time::{Duration, Instant, SystemTime};

use ipnet::Ipv6Net;
use lease::{Book, Resource};
use protocols::dhcp6::config::{Allocation, PrefixPool, Range, Subnet};
use protocols::dhcp6::{self, Action, Config, Datagram, Identity, LinkId, Machine, Secret};
use protocols::dhcp6_wire::Tlvs;
use protocols::pairing::Pairing;
use tables::id::{IfaceId, VrfId};

use crate::sim::{Act, Ask, CLIENTS, Event, Heard, LASTS, REALM, RETENTION, mac};

const DUID: [u8; 6] = [0, 3, 0, 1, 0xaa, 0xbb];
const IFACE: IfaceId = IfaceId(1);

pub struct Server(Machine);

/// Bits of `shape`: addresses by chance, prefixes of several lengths.
fn config(shape: u8) -> Config {
    let allocation = match shape & 1 {
        0 => Allocation::Deterministic,
        _ => Allocation::Random,
    };
    let address = |n: u128| Ipv6Addr::from_bits((0x2001_0db8 << 96) + n);
    let mut subnet = Subnet {
        pools: vec![Range {
            start: address(0x1000),
            end: address(0x1005),
        }],
        allocation,
        ..Subnet::new("2001:db8::/64".parse().unwrap())
    };
    let mut pool = PrefixPool::new("2001:db8:8000::/53".parse().unwrap(), 56);
    if shape & 2 != 0 {
        (pool.min_len, pool.max_len) = (55, 57);
    }
    for lifetimes in [&mut subnet.lifetimes, &mut pool.lifetimes] {
        lifetimes.preferred = Duration::from_secs(LASTS);
        lifetimes.valid = Duration::from_secs(LASTS);
    }
    Config {
        subnets: vec![subnet],
        prefix_pools: vec![pool],
        ..Config::default()
    }
}

impl crate::sim::Server for Server {
    const OFFERS: bool = false;

    fn new(now: Instant, wall: SystemTime, seed: u64, shape: u8) -> Self {
        let identity = Identity {
            duid: DUID.to_vec(),
            secret: Secret([7; 32]),
            retention: Duration::from_secs(RETENTION),
        };
        let mut machine = Machine::new(identity, seed, now, wall);
        let event = dhcp6::Event::ConfigureLink {
            link: LinkId::Iface(IFACE),
            vrf: VrfId(0),
            realm: REALM,
            name: "lan".into(),
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
            Event::Loaded(leases) => dhcp6::Event::Loaded { leases },
            Event::Stored => dhcp6::Event::Stored,
            Event::StoreFailed(writes) => dhcp6::Event::StoreFailed { writes },
            Event::Pair(event) => dhcp6::Event::Pair(event),
            Event::Serve(serving) => dhcp6::Event::Serve {
                link: LinkId::Iface(IFACE),
                serving,
            },
            Event::Timer => dhcp6::Event::Timer,
            Event::Packet(client, bytes) => {
                payload = bytes;
                dhcp6::Event::Packet(Datagram {
                    iface: IFACE,
                    src_mac: mac(client),
                    src: Ipv6Addr::from_bits((0xfe80 << 112) + u128::from(client) + 1),
                    src_port: 546,
                    dst: "ff02::1:2".parse().unwrap(),
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
            Action::RouteUp { .. } | Action::RouteDown { .. } | Action::Notice(_) => Act::Other,
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
        const REQUEST: u8 = 3;
        const RENEW: u8 = 5;
        const REBIND: u8 = 6;
        const RELEASE: u8 = 8;
        let (kind, named) = match ask {
            Ask::Something => (REQUEST, vec![]),
            Ask::Offered(resource) => (REQUEST, vec![*resource]),
            // Some have no server any more that they know.
            Ask::Longer(named) if client % 4 == 3 => (REBIND, named.clone()),
            Ask::Longer(named) => (RENEW, named.clone()),
            Ask::GiveBack(resource) => (RELEASE, vec![*resource]),
        };
        let duid = [&[0, 3, 0, 1][..], &mac(client).octets()].concat();
        let mut message = vec![kind];
        message.extend(number.to_be_bytes());
        message.push(client);
        option(1, &duid, &mut message);
        if kind != REBIND {
            option(2, &DUID, &mut message);
        }
        option(8, &[0, 0], &mut message);
        let mut ia = vec![0, 0, 0, client];
        ia.extend([0; 8]);
        for resource in named {
            match resource {
                Resource::V6(address) => {
                    option(5, &[&address.octets()[..], &[0; 8]].concat(), &mut ia);
                }
                Resource::Prefix(prefix) => {
                    let body = [
                        &[0; 8][..],
                        &[prefix.prefix_len()],
                        &prefix.network().octets(),
                    ];
                    option(26, &body.concat(), &mut ia);
                }
                Resource::V4(_) => unreachable!("it was given none"),
            }
        }
        option(if is_host(client) { 3 } else { 25 }, &ia, &mut message);
        message
    }

    fn hear(payload: &[u8]) -> (u8, u16, Vec<Heard>) {
        let client = payload[3];
        let number = u16::from_be_bytes([payload[1], payload[2]]);
        let mut heard = Vec::new();
        for tlv in Tlvs(&payload[4..]) {
            let (3 | 25, ia) = tlv.unwrap() else { continue };
            for (code, data) in Tlvs(&ia[12..]).map(Result::unwrap) {
                let (resource, valid) = match code {
                    5 => (Resource::V6(address(data)), &data[20..24]),
                    26 => {
                        let prefix = Ipv6Net::new(address(&data[9..]), data[8]).unwrap();
                        (Resource::Prefix(prefix), &data[4..8])
                    }
                    // NoBinding.
                    13 if data[..2] == [0, 3] => {
                        heard.push(Heard::Lost(None));
                        continue;
                    }
                    _ => continue,
                };
                heard.push(match valid {
                    [0, 0, 0, 0] => Heard::Lost(Some(resource)),
                    _ => Heard::Given(resource),
                });
            }
        }
        (client, number, heard)
    }
}

/// Whether it wants an address.
fn is_host(client: u8) -> bool {
    client < CLIENTS / 2
}

fn address(bytes: &[u8]) -> Ipv6Addr {
    let octets: [u8; 16] = bytes[..16].try_into().unwrap();
    octets.into()
}

fn option(code: u16, data: &[u8], out: &mut Vec<u8>) {
    out.extend(code.to_be_bytes());
    out.extend((data.len() as u16).to_be_bytes());
    out.extend(data);
}
