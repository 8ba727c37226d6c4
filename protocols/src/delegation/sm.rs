//! The machine: what uplinks hold in, assignments out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use lease::Wall;

use super::plan::{Plan, Wish, first_free, nth, number, overlap, without};
use super::{MAX_LINGER, MAX_PREFIXES};

/// Seconds after which a store that failed is tried again.
const RETRY: u32 = 10;

/// A prefix that an uplink has been delegated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UplinkPrefix {
    /// The prefix.
    pub prefix: Ipv6Net,
    /// The part of it that stays with the uplink's own link (RFC 6603).
    pub exclude: Option<Ipv6Net>,
    /// Until when it is preferred.
    pub preferred_until: Wall,
    /// Until when it is valid.
    pub valid_until: Wall,
}

/// A subnet of a delegated prefix on one of our links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The link.
    pub interface: Box<str>,
    /// The uplink that holds, or held, the delegated prefix.
    pub uplink: Box<str>,
    /// The delegated prefix.
    pub delegated: Ipv6Net,
    /// The part of it that is excluded.
    pub exclude: Option<Ipv6Net>,
    /// The subnet.
    pub prefix: Ipv6Net,
    /// Our own address there.
    pub address: Ipv6Addr,
    /// Until when hosts may use it for new sessions.
    pub preferred_until: Wall,
    /// Until when it is valid.
    pub valid_until: Wall,
    /// Its preferred time is over.
    pub deprecated: bool,
    /// The uplink does not hold the delegated prefix any more.
    pub vanished: bool,
}

/// What follows from the plan and from what the uplinks hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Every subnet in use: those that are preferred first, each kind by interface.
    pub assignments: Vec<Assignment>,
    /// What is delegated and not assigned is unreachable: routes for the whole, but for excluded parts (RFC 7084 WPD-5).
    pub unreachable: Vec<Ipv6Net>,
    /// What could not be done.
    pub problems: BTreeSet<Problem>,
}

/// Why a link has no subnet of a delegated prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// The prefix is longer than the subnet that is wanted.
    TooSmall {
        /// The link.
        interface: Box<str>,
        /// The delegated prefix.
        prefix: Ipv6Net,
        /// The length that is wanted.
        length: u8,
    },
    /// It has no subnet of that number.
    OutOfRange {
        /// The link.
        interface: Box<str>,
        /// The delegated prefix.
        prefix: Ipv6Net,
        /// The number that is wanted.
        subnet: u64,
    },
    /// The subnet that is wanted is in use otherwise, or excluded.
    Conflict {
        /// The link.
        interface: Box<str>,
        /// The subnet that is wanted.
        subnet: Ipv6Net,
        /// What it overlaps.
        with: Ipv6Net,
    },
    /// All its subnets are in use.
    Full {
        /// The link.
        interface: Box<str>,
        /// The delegated prefix.
        prefix: Ipv6Net,
    },
    /// The uplink has more prefixes than are used ([`MAX_PREFIXES`]).
    TooMany {
        /// The uplink.
        uplink: Box<str>,
        /// The first that is not used.
        prefix: Ipv6Net,
    },
}

impl Problem {
    /// Whether it is about this delegated prefix.
    pub fn concerns(&self, delegated: Ipv6Net) -> bool {
        match self {
            Problem::TooSmall { prefix, .. }
            | Problem::OutOfRange { prefix, .. }
            | Problem::Full { prefix, .. }
            | Problem::TooMany { prefix, .. } => *prefix == delegated,
            Problem::Conflict { subnet, .. } => delegated.contains(subnet),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::TooSmall {
                interface,
                prefix,
                length,
            } => write!(f, "{prefix} is too small for a /{length} on {interface}"),
            Problem::OutOfRange {
                interface,
                prefix,
                subnet,
            } => write!(f, "{prefix} has no subnet {subnet} for {interface}"),
            Problem::Conflict {
                interface,
                subnet,
                with,
            } => write!(f, "{subnet} cannot be on {interface}: it overlaps {with}"),
            Problem::Full { interface, prefix } => {
                write!(f, "{prefix} has no free subnet for {interface}")
            }
            Problem::TooMany { uplink, prefix } => {
                write!(f, "{prefix} is one prefix more than {uplink} may use")
            }
        }
    }
}

/// What people should be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Something could not be done.
    Problem(Problem),
    /// It is no problem any more.
    Solved(Problem),
    /// A link has a subnet.
    Assigned(Box<Assignment>),
    /// A subnet is not preferred any more.
    Deprecated(Box<Assignment>),
    /// A link does not have it any more.
    Ended(Box<Assignment>),
}

/// What happens to the room.
#[derive(Clone, Debug)]
pub enum Event {
    /// What was kept before the process started; before the first plan.
    Restore(Vec<Assignment>),
    /// What is wanted from now on. What uplinks hold that it does not name is forgotten.
    Plan {
        /// Interfaces that are delegated prefixes.
        uplinks: Vec<Box<str>>,
        /// The wishes.
        plan: Plan,
    },
    /// All that an uplink holds now.
    Held {
        /// Its name.
        uplink: Box<str>,
        /// Its prefixes.
        prefixes: Vec<UplinkPrefix>,
    },
    /// What was to be kept is not on disk: all is said again a little later.
    StoreFailed,
    /// `next_deadline()` has come.
    Timer,
}

/// What the router shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Put this on disk, in place of what was kept before.
    Keep(Vec<Assignment>),
    /// Have this on the router, and nothing else.
    Apply(Outcome),
    /// For the log.
    Notice(Notice),
}

/// The delegated prefixes of one router.
#[derive(Debug, Default)]
pub struct Machine {
    /// `None` before the first plan: nothing is decided without one.
    plan: Option<Plan>,
    /// What uplinks of the plan have told; none for one that has not spoken yet.
    held: BTreeMap<Box<str>, Option<Vec<UplinkPrefix>>>,
    assignments: Vec<Assignment>,
    /// What is on disk, and what is on the router, if all went well.
    kept: Vec<Assignment>,
    applied: Option<Outcome>,
    /// It did not: both must be said again.
    failed: bool,
    retry: Option<Wall>,
}

impl Machine {
    /// When `Event::Timer` is due, by the wall clock.
    pub fn next_deadline(&self) -> Option<Wall> {
        let assigned = self.assignments.iter().map(|a| match a.deprecated {
            true => a.valid_until,
            false => a.preferred_until.min(a.valid_until),
        });
        let held = self.held.values().flatten().flatten();
        let ends = assigned.chain(held.map(|prefix| prefix.valid_until));
        let ends = ends.filter(|end| *end != Wall::NEVER);
        ends.chain(self.retry).min()
    }

    /// What was decided last.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.applied.as_ref()
    }

    /// What the uplinks hold, as far as they have told.
    pub fn held(&self) -> impl Iterator<Item = (&str, &UplinkPrefix)> {
        self.held.iter().flat_map(|(uplink, prefixes)| {
            let prefixes = prefixes.iter().flatten();
            prefixes.map(move |prefix| (&**uplink, prefix))
        })
    }

    /// Handles one event; what is to be done is appended to `out`, in order.
    pub fn on_event(&mut self, now: Wall, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::Restore(assignments) => {
                self.kept.clone_from(&assignments);
                self.assignments = assignments;
            }
            Event::Plan { uplinks, plan } => {
                self.held.retain(|uplink, _| uplinks.contains(uplink));
                for uplink in uplinks {
                    self.held.entry(uplink).or_default();
                }
                self.plan = Some(plan);
            }
            Event::Held { uplink, prefixes } => {
                if let Some(held) = self.held.get_mut(&uplink) {
                    *held = Some(prefixes);
                }
            }
            Event::StoreFailed => {
                self.failed = true;
                self.retry = Some(now.after(RETRY));
                return;
            }
            Event::Timer => {
                self.retry = self.retry.filter(|at| *at > now);
            }
        }
        if let Some(plan) = self.plan.take() {
            self.settle(now, &plan, out);
            self.plan = Some(plan);
        }
    }

    fn settle(&mut self, now: Wall, plan: &Plan, out: &mut Vec<Action>) {
        let mut problems = BTreeSet::new();
        for held in self.held.values_mut().flatten() {
            held.retain(|prefix| prefix.valid_until > now);
        }
        self.assignments.retain(|a| a.valid_until > now);
        self.renew(now);
        self.drop_unplanned(plan);
        let uplinks: Vec<Box<str>> = self.held.keys().cloned().collect();
        for uplink in uplinks {
            let held = self.held[&uplink].clone().unwrap_or_default();
            if let Some(extra) = held.get(MAX_PREFIXES) {
                let (uplink, prefix) = (uplink.clone(), extra.prefix);
                problems.insert(Problem::TooMany { uplink, prefix });
            }
            for prefix in held.iter().take(MAX_PREFIXES) {
                self.assign(now, plan, &uplink, prefix, &mut problems);
            }
        }
        // Preferred ones first: the first address of an interface is the source of what we send.
        let order = |a: &Assignment| (a.deprecated, a.interface.clone(), a.prefix);
        self.assignments.sort_by_key(order);
        let outcome = Outcome {
            assignments: self.assignments.clone(),
            unreachable: self.unreachable(),
            problems,
        };
        self.say(outcome, out);
    }

    /// Takes over the lifetimes of the uplinks' prefixes; what they do not hold any more comes to its end.
    fn renew(&mut self, now: Wall) {
        for a in &mut self.assignments {
            let Some(Some(held)) = self.held.get(&a.uplink) else {
                // The uplink has not told yet what it holds since the start.
                a.deprecated = a.preferred_until <= now;
                continue;
            };
            match held.iter().find(|held| held.prefix == a.delegated) {
                Some(held) => {
                    a.preferred_until = held.preferred_until.min(held.valid_until);
                    a.valid_until = held.valid_until;
                    a.exclude = held.exclude;
                    a.vanished = false;
                }
                None if !a.vanished => {
                    a.vanished = true;
                    a.preferred_until = a.preferred_until.min(now);
                    a.valid_until = a.valid_until.min(now.after(MAX_LINGER));
                }
                None => {}
            }
            a.deprecated = a.preferred_until <= now;
        }
    }

    /// Forgets what the plan does not want, or not in this shape or place.
    fn drop_unplanned(&mut self, plan: &Plan) {
        let excluded = self.excluded();
        self.assignments.retain_mut(|a| {
            let wish = plan
                .wishes
                .iter()
                .find(|w| w.is_of(&a.interface, &a.uplink));
            let Some(wish) = wish.filter(|wish| wish.length == a.prefix.prefix_len()) else {
                return false;
            };
            a.address = wish.address(a.prefix);
            let claimed = |other: &Wish| {
                let subnet = claim(other, a.delegated);
                other.uplink == a.uplink
                    && other.interface != a.interface
                    && subnet.is_some_and(|subnet| overlap(subnet, a.prefix))
            };
            let in_place = match wish.subnet {
                Some(subnet) => number(a.delegated, a.prefix) == subnet,
                // A number that is asked for is given to who asks, but not while its sessions end.
                None => a.vanished || !plan.wishes.iter().any(claimed),
            };
            let free = |net: &Ipv6Net| !overlap(*net, a.prefix);
            in_place && plan.taken.iter().all(free) && excluded.iter().all(free)
        });
    }

    /// Gives the links that want one, and have none yet, a subnet of a prefix: those that ask for a number first.
    fn assign(
        &mut self,
        now: Wall,
        plan: &Plan,
        uplink: &str,
        held: &UplinkPrefix,
        problems: &mut BTreeSet<Problem>,
    ) {
        let preferred_until = held.preferred_until.min(held.valid_until);
        let wishes = || plan.wishes.iter().filter(|wish| *wish.uplink == *uplink);
        let (exact, any): (Vec<&Wish>, Vec<&Wish>) = wishes().partition(|w| w.subnet.is_some());
        for wish in exact.into_iter().chain(any) {
            let has = |a: &Assignment| wish.is_of(&a.interface, &a.uplink);
            let of_prefix = |a: &Assignment| has(a) && a.delegated == held.prefix;
            if preferred_until <= now || self.assignments.iter().any(of_prefix) {
                continue;
            }
            let prefix = match self.choose(plan, wish, held) {
                Ok(prefix) => prefix,
                Err(problem) => {
                    problems.insert(problem);
                    continue;
                }
            };
            // What it had of a prefix that is now delegated with another length goes on in its new place.
            self.assignments.retain(|a| !(has(a) && a.prefix == prefix));
            self.assignments.push(Assignment {
                interface: wish.interface.clone(),
                uplink: wish.uplink.clone(),
                delegated: held.prefix,
                exclude: held.exclude,
                prefix,
                address: wish.address(prefix),
                preferred_until,
                valid_until: held.valid_until,
                deprecated: false,
                vanished: false,
            });
        }
    }

    /// Which subnet of a prefix a wish gets.
    fn choose(&self, plan: &Plan, wish: &Wish, held: &UplinkPrefix) -> Result<Ipv6Net, Problem> {
        let (interface, prefix, length) = (wish.interface.clone(), held.prefix, wish.length);
        if length < prefix.prefix_len() {
            return Err(Problem::TooSmall {
                interface,
                prefix,
                length,
            });
        }
        let mut blocked = self.excluded();
        blocked.extend(&plan.taken);
        // Its own that has vanished with a prefix of another length may stay where it is.
        let others = self.assignments.iter().filter(|a| {
            !(a.vanished && wish.is_of(&a.interface, &a.uplink) && prefix.contains(&a.prefix))
        });
        blocked.extend(others.map(|a| a.prefix));
        let blocker = |subnet: Ipv6Net, blocked: &[Ipv6Net]| {
            blocked.iter().find(|net| overlap(**net, subnet)).copied()
        };
        if let Some(number) = wish.subnet {
            let subnet = nth(prefix, length, number).ok_or(Problem::OutOfRange {
                interface: interface.clone(),
                prefix,
                subnet: number,
            })?;
            return match blocker(subnet, &blocked) {
                None => Ok(subnet),
                Some(with) => Err(Problem::Conflict {
                    interface,
                    subnet,
                    with,
                }),
            };
        }
        let same_uplink = plan.wishes.iter().filter(|w| w.uplink == wish.uplink);
        blocked.extend(same_uplink.filter_map(|other| claim(other, prefix)));
        // Where it is already, then the number that it has elsewhere: people know their links by it.
        let own = || {
            let own = self
                .assignments
                .iter()
                .filter(|a| *a.interface == *interface);
            own.filter(|a| a.prefix.prefix_len() == length)
        };
        let here = own().filter(|a| a.vanished && prefix.contains(&a.prefix));
        let alike = own().filter_map(|a| nth(prefix, length, number(a.delegated, a.prefix)));
        here.map(|a| a.prefix)
            .chain(alike)
            .find(|subnet| blocker(*subnet, &blocked).is_none())
            .or_else(|| first_free(prefix, length, &blocked))
            .ok_or(Problem::Full { interface, prefix })
    }

    /// What is excluded of the prefixes that are held.
    fn excluded(&self) -> Vec<Ipv6Net> {
        let held = self.held().filter_map(|(_, held)| held.exclude);
        held.collect()
    }

    fn unreachable(&self) -> Vec<Ipv6Net> {
        let held = self.held().map(|(_, held)| (held.prefix, held.exclude));
        // What has vanished, and what is not told of yet.
        let rest = self.assignments.iter().map(|a| (a.delegated, a.exclude));
        let mut wholes: BTreeMap<Ipv6Net, Option<Ipv6Net>> = rest.collect();
        wholes.extend(held);
        let nets = wholes
            .into_iter()
            .flat_map(|(whole, hole)| without(whole, hole));
        let nets: BTreeSet<Ipv6Net> = nets.collect();
        nets.into_iter().collect()
    }

    /// Says what differs from what was said last.
    fn say(&mut self, outcome: Outcome, out: &mut Vec<Action>) {
        let failed = std::mem::take(&mut self.failed);
        if failed || self.kept != outcome.assignments {
            out.push(Action::Keep(outcome.assignments.clone()));
            self.kept.clone_from(&outcome.assignments);
        }
        if !failed && self.applied.as_ref() == Some(&outcome) {
            return;
        }
        let before = self.applied.take().unwrap_or_default();
        out.push(Action::Apply(outcome.clone()));
        let notices = notices(&before, &outcome);
        out.extend(notices.into_iter().map(Action::Notice));
        self.applied = Some(outcome);
    }
}

/// The subnet that a wish claims by its number.
fn claim(wish: &Wish, delegated: Ipv6Net) -> Option<Ipv6Net> {
    nth(delegated, wish.length, wish.subnet?)
}

fn notices(before: &Outcome, after: &Outcome) -> Vec<Notice> {
    let same = |a: &Assignment, b: &Assignment| a.interface == b.interface && a.prefix == b.prefix;
    let mut notices = Vec::new();
    for a in &after.assignments {
        let was = before.assignments.iter().find(|b| same(a, b));
        if was.is_none() {
            notices.push(Notice::Assigned(a.clone().into()));
        }
        if a.deprecated && !was.is_some_and(|was| was.deprecated) {
            notices.push(Notice::Deprecated(a.clone().into()));
        }
    }
    let gone = |b: &&Assignment| !after.assignments.iter().any(|a| same(a, b));
    let ended = before.assignments.iter().filter(gone);
    notices.extend(ended.map(|b| Notice::Ended(b.clone().into())));
    let new = after.problems.difference(&before.problems);
    notices.extend(new.cloned().map(Notice::Problem));
    let solved = before.problems.difference(&after.problems);
    notices.extend(solved.cloned().map(Notice::Solved));
    notices
}

#[cfg(test)]
mod tests;
