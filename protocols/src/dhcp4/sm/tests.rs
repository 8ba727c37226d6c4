//! Simulated time and clients whose messages dhcproto writes and reads: the server is never tested with its own codec.

mod import;
mod leases;
mod links;
mod malformed;
mod probes;
mod proptests;
mod realms;
mod relayed;
mod settings;
mod store;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant, SystemTime};

use dhcproto::v4::{DhcpOption, Flags, Message, MessageType as Type, OptionCode};
use dhcproto::{Decodable, Decoder, Encodable};
use ipnet::Ipv4Net;
use tables::id::{IfaceId, VrfId};
use wire::MacAddr;

use super::*;
use crate::dhcp4::config::{Range, Relays, Reservation, Subnet};

const IFACE: IfaceId = IfaceId(1);
const LINK: LinkId = LinkId::Iface(IFACE);
/// The router of the links.
const REALM: RealmId = RealmId(1);
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

fn mac(n: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, n])
}

/// A subnet of 192.0.2.0/24 with a pool of `size` addresses from .10.
fn subnet(size: u8) -> Subnet {
    let (start, end) = (ip("192.0.2.10"), Ipv4Addr::new(192, 0, 2, 9 + size));
    Subnet {
        pools: vec![Range { start, end }],
        routers: vec![SERVER],
        dns_servers: vec![ip("192.0.2.53")],
        ..Subnet::new(net("192.0.2.0/24"))
    }
}

/// A link with that subnet, on which nobody is asked before an address is offered.
fn config(size: u8) -> Config {
    Config {
        own: vec![SERVER],
        subnets: vec![subnet(size)],
        probe: None,
        ..Config::default()
    }
}

/// A server and its time.
struct Bench {
    /// Where clients are.
    iface: IfaceId,
    machine: Machine,
    now: Instant,
    wall: SystemTime,
}

impl Bench {
    /// A server of one link that has loaded nothing.
    fn new(config: Config) -> Self {
        Self::with(config, Vec::new())
    }

    fn with(config: Config, leases: Vec<Lease>) -> Self {
        let (now, wall) = (
            Instant::now(),
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        );
        let identity = Identity {
            secret: [7, 8],
            retention: Duration::from_secs(3600),
        };
        let machine = Machine::new(identity, 1, now, wall);
        let mut bench = Bench {
            iface: IFACE,
            machine,
            now,
            wall,
        };
        assert_eq!(bench.configure(LINK, config), []);
        bench.event(Event::Loaded { leases });
        bench
    }

    fn configure(&mut self, link: LinkId, config: Config) -> Vec<Action> {
        self.event(Event::ConfigureLink {
            link,
            vrf: VrfId(0),
            realm: REALM,
            config: Box::new(config),
        })
    }

    fn event(&mut self, event: Event<'_>) -> Vec<Action> {
        let mut out = Vec::new();
        self.machine.on_event(self.now, self.wall, event, &mut out);
        out
    }

    /// Lets time pass; what timers did meanwhile.
    fn pass(&mut self, time: Duration) -> Vec<Action> {
        let (end, mut all) = (self.now + time, Vec::new());
        while let Some(due) = self.machine.next_deadline().filter(|due| *due <= end) {
            self.advance(due.max(self.now));
            all.extend(self.event(Event::Timer));
        }
        self.advance(end);
        all
    }

    fn seconds(&mut self, seconds: u64) -> Vec<Action> {
        self.pass(Duration::from_secs(seconds))
    }

    fn advance(&mut self, to: Instant) {
        self.wall += to - self.now;
        self.now = to;
    }

    /// Sends bytes as client `n`.
    fn send(&mut self, n: u8, src: Ipv4Addr, dst: Ipv4Addr, payload: &[u8]) -> Vec<Action> {
        self.event(Event::Packet(Datagram {
            iface: self.iface,
            src_mac: mac(n),
            src,
            src_port: 68,
            dst,
            payload,
        }))
    }

    /// Broadcasts a message of client `n`, which has no address.
    fn broadcast(&mut self, n: u8, message: &Message) -> Vec<Action> {
        self.send(n, ANY, Ipv4Addr::BROADCAST, &bytes(message))
    }

    /// The same; the answer, which must be there.
    fn ask(&mut self, n: u8, message: &Message) -> Message {
        let actions = self.broadcast(n, message);
        let answer = answer(&actions).unwrap_or_else(|| panic!("no answer to {message:?}"));
        assert_eq!(answer.xid(), message.xid());
        assert_eq!(answer.chaddr(), message.chaddr());
        answer
    }

    /// Discover and Request; the address.
    fn lease(&mut self, n: u8) -> Ipv4Addr {
        let offer = self.ask(n, &message(Type::Discover, n, []));
        assert_eq!(kind(&offer), Type::Offer);
        let ack = self.ask(n, &selecting(n, offer.yiaddr()));
        assert_eq!((kind(&ack), ack.yiaddr()), (Type::Ack, offer.yiaddr()));
        offer.yiaddr()
    }

    /// A renewal by unicast.
    fn renew(&mut self, n: u8, address: Ipv4Addr) -> Vec<Action> {
        let message = with_address(Type::Request, n, address, []);
        self.send(n, address, SERVER, &bytes(&message))
    }

    fn counters(&self) -> &Counters {
        &self.machine.links[&LINK].counters
    }

    fn invalid(&self) -> Vec<(&'static str, u64)> {
        let invalid = self.counters().invalid.iter();
        invalid.map(|(rule, n)| (*rule, *n)).collect()
    }

    /// The state of an address.
    fn state(&self, address: Ipv4Addr) -> Option<State> {
        let lease = self.machine.book().get(REALM, Resource::V4(address));
        lease.map(|lease| lease.state)
    }
}

fn bytes(message: &Message) -> Vec<u8> {
    message.to_vec().unwrap()
}

/// The answer in what was done, which must be at most one.
fn answer(actions: &[Action]) -> Option<Message> {
    let sent: Vec<_> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Send { payload, .. } => Some(payload),
            _ => None,
        })
        .collect();
    assert!(sent.len() <= 1, "{actions:?}");
    Some(Message::decode(&mut Decoder::new(sent.first()?)).unwrap())
}

fn kind(message: &Message) -> Type {
    message.opts().msg_type().unwrap()
}

fn writes(actions: &[Action]) -> Vec<Write> {
    let write = |action: &Action| match action {
        Action::Write(write) if write.is_durable() => Some(write.clone()),
        _ => None,
    };
    actions.iter().filter_map(write).collect()
}

/// A message of client `n`, who has no address and hears unicast.
fn message<const N: usize>(kind: Type, n: u8, options: [DhcpOption; N]) -> Message {
    let mut message = Message::new_with_id(u32::from(n), ANY, ANY, ANY, ANY, &mac(n).octets());
    let opts = message.opts_mut();
    opts.insert(DhcpOption::MessageType(kind));
    opts.insert(DhcpOption::ParameterRequestList(vec![
        OptionCode::SubnetMask,
        OptionCode::Router,
        OptionCode::DomainNameServer,
    ]));
    for option in options {
        message.opts_mut().insert(option);
    }
    message
}

/// A Request of an address that this server has offered.
fn selecting(n: u8, address: Ipv4Addr) -> Message {
    let server = DhcpOption::ServerIdentifier(SERVER);
    let asked = DhcpOption::RequestedIpAddress(address);
    message(Type::Request, n, [server, asked])
}

/// A message of a client that has an address.
fn with_address<const N: usize>(
    kind: Type,
    n: u8,
    address: Ipv4Addr,
    options: [DhcpOption; N],
) -> Message {
    let mut message = message(kind, n, options);
    message.set_ciaddr(address);
    message
}

/// How the only answer leaves: frame's destination or none, destination and port.
fn way(actions: &[Action]) -> (Option<MacAddr>, Ipv4Addr, u16) {
    let mut sent = actions.iter().filter_map(|action| match action {
        Action::Send {
            via, dst, dst_port, ..
        } => {
            let mac = match via {
                Via::Link { mac, .. } => Some(*mac),
                Via::Routed { .. } => None,
            };
            Some((mac, *dst, *dst_port))
        }
        _ => None,
    });
    sent.next().unwrap()
}
