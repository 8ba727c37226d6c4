//! One interface's neighbours: the state machine of RFC 4861 section 7.3; its bounds stand in `cache.rs`.
//!
//! ```text
//!                glean                 advertisement/reply, solicited
//!   (none) ───────────────► INCOMPLETE ─────────────────────────────► REACHABLE ◄──────────────┐
//!     ▲ ▲                    │ no answer    unsolicited, learnt │       │ ReachableTime, or     │
//!     │ │ failed_lifetime    ▼                                  ▼       ▼ another MAC claimed   │ confirmed
//!     │ └────────────────  FAILED ◄───────────┐                STALE ◄──┘                       │
//!     │                                       │                 │ carried traffic               │
//!     │ stale_lifetime unused                 │ no answer       ▼                               │
//!     └──────────────────────── STALE         │               DELAY ── 5 s ──► PROBE ───────────┤
//!                                        UNREACHABLE ◄──── no answer ──────────┘ │             │
//!                                        multicast, backing off (RFC 7048) ──────────────────────┘
//! ```
//!
//! A neighbour is installed in the dataplane in every state but INCOMPLETE and FAILED. LIMIT: UNREACHABLE ends in FAILED after
//! `max_multicast_solicit` solicitations, so that senders get their ICMP error within about 13 s.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use wire::MacAddr;

use super::interface::Interface;
use super::sm::{Action, Context, Key, Note};

/// State of a neighbour (RFC 4861 section 7.3.2, RFC 7048).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Solicited for the first time; packets wait.
    Incomplete,
    /// Confirmed within ReachableTime.
    Reachable,
    /// Usable, not confirmed lately.
    Stale,
    /// Used while stale: a confirmation may yet come by itself.
    Delay,
    /// Being asked by unicast.
    Probe,
    /// Did not answer unicast probes: being asked by multicast with growing pauses, still used meanwhile.
    Unreachable,
    /// Did not answer at all: packets for it are refused for a while.
    Failed,
    /// Set by configuration: never probed, never replaced.
    Permanent,
}

impl State {
    /// Whether packets can be sent to the neighbour, which is then installed in the dataplane.
    pub fn is_usable(self) -> bool {
        !matches!(self, State::Incomplete | State::Failed)
    }

    /// The state's name as it stands in CLI and API.
    pub fn label(self) -> &'static str {
        match self {
            State::Incomplete => "incomplete",
            State::Reachable => "reachable",
            State::Stale => "stale",
            State::Delay => "delay",
            State::Probe => "probe",
            State::Unreachable => "unreachable",
            State::Failed => "failed",
            State::Permanent => "permanent",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Neighbor {
    pub state: State,
    /// `Some` exactly when the state is usable.
    pub mac: Option<MacAddr>,
    pub router: bool,
    pub since: Instant,
    pub last_used: Instant,
    /// Solicitations sent in this state.
    sent: u32,
    /// The pause before the next one.
    pause: Duration,
    /// The own address that the first packet came from, if it did.
    source: Option<IpAddr>,
}

/// What an advertisement or ARP packet says of its sender (RFC 4861 section 7.2.5).
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub mac: Option<MacAddr>,
    pub solicited: bool,
    pub override_flag: bool,
    /// `None`: does not say (ARP).
    pub router: Option<bool>,
}

impl Interface {
    /// A packet waits in the dataplane for `target`.
    pub(super) fn glean(&mut self, cx: &mut Context<'_>, target: IpAddr, source: Option<IpAddr>) {
        let iface = cx.iface;
        if let Some(neighbor) = self.cache.entries.get_mut(&target) {
            match neighbor.state {
                // The answer is on its way.
                State::Incomplete => {}
                State::Failed => cx.out.push(Action::Fail {
                    iface,
                    addr: target,
                }),
                _ => {
                    neighbor.last_used = cx.now;
                    cx.out.push(Action::Release {
                        iface,
                        addr: target,
                    });
                    self.used(cx, target);
                }
            }
            return;
        }
        if self.addresses.contains_key(&target) || !self.up || !is_host(target) {
            cx.out.push(Action::Fail {
                iface,
                addr: target,
            });
            return;
        }
        let known = self.cache.known.remove(&target);
        if !known && !self.admit_stranger(cx) {
            self.counters.refused += 1;
            cx.out.push(Action::Fail {
                iface,
                addr: target,
            });
            return;
        }
        let neighbor = Neighbor {
            state: State::Incomplete,
            mac: None,
            router: false,
            since: cx.now,
            last_used: cx.now,
            sent: 0,
            pause: self.config.retrans_timer,
            source,
        };
        self.cache.entries.insert(target, neighbor);
        if known {
            if !self.make_room(cx) {
                self.counters.cache_full += 1;
                self.forget(cx, target);
                return;
            }
        } else {
            self.cache.strangers.insert(target);
        }
        self.solicit(cx, target);
    }

    /// The dataplane has sent packets to `addr` lately.
    pub(super) fn used(&mut self, cx: &mut Context<'_>, addr: IpAddr) {
        let Some(neighbor) = self.cache.entries.get_mut(&addr) else {
            return;
        };
        neighbor.last_used = cx.now;
        if neighbor.state == State::Stale {
            neighbor.enter(State::Delay, cx.now);
            let at = cx.now + self.config.delay_first_probe_time;
            cx.timers.arm(Key::Neighbor(cx.iface, addr), at);
        }
    }

    /// What an advertisement or an ARP packet says of `addr` (RFC 4861 section 7.2.5, appendix C).
    pub(super) fn claim(&mut self, cx: &mut Context<'_>, addr: IpAddr, claim: Claim) {
        let Some(neighbor) = self.cache.entries.get_mut(&addr) else {
            return;
        };
        let Some(cached) = neighbor.mac else {
            // INCOMPLETE: without a MAC the answer is of no use; the override flag does not matter.
            let Some(mac) = claim.mac else { return };
            neighbor.router = claim.router.unwrap_or(false);
            if self.is_station_full(mac) {
                self.forget(cx, addr);
            } else {
                self.resolve(cx, addr, mac, claim.solicited);
            }
            return;
        };
        if neighbor.state == State::Permanent {
            return;
        }
        let mac = claim.mac.unwrap_or(cached);
        let differs = mac != cached;
        if differs && self.config.first_come && neighbor.state != State::Unreachable {
            self.refuse(cx, addr, cached, mac);
            return;
        }
        if differs && !claim.override_flag {
            if neighbor.state == State::Reachable {
                self.enter_stale(cx, addr);
            }
            return;
        }
        let router = claim.router.unwrap_or(neighbor.router);
        if neighbor.router && !router {
            cx.note(Note::NoLongerRouter { addr });
        }
        if differs || router != neighbor.router {
            neighbor.mac = Some(mac);
            neighbor.router = router;
            cx.out.push(Action::Install {
                iface: cx.iface,
                addr,
                mac,
                router,
            });
        }
        if differs {
            cx.note(Note::MacChanged {
                addr,
                from: cached,
                to: mac,
            });
        }
        if claim.solicited {
            self.enter_reachable(cx, addr);
        } else if differs {
            self.enter_stale(cx, addr);
        }
    }

    /// Another station claims the address of one that may be there: that one is asked, and gives way when it does not answer.
    fn refuse(&mut self, cx: &mut Context<'_>, addr: IpAddr, holder: MacAddr, claimer: MacAddr) {
        self.counters.claims_refused += 1;
        cx.note(Note::ClaimRefused {
            addr,
            holder,
            claimer,
        });
        let Some(neighbor) = self.cache.entries.get_mut(&addr) else {
            return;
        };
        if matches!(
            neighbor.state,
            State::Reachable | State::Stale | State::Delay
        ) {
            neighbor.enter(State::Probe, cx.now);
            neighbor.pause = self.config.retrans_timer;
            self.solicit(cx, addr);
        }
    }

    /// Whether a station has as many addresses as it may, where that is counted.
    fn is_station_full(&mut self, mac: MacAddr) -> bool {
        if !self.config.first_come {
            return false;
        }
        let theirs = |neighbor: &&Neighbor| neighbor.mac == Some(mac);
        let full =
            self.cache.entries.values().filter(theirs).count() >= self.config.max_per_station;
        self.counters.station_full += u64::from(full);
        full
    }

    /// A solicitation, ARP request or another protocol's packet names the MAC of its sender (RFC 4861 section 7.2.3).
    pub(super) fn learn(
        &mut self,
        cx: &mut Context<'_>,
        addr: IpAddr,
        mac: MacAddr,
        router: Option<bool>,
    ) {
        if !self.may_learn(addr, mac) {
            return;
        }
        match self.cache.entries.get_mut(&addr) {
            // The router flag stays: a solicitation does not say.
            Some(neighbor) if neighbor.mac == Some(mac) => {
                let router = router.unwrap_or(neighbor.router);
                if neighbor.router != router && neighbor.state != State::Permanent {
                    neighbor.router = router;
                    cx.out.push(Action::Install {
                        iface: cx.iface,
                        addr,
                        mac,
                        router,
                    });
                }
            }
            Some(_) => {
                self.claim(
                    cx,
                    addr,
                    Claim {
                        mac: Some(mac),
                        solicited: false,
                        override_flag: true,
                        router,
                    },
                );
            }
            None => {
                self.create_stale(cx, addr, mac, router.unwrap_or(false));
            }
        }
    }

    /// Whether a packet may speak for `addr`: only for what is on this link, or a station could draw the traffic of any
    /// address to itself.
    pub(super) fn may_learn(&mut self, addr: IpAddr, mac: MacAddr) -> bool {
        if !mac.is_station()
            || mac == self.mac
            || self.addresses.contains_key(&addr)
            || !is_host(addr)
        {
            return false;
        }
        let may = self.cache.entries.contains_key(&addr) || self.on_link(addr);
        if !may {
            self.counters.off_link += 1;
        }
        may
    }

    /// A new STALE entry, only when there is room: what is learnt unasked evicts nothing.
    pub(super) fn create_stale(
        &mut self,
        cx: &mut Context<'_>,
        addr: IpAddr,
        mac: MacAddr,
        router: bool,
    ) -> bool {
        if self.cache.resolved() >= self.config.max_entries {
            self.counters.cache_full += 1;
            return false;
        }
        if self.is_station_full(mac) {
            return false;
        }
        self.cache.known.remove(&addr);
        self.insert_usable(cx, addr, mac, router, State::Stale);
        self.enter_stale(cx, addr);
        true
    }

    /// An entry of the configuration.
    pub(super) fn add_static(&mut self, cx: &mut Context<'_>, addr: IpAddr, mac: MacAddr) {
        let waited = self
            .cache
            .entries
            .get(&addr)
            .is_some_and(|n| n.state == State::Incomplete);
        cx.timers.cancel(Key::Neighbor(cx.iface, addr));
        self.cache.strangers.remove(&addr);
        self.cache.known.remove(&addr);
        self.insert_usable(cx, addr, mac, false, State::Permanent);
        if waited {
            cx.out.push(Action::Release {
                iface: cx.iface,
                addr,
            });
        }
    }

    fn insert_usable(
        &mut self,
        cx: &mut Context<'_>,
        addr: IpAddr,
        mac: MacAddr,
        router: bool,
        state: State,
    ) {
        let neighbor = Neighbor {
            state,
            mac: Some(mac),
            router,
            since: cx.now,
            last_used: cx.now,
            sent: 0,
            pause: self.config.retrans_timer,
            source: None,
        };
        self.cache.entries.insert(addr, neighbor);
        cx.out.push(Action::Install {
            iface: cx.iface,
            addr,
            mac,
            router,
        });
    }

    /// An unresolved address has got its MAC.
    fn resolve(&mut self, cx: &mut Context<'_>, addr: IpAddr, mac: MacAddr, solicited: bool) {
        let iface = cx.iface;
        self.cache.strangers.remove(&addr);
        let Some(neighbor) = self.cache.entries.get_mut(&addr) else {
            return;
        };
        let waited = neighbor.state == State::Incomplete;
        neighbor.mac = Some(mac);
        let router = neighbor.router;
        neighbor.enter(State::Stale, cx.now);
        neighbor.last_used = cx.now;
        if !self.make_room_for(cx, addr) {
            return;
        }
        self.counters.resolved += 1;
        cx.out.push(Action::Install {
            iface,
            addr,
            mac,
            router,
        });
        if waited {
            cx.out.push(Action::Release { iface, addr });
        }
        if solicited {
            self.enter_reachable(cx, addr)
        } else {
            self.enter_stale(cx, addr)
        }
    }

    fn enter_reachable(&mut self, cx: &mut Context<'_>, addr: IpAddr) {
        if let Some(neighbor) = self.cache.entries.get_mut(&addr) {
            neighbor.enter(State::Reachable, cx.now);
            cx.timers
                .arm(Key::Neighbor(cx.iface, addr), cx.now + self.reachable_time);
        }
    }

    fn enter_stale(&mut self, cx: &mut Context<'_>, addr: IpAddr) {
        if let Some(neighbor) = self.cache.entries.get_mut(&addr) {
            neighbor.enter(State::Stale, cx.now);
            let at = cx.now.max(neighbor.last_used + self.config.stale_lifetime);
            cx.timers.arm(Key::Neighbor(cx.iface, addr), at);
        }
    }

    /// The timer of `addr` has gone off.
    pub(super) fn neighbor_timer(&mut self, cx: &mut Context<'_>, addr: IpAddr) {
        let Some(neighbor) = self.cache.entries.get_mut(&addr) else {
            return;
        };
        let (state, sent) = (neighbor.state, neighbor.sent);
        match state {
            State::Permanent => {}
            State::Reachable => self.enter_stale(cx, addr),
            State::Stale => {
                self.counters.expired += 1;
                self.forget(cx, addr);
            }
            State::Delay => {
                neighbor.enter(State::Probe, cx.now);
                neighbor.pause = self.config.retrans_timer;
                self.solicit(cx, addr);
            }
            State::Probe if sent < self.config.max_unicast_solicit => self.solicit(cx, addr),
            State::Probe => {
                self.counters.unreachable += 1;
                neighbor.enter(State::Unreachable, cx.now);
                neighbor.pause = self.config.retrans_timer;
                cx.note(Note::Unreachable { addr });
                self.solicit(cx, addr);
            }
            State::Incomplete if sent < self.config.max_multicast_solicit => self.solicit(cx, addr),
            State::Unreachable if sent < self.config.max_multicast_solicit => {
                // RFC 7048 section 3: a growing pause, so that a dead neighbour costs the link little.
                neighbor.pause = (neighbor.pause * 3).min(self.config.max_retrans_timer);
                self.solicit(cx, addr);
            }
            State::Incomplete | State::Unreachable => self.fail(cx, addr),
            State::Failed => self.forget(cx, addr),
        }
    }

    /// Nobody answered for `addr`.
    fn fail(&mut self, cx: &mut Context<'_>, addr: IpAddr) {
        let iface = cx.iface;
        let Some(neighbor) = self.cache.entries.get_mut(&addr) else {
            return;
        };
        self.counters.failed += 1;
        if neighbor.mac.take().is_some() {
            cx.out.push(Action::Withdraw { iface, addr });
        }
        cx.out.push(Action::Fail { iface, addr });
        neighbor.enter(State::Failed, cx.now);
        cx.timers.arm(
            Key::Neighbor(iface, addr),
            cx.now + self.config.failed_lifetime,
        );
    }

    /// Asks for `addr` in the way of its state and waits.
    fn solicit(&mut self, cx: &mut Context<'_>, addr: IpAddr) {
        let Some(neighbor) = self.cache.entries.get_mut(&addr) else {
            return;
        };
        neighbor.sent += 1;
        let (source, at) = (neighbor.source, cx.now + neighbor.pause);
        let unicast = neighbor.mac.filter(|_| neighbor.state == State::Probe);
        cx.timers.arm(Key::Neighbor(cx.iface, addr), at);
        self.send_solicitation(cx, addr, unicast, source);
    }
}

impl Neighbor {
    fn enter(&mut self, state: State, now: Instant) {
        self.state = state;
        self.since = now;
        self.sent = 0;
    }
}

/// Whether `addr` can be one host's: neither unspecified, nor loopback, nor a group.
fn is_host(addr: IpAddr) -> bool {
    let broadcast = matches!(addr, IpAddr::V4(v4) if v4.is_broadcast());
    !(addr.is_unspecified() || addr.is_loopback() || addr.is_multicast() || broadcast)
}
