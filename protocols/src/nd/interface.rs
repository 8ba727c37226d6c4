//! One interface: its configuration and link, and from which address it speaks.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use wire::nd::NeighborAdvertisement;
use wire::{EtherType, MacAddr};

use super::address::{AddressState, OwnAddress};
use super::cache::Cache;
use super::config::Config;
use super::counters::Counters;
use super::neighbor::State;
use super::packet;
use super::receive::Delayed;
use super::sm::{Action, Context, Key};

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
    pub delayed: Vec<Delayed>,
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
        let mac = self.mac_of(message.target.into());
        self.counters.advertisements_sent += 1;
        cx.out.push(Action::Send {
            iface: cx.iface,
            src_mac: mac,
            dst_mac: dst_mac.unwrap_or(MacAddr::for_ipv6_multicast(&dst)),
            ether_type: EtherType::IPV6,
            packet: packet::advertisement(source, dst, message, mac),
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
            src_mac: self.mac,
            dst_mac,
            ether_type,
            packet,
        });
    }

    /// RFC 4861 section 7.2.2: the source of the packet that waits when it is ours, else our link-local address, else
    /// any of ours.
    fn source_v6(&self, target: Ipv6Addr, prompted: Option<IpAddr>) -> Option<Ipv6Addr> {
        let usable = |own: &OwnAddress| {
            own.state == AddressState::Valid && !own.anycast && own.virtual_mac.is_none()
        };
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
            .filter(|(_, own)| own.state == AddressState::Valid && own.virtual_mac.is_none());
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
pub(super) fn covers(prefix: IpAddr, len: u8, addr: IpAddr) -> bool {
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
