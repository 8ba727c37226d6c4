//! One interface: when it advertises and to whom (RFC 4861 section 6.2.4 to 6.2.7).

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use tables::id::IfaceId;
use wire::MacAddr;
use wire::addr::v6;
use wire::nd::{Message, Received, RouterAdvertisement, parse_packet};

use super::advert::{Advert, Withdrawn};
use super::config::Config;
use super::counters::Counters;
use super::foreign::{ForeignRouter, inconsistencies};
use super::sm::{Action, Context, Key, Snapshot};

const ALL_NODES: Ipv6Addr = Ipv6Addr::from_bits(v6::ALL_NODES);

/// Router constants of RFC 4861 section 10.
const MAX_INITIAL_RTR_ADVERT_INTERVAL: Duration = Duration::from_secs(16);
const MAX_INITIAL_RTR_ADVERTISEMENTS: u32 = 3;
const MAX_FINAL_RTR_ADVERTISEMENTS: u32 = 3;
const MIN_DELAY_BETWEEN_RAS: Duration = Duration::from_secs(3);
const MAX_RA_DELAY_TIME: Duration = Duration::from_millis(500);
/// Hosts waiting for a unicast answer at most; more are answered by one multicast.
const MAX_UNICAST: usize = 64;
/// Other routers remembered at most.
const MAX_FOREIGN: usize = 64;

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Phase {
    Silent,
    Advertising,
    /// Final advertisements that remain.
    Ceasing(u32),
}

#[derive(Debug)]
pub(super) struct Interface {
    config: Config,
    mac: MacAddr,
    mtu: u16,
    link_local: Option<Ipv6Addr>,
    up: bool,
    withheld: bool,
    shut_down: bool,
    phase: Phase,
    /// Unsolicited advertisements sent since the start or the last change.
    sent: u32,
    last_multicast: Option<Instant>,
    /// Hosts that wait for an answer of their own.
    waiting: BTreeMap<Ipv6Addr, (Instant, MacAddr)>,
    withdrawn: Withdrawn,
    withdrawn_until: Option<Instant>,
    foreign: BTreeMap<Ipv6Addr, ForeignRouter>,
    pub counters: Counters,
}

impl Interface {
    pub fn new(mac: MacAddr, mtu: u16) -> Self {
        Interface {
            config: Config::default(),
            mac,
            mtu,
            link_local: None,
            up: false,
            withheld: false,
            shut_down: false,
            phase: Phase::Silent,
            sent: 0,
            last_multicast: None,
            waiting: BTreeMap::new(),
            withdrawn: Withdrawn::default(),
            withdrawn_until: None,
            foreign: BTreeMap::new(),
            counters: Counters::default(),
        }
    }

    pub fn configure(&mut self, cx: &mut Context<'_>, config: Config, mac: MacAddr, mtu: u16) {
        let changed = (&self.config, self.mac, self.mtu) != (&config, mac, mtu);
        if self.phase == Phase::Advertising && config.send_advertisements {
            let gone = Withdrawn::difference(&self.config, &config);
            if !gone.is_empty() {
                self.withdrawn.extend(gone);
                self.withdrawn_until = Some(cx.now + config.deprecate_for);
            }
        }
        self.withdrawn.keep_absent_from(&config);
        (self.mac, self.mtu) = (mac, mtu);
        if self.phase == Phase::Advertising && !config.send_advertisements {
            // The first final one still describes what hosts know.
            self.cease(cx);
            self.config = config;
        } else {
            self.config = config;
            if changed && self.phase == Phase::Advertising {
                // RFC 4861 section 6.2.4: a change is told as a start is.
                self.sent = 0;
                self.schedule_soon(cx);
            }
        }
        self.arm_expiry(cx);
        self.update(cx);
    }

    pub fn set_link_local(&mut self, cx: &mut Context<'_>, addr: Option<Ipv6Addr>) {
        if self.link_local == addr {
            return;
        }
        if self.link_local.is_some() && self.phase == Phase::Advertising {
            // RFC 4861 section 6.2.8: hosts know this router by its old address, which ceases.
            self.send_final(cx);
            // What was scheduled was meant for the old address, and may come too soon after this one.
            self.silence(cx);
        }
        self.link_local = addr;
        self.update(cx);
    }

    pub fn set_withheld(&mut self, cx: &mut Context<'_>, withheld: bool) {
        self.withheld = withheld;
        self.update(cx);
    }

    pub fn set_up(&mut self, cx: &mut Context<'_>, up: bool) {
        self.up = up;
        self.update(cx);
    }

    /// Starts or stops as the conditions say.
    fn update(&mut self, cx: &mut Context<'_>) {
        let can_send = self.up && self.link_local.is_some() && !self.withheld;
        let should = can_send && self.config.send_advertisements && !self.shut_down;
        match self.phase {
            Phase::Advertising if !should => self.silence(cx),
            Phase::Ceasing(_) if !can_send => self.silence(cx),
            Phase::Silent | Phase::Ceasing(_) if should => {
                self.phase = Phase::Advertising;
                self.sent = 0;
                self.schedule_soon(cx);
            }
            _ => {}
        }
    }

    fn silence(&mut self, cx: &mut Context<'_>) {
        self.phase = Phase::Silent;
        self.waiting.clear();
        cx.timers.cancel(Key::Multicast(cx.iface));
        cx.timers.cancel(Key::Unicast(cx.iface));
    }

    pub fn shut_down(&mut self, cx: &mut Context<'_>) {
        self.shut_down = true;
        if self.phase == Phase::Advertising {
            self.cease(cx);
        }
        // What is left to wait for is final advertisements alone.
        cx.timers.cancel(Key::Expiry(cx.iface));
    }

    pub fn remove(&mut self, cx: &mut Context<'_>) {
        if self.phase == Phase::Advertising {
            self.send_final(cx);
        }
        self.silence(cx);
        cx.timers.cancel(Key::Expiry(cx.iface));
    }

    /// Ceases to advertise (RFC 4861 section 6.2.5): the first final advertisement goes at once.
    ///
    /// LIMIT: it does not keep MIN_DELAY_BETWEEN_RAS to an advertisement just sent, for a router that stops cannot wait.
    fn cease(&mut self, cx: &mut Context<'_>) {
        self.silence(cx);
        self.send_final(cx);
        self.phase = Phase::Ceasing(MAX_FINAL_RTR_ADVERTISEMENTS - 1);
        cx.timers
            .arm(Key::Multicast(cx.iface), cx.now + MIN_DELAY_BETWEEN_RAS);
    }

    // ----- when -----

    /// The next advertisement to all comes within half a second, but not too soon after the last.
    fn schedule_soon(&mut self, cx: &mut Context<'_>) {
        let delay = cx.random.between(Duration::ZERO, MAX_RA_DELAY_TIME);
        let earliest = self.last_multicast.map(|last| last + MIN_DELAY_BETWEEN_RAS);
        let at = match earliest {
            Some(earliest) if earliest > cx.now => earliest + delay,
            _ => cx.now + delay,
        };
        let key = Key::Multicast(cx.iface);
        if cx.timers.at(key).is_none_or(|scheduled| at < scheduled) {
            cx.timers.arm(key, at);
        }
    }

    pub fn multicast_timer(&mut self, cx: &mut Context<'_>) {
        let key = Key::Multicast(cx.iface);
        match self.phase {
            Phase::Silent => {}
            Phase::Ceasing(left) => {
                self.send_final(cx);
                self.phase = if left > 1 {
                    Phase::Ceasing(left - 1)
                } else {
                    Phase::Silent
                };
                if left > 1 {
                    cx.timers.arm(key, cx.now + MIN_DELAY_BETWEEN_RAS);
                }
            }
            Phase::Advertising => {
                self.counters.multicast_sent += self.advertise(
                    cx,
                    ALL_NODES,
                    MacAddr::for_ipv6_multicast(&ALL_NODES),
                    false,
                );
                self.last_multicast = Some(cx.now);
                self.advertise_to_managed(cx);
                self.sent = self.sent.saturating_add(1);
                let max = self.config.max_interval;
                let mut interval = cx.random.between(self.config.effective_min_interval(), max);
                if self.sent < MAX_INITIAL_RTR_ADVERTISEMENTS {
                    interval = interval.min(MAX_INITIAL_RTR_ADVERT_INTERVAL);
                }
                cx.timers
                    .arm(key, cx.now + interval.max(MIN_DELAY_BETWEEN_RAS));
            }
        }
    }

    /// Stations with an address of their own hear what holds for them after what holds for all. The destination stays the
    /// group, so that they need not have been heard of.
    fn advertise_to_managed(&mut self, cx: &mut Context<'_>) {
        if self.config.managed {
            return;
        }
        let hosts: Vec<MacAddr> = self.config.managed_hosts.iter().copied().collect();
        for mac in hosts {
            self.counters.managed_sent += self.advertise(cx, ALL_NODES, mac, false);
        }
    }

    pub fn unicast_timer(&mut self, cx: &mut Context<'_>) {
        let due: Vec<_> = self
            .waiting
            .iter()
            .filter(|(_, (at, _))| *at <= cx.now)
            .map(|(h, w)| (*h, w.1))
            .collect();
        for (host, mac) in due {
            self.waiting.remove(&host);
            self.counters.unicast_sent += self.advertise(cx, host, mac, false);
        }
        self.arm_unicast(cx);
    }

    fn arm_unicast(&self, cx: &mut Context<'_>) {
        if let Some(at) = self.waiting.values().map(|(at, _)| *at).min() {
            cx.timers.arm(Key::Unicast(cx.iface), at);
        }
    }

    pub fn expiry_timer(&mut self, cx: &mut Context<'_>) {
        if self.withdrawn_until.is_some_and(|until| until <= cx.now) {
            self.withdrawn = Withdrawn::default();
            self.withdrawn_until = None;
        }
        self.foreign.retain(|_, router| router.expires() > cx.now);
        self.arm_expiry(cx);
    }

    fn arm_expiry(&self, cx: &mut Context<'_>) {
        if self.shut_down {
            return;
        }
        let foreign = self.foreign.values().map(ForeignRouter::expires);
        if let Some(at) = foreign.chain(self.withdrawn_until).min() {
            cx.timers.arm(Key::Expiry(cx.iface), at);
        }
    }

    // ----- sent -----

    fn send_final(&mut self, cx: &mut Context<'_>) {
        self.counters.final_sent +=
            self.advertise(cx, ALL_NODES, MacAddr::for_ipv6_multicast(&ALL_NODES), true);
        self.last_multicast = Some(cx.now);
    }

    /// Sends one advertisement and returns how many packets it took.
    fn advertise(
        &mut self,
        cx: &mut Context<'_>,
        dst: Ipv6Addr,
        dst_mac: MacAddr,
        last: bool,
    ) -> u64 {
        let Some(source) = self.link_local.filter(|_| self.up) else {
            return 0;
        };
        let advert = Advert {
            config: &self.config,
            withdrawn: &self.withdrawn,
            wall: cx.wall,
            source,
            mac: self.mac,
            mtu: self.mtu,
            managed: self.config.managed || self.config.managed_hosts.contains(&dst_mac),
            last,
        };
        let built = advert.build(dst);
        let n_packets = built.packets.len() as u64;
        self.counters.option_too_big += built.too_big;
        self.counters.split += u64::from(n_packets > 1);
        let (iface, src_mac) = (cx.iface, self.mac);
        let send = |packet| Action::Send {
            iface,
            dst,
            src_mac,
            dst_mac,
            packet,
        };
        cx.out.extend(built.packets.into_iter().map(send));
        n_packets
    }

    // ----- received -----

    pub fn packet(&mut self, cx: &mut Context<'_>, src_mac: MacAddr, packet: &[u8]) {
        let received = match parse_packet(packet) {
            Ok(received) => received,
            Err(error) => {
                self.counters.solicitations_invalid += u64::from(is_solicitation(packet));
                return self.counters.count_invalid(error.class());
            }
        };
        match received.message {
            Message::RouterSolicitation => self.solicitation(cx, src_mac, &received),
            Message::RouterAdvertisement(ra) => self.advertisement(cx, src_mac, &received, &ra),
            _ => self.counters.ignored += 1,
        }
    }

    fn solicitation(&mut self, cx: &mut Context<'_>, src_mac: MacAddr, received: &Received<'_>) {
        let host = received.envelope.source;
        if src_mac == self.mac || self.link_local == Some(host) {
            self.counters.looped_back += 1;
            return;
        }
        self.counters.solicitations_received += 1;
        let told = received
            .options
            .source_link_layer()
            .filter(|mac| mac.is_station());
        if let (false, Some(mac)) = (host.is_unspecified(), told) {
            // RFC 4861 section 6.2.6: who solicits is a host.
            let (iface, router) = (cx.iface, false);
            cx.out.push(Action::NeighborHint {
                iface,
                addr: host,
                mac,
                router,
            });
        }
        if self.phase != Phase::Advertising {
            return;
        }
        let unicast = self.config.unicast_solicited && !host.is_unspecified();
        if unicast && (self.waiting.len() < MAX_UNICAST || self.waiting.contains_key(&host)) {
            let delay = cx.random.between(Duration::ZERO, MAX_RA_DELAY_TIME);
            if let std::collections::btree_map::Entry::Vacant(e) = self.waiting.entry(host) {
                e.insert((cx.now + delay, told.unwrap_or(src_mac)));
                self.arm_unicast(cx);
            } else {
                self.counters.aggregated += 1;
            }
            return;
        }
        self.counters.unicast_full += u64::from(unicast);
        let before = cx.timers.at(Key::Multicast(cx.iface));
        self.schedule_soon(cx);
        let after = cx.timers.at(Key::Multicast(cx.iface));
        self.counters.aggregated += u64::from(before == after);
    }

    fn advertisement(
        &mut self,
        cx: &mut Context<'_>,
        src_mac: MacAddr,
        received: &Received<'_>,
        ra: &RouterAdvertisement,
    ) {
        let from = received.envelope.source;
        if src_mac == self.mac || self.link_local == Some(from) {
            self.counters.looped_back += 1;
            return;
        }
        self.counters.advertisements_received += 1;
        let iface = cx.iface;
        let told = received
            .options
            .source_link_layer()
            .filter(|mac| mac.is_station());
        if let Some(mac) = told {
            cx.out.push(Action::NeighborHint {
                iface,
                addr: from,
                mac,
                router: true,
            });
        }
        let mut router =
            ForeignRouter::new(from, told.unwrap_or(src_mac), ra, &received.options, cx.now);
        if self.phase == Phase::Advertising {
            router.inconsistencies = inconsistencies(&self.config, cx.wall, ra, &received.options);
            self.counters.inconsistent += router.inconsistencies.len() as u64;
        }
        let known = self.foreign.get(&from);
        if known.is_none() && self.foreign.len() >= MAX_FOREIGN {
            self.counters.foreign_full += 1;
            return;
        }
        if known.is_none() {
            cx.out.push(Action::ForeignRouter { iface, from });
        }
        let news = match known {
            Some(known) => known.news(&router.inconsistencies),
            None => router.inconsistencies.clone(),
        };
        cx.out.extend(
            news.into_iter()
                .map(|what| Action::Inconsistent { iface, from, what }),
        );
        self.foreign.insert(from, router);
        self.arm_expiry(cx);
    }

    pub fn snapshot(&self, iface: IfaceId, next_multicast: Option<Instant>) -> Snapshot {
        Snapshot {
            iface,
            advertising: self.phase == Phase::Advertising,
            link_local: self.link_local,
            last_multicast: self.last_multicast,
            next_multicast,
            config: self.config.clone(),
            foreign: self.foreign.values().cloned().collect(),
        }
    }
}

/// Whether a packet that failed validation was to be a router solicitation, as far as its first headers tell.
fn is_solicitation(packet: &[u8]) -> bool {
    const NEXT_HEADER: usize = 6;
    const HEADER: usize = 40;
    packet.get(NEXT_HEADER) == Some(&58) && packet.get(HEADER) == Some(&133)
}
