//! Who connects, and which connection is used.

use super::*;
use crate::message::{Bye, Hello, Message};

#[test]
fn of_two_connections_one_is_kept() {
    let mut net = Net::pair();
    net.run(50);
    assert!(net.in_step());
    // Both had dialled at once.
    assert_eq!(net.next_conn, 3);
    assert_eq!(net.open.len(), 1);
    let ups = [0, 1].map(|at| net.nodes[at].ups);
    assert!(ups.iter().all(|ups| (1..=2).contains(ups)), "{ups:?}");
    // It is the one that the greater name has dialled, and stays.
    net.run(20_000);
    assert_eq!([0, 1].map(|at| net.nodes[at].ups), ups);
    assert_eq!(net.next_conn, 3);
    let status = net.nodes[0].machine.status(net.now);
    let peer = status.peer.unwrap();
    assert_eq!(
        (peer.node.as_str(), peer.boot, peer.same_config),
        ("b", 2, true)
    );
    assert_eq!(peer.round_trip, Some(2 * MS));
}

#[test]
fn who_cannot_be_reached_is_tried_again_after_pauses_that_grow() {
    let mut net = Net::pair();
    net.reachable = false;
    net.run(60_000);
    let failed = net.nodes[0].machine.status(net.now).counters.session;
    // 0.2, 0.4, .. 5 seconds, and so on.
    assert!((13..20).contains(&failed.failed_dials), "{failed:?}");
    net.reachable = true;
    net.run(6300);
    assert!(net.in_step());
    net.cut();
    assert_eq!(net.nodes[0].downs, [Why::Lost]);
    net.run(300);
    assert!(net.in_step(), "the first pause is short again");
}

#[test]
fn a_peer_that_is_silent_is_gone_and_one_that_starts_anew_is_told_all() {
    let mut net = Net::pair();
    for n in 0..100 {
        net.nodes[0].own.insert(n, 1);
        net.nodes[1].own.insert(1000 + n, 2);
    }
    net.run(100);
    assert!(net.in_step());
    net.nodes[1].stopped = true;
    net.run(2300);
    assert_eq!(net.nodes[0].downs.last(), Some(&Why::Silent));
    assert_eq!(net.nodes[0].told.len(), 100, "what was told stays");
    // Another process under the same name.
    net.nodes[1] = Node::new(config("b", 3), net.now);
    net.nodes[1].own.insert(7000, 7);
    net.cut();
    net.run(6000);
    assert!(net.in_step());
    assert_eq!(net.nodes[0].told.len(), 1);
    assert_eq!(net.nodes[0].machine.status(net.now).peer.unwrap().boot, 3);
}

#[test]
fn a_process_that_has_started_anew_takes_the_place_of_the_old_one_at_once() {
    for name in ["0", "b"] {
        let mut net = Net::new([config("a", 1), config(name, 2)]);
        net.run(100);
        // The old connection is not known to be broken yet.
        net.nodes[1] = Node::new(config(name, 3), net.now);
        net.run(20);
        assert!(net.in_step());
        assert_eq!(net.nodes[0].machine.status(net.now).peer.unwrap().boot, 3);
        assert!(net.nodes[0].downs.contains(&Why::Replaced));
    }
}

#[test]
fn a_router_that_stops_says_so() {
    let mut net = Net::pair();
    net.run(50);
    net.event(0, Event::Stop);
    assert_eq!(net.nodes[0].downs.last(), Some(&Why::Stopped));
    net.run(10);
    assert_eq!(net.nodes[1].downs.last(), Some(&Why::Bye(Bye::Stops)));
    net.nodes[0].stopped = true;
    net.reachable = false;
    net.run(1000);
    assert!(net.nodes[0].machine.next_deadline().is_none());
}

#[test]
fn who_has_our_name_or_another_version_is_refused_and_people_are_told() {
    let mut net = Net::new([config("a", 1), config("a", 2)]);
    net.run(3000);
    for node in &net.nodes {
        assert_eq!(node.ups, 0);
        assert!(node.notices.contains(&Notice::SameNode));
    }
    assert!(net.open.is_empty());

    let mut net = Net::pair();
    net.reachable = false;
    let (conn, dialled) = (ConnId(99), false);
    net.event(0, Event::Connected { conn, dialled });
    let later = Hello {
        version: 2,
        node: "b".into(),
        boot: 2,
        config: 0,
    };
    let bytes = Message::Hello(later).write();
    net.event(
        0,
        Event::Frame {
            conn,
            bytes: &bytes,
        },
    );
    assert_eq!(net.nodes[0].notices, [Notice::Version(2)]);
    assert_eq!(net.nodes[0].ups, 0);

    let mut net = Net::new([
        config("a", 1),
        Config {
            config: 5,
            ..config("b", 2)
        },
    ]);
    net.run(50);
    assert!(net.in_step());
    assert!(net.nodes[0].notices.contains(&Notice::ConfigDiffers));
    assert!(
        !net.nodes[0]
            .machine
            .status(net.now)
            .peer
            .unwrap()
            .same_config
    );
}

#[test]
fn strangers_have_little_room_and_little_time() {
    let mut net = Net::pair();
    net.reachable = false;
    for n in 0..10 {
        let (conn, dialled) = (ConnId(100 + n), false);
        net.open.push(conn);
        net.event(0, Event::Connected { conn, dialled });
    }
    let closed = |net: &Net| {
        net.ways[1]
            .iter()
            .filter(|(.., what)| what.is_none())
            .count()
    };
    assert_eq!(closed(&net), 6);
    net.nodes[1].stopped = true;
    net.run(5001);
    assert_eq!(closed(&net), 10);
    net.event(0, Event::Stranger);
    assert_eq!(net.nodes[0].notices, [Notice::WrongKey]);
    net.event(0, Event::NotConnected { wrong_key: true });
    let counters = net.nodes[0].machine.status(net.now).counters.session;
    assert_eq!(counters.wrong_key, 2);
}

#[test]
fn who_says_what_must_not_be_said_is_hung_up_on() {
    let mark = |number| crate::message::Mark { kind: 2, number };
    let hello = Hello {
        version: 1,
        node: "b".into(),
        boot: 2,
        config: 0,
    };
    for (wrong, why) in [
        (vec![], "nothing"),
        (vec![1], "half a hello"),
        (Message::Hello(hello.clone()).write(), "a second hello"),
        (Message::End(mark(1)).write(), "an end without a beginning"),
        (Message::Begin(mark(2)).write(), "a number that is not next"),
        (
            Message::Acknowledge(mark(1000)).write(),
            "what was never sent",
        ),
    ] {
        let mut net = Net::pair();
        net.reachable = false;
        let (conn, dialled) = (ConnId(99), false);
        net.event(0, Event::Connected { conn, dialled });
        let bytes = Message::Hello(hello.clone()).write();
        net.event(
            0,
            Event::Frame {
                conn,
                bytes: &bytes,
            },
        );
        assert!(net.nodes[0].machine.is_up());
        net.event(
            0,
            Event::Frame {
                conn,
                bytes: &wrong,
            },
        );
        assert_eq!(net.nodes[0].downs, [Why::Confused], "{why}");
        assert_eq!(
            net.nodes[0]
                .machine
                .status(net.now)
                .counters
                .session
                .confused,
            1
        );
    }
}

#[test]
fn what_a_later_release_says_is_skipped_and_counted() {
    let mut net = Net::pair();
    net.run(50);
    let conn = net.open[0];
    net.event(
        0,
        Event::Frame {
            conn,
            bytes: &[77, 1, 2],
        },
    );
    let mut batch = crate::message::Batch::new(42);
    batch.push(&neighbor(1, None)).unwrap();
    batch.push(&neighbor(2, None)).unwrap();
    let bytes = batch.into_message(1);
    net.event(
        0,
        Event::Frame {
            conn,
            bytes: &bytes,
        },
    );
    let counters = net.nodes[0].machine.status(net.now).counters.session;
    assert_eq!(
        (counters.unknown_messages, counters.unknown_records),
        (1, 2)
    );
    assert!(net.nodes[0].machine.is_up());
    let mark = crate::message::Mark {
        kind: 42,
        number: 2,
    };
    let acknowledged = Message::Acknowledge(mark).write();
    assert!(
        net.ways[1]
            .iter()
            .any(|(.., what)| what.as_ref() == Some(&acknowledged))
    );
}
