//! Own addresses: duplicate detection (RFC 4862 section 5.4, RFC 7527; RFC 5227 for IPv4) and telling the link.
//!
//! ```text
//!  add, link up          random wait, then dad_transmits solicitations          no objection
//!  ─────────────► TENTATIVE ────────────────────────────────────────────► VALID ──► announce 3 times
//!                     │ another station asks for it or has it
//!                     ▼
//!                 DUPLICATE   until removed or the link comes up again
//! ```

use std::net::IpAddr;
use std::time::{Duration, Instant};

use wire::nd::NeighborAdvertisement;
use wire::{EtherType, MacAddr};

use super::interface::Interface;
use super::packet;
use super::sm::{Action, Context, Key, Note};

/// State of an own address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressState {
    /// Being tested: neither a source nor a destination yet.
    Tentative,
    /// In use.
    Valid,
    /// Another station has it.
    Duplicate,
}

#[derive(Clone, Debug)]
pub(super) struct OwnAddress {
    pub state: AddressState,
    pub prefix_len: u8,
    pub anycast: bool,
    /// The MAC it is at, when it is a virtual router's.
    pub virtual_mac: Option<MacAddr>,
    /// Probes sent while tentative, announcements when valid.
    sent: u32,
    nonce: [u8; 6],
    /// The last defence (RFC 5227 section 2.4).
    defended: Option<Instant>,
}

/// MAX_RTR_SOLICITATION_DELAY (RFC 4862 section 5.4.2) and PROBE_WAIT (RFC 5227 section 1.1).
const FIRST_PROBE_DELAY: Duration = Duration::from_secs(1);
/// PROBE_NUM, PROBE_MIN, PROBE_MAX and ANNOUNCE_WAIT of RFC 5227 section 1.1, the durations a fifth of what stands
/// there: a router that is silent for seven seconds after a restart does more harm than an address conflict that is
/// found late (and still found, by the defence of section 2.4). So IPv4 is as quick as IPv6.
const PROBE_NUM: u32 = 3;
const PROBE_MIN: Duration = Duration::from_millis(200);
const PROBE_MAX: Duration = Duration::from_millis(400);
const ANNOUNCE_WAIT: Duration = Duration::from_millis(400);
/// ANNOUNCE_INTERVAL and DEFEND_INTERVAL of RFC 5227 section 1.1.
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

impl Interface {
    pub(super) fn add_address(
        &mut self,
        cx: &mut Context<'_>,
        addr: IpAddr,
        prefix_len: u8,
        anycast: bool,
    ) {
        if let Some(own) = self.addresses.get_mut(&addr) {
            own.prefix_len = prefix_len;
            if own.anycast == anycast {
                return;
            }
        }
        // Ours cannot be a neighbour's.
        self.forget(cx, addr);
        let (state, sent, nonce) = (AddressState::Tentative, 0, [0; 6]);
        let own = OwnAddress {
            state,
            prefix_len,
            anycast,
            virtual_mac: None,
            sent,
            nonce,
            defended: None,
        };
        self.addresses.insert(addr, own);
        self.start_dad(cx, addr);
    }

    /// An address of a virtual router that is active here.
    pub(super) fn add_virtual(&mut self, cx: &mut Context<'_>, addr: IpAddr, mac: MacAddr) {
        self.forget(cx, addr);
        let own = OwnAddress {
            state: AddressState::Valid,
            prefix_len: if addr.is_ipv6() { 128 } else { 32 },
            anycast: false,
            virtual_mac: Some(mac),
            sent: u32::MAX,
            nonce: [0; 6],
            defended: None,
        };
        self.addresses.insert(addr, own);
    }

    /// The MAC at which an address is.
    pub(super) fn mac_of(&self, addr: IpAddr) -> MacAddr {
        let own = self.addresses.get(&addr);
        own.and_then(|own| own.virtual_mac).unwrap_or(self.mac)
    }

    pub(super) fn remove_address(&mut self, cx: &mut Context<'_>, addr: IpAddr) {
        cx.timers.cancel(Key::Address(cx.iface, addr));
        self.addresses.remove(&addr);
        self.forget_off_link(cx);
    }

    /// Tests an address from the start; without a link it stays tentative.
    pub(super) fn start_dad(&mut self, cx: &mut Context<'_>, addr: IpAddr) {
        let Some(own) = self.addresses.get_mut(&addr) else {
            return;
        };
        if own.virtual_mac.is_some() {
            return;
        }
        own.state = AddressState::Tentative;
        own.sent = 0;
        cx.timers.cancel(Key::Address(cx.iface, addr));
        cx.out.push(Action::AddressState {
            iface: cx.iface,
            addr,
            state: own.state,
        });
        if !self.up {
            return;
        }
        if own.anycast || self.config.dad_transmits == 0 {
            self.become_valid(cx, addr);
            return;
        }
        let wait = cx.random.between(Duration::ZERO, FIRST_PROBE_DELAY);
        cx.timers.arm(Key::Address(cx.iface, addr), cx.now + wait);
    }

    /// The timer of an own address: the next probe or announcement, or the end of the test.
    pub(super) fn address_timer(&mut self, cx: &mut Context<'_>, addr: IpAddr) {
        let Some(own) = self.addresses.get_mut(&addr) else {
            return;
        };
        match own.state {
            AddressState::Duplicate => {}
            AddressState::Valid => self.announce(cx, addr),
            AddressState::Tentative => {
                let wanted = if addr.is_ipv4() {
                    PROBE_NUM
                } else {
                    self.config.dad_transmits
                };
                if own.sent >= wanted {
                    self.become_valid(cx, addr);
                } else {
                    self.send_dad_probe(cx, addr, wanted);
                }
            }
        }
    }

    fn send_dad_probe(&mut self, cx: &mut Context<'_>, addr: IpAddr, wanted: u32) {
        let Some(own) = self.addresses.get_mut(&addr) else {
            return;
        };
        own.sent += 1;
        let (dst_mac, ether_type, packet, wait) = match addr {
            IpAddr::V6(target) => {
                own.nonce
                    .copy_from_slice(&cx.random.next_u64().to_be_bytes()[..6]);
                let packet = packet::dad_solicitation(target, &own.nonce);
                self.counters.solicitations_sent += 1;
                let group = packet::solicited_node(target);
                let dst_mac = MacAddr::for_ipv6_multicast(&group);
                (dst_mac, EtherType::IPV6, packet, self.config.retrans_timer)
            }
            IpAddr::V4(target) => {
                let packet = packet::arp_request(self.mac, std::net::Ipv4Addr::UNSPECIFIED, target);
                self.counters.arp_requests_sent += 1;
                let last = own.sent >= wanted;
                let wait = if last {
                    ANNOUNCE_WAIT
                } else {
                    cx.random.between(PROBE_MIN, PROBE_MAX)
                };
                (MacAddr::BROADCAST, EtherType::ARP, packet, wait)
            }
        };
        cx.out.push(Action::Send {
            iface: cx.iface,
            src_mac: self.mac,
            dst_mac,
            ether_type,
            packet,
        });
        cx.timers.arm(Key::Address(cx.iface, addr), cx.now + wait);
    }

    fn become_valid(&mut self, cx: &mut Context<'_>, addr: IpAddr) {
        let Some(own) = self.addresses.get_mut(&addr) else {
            return;
        };
        own.state = AddressState::Valid;
        cx.out.push(Action::AddressState {
            iface: cx.iface,
            addr,
            state: own.state,
        });
        self.restart_announcements(cx, addr);
    }

    /// Tells the link of a valid address, from the first announcement on.
    pub(super) fn restart_announcements(&mut self, cx: &mut Context<'_>, addr: IpAddr) {
        if let Some(own) = self.addresses.get_mut(&addr)
            && own.virtual_mac.is_none()
        {
            own.sent = 0;
            self.announce(cx, addr);
        }
    }

    /// One unsolicited advertisement (RFC 4861 section 7.2.6) or ARP announcement (RFC 5227 section 3).
    fn announce(&mut self, cx: &mut Context<'_>, addr: IpAddr) {
        let Some(own) = self.addresses.get_mut(&addr) else {
            return;
        };
        let anycast = own.anycast;
        if !self.up || own.sent >= self.config.unsolicited_advertisements {
            return;
        }
        own.sent += 1;
        let more = own.sent < self.config.unsolicited_advertisements;
        let interval = match addr {
            IpAddr::V6(target) => {
                self.send_advertisement(
                    cx,
                    packet::ALL_NODES,
                    None,
                    NeighborAdvertisement {
                        router: true,
                        solicited: false,
                        override_flag: !anycast,
                        target,
                    },
                );
                self.config.retrans_timer
            }
            IpAddr::V4(address) => {
                self.send_arp_announcement(cx, address);
                ANNOUNCE_INTERVAL
            }
        };
        if more {
            cx.timers
                .arm(Key::Address(cx.iface, addr), cx.now + interval);
        }
    }

    fn send_arp_announcement(&mut self, cx: &mut Context<'_>, address: std::net::Ipv4Addr) {
        self.counters.arp_requests_sent += 1;
        let mac = self.mac_of(address.into());
        cx.out.push(Action::Send {
            iface: cx.iface,
            src_mac: mac,
            dst_mac: MacAddr::BROADCAST,
            ether_type: EtherType::ARP,
            packet: packet::arp_announcement(mac, address),
        });
    }

    /// Another station tests or has our address; `mac` is its.
    pub(super) fn objection(&mut self, cx: &mut Context<'_>, addr: IpAddr, mac: MacAddr) {
        let Some(own) = self.addresses.get_mut(&addr) else {
            return;
        };
        match own.state {
            AddressState::Duplicate => {}
            AddressState::Tentative => {
                own.state = AddressState::Duplicate;
                self.counters.duplicates += 1;
                cx.timers.cancel(Key::Address(cx.iface, addr));
                let state = AddressState::Duplicate;
                cx.out.push(Action::AddressState {
                    iface: cx.iface,
                    addr,
                    state,
                });
                cx.note(Note::Duplicate { addr, mac });
            }
            AddressState::Valid if own.anycast => {}
            AddressState::Valid => {
                self.counters.conflicts += 1;
                // A router's address is worth defending for ever, but not in a storm (RFC 5227 section 2.4 (c)).
                let due = |at| cx.now.saturating_duration_since(at) >= DEFEND_INTERVAL;
                if own.defended.is_none_or(due) {
                    own.defended = Some(cx.now);
                    cx.note(Note::Conflict { addr, mac });
                    match addr {
                        IpAddr::V4(address) => self.send_arp_announcement(cx, address),
                        IpAddr::V6(target) => {
                            self.send_advertisement(
                                cx,
                                packet::ALL_NODES,
                                None,
                                NeighborAdvertisement {
                                    router: true,
                                    solicited: false,
                                    override_flag: true,
                                    target,
                                },
                            );
                        }
                    }
                }
            }
        }
    }

    /// Whether a duplicate detection solicitation with this nonce is our own come back (RFC 7527 section 4.2).
    pub(super) fn is_own_nonce(&self, addr: IpAddr, nonce: Option<&[u8]>) -> bool {
        let own = self.addresses.get(&addr).filter(|own| own.sent > 0);
        own.is_some_and(|own| nonce == Some(own.nonce.as_slice()))
    }
}
