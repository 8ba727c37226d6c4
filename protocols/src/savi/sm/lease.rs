//! Leases of this router: addresses and prefixes.

use super::*;

impl Machine {
    pub(super) fn leased(
        &mut self,
        now: Millis,
        key: Key,
        mac: MacAddr,
        until: Option<Millis>,
        out: &mut Vec<Action>,
    ) {
        if !is_owned(key.1) {
            return;
        }
        let lease = Lease {
            mac,
            until,
            anchor: None,
        };
        let timer = Timer::Lease(key.0, key.1);
        self.keep_time(self.leases.get(&key).copied(), timer, until);
        self.leases.insert(key, lease);
        self.apply(now, key, mac, out);
    }

    fn keep_time(&mut self, before: Option<Lease>, timer: Timer, until: Option<Millis>) {
        if let Some(until) = before.and_then(|lease| lease.until) {
            self.due.remove(&(until, timer));
        }
        if let Some(until) = until {
            self.due.insert((until, timer));
        }
    }

    /// Gives a leased address to the port of its client.
    pub(super) fn apply(&mut self, now: Millis, key: Key, mac: MacAddr, out: &mut Vec<Action>) {
        if !self.links.contains_key(&key.0) {
            return;
        }
        let anchor = self.port_of(key.0, mac);
        if let Some(held) = self.held.get(&key) {
            let is_same = (held.anchor, held.mac) == (anchor, mac);
            let was_placed = held.origin == Origin::Leased && held.mac == mac && anchor.is_none();
            if held.is_configured() || held.origin == Origin::Leased && (is_same || was_placed) {
                return;
            }
            if let (Origin::Learned, Some(of)) = (held.origin, held.anchor)
                && !is_same
                && let Some(port) = self.ports.get_mut(&of)
            {
                port.counters.lost += 1;
            }
            self.forget(key, out);
        }
        if let Some(port) = anchor.and_then(|anchor| self.ports.get_mut(&anchor)) {
            port.counters.leased += 1;
        }
        self.enter(key, Held::new(now, anchor, mac, Origin::Leased), out);
    }

    pub(super) fn released(&mut self, key: Key, out: &mut Vec<Action>) {
        let lease = self.leases.remove(&key);
        self.keep_time(lease, Timer::Lease(key.0, key.1), None);
        let held = self.held.get(&key);
        if held.is_some_and(|held| held.origin == Origin::Leased) {
            self.forget(key, out);
        }
    }

    /// A registration is a claim: who has the address keeps it, and the port's limit is asked.
    pub(super) fn registered(
        &mut self,
        now: Millis,
        key: Key,
        mac: MacAddr,
        until: Option<Millis>,
        seen: Seen<'_>,
        out: &mut Vec<Action>,
    ) {
        // A machine behind a relay, or one that is not known here yet, has no port: its own packets say where it is.
        let Some(anchor) = self.port_of(key.0, mac) else {
            return;
        };
        let by = Rival {
            anchor,
            mac,
            probes: false,
        };
        self.claimed(now, key, by, seen, out);
        let Some(held) = self.held.get_mut(&key) else {
            return;
        };
        if (held.anchor, held.mac, held.origin) != (Some(anchor), mac, Origin::Learned) {
            return;
        }
        held.registered = until.unwrap_or(Millis::MAX);
        if let Some(port) = self.ports.get_mut(&anchor) {
            port.counters.registered += 1;
        }
        self.look_anew(key);
    }

    /// Takes another router's word for an address that nobody has here, or that the port has already. Nothing is sent.
    pub(super) fn known(
        &mut self,
        now: Millis,
        key: Key,
        by: Rival,
        until: Millis,
        seen: Seen<'_>,
        out: &mut Vec<Action>,
    ) {
        let port = self.ports.get(&by.anchor).filter(|port| {
            port.config.link == key.0 && port.config.learns && port.may_have(by.mac)
        });
        if port.is_none() || !is_owned(key.1) {
            return;
        }
        let holder = self.macs.get(&(key.0, by.mac));
        let is_anothers = holder.is_some_and(|of| of.anchor != Some(by.anchor));
        if !self.held.contains_key(&key) {
            if is_anothers || !self.make_room(now, by.anchor, key.1, seen, out) {
                return;
            }
            let held = Held::new(now, Some(by.anchor), by.mac, Origin::Learned);
            self.enter(key, held, out);
        }
        let Some(held) = self.held.get_mut(&key) else {
            return;
        };
        if (held.anchor, held.mac, held.origin) == (Some(by.anchor), by.mac, Origin::Learned) {
            held.registered = held.registered.max(until);
            self.look_anew(key);
        }
    }

    /// From now on it is kept for as long as it is used.
    pub(super) fn unregistered(&mut self, key: Key) {
        if let Some(held) = self.held.get_mut(&key) {
            held.registered = 0;
            self.look_anew(key);
        }
    }

    fn look_anew(&mut self, key: Key) {
        let held = self.held.get(&key);
        let valid = held.filter(|held| held.state == State::Valid);
        if let Some(due) = valid.and_then(|held| self.due_of(held)) {
            self.set_due(key, Some(due));
        }
    }

    pub(super) fn delegated(
        &mut self,
        key: (LinkId, Prefix),
        mac: MacAddr,
        until: Option<Millis>,
        out: &mut Vec<Action>,
    ) {
        let (link, prefix) = key;
        // What a router delegates is not shorter, and a host's address is none.
        if !(17..=64).contains(&prefix.len) {
            return;
        }
        let before = self.delegations.get(&key).copied();
        self.keep_time(before, Timer::Delegation(link, prefix), until);
        let anchor = self.port_of(link, mac);
        let was = before.and_then(|lease| lease.anchor.map(|anchor| (anchor, lease.mac)));
        let is = anchor.map(|anchor| (anchor, mac));
        if was != is {
            self.withdraw(prefix, was, out);
            if let Some((anchor, mac)) = is {
                out.push(Action::Delegate {
                    anchor,
                    prefix,
                    mac,
                });
            }
        }
        let lease = Lease { mac, until, anchor };
        self.delegations.insert(key, lease);
    }

    fn withdraw(&self, prefix: Prefix, was: Option<(AnchorId, MacAddr)>, out: &mut Vec<Action>) {
        if let Some((anchor, _)) = was {
            out.push(Action::Undelegate { anchor, prefix });
        }
    }

    pub(super) fn undelegated(&mut self, key: (LinkId, Prefix), out: &mut Vec<Action>) {
        let lease = self.delegations.remove(&key);
        self.keep_time(lease, Timer::Delegation(key.0, key.1), None);
        let was = lease.and_then(|lease| lease.anchor.map(|anchor| (anchor, lease.mac)));
        self.withdraw(key.1, was, out);
    }

    /// The port of a client has been found.
    pub(super) fn delegate_to(
        &mut self,
        link: LinkId,
        mac: MacAddr,
        anchor: AnchorId,
        out: &mut Vec<Action>,
    ) {
        for ((of, prefix), lease) in &mut self.delegations {
            if *of == link && lease.mac == mac && lease.anchor.is_none() {
                lease.anchor = Some(anchor);
                out.push(Action::Delegate {
                    anchor,
                    prefix: *prefix,
                    mac,
                });
            }
        }
    }

    /// Looks anew where the clients of all leases are.
    pub(super) fn apply_all(&mut self, now: Millis, out: &mut Vec<Action>) {
        let leases: Vec<(Key, Lease)> = self.leases.iter().map(|(k, l)| (*k, *l)).collect();
        for (key, lease) in leases {
            self.apply(now, key, lease.mac, out);
        }
        let delegations = self.delegations.iter().map(|(k, l)| (*k, *l));
        for (key, lease) in delegations.collect::<Vec<_>>() {
            self.delegated(key, lease.mac, lease.until, out);
        }
    }
}
