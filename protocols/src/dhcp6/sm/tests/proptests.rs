//! Random conversations with a store that fails now and then: no resource is ever promised to two clients, what is in the book
//! is what was stored, and the counters add up.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// One step of a conversation.
#[derive(Clone, Debug)]
enum Step {
    /// Client, IAID, kind of message, what it names (an index into what was ever promised to anybody), prefix or address.
    Say(u8, u8, u8, u8, bool),
    Pass(u32),
    FailStore(bool),
    Restart,
    Configure(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (1..8u8, 0..3u8, 0..8u8, any::<u8>(), any::<bool>())
            .prop_map(|(n, iaid, kind, names, pd)| Step::Say(n, iaid, kind, names, pd)),
        3 => (1..100_000u32).prop_map(Step::Pass),
        2 => any::<bool>().prop_map(Step::FailStore),
        1 => Just(Step::Restart),
        1 => (0..4u8).prop_map(Step::Configure),
    ]
}

/// A small link, so that it is crowded; `n` changes what is reserved and what is in the pools.
fn crowded(n: u8) -> Config {
    let reservations = match n {
        0 => vec![],
        _ => vec![Reservation {
            mac: Some(mac(n)),
            addresses: vec![ip("2001:db8::1001")],
            prefixes: vec![net("2001:db8:8000::/60")],
            ..Reservation::default()
        }],
    };
    Config {
        subnets: vec![subnet(if n == 3 { 3 } else { 6 })],
        prefix_pools: vec![PrefixPool {
            min_len: 56,
            max_len: 64,
            ..PrefixPool::new(net("2001:db8:8000::/55"), 60)
        }],
        reservations,
        rapid_commit: n % 2 == 1,
        quarantine: Duration::from_secs(5000),
        relays: Relays::Any,
        ..Config::default()
    }
}

/// The server, its store, and what each client has been told.
struct World {
    bench: Bench,
    disk: BTreeMap<Resource, Lease>,
    fails: bool,
    /// What each resource's holder was promised and when that ends.
    promised: BTreeMap<Resource, (u8, u32, SystemTime)>,
    known: Vec<Resource>,
    sent: u64,
}

impl World {
    /// Does what the task does: writes, then the store's word, then what waited for it.
    fn carry_out(&mut self, n: Option<(u8, u32)>, actions: Vec<Action>) {
        let writes = writes(&actions);
        let failed = self.fails && !writes.is_empty();
        if failed {
            self.bench.event(Event::StoreFailed { writes });
        } else if !writes.is_empty() {
            for write in writes {
                assert_eq!(
                    self.disk.get(&write.resource),
                    write.before.as_ref(),
                    "a write without its past"
                );
                match write.after {
                    Some(lease) => drop(self.disk.insert(write.resource, lease)),
                    None => drop(self.disk.remove(&write.resource)),
                }
            }
            self.bench.event(Event::Stored);
        }
        for action in &actions {
            if let (
                Action::Send {
                    payload,
                    after_commit,
                    ..
                },
                Some((n, iaid)),
            ) = (action, n)
            {
                self.sent += 1;
                if !(*after_commit && failed) {
                    self.hear(n, iaid, payload);
                }
            }
        }
    }

    /// A client hears an answer.
    fn hear(&mut self, n: u8, iaid: u32, payload: &[u8]) {
        let reply = v6::Message::decode(&mut Decoder::new(payload)).unwrap();
        if reply.msg_type() != Type::Reply {
            return;
        }
        let of_na = |na: &&IANA| {
            leases(&na.opts)
                .into_iter()
                .map(|l| (Resource::V6(l.0), l.2))
                .collect::<Vec<_>>()
        };
        let of_pd = |pd: &&IAPD| {
            delegations(&pd.opts)
                .into_iter()
                .map(|l| (Resource::Prefix(l.0), l.2))
                .collect::<Vec<_>>()
        };
        let mut told: Vec<_> = nas(&reply).iter().flat_map(of_na).collect();
        told.extend(pds(&reply).iter().flat_map(of_pd));
        for (resource, valid) in told {
            if valid == 0 {
                if self
                    .promised
                    .get(&resource)
                    .is_some_and(|p| (p.0, p.1) == (n, iaid))
                {
                    self.promised.remove(&resource);
                }
                continue;
            }
            let until = self.bench.wall + Duration::from_secs(valid.into());
            for (other, (holder, their, end)) in &self.promised {
                let overlaps = match (resource, *other) {
                    (Resource::Prefix(a), Resource::Prefix(b)) => a.contains(&b) || b.contains(&a),
                    (a, b) => a == b,
                };
                // A port's machine that comes with another IAID takes its own over.
                let same = *holder == n && *other == resource;
                assert!(
                    !overlaps || same || *end <= self.bench.wall || (*holder, *their) == (n, iaid),
                    "{resource} promised to {n}, {other} still {holder}'s"
                );
            }
            self.promised.insert(resource, (n, iaid, until));
            self.known.push(resource);
        }
    }

    fn say(&mut self, n: u8, iaid: u32, kind: u8, names: u8, pd_wanted: bool) {
        let named = match self.known.len() {
            0 => None,
            len => Some(self.known[usize::from(names) % len]),
        };
        let (mut addresses, mut nets) = (vec![], vec![]);
        match named.filter(|_| !names.is_multiple_of(3)) {
            Some(Resource::V6(address)) => addresses.push(address),
            Some(Resource::Prefix(prefix)) => nets.push(prefix),
            _ => nets.push(net(
                ["::/56", "::/60", "::/64", "2001:db8:8000::/64"][usize::from(names) % 4]
            )),
        }
        let ia = if pd_wanted {
            pd(iaid, &nets)
        } else {
            na(iaid, &addresses)
        };
        if kind <= 2 {
            // Who begins anew uses nothing of before (RFC 8415 section 18).
            self.promised.retain(|resource, (holder, their, _)| {
                let same_kind = matches!(resource, Resource::Prefix(_)) == pd_wanted;
                !((*holder, *their) == (n, iaid) && same_kind)
            });
        }
        let message = match kind {
            0 => message(Type::Solicit, n, [ia]),
            1 => message(Type::Solicit, n, [ia, DhcpOption::RapidCommit]),
            2 => to_server(Type::Request, n, [ia]),
            3 => to_server(Type::Renew, n, [ia]),
            4 => message(Type::Rebind, n, [ia]),
            5 => message(Type::Confirm, n, [ia]),
            kind => {
                // The client does not use any more what it gives back, even when the answer is lost.
                for given in addresses
                    .iter()
                    .map(|a| Resource::V6(*a))
                    .chain(nets.iter().map(|p| Resource::Prefix(*p)))
                {
                    if self
                        .promised
                        .get(&given)
                        .is_some_and(|p| (p.0, p.1) == (n, iaid))
                    {
                        self.promised.remove(&given);
                    }
                }
                to_server(
                    if kind == 6 {
                        Type::Release
                    } else {
                        Type::Decline
                    },
                    n,
                    [ia],
                )
            }
        };
        let actions = self.bench.send(n, &bytes(&message));
        self.carry_out(Some((n, iaid)), actions);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Say(n, iaid, kind, names, pd) => self.say(n, iaid.into(), kind, names, pd),
            Step::Pass(seconds) => {
                let end = self.bench.now + Duration::from_secs(seconds.into());
                // While the store fails, ends are tried every two seconds: a few of them tell the rest.
                for _ in 0..20 {
                    let due = self.bench.machine.next_deadline();
                    let Some(due) = due.filter(|due| *due <= end) else {
                        break;
                    };
                    self.bench.advance(due.max(self.bench.now));
                    let actions = self.bench.event(Event::Timer);
                    self.carry_out(None, actions);
                }
                self.bench.advance(end);
            }
            Step::FailStore(fails) => self.fails = fails,
            Step::Restart => {
                let (now, wall) = (self.bench.now, self.bench.wall);
                let config = self.bench.machine.links[&LINK].config.clone();
                let counters = self.bench.counters().clone();
                self.bench.machine = Machine::new(identity(), 3, now, wall);
                self.bench.configure(LINK, config);
                let leases = self.disk.values().cloned().collect();
                self.bench.event(Event::Loaded { leases });
                self.bench.machine.links.get_mut(&LINK).unwrap().counters = counters;
            }
            Step::Configure(n) => {
                let refused = self.bench.configure(LINK, crowded(n));
                let is_notice = |a: &Action| matches!(a, Action::Notice(_));
                assert!(!refused.iter().any(is_notice), "{refused:?}");
            }
        }
        let book: BTreeMap<_, _> = self
            .bench
            .machine
            .book()
            .iter()
            .map(|l| (l.resource, l.clone()))
            .collect();
        assert_eq!(book, self.disk, "the book is what was stored");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_is_promised_twice(steps in proptest::collection::vec(step(), 1..100)) {
        let mut world = World {
            bench: Bench::new(crowded(0)),
            disk: BTreeMap::new(),
            fails: false,
            promised: BTreeMap::new(),
            known: Vec::new(),
            sent: 0,
        };
        for step in steps {
            world.step(step);
        }
        let c = world.bench.counters();
        let received = c.solicits + c.requests + c.confirms + c.renews + c.rebinds + c.releases + c.declines;
        let silent = c.unanswered + c.not_stored + c.not_loaded + c.left_to_others;
        prop_assert_eq!(received, c.advertises + c.replies + silent);
        prop_assert_eq!(world.sent, c.advertises + c.replies);
        prop_assert!(c.invalid.is_empty());
        for (resource, (n, iaid, until)) in &world.promised {
            if *until > world.bench.wall {
                let lease = world.disk.get(resource);
                let client = ClientId::new(&duid(*n)).unwrap();
                prop_assert!(
                    lease.is_some_and(|l| l.state == State::Bound && l.holder.client == client && l.holder.iaid == *iaid),
                    "{} was promised to {} and stands as {:?}", resource, n, lease
                );
            }
        }
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(payload in proptest::collection::vec(any::<u8>(), 0..300), kind in 1..13u8) {
        let mut bench = Bench::new(Config { relays: Relays::Any, ..config() });
        bench.send(1, &payload);
        let mut typed = payload;
        if let Some(first) = typed.first_mut() {
            *first = kind;
        }
        bench.send(1, &typed);
    }
}
