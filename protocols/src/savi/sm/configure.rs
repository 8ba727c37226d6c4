//! What is configured: it is compared with what was, and only what differs is touched.

use super::*;

/// Whose an address is by configuration.
type Wanted = (Option<AnchorId>, MacAddr, Origin);

impl Machine {
    pub(super) fn configure(
        &mut self,
        now: Millis,
        configuration: Configuration,
        out: &mut Vec<Action>,
    ) {
        let Configuration { links, anchors } = configuration;
        self.leave(&links, &anchors, out);
        let mut before = std::mem::take(&mut self.links);
        for (id, config) in links {
            let n_strangers = before.remove(&id).map_or(0, |link| link.n_strangers);
            let state = LinkState {
                config,
                n_strangers,
            };
            self.links.insert(id, state);
        }
        let mut before = std::mem::take(&mut self.ports);
        for (id, config) in anchors {
            let mut port = before.remove(&id).unwrap_or_default();
            port.config = config;
            self.ports.insert(id, port);
        }
        self.bind_configured(now, out);
        self.recount_macs(out);
        self.apply_all(now, out);
    }

    /// Forgets what may not be any more. MACs are counted anew later.
    fn leave(
        &mut self,
        links: &BTreeMap<LinkId, Link>,
        anchors: &BTreeMap<AnchorId, Anchor>,
        out: &mut Vec<Action>,
    ) {
        let may_stay = |key: &Key, held: &Held| {
            let Some(link) = links.get(&key.0) else {
                return false;
            };
            let Some(anchor) = held.anchor else {
                return held.origin != Origin::Stranger || link.has_strangers;
            };
            let Some(config) = anchors.get(&anchor).filter(|to| to.link == key.0) else {
                return false;
            };
            let may_learn = config.learns || held.origin != Origin::Learned;
            may_learn && (config.macs.is_empty() || config.macs.contains(&held.mac))
        };
        let held = self.held.iter().filter(|(_, held)| !held.is_configured());
        let leave: Vec<Key> = held
            .filter(|(key, held)| !may_stay(key, held))
            .map(|(key, _)| *key)
            .collect();
        for key in leave {
            self.forget(key, out);
        }
        let ports = self
            .ports
            .iter()
            .filter(|(id, _)| !anchors.contains_key(id));
        for (&anchor, port) in ports {
            for (place, _) in port.is_full.iter().enumerate().filter(|(_, full)| **full) {
                out.push(Action::Full {
                    anchor,
                    is_ipv4: place == 1,
                    is_full: false,
                });
            }
        }
        for ((link, prefix), lease) in &mut self.delegations {
            let stays = |anchor: &AnchorId| anchors.get(anchor).is_some_and(|to| to.link == *link);
            if let Some(anchor) = lease.anchor.filter(|anchor| !stays(anchor)) {
                lease.anchor = None;
                out.push(Action::Undelegate {
                    anchor,
                    prefix: *prefix,
                });
            }
        }
        // A limit may have grown.
        let ports: Vec<AnchorId> = self.ports.keys().copied().collect();
        for anchor in ports.into_iter().filter(|id| anchors.contains_key(id)) {
            for any in [IpAddr::from([0_u16; 8]), IpAddr::from([0_u8; 4])] {
                self.set_full(anchor, any, false, out);
            }
        }
    }

    /// Whose the addresses are that are configured, and at which ports they are bound.
    fn wanted(&self) -> (BTreeMap<Key, Wanted>, Bound) {
        let mut held = BTreeMap::new();
        let mut bound = BTreeMap::new();
        for (&link, state) in &self.links {
            for (&address, &mac) in &state.config.own {
                held.insert((link, address), (None, mac, Origin::Own));
            }
        }
        let ports = self.ports.iter();
        let ports = ports.filter(|(_, port)| self.links.contains_key(&port.config.link));
        for (&anchor, port) in ports.clone() {
            for (&address, &mac) in &port.config.fixed {
                let key = (port.config.link, address);
                bound.extend(mac.map(|mac| ((anchor, address), mac)));
                let mac = mac.unwrap_or(MacAddr::ZERO);
                match held.get(&key) {
                    Some((.., Origin::Own)) => None,
                    // Of two ports: it is neither's alone.
                    Some(_) => held.insert(key, (None, mac, Origin::Shared)),
                    None => held.insert(key, (Some(anchor), mac, Origin::Fixed)),
                };
            }
        }
        for (&anchor, port) in ports {
            for (&address, &mac) in &port.config.shared {
                let key = (port.config.link, address);
                let known = mac.unwrap_or(MacAddr::ZERO);
                held.entry(key).or_insert((None, known, Origin::Shared));
                if let Some(mac) = mac {
                    bound.entry((anchor, address)).or_insert(mac);
                }
            }
        }
        (held, bound)
    }

    fn bind_configured(&mut self, now: Millis, out: &mut Vec<Action>) {
        let (wanted, bound) = self.wanted();
        let held = self.held.iter().filter(|(_, held)| held.is_configured());
        let gone: Vec<Key> = held
            .filter(|(key, _)| !wanted.contains_key(key))
            .map(|(key, _)| *key)
            .collect();
        for key in gone {
            self.held.remove(&key);
            let (link, address) = key;
            out.push(Action::Release { link, address });
        }
        for (key, (anchor, mac, origin)) in wanted {
            match self.held.get(&key) {
                Some(held) if (held.anchor, held.mac, held.origin) == (anchor, mac, origin) => {
                    continue;
                }
                Some(held) if !held.is_configured() => drop(self.forget(key, out)),
                _ => {}
            }
            let held = Held::new(now, anchor, mac, origin);
            let before = self.held.insert(key, held.clone());
            if before.is_none_or(|before| before.anchor != anchor) {
                out.push(hold(key, &held));
            }
        }
        let before = std::mem::replace(&mut self.configured, bound);
        for &(anchor, address) in before.keys() {
            if !self.configured.contains_key(&(anchor, address)) {
                out.push(Action::Unbind { anchor, address });
            }
        }
        for (&(anchor, address), &mac) in &self.configured {
            if before.get(&(anchor, address)) != Some(&mac) {
                out.push(Action::Bind {
                    anchor,
                    address,
                    mac,
                });
            }
        }
    }

    /// Counts anew who has which MAC, and tells what differs.
    fn recount_macs(&mut self, out: &mut Vec<Action>) {
        let before = std::mem::take(&mut self.macs);
        let mut told = Vec::new();
        let mut reasons: Vec<(LinkId, MacAddr, Option<AnchorId>)> = Vec::new();
        for (&link, state) in &self.links {
            reasons.extend(state.config.own.values().map(|&mac| (link, mac, None)));
        }
        for (&anchor, port) in &self.ports {
            let macs = port.config.macs.iter();
            reasons.extend(macs.map(|&mac| (port.config.link, mac, Some(anchor))));
        }
        let held = self.held.iter().filter(|(_, held)| self.has_mac(held));
        reasons.extend(held.map(|(key, held)| (key.0, held.mac, held.anchor)));
        for (link, mac, anchor) in reasons {
            self.hold_mac(link, mac, anchor, &mut told);
        }
        for &(link, mac) in before.keys() {
            if !self.macs.contains_key(&(link, mac)) {
                out.push(Action::ReleaseMac { link, mac });
            }
        }
        for (&(link, mac), now) in &self.macs {
            if before.get(&(link, mac)).map(|hold| hold.anchor) != Some(now.anchor) {
                out.push(Action::HoldMac {
                    link,
                    mac,
                    anchor: now.anchor,
                });
            }
        }
        let delegations = told
            .into_iter()
            .filter(|action| matches!(action, Action::Delegate { .. }));
        out.extend(delegations);
    }
}
