//! Simulated time and clients whose messages dhcproto writes and reads: the server is never tested with its own codec.

mod import;
mod links;
mod malformed;
mod prefixes;
mod proptests;
mod realms;
mod reconfigure;
mod registered;
mod relayed;
mod settings;
mod stateful;
mod store;

use std::net::Ipv6Addr;
use std::time::{Duration, Instant, SystemTime};

use dhcproto::v6::{
    self, DhcpOption, DhcpOptions, IAAddr, IANA, IAPD, IAPrefix, MessageType as Type, ORO,
    OptionCode, Status, UnknownOption,
};
use dhcproto::{Decodable, Decoder, Encodable};
use ipnet::Ipv6Net;
use tables::id::{IfaceId, VrfId};
use wire::MacAddr;

use super::*;
use crate::dhcp6::config::{PrefixPool, Range, Relays, Reservation, Subnet};

const SERVER: [u8; 10] = [0, 3, 0, 1, 2, 0, 0, 0, 0, 0xff];
const IFACE: IfaceId = IfaceId(1);
const LINK: LinkId = LinkId::Iface(IFACE);
/// The router of the links.
const REALM: RealmId = RealmId(1);
const GROUP: &str = "ff02::1:2";
const NO_ADDRESSES: [Ipv6Addr; 0] = [];

fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn net(text: &str) -> Ipv6Net {
    text.parse().unwrap()
}

fn mac(n: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, n])
}

/// The DUID-LL of client `n`.
fn duid(n: u8) -> Vec<u8> {
    [&[0, 3, 0, 1][..], &mac(n).octets()].concat()
}

fn link_local(n: u8) -> Ipv6Addr {
    ip(&format!("fe80::{n:x}"))
}

/// A subnet of 2001:db8::/64 with a pool of `size` addresses from ::1000.
fn subnet(size: u128) -> Subnet {
    let start = ip("2001:db8::1000");
    let end = Ipv6Addr::from_bits(start.to_bits() + size - 1);
    Subnet {
        pools: vec![Range { start, end }],
        ..Subnet::new(net("2001:db8::/64"))
    }
}

/// A link with a stateful subnet and a pool of /56.
fn config() -> Config {
    Config {
        subnets: vec![subnet(0x1000)],
        prefix_pools: vec![PrefixPool::new(net("2001:db8:8000::/40"), 56)],
        ..Config::default()
    }
}

fn identity() -> Identity {
    Identity {
        duid: SERVER.to_vec(),
        secret: Secret([7; 32]),
        retention: Duration::from_secs(3600),
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
        let machine = Machine::new(identity(), 1, now, wall);
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
            name: "lan".into(),
            config: Box::new(config),
        })
    }

    fn event(&mut self, event: Event<'_>) -> Vec<Action> {
        let mut out = Vec::new();
        self.machine.on_event(self.now, self.wall, event, &mut out);
        out
    }

    /// Lets time pass; what timers did meanwhile.
    fn pass(&mut self, seconds: u64) -> Vec<Action> {
        let (end, mut all) = (self.now + Duration::from_secs(seconds), Vec::new());
        while let Some(due) = self.machine.next_deadline().filter(|due| *due <= end) {
            self.advance(due.max(self.now));
            all.extend(self.event(Event::Timer));
        }
        self.advance(end);
        all
    }

    fn advance(&mut self, to: Instant) {
        self.wall += to - self.now;
        self.now = to;
    }

    /// Sends bytes of client `n` to all servers.
    fn send(&mut self, n: u8, payload: &[u8]) -> Vec<Action> {
        self.send_to(n, ip(GROUP), payload)
    }

    fn send_to(&mut self, n: u8, dst: Ipv6Addr, payload: &[u8]) -> Vec<Action> {
        self.event(Event::Packet(Datagram {
            iface: self.iface,
            src_mac: mac(n),
            src: link_local(n),
            src_port: 546,
            dst,
            payload,
        }))
    }

    /// Sends a message of client `n`; the answer, which must be there.
    fn ask(&mut self, n: u8, message: &v6::Message) -> v6::Message {
        let actions = self.send(n, &bytes(message));
        let answer = answer(&actions).unwrap_or_else(|| panic!("no answer to {message:?}"));
        assert_eq!(answer.xid(), message.xid());
        let server = answer.opts().get(OptionCode::ServerId);
        assert_eq!(server, Some(&DhcpOption::ServerId(SERVER.to_vec())));
        assert_eq!(
            answer.opts().get(OptionCode::ClientId),
            message.opts().get(OptionCode::ClientId)
        );
        answer
    }

    /// Solicit and Request of one address; the address.
    fn lease(&mut self, n: u8, iaid: u32) -> Ipv6Addr {
        let advertise = self.ask(n, &message(Type::Solicit, n, [na(iaid, &[])]));
        assert_eq!(advertise.msg_type(), Type::Advertise);
        let offered = addresses(&advertise);
        let reply = self.ask(n, &to_server(Type::Request, n, [na(iaid, &offered)]));
        assert_eq!(reply.msg_type(), Type::Reply);
        assert_eq!(addresses(&reply), offered);
        offered[0]
    }

    /// Solicit and Request of one prefix; the prefix.
    fn delegate(&mut self, n: u8, iaid: u32, hint: &[Ipv6Net]) -> Ipv6Net {
        let advertise = self.ask(n, &message(Type::Solicit, n, [pd(iaid, hint)]));
        let reply = self.ask(
            n,
            &to_server(Type::Request, n, [pd(iaid, &prefixes_of(&advertise))]),
        );
        prefixes_of(&reply)[0]
    }

    fn counters(&self) -> &Counters {
        &self.machine.links[&LINK].counters
    }

    /// The state of a resource.
    fn state(&self, resource: Resource) -> Option<State> {
        self.machine
            .book()
            .get(REALM, resource)
            .map(|lease| lease.state)
    }
}

fn bytes(message: &v6::Message) -> Vec<u8> {
    message.to_vec().unwrap()
}

/// The answer in what was done, which must be at most one.
fn answer(actions: &[Action]) -> Option<v6::Message> {
    let sent: Vec<_> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Send { payload, .. } => Some(payload),
            _ => None,
        })
        .collect();
    assert!(sent.len() <= 1, "{actions:?}");
    let message = v6::Message::decode(&mut Decoder::new(sent.first()?)).unwrap();
    // What dhcproto cannot read it leaves out without a word; so it is asked to write it again. Names it would compress, which
    // RFC 8415 section 10 forbids.
    if message.opts().get(OptionCode::DomainSearchList).is_none() {
        assert_eq!(message.to_vec().unwrap().len(), sent[0].len());
    }
    Some(message)
}

fn writes(actions: &[Action]) -> Vec<Write> {
    let write = |action: &Action| match action {
        Action::Write(write) => Some(write.clone()),
        _ => None,
    };
    actions.iter().filter_map(write).collect()
}

/// A message of client `n` to all servers.
fn message<const N: usize>(kind: Type, n: u8, options: [DhcpOption; N]) -> v6::Message {
    let mut message = v6::Message::new_with_id(kind, [1, 2, n]);
    message.opts_mut().insert(DhcpOption::ClientId(duid(n)));
    message.opts_mut().insert(DhcpOption::ElapsedTime(0));
    for option in options {
        message.opts_mut().insert(option);
    }
    message
}

/// A message of client `n` to this server.
fn to_server<const N: usize>(kind: Type, n: u8, options: [DhcpOption; N]) -> v6::Message {
    let mut message = message(kind, n, options);
    message
        .opts_mut()
        .insert(DhcpOption::ServerId(SERVER.to_vec()));
    message
}

fn na(id: u32, addresses: &[Ipv6Addr]) -> DhcpOption {
    let (t1, t2, opts) = (0, 0, ia_addresses(addresses));
    DhcpOption::IANA(IANA { id, t1, t2, opts })
}

fn ta(id: u32, addresses: &[Ipv6Addr]) -> DhcpOption {
    let opts = ia_addresses(addresses);
    DhcpOption::IATA(v6::IATA { id, opts })
}

fn ia_addresses(addresses: &[Ipv6Addr]) -> DhcpOptions {
    let option = |addr: &Ipv6Addr| {
        DhcpOption::IAAddr(IAAddr {
            addr: *addr,
            preferred_life: 0,
            valid_life: 0,
            opts: DhcpOptions::new(),
        })
    };
    addresses.iter().map(option).collect()
}

fn pd(id: u32, prefixes: &[Ipv6Net]) -> DhcpOption {
    let option = |prefix: &Ipv6Net| {
        DhcpOption::IAPrefix(IAPrefix {
            preferred_lifetime: 0,
            valid_lifetime: 0,
            prefix_len: prefix.prefix_len(),
            prefix_ip: prefix.addr(),
            opts: DhcpOptions::new(),
        })
    };
    let (t1, t2, opts) = (0, 0, prefixes.iter().map(option).collect());
    DhcpOption::IAPD(IAPD { id, t1, t2, opts })
}

fn oro(codes: &[u16]) -> DhcpOption {
    let opts = codes.iter().map(|code| OptionCode::from(*code)).collect();
    DhcpOption::ORO(ORO { opts })
}

fn raw(code: u16, data: &[u8]) -> DhcpOption {
    DhcpOption::Unknown(UnknownOption::new(code.into(), data.to_vec()))
}

/// All identity associations for addresses of an answer.
fn nas(message: &v6::Message) -> Vec<&IANA> {
    fn one(option: &DhcpOption) -> Option<&IANA> {
        match option {
            DhcpOption::IANA(ia) => Some(ia),
            _ => None,
        }
    }
    message.opts().iter().filter_map(one).collect()
}

fn pds(message: &v6::Message) -> Vec<&IAPD> {
    fn one(option: &DhcpOption) -> Option<&IAPD> {
        match option {
            DhcpOption::IAPD(ia) => Some(ia),
            _ => None,
        }
    }
    message.opts().iter().filter_map(one).collect()
}

/// Addresses and lifetimes (preferred, valid) of an association.
fn leases(opts: &DhcpOptions) -> Vec<(Ipv6Addr, u32, u32)> {
    let lease = |option: &DhcpOption| match option {
        DhcpOption::IAAddr(a) => Some((a.addr, a.preferred_life, a.valid_life)),
        _ => None,
    };
    opts.iter().filter_map(lease).collect()
}

/// Prefixes and lifetimes (preferred, valid) of an association.
fn delegations(opts: &DhcpOptions) -> Vec<(Ipv6Net, u32, u32)> {
    let lease = |option: &DhcpOption| match option {
        DhcpOption::IAPrefix(p) => {
            let prefix = Ipv6Net::new(p.prefix_ip, p.prefix_len).unwrap();
            Some((prefix, p.preferred_lifetime, p.valid_lifetime))
        }
        _ => None,
    };
    opts.iter().filter_map(lease).collect()
}

/// All addresses that live.
fn addresses(message: &v6::Message) -> Vec<Ipv6Addr> {
    let of = |na: &&IANA| leases(&na.opts);
    let all = nas(message).iter().flat_map(of).collect::<Vec<_>>();
    all.into_iter().filter(|l| l.2 > 0).map(|l| l.0).collect()
}

/// All prefixes that live.
fn prefixes_of(message: &v6::Message) -> Vec<Ipv6Net> {
    let of = |pd: &&IAPD| delegations(&pd.opts);
    let all = pds(message).iter().flat_map(of).collect::<Vec<_>>();
    all.into_iter().filter(|l| l.2 > 0).map(|l| l.0).collect()
}

/// The status in some options.
fn status(opts: &DhcpOptions) -> Option<Status> {
    match opts.get(OptionCode::StatusCode) {
        Some(DhcpOption::StatusCode(code)) => Some(code.status),
        _ => None,
    }
}

/// The data of an option that dhcproto does not read.
fn data(opts: &DhcpOptions, code: u16) -> Option<Vec<u8>> {
    opts.iter().find_map(|option| match option {
        DhcpOption::Unknown(option) if u16::from(option.code()) == code => {
            Some(option.data().to_vec())
        }
        _ => None,
    })
}
