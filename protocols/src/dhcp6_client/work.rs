//! What the clock makes an uplink do, and how exchanges begin, end and follow each other.

use std::time::{Duration, Instant};

use tables::id::IfaceId;

use super::retransmit::{self, MAX_DELAY};
use super::sm::{ALL_SERVERS, Action, Machine, Notice};
use super::uplink::{Aim, Doing, Offer, Uplink};
use crate::Random;

/// Longest wait after a server gave nothing; doubled from one second on.
const MAX_BACK_OFF: Duration = Duration::from_secs(600);

impl Machine {
    /// Begins to work on a link that has come up (RFC 8415 section 18.2.12), with what is held or without.
    pub(super) fn start(&mut self, iface: IfaceId) {
        let now = self.clock.0;
        let Some(uplink) = self.uplinks.get_mut(&iface) else {
            return;
        };
        if uplink.link_local.is_none() || matches!(uplink.doing, Doing::Rest) {
            return;
        }
        let delay = self.random.between(Duration::ZERO, MAX_DELAY);
        match &uplink.binding {
            Some(binding) if !binding.is_empty() => check(uplink, now, &mut self.random),
            _ if uplink.config.is_stateless() => {
                let aim = Aim::Inform { server: None };
                uplink.begin(now, &mut self.random, aim, delay, None);
            }
            _ => {
                let aim = Aim::Solicit { best: None };
                uplink.begin(now, &mut self.random, aim, delay, None);
            }
        }
    }

    /// Looks for servers again, after a while that grows each time one was found and gave nothing.
    pub(super) fn start_over(&mut self, iface: IfaceId) {
        let now = self.clock.0;
        let Some(uplink) = self.uplinks.get_mut(&iface) else {
            return;
        };
        uplink.failures = uplink.failures.saturating_add(1);
        let seconds = 1_u64 << uplink.failures.min(10);
        let wait = Duration::from_secs(seconds).min(MAX_BACK_OFF);
        let wait = self.random.between(wait / 2, wait);
        let aim = Aim::Solicit { best: None };
        uplink.begin(now, &mut self.random, aim, wait, None);
    }

    /// How long until T2, when Renew gives way to Rebind.
    pub(super) fn until_rebind(&self, iface: IfaceId) -> Option<Duration> {
        let binding = self.uplinks.get(&iface)?.binding.as_ref()?;
        let at = self.instant(binding.rebind_at)?;
        let until = at.saturating_duration_since(self.clock.0);
        Some(until.max(Duration::from_secs(1)))
    }

    pub(super) fn expire(&mut self, iface: IfaceId, out: &mut Vec<Action>) {
        let wall = self.wall();
        let Some(uplink) = self.uplinks.get_mut(&iface) else {
            return;
        };
        let Some(binding) = &mut uplink.binding else {
            return;
        };
        uplink.counters.leases_expired += binding.expire(wall);
        if !binding.is_empty() {
            return;
        }
        uplink.binding = None;
        out.push(Action::Notice(Notice::Lost { iface }));
        let goes_on = match &uplink.doing {
            Doing::Rest => true,
            Doing::Idle => false,
            Doing::Exchange(exchange) => {
                !matches!(exchange.aim, Aim::Renew | Aim::Rebind { .. } | Aim::Confirm)
            }
        };
        if !goes_on {
            uplink.doing = Doing::Idle;
            self.start(iface);
        }
    }

    /// The timers of one uplink.
    pub(super) fn work(&mut self, iface: IfaceId, sends: &mut Vec<Action>) {
        let (now, wall) = (self.clock.0, self.wall());
        // An exchange that ends may begin another, whose first message is due at once; no chain is longer than this.
        for _ in 0..4 {
            let Some(uplink) = self.uplinks.get_mut(&iface) else {
                return;
            };
            match &mut uplink.doing {
                Doing::Rest => return,
                Doing::Idle => {
                    if uplink.link_local.is_none() || !self.wake(iface) {
                        return;
                    }
                }
                Doing::Exchange(exchange) => {
                    if exchange.due > now {
                        return;
                    }
                    let is_over = exchange.end.is_some_and(|end| end <= now)
                        || (exchange.pace.count > 0 && exchange.count >= exchange.pace.count);
                    let chosen = match &mut exchange.aim {
                        Aim::Solicit { best } => best.take(),
                        _ => None,
                    };
                    if let Some(offer) = chosen {
                        // RFC 8415 section 18.2.1: the first interval is over, the best offer is taken.
                        self.request(iface, offer);
                    } else if is_over && exchange.count > 0 {
                        self.give_up(iface);
                    } else {
                        let sent = uplink.send(now, wall, &self.duid, &mut self.random);
                        if let (Some(payload), Some(src)) = (sent, uplink.link_local) {
                            sends.push(Action::Send {
                                iface,
                                src,
                                dst: ALL_SERVERS,
                                payload,
                            });
                        }
                    }
                }
            }
        }
    }

    /// Looks at T1, T2 and the age of settings of an uplink that is idle; whether there is something to do now.
    pub(super) fn wake(&mut self, iface: IfaceId) -> bool {
        let (now, wall) = (self.clock.0, self.wall());
        let long = self.until_rebind(iface);
        let Some(uplink) = self.uplinks.get_mut(&iface) else {
            return false;
        };
        if uplink.refresh_at.is_some_and(|at| at <= now) {
            uplink.refresh_at = None;
            let aim = Aim::Inform { server: None };
            uplink.begin(now, &mut self.random, aim, Duration::ZERO, None);
            return true;
        }
        let Some(binding) = &uplink.binding else {
            return false;
        };
        if binding.rebind_at <= wall {
            self.rebind(iface);
            return true;
        }
        if binding.renew_at <= wall {
            uplink.begin(now, &mut self.random, Aim::Renew, Duration::ZERO, long);
            return true;
        }
        false
    }

    pub(super) fn rebind(&mut self, iface: IfaceId) {
        let (now, wall) = (self.clock.0, self.wall());
        let Some(uplink) = self.uplinks.get(&iface) else {
            return;
        };
        let Some(binding) = &uplink.binding else {
            return;
        };
        let until = self.instant(binding.rebind_until(wall));
        let long = until.map(|until| until.saturating_duration_since(now));
        if let Some(uplink) = self.uplinks.get_mut(&iface) {
            let aim = Aim::Rebind { check: false };
            uplink.begin(now, &mut self.random, aim, Duration::ZERO, long);
        }
    }

    pub(super) fn request(&mut self, iface: IfaceId, offer: Offer) {
        let now = self.clock.0;
        if let Some(uplink) = self.uplinks.get_mut(&iface) {
            let aim = Aim::Request { offer };
            uplink.begin(now, &mut self.random, aim, Duration::ZERO, None);
        }
    }

    /// An exchange got no answer.
    pub(super) fn give_up(&mut self, iface: IfaceId) {
        let Some(uplink) = self.uplinks.get_mut(&iface) else {
            return;
        };
        uplink.counters.exchanges_given_up += 1;
        let Some(exchange) = uplink.exchange() else {
            return;
        };
        match exchange.aim.clone() {
            Aim::Renew => self.rebind(iface),
            // What is left of the old leases stays until its end; meanwhile any server may give new ones.
            Aim::Rebind { check: false } | Aim::Request { .. } => self.start_over(iface),
            // RFC 8415 sections 18.2.3 and 18.2.12: no answer, no change.
            Aim::Confirm | Aim::Rebind { check: true } => uplink.doing = Doing::Idle,
            Aim::Solicit { .. } | Aim::Inform { .. } => uplink.doing = Doing::Idle,
            Aim::Decline { .. } | Aim::Release { .. } => self.go_on(iface),
        }
    }

    /// After a Decline or Release: what is missing is got, or the uplink rests.
    pub(super) fn go_on(&mut self, iface: IfaceId) {
        let wall = self.wall();
        let Some(uplink) = self.uplinks.get_mut(&iface) else {
            return;
        };
        let (rests, is_decline) = match &uplink.doing {
            Doing::Exchange(exchange) => (
                matches!(exchange.aim, Aim::Release { rest: true, .. }),
                matches!(exchange.aim, Aim::Decline { .. }),
            ),
            Doing::Idle | Doing::Rest => return,
        };
        uplink.doing = match rests {
            true => Doing::Rest,
            false => Doing::Idle,
        };
        if rests || uplink.is_removed {
            return;
        }
        match uplink.binding.as_ref().filter(|b| !b.is_empty()) {
            Some(binding) if binding.is_missing(&uplink.config, wall) => {
                let offer = Offer {
                    server: binding.server.clone(),
                    rank: (false, false, 0, 0),
                    ias: binding.asked(&uplink.config, wall),
                };
                self.request(iface, offer);
            }
            Some(_) => {}
            None if is_decline => self.start_over(iface),
            None => self.start(iface),
        }
    }
}

/// Asks whether leases are still right: by Confirm for addresses alone, else by Rebind (RFC 8415 section 18.2.12).
pub(super) fn check(uplink: &mut Uplink, now: Instant, random: &mut Random) {
    let has_prefixes = uplink
        .binding
        .as_ref()
        .is_some_and(|b| !b.prefixes.is_empty());
    let aim = match has_prefixes {
        true => Aim::Rebind { check: true },
        false => Aim::Confirm,
    };
    let delay = random.between(Duration::ZERO, MAX_DELAY);
    uplink.begin(now, random, aim, delay, Some(retransmit::CONFIRM_FOR));
}
