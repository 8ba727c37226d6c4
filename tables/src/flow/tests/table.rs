//! Coming, ageing, going; who has to make room for whom.

use super::*;
use Direction::{Egress, Ingress};

const UDP: u8 = 17;
const OTHER: Upper = Upper::Other;

#[test]
fn both_directions_are_one_flow() {
    let mut kit = Kit::new(64, 1);
    let key = key(UDP, 1);
    assert!(kit.find(&key).is_none());
    kit.udp(&key).unwrap();
    assert_eq!(kit.packet(&key, Ingress, OTHER), Verdict::Pass);
    assert_eq!(kit.packet(&key, Egress, OTHER), Verdict::Pass);
    let flow = kit.find(&key).unwrap();
    assert_eq!(
        (flow.generation(), flow.rule(), flow.asked()),
        (1, RULE, 4000)
    );
    assert_eq!((flow.opened(), flow.state()), (Egress, State::Replied));
    flow.restamp(2, RuleId(9));
    assert_eq!((flow.generation(), flow.rule()), (2, RuleId(9)));
    for other in [
        FlowKey {
            anchor: AnchorId(8),
            ..key
        },
        FlowKey { v6: false, ..key },
        FlowKey {
            protocol: 136,
            ..key
        },
        FlowKey {
            local: key.remote,
            remote: key.local,
            ..key
        },
        FlowKey {
            local: (key.local.0, 1),
            ..key
        },
        FlowKey {
            remote: (key.remote.0 ^ 1, key.remote.1),
            ..key
        },
    ] {
        assert!(kit.find(&other).is_none(), "{other:?}");
    }
    let info = kit.table.snapshot(Some(ANCHOR), 10, kit.now + 3);
    let [info] = info[..] else { panic!("{info:?}") };
    assert_eq!(
        (info.key, info.opened, info.state),
        (key, Egress, State::Replied)
    );
    assert_eq!((info.age, info.idle, info.seconds_left), (3, 3, 117));
    assert_eq!((info.generation, info.rule), (2, RuleId(9)));
    let traffic = |packets| Traffic {
        packets,
        bytes: 100 * packets,
    };
    assert_eq!((info.egress, info.ingress), (traffic(2), traffic(1)));
    assert_eq!(kit.table.snapshot(Some(AnchorId(8)), 10, kit.now), []);
}

#[test]
fn a_snapshot_has_the_flows_of_all_parts_up_to_its_limit() {
    let mut kit = Kit::new(60, 3);
    for n in 0..30 {
        let key = key(UDP, n);
        kit.insert_by(n as usize % 3, &key, Egress, segment(OTHER))
            .unwrap();
    }
    let mut seen: Vec<u16> = kit
        .table
        .snapshot(None, 100, 0)
        .iter()
        .map(|info| info.key.local.1)
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, (40_000..40_030).collect::<Vec<u16>>());
    assert_eq!(kit.table.snapshot(None, 7, 0).len(), 7);
    assert_eq!(
        (kit.table.usage().flows, kit.table.usage().capacity),
        (30, 60)
    );
}

#[test]
fn datagrams_become_a_stream_and_age() {
    let mut kit = Kit::new(64, 1);
    let (lonely, talking, names) = (
        key(UDP, 1),
        key(UDP, 2),
        FlowKey {
            remote: (9, 53),
            ..key(UDP, 3)
        },
    );
    for key in [lonely, talking, names] {
        kit.udp(&key).unwrap();
    }
    for _ in 0..3 {
        kit.wait(1);
        kit.packet(&talking, Ingress, OTHER);
        kit.packet(&talking, Egress, OTHER);
    }
    assert_eq!(
        (kit.state(&lonely), kit.state(&talking)),
        (State::Unreplied, State::Stream)
    );
    kit.wait(56);
    assert!(kit.find(&names).is_some(), "59 seconds");
    kit.wait(1);
    assert!(kit.find(&names).is_none(), "a minute for a well-known port");
    kit.wait(59);
    assert!(kit.find(&lonely).is_some(), "119 seconds");
    kit.wait(1);
    assert!(kit.find(&lonely).is_none());
    kit.wait(300 - 118);
    assert!(kit.find(&talking).is_some());
    kit.wait(1);
    assert!(kit.find(&talking).is_none());
    assert_eq!(kit.table.count(ANCHOR), 0);
    let usage = kit.table.usage();
    assert_eq!(
        (usage.flows, usage.created, usage.expired, usage.evicted),
        (0, 3, 3, 0)
    );
}

#[test]
fn a_flow_in_use_is_kept() {
    let mut kit = Kit::new(64, 1);
    kit.udp(&key(UDP, 1)).unwrap();
    for _ in 0..20 {
        kit.wait(119);
        assert_eq!(kit.packet(&key(UDP, 1), Egress, OTHER), Verdict::Pass);
    }
    // A worker whose clock is a little behind does not make it old.
    kit.now -= 1;
    kit.packet(&key(UDP, 1), Egress, OTHER);
    kit.now += 1;
    assert_eq!(kit.wait(119), 1);
}

#[test]
fn timeouts_can_be_changed() {
    let mut kit = Kit::new(64, 1);
    kit.udp(&key(UDP, 1)).unwrap();
    kit.table.set_timeouts(&Timeouts {
        udp: 65,
        ..Timeouts::default()
    });
    assert_eq!(kit.table.timeouts().udp, 65);
    assert_eq!(kit.wait(64), 0);
    assert_eq!(kit.wait(1), 1);
}

#[test]
fn queries_are_answered_by_answers_only() {
    let mut kit = Kit::new(64, 1);
    let query = |is_request| Upper::Query { is_request };
    let key = FlowKey::query(ANCHOR, true, 77, 1, 2, Egress);
    assert_eq!(
        kit.insert(&key, Egress, query(false)),
        Err(Refused::Invalid)
    );
    kit.insert(&key, Egress, query(true)).unwrap();
    assert_eq!(kit.packet(&key, Ingress, query(true)), Verdict::Invalid);
    assert_eq!(kit.packet(&key, Ingress, query(false)), Verdict::Pass);
    assert_eq!(kit.packet(&key, Egress, query(false)), Verdict::Invalid);
    assert_eq!(kit.packet(&key, Egress, query(true)), Verdict::Pass);
    assert_eq!(kit.state(&key), State::Replied);
    assert_eq!((kit.wait(59), kit.wait(1)), (0, 1));
}

#[test]
fn an_error_is_about_packets_that_were_sent() {
    let mut kit = Kit::new(64, 1);
    let key = key(UDP, 1);
    kit.udp(&key).unwrap();
    let cites = |kit: &Kit, direction| kit.find(&key).unwrap().cites(direction, None);
    assert!(cites(&kit, Egress) && !cites(&kit, Ingress));
    kit.packet(&key, Ingress, OTHER);
    assert!(cites(&kit, Egress) && cites(&kit, Ingress));
}

#[test]
fn at_its_quota_an_anchor_gives_its_own_oldest_unanswered_flow() {
    let mut kit = Kit::new(1024, 1);
    kit.quota = 8;
    let keys: Vec<FlowKey> = (0..12).map(|n| key(UDP, n)).collect();
    for key in &keys[..8] {
        kit.udp(key).unwrap();
    }
    for key in &keys[..7] {
        kit.packet(key, Ingress, OTHER);
    }
    let other = key_of(AnchorId(3), UDP, 0);
    kit.udp(&other).unwrap();
    // The only unanswered one goes, then the one that came for it, ...
    kit.udp(&keys[8]).unwrap();
    assert!(kit.find(&keys[7]).is_none());
    kit.udp(&keys[9]).unwrap();
    assert!(kit.find(&keys[8]).is_none());
    assert_eq!(kit.table.count(ANCHOR), 8);
    // ... and when that is answered too, nothing is left to take.
    kit.packet(&keys[9], Ingress, OTHER);
    assert_eq!(kit.udp(&keys[10]), Err(Refused::Quota));
    assert!(
        keys[..7]
            .iter()
            .chain([&keys[9], &other])
            .all(|key| kit.find(key).is_some())
    );
    kit.quota = 9;
    kit.udp(&keys[10]).unwrap();
    assert_eq!(kit.table.usage().evicted, 2);
}

/// An anchor floods a table that others fill in part: they lose nothing, answered or not.
#[test]
fn a_flood_costs_its_sender_only() {
    const FLOWS: u32 = 4096;
    let mut kit = Kit::new(FLOWS as usize, 1);
    let others: Vec<FlowKey> = (0..1000)
        .map(|n| key_of(AnchorId(100 + n as u16 % 50), UDP, n))
        .collect();
    let own: Vec<FlowKey> = (0..100).map(|n| key(UDP, n)).collect();
    for key in others.iter().chain(&own) {
        kit.udp(key).unwrap();
    }
    // Of the others' every second one is answered, of the flooder's all.
    for key in others.iter().step_by(2).chain(&own) {
        kit.packet(key, Ingress, OTHER);
    }
    for n in 100..50_000 {
        kit.udp(&key(UDP, n)).unwrap();
        if n % 64 == 0 {
            kit.round();
        }
    }
    let lost = others
        .iter()
        .chain(&own)
        .filter(|key| kit.find(key).is_none());
    assert_eq!(lost.count(), 0);
    let usage = kit.table.usage();
    assert!(
        usage.evicted > 40_000 && usage.flows <= u64::from(FLOWS),
        "{usage:?}"
    );
    // A newcomer is let in as well, though the table is full.
    let newcomer = key_of(AnchorId(9999), UDP, 1);
    kit.udp(&newcomer).unwrap();
    kit.packet(&newcomer, Ingress, OTHER);
    for n in 50_000..60_000 {
        kit.udp(&key(UDP, n)).unwrap();
        if n % 64 == 0 {
            kit.round();
        }
    }
    assert!(kit.find(&newcomer).is_some());
}

#[test]
fn a_table_of_answered_flows_is_full() {
    let mut kit = Kit::new(256, 1);
    let keys: Vec<FlowKey> = (0..257).map(|n| key(UDP, n)).collect();
    for key in &keys[..256] {
        kit.udp(key).unwrap();
        kit.packet(key, Ingress, OTHER);
    }
    assert_eq!(kit.udp(&keys[256]), Err(Refused::Full));
    kit.round();
    assert_eq!(kit.udp(&keys[256]), Err(Refused::Full));
    assert!(keys[..256].iter().all(|key| kit.find(key).is_some()));
    // One is removed: its entry can be used after a grace period.
    let table = kit.table.clone();
    let flow = table
        .entry(table.number(kit.find(&keys[0]).unwrap()))
        .unwrap();
    kit.workers[0].remove(flow);
    assert_eq!(kit.table.count(ANCHOR), 255);
    assert_eq!(kit.udp(&keys[256]), Err(Refused::Full));
    kit.round();
    kit.round();
    kit.udp(&keys[256]).unwrap();
    assert!(
        std::ptr::eq(kit.find(&keys[256]).unwrap(), flow),
        "there is no other entry"
    );
}

#[test]
fn an_entry_is_not_used_again_while_a_worker_may_hold_it() {
    let mut kit = Kit::new(2, 2);
    kit.udp(&key(UDP, 1)).unwrap();
    let table = kit.table.clone();
    let held = &table.entries[0];
    assert!(held.word().is_live());
    // The only entry of the first worker is taken for another flow, as soon as nobody holds it.
    for _ in 0..5 {
        assert_eq!(kit.udp(&key(UDP, 2)), Err(Refused::Full));
        kit.workers[0].remove(held);
        let now = kit.now;
        kit.workers[0].expire(now);
        kit.readers[0].quiescent();
        assert_eq!(held.key(), key(UDP, 1));
    }
    assert_eq!(held.packet(Egress, &segment(OTHER), kit.now), Verdict::Over);
    kit.readers[1].quiescent();
    kit.udp(&key(UDP, 2)).unwrap();
    assert_eq!(held.key(), key(UDP, 2));
}

#[test]
fn a_flow_of_another_part_is_removed_at_once_and_taken_back_in_time() {
    let mut kit = Kit::new(64, 2);
    let key = key(UDP, 1);
    kit.insert_by(1, &key, Egress, segment(OTHER)).unwrap();
    let table = kit.table.clone();
    let flows = table.read(&kit.readers[0]);
    let flow = flows.find(flows.hash(&key), &key).unwrap();
    kit.workers[0].remove(flow);
    kit.workers[0].remove(flow);
    assert_eq!(kit.table.count(ANCHOR), 0);
    assert!(kit.find(&key).is_none());
    // Another of the same key lives beside it.
    kit.udp(&key).unwrap();
    assert!(kit.find(&key).is_some());
    assert_eq!(kit.table.usage().flows, 2);
    assert_eq!(kit.wait(wheel::CHECK), 1);
    assert_eq!((kit.table.usage().flows, kit.table.count(ANCHOR)), (1, 1));
}

#[test]
fn two_workers_with_one_flow_agree() {
    let mut kit = Kit::new(128, 2);
    for n in 0..32 {
        let key = key(UDP, n);
        // Neither has found it: both insert it.
        kit.insert_by(0, &key, Egress, segment(OTHER)).unwrap();
        kit.insert_by(1, &key, Ingress, segment(OTHER)).unwrap();
    }
    assert_eq!((kit.table.usage().flows, kit.table.count(ANCHOR)), (32, 32));
    assert_eq!(kit.table.snapshot(None, 100, 0).len(), 32);
}

/// As many flows as were asked for, in a table whose buckets are half full at most.
#[test]
fn all_entries_can_be_used() {
    const FLOWS: u32 = 1 << 16;
    let mut kit = Kit::new(FLOWS as usize, 1);
    for n in 0..FLOWS {
        let key = key(UDP, n);
        assert_eq!(kit.udp(&key), Ok(()), "{n}");
        kit.packet(&key, Ingress, OTHER);
    }
    assert!((0..FLOWS).all(|n| kit.find(&key(UDP, n)).is_some()));
    assert_eq!(kit.table.count(ANCHOR), FLOWS);
}
