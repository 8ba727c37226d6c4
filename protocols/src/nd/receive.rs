//! What received packets mean, and what is answered.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use wire::arp::{ArpPacket, Operation};
use wire::nd::{Message, NeighborAdvertisement, Received, parse_packet};
use wire::nd_option::NdOption;
use wire::{EtherType, MacAddr};

use super::address::AddressState;
use super::interface::{Interface, covers};
use super::neighbor::Claim;
use super::packet;
use super::sm::{Action, Context, Key};

/// MAX_ANYCAST_DELAY_TIME (RFC 4861 section 10).
const MAX_ANYCAST_DELAY: Duration = Duration::from_secs(1);
/// Delayed answers waiting at most.
const MAX_DELAYED: usize = 256;

/// An answer that waits for its time.
#[derive(Debug)]
pub(super) struct Delayed {
    at: Instant,
    dst: Ipv6Addr,
    dst_mac: Option<MacAddr>,
    message: NeighborAdvertisement,
}

impl Interface {
    pub(super) fn packet(&mut self, cx: &mut Context<'_>, src_mac: MacAddr, packet: &[u8]) {
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
        // From the virtual router itself: as another router speaks for it.
        if src_mac == self.mac || src_mac == self.mac_of(addr) {
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

    pub(super) fn send_delayed(&mut self, cx: &mut Context<'_>) {
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
        if src_mac == self.mac || src_mac == self.mac_of(addr) {
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

    pub(super) fn arp_packet(&mut self, cx: &mut Context<'_>, packet: &[u8]) {
        let arp = match ArpPacket::parse(packet) {
            Ok(arp) => arp,
            Err(_) => return self.counters.count_invalid("arp_malformed"),
        };
        if !self.up {
            return;
        }
        self.counters.arp_received += 1;
        let (mac, sender, target) = (arp.sender_mac(), arp.sender_ip(), arp.target_ip());
        if mac == self.mac || mac == self.mac_of(sender.into()) {
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
                let solicited = own.is_some() && arp.target_mac() == self.mac_of(target.into());
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
            let own = self.mac_of(target.into());
            cx.out.push(Action::Send {
                iface: cx.iface,
                src_mac: own,
                dst_mac: mac,
                ether_type: EtherType::ARP,
                packet: packet::arp_reply(own, target, (mac, sender)),
            });
        }
    }
}
