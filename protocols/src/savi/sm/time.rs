//! What time does.

use super::*;

/// Between two questions to an owner whose address nobody else wants.
const PAUSE: Millis = 1000;

impl Machine {
    /// Does what is due. Looks at no more than `budget` addresses; `seen` is that of [`Machine::on_event`].
    pub fn on_timer(&mut self, now: Millis, budget: usize, seen: Seen<'_>, out: &mut Vec<Action>) {
        for _ in 0..budget {
            let Some(&(due, timer)) = self.due.first().filter(|(due, _)| *due <= now) else {
                return;
            };
            self.due.remove(&(due, timer));
            match timer {
                Timer::Address(link, address) => self.address_due(now, (link, address), seen, out),
                Timer::Lease(link, address) => self.released((link, address), out),
                Timer::Delegation(link, prefix) => self.undelegated((link, prefix), out),
            }
        }
    }

    fn address_due(&mut self, now: Millis, key: Key, seen: Seen<'_>, out: &mut Vec<Action>) {
        let Some(held) = self.held.get_mut(&key) else {
            unreachable!("an address that nobody has is looked at");
        };
        held.due = None;
        let heard = heard(now, &key, held, seen);
        let end = end_of(&self.timing, held, heard);
        let is_there = heard >= held.asked && held.tries > 0;
        match held.state {
            State::Tentative => self.validate(now, key, out),
            State::Valid if now < end => {
                held.heard = heard;
                self.set_due(key, Some(end));
            }
            State::Valid if held.anchor.is_some() => {
                self.test(now, key, State::TestingLife, out);
            }
            // A stranger that was not heard for so long.
            State::Valid => drop(self.forget(key, out)),
            State::TestingLife if is_there => self.is_there(now, key, heard, out),
            State::TestingLife if held.tries < self.timing.probes => {
                self.test(now, key, State::TestingLife, out);
            }
            State::TestingLife => {
                self.count(key, |counters| counters.aged += 1);
                self.forget(key, out);
            }
            State::TestingRival | State::TestingStranger if is_there => {
                let rival = held.rival;
                self.is_there(now, key, heard, out);
                if let Some(rival) = rival {
                    self.refuse(key, rival, out);
                }
            }
            State::TestingRival => {
                let rival = held.rival;
                self.count(key, |counters| counters.lost += 1);
                self.forget(key, out);
                if let Some(by) = rival {
                    // Its probe has reached nobody.
                    let by = Rival {
                        probes: false,
                        ..by
                    };
                    // It may not have been configured so when it claimed.
                    self.claimed(now, key, by, seen, out);
                    if self.held.contains_key(&key) {
                        self.count(key, |counters| counters.moved += 1);
                    }
                }
            }
            State::TestingStranger => {
                let mac = held.stranger;
                self.count(key, |counters| counters.lost += 1);
                self.forget(key, out);
                if let Some(mac) = mac {
                    self.meet(now, key, mac, out);
                }
            }
        }
    }

    fn is_there(&mut self, now: Millis, key: Key, heard: Millis, out: &mut Vec<Action>) {
        self.validate(now, key, out);
        if let Some(held) = self.held.get_mut(&key) {
            held.heard = heard;
        }
    }

    fn count(&mut self, key: Key, count: impl FnOnce(&mut Counters)) {
        let anchor = self.held.get(&key).and_then(|held| held.anchor);
        if let Some(port) = anchor.and_then(|anchor| self.ports.get_mut(&anchor)) {
            count(&mut port.counters);
        }
    }

    /// When an address is to be looked at.
    pub(super) fn due_of(&self, held: &Held) -> Option<Millis> {
        match (held.origin, held.state) {
            (Origin::Learned, State::Tentative) => Some(held.heard + self.timing.tentative),
            (Origin::Learned, State::TestingLife) => Some(held.asked + PAUSE),
            (Origin::Learned, State::TestingRival | State::TestingStranger) => {
                Some(held.asked + self.timing.tentative)
            }
            (Origin::Learned | Origin::Stranger, State::Valid) => {
                Some(end_of(&self.timing, held, held.heard))
            }
            _ => None,
        }
    }

    pub(super) fn set_due(&mut self, key: Key, due: Option<Millis>) {
        let Some(held) = self.held.get_mut(&key) else {
            return;
        };
        let timer = Timer::Address(key.0, key.1);
        if let Some(before) = std::mem::replace(&mut held.due, due) {
            self.due.remove(&(before, timer));
        }
        if let Some(due) = due {
            self.due.insert((due, timer));
        }
    }
}
