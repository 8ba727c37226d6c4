//! One interface: what its packets mean, who answers, and from which address we speak.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use wire::arp::{ArpPacket, Operation};
use wire::nd::{Message, NeighborAdvertisement, Received, parse_packet};
use wire::nd_option::NdOption;
use wire::{EtherType, MacAddr};

use super::address::{AddressState, OwnAddress};
use super::config::Config;
use super::counters::Counters;
use super::neighbor::{Cache, Claim, State};
use super::packet;
use super::sm::{Action, Context, Key};

/// MAX_ANYCAST_DELAY_TIME (RFC 4861 section 10).
const MAX_ANYCAST_DELAY: Duration = Duration::from_secs(1);
/// Delayed answers waiting at most.
const MAX_DELAYED: usize = 256;
/// How often ReachableTime is drawn anew (RFC 4861 section 6.3.4 says a few hours at most).
const REACHABLE_TIME_REDRAW: Duration = Duration::from_secs(2 * 3600);

#[derive(Debug)]
pub(super) struct Interface {
    pub config: Config,
    pub mac: MacAddr,
    pub up: bool,
    pub addresses: BTreeMap<IpAddr, OwnAddress>,
    pub cache: Cache,
    pub reachable_time: Duration,
    pub counters: Counters,
    /// Answers for anycast and proxied addresses, by when they are due.
    delayed: Vec<Delayed>,
}

#[derive(Debug)]
struct Delayed {
    at: Instant,
    dst: Ipv6Addr,
    dst_mac: Option<MacAddr>,
    message: NeighborAdvertisement,
}

impl Interface {
    pub fn new(config: Config, mac: MacAddr) -> Self {
        Interface {
            reachable_time: config.base_reachable_time,
            config,
            mac,
            up: false,
            addresses: BTreeMap::new(),
            cache: Cache::default(),
            counters: Counters::default(),
            delayed: Vec::new(),
        }
    }

    pub fn configure(&mut self, cx: &mut Context<'_>, config: Config, mac: MacAddr) {
        self.config = config;
        self.draw_reachable_time(cx);
        if self.mac != mac {
            self.mac = mac;
            // RFC 4861 section 7.2.6: neighbours learn the new address at once.
            for addr in self.addresses_in(AddressState::Valid) {
                self.restart_announcements(cx, addr);
            }
        }
    }

    pub fn draw_reachable_time(&mut self, cx: &mut Context<'_>) {
        let base = self.config.base_reachable_time;
        self.reachable_time = cx.random.between(base / 2, base * 3 / 2);
        cx.timers
            .arm(Key::ReachableTime(cx.iface), cx.now + REACHABLE_TIME_REDRAW);
    }

    pub fn remove(&mut self, cx: &mut Context<'_>) {
        self.forget_all(cx, |_, _| true);
        for addr in std::mem::take(&mut self.addresses).into_keys() {
            cx.timers.cancel(Key::Address(cx.iface, addr));
        }
        cx.timers.cancel(Key::ReachableTime(cx.iface));
        cx.timers.cancel(Key::Delayed(cx.iface));
    }

    pub fn link_up(&mut self, cx: &mut Context<'_>) {
        if !self.up {
            self.up = true;
            for addr in self.addresses.keys().copied().collect::<Vec<_>>() {
                self.start_dad(cx, addr);
            }
        }
    }

    pub fn link_down(&mut self, cx: &mut Context<'_>) {
        self.up = false;
        self.forget_all(cx, |_, state| state != State::Permanent);
        for addr in self.addresses.keys() {
            cx.timers.cancel(Key::Address(cx.iface, *addr));
        }
        self.delayed.clear();
        cx.timers.cancel(Key::Delayed(cx.iface));
    }

    pub fn flush(&mut self, cx: &mut Context<'_>, only: Option<IpAddr>) {
        self.forget_all(cx, |addr, state| {
            state != State::Permanent && only.is_none_or(|wanted| wanted == addr)
        });
    }

    pub fn remove_static(&mut self, cx: &mut Context<'_>, addr: IpAddr) {
        if self
            .cache
            .entries
            .get(&addr)
            .is_some_and(|n| n.state == State::Permanent)
        {
            self.forget(cx, addr);
        }
    }

    /// Forgets what was learnt of prefixes that are no longer on this link.
    pub fn forget_off_link(&mut self, cx: &mut Context<'_>) {
        let prefixes = self.prefixes();
        self.forget_all(cx, |addr, state| {
            state != State::Permanent && !covered(&prefixes, addr)
        });
    }

    fn forget_all(&mut self, cx: &mut Context<'_>, which: impl Fn(IpAddr, State) -> bool) {
        let chosen = self
            .cache
            .entries
            .iter()
            .filter(|(addr, n)| which(**addr, n.state));
        for addr in chosen.map(|(addr, _)| *addr).collect::<Vec<_>>() {
            self.forget(cx, addr);
        }
    }

    fn addresses_in(&self, state: AddressState) -> Vec<IpAddr> {
        let chosen = self.addresses.iter().filter(|(_, own)| own.state == state);
        chosen.map(|(addr, _)| *addr).collect()
    }

    fn prefixes(&self) -> Vec<(IpAddr, u8)> {
        self.addresses
            .iter()
            .map(|(addr, own)| (*addr, own.prefix_len))
            .collect()
    }

    /// Whether `addr` is link-local or within a prefix of an own address.
    pub fn on_link(&self, addr: IpAddr) -> bool {
        let within = |(own, o): (&IpAddr, &OwnAddress)| covers(*own, o.prefix_len, addr);
        is_link_local(addr) || self.addresses.iter().any(within)
    }

    // ----- received -----

    pub fn packet(&mut self, cx: &mut Context<'_>, src_mac: MacAddr, packet: &[u8]) {
        let received = match parse_packet(packet) {
            Ok(received) => received,
            Err(error) => return self.counters.count_invalid(error.class()),
        };
        if !self.up {
            return;
        }
        match received.message {
            Message::NeighborSolicitation { target } => {
                self.counters.solicitations_received += 1;
                self.solicitation(cx, src_mac, &received, target);
            }
            Message::NeighborAdvertisement(advertisement) => {
                self.counters.advertisements_received += 1;
                self.advertisement(cx, src_mac, &received, advertisement);
            }
            // The ra room's, and redirects, which routers do not obey (RFC 4861 section 8.2).
            _ => self.counters.ignored += 1,
        }
    }

    fn solicitation(
        &mut self,
        cx: &mut Context<'_>,
        src_mac: MacAddr,
        received: &Received<'_>,
        target: Ipv6Addr,
    ) {
        let source = received.envelope.source;
        let nonce = received.options.readable().find_map(|option| match option {
            NdOption::Nonce(nonce) => Some(nonce),
            _ => None,
        });
        let addr = IpAddr::V6(target);
        let own = self
            .addresses
            .get(&addr)
            .map(|own| (own.state, own.anycast));
        let dad = source.is_unspecified();
        match own {
            Some((AddressState::Tentative, _)) => {
                // RFC 4862 section 5.4.3: a specified source only wants to know who has it.
                if dad && (src_mac == self.mac || self.is_own_nonce(addr, nonce)) {
                    self.counters.looped_back += 1;
                } else if dad {
                    self.objection(cx, addr, src_mac);
                }
                return;
            }
            Some((AddressState::Duplicate, _)) => return,
            Some((AddressState::Valid, _)) => {}
            None if self.proxies(addr) => {}
            None => return,
        }
        if src_mac == self.mac {
            self.counters.looped_back += 1;
            return;
        }
        if let (false, Some(mac)) = (dad, received.options.source_link_layer()) {
            self.learn(cx, source.into(), mac, None);
        }
        let immediate = own == Some((AddressState::Valid, false));
        let message = NeighborAdvertisement {
            router: true,
            solicited: !dad,
            override_flag: immediate,
            target,
        };
        // RFC 4861 section 7.2.4: one who does duplicate detection has no address yet.
        let (dst, dst_mac) = if dad {
            (packet::ALL_NODES, None)
        } else {
            let cached = self
                .cache
                .entries
                .get(&IpAddr::V6(source))
                .and_then(|n| n.mac);
            (source, Some(cached.unwrap_or(src_mac)))
        };
        if immediate {
            self.send_advertisement(cx, dst, dst_mac, message);
        } else if self.delayed.len() >= MAX_DELAYED {
            self.counters.delayed_full += 1;
        } else {
            // RFC 4861 sections 7.2.7 and 7.2.8: several nodes may answer; not all at once.
            let at = cx.now + cx.random.between(Duration::ZERO, MAX_ANYCAST_DELAY);
            self.delayed.push(Delayed {
                at,
                dst,
                dst_mac,
                message,
            });
            self.arm_delayed(cx);
        }
    }

    fn arm_delayed(&mut self, cx: &mut Context<'_>) {
        let key = Key::Delayed(cx.iface);
        match self.delayed.iter().map(|d| d.at).min() {
            Some(at) => cx.timers.arm(key, at),
            None => cx.timers.cancel(key),
        }
    }

    pub fn send_delayed(&mut self, cx: &mut Context<'_>) {
        let (due, later) = std::mem::take(&mut self.delayed)
            .into_iter()
            .partition(|d| d.at <= cx.now);
        self.delayed = later;
        let due: Vec<Delayed> = due;
        for Delayed {
            dst,
            dst_mac,
            message,
            ..
        } in due
        {
            self.send_advertisement(cx, dst, dst_mac, message);
        }
        self.arm_delayed(cx);
    }

    /// Whether we answer for `addr` in another's place: configured, and not known to live on this very link.
    fn proxies(&self, addr: IpAddr) -> bool {
        let configured = self
            .config
            .proxy
            .iter()
            .any(|(prefix, len)| covers(*prefix, *len, addr));
        let lives_here = self
            .cache
            .entries
            .get(&addr)
            .is_some_and(|n| n.mac.is_some());
        configured && !lives_here
    }

    fn advertisement(
        &mut self,
        cx: &mut Context<'_>,
        src_mac: MacAddr,
        received: &Received<'_>,
        advertisement: NeighborAdvertisement,
    ) {
        let addr = IpAddr::V6(advertisement.target);
        if src_mac == self.mac {
            self.counters.looped_back += 1;
            return;
        }
        if self.addresses.contains_key(&addr) {
            return self.objection(cx, addr, src_mac);
        }
        let mac = received.options.target_link_layer();
        if self.cache.entries.contains_key(&addr) {
            if mac.is_none_or(|mac| self.may_learn(addr, mac)) {
                let NeighborAdvertisement {
                    router,
                    solicited,
                    override_flag,
                    ..
                } = advertisement;
                self.claim(
                    cx,
                    addr,
                    Claim {
                        mac,
                        solicited,
                        override_flag,
                        router: Some(router),
                    },
                );
            }
            return;
        }
        // RFC 9131 section 6.1.1: the host has just got this address; its first answer shall not wait.
        if let (true, Some(mac)) = (self.config.learn_unsolicited, mac)
            && self.may_learn(addr, mac)
            && self.create_stale(cx, addr, mac, advertisement.router)
        {
            self.counters.learnt_unsolicited += 1;
        }
    }

    pub fn arp_packet(&mut self, cx: &mut Context<'_>, packet: &[u8]) {
        let arp = match ArpPacket::parse(packet) {
            Ok(arp) => arp,
            Err(_) => return self.counters.count_invalid("arp_malformed"),
        };
        if !self.up {
            return;
        }
        self.counters.arp_received += 1;
        let (mac, sender, target) = (arp.sender_mac(), arp.sender_ip(), arp.target_ip());
        if mac == self.mac {
            self.counters.looped_back += 1;
            return;
        }
        if self.addresses.contains_key(&IpAddr::V4(sender)) {
            return self.objection(cx, sender.into(), mac);
        }
        let own = self.addresses.get(&IpAddr::V4(target)).map(|own| own.state);
        let probe = sender.is_unspecified();
        if own == Some(AddressState::Tentative) {
            // RFC 5227 section 2.1.1: two stations probe for the same address.
            if probe && arp.operation() == Operation::Request {
                self.objection(cx, target.into(), mac);
            }
            return;
        }
        let answers = match own {
            Some(state) => state == AddressState::Valid,
            None => sender != target && self.proxies(target.into()),
        };
        let known = self.cache.entries.contains_key(&IpAddr::V4(sender));
        match arp.operation() {
            _ if probe => {}
            Operation::Reply if known => {
                // Only a reply to us can be the answer to a solicitation of ours.
                let solicited = own.is_some() && arp.target_mac() == self.mac;
                let claim = Claim {
                    mac: Some(mac),
                    solicited,
                    override_flag: true,
                    router: None,
                };
                if self.may_learn(sender.into(), mac) {
                    self.claim(cx, sender.into(), claim);
                }
            }
            // RFC 826: an entry is made only by those who speak to us, and brought up to date by all.
            _ if known || (answers && arp.operation() == Operation::Request) => {
                self.learn(cx, sender.into(), mac, None);
            }
            _ => {}
        }
        if answers && arp.operation() == Operation::Request {
            self.counters.arp_replies_sent += 1;
            cx.out.push(Action::Send {
                iface: cx.iface,
                dst_mac: mac,
                ether_type: EtherType::ARP,
                packet: packet::arp_reply(self.mac, target, (mac, sender)),
            });
        }
    }

    // ----- sent -----

    /// An advertisement of `message.target`, from that very address or, when we only speak for it, from our own.
    pub fn send_advertisement(
        &mut self,
        cx: &mut Context<'_>,
        dst: Ipv6Addr,
        dst_mac: Option<MacAddr>,
        message: NeighborAdvertisement,
    ) {
        let own = self.addresses.get(&IpAddr::V6(message.target));
        // RFC 4291 section 2.6 allows an anycast source, but hosts compare it with who they know.
        let source = if own.is_some_and(|own| !own.anycast) {
            message.target
        } else if let Some(source) = self.source_v6(dst, None) {
            source
        } else {
            return;
        };
        self.counters.advertisements_sent += 1;
        cx.out.push(Action::Send {
            iface: cx.iface,
            dst_mac: dst_mac.unwrap_or(MacAddr::for_ipv6_multicast(&dst)),
            ether_type: EtherType::IPV6,
            packet: packet::advertisement(source, dst, message, self.mac),
        });
    }

    /// Asks for `target`: by unicast when `unicast` is its MAC, else all who may have it. Nothing is sent while we have no
    /// address to ask from; the attempt counts.
    pub fn send_solicitation(
        &mut self,
        cx: &mut Context<'_>,
        target: IpAddr,
        unicast: Option<MacAddr>,
        source: Option<IpAddr>,
    ) {
        let (dst_mac, ether_type, packet) = match target {
            IpAddr::V6(target) => {
                let Some(source) = self.source_v6(target, source) else {
                    return;
                };
                let dst = if unicast.is_some() {
                    target
                } else {
                    packet::solicited_node(target)
                };
                let dst_mac = unicast.unwrap_or(MacAddr::for_ipv6_multicast(&dst));
                self.counters.solicitations_sent += 1;
                (
                    dst_mac,
                    EtherType::IPV6,
                    packet::solicitation(source, dst, target, self.mac),
                )
            }
            IpAddr::V4(target) => {
                let Some(source) = self.source_v4(target) else {
                    return;
                };
                self.counters.arp_requests_sent += 1;
                let dst_mac = unicast.unwrap_or(MacAddr::BROADCAST);
                (
                    dst_mac,
                    EtherType::ARP,
                    packet::arp_request(self.mac, source, target),
                )
            }
        };
        cx.out.push(Action::Send {
            iface: cx.iface,
            dst_mac,
            ether_type,
            packet,
        });
    }

    /// RFC 4861 section 7.2.2: the source of the packet that waits when it is ours, else our link-local address, else
    /// any of ours.
    fn source_v6(&self, target: Ipv6Addr, prompted: Option<IpAddr>) -> Option<Ipv6Addr> {
        let usable = |own: &OwnAddress| own.state == AddressState::Valid && !own.anycast;
        if let Some(IpAddr::V6(source)) = prompted
            && self.addresses.get(&IpAddr::V6(source)).is_some_and(usable)
        {
            return Some(source);
        }
        let valid = self.addresses.iter().filter(|(_, own)| usable(own));
        let own = valid.filter_map(|(addr, _)| match addr {
            IpAddr::V6(addr) => Some(*addr),
            IpAddr::V4(_) => None,
        });
        // A link-local target cannot be reached from elsewhere than a link-local source.
        own.max_by_key(|addr| (addr.is_unicast_link_local(), *addr))
            .filter(|addr| addr.is_unicast_link_local() || !target.is_unicast_link_local())
    }

    /// Our address of the target's subnet, else any of ours.
    fn source_v4(&self, target: Ipv4Addr) -> Option<Ipv4Addr> {
        let valid = self
            .addresses
            .iter()
            .filter(|(_, own)| own.state == AddressState::Valid);
        let own = valid.filter_map(|(addr, own)| match addr {
            IpAddr::V4(v4) => Some((covers(*addr, own.prefix_len, target.into()), *v4)),
            IpAddr::V6(_) => None,
        });
        own.max_by_key(|(same_subnet, _)| *same_subnet)
            .map(|(_, addr)| addr)
    }
}

fn is_link_local(addr: IpAddr) -> bool {
    matches!(addr, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

fn covered(prefixes: &[(IpAddr, u8)], addr: IpAddr) -> bool {
    is_link_local(addr) || prefixes.iter().any(|(own, len)| covers(*own, *len, addr))
}

/// Whether `addr` is within `prefix`/`len`.
fn covers(prefix: IpAddr, len: u8, addr: IpAddr) -> bool {
    match (prefix, addr) {
        (IpAddr::V6(p), IpAddr::V6(a)) => {
            (p.to_bits() ^ a.to_bits())
                .checked_shr(128 - u32::from(len.min(128)))
                .unwrap_or(0)
                == 0
        }
        (IpAddr::V4(p), IpAddr::V4(a)) => {
            (p.to_bits() ^ a.to_bits())
                .checked_shr(32 - u32::from(len.min(32)))
                .unwrap_or(0)
                == 0
        }
        _ => false,
    }
}
