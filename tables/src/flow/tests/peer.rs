//! Two routers that tell each other their flows.

use proptest::prelude::*;
use std::collections::HashMap;

use super::*;
use crate::flow::peer::{Change, FlowPeer, Pairing, Record};
use crate::testing::Random;
use Direction::{Egress, Ingress};

pub(super) const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;
const S: u8 = 2;
const R: u8 = 4;
const A: u8 = 16;

/// A router: a table with one worker, and what it has for the other.
pub(super) struct Router {
    pub kit: Kit,
    pub peer: FlowPeer,
    reader: Reader,
}

impl Router {
    pub fn new(flows: usize) -> Self {
        let qsbr = Qsbr::new(2);
        let pairing = Pairing { flows, notes: 1024 };
        let (table, workers, peer) = FlowTable::paired(flows, 1, &qsbr, 5, &pairing).unwrap();
        let kit = Kit {
            table,
            workers,
            readers: vec![qsbr.register().unwrap()],
            now: 1000,
            quota: u32::MAX,
        };
        Self {
            kit,
            peer: peer.unwrap(),
            reader: qsbr.register().unwrap(),
        }
    }

    /// What is to be told now.
    pub fn changes(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        let now = self.kit.now;
        self.peer
            .changes(&self.reader, usize::MAX, now, |change| changes.push(change));
        changes
    }

    pub fn bulk(&mut self, at_a_time: usize) -> Vec<Change> {
        let mut changes = Vec::new();
        self.peer.begin_bulk();
        let now = self.kit.now;
        while self
            .peer
            .bulk(&self.reader, at_a_time, now, |change| changes.push(change))
        {}
        changes
    }

    pub fn apply(&mut self, changes: &[Change]) {
        let (quota, now) = (self.kit.quota, self.kit.now);
        for change in changes {
            match change {
                Change::Set { slot, flow } => {
                    let _ = self.peer.set(&self.reader, *slot, flow, quota, now);
                }
                Change::Clear { slot } => self.peer.clear(&self.reader, *slot),
            }
        }
    }

    /// A packet of a flow, which is judged first if it was not yet.
    pub fn packet(&mut self, key: &FlowKey, direction: Direction, upper: Upper) -> Verdict {
        let flow = self.kit.find(key).expect("the flow is there");
        let foreign = flow.generation() == FOREIGN;
        if foreign {
            flow.restamp(1, RULE);
        }
        let worker = &self.kit.workers[0];
        let tells = || worker.tell(flow);
        let verdict = flow.packet_telling(direction, &segment(upper), self.kit.now, tells);
        if foreign {
            worker.tell(flow);
        }
        verdict
    }

    /// A round of all.
    pub fn round(&mut self) {
        self.kit.round();
        while self.peer.expire(self.kit.now) > 0 {}
        self.reader.quiescent();
    }

    pub fn wait(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.kit.wait(1);
            self.round();
        }
    }

    fn bulk_from(&mut self, other: &mut Router) {
        self.peer.bulk_begins();
        self.apply(&other.bulk(3));
        self.peer.bulk_ends(&self.reader);
    }

    fn set(&mut self, slot: u32, flow: &Record) -> Result<bool, Refused> {
        let (quota, now) = (self.kit.quota, self.kit.now);
        self.peer.set(&self.reader, slot, flow, quota, now)
    }
}

fn tcp(flags: u8, sequence: u32, acknowledgment: u32) -> Upper {
    tcp_with(flags, sequence, acknowledgment, 0)
}

fn tcp_with(flags: u8, sequence: u32, acknowledgment: u32, data: u32) -> Upper {
    Upper::Tcp(Tcp {
        flags,
        sequence,
        acknowledgment,
        window: 1000,
        data,
        scale: (flags & S != 0).then_some(7),
    })
}

/// A connection that is open at a router: the client's numbers begin at 100, the server's at 500.
fn connect(router: &mut Router, key: &FlowKey) {
    router.kit.insert(key, Egress, tcp(S, 100, 0)).unwrap();
    for (direction, upper) in [(Ingress, tcp(S | A, 500, 101)), (Egress, tcp(A, 101, 501))] {
        assert_eq!(router.packet(key, direction, upper), Verdict::Pass);
    }
}

fn answered(router: &mut Router, key: &FlowKey) {
    router.kit.udp(key).unwrap();
    assert_eq!(router.packet(key, Ingress, Upper::Other), Verdict::Pass);
}

#[test]
fn what_both_ends_have_had_a_part_in_is_told_and_goes_when_its_owner_says_so() {
    let [mut a, mut b] = [Router::new(64), Router::new(64)];
    a.kit.udp(&key(UDP, 1)).unwrap();
    assert_eq!(a.changes(), [], "nobody has answered");
    assert_eq!(a.packet(&key(UDP, 1), Ingress, Upper::Other), Verdict::Pass);
    connect(&mut a, &key(TCP, 2));
    let changes = a.changes();
    // Two steps of one flow between two looks are told as one.
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert_eq!(a.changes(), []);
    b.apply(&changes);
    for (key, state) in [
        (key(UDP, 1), State::Replied),
        (key(TCP, 2), State::Established),
    ] {
        assert_eq!(b.kit.state(&key), state);
        assert_eq!(b.kit.find(&key).unwrap().generation(), FOREIGN);
        assert_eq!(b.kit.find(&key).unwrap().asked(), key.remote.1);
    }
    assert_eq!(b.changes(), [], "what the other keeps is not told back");
    assert_eq!(b.kit.table.count(ANCHOR), 2);
    a.kit.wait(130);
    let changes = a.changes();
    assert!(matches!(changes[..], [Change::Clear { .. }]), "{changes:?}");
    b.apply(&changes);
    assert!(b.kit.find(&key(UDP, 1)).is_none());
    assert!(b.kit.find(&key(TCP, 2)).is_some());
    assert_eq!((b.kit.table.count(ANCHOR), b.peer.n_kept()), (1, 1));
}

#[test]
fn a_flow_that_is_kept_does_not_age_and_has_all_of_its_time_when_nobody_keeps_it() {
    let [mut a, mut b] = [Router::new(64), Router::new(64)];
    for n in 0..3 {
        answered(&mut a, &key(UDP, n));
    }
    b.apply(&a.changes());
    b.wait(1000);
    assert_eq!(b.kit.table.count(ANCHOR), 3);
    // One is used here now.
    assert_eq!(b.packet(&key(UDP, 0), Egress, Upper::Other), Verdict::Pass);
    let now = b.kit.now;
    b.peer.gone(now);
    b.wait(115);
    assert_eq!(b.kit.table.count(ANCHOR), 3);
    b.wait(10);
    assert_eq!(
        b.kit.table.count(ANCHOR),
        1,
        "the one that is a stream by now"
    );
    assert_eq!(b.kit.state(&key(UDP, 0)), State::Stream);
    b.wait(300);
    assert_eq!(b.kit.table.usage().flows, 0);
}

#[test]
fn who_uses_a_flow_has_it_and_tells_the_other() {
    let [mut a, mut b] = [Router::new(64), Router::new(64)];
    connect(&mut a, &key(TCP, 1));
    b.apply(&a.changes());
    // The path moves, and much was sent since.
    let data = tcp_with(A, 90_000_101, 501, 100);
    assert_eq!(b.packet(&key(TCP, 1), Egress, data), Verdict::Pass);
    let told = b.changes();
    assert!(
        matches!(told[..], [Change::Set { flow, .. }] if flow.handovers == 1),
        "{told:?}"
    );
    a.apply(&told);
    // It is the other's now, and this one says that its slot is free.
    assert_eq!(a.kit.find(&key(TCP, 1)).unwrap().generation(), FOREIGN);
    let cleared = a.changes();
    assert!(matches!(cleared[..], [Change::Clear { .. }]), "{cleared:?}");
    b.apply(&cleared);
    assert!(b.kit.find(&key(TCP, 1)).is_some());
    // It does not age at the one that does not use it.
    for _ in 0..40 {
        a.wait(300);
        b.wait(300);
        let data = tcp_with(A, 90_000_201, 501, 0);
        assert_eq!(b.packet(&key(TCP, 1), Egress, data), Verdict::Pass);
        a.apply(&b.changes());
        b.apply(&a.changes());
    }
    // And back.
    let data = tcp_with(A, 700, 90_000_201, 50);
    assert_eq!(a.packet(&key(TCP, 1), Ingress, data), Verdict::Pass);
    b.apply(&a.changes());
    a.apply(&b.changes());
    assert_eq!(b.kit.find(&key(TCP, 1)).unwrap().generation(), FOREIGN);
    assert_eq!(a.kit.find(&key(TCP, 1)).unwrap().generation(), 1);
    assert_eq!([&a, &b].map(|r| r.kit.table.count(ANCHOR)), [1, 1]);
}

#[test]
fn two_that_use_a_flow_at_once_come_to_rest() {
    let [mut a, mut b] = [Router::new(64), Router::new(64)];
    connect(&mut a, &key(TCP, 1));
    b.apply(&a.changes());
    let mut told = 0;
    for n in 0..50 {
        let data = tcp_with(A, 101, 501 + 10 * n, 0);
        assert_eq!(a.packet(&key(TCP, 1), Egress, data), Verdict::Pass);
        let data = tcp_with(A, 501 + 10 * n, 101, 10);
        assert_eq!(b.packet(&key(TCP, 1), Ingress, data), Verdict::Pass);
        let changes = a.changes();
        told += changes.len();
        b.apply(&changes);
        let changes = b.changes();
        told += changes.len();
        a.apply(&changes);
    }
    assert!(told < 60, "{told}");
    let last = [&mut a, &mut b].map(|router| router.changes().len());
    assert_eq!(last, [0, 0]);
}

#[test]
fn all_is_told_anew_and_what_is_not_told_is_gone() {
    let [mut a, mut b] = [Router::new(256), Router::new(256)];
    for n in 0..100 {
        answered(&mut a, &key(UDP, n));
    }
    for n in 200..220 {
        answered(&mut b, &key(UDP, n));
    }
    b.bulk_from(&mut a);
    a.bulk_from(&mut b);
    assert_eq!([&a, &b].map(|r| r.kit.table.count(ANCHOR)), [120, 120]);
    assert_eq!(b.peer.n_kept(), 100);
    // Notes that nobody could read: they are too many.
    for n in 0..90 {
        let flow = a.kit.find(&key(UDP, n)).unwrap();
        let flow = a.kit.table.entry(a.kit.table.number(flow)).unwrap();
        a.kit.workers[0].remove(flow);
    }
    for _ in 0..1100 {
        let flow = a.kit.find(&key(UDP, 95)).unwrap();
        a.kit.workers[0].tell(flow);
    }
    assert!(a.peer.has_lost() && !a.peer.has_lost());
    b.bulk_from(&mut a);
    assert_eq!([&a, &b].map(|r| r.kit.table.count(ANCHOR)), [30, 30]);
    assert!(b.kit.find(&key(UDP, 95)).is_some());
    assert!(b.kit.find(&key(UDP, 5)).is_none());
}

#[test]
fn what_a_router_has_lost_by_starting_anew_is_given_back() {
    let [mut a, mut b] = [Router::new(64), Router::new(64)];
    for n in 0..20 {
        answered(&mut a, &key(UDP, n));
    }
    b.apply(&a.changes());
    let now = b.kit.now;
    b.peer.gone(now);
    b.wait(50);
    let mut a = Router::new(64);
    a.kit.now = b.kit.now;
    let now = b.kit.now;
    b.peer.back(true, now);
    assert_eq!(b.peer.n_kept(), 0);
    a.bulk_from(&mut b);
    b.bulk_from(&mut a);
    assert_eq!([&a, &b].map(|r| r.kit.table.count(ANCHOR)), [20, 20]);
    assert_eq!([&a, &b].map(|r| r.peer.n_kept()), [20, 0]);
    // All of their time begins now.
    b.wait(110);
    assert_eq!(b.kit.table.count(ANCHOR), 20);
    b.wait(20);
    assert_eq!(b.kit.table.count(ANCHOR), 0);
    let changes = b.changes();
    a.apply(&changes);
    assert_eq!(a.kit.table.count(ANCHOR), 0);
    // The same process, after a while: nothing has changed hands.
    let [mut a, mut b] = [Router::new(64), Router::new(64)];
    answered(&mut a, &key(UDP, 1));
    b.apply(&a.changes());
    let now = b.kit.now;
    b.peer.gone(now);
    b.wait(50);
    let now = b.kit.now;
    b.peer.back(false, now);
    b.wait(500);
    b.bulk_from(&mut a);
    assert_eq!(b.peer.n_kept(), 1);
}

#[test]
fn our_rules_and_quotas_hold_for_what_the_other_tells() {
    let [mut a, mut b] = [Router::new(64), Router::new(64)];
    for n in 0..30 {
        answered(&mut a, &key(UDP, n));
    }
    b.kit.quota = 10;
    b.apply(&a.changes());
    assert_eq!(b.kit.table.count(ANCHOR), 10);
    // A worker removes what its rules do not allow: it is not told again, nor missed.
    let allowed = b.kit.table.snapshot(None, 1, b.kit.now)[0].key;
    let flow = b.kit.find(&allowed).unwrap();
    let flow = b.kit.table.entry(b.kit.table.number(flow)).unwrap();
    b.kit.workers[0].remove(flow);
    assert!(b.kit.find(&allowed).is_none());
    assert_eq!(b.changes(), []);
    assert_eq!(b.kit.table.count(ANCHOR), 9);
    let changes = a.bulk(100);
    b.apply(&changes);
    assert_eq!(b.kit.table.count(ANCHOR), 10);
    // A part that is full takes no more, and what is there stays.
    let mut small = Router::new(8);
    small.apply(&changes);
    assert_eq!(small.kit.table.count(ANCHOR), 8);
    small.round();
    small.round();
    small.apply(&[Change::Clear { slot: 1 }]);
    assert_eq!(small.kit.table.count(ANCHOR), 7);
}

#[test]
fn a_state_that_no_flow_has_is_refused() {
    let mut a = Router::new(64);
    let good = Record {
        key: key(UDP, 1),
        asked: 1,
        progress: Progress(State::Replied as u32),
        tags: [[0; 2]; 2],
        age: u32::MAX,
        idle: u32::MAX,
        handovers: 0,
    };
    for (bad, slot) in [
        (Progress(State::Unreplied as u32), 1),
        (Progress(State::Established as u32), 1),
        (Progress(31), 1),
        (Progress(u32::MAX), 1),
        (good.progress, u32::MAX),
    ] {
        let record = Record {
            progress: bad,
            ..good
        };
        assert_eq!(a.set(slot, &record), Err(Refused::Invalid));
    }
    assert_eq!(a.set(1, &good), Ok(true));
    let info = a.kit.table.snapshot(None, 1, a.kit.now)[0];
    assert_eq!(info.key, good.key);
    a.wait(200);
    assert_eq!(a.peer.n_kept(), 1);
}

#[test]
fn after_the_first_segments_windows_are_checked() {
    let [mut a, mut b] = [Router::new(64), Router::new(64)];
    let key = key(TCP, 1);
    connect(&mut a, &key);
    b.apply(&a.changes());
    // Of an idle connection nothing is known: a reset does not end it, a keep-alive passes.
    assert_eq!(b.packet(&key, Ingress, tcp(R, 77, 0)), Verdict::Pass);
    assert_eq!(b.kit.state(&key), State::Established);
    let pass = |b: &mut Router, direction, upper| {
        assert_eq!(b.packet(&key, direction, upper), Verdict::Pass)
    };
    pass(&mut b, Egress, tcp(A, 1_000_000, 2_000_001));
    pass(&mut b, Ingress, tcp(A, 2_000_001, 1_000_001));
    // Both are known.
    for (direction, upper) in [
        (Egress, tcp_with(A, 3_000_000, 2_000_001, 10)),
        (Egress, tcp_with(A, 1_000_001, 3_000_001, 10)),
        (Ingress, tcp_with(A, 500, 1_000_001, 10)),
        (Ingress, tcp(A, 2_000_001, 2_000_001)),
        (Ingress, tcp(R, 500, 0)),
    ] {
        assert_eq!(
            b.packet(&key, direction, upper),
            Verdict::Invalid,
            "{upper:?}"
        );
    }
    pass(&mut b, Egress, tcp_with(A, 1_000_001, 2_000_001, 100));
    pass(&mut b, Ingress, tcp_with(A, 2_000_001, 1_000_101, 100));
    // Sent again, as its acknowledgment was lost on the way through the other router.
    pass(&mut b, Ingress, tcp_with(A, 1_999_901, 1_000_101, 100));
    pass(&mut b, Ingress, tcp(R, 2_000_101, 0));
    assert_eq!(b.kit.state(&key), State::Closed);
    // What has no sense has none at any time.
    let mut b = Router::new(64);
    let bulk = a.bulk(10);
    b.apply(&bulk);
    for flags in [S | R, 0, 1, S | 1] {
        assert_eq!(b.packet(&key, Egress, tcp(flags, 1, 1)), Verdict::Invalid);
    }
}

#[test]
fn what_was_acknowledged_through_the_other_router_is_no_surprise() {
    // Data that came through the old path, its acknowledgment lost; the first that is seen here is an old segment sent again.
    let [mut a, mut b] = [Router::new(64), Router::new(64)];
    let key = key(TCP, 1);
    connect(&mut a, &key);
    b.apply(&a.changes());
    for (direction, upper) in [
        (Ingress, tcp_with(A, 10_000, 7000, 100)),
        (Egress, tcp(A, 7000, 10_000)),
        (Egress, tcp(A, 7000, 14_000)),
        (Ingress, tcp_with(A, 10_100, 7000, 100)),
        (Ingress, tcp_with(A, 14_000, 7000, 100)),
        (Egress, tcp(A, 7000, 14_100)),
    ] {
        assert_eq!(b.packet(&key, direction, upper), Verdict::Pass, "{upper:?}");
    }
}

#[test]
fn tags_of_sctp_go_along() {
    let [mut a, mut b] = [Router::new(64), Router::new(64)];
    let key = key(SCTP, 1);
    let sctp = |tag, chunk, initiate_tag| {
        Upper::Sctp(Sctp {
            tag,
            chunk,
            flags: 0,
            initiate_tag,
        })
    };
    a.kit.insert(&key, Egress, sctp(0, 1, 7)).unwrap();
    for (direction, upper) in [
        (Ingress, sctp(7, 2, 9)),
        (Egress, sctp(9, 10, 0)),
        (Ingress, sctp(7, 11, 0)),
    ] {
        assert_eq!(a.packet(&key, direction, upper), Verdict::Pass);
    }
    b.apply(&a.changes());
    assert_eq!(b.kit.state(&key), State::Associated);
    assert_eq!(b.packet(&key, Egress, sctp(9, 0, 0)), Verdict::Pass);
    assert_eq!(b.packet(&key, Egress, sctp(8, 0, 0)), Verdict::Invalid);
    assert_eq!(b.packet(&key, Ingress, sctp(7, 0, 0)), Verdict::Pass);
    assert_eq!(b.packet(&key, Ingress, sctp(9, 0, 0)), Verdict::Invalid);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever two routers do, each in its turn, in the end both have the same flows, and nothing leaks.
    #[test]
    fn two_routers_agree_in_the_end(seed: u64, flows in 64..128_usize) {
        let random = &mut Random::new(seed);
        let mut routers = [Router::new(flows), Router::new(flows)];
        for _ in 0..1500 {
            let at = random.below(2) as usize;
            let n = random.below(30) as u32;
            let key = key(UDP, n);
            let direction = if random.below(2) == 0 { Egress } else { Ingress };
            let router = &mut routers[at];
            match random.below(12) {
                0..=5 => {
                    if router.kit.find(&key).is_some() {
                        router.packet(&key, direction, Upper::Other);
                    } else {
                        let _ = router.kit.insert(&key, direction, Upper::Other);
                    }
                }
                6 => {
                    if let Some(flow) = router.kit.find(&key) {
                        let flow = router.kit.table.entry(router.kit.table.number(flow)).unwrap();
                        router.kit.workers[0].remove(flow);
                    }
                }
                7..=8 => {
                    let changes = router.changes();
                    routers[1 - at].apply(&changes);
                }
                9 if random.below(10) == 0 => {
                    let mut changes = router.bulk(1 + random.below(5) as usize);
                    if random.below(2) == 0 {
                        changes.truncate(changes.len() / 2);
                    }
                    routers[1 - at].apply(&changes);
                }
                10 if random.below(10) == 0 => {
                    let seconds = random.below(90) as u32;
                    routers.iter_mut().for_each(|router| router.wait(seconds));
                }
                _ => routers.iter_mut().for_each(Router::round),
            }
        }
        // Nothing happens any more, and all is told.
        routers.iter_mut().for_each(|router| router.wait(3));
        for _ in 0..4 {
            for at in 0..2 {
                let (left, right) = routers.split_at_mut(1);
                let (from, to) = if at == 0 { (&mut left[0], &mut right[0]) } else { (&mut right[0], &mut left[0]) };
                to.bulk_from(from);
            }
        }
        let has = |router: &Router| -> HashMap<FlowKey, State> {
            let infos = router.kit.table.snapshot(None, usize::MAX, router.kit.now);
            infos
                .into_iter()
                .filter(|info| info.state.is_answered())
                .map(|info| (info.key, info.state))
                .collect()
        };
        let [a, b] = [has(&routers[0]), has(&routers[1])];
        prop_assert_eq!(a.len(), b.len(), "{:?} {:?}", a, b);
        prop_assert!(a.keys().all(|key| b.contains_key(key)));
        for router in &mut routers {
            let now = router.kit.now;
            router.peer.gone(now);
            router.wait(400);
            prop_assert_eq!(router.kit.table.usage().flows, 0);
            prop_assert_eq!(router.kit.table.count(ANCHOR), 0);
        }
    }
}
