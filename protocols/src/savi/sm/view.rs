//! What people see.

use super::super::event::Snapshot;
use super::*;

impl Machine {
    /// The addresses of one port, or of all links, by link and address.
    pub fn snapshot(&self, now: Millis, anchor: Option<AnchorId>, seen: Seen<'_>) -> Vec<Snapshot> {
        let all = self.held.iter();
        let wanted = all.filter(|(_, held)| anchor.is_none() || held.anchor == anchor);
        let view = |(key, held): (&Key, &Held)| {
            let is_heard = !held.is_configured();
            let heard = heard(now, key, held, seen);
            Snapshot {
                link: key.0,
                anchor: held.anchor,
                address: key.1,
                mac: held.mac,
                origin: held.origin,
                state: held.state,
                age: is_heard.then(|| now.saturating_sub(heard)),
                left: match held.origin {
                    Origin::Leased => self.leases.get(key).and_then(|lease| lease.until),
                    Origin::Learned | Origin::Stranger => Some(match held.state {
                        State::Valid => end_of(&self.timing, held, heard),
                        _ => held.due.unwrap_or(now),
                    }),
                    _ => None,
                }
                .map(|end| end.saturating_sub(now)),
            }
        };
        let mut all: Vec<Snapshot> = wanted.map(view).collect();
        // What several ports share is each one's.
        for (&(of, address), &mac) in &self.configured {
            let Some(port) = self.ports.get(&of) else {
                continue;
            };
            let key = (port.config.link, address);
            let is_fixed = self.held.get(&key).is_some_and(|h| h.anchor == Some(of));
            if anchor.is_none_or(|wanted| wanted == of) && !is_fixed {
                all.push(Snapshot {
                    link: key.0,
                    anchor: Some(of),
                    address,
                    mac,
                    origin: Origin::Shared,
                    state: State::Valid,
                    age: None,
                    left: None,
                });
            }
        }
        all.sort_unstable_by_key(|view| (view.link, view.address, view.anchor));
        all
    }

    /// Each port, how many addresses of IPv6 and IPv4 it has learned, and its counters.
    pub fn ports(&self) -> impl Iterator<Item = (AnchorId, [usize; 2], &Counters)> {
        let ports = self.ports.iter();
        ports.map(|(&id, port)| {
            (
                id,
                port.learned.each_ref().map(BTreeSet::len),
                &port.counters,
            )
        })
    }

    /// How many addresses are held on all links.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}
