//! The machine: events in, actions out. One machine serves all uplinks; they share the DUID and nothing else.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::{Duration, Instant, SystemTime};

use lease::Wall;
use tables::id::IfaceId;

use super::config::Config;
use super::counters::Counters;
use super::error::ConfigError;
use super::held::{Binding, Duid, Held, Kept};
use super::uplink::{Aim, Doing, Uplink};
use super::work::check;
use crate::Random;

/// All_DHCP_Relay_Agents_and_Servers (RFC 8415 section 7.1): where all messages go.
pub const ALL_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

/// A UDP datagram to port 546, as it came.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Where.
    pub iface: IfaceId,
    /// Source address.
    pub src: Ipv6Addr,
    /// Destination address.
    pub dst: Ipv6Addr,
    /// What follows the UDP header.
    pub payload: &'a [u8],
}

/// What happens to the room.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// What was kept before the process began; to be told before the first `Configure`.
    Restore(Vec<Kept>),
    /// An uplink is configured, or its configuration has changed.
    Configure {
        /// Which.
        iface: IfaceId,
        /// Its name, under which it is kept.
        name: Box<str>,
        /// What holds from now on.
        config: Box<Config>,
    },
    /// An uplink is no uplink any more.
    Remove {
        /// Which.
        iface: IfaceId,
    },
    /// A link is up and its link-local address may be used; again, when that changes.
    LinkUp {
        /// Which.
        iface: IfaceId,
        /// The address that messages are sent from.
        link_local: Ipv6Addr,
    },
    /// A link is down.
    LinkDown {
        /// Which.
        iface: IfaceId,
    },
    /// A datagram came.
    Packet(Datagram<'a>),
    /// Duplicate address detection found that somebody else has a leased address (RFC 8415 section 18.2.8).
    AddressDuplicate {
        /// On which uplink.
        iface: IfaceId,
        /// The address.
        address: Ipv6Addr,
    },
    /// What was to be kept is on disk.
    Stored,
    /// It is not. Leases are used all the same, and kept again later.
    StoreFailed,
    /// Ask the servers now: Renew; or go on after `Release`.
    Renew {
        /// Which uplink.
        iface: IfaceId,
    },
    /// Give the leases back, and rest until `Renew`.
    Release {
        /// Which uplink.
        iface: IfaceId,
    },
    /// `next_deadline()` has come.
    Timer,
}

/// What the router shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a UDP datagram from port 546 to port 547.
    Send {
        /// Out of this interface.
        iface: IfaceId,
        /// Its source, a link-local address.
        src: Ipv6Addr,
        /// Its destination, a group.
        dst: Ipv6Addr,
        /// What follows the UDP header.
        payload: Vec<u8>,
    },
    /// What an uplink holds now.
    Held(Held),
    /// Keep this over restarts, in place of what was kept under the same name; on disk before later actions are carried out.
    Keep(Kept),
    /// Keep nothing of the interface of this name.
    Forget {
        /// The name.
        name: Box<str>,
    },
    /// Something to log, and to tell who watches.
    Notice(Notice),
}

/// What people should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A configuration that cannot be followed; the uplink is as it was.
    ConfigRefused {
        /// Which uplink.
        iface: IfaceId,
        /// Why.
        faults: Vec<ConfigError>,
    },
    /// Leases came from a server that the uplink had none of.
    Bound {
        /// Which uplink.
        iface: IfaceId,
        /// The server.
        server: Duid,
    },
    /// All leases have run out, or were withdrawn.
    Lost {
        /// Which uplink.
        iface: IfaceId,
    },
    /// Somebody else has a leased address.
    Duplicate {
        /// On which uplink.
        iface: IfaceId,
        /// The address.
        address: Ipv6Addr,
    },
    /// A server was asked for what it had offered, and gave nothing.
    Refused {
        /// On which uplink.
        iface: IfaceId,
        /// The server.
        server: Duid,
    },
    /// The server called, and is followed (RFC 8415 section 18.2.11).
    Reconfigured {
        /// On which uplink.
        iface: IfaceId,
    },
    /// The wall clock was set; times of leases are moved with it, and the servers asked.
    ClockStep {
        /// Seconds, negative: back.
        seconds: i64,
    },
    /// Leases cannot be stored: a restart would forget them. Said once until they can.
    NotKept,
    /// Leases can be stored again.
    KeptAgain,
}

/// What is worth showing of one uplink.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Its interface.
    pub iface: IfaceId,
    /// The interface's name.
    pub name: &'a str,
    /// Its configuration.
    pub config: &'a Config,
    /// What it holds, as told last.
    pub held: &'a Held,
    /// What it counted.
    pub counters: &'a Counters,
    /// Messages sent in the exchange under way.
    pub attempts: u32,
}

/// A difference of wall clock and `now` from which the clock counts as set, seconds.
const STEP: i64 = 5;
/// How long after a failure the store is tried again.
const KEEP_AGAIN: Duration = Duration::from_secs(30);

/// The client.
#[derive(Debug)]
pub struct Machine {
    pub(super) duid: Duid,
    pub(super) uplinks: BTreeMap<IfaceId, Uplink>,
    /// Link-local addresses of links that are up; links may be told before they are uplinks.
    pub(super) links: BTreeMap<IfaceId, Ipv6Addr>,
    pub(super) restored: BTreeMap<Box<str>, Binding>,
    pub(super) random: Random,
    pub(super) clock: (Instant, SystemTime),
    /// Since the store failed: when it is tried again.
    keep_again: Option<Instant>,
    elsewhere: Counters,
}

impl Machine {
    /// A client without uplinks; `seed` sets what is left to chance, `wall` is the date at `now`.
    pub fn new(duid: Duid, seed: u64, now: Instant, wall: SystemTime) -> Self {
        Machine {
            duid,
            uplinks: BTreeMap::new(),
            links: BTreeMap::new(),
            restored: BTreeMap::new(),
            random: Random::new(seed),
            clock: (now, wall),
            keep_again: None,
            elsewhere: Counters::default(),
        }
    }

    /// Every uplink.
    pub fn uplinks(&self) -> impl Iterator<Item = View<'_>> {
        self.uplinks.values().filter_map(|uplink| {
            Some(View {
                iface: uplink.iface,
                name: &uplink.name,
                config: &uplink.config,
                held: uplink.told.as_ref()?,
                counters: &uplink.counters,
                attempts: match &uplink.doing {
                    Doing::Exchange(exchange) => exchange.count,
                    Doing::Idle | Doing::Rest => 0,
                },
            })
        })
    }

    /// The counters of datagrams that came in where no uplink is.
    pub fn counters_elsewhere(&self) -> &Counters {
        &self.elsewhere
    }

    /// When `Event::Timer` is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        let uplinks = self.uplinks.values().filter_map(|u| self.due(u));
        uplinks.chain(self.keep_again).min()
    }

    fn due(&self, uplink: &Uplink) -> Option<Instant> {
        let binding = uplink.binding.as_ref();
        let mut walls = vec![binding.and_then(Binding::first_end)];
        let instant = match &uplink.doing {
            Doing::Exchange(exchange) => Some(exchange.due),
            Doing::Idle if uplink.link_local.is_some() => {
                walls.push(binding.map(|b| b.renew_at));
                uplink.refresh_at
            }
            Doing::Idle | Doing::Rest => None,
        };
        let walls = walls
            .into_iter()
            .flatten()
            .filter_map(|wall| self.instant(wall));
        walls.chain(instant).min()
    }

    /// When the wall clock will say `wall`; `None` for never.
    pub(super) fn instant(&self, wall: Wall) -> Option<Instant> {
        let (now, date) = self.clock;
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(wall.as_secs()?);
        now.checked_add(at.duration_since(date).unwrap_or_default())
    }

    /// Handles one event; what is to be done is appended to `out`, in order. `wall` is the date at `now`.
    pub fn on_event(
        &mut self,
        now: Instant,
        wall: SystemTime,
        event: Event<'_>,
        out: &mut Vec<Action>,
    ) {
        self.tell_step(now, wall, out);
        match event {
            Event::Restore(kept) => {
                let kept = kept.into_iter().map(|kept| (kept.name, kept.lease));
                self.restored.extend(kept);
            }
            Event::Configure {
                iface,
                name,
                config,
            } => self.configure(iface, name, *config, out),
            Event::Remove { iface } => self.remove(iface, out),
            Event::LinkUp { iface, link_local } => self.link_up(iface, link_local),
            Event::LinkDown { iface } => {
                self.links.remove(&iface);
                if let Some(uplink) = self.uplinks.get_mut(&iface) {
                    uplink.link_local = None;
                    if let Doing::Exchange(exchange) = &uplink.doing {
                        let rests = matches!(exchange.aim, Aim::Release { rest: true, .. });
                        uplink.doing = if rests { Doing::Rest } else { Doing::Idle };
                    }
                }
            }
            Event::Packet(datagram) => self.packet(&datagram, out),
            Event::AddressDuplicate { iface, address } => self.duplicate(iface, address, out),
            Event::Stored => {
                if self.keep_again.take().is_some() {
                    out.push(Action::Notice(Notice::KeptAgain));
                }
            }
            Event::StoreFailed => {
                if self.keep_again.replace(now + KEEP_AGAIN).is_none() {
                    out.push(Action::Notice(Notice::NotKept));
                }
            }
            Event::Renew { iface } => self.renew(iface),
            Event::Release { iface } => self.release(iface),
            Event::Timer => {}
        }
        self.run(out);
    }

    pub(super) fn wall(&self) -> Wall {
        self.clock.1.into()
    }

    /// The clock was set: lifetimes are of real time, so their ends move with it. But a machine that was stopped for a while
    /// sees the same, so that servers are asked whether it is still so.
    fn tell_step(&mut self, now: Instant, wall: SystemTime, out: &mut Vec<Action>) {
        let (before, date) = std::mem::replace(&mut self.clock, (now, wall));
        let expected = date + now.saturating_duration_since(before);
        let seconds = match wall.duration_since(expected) {
            Ok(ahead) => ahead.as_secs() as i64,
            Err(behind) => -(behind.duration().as_secs() as i64),
        };
        if seconds.abs() < STEP {
            return;
        }
        let mut is_told = false;
        for uplink in self.uplinks.values_mut() {
            let Some(binding) = &mut uplink.binding else {
                continue;
            };
            binding.shift(seconds);
            uplink.counters.clock_steps += 1;
            is_told = true;
            if let Doing::Idle = uplink.doing
                && uplink.link_local.is_some()
            {
                check(uplink, now, &mut self.random);
            }
        }
        if is_told {
            out.push(Action::Notice(Notice::ClockStep { seconds }));
        }
    }

    /// Does what is due, and tells what has changed.
    fn run(&mut self, out: &mut Vec<Action>) {
        let now = self.clock.0;
        let mut sends = Vec::new();
        for iface in self.uplinks.keys().copied().collect::<Vec<_>>() {
            self.expire(iface, out);
            self.work(iface, &mut sends);
            self.settle(iface, out);
        }
        if self.keep_again.is_some_and(|at| at <= now) {
            self.keep_again = Some(now + KEEP_AGAIN);
            for uplink in self.uplinks.values() {
                out.push(keep(uplink));
            }
        }
        // After what must be kept and told before them.
        out.append(&mut sends);
    }

    /// Tells the router and the store what has changed of one uplink.
    pub(super) fn settle(&mut self, iface: IfaceId, out: &mut Vec<Action>) {
        let Some(uplink) = self.uplinks.get_mut(&iface) else {
            return;
        };
        if uplink.binding != uplink.kept {
            uplink.kept = uplink.binding.clone();
            out.push(keep(uplink));
        }
        let held = uplink.held();
        if uplink.told.as_ref() != Some(&held) {
            uplink.told = Some(held.clone());
            out.push(Action::Held(held));
        }
        if uplink.is_removed && matches!(uplink.doing, Doing::Idle | Doing::Rest) {
            self.uplinks.remove(&iface);
        }
    }

    pub(super) fn now(&self) -> (Instant, Wall) {
        (self.clock.0, self.wall())
    }

    pub(super) fn elsewhere(&mut self) -> &mut Counters {
        &mut self.elsewhere
    }
}

fn keep(uplink: &Uplink) -> Action {
    let name = uplink.name.clone();
    match &uplink.binding {
        Some(lease) => Action::Keep(Kept {
            name,
            lease: lease.clone(),
        }),
        None => Action::Forget { name },
    }
}

#[cfg(test)]
mod tests;
