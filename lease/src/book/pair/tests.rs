//! Two books, and what one makes of what the other tells; random ones that can talk at times, and never give anything twice.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::*;
use crate::testing::{holder, lan, lease, realm};
use crate::{Allocation, Lengths, Pool};

const RETENTION: u64 = 100;

fn at(seconds: u64) -> Wall {
    Wall::from_secs(seconds)
}

fn date(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn pool(last: &str) -> Pool {
    let range = "192.0.2.1".parse().unwrap()..=last.parse().unwrap();
    Pool::v4(&[range], &[]).unwrap()
}

fn book(half: Half, pool: Pool) -> Book {
    let mut book = Book::new(Duration::from_secs(RETENTION));
    book.set_standing(Standing::Paired(half));
    book.set_pool(lan(), pool);
    book.tick(date(1000));
    book
}

fn pair() -> [Book; 2] {
    [Half::Even, Half::Odd].map(|half| book(half, pool("192.0.2.8")))
}

fn v4(text: &str) -> Resource {
    text.parse().unwrap()
}

/// What one tells the other of a resource, and the answer.
fn tell(from: &mut Book, to: &mut Book, resource: &str, now: u64) -> Adoption {
    let lease = from.get(realm(), v4(resource)).unwrap().clone();
    let adoption = to.adopt(lease.clone(), at(now));
    if matches!(adoption, Adoption::Taken(_) | Adoption::Known) {
        let (realm, resource) = (lease.realm(), lease.resource);
        from.acked(realm, resource, lease.stamp, has_ended(&lease));
    }
    adoption
}

#[test]
fn each_gives_its_half_and_nothing_else() {
    let [even, odd] = pair();
    for n in 0..50 {
        for (book, rest) in [(&even, 0), (&odd, 1)] {
            let Some(Resource::V4(address)) = book.free(lan(), &holder(n), None, 7) else {
                panic!("something is free");
            };
            assert_eq!(address.to_bits() % 2, rest);
            // A hint at the other half is not followed.
            let other = v4(&format!("192.0.2.{}", 3 - rest));
            assert_ne!(book.free(lan(), &holder(n), Some(other), 7), Some(other));
            assert!(book.may_borrow(lan(), &holder(n), other));
            assert!(book.is_others(lan(), other));
            assert!(!book.is_others(lan(), v4("192.0.2.77")), "of no pool");
        }
    }
}

#[test]
fn a_half_that_is_used_up_says_so_and_the_other_can_be_asked_for() {
    for last in ["192.0.2.200", "192.0.255.200", "192.15.2.1"] {
        let [mut even, odd] = [Half::Even, Half::Odd].map(|half| book(half, pool(last)));
        let mut n = 0;
        while let Some(resource) = even.free(lan(), &holder(n), None, n.into()) {
            even.put(lease(&resource.to_string(), n, 2000));
            n += 1;
            if n == 40_000 {
                break;
            }
        }
        if n < 40_000 {
            let Resource::V4(last) = v4(last) else {
                unreachable!("it is one")
            };
            let all = last.to_bits() - v4_bits("192.0.2.1") + 1;
            assert_eq!(n, all / 2, "{last}");
        }
        let borrowed = even.borrow(lan(), &holder(n), None, 5).unwrap();
        assert!(even.is_others(lan(), borrowed));
        let asked = lease(&borrowed.to_string(), n, 2000);
        assert!(odd.may_lend(&asked));
        assert!(!even.may_lend(&asked));
    }
}

fn v4_bits(text: &str) -> u32 {
    match v4(text) {
        Resource::V4(address) => address.to_bits(),
        Resource::V6(_) | Resource::Prefix(_) => unreachable!("it is one"),
    }
}

#[test]
fn prefixes_are_of_the_half_of_the_shortest_that_is_delegated() {
    let lengths = Lengths {
        min: 48,
        default: 56,
        max: 64,
    };
    let pool = Pool::prefixes(&["2001:db8::/44".parse().unwrap()], &[], lengths).unwrap();
    let books = [Half::Even, Half::Odd].map(|half| book(half, pool.clone()));
    for (mut book, rest) in books.into_iter().zip([0, 1]) {
        let mut given = Vec::new();
        for n in 0..100_000 {
            let hint = ["2001:db8:f::/60", "2001:db8::/56", "2001:db8::/64"][n as usize % 3];
            let found = book.free(lan(), &holder(n), Some(hint.parse().unwrap()), 3);
            let Some(Resource::Prefix(prefix)) = found else {
                break;
            };
            let block = prefix.network().to_bits() >> 80;
            assert_eq!(block % 2, rest, "{prefix}");
            let overlap =
                |other: &ipnet::Ipv6Net| other.contains(&prefix) || prefix.contains(other);
            assert!(!given.iter().any(overlap), "{prefix}");
            given.push(prefix);
            book.put(lease(&prefix.to_string(), n, 9000));
            if n > 3000 {
                break;
            }
        }
        assert!(given.len() > 2000, "{}", given.len());
    }
}

#[test]
fn a_lease_is_taken_over_and_goes_on_there() {
    let [mut even, mut odd] = pair();
    even.put(lease("192.0.2.2", 1, 2000));
    assert!(matches!(
        tell(&mut even, &mut odd, "192.0.2.2", 1000),
        Adoption::Taken(_)
    ));
    assert!(even.is_acked(realm(), v4("192.0.2.2")));
    assert_eq!(
        odd.get(realm(), v4("192.0.2.2")),
        even.get(realm(), v4("192.0.2.2"))
    );
    assert_eq!(
        tell(&mut even, &mut odd, "192.0.2.2", 1000),
        Adoption::Known
    );
    // The client renews at the other one, and the first hears of it.
    odd.put(lease("192.0.2.2", 1, 3000));
    assert_eq!(
        tell(&mut even, &mut odd, "192.0.2.2", 1500),
        Adoption::Older
    );
    assert!(matches!(
        tell(&mut odd, &mut even, "192.0.2.2", 1500),
        Adoption::Taken(_)
    ));
    assert_eq!(even.get(realm(), v4("192.0.2.2")).unwrap().ends, at(3000));
}

#[test]
fn what_has_ended_is_nobody_elses_before_the_other_has_said_so() {
    let [mut even, mut odd] = pair();
    for n in [2, 4, 6, 8] {
        even.put(lease(&format!("192.0.2.{n}"), n, 2000));
        tell(&mut even, &mut odd, &format!("192.0.2.{n}"), 1000);
    }
    // Nothing is left; one has ended, also long ago.
    odd.put(lease("192.0.2.4", 4, 9000));
    assert_eq!(even.expire(at(5000), 100).len(), 4);
    assert_eq!(even.due(), None, "it waits for the other's word");
    assert_eq!(even.free(lan(), &holder(9), None, 1), None);
    assert_eq!(
        even.free(lan(), &holder(2), Some(v4("192.0.2.2")), 1),
        Some(v4("192.0.2.2")),
        "to its last holder it is free"
    );
    // By the other's clock it has not ended.
    assert_eq!(
        tell(&mut even, &mut odd, "192.0.2.2", 1500),
        Adoption::Early
    );
    assert_eq!(even.free(lan(), &holder(9), None, 1), None);
    // It has let it last longer.
    assert_eq!(
        tell(&mut even, &mut odd, "192.0.2.4", 5000),
        Adoption::Older
    );
    assert!(matches!(
        tell(&mut odd, &mut even, "192.0.2.4", 5000),
        Adoption::Taken(_)
    ));
    // It agrees.
    assert!(matches!(
        tell(&mut even, &mut odd, "192.0.2.6", 5000),
        Adoption::Taken(_)
    ));
    assert_eq!(even.free(lan(), &holder(9), None, 1), Some(v4("192.0.2.6")));
    // Both forget it, and nothing is told of that.
    let gone = even.expire(at(5000), 100);
    assert_eq!((gone.len(), gone[0].after.clone()), (1, None));
    odd.expire(at(5000), 100);
    assert_eq!(odd.get(realm(), v4("192.0.2.6")), None);
    assert_ne!(
        odd.get(realm(), v4("192.0.2.2")),
        None,
        "it has run out there by itself"
    );
}

#[test]
fn what_is_taken_back_is_kept_until_the_other_has_heard() {
    let [mut even, mut odd] = pair();
    even.put(lease("192.0.2.2", 1, 2000));
    tell(&mut even, &mut odd, "192.0.2.2", 1000);
    odd.release(realm(), v4("192.0.2.2"), at(1100)).unwrap();
    assert!(
        odd.remove(realm(), v4("192.0.2.2"), at(1200))
            .unwrap()
            .after
            .is_some()
    );
    odd.expire(at(1200), 10);
    assert!(matches!(
        tell(&mut odd, &mut even, "192.0.2.2", 1200),
        Adoption::Taken(_)
    ));
    odd.expire(at(1200), 10);
    even.expire(at(1200), 10);
    assert_eq!((even.len(), odd.len()), (0, 0));
    // An offer was never told.
    let mut offer = lease("192.0.2.2", 1, 2000);
    offer.state = State::Offered;
    even.put(offer);
    assert_eq!(
        even.remove(realm(), v4("192.0.2.2"), at(1300))
            .unwrap()
            .after,
        None
    );
}

#[test]
fn the_survivor_gives_everything_and_no_more_when_the_other_is_back() {
    let [mut even, _] = pair();
    for n in [2, 4, 6, 8] {
        even.put(lease(&format!("192.0.2.{n}"), n, 2000));
    }
    even.expire(at(2000), 100);
    assert_eq!(even.free(lan(), &holder(9), None, 1), None);
    even.set_standing(Standing::Survivor(Half::Even));
    let given = even.free(lan(), &holder(9), None, 1).unwrap();
    assert_eq!(
        v4_bits(&given.to_string()) % 2,
        1,
        "what is free before what was somebody's"
    );
    even.expire(at(2100), 100);
    assert_eq!(even.len(), 0, "nobody has to agree");
    even.set_standing(Standing::Paired(Half::Even));
    for n in 0..20 {
        let given = even.free(lan(), &holder(n), None, 1).unwrap();
        assert_eq!(v4_bits(&given.to_string()) % 2, 0);
    }
}

#[test]
fn a_word_that_is_older_changes_nothing() {
    let [mut even, mut odd] = pair();
    even.put(lease("192.0.2.2", 1, 2000));
    let old = even.get(realm(), v4("192.0.2.2")).unwrap().clone();
    even.put(lease("192.0.2.2", 1, 3000));
    tell(&mut even, &mut odd, "192.0.2.2", 1000);
    assert_eq!(odd.adopt(old.clone(), at(1000)), Adoption::Older);
    even.acked(realm(), old.resource, old.stamp, false);
    even.release(realm(), v4("192.0.2.2"), at(1100)).unwrap();
    assert!(!even.is_acked(realm(), v4("192.0.2.2")));
    // A host's word that it has formed an address is no lease's end, however new.
    let mut formed = lease("192.0.2.4", 7, 9000);
    even.put(lease("192.0.2.4", 1, 3000));
    formed.state = State::Registered;
    formed.stamp = Stamp::from_bits(u64::MAX >> 1);
    assert_eq!(even.adopt(formed, at(1000)), Adoption::Older);
}

/// A step of two routers that serve clients.
#[derive(Clone, Debug)]
enum Step {
    /// A client asks a router for an address, or for more time.
    Ask { at: usize, client: u32, time: u32 },
    /// It gives its address back.
    Release { at: usize, client: u32 },
    /// Time passes.
    Pass(u32),
    /// One tells the other all that it has, up to so many.
    Tell { from: usize, most: usize },
    /// A router starts again from its disk.
    Restart(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..2usize, 0..12u32, 1..200u32).prop_map(|(at, client, time)| Step::Ask { at, client, time }),
        1 => (0..2usize, 0..12u32).prop_map(|(at, client)| Step::Release { at, client }),
        3 => (1..150u32).prop_map(Step::Pass),
        2 => (0..2usize, 0..20usize).prop_map(|(from, most)| Step::Tell { from, most }),
        1 => (0..2usize).prop_map(Step::Restart),
    ]
}

/// Two routers, and what their clients were told.
struct World {
    books: [Book; 2],
    disks: [BTreeMap<Resource, Lease>; 2],
    now: u64,
    /// Until when each client may use each address.
    has: BTreeMap<(u32, Resource), Wall>,
}

impl World {
    fn new() -> Self {
        World {
            books: pair(),
            disks: Default::default(),
            now: 1000,
            has: BTreeMap::new(),
        }
    }

    fn store(&mut self, at: usize, writes: Vec<Write>) {
        for write in writes {
            match write.after {
                Some(lease) => drop(self.disks[at].insert(write.resource, lease)),
                None => drop(self.disks[at].remove(&write.resource)),
            }
        }
    }

    fn ask(&mut self, at: usize, client: u32, time: u32) {
        let (now, who) = (Wall::from_secs(self.now), holder(client));
        let book = &mut self.books[at];
        let mut of = book.of_holder(&who).filter(|l| l.state == State::Bound);
        let has = of.next().map(|l| l.resource);
        drop(of);
        let Some(resource) = has.or_else(|| book.free(lan(), &who, None, 1)) else {
            return;
        };
        let ends = now.after(time);
        let write = book.put(Lease::bound(resource, who, lan(), now, ends, ends));
        self.store(at, vec![write]);
        let others = self
            .has
            .iter()
            .filter(|((c, r), until)| *c != client && *r == resource && now < **until);
        assert_eq!(others.count(), 0, "{resource} is given twice");
        self.has.insert((client, resource), ends);
    }

    fn expire(&mut self) {
        for at in 0..2 {
            self.books[at].tick(date(self.now));
            let writes = self.books[at].expire(Wall::from_secs(self.now), 1000);
            self.store(at, writes);
        }
    }

    fn tell(&mut self, from: usize, most: usize) {
        let to = 1 - from;
        let now = Wall::from_secs(self.now);
        let told: Vec<Lease> = self.books[from].iter().take(most).cloned().collect();
        for lease in told {
            let adoption = self.books[to].adopt(lease.clone(), now);
            let has = match adoption {
                Adoption::Taken(write) => {
                    self.store(to, vec![write]);
                    true
                }
                Adoption::Known => true,
                Adoption::Older | Adoption::Early => false,
            };
            if has {
                let (realm, resource) = (lease.realm(), lease.resource);
                self.books[from].acked(realm, resource, lease.stamp, has_ended(&lease));
            }
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Ask { at, client, time } => self.ask(at, client, time),
            Step::Release { at, client } => {
                let now = Wall::from_secs(self.now);
                let who = holder(client);
                let mut of = self.books[at].of_holder(&who);
                let bound = of.find(|l| l.state == State::Bound).map(|l| l.resource);
                drop(of);
                if let Some(resource) = bound {
                    let write = self.books[at].release(realm(), resource, now);
                    self.store(at, write.into_iter().collect());
                    self.has.remove(&(client, resource));
                }
            }
            Step::Pass(seconds) => {
                self.now += u64::from(seconds);
                self.expire();
            }
            Step::Tell { from, most } => self.tell(from, most),
            Step::Restart(at) => {
                let half = [Half::Even, Half::Odd][at];
                let pool = pool("192.0.2.8").with_allocation(Allocation::Random);
                self.books[at] = book(half, pool);
                for lease in self.disks[at].values() {
                    self.books[at].insert(lease.clone());
                }
                self.expire();
            }
        }
        // Stamps of changes in one second have an order, too.
        self.now += 1;
        self.expire();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_is_given_twice_and_in_the_end_both_say_the_same(
        steps in prop::collection::vec(step(), 1..80)
    ) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        for _ in 0..4 {
            world.tell(0, usize::MAX);
            world.tell(1, usize::MAX);
            world.expire();
        }
        let [even, odd] = &world.books;
        let all = |book: &Book| {
            let leases = book.iter().map(|l| (l.resource, l.clone()));
            leases.collect::<BTreeMap<_, _>>()
        };
        prop_assert_eq!(all(even), all(odd));
        prop_assert_eq!(&world.disks[0], &all(even));
        prop_assert_eq!(&world.disks[1], &all(odd));
        // Whoever was promised something has it, or has let it run out.
        for ((client, resource), until) in &world.has {
            let known = even.get(realm(), *resource);
            let is_his = known.is_some_and(|l| l.holder == holder(*client) && l.ends == *until);
            prop_assert!(is_his || *until <= Wall::from_secs(world.now), "{client} has {resource}");
        }
    }
}
