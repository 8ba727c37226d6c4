//! Who first says that an address is his.

use super::*;

impl Machine {
    /// A machine of a port says, or looks whether, an address is its own, and it is not bound to it.
    pub(super) fn claimed(
        &mut self,
        now: Millis,
        key: Key,
        by: Rival,
        seen: Seen<'_>,
        out: &mut Vec<Action>,
    ) {
        let Some(port) = self.ports.get_mut(&by.anchor) else {
            return;
        };
        if port.config.link != key.0 || !port.may_have(by.mac) {
            return;
        }
        if !is_owned(key.1) {
            return port.counters.count_invalid("address");
        }
        let holder = self.macs.get(&(key.0, by.mac));
        if port.config.macs.is_empty() && holder.is_some_and(|of| of.anchor != Some(by.anchor)) {
            port.counters.foreign_mac += 1;
            return;
        }
        let learns = port.config.learns;
        let Some(held) = self.held.get(&key) else {
            if learns {
                self.begin(now, key, by, seen, out);
            }
            return;
        };
        if (held.anchor, held.mac) == (Some(by.anchor), by.mac) {
            return;
        }
        if held.origin == Origin::Leased && held.anchor.is_none() && held.mac == by.mac {
            // The client shows where it is.
            self.forget(key, out);
            let held = Held::new(now, Some(by.anchor), by.mac, Origin::Leased);
            self.enter(key, held, out);
            return;
        }
        match (held.origin, held.state) {
            (Origin::Learned, State::Valid) => {
                let silence = now.saturating_sub(heard(now, &key, held, seen));
                if !learns || silence < self.timing.alive {
                    self.refuse(key, by, out);
                } else {
                    self.test(now, key, State::TestingRival, out);
                    if let Some(held) = self.held.get_mut(&key) {
                        held.rival = Some(by);
                    }
                }
            }
            (Origin::Learned, State::TestingLife) if learns => {
                // Its owner is being asked: let that be for the rival.
                if let Some(held) = self.held.get_mut(&key) {
                    (held.state, held.rival) = (State::TestingRival, Some(by));
                }
            }
            // One after the other.
            (Origin::Learned, State::TestingRival | State::TestingStranger) => {}
            _ => self.refuse(key, by, out),
        }
    }

    pub(super) fn refuse(&mut self, key: Key, by: Rival, out: &mut Vec<Action>) {
        if let Some(port) = self.ports.get_mut(&by.anchor) {
            port.counters.contested += 1;
        }
        let held = self.held.get(&key).filter(|_| by.probes);
        // One who has the address with any MAC is not known by it.
        if let Some(held) = held.filter(|held| held.mac != MacAddr::ZERO) {
            out.push(Action::Defend {
                anchor: by.anchor,
                to: by.mac,
                address: key.1,
                owner: held.mac,
            });
        }
    }

    /// A port begins to learn an address that nobody has.
    fn begin(&mut self, now: Millis, key: Key, by: Rival, seen: Seen<'_>, out: &mut Vec<Action>) {
        let (link, address) = key;
        if !self.make_room(now, by.anchor, address, seen, out) {
            if let Some(port) = self.ports.get_mut(&by.anchor) {
                port.counters.limited += 1;
            }
            self.set_full(by.anchor, address, true, out);
            return;
        }
        let has_strangers = self
            .links
            .get(&link)
            .is_some_and(|link| link.config.has_strangers);
        let mut held = Held::new(now, Some(by.anchor), by.mac, Origin::Learned);
        if has_strangers {
            held.state = State::Tentative;
        }
        if let Some(port) = self.ports.get_mut(&by.anchor) {
            port.counters.learned += 1;
        }
        self.enter(key, held, out);
        // A probe of its own has reached them.
        if has_strangers && !by.probes {
            out.push(Action::Ask { link, address });
        }
    }

    /// Whether a port may learn one more address; one that is not used makes room.
    pub(super) fn make_room(
        &mut self,
        now: Millis,
        anchor: AnchorId,
        address: IpAddr,
        seen: Seen<'_>,
        out: &mut Vec<Action>,
    ) -> bool {
        let Some(port) = self.ports.get(&anchor) else {
            return false;
        };
        let learned = &port.learned[family(address)];
        if learned.len() < usize::from(port.config.max_addresses) {
            return true;
        }
        let link = port.config.link;
        let used = learned.iter().filter_map(|&address| {
            let held = self.held.get(&(link, address))?;
            let heard = heard(now, &(link, address), held, seen);
            (held.state == State::Valid).then_some((heard, address))
        });
        let oldest = used.min();
        let Some((_, oldest)) =
            oldest.filter(|(heard, _)| now.saturating_sub(*heard) >= self.timing.unused)
        else {
            return false;
        };
        self.forget((link, oldest), out);
        if let Some(port) = self.ports.get_mut(&anchor) {
            port.counters.replaced += 1;
        }
        true
    }

    /// A machine without a port says, or looks whether, an address is its own.
    pub(super) fn claimed_by_stranger(
        &mut self,
        now: Millis,
        key: Key,
        mac: MacAddr,
        probes: bool,
        out: &mut Vec<Action>,
    ) {
        if !is_owned(key.1) {
            return;
        }
        let Some(held) = self.held.get_mut(&key) else {
            self.meet(now, key, mac, out);
            return;
        };
        match (held.origin, held.state) {
            (Origin::Stranger, _) => (held.heard, held.mac) = (now, mac),
            // Of two who look at the same time the first has it.
            (Origin::Learned, State::Tentative) if !probes => {
                if let Some(port) = held.anchor.and_then(|anchor| self.ports.get_mut(&anchor)) {
                    port.counters.denied += 1;
                }
                self.forget(key, out);
                self.meet(now, key, mac, out);
            }
            (Origin::Learned, State::Valid | State::TestingLife) => {
                held.stranger = Some(mac);
                self.test(now, key, State::TestingStranger, out);
            }
            _ => {}
        }
    }

    /// Remembers the address of a stranger, if there is room for one more.
    pub(super) fn meet(&mut self, now: Millis, key: Key, mac: MacAddr, out: &mut Vec<Action>) {
        let link = self.links.get(&key.0).filter(|link| {
            link.config.has_strangers && link.n_strangers < self.timing.max_strangers
        });
        if link.is_some() {
            let held = Held::new(now, None, mac, Origin::Stranger);
            self.enter(key, held, out);
        }
    }

    /// Asks an owner whether it is there.
    pub(super) fn test(&mut self, now: Millis, key: Key, state: State, out: &mut Vec<Action>) {
        let Some(held) = self.held.get_mut(&key) else {
            return;
        };
        held.state = state;
        held.asked = now;
        held.tries += 1;
        if let Some(anchor) = held.anchor {
            out.push(Action::Probe {
                anchor,
                address: key.1,
                mac: held.mac,
            });
        }
        let due = self.held.get(&key).and_then(|held| self.due_of(held));
        self.set_due(key, due);
    }
}
