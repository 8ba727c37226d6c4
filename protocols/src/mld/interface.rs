//! One interface: its groups, what is still to be told of them, and to whom (RFC 3810 section 6).

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::time::Duration;

use wire::MacAddr;
use wire::mld::{Message, Query, RecordType, parse_packet};

use super::config::Config;
use super::counters::Counters;
use super::packet::{self, ALL_MLDV2_ROUTERS, ALL_ROUTERS, RECORDS, is_told};
use super::sm::{Action, Context, Key};

/// A change that is not told often enough yet.
#[derive(Clone, Copy, Debug)]
struct Change {
    joined: bool,
    /// How often it is still to be told.
    left: u8,
}

#[derive(Debug)]
pub(super) struct Interface {
    config: Config,
    groups: BTreeSet<Ipv6Addr>,
    link_local: Option<Ipv6Addr>,
    up: bool,
    changes: BTreeMap<Ipv6Addr, Change>,
    /// Query Interval, by the last query that told it.
    query_interval: Duration,
    pub counters: Counters,
}

impl Interface {
    pub fn new(config: Config) -> Self {
        Interface {
            query_interval: config.query_interval,
            config,
            groups: BTreeSet::new(),
            link_local: None,
            up: false,
            changes: BTreeMap::new(),
            counters: Counters::default(),
        }
    }

    // ----- what changes -----

    pub fn configure(
        &mut self,
        cx: &mut Context<'_>,
        config: Config,
        mut groups: BTreeSet<Ipv6Addr>,
    ) {
        groups.retain(is_told);
        self.config = config;
        let before = std::mem::replace(&mut self.groups, groups);
        let left: Vec<_> = before.difference(&self.groups).copied().collect();
        let joined: Vec<_> = self.groups.difference(&before).copied().collect();
        if left.is_empty() && joined.is_empty() {
            return;
        }
        for group in left {
            cx.timers.cancel(Key::Group(cx.iface, group));
            self.change(group, false);
        }
        for group in joined {
            self.change(group, true);
        }
        self.tell_changes(cx);
    }

    /// The interface goes: every group is left, told once.
    pub fn remove(&mut self, cx: &mut Context<'_>) {
        for group in std::mem::take(&mut self.groups) {
            cx.timers.cancel(Key::Group(cx.iface, group));
            self.change(group, false);
        }
        self.tell_changes(cx);
        self.fall_silent(cx);
        cx.timers.cancel(Key::OlderQuerier(cx.iface));
    }

    pub fn set_link_local(&mut self, cx: &mut Context<'_>, addr: Option<Ipv6Addr>) {
        if std::mem::replace(&mut self.link_local, addr) != addr && addr.is_some() {
            // RFC 3590 section 4: what was told from `::` may have been ignored.
            self.join_all(cx);
        }
    }

    pub fn set_up(&mut self, cx: &mut Context<'_>, up: bool) {
        if std::mem::replace(&mut self.up, up) == up {
            return;
        }
        if up {
            self.join_all(cx);
        } else {
            // Whoever is at the other end next has asked nothing yet.
            self.fall_silent(cx);
            cx.timers.cancel(Key::OlderQuerier(cx.iface));
        }
    }

    fn join_all(&mut self, cx: &mut Context<'_>) {
        for group in self.groups.clone() {
            self.change(group, true);
        }
        self.tell_changes(cx);
    }

    fn change(&mut self, group: Ipv6Addr, joined: bool) {
        let left = self.config.robustness.max(1);
        self.changes.insert(group, Change { joined, left });
    }

    /// Cancels answers and repetitions.
    fn fall_silent(&mut self, cx: &mut Context<'_>) {
        self.changes.clear();
        cx.timers.cancel(Key::Changes(cx.iface));
        cx.timers.cancel(Key::General(cx.iface));
        for group in &self.groups {
            cx.timers.cancel(Key::Group(cx.iface, *group));
        }
    }

    // ----- received -----

    pub fn packet(&mut self, cx: &mut Context<'_>, packet: &[u8]) {
        match parse_packet(packet) {
            Ok(Message::Query(query)) => self.query(cx, &query),
            Ok(Message::Report { group }) if self.speaks_v1(cx) => {
                let key = Key::Group(cx.iface, group);
                if cx.timers.at(key).is_some() {
                    cx.timers.cancel(key);
                    self.counters.suppressed += 1;
                } else {
                    self.counters.ignored += 1;
                }
            }
            Ok(_) => self.counters.ignored += 1,
            Err(error) => self.counters.count_invalid(packet::class(&error)),
        }
    }

    fn query(&mut self, cx: &mut Context<'_>, query: &Query<'_>) {
        if !self.up {
            return;
        }
        let most = Duration::from_millis(query.max_response_delay.into());
        match query.v2 {
            Some(v2) => {
                self.counters.queries_received += 1;
                if 0 < v2.query_interval {
                    self.query_interval = Duration::from_secs(v2.query_interval.into());
                }
            }
            None => {
                self.counters.queries_v1_received += 1;
                if !self.speaks_v1(cx) {
                    // RFC 3810 section 8.2.1: what waits is of the other version.
                    self.fall_silent(cx);
                }
                let present = u32::from(self.config.robustness.max(1)) * self.query_interval + most;
                cx.timers.arm(Key::OlderQuerier(cx.iface), cx.now + present);
            }
        }
        if !query.group.is_unspecified() {
            if self.groups.contains(&query.group) {
                self.answer_within(cx, Key::Group(cx.iface, query.group), most);
            }
        } else if self.speaks_v1(cx) {
            for group in self.groups.clone() {
                self.answer_within(cx, Key::Group(cx.iface, group), most);
            }
        } else {
            self.answer_within(cx, Key::General(cx.iface), most);
        }
    }

    /// Schedules an answer, unless one is due that says the same before (RFC 3810 section 6.2).
    fn answer_within(&self, cx: &mut Context<'_>, key: Key, most: Duration) {
        let at = cx.now + cx.random.between(Duration::ZERO, most);
        let general = cx.timers.at(Key::General(cx.iface));
        let sooner = [cx.timers.at(key), general];
        if !sooner.into_iter().flatten().any(|due| due <= at) {
            cx.timers.arm(key, at);
        }
    }

    fn speaks_v1(&self, cx: &Context<'_>) -> bool {
        cx.timers.at(Key::OlderQuerier(cx.iface)).is_some()
    }

    // ----- timers -----

    pub fn general_timer(&mut self, cx: &mut Context<'_>) {
        let records: Vec<_> = self
            .groups
            .iter()
            .map(|group| (RecordType::ModeIsExclude, *group))
            .collect();
        self.counters.answers_sent += self.report(cx, &records);
    }

    pub fn group_timer(&mut self, cx: &mut Context<'_>, group: Ipv6Addr) {
        self.counters.answers_sent += 1;
        if self.speaks_v1(cx) {
            self.send(cx, group, packet::report_v1(self.source(), group));
        } else {
            self.report(cx, &[(RecordType::ModeIsExclude, group)]);
        }
    }

    /// No querier of version 1 any more.
    pub fn older_querier_timer(&mut self, cx: &mut Context<'_>) {
        self.fall_silent(cx);
    }

    // ----- sent -----

    /// Tells all changes that are not told often enough, and says when to tell them again.
    pub fn tell_changes(&mut self, cx: &mut Context<'_>) {
        if !self.up {
            // They are told when the link comes up, but for what was left: nobody knows of it.
            self.changes.clear();
            return;
        }
        let changes: Vec<_> = self.changes.iter().map(|(g, c)| (*g, c.joined)).collect();
        let within = if self.speaks_v1(cx) {
            self.tell_v1(cx, &changes);
            // RFC 2710 section 4: what was left is told once.
            self.changes.retain(|_, change| change.joined);
            self.config.unsolicited_report_interval_v1
        } else {
            let records: Vec<_> = changes
                .iter()
                .map(|(group, joined)| match joined {
                    true => (RecordType::ChangeToExclude, *group),
                    false => (RecordType::ChangeToInclude, *group),
                })
                .collect();
            self.counters.changes_sent += self.report(cx, &records);
            self.config.unsolicited_report_interval
        };
        self.changes.retain(|_, change| {
            change.left -= 1;
            0 < change.left
        });
        let key = Key::Changes(cx.iface);
        if self.changes.is_empty() {
            cx.timers.cancel(key);
        } else {
            let again = cx.now + cx.random.between(Duration::ZERO, within);
            cx.timers.arm(key, again);
        }
    }

    fn tell_v1(&mut self, cx: &mut Context<'_>, changes: &[(Ipv6Addr, bool)]) {
        for (group, joined) in changes {
            if *joined {
                self.counters.changes_sent += 1;
                self.send(cx, *group, packet::report_v1(self.source(), *group));
            } else if let Some(source) = self.link_local {
                // RFC 3590 lets reports alone come from `::`.
                self.counters.done_sent += 1;
                self.send(cx, ALL_ROUTERS, packet::done(source, *group));
            }
        }
    }

    /// Sends records in as many reports as they take, and returns how many.
    fn report(&self, cx: &mut Context<'_>, records: &[(RecordType, Ipv6Addr)]) -> u64 {
        let source = self.source();
        let chunks = records.chunks(RECORDS);
        let n_reports = chunks.len() as u64;
        for chunk in chunks {
            self.send(cx, ALL_MLDV2_ROUTERS, packet::report(source, chunk));
        }
        n_reports
    }

    fn source(&self) -> Ipv6Addr {
        self.link_local.unwrap_or(Ipv6Addr::UNSPECIFIED)
    }

    fn send(&self, cx: &mut Context<'_>, dst: Ipv6Addr, packet: Vec<u8>) {
        cx.out.push(Action::Send {
            iface: cx.iface,
            dst,
            dst_mac: MacAddr::for_ipv6_multicast(&dst),
            packet,
        });
    }
}
