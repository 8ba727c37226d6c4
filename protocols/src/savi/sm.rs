//! The machine: events in, actions out. One machine knows the addresses of all links.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use tables::id::{AnchorId, LinkId};
use wire::MacAddr;

use super::counters::Counters;
use super::event::{
    Action, Anchor, Configuration, Event, Link, Millis, Origin, Prefix, State, Timing, Used,
};

mod claim;
mod configure;
mod lease;
mod time;
mod view;

#[cfg(test)]
mod tests;

/// When something was last used, seconds of the workers' clock.
pub type Seen<'a> = &'a dyn Fn(Used) -> Option<u32>;

/// An address on a link.
type Key = (LinkId, IpAddr);
/// Addresses at ports, and the MAC of each.
type Bound = BTreeMap<(AnchorId, IpAddr), MacAddr>;

/// Who wants an address that another port has.
#[derive(Clone, Copy, Debug)]
struct Rival {
    anchor: AnchorId,
    mac: MacAddr,
    probes: bool,
}

/// Whose an address is.
#[derive(Clone, Debug)]
struct Held {
    anchor: Option<AnchorId>,
    mac: MacAddr,
    origin: Origin,
    state: State,
    /// When it was used last, as far as we were told.
    heard: Millis,
    /// Until when its owner has registered it; 0: it has not.
    registered: Millis,
    /// When its owner was asked, and how often.
    asked: Millis,
    tries: u8,
    /// Who wants it: another port, or a stranger with this MAC.
    rival: Option<Rival>,
    stranger: Option<MacAddr>,
    /// When it is looked at next.
    due: Option<Millis>,
}

impl Held {
    fn new(now: Millis, anchor: Option<AnchorId>, mac: MacAddr, origin: Origin) -> Self {
        Held {
            anchor,
            mac,
            origin,
            state: State::Valid,
            heard: now,
            registered: 0,
            asked: now,
            tries: 0,
            rival: None,
            stranger: None,
            due: None,
        }
    }

    /// Whether it is in the table of its port, by its own doing.
    fn is_bound(&self) -> Option<AnchorId> {
        let is_dynamic = matches!(self.origin, Origin::Leased | Origin::Learned);
        self.anchor
            .filter(|_| is_dynamic && self.state != State::Tentative)
    }

    fn is_configured(&self) -> bool {
        matches!(self.origin, Origin::Own | Origin::Fixed | Origin::Shared)
    }
}

#[derive(Debug, Default)]
struct Port {
    config: Anchor,
    /// Learned addresses, IPv6 and IPv4.
    learned: [BTreeSet<IpAddr>; 2],
    /// The workers know that it has as many as it may.
    is_full: [bool; 2],
    counters: Counters,
}

impl Port {
    fn may_have(&self, mac: MacAddr) -> bool {
        self.config.macs.is_empty() || self.config.macs.contains(&mac)
    }
}

#[derive(Debug, Default)]
struct LinkState {
    config: Link,
    n_strangers: usize,
}

/// Who has a MAC on a link, and for how many reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MacHold {
    anchor: Option<AnchorId>,
    n: usize,
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    mac: MacAddr,
    until: Option<Millis>,
    /// Of a prefix: the port that may send from it.
    anchor: Option<AnchorId>,
}

/// What has a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Address(LinkId, IpAddr),
    Lease(LinkId, IpAddr),
    Delegation(LinkId, Prefix),
}

/// The addresses of all links.
#[derive(Debug)]
pub struct Machine {
    timing: Timing,
    links: BTreeMap<LinkId, LinkState>,
    ports: BTreeMap<AnchorId, Port>,
    held: BTreeMap<Key, Held>,
    /// What is bound by configuration.
    configured: Bound,
    macs: BTreeMap<(LinkId, MacAddr), MacHold>,
    leases: BTreeMap<Key, Lease>,
    delegations: BTreeMap<(LinkId, Prefix), Lease>,
    due: BTreeSet<(Millis, Timer)>,
}

impl Machine {
    /// A machine without links.
    pub fn new(timing: Timing) -> Self {
        Machine {
            timing,
            links: BTreeMap::new(),
            ports: BTreeMap::new(),
            held: BTreeMap::new(),
            configured: BTreeMap::new(),
            macs: BTreeMap::new(),
            leases: BTreeMap::new(),
            delegations: BTreeMap::new(),
            due: BTreeSet::new(),
        }
    }

    /// When there is something for [`Machine::on_timer`] to do.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Handles one event; what is to be done is appended to `out`, in order. `seen` says when the tables have something used last, `None`
    /// if they do not have it.
    pub fn on_event(&mut self, now: Millis, event: Event, seen: Seen<'_>, out: &mut Vec<Action>) {
        match event {
            Event::Configure(configuration) => self.configure(now, configuration, out),
            Event::Heard {
                link,
                anchor,
                mac,
                address,
                probes,
            } => {
                let key = (link, address);
                match anchor {
                    Some(anchor) => {
                        let rival = Rival {
                            anchor,
                            mac,
                            probes,
                        };
                        self.claimed(now, key, rival, seen, out);
                    }
                    None => self.claimed_by_stranger(now, key, mac, probes, out),
                }
            }
            Event::Leased {
                link,
                address,
                mac,
                until,
            } => self.leased(now, (link, address), mac, until, out),
            Event::Released { link, address } => self.released((link, address), out),
            Event::Registered {
                link,
                address,
                mac,
                until,
            } => self.registered(now, (link, address), mac, until, seen, out),
            Event::Known {
                link,
                anchor,
                address,
                mac,
                until,
            } => {
                let by = Rival {
                    anchor,
                    mac,
                    probes: false,
                };
                self.known(now, (link, address), by, until, seen, out);
            }
            Event::Unregistered { link, address } => self.unregistered((link, address)),
            Event::Delegated {
                link,
                prefix,
                mac,
                until,
            } => self.delegated((link, prefix), mac, until, out),
            Event::Undelegated { link, prefix } => self.undelegated((link, prefix), out),
            Event::Refused { link, address } => self.refused((link, address), out),
        }
    }

    // ----- addresses come and go -----

    /// Enters an address that nobody has.
    fn enter(&mut self, key: Key, held: Held, out: &mut Vec<Action>) {
        let (link, address) = key;
        if let Some(anchor) = held.is_bound() {
            out.push(Action::Bind {
                anchor,
                address,
                mac: held.mac,
            });
        }
        out.push(hold(key, &held));
        match (held.origin, held.anchor) {
            (Origin::Learned, Some(anchor)) => {
                if let Some(port) = self.ports.get_mut(&anchor) {
                    port.learned[family(address)].insert(address);
                }
            }
            (Origin::Stranger, _) => {
                if let Some(link) = self.links.get_mut(&link) {
                    link.n_strangers += 1;
                }
            }
            _ => {}
        }
        if self.has_mac(&held) {
            self.hold_mac(link, held.mac, held.anchor, out);
        }
        let due = self.due_of(&held);
        self.held.insert(key, held);
        self.set_due(key, due);
    }

    /// Forgets an address that is not configured.
    fn forget(&mut self, key: Key, out: &mut Vec<Action>) -> Option<Held> {
        let (link, address) = key;
        self.set_due(key, None);
        let held = self.held.remove(&key)?;
        if let Some(anchor) = held.is_bound() {
            out.push(Action::Unbind { anchor, address });
        }
        out.push(Action::Release { link, address });
        match (held.origin, held.anchor) {
            (Origin::Learned, Some(anchor)) => {
                if let Some(port) = self.ports.get_mut(&anchor) {
                    port.learned[family(address)].remove(&address);
                    self.set_full(anchor, address, false, out);
                }
            }
            (Origin::Stranger, _) => {
                if let Some(link) = self.links.get_mut(&link) {
                    link.n_strangers -= 1;
                }
            }
            _ => {}
        }
        if self.has_mac(&held) {
            self.drop_mac(link, held.mac, out);
        }
        Some(held)
    }

    /// An address is its holder's: the workers let it pass.
    fn validate(&mut self, now: Millis, key: Key, out: &mut Vec<Action>) {
        let Some(held) = self.held.get_mut(&key) else {
            return;
        };
        let was_bound = held.is_bound();
        held.state = State::Valid;
        held.heard = now;
        (held.rival, held.stranger, held.tries) = (None, None, 0);
        if was_bound.is_none() {
            if let Some(anchor) = held.is_bound() {
                out.push(Action::Bind {
                    anchor,
                    address: key.1,
                    mac: held.mac,
                });
            }
            out.push(hold(key, held));
        }
        let due = self.held.get(&key).and_then(|held| self.due_of(held));
        self.set_due(key, due);
    }

    fn refused(&mut self, key: Key, out: &mut Vec<Action>) {
        let Some(held) = self.held.get(&key) else {
            return;
        };
        if let Some(port) = held.anchor.and_then(|anchor| self.ports.get_mut(&anchor)) {
            port.counters.full += 1;
        }
        if !held.is_configured() {
            self.forget(key, out);
            return;
        }
        // It is tried again when something is configured.
        self.held.remove(&key);
        let (link, address) = key;
        let ports = self.ports.iter();
        let here = ports.filter(|(_, port)| port.config.link == link);
        for (&anchor, _) in here {
            if self.configured.remove(&(anchor, address)).is_some() {
                out.push(Action::Unbind { anchor, address });
            }
        }
        out.push(Action::Release { link, address });
    }

    fn set_full(
        &mut self,
        anchor: AnchorId,
        address: IpAddr,
        is_full: bool,
        out: &mut Vec<Action>,
    ) {
        let Some(port) = self.ports.get_mut(&anchor) else {
            return;
        };
        let known = &mut port.is_full[family(address)];
        if std::mem::replace(known, is_full) != is_full {
            out.push(Action::Full {
                anchor,
                is_ipv4: address.is_ipv4(),
                is_full,
            });
        }
    }

    // ----- MACs -----

    /// Whether an address makes its MAC its holder's: where MACs are not configured.
    fn has_mac(&self, held: &Held) -> bool {
        match (held.origin, held.anchor) {
            (Origin::Stranger, _) => true,
            (Origin::Learned | Origin::Leased, Some(anchor)) => {
                let port = self.ports.get(&anchor);
                port.is_some_and(|port| port.config.macs.is_empty())
            }
            _ => false,
        }
    }

    fn hold_mac(
        &mut self,
        link: LinkId,
        mac: MacAddr,
        anchor: Option<AnchorId>,
        out: &mut Vec<Action>,
    ) {
        let is_new = !self.macs.contains_key(&(link, mac));
        let known = self.macs.entry((link, mac));
        let known = known.or_insert(MacHold { anchor, n: 0 });
        known.n += 1;
        // Of two it is nobody's alone.
        let both = if known.anchor == anchor { anchor } else { None };
        if is_new || known.anchor != both {
            known.anchor = both;
            out.push(Action::HoldMac {
                link,
                mac,
                anchor: both,
            });
        }
        if is_new && let Some(anchor) = both {
            self.delegate_to(link, mac, anchor, out);
        }
    }

    fn drop_mac(&mut self, link: LinkId, mac: MacAddr, out: &mut Vec<Action>) {
        let Some(known) = self.macs.get_mut(&(link, mac)) else {
            return;
        };
        known.n -= 1;
        if known.n == 0 {
            self.macs.remove(&(link, mac));
            out.push(Action::ReleaseMac { link, mac });
        }
    }

    /// The port of a machine.
    fn port_of(&self, link: LinkId, mac: MacAddr) -> Option<AnchorId> {
        let mut ports = self.ports.iter();
        let configured =
            ports.find(|(_, port)| port.config.link == link && port.config.macs.contains(&mac));
        match configured {
            Some((&anchor, _)) => Some(anchor),
            None => self.macs.get(&(link, mac))?.anchor,
        }
    }
}

/// When an owner that was last heard then is to be asked whether it is there.
fn end_of(timing: &Timing, held: &Held, heard: Millis) -> Millis {
    (heard + timing.lifetime).max(held.registered)
}

/// When an address was used last: within that second, of which we are told the beginning.
fn heard(now: Millis, key: &Key, held: &Held, seen: Seen<'_>) -> Millis {
    let used = match held.anchor {
        Some(anchor) => Used::At(anchor, key.1),
        None => Used::On(key.0, key.1),
    };
    let told = seen(used).map_or(0, |seconds| Millis::from(seconds) * 1000 + 999);
    told.min(now).max(held.heard)
}

fn hold(key: Key, held: &Held) -> Action {
    Action::Hold {
        link: key.0,
        address: key.1,
        anchor: held.anchor,
        is_tentative: held.state == State::Tentative,
    }
}

/// The family's place in a port's lists.
fn family(address: IpAddr) -> usize {
    usize::from(address.is_ipv4())
}

/// Whether an address can be one machine's.
fn is_owned(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !(address.is_unspecified() || address.is_multicast() || address.is_loopback() || broadcast)
}
