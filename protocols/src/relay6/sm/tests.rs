//! Simulated time; clients and servers that speak through dhcproto.

use dhcproto::v6::{self, DhcpOption, IAPD, IAPrefix, MessageType as Type, OptionCode};
use dhcproto::{Decodable, Decoder, Encodable, Encoder};

use super::super::config::{Relays, RemoteId, Server};
use super::super::packet::{Envelope, Invalid};
use super::*;
use crate::dhcp6_wire::Tlvs;

mod backward;
mod forward;
mod prefixes;

const LAN: IfaceId = IfaceId(1);
const GUESTS: IfaceId = IfaceId(2);
const UPSTREAM: IfaceId = IfaceId(9);
const SERVER: &str = "2001:db8:ff::53";
const CLIENT: &str = "fe80::c";

fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn net(text: &str) -> Ipv6Net {
    text.parse().unwrap()
}

fn mac(n: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, n])
}

fn config(id: &str) -> Config {
    Config {
        servers: vec![Server::Routed(ip(SERVER))],
        link_address: ip("2001:db8:1::1"),
        interface_id: id.into(),
        ..Config::default()
    }
}

struct Bench {
    machine: Machine,
    start: Instant,
    now: Duration,
}

impl Bench {
    /// A relay for two links that has read its store.
    fn new() -> Self {
        let mut bench = Self::empty();
        bench.configure(LAN, "lan", config("lan"));
        let guests = Config {
            link_address: ip("2001:db8:2::1"),
            ..config("guests")
        };
        bench.configure(GUESTS, "guests", guests);
        assert_eq!(bench.event(Event::Loaded { leases: vec![] }), []);
        bench
    }

    fn empty() -> Self {
        let start = Instant::now();
        let machine = Machine::new(start, SystemTime::UNIX_EPOCH);
        let now = Duration::ZERO;
        Self {
            machine,
            start,
            now,
        }
    }

    fn event(&mut self, event: Event<'_>) -> Vec<Action> {
        let mut out = Vec::new();
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + self.now;
        self.machine
            .on_event(self.start + self.now, wall, event, &mut out);
        out
    }

    fn configure(&mut self, link: IfaceId, name: &str, config: Config) -> Vec<Action> {
        self.event(Event::ConfigureLink {
            link,
            vrf: VrfId(0),
            realm: RealmId(1),
            name: name.into(),
            config: Box::new(config),
        })
    }

    /// Lets time pass; timers run when they are due.
    fn pass(&mut self, seconds: u64) -> Vec<Action> {
        let end = self.now + Duration::from_secs(seconds);
        let mut out = Vec::new();
        while let Some(due) = self
            .machine
            .next_deadline()
            .filter(|due| *due <= self.start + end)
        {
            self.now = due - self.start;
            out.extend(self.event(Event::Timer));
        }
        self.now = end;
        out
    }

    fn packet(
        &mut self,
        iface: IfaceId,
        src: &str,
        src_port: u16,
        dst: &str,
        payload: &[u8],
    ) -> Vec<Action> {
        self.event(Event::Packet(Datagram {
            iface,
            vrf: VrfId(0),
            src_mac: mac(0xc),
            src: ip(src),
            src_port,
            dst: ip(dst),
            payload,
        }))
    }

    /// A client's message on a link.
    fn client(&mut self, iface: IfaceId, payload: &[u8]) -> Vec<Action> {
        self.packet(iface, CLIENT, 546, "ff02::1:2", payload)
    }

    /// A server's datagram.
    fn server(&mut self, payload: &[u8]) -> Vec<Action> {
        self.packet(UPSTREAM, SERVER, 547, "2001:db8:1::1", payload)
    }

    /// The same in a router.
    fn server_of(&mut self, vrf: VrfId, payload: &[u8]) -> Vec<Action> {
        self.event(Event::Packet(Datagram {
            iface: UPSTREAM,
            vrf,
            src_mac: mac(0xc),
            src: ip(SERVER),
            src_port: 547,
            dst: ip("2001:db8:1::1"),
            payload,
        }))
    }

    fn counters(&self, iface: IfaceId) -> &Counters {
        &self.machine.links[&iface].counters
    }

    /// Counted once on the link, or elsewhere, since the last look.
    fn dropped(&mut self, iface: Option<IfaceId>, invalid: Invalid) {
        let counters = match iface {
            Some(iface) => &mut self.machine.links.get_mut(&iface).unwrap().counters,
            None => &mut self.machine.elsewhere,
        };
        let counted: Vec<_> = std::mem::take(&mut counters.invalid).into_iter().collect();
        assert_eq!(counted, [(invalid.label(), 1)]);
    }
}

fn bytes(message: &v6::Message) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut Encoder::new(&mut out)).unwrap();
    out
}

fn message(kind: Type, xid: u8, options: impl IntoIterator<Item = DhcpOption>) -> Vec<u8> {
    let mut message = v6::Message::new_with_id(kind, [0, 0, xid]);
    message
        .opts_mut()
        .insert(DhcpOption::ClientId(vec![0, 3, 0, 1, 7]));
    options
        .into_iter()
        .for_each(|option| message.opts_mut().insert(option));
    bytes(&message)
}

/// An IA_PD with these prefixes: text, valid lifetime.
fn pd(prefixes: &[(&str, u32)]) -> DhcpOption {
    let option = |(text, valid): &(&str, u32)| {
        DhcpOption::IAPrefix(IAPrefix {
            preferred_lifetime: valid / 2,
            valid_lifetime: *valid,
            prefix_len: net(text).prefix_len(),
            prefix_ip: net(text).network(),
            opts: Default::default(),
        })
    };
    DhcpOption::IAPD(IAPD {
        id: 5,
        t1: 0,
        t2: 0,
        opts: prefixes.iter().map(option).collect(),
    })
}

/// A relay message around `inner`, by hand: dhcproto keeps no order.
fn envelope(
    kind: u8,
    hops: u8,
    link: &str,
    peer: &str,
    options: &[(u16, &[u8])],
    inner: &[u8],
) -> Vec<u8> {
    let mut bytes = vec![kind, hops];
    bytes.extend(ip(link).octets());
    bytes.extend(ip(peer).octets());
    for (code, data) in options.iter().chain(&[(9, inner)]) {
        bytes.extend(code.to_be_bytes());
        bytes.extend((data.len() as u16).to_be_bytes());
        bytes.extend(*data);
    }
    bytes
}

/// A server's answer to the client on a link.
fn reply(id: &str, inner: &[u8]) -> Vec<u8> {
    envelope(
        13,
        0,
        "2001:db8:1::1",
        CLIENT,
        &[(18, id.as_bytes())],
        inner,
    )
}

struct Sent<'a> {
    via: Via,
    src: Option<Ipv6Addr>,
    dst: Ipv6Addr,
    dst_port: u16,
    payload: &'a [u8],
    after_commit: bool,
}

/// The only datagram in the actions.
fn sent(actions: &[Action]) -> Sent<'_> {
    let mut all = actions.iter().filter_map(|action| match action {
        Action::Send {
            via,
            src,
            dst,
            dst_port,
            payload,
            after_commit,
        } => Some(Sent {
            via: *via,
            src: *src,
            dst: *dst,
            dst_port: *dst_port,
            payload,
            after_commit: *after_commit,
        }),
        _ => None,
    });
    let first = all.next().unwrap_or_else(|| panic!("{actions:?}"));
    assert!(all.next().is_none(), "{actions:?}");
    first
}

/// The routes in the actions: `+prefix address`, `-prefix`.
fn routes(actions: &[Action]) -> Vec<String> {
    let route = |action: &Action| match action {
        Action::RouteUp {
            prefix, next_hop, ..
        } => Some(format!("+{prefix} {} {}", next_hop.iface, next_hop.address)),
        Action::RouteDown { prefix, .. } => Some(format!("-{prefix}")),
        _ => None,
    };
    actions.iter().filter_map(route).collect()
}

fn writes(actions: &[Action]) -> Vec<Write> {
    let write = |action: &Action| match action {
        Action::Write(write) => Some(write.clone()),
        _ => None,
    };
    actions.iter().filter_map(write).collect()
}
