//! The machine: the datagrams of all interfaces, their bounds and their timers.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use tables::id::{IfaceId, VrfId};
use wire::MacAddr;
use wire::ipv6::MIN_MTU;

use super::answer::{Answer, Error, answer, error};
use super::counters::Counters;
use super::datagram::{Added, Datagram};
use super::packet::{self, Fault, Key, Piece};
use super::split::split;
use crate::timers::Timers;

/// Datagrams of one interface that may wait for a fragment.
pub const MAX_DATAGRAMS: usize = 64;
/// Octets of memory that they may take together.
pub const MAX_OCTETS: usize = 1 << 20;
/// ICMP errors a second, all interfaces together.
pub const ERRORS_PER_SECOND: u32 = 10;

/// How long an IPv6 datagram waits (RFC 8200 section 4.5).
const PATIENCE6: Duration = Duration::from_secs(60);
/// How long an IPv4 datagram waits: less than RFC 1122 section 3.3.2 allows, as hosts do.
const PATIENCE4: Duration = Duration::from_secs(30);

/// How a packet came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The interface.
    pub iface: IfaceId,
    /// Its routing domain.
    pub vrf: VrfId,
    /// The station that sent the frame.
    pub src_mac: MacAddr,
}

/// What the machine is told.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A fragment for one of our addresses.
    Packet {
        /// How it came.
        from: Arrival,
        /// The bytes, from the IP header on.
        packet: &'a [u8],
        /// For the fragments of our reply, should there be one.
        identification: u32,
    },
    /// The deadline has passed.
    Timer,
}

/// What the router shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a packet of our own.
    Send {
        /// How the question came.
        to: Arrival,
        /// The packet, from the IP header on.
        packet: Vec<u8>,
    },
    /// A whole message for the DHCPv6 server or relay agent, its checksum verified.
    Dhcp6 {
        /// How its last fragment came.
        from: Arrival,
        /// The packet, from the IP header on.
        packet: Vec<u8>,
    },
}

/// A datagram that waits.
#[derive(Debug)]
struct Waiting {
    /// How its first fragment to come came: its interface pays for it.
    from: Arrival,
    since: Instant,
    /// `None` once it is discarded: later fragments of it are to be ignored.
    datagram: Option<Datagram>,
}

impl Waiting {
    fn size(&self) -> usize {
        self.datagram.as_ref().map_or(0, Datagram::size)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Machine {
    waiting: BTreeMap<Key, Waiting>,
    timers: Timers<Key>,
    counters: Counters,
    errors: Errors,
}

impl Machine {
    /// When [`Event::Timer`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// What was counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Takes an event; appends what is to be done.
    pub fn on_event(&mut self, now: Instant, event: Event<'_>, out: &mut Vec<Action>) {
        match event {
            Event::Packet {
                from,
                packet,
                identification,
            } => {
                if let Some(whole) = self.fragment(now, from, packet, out) {
                    self.answer(now, from, whole, identification, out);
                }
            }
            Event::Timer => {
                while let Some(key) = self.timers.pop_due(now) {
                    self.expire(now, key, out);
                }
            }
        }
    }

    /// Takes a fragment; the whole packet if it was the last one missing.
    pub(super) fn fragment(
        &mut self,
        now: Instant,
        from: Arrival,
        packet: &[u8],
        out: &mut Vec<Action>,
    ) -> Option<Vec<u8>> {
        self.counters.fragments += 1;
        let (key, piece) = match packet::read(from.vrf, from.iface, packet) {
            Ok(read) => read,
            Err(fault) => {
                self.counters.count_invalid(fault.label());
                if fault == Fault::Length {
                    self.send_error(now, from, packet, Error::Length, out);
                }
                return None;
            }
        };
        self.make_room(&key, from.iface, &piece);
        let waiting = self.waiting.entry(key).or_insert_with(|| {
            let patience = match key.source {
                IpAddr::V6(_) => PATIENCE6,
                IpAddr::V4(_) => PATIENCE4,
            };
            self.timers.arm(key, now + patience);
            Waiting {
                from,
                since: now,
                datagram: Some(Datagram::default()),
            }
        });
        let Some(datagram) = &mut waiting.datagram else {
            self.counters.after_discard += 1;
            return None;
        };
        let counter = match datagram.add(&piece) {
            Added::Waiting => return None,
            Added::Whole(whole) => {
                self.counters.reassembled += 1;
                self.forget(&key);
                return Some(whole);
            }
            Added::Duplicate => {
                self.counters.duplicate += 1;
                return None;
            }
            Added::Overlap => &mut self.counters.overlapping,
            Added::TooMany => &mut self.counters.too_many_fragments,
            Added::TooLong => &mut self.counters.too_long,
        };
        *counter += 1;
        // It stays, empty, until its time is over.
        waiting.datagram = None;
        None
    }

    /// Discards the oldest datagrams of an interface until one more piece fits.
    fn make_room(&mut self, key: &Key, iface: IfaceId, piece: &Piece<'_>) {
        loop {
            let of_iface = || self.waiting.iter().filter(|(_, w)| w.from.iface == iface);
            let size: usize = of_iface().map(|(_, waiting)| waiting.size()).sum();
            let full = of_iface().count() >= MAX_DATAGRAMS && !self.waiting.contains_key(key);
            if !full && size + piece.data.len() <= MAX_OCTETS {
                return;
            }
            let others = of_iface().filter(|(other, _)| *other != key);
            let Some((&oldest, _)) = others.min_by_key(|(_, waiting)| waiting.since) else {
                return;
            };
            self.counters.evicted += 1;
            self.forget(&oldest);
        }
    }

    fn forget(&mut self, key: &Key) {
        self.waiting.remove(key);
        self.timers.cancel(*key);
    }

    fn expire(&mut self, now: Instant, key: Key, out: &mut Vec<Action>) {
        let Some(waiting) = self.waiting.remove(&key) else {
            return;
        };
        let Some(datagram) = waiting.datagram else {
            return;
        };
        self.counters.timed_out += 1;
        if let Some(first) = datagram.first() {
            self.send_error(now, waiting.from, &first, Error::TimeExceeded, out);
        }
    }

    fn answer(
        &mut self,
        now: Instant,
        to: Arrival,
        whole: Vec<u8>,
        identification: u32,
        out: &mut Vec<Action>,
    ) {
        match answer(&whole) {
            Answer::Echo(reply) => {
                self.counters.echo_answered += 1;
                let pieces = split(reply, MIN_MTU, identification).into_iter();
                out.extend(pieces.map(|packet| Action::Send { to, packet }));
            }
            Answer::Dhcp6 => {
                self.counters.dhcp6 += 1;
                out.push(Action::Dhcp6 {
                    from: to,
                    packet: whole,
                });
            }
            Answer::PortUnreachable => {
                self.counters.port_unreachable += 1;
                self.send_error(now, to, &whole, Error::PortUnreachable, out);
            }
            Answer::Malformed => self.counters.malformed += 1,
            Answer::Unclaimed => self.counters.unclaimed += 1,
        }
    }

    fn send_error(
        &mut self,
        now: Instant,
        to: Arrival,
        offending: &[u8],
        what: Error,
        out: &mut Vec<Action>,
    ) {
        let Some(packet) = error(offending, what) else {
            return;
        };
        if self.errors.admit(now) {
            self.counters.errors_sent += 1;
            out.push(Action::Send { to, packet });
        } else {
            self.counters.errors_limited += 1;
        }
    }
}

/// The limit of ICMP errors (RFC 4443 section 2.4(f)).
#[derive(Debug, Default)]
struct Errors {
    second: Option<Instant>,
    sent: u32,
}

impl Errors {
    fn admit(&mut self, now: Instant) -> bool {
        let begun = |begin| now.saturating_duration_since(begin) < Duration::from_secs(1);
        if !self.second.is_some_and(begun) {
            self.second = Some(now);
            self.sent = 0;
        }
        self.sent += 1;
        self.sent <= ERRORS_PER_SECOND
    }
}

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;
