//! From a Reply's associations to what is held (RFC 8415 sections 18.2.10 and 18.2.10.1).

use std::net::Ipv6Addr;
use std::time::Duration;

use ipnet::Ipv6Net;
use lease::Wall;

use super::config::Config;
use super::counters::Counters;
use super::held::{Binding, HeldAddress, HeldPrefix};
use super::option::LeftOut;
use super::packet::{Given, Ia, IaKind, Status};
use super::writer::Asked;

/// Most leases of one association: more would be a server gone wild.
const MAX_PER_IA: usize = 8;
/// A server that wants to hear more often than this is not followed.
const MIN_T1: u32 = 3;
/// While something asked for is missing, servers are asked for it this often at least (RFC 8415 leaves it to T1 of the rest,
/// which may be days).
const MISSING_T1: Duration = Duration::from_secs(600);

/// Whether a Reply makes something new, or makes it last longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Reply to a Request or Solicit: what it does not name is not given any more, and deprecated until its end.
    Fresh,
    /// Reply to a Renew or Rebind: what it does not name stays as it was (section 18.2.10.1).
    Longer,
}

/// Kind and number of all associations that `config` asks for.
pub(super) fn wanted(config: &Config) -> impl Iterator<Item = (IaKind, u32)> + '_ {
    let address = config.wants_address().then_some((IaKind::Na, config.iaid));
    let prefixes = config.wanted_prefixes();
    address
        .into_iter()
        .chain(prefixes.map(|(iaid, _)| (IaKind::Pd, iaid)))
}

/// A lease, whatever its kind.
#[derive(Clone, Copy, Debug)]
struct Item {
    kind: IaKind,
    iaid: u32,
    address: Ipv6Addr,
    len: u8,
    preferred_until: Wall,
    valid_until: Wall,
}

impl Binding {
    fn items(&self) -> impl Iterator<Item = Item> + '_ {
        let addresses = self.addresses.iter().map(|held| Item {
            kind: IaKind::Na,
            iaid: held.iaid,
            address: held.address,
            len: 128,
            preferred_until: held.preferred_until,
            valid_until: held.valid_until,
        });
        let prefixes = self.prefixes.iter().map(|held| Item {
            kind: IaKind::Pd,
            iaid: held.iaid,
            address: held.prefix.network(),
            len: held.prefix.prefix_len(),
            preferred_until: held.preferred_until,
            valid_until: held.valid_until,
        });
        addresses.chain(prefixes)
    }

    fn retain(&mut self, mut keep: impl FnMut(IaKind, u32, Ipv6Addr, u8, Wall) -> bool) {
        self.addresses
            .retain(|h| keep(IaKind::Na, h.iaid, h.address, 128, h.valid_until));
        self.prefixes.retain(|h| {
            let (network, len) = (h.prefix.network(), h.prefix.prefix_len());
            keep(IaKind::Pd, h.iaid, network, len, h.valid_until)
        });
    }

    /// The associations of `config`, each with what is held of it: the preferred ones, or else the deprecated ones.
    pub(super) fn asked(&self, config: &Config, now: Wall) -> Vec<Asked> {
        let of = |kind, iaid, preferred| {
            let items = self.items().filter(move |item| {
                let is_preferred = item.preferred_until > now;
                (item.kind, item.iaid) == (kind, iaid) && is_preferred == preferred
            });
            items
                .map(|item| (item.address, item.len))
                .collect::<Vec<_>>()
        };
        wanted(config)
            .map(|(kind, iaid)| {
                let preferred = of(kind, iaid, true);
                let leases = match preferred.is_empty() {
                    true => of(kind, iaid, false),
                    false => preferred,
                };
                Asked { kind, iaid, leases }
            })
            .collect()
    }

    /// Everything held, by association: for a Release.
    pub(super) fn all(&self) -> Vec<Asked> {
        let mut all: Vec<Asked> = Vec::new();
        for item in self.items() {
            let (kind, iaid) = (item.kind, item.iaid);
            let lease = (item.address, item.len);
            match all
                .iter_mut()
                .find(|a| (a.kind, a.iaid) == (item.kind, item.iaid))
            {
                Some(asked) => asked.leases.push(lease),
                None => all.push(Asked {
                    kind,
                    iaid,
                    leases: vec![lease],
                }),
            }
        }
        all
    }

    /// Takes out what `config` does not ask for any more, and prefixes for which it has come to ask another length than `old` did.
    pub(super) fn take_unwanted(&mut self, old: &Config, config: &Config) -> Vec<Asked> {
        let length = |config: &Config, iaid| {
            let mut prefixes = config.wanted_prefixes();
            prefixes.find_map(|(of, hint)| (of == iaid).then_some(hint.len?))
        };
        let is_wanted = |kind, iaid, len: u8| {
            let (before, after) = (length(old, iaid), length(config, iaid));
            let stays = before == after || after.is_none_or(|after| after == len);
            wanted(config).any(|ia| ia == (kind, iaid)) && (kind == IaKind::Na || stays)
        };
        let mut unwanted = self.clone();
        unwanted.retain(|kind, iaid, _, len, _| !is_wanted(kind, iaid, len));
        self.retain(|kind, iaid, _, len, _| is_wanted(kind, iaid, len));
        unwanted.all()
    }

    /// Takes out what has run out; how many there were.
    pub(super) fn expire(&mut self, now: Wall) -> u64 {
        let before = self.addresses.len() + self.prefixes.len();
        self.retain(|_, _, _, _, valid_until| valid_until > now);
        (before - self.addresses.len() - self.prefixes.len()) as u64
    }

    /// When the first lease runs out.
    pub(super) fn first_end(&self) -> Option<Wall> {
        self.items().map(|item| item.valid_until).min()
    }

    /// Until when Rebind makes sense: while something is preferred; or else, while something is valid.
    pub(super) fn rebind_until(&self, now: Wall) -> Wall {
        let preferred = self.items().map(|item| item.preferred_until).max();
        let valid = self.items().map(|item| item.valid_until).max();
        let preferred = preferred.filter(|until| *until > now);
        preferred.or(valid).unwrap_or(now)
    }

    /// Moves all times by a step of the clock, in seconds.
    pub(super) fn shift(&mut self, step: i64) {
        let shift = |wall: &mut Wall| {
            if let Some(secs) = wall.as_secs() {
                *wall = Wall::from_secs(secs.saturating_add_signed(step));
            }
        };
        shift(&mut self.renew_at);
        shift(&mut self.rebind_at);
        for held in &mut self.addresses {
            shift(&mut held.preferred_until);
            shift(&mut held.valid_until);
        }
        for held in &mut self.prefixes {
            shift(&mut held.preferred_until);
            shift(&mut held.valid_until);
        }
    }

    /// Takes in the associations of a Reply. The server, its settings and its key are the caller's.
    pub(super) fn merge(
        &mut self,
        ias: &[Ia],
        mode: Mode,
        config: &Config,
        now: Wall,
        counters: &mut Counters,
    ) {
        if mode == Mode::Fresh {
            self.deprecate(now);
        }
        let mut times: Option<(Wall, Wall)> = None;
        for ia in ias {
            if !wanted(config).any(|wanted| wanted == (ia.kind, ia.iaid)) {
                counters.count_invalid(LeftOut::ForeignIa.label());
                continue;
            }
            if ia.status != Status::Success {
                continue;
            }
            for (i, given) in ia.leases.iter().enumerate() {
                if i >= MAX_PER_IA {
                    counters.count_invalid(LeftOut::TooManyLeases.label());
                    break;
                }
                self.put(ia, given, now, counters);
            }
            if let Some((t1, t2)) = t1_t2(ia, now) {
                let (first, second) = times.unwrap_or((t1, t2));
                times = Some((first.min(t1), second.min(t2)));
            }
        }
        // RFC 8415 section 18.2.4: one pair of times for all; what a Renew does not speak of keeps the old ones.
        if let Some((t1, t2)) = times {
            (self.renew_at, self.rebind_at) = (t1, t2.max(t1));
            if self.is_missing(config, now) {
                let soon = now.after(MISSING_T1.as_secs() as u32);
                self.renew_at = self.renew_at.min(soon);
            }
        }
    }

    /// Whether an association that `config` asks for holds nothing that is preferred.
    pub(super) fn is_missing(&self, config: &Config, now: Wall) -> bool {
        wanted(config).any(|(kind, iaid)| {
            let mut preferred = self.items().filter(|item| item.preferred_until > now);
            !preferred.any(|item| (item.kind, item.iaid) == (kind, iaid))
        })
    }

    fn deprecate(&mut self, now: Wall) {
        for until in self.addresses.iter_mut().map(|h| &mut h.preferred_until) {
            *until = now.min(*until);
        }
        for until in self.prefixes.iter_mut().map(|h| &mut h.preferred_until) {
            *until = now.min(*until);
        }
    }

    /// One lease of a Reply. It belongs to one association only: the one named last.
    fn put(&mut self, ia: &Ia, given: &Given, now: Wall, counters: &mut Counters) {
        let was = self.addresses.len() + self.prefixes.len();
        self.retain(|kind, _, address, len, _| {
            (kind, address, len) != (ia.kind, given.address, given.len)
        });
        let is_held = self.addresses.len() + self.prefixes.len() < was;
        if given.valid == 0 {
            counters.leases_withdrawn += u64::from(is_held);
            return;
        }
        counters.leases_renewed += u64::from(is_held);
        counters.leases_new += u64::from(!is_held);
        let (preferred_until, valid_until) = (now.after(given.preferred), now.after(given.valid));
        match ia.kind {
            IaKind::Na => self.addresses.push(HeldAddress {
                iaid: ia.iaid,
                address: given.address,
                preferred_until,
                valid_until,
            }),
            IaKind::Pd => {
                // Read with a length of at most 64.
                let Ok(prefix) = Ipv6Net::new(given.address, given.len) else {
                    return;
                };
                self.prefixes.push(HeldPrefix {
                    iaid: ia.iaid,
                    prefix,
                    exclude: given.exclude,
                    preferred_until,
                    valid_until,
                });
            }
        }
    }
}

/// When to renew and rebind an association that gives something: as the server says, where that makes sense; else as RFC 8415
/// section 21.4 recommends to servers, at half and four fifths of the shortest preferred lifetime.
fn t1_t2(ia: &Ia, now: Wall) -> Option<(Wall, Wall)> {
    let alive = || ia.leases.iter().filter(|given| given.valid > 0);
    let valid = alive().map(|given| given.valid).min()?;
    let preferred = alive().map(|given| given.preferred).filter(|p| *p > 0);
    let shortest = preferred.min().unwrap_or(valid);
    let part = |tenths: u64| match shortest {
        u32::MAX => u32::MAX,
        shortest => (u64::from(shortest) * tenths / 10) as u32,
    };
    // Times beyond the end of the lease would let it run out.
    let sense = |t: u32| t > 0 && (t < valid || valid == u32::MAX);
    let t1 = match sense(ia.t1) {
        true => ia.t1,
        false if sense(ia.t2) => part(5).min((u64::from(ia.t2) * 5 / 8) as u32),
        false => part(5),
    };
    let t2 = match sense(ia.t2) {
        true => ia.t2,
        false => part(8),
    };
    let t1 = t1.max(MIN_T1);
    Some((now.after(t1), now.after(t2.max(t1))))
}
