//! The machine: events in, actions out. One machine holds all interfaces, which share nothing but the timer queue.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use tables::id::IfaceId;
use wire::MacAddr;
use wire::igmp::Message;
use wire::mld::RecordType;

use super::counters::Counters;
use super::packet::{self, ALL_ROUTERS, ALL_V3_ROUTERS, RECORDS};
use crate::{Random, timers::Timers};

/// Robustness Variable (RFC 3376 section 8.1): how often a change is told.
const ROBUSTNESS: u8 = 2;
/// Unsolicited Report Intervals: section 8.11, and RFC 2236 section 8.10.
const AGAIN: Duration = Duration::from_secs(1);
const AGAIN_V2: Duration = Duration::from_secs(10);
/// Query Interval (section 8.2): with [`ROBUSTNESS`], how long an older querier counts as present.
const QUERY_INTERVAL: Duration = Duration::from_secs(125);

/// What happens to the room.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// An interface is there, or what it listens to may have changed. It is down until `LinkUp`.
    ConfigureInterface {
        /// Which.
        iface: IfaceId,
        /// Source of what is sent; unspecified if it has no address.
        source: Ipv4Addr,
        /// Every group it listens to.
        groups: BTreeSet<Ipv4Addr>,
    },
    /// The interface goes: its groups are left while it is still there.
    RemoveInterface {
        /// Which.
        iface: IfaceId,
    },
    /// Frames can be sent.
    LinkUp {
        /// On which interface.
        iface: IfaceId,
    },
    /// No frame can be sent.
    LinkDown {
        /// On which interface.
        iface: IfaceId,
    },
    /// An IGMP packet came, from the IP header on.
    Packet {
        /// Where.
        iface: IfaceId,
        /// The packet; not yet validated.
        packet: &'a [u8],
    },
    /// `next_deadline()` has come.
    Timer,
}

/// What the router shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send an IPv4 packet.
    Send {
        /// Out of which interface.
        iface: IfaceId,
        /// Its destination.
        dst: Ipv4Addr,
        /// Destination of the frame.
        dst_mac: MacAddr,
        /// From the IP header on.
        packet: Vec<u8>,
    },
}

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// The next repetition of what has changed.
    Changes(IfaceId),
    /// The answer to a general query (version 3).
    General(IfaceId),
    /// The answer for one group.
    Group(IfaceId, Ipv4Addr),
    /// An older querier is present; version 2 is spoken while it runs.
    OlderQuerier(IfaceId),
}

#[derive(Debug)]
struct Interface {
    source: Ipv4Addr,
    groups: BTreeSet<Ipv4Addr>,
    up: bool,
    /// Groups joined, or left, and how often that is still to be told.
    changes: BTreeMap<Ipv4Addr, (bool, u8)>,
    counters: Counters,
}

/// The listeners of all interfaces.
#[derive(Debug)]
pub struct Machine {
    interfaces: BTreeMap<IfaceId, Interface>,
    timers: Timers<Key>,
    random: Random,
}

impl Machine {
    /// A machine without interfaces; `seed` sets the delays.
    pub fn new(seed: u64) -> Self {
        Machine {
            interfaces: BTreeMap::new(),
            timers: Timers::default(),
            random: Random::new(seed),
        }
    }

    /// When `Event::Timer` is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Handles one event; what is to be done is appended to `out`, in order.
    pub fn on_event(&mut self, now: Instant, event: Event<'_>, out: &mut Vec<Action>) {
        match event {
            Event::ConfigureInterface {
                iface,
                source,
                groups,
            } => self.configure(now, iface, source, groups, out),
            Event::RemoveInterface { iface } => {
                let source = self.interfaces.get(&iface).map(|i| i.source);
                let source = source.unwrap_or(Ipv4Addr::UNSPECIFIED);
                self.configure(now, iface, source, BTreeSet::new(), out);
                self.fall_silent(iface);
                self.timers.cancel(Key::OlderQuerier(iface));
                self.interfaces.remove(&iface);
            }
            Event::LinkUp { iface } => self.link_up(now, iface, out),
            Event::LinkDown { iface } => {
                if let Some(interface) = self.interfaces.get_mut(&iface) {
                    interface.up = false;
                }
                // Whoever is at the other end next has asked nothing yet.
                self.fall_silent(iface);
                self.timers.cancel(Key::OlderQuerier(iface));
            }
            Event::Packet { iface, packet } => self.packet(now, iface, packet),
            Event::Timer => {
                for _ in 0..self.timers.len() {
                    let Some(key) = self.timers.pop_due(now) else {
                        return;
                    };
                    match key {
                        Key::Changes(iface) => self.tell_changes(now, iface, out),
                        Key::General(iface) => self.answer_all(iface, out),
                        Key::Group(iface, group) => self.answer(iface, group, out),
                        Key::OlderQuerier(iface) => self.fall_silent(iface),
                    }
                }
            }
        }
    }

    // ----- what changes -----

    fn configure(
        &mut self,
        now: Instant,
        iface: IfaceId,
        source: Ipv4Addr,
        mut groups: BTreeSet<Ipv4Addr>,
        out: &mut Vec<Action>,
    ) {
        groups.retain(packet::is_told);
        let new = || Interface {
            source,
            groups: BTreeSet::new(),
            up: false,
            changes: BTreeMap::new(),
            counters: Counters::default(),
        };
        let interface = self.interfaces.entry(iface).or_insert_with(new);
        interface.source = source;
        let before = std::mem::replace(&mut interface.groups, groups);
        let left: Vec<_> = before.difference(&interface.groups).copied().collect();
        let joined: Vec<_> = interface.groups.difference(&before).copied().collect();
        if left.is_empty() && joined.is_empty() {
            return;
        }
        for group in &left {
            self.timers.cancel(Key::Group(iface, *group));
        }
        let left = left.into_iter().map(|group| (group, (false, ROBUSTNESS)));
        let joined = joined.into_iter().map(|group| (group, (true, ROBUSTNESS)));
        interface.changes.extend(left.chain(joined));
        self.tell_changes(now, iface, out);
    }

    fn link_up(&mut self, now: Instant, iface: IfaceId, out: &mut Vec<Action>) {
        let Some(interface) = self.interfaces.get_mut(&iface) else {
            return;
        };
        if !std::mem::replace(&mut interface.up, true) {
            let joined = interface.groups.iter().map(|g| (*g, (true, ROBUSTNESS)));
            interface.changes.extend(joined);
            self.tell_changes(now, iface, out);
        }
    }

    /// Cancels answers and repetitions.
    fn fall_silent(&mut self, iface: IfaceId) {
        self.timers.cancel(Key::Changes(iface));
        self.timers.cancel(Key::General(iface));
        let Some(interface) = self.interfaces.get_mut(&iface) else {
            return;
        };
        interface.changes.clear();
        for group in &interface.groups {
            self.timers.cancel(Key::Group(iface, *group));
        }
    }

    // ----- received -----

    fn packet(&mut self, now: Instant, iface: IfaceId, packet: &[u8]) {
        let speaks_v2 = self.speaks_v2(iface);
        let Some(interface) = self.interfaces.get_mut(&iface) else {
            return;
        };
        match packet::read(packet) {
            Ok(Message::Query {
                max_response_time,
                group,
                version,
            }) => {
                let most = Duration::from_millis(u64::from(max_response_time) * 100);
                self.query(now, iface, group, most, version);
            }
            Ok(Message::Report { group }) if speaks_v2 => {
                let key = Key::Group(iface, group);
                if self.timers.at(key).is_some() {
                    self.timers.cancel(key);
                    interface.counters.suppressed += 1;
                } else {
                    interface.counters.ignored += 1;
                }
            }
            Ok(_) => interface.counters.ignored += 1,
            Err(rule) => interface.counters.count_invalid(rule),
        }
    }

    fn query(
        &mut self,
        now: Instant,
        iface: IfaceId,
        group: Ipv4Addr,
        most: Duration,
        version: u8,
    ) {
        let spoke_v2 = self.speaks_v2(iface);
        let Some(interface) = self.interfaces.get_mut(&iface).filter(|i| i.up) else {
            return;
        };
        if version < 3 {
            interface.counters.queries_older_received += 1;
            if !spoke_v2 {
                // RFC 3376 section 7.2.1: what waits is of the other version.
                self.fall_silent(iface);
            }
            let present = u32::from(ROBUSTNESS) * QUERY_INTERVAL + most;
            self.timers.arm(Key::OlderQuerier(iface), now + present);
        } else {
            interface.counters.queries_received += 1;
        }
        let groups = match self.interfaces.get(&iface) {
            Some(interface) => interface.groups.clone(),
            None => return,
        };
        if !group.is_unspecified() {
            if groups.contains(&group) {
                self.answer_within(now, iface, Key::Group(iface, group), most);
            }
        } else if self.speaks_v2(iface) {
            for group in groups {
                self.answer_within(now, iface, Key::Group(iface, group), most);
            }
        } else if !groups.is_empty() {
            self.answer_within(now, iface, Key::General(iface), most);
        }
    }

    /// Schedules an answer, unless one is due that says the same before (RFC 3376 section 5.2).
    fn answer_within(&mut self, now: Instant, iface: IfaceId, key: Key, most: Duration) {
        let at = now + self.random.between(Duration::ZERO, most);
        let sooner = [self.timers.at(key), self.timers.at(Key::General(iface))];
        if !sooner.into_iter().flatten().any(|due| due <= at) {
            self.timers.arm(key, at);
        }
    }

    fn speaks_v2(&self, iface: IfaceId) -> bool {
        self.timers.at(Key::OlderQuerier(iface)).is_some()
    }

    // ----- sent -----

    fn answer_all(&mut self, iface: IfaceId, out: &mut Vec<Action>) {
        let Some(interface) = self.interfaces.get_mut(&iface) else {
            return;
        };
        let groups = interface.groups.iter();
        let records: Vec<_> = groups.map(|g| (RecordType::ModeIsExclude, *g)).collect();
        interface.counters.answers_sent += interface.report(iface, &records, out);
    }

    fn answer(&mut self, iface: IfaceId, group: Ipv4Addr, out: &mut Vec<Action>) {
        let speaks_v2 = self.speaks_v2(iface);
        let Some(interface) = self.interfaces.get_mut(&iface) else {
            return;
        };
        interface.counters.answers_sent += 1;
        if speaks_v2 {
            send(
                iface,
                group,
                packet::report_v2(interface.source, group),
                out,
            );
        } else {
            interface.report(iface, &[(RecordType::ModeIsExclude, group)], out);
        }
    }

    /// Tells all changes that are not told often enough, and says when to tell them again.
    fn tell_changes(&mut self, now: Instant, iface: IfaceId, out: &mut Vec<Action>) {
        let speaks_v2 = self.speaks_v2(iface);
        let Some(interface) = self.interfaces.get_mut(&iface) else {
            return;
        };
        if !interface.up {
            // They are told when the link comes up, but for what was left: nobody knows of it.
            interface.changes.clear();
            return;
        }
        let within = if speaks_v2 { AGAIN_V2 } else { AGAIN };
        interface.tell(iface, speaks_v2, out);
        // RFC 2236 section 3: what was left is told once.
        interface
            .changes
            .retain(|_, (joined, _)| *joined || !speaks_v2);
        interface.changes.retain(|_, (_, left)| {
            *left -= 1;
            0 < *left
        });
        let key = Key::Changes(iface);
        if interface.changes.is_empty() {
            self.timers.cancel(key);
        } else {
            let again = now + self.random.between(Duration::ZERO, within);
            self.timers.arm(key, again);
        }
    }

    /// The counters of each interface.
    pub fn counters(&self) -> impl Iterator<Item = (IfaceId, &Counters)> {
        let interfaces = self.interfaces.iter();
        interfaces.map(|(iface, interface)| (*iface, &interface.counters))
    }
}

impl Interface {
    /// Tells what has changed.
    fn tell(&mut self, iface: IfaceId, speaks_v2: bool, out: &mut Vec<Action>) {
        if !speaks_v2 {
            let records: Vec<_> = self
                .changes
                .iter()
                .map(|(group, (joined, _))| match joined {
                    true => (RecordType::ChangeToExclude, *group),
                    false => (RecordType::ChangeToInclude, *group),
                })
                .collect();
            self.counters.changes_sent += self.report(iface, &records, out);
            return;
        }
        for (&group, (joined, _)) in &self.changes {
            self.counters.changes_sent += 1;
            match joined {
                true => send(iface, group, packet::report_v2(self.source, group), out),
                false => send(iface, ALL_ROUTERS, packet::leave(self.source, group), out),
            }
        }
    }

    /// Sends records in as many reports as they take, and returns how many.
    fn report(
        &self,
        iface: IfaceId,
        records: &[(RecordType, Ipv4Addr)],
        out: &mut Vec<Action>,
    ) -> u64 {
        let chunks = records.chunks(RECORDS);
        let n_reports = chunks.len() as u64;
        for chunk in chunks {
            let packet = packet::report(self.source, chunk);
            send(iface, ALL_V3_ROUTERS, packet, out);
        }
        n_reports
    }
}

fn send(iface: IfaceId, dst: Ipv4Addr, packet: Vec<u8>, out: &mut Vec<Action>) {
    out.push(Action::Send {
        iface,
        dst,
        dst_mac: MacAddr::for_ipv4_multicast(dst),
        packet,
    });
}

#[cfg(test)]
mod tests;
