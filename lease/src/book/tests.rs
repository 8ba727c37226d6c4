//! The book's indexes against plain maps, its pools against what they may never give, and each life of a lease.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use proptest::prelude::*;

use super::*;
use crate::testing::{holder, in_realm, lan, lease, realm, unstamped};
use crate::{Allocation, Kind, Lengths};

const DAY: Duration = Duration::from_secs(86_400);

fn at(seconds: u64) -> Wall {
    Wall::from_secs(seconds)
}

fn net(text: &str) -> Ipv6Net {
    text.parse().unwrap()
}

fn v6_pool(first: &str, last: &str) -> Pool {
    let range = first.parse().unwrap()..=last.parse().unwrap();
    Pool::v6(&[range], &[]).unwrap()
}

fn given(book: &Book, n: u32, hint: Option<&str>) -> Option<String> {
    let hint = hint.map(|hint| hint.parse().unwrap());
    book.free(lan(), &holder(n), hint, u64::from(n) * 77)
        .map(|resource| resource.to_string())
}

#[test]
fn a_lease_runs_out_is_kept_and_is_forgotten() {
    let mut book = Book::new(Duration::from_secs(100));
    let resource = "2001:db8::1".parse().unwrap();
    book.put(lease("2001:db8::1", 1, 2000));
    assert_eq!(book.due(), Some(at(2000)));
    assert_eq!(book.expire(at(1999), 10), []);
    let writes = book.expire(at(2000), 10);
    assert_eq!(writes.len(), 1);
    let kept = book.get(realm(), resource).unwrap();
    assert_eq!((kept.state, kept.ends), (State::Released, at(2100)));
    assert_eq!(writes[0].after.as_ref(), Some(kept));
    assert_eq!(book.counts(lan()).released, 1);
    assert_eq!(book.due(), Some(at(2100)));
    let writes = book.expire(at(2100), 10);
    assert_eq!(writes[0].after, None);
    assert!(book.is_empty());
    assert_eq!(book.due(), None);
    assert_eq!(book.counts(lan()), Counts::default());
}

#[test]
fn after_a_long_silence_leases_end_at_once_and_in_portions() {
    let mut book = Book::new(Duration::from_secs(100));
    for n in 0..10 {
        book.put(lease(&format!("2001:db8::{n}"), n, 2000 + u64::from(n)));
    }
    assert_eq!(book.expire(at(5000), 4).len(), 4);
    assert_eq!(book.due(), Some(at(2004)));
    assert_eq!(book.expire(at(5000), 100).len(), 6);
    assert!(book.is_empty());
}

#[test]
fn never_is_never() {
    let mut book = Book::new(DAY);
    let forever = Lease {
        ends: Wall::NEVER,
        ..lease("2001:db8::1", 1, 0)
    };
    book.put(forever);
    assert_eq!(book.due(), None);
    assert_eq!(book.expire(at(u64::MAX), 10), []);
}

#[test]
fn release_and_decline() {
    let mut book = Book::new(Duration::from_secs(100));
    book.set_pool(lan(), v6_pool("2001:db8::1", "2001:db8::2"));
    let [one, two] = ["2001:db8::1", "2001:db8::2"].map(|r| r.parse().unwrap());
    book.put(lease("2001:db8::1", 1, 2000));
    book.put(lease("2001:db8::2", 2, 2000));
    assert_eq!(given(&book, 3, None), None);
    book.decline(realm(), one, at(1500), Duration::from_secs(1000))
        .unwrap();
    assert_eq!(book.get(realm(), one).unwrap().ends, at(2500));
    assert_eq!(given(&book, 1, Some("2001:db8::1")), None);
    assert_eq!(book.decline(realm(), one, at(1500), DAY), None);
    assert_eq!(book.release(realm(), one, at(1500)), None);
    book.release(realm(), two, at(1500)).unwrap();
    // Nothing else is left: anybody may have what is merely kept.
    assert_eq!(given(&book, 3, None).as_deref(), Some("2001:db8::2"));
    assert_eq!(
        given(&book, 2, Some("2001:db8::2")).as_deref(),
        Some("2001:db8::2")
    );
    book.expire(at(2500), 10);
    // But not as long as something is free.
    book.put(Lease {
        state: State::Released,
        ..lease("2001:db8::2", 2, 9000)
    });
    assert_eq!(given(&book, 3, None).as_deref(), Some("2001:db8::1"));
    assert_eq!(
        given(&book, 3, Some("2001:db8::2")).as_deref(),
        Some("2001:db8::1")
    );
    assert_eq!(
        given(&book, 2, Some("2001:db8::2")).as_deref(),
        Some("2001:db8::2")
    );
}

#[test]
fn an_address_is_another_in_another_realm() {
    let mut book = Book::new(Duration::from_secs(100));
    let one: Resource = "2001:db8::1".parse().unwrap();
    let theirs = in_realm("tenant", lease("2001:db8::1", 1, 3000));
    let (tenant, scope) = (theirs.realm(), theirs.scope);
    for scope in [lan(), scope] {
        book.set_pool(scope, v6_pool("2001:db8::1", "2001:db8::1"));
    }
    book.put(lease("2001:db8::1", 1, 2000));
    assert_eq!(given(&book, 2, None), None);
    assert_eq!(book.free(scope, &holder(2), None, 0), Some(one));
    let write = book.put(theirs.clone());
    assert_eq!((write.realm, write.before), (tenant, None));
    assert_eq!(book.of_holder(&holder(1)).count(), 2);
    // What becomes of the one is nothing to the other.
    book.release(realm(), one, at(1500)).unwrap();
    assert_eq!(book.get(tenant, one).map(unstamped), Some(theirs));
    book.decline(tenant, one, at(1500), DAY).unwrap();
    assert_eq!(book.get(realm(), one).unwrap().state, State::Released);
    let gone = book.remove(tenant, one, at(0)).unwrap();
    assert_eq!((gone.realm, book.len()), (tenant, 1));
    book.undo(&gone);
    assert_eq!(book.get(tenant, one).unwrap().state, State::Declined);
    book.reserve(scope, one);
    assert!(!book.is_reserved(lan(), one));
    assert_eq!(given(&book, 2, None).as_deref(), Some("2001:db8::1"));
}

#[test]
fn without_retention_a_released_lease_is_gone() {
    let mut book = Book::new(Duration::ZERO);
    book.put(lease("2001:db8::1", 1, 2000));
    let write = book
        .release(realm(), "2001:db8::1".parse().unwrap(), at(1500))
        .unwrap();
    assert_eq!(write.after, None);
    assert!(book.is_empty());
}

#[test]
fn reservations_are_for_others_to_keep_out() {
    let mut book = Book::new(DAY);
    book.set_pool(lan(), v6_pool("2001:db8::1", "2001:db8::2"));
    let one: Resource = "2001:db8::1".parse().unwrap();
    book.reserve(lan(), one);
    assert!(book.is_reserved(lan(), one));
    assert_eq!(
        given(&book, 1, Some("2001:db8::1")).as_deref(),
        Some("2001:db8::2")
    );
    // By whom it is reserved for; and it stays reserved when that one is gone.
    book.put(lease("2001:db8::1", 9, 2000));
    book.put(lease("2001:db8::2", 2, 2000));
    book.release(realm(), one, at(1500));
    assert_eq!(given(&book, 9, None), None);
    book.unreserve(lan(), one);
    assert_eq!(given(&book, 9, None).as_deref(), Some("2001:db8::1"));
    // A reservation outlives the pool.
    book.reserve(lan(), one);
    book.remove_pool(lan());
    book.set_pool(lan(), v6_pool("2001:db8::1", "2001:db8::2"));
    assert_eq!(given(&book, 9, None), None);
}

#[test]
fn a_pool_that_comes_later_knows_its_leases() {
    let mut book = Book::new(DAY);
    book.put(lease("2001:db8::1", 1, 2000));
    book.put(lease("2001:db8:1::/56", 2, 2000));
    assert_eq!(given(&book, 3, None), None, "no pool yet");
    book.set_pool(lan(), v6_pool("2001:db8::1", "2001:db8::1"));
    assert_eq!(given(&book, 3, None), None);
    let prefixes = Pool::prefixes(&[net("2001:db8:1::/55")], &[], Lengths::only(56)).unwrap();
    book.set_pool(lan(), prefixes);
    assert_eq!(
        given(&book, 3, None).as_deref(),
        Some("2001:db8:1:100::/56")
    );
}

#[test]
fn other_lengths_in_a_pool_of_one_length_are_respected() {
    let mut book = Book::new(DAY);
    let pool = |len| Pool::prefixes(&[net("2001:db8::/48")], &[], Lengths::only(len)).unwrap();
    book.set_pool(lan(), pool(56));
    for n in 0..255 {
        let prefix = given(&book, n, None).unwrap();
        book.put(lease(&prefix, n, 2000));
    }
    // The pool delegates smaller ones from now on; the larger ones stay leased.
    book.set_pool(lan(), pool(60));
    let mut seen = BTreeSet::new();
    while let Some(prefix) = given(&book, 1000, None) {
        assert!(seen.insert(prefix.clone()), "{prefix}");
        book.put(lease(&prefix, 1000, 2000));
    }
    assert_eq!(seen.len(), 16, "one /56 was left");
    // A reservation larger than what is delegated.
    let mut book = Book::new(DAY);
    book.set_pool(lan(), pool(60));
    book.reserve(lan(), "2001:db8::/49".parse().unwrap());
    for n in 0..100 {
        let prefix = net(&given(&book, n, None).unwrap());
        assert!(net("2001:db8:0:8000::/49").contains(&prefix), "{prefix}");
    }
    book.unreserve(lan(), "2001:db8::/49".parse().unwrap());
    assert!(given(&book, 1, Some("2001:db8::/60")).is_some_and(|p| p == "2001:db8::/60"));
}

#[test]
fn deterministic_allocation_outlives_the_book() {
    let range = "2001:db8::1000".parse().unwrap()..="2001:db8::1fff".parse().unwrap();
    let pool = Pool::v6(&[range], &[]).unwrap();
    let given = |secret| {
        let mut book = Book::new(DAY);
        let pool = pool.clone();
        book.set_pool(
            lan(),
            pool.with_allocation(Allocation::Deterministic { secret }),
        );
        let free = |n| book.free(lan(), &holder(n), None, rand_like(n)).unwrap();
        (0..50).map(free).collect::<Vec<_>>()
    };
    assert_eq!(given([1, 2]), given([1, 2]));
    assert_ne!(given([1, 2]), given([1, 3]));
    let distinct: BTreeSet<_> = given([1, 2]).into_iter().collect();
    assert!(distinct.len() > 45, "{}", distinct.len());
}

fn rand_like(n: u32) -> u64 {
    crate::siphash([5, 6], &n.to_le_bytes())
}

#[test]
fn huge_pools_cost_nothing_and_never_repeat() {
    let mut book = Book::new(DAY);
    book.set_pool(
        lan(),
        v6_pool("2001:db8::", "2001:db8::ffff:ffff:ffff:ffff"),
    );
    for n in 0..5000 {
        let free = book.free(lan(), &holder(n), None, rand_like(n)).unwrap();
        assert_eq!(book.get(realm(), free), None);
        book.put(lease(&free.to_string(), n, 2000));
    }
    assert_eq!(book.len(), 5000);
}

#[test]
fn a_crowded_pool_is_used_up_to_the_last() {
    // Above the size that has its bitmap from the start.
    let size = 70_000;
    let first: u32 = 0x0a00_0000;
    let mut book = Book::new(DAY);
    let range = first.into()..=(first + size - 1).into();
    book.set_pool(lan(), Pool::v4(&[range], &[]).unwrap());
    for n in 0..size {
        let free = book.free(lan(), &holder(n), None, rand_like(n)).unwrap();
        assert_eq!(book.get(realm(), free), None);
        book.insert(lease(&free.to_string(), n, 2000));
    }
    assert_eq!(book.free(lan(), &holder(size), None, 1), None);
    book.remove(realm(), "10.0.200.200".parse().unwrap(), at(0))
        .unwrap();
    let free = book.free(lan(), &holder(size), None, 1).unwrap();
    assert_eq!(free.to_string(), "10.0.200.200");
}

// ===== against a plain model =====

#[derive(Clone, Debug)]
enum Op {
    Put {
        address: u8,
        holder: u32,
        state: State,
        ends: u64,
    },
    Remove(u8),
    Release(u8),
    Decline(u8),
    Reserve(u8),
    Unreserve(u8),
    Expire,
    Undo(usize),
    NewPool {
        last: u8,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let address = 0u8..40;
    prop_oneof![
        6 => (address.clone(), 0u32..8, prop::sample::select(&State::ALL[..]), 0u64..200)
            .prop_map(|(address, holder, state, ends)| Op::Put { address, holder, state, ends }),
        2 => address.clone().prop_map(Op::Remove),
        2 => address.clone().prop_map(Op::Release),
        1 => address.clone().prop_map(Op::Decline),
        1 => address.clone().prop_map(Op::Reserve),
        1 => address.prop_map(Op::Unreserve),
        2 => Just(Op::Expire),
        2 => (1usize..5).prop_map(Op::Undo),
        1 => (10u8..40).prop_map(|last| Op::NewPool { last }),
    ]
}

/// Three kinds of spaces behind the same forty resources.
#[derive(Clone, Copy, Debug)]
enum Space {
    Addresses,
    Uniform,
    Mixed,
}

impl Space {
    fn resource(self, n: u8) -> Resource {
        let n = u128::from(n);
        let prefix = |bits: u128, len| {
            let net = Ipv6Net::new_assert((0x2001_0db8_u128 << 96 | bits << 64).into(), len);
            Resource::Prefix(net.trunc())
        };
        match self {
            // The first one is the subnet-router anycast address, which no pool has.
            Space::Addresses => Resource::V6((0x2001_0db8_u128 << 96 | n).into()),
            Space::Uniform => prefix(n << 8, 56),
            // Lengths 48 to 58, many inside of others: what the caller puts need not come from `free`.
            Space::Mixed => prefix((n % 10) << 10 | n << 6, 48 + (n % 3 * 5) as u8),
        }
    }

    fn pool(self, last: u8) -> Pool {
        match self {
            Space::Addresses => {
                let exclude = address(self.resource(3))..=address(self.resource(4));
                let range = address(self.resource(0))..=address(self.resource(last));
                Pool::v6(&[range], &[exclude]).unwrap()
            }
            Space::Uniform => {
                let base = [net("2001:db8::/52"), net("2001:db8:0:2000::/53")];
                Pool::prefixes(&base, &[net("2001:db8:0:400::/57")], Lengths::only(56)).unwrap()
            }
            Space::Mixed => {
                let lengths = Lengths {
                    min: 48,
                    default: 56,
                    max: 60,
                };
                let base = [net("2001:db8::/47"), net("2001:db8:4::/48")];
                Pool::prefixes(&base, &[net("2001:db8:0:ff::/64")], lengths).unwrap()
            }
        }
    }
}

fn address(resource: Resource) -> Ipv6Addr {
    match resource {
        Resource::V6(address) => address,
        other => panic!("{other}"),
    }
}

fn overlap(a: Resource, b: Resource) -> bool {
    match (a, b) {
        (Resource::Prefix(a), Resource::Prefix(b)) => a.contains(&b) || b.contains(&a),
        _ => a == b,
    }
}

/// The scopes of two routers, with the same name and the same resources.
fn scopes() -> [ScopeId; 2] {
    [lan(), ScopeId::of(RealmId::of("tenant"), "lan")]
}

/// A book beside a plain map of the same.
struct Pair {
    space: Space,
    book: Book,
    plain: BTreeMap<(RealmId, Resource), Lease>,
    reserved: BTreeSet<(ScopeId, Resource)>,
    writes: Vec<Write>,
    now: u64,
}

impl Pair {
    fn new(space: Space) -> Self {
        let mut book = Book::new(Duration::from_secs(20));
        for scope in scopes() {
            book.set_pool(scope, space.pool(30));
        }
        Self {
            space,
            book,
            plain: BTreeMap::new(),
            reserved: BTreeSet::new(),
            writes: Vec::new(),
            now: 0,
        }
    }

    fn run(&mut self, scope: ScopeId, op: Op) {
        let realm = scope.realm;
        self.now += 3;
        let now = at(self.now);
        let resource = |n| self.space.resource(n);
        let written = match op {
            Op::Put {
                address,
                holder: n,
                state,
                ends,
            } => {
                let ends = now.after(ends as u32);
                let lease = Lease {
                    state,
                    ..Lease::bound(resource(address), holder(n), scope, now, ends, ends)
                };
                vec![self.book.put(lease)]
            }
            Op::Remove(n) => self
                .book
                .remove(realm, resource(n), now)
                .into_iter()
                .collect(),
            Op::Release(n) => {
                let write = self.book.release(realm, resource(n), now);
                write.into_iter().collect()
            }
            Op::Decline(n) => {
                let quarantine = Duration::from_secs(30);
                let write = self.book.decline(realm, resource(n), now, quarantine);
                write.into_iter().collect()
            }
            Op::Reserve(n) => {
                self.book.reserve(scope, resource(n));
                self.reserved.insert((scope, resource(n)));
                vec![]
            }
            Op::Unreserve(n) => {
                self.book.unreserve(scope, resource(n));
                self.reserved.remove(&(scope, resource(n)));
                vec![]
            }
            Op::Expire => self.book.expire(now, 3),
            Op::Undo(count) => {
                for _ in 0..count {
                    let Some(write) = self.writes.pop() else {
                        break;
                    };
                    self.book.undo(&write);
                    let key = (write.realm, write.resource);
                    match write.before {
                        Some(lease) => drop(self.plain.insert(key, lease)),
                        None => drop(self.plain.remove(&key)),
                    }
                }
                vec![]
            }
            Op::NewPool { last } => {
                self.book.set_pool(scope, self.space.pool(last));
                vec![]
            }
        };
        for write in &written {
            let key = (write.realm, write.resource);
            assert_eq!(write.before.as_ref(), self.plain.get(&key));
            match &write.after {
                Some(lease) => drop(self.plain.insert(key, lease.clone())),
                None => drop(self.plain.remove(&key)),
            }
        }
        self.writes.extend(written);
    }

    fn check_indexes(&self) {
        let named = |l: &Lease| (l.realm(), l.resource);
        let all: BTreeMap<_, _> = self.book.iter().map(|l| (named(l), l.clone())).collect();
        assert_eq!(all, self.plain);
        assert_eq!(self.book.len(), self.plain.len());
        let due = self.plain.values().map(|l| l.ends).min();
        assert_eq!(self.book.due(), due);
        for scope in scopes() {
            let mut counts = Counts::default();
            let of_scope = self.plain.values().filter(|l| l.scope == scope);
            of_scope.for_each(|l| *counts.of(l.state) += 1);
            assert_eq!(self.book.counts(scope), counts);
        }
        for (realm, resource) in self.plain.keys() {
            let found = self.book.get(*realm, *resource).map(named);
            assert_eq!(found, Some((*realm, *resource)));
        }
        for n in 0..8 {
            let of_holder: BTreeSet<_> = self.book.of_holder(&holder(n)).map(named).collect();
            let expected = self.plain.values().filter(|l| l.holder == holder(n));
            assert_eq!(of_holder, expected.map(named).collect());
        }
        let mut from = 0;
        let mut paged = BTreeSet::new();
        loop {
            let page: Vec<_> = self.book.page(from).take(3).collect();
            let Some((next, _)) = page.last() else { break };
            from = *next;
            paged.extend(page.iter().map(|(_, l)| named(l)));
        }
        assert_eq!(paged, self.plain.keys().copied().collect());
    }

    /// Draws from a scope until nothing comes, and checks each thing that comes: what the other has is no matter.
    fn check_free(&mut self, scope: ScopeId, random: u64) {
        let someone = Holder {
            kind: Kind::Pd,
            ..holder(77)
        };
        let busy = |pair: &Self, with_kept: bool| -> Vec<Resource> {
            let of_scope = pair.plain.values().filter(|l| l.scope == scope);
            let busy = of_scope.filter(|l| with_kept || l.state != State::Released);
            busy.map(|l| l.resource).collect()
        };
        let of_scope = |(of, resource): &(ScopeId, Resource)| (*of == scope).then_some(*resource);
        let reserved: Vec<Resource> = self.reserved.iter().filter_map(of_scope).collect();
        let mut drawn = 0;
        loop {
            let pool = self.book.pool(scope).unwrap();
            let hint =
                (drawn % 2 == 1).then(|| self.space.resource((random >> (drawn % 50)) as u8 % 40));
            let free = self
                .book
                .free(scope, &someone, hint, random.wrapping_mul(drawn + 1));
            let unfit = busy(self, false);
            let taken = busy(self, true);
            let Some(free) = free else {
                // Really nothing: everything that the pool might give is in use or reserved, or kept in another size.
                let candidates = self.candidates(scope);
                let is_left = |r: &Resource| {
                    let clear = |o: &Resource| !overlap(*r, *o);
                    unfit.iter().all(clear)
                        && reserved.iter().all(clear)
                        && taken.iter().all(|t| clear(t) || t == r)
                };
                let left: Vec<_> = candidates.iter().filter(|r| is_left(r)).collect();
                assert!(left.is_empty(), "{left:?} were left");
                return;
            };
            assert!(pool.contains(free), "{free}");
            assert!(!unfit.iter().any(|r| overlap(*r, free)), "{free} is in use");
            assert!(
                !reserved.iter().any(|r| overlap(*r, free)),
                "{free} is reserved"
            );
            let kept = taken.iter().filter(|r| overlap(**r, free));
            assert!(
                kept.into_iter().all(|r| *r == free),
                "{free} is a part of a kept one"
            );
            let lease = Lease::bound(free, someone.clone(), scope, at(0), at(9000), at(9000));
            let put = self.book.put(lease).after;
            self.plain
                .extend(put.map(|lease| ((scope.realm, free), lease)));
            drawn += 1;
        }
    }

    /// What the pool may give, of one size: everything of the smallest.
    fn candidates(&self, scope: ScopeId) -> Vec<Resource> {
        let pool = self.book.pool(scope).unwrap();
        let all: Vec<Resource> = match self.space {
            Space::Addresses => (0..40)
                .map(|n| Resource::V6((0x2001_0db8_u128 << 96 | n).into()))
                .collect(),
            Space::Uniform => (0..64)
                .map(|n| (0x2001_0db8_u128 << 96 | n << 72, 56))
                .map(|(bits, len)| Resource::Prefix(Ipv6Net::new_assert(bits.into(), len)))
                .collect(),
            Space::Mixed => (0..5 << 12)
                .map(|n| (0x2001_0db8_u128 << 96 | n << 68, 60))
                .map(|(bits, len)| Resource::Prefix(Ipv6Net::new_assert(bits.into(), len)))
                .collect(),
        };
        all.into_iter().filter(|r| pool.contains(*r)).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn addresses_like_a_plain_map(ops in prop::collection::vec((0..2usize, op()), 0..80), random: u64) {
        check(Space::Addresses, ops, random);
    }

    #[test]
    fn prefixes_of_one_length_like_a_plain_map(ops in prop::collection::vec((0..2usize, op()), 0..80), random: u64) {
        check(Space::Uniform, ops, random);
    }

    #[test]
    fn prefixes_of_many_lengths_like_a_plain_map(ops in prop::collection::vec((0..2usize, op()), 0..80), random: u64) {
        check(Space::Mixed, ops, random);
    }
}

/// Each operation in the realm of one of two routers.
fn check(space: Space, ops: Vec<(usize, Op)>, random: u64) {
    let mut pair = Pair::new(space);
    for (router, op) in ops {
        pair.run(scopes()[router], op);
        pair.check_indexes();
    }
    for scope in scopes() {
        pair.check_free(scope, random);
    }
    pair.check_indexes();
}
