//! Bulk, changes, window, queue, rate.

use super::*;

#[test]
fn all_is_told_at_first_and_then_what_changes() {
    let mut net = Net::pair();
    for n in 0..5000 {
        net.nodes[0].own.insert(n, 1);
    }
    net.nodes[1].own.insert(1 << 64, 9);
    assert_eq!(net.nodes[0].set(net.now, 1, Some(2)), Pushed::Nobody);
    net.run(200);
    assert!(net.in_step());
    assert_eq!(net.status(0).phase, Phase::Current);
    assert!(net.status(1).complete);
    let now = net.now;
    assert!(matches!(net.nodes[0].set(now, 17, None), Pushed::Queued(_)));
    assert!(matches!(
        net.nodes[0].set(now, 9999, Some(3)),
        Pushed::Queued(_)
    ));
    net.run(5);
    assert!(net.in_step());
    assert_eq!(net.status(0).lag, Duration::ZERO);
    // What is gone when the next session begins is gone there too.
    net.cut();
    net.nodes[0].own.retain(|n, _| *n < 100);
    net.run(500);
    assert!(net.in_step());
    assert_eq!(net.nodes[1].told.len(), 99);
}

#[test]
fn a_record_is_applied_when_its_keeper_says_so() {
    let mut net = Net::pair();
    net.run(50);
    net.nodes[1].slow = true;
    let Pushed::Queued(ticket) = net.nodes[0].set(net.now, 1, Some(1)) else {
        panic!("there is a session");
    };
    net.run(1000);
    assert!(net.nodes[0].applied < ticket);
    assert_eq!(net.status(0).lag, Duration::from_millis(1000));
    net.nodes[1].slow = false;
    net.run(5);
    assert_eq!(net.nodes[0].applied, ticket);
    assert_eq!(net.status(0).lag, Duration::ZERO);
    assert!(net.in_step());
}

#[test]
fn a_peer_that_applies_nothing_costs_a_queue_and_a_window() {
    let mut net = Net::pair();
    net.run(50);
    net.nodes[1].slow = true;
    let limits = Config::default();
    for n in 0..200_000 {
        let now = net.now;
        net.nodes[0].set(now, n, Some(n as u8));
        if n % 100 == 0 {
            net.run(1);
        }
        let status = net.status(0);
        assert!(status.queued <= limits.queue, "{status:?}");
        assert!(status.outstanding <= limits.window, "{status:?}");
    }
    assert_eq!(net.status(0).phase, Phase::Behind);
    assert!(net.counters(0).dropped > 100_000, "{:?}", net.counters(0));
    assert_eq!(net.nodes[0].machine.room(Kind::Neighbor), 0);
    // Heartbeats go on.
    assert!(net.nodes[0].machine.is_up());
    net.nodes[1].slow = false;
    net.run(5000);
    assert!(net.in_step(), "{:?}", net.status(0));
    assert_eq!(net.counters(0).bulks_sent, u64::from(net.nodes[0].ups) + 1);
}

#[test]
fn a_peer_that_reads_nothing_at_all_costs_no_more() {
    let mut net = Net::pair();
    net.run(50);
    net.nodes[1].stopped = true;
    let before = net.most[1];
    for n in 0..100_000 {
        let now = net.now;
        net.nodes[0].set(now, n, Some(1));
        if n % 100 == 0 {
            net.run(1);
        }
    }
    let limits = Config::default();
    assert!(
        net.most[1] <= before + limits.window + 1000,
        "{}",
        net.most[1]
    );
}

#[test]
fn no_more_is_sent_in_a_second_than_the_rate_says() {
    let slow = |name, boot| Config {
        rate: 10_000,
        queue: 64 << 20,
        window: 64 << 20,
        ..config(name, boot)
    };
    let mut net = Net::new([slow("a", 1), slow("b", 2)]);
    net.run(50);
    for n in 0..50_000 {
        let now = net.now;
        net.nodes[0].set(now, n, Some(1));
    }
    let begin = net.counters(0).sent;
    for second in 1..=4 {
        net.run(1000);
        let sent = net.counters(0).sent - begin;
        let expected = 10_000 * second;
        assert!(
            (expected - 1000..=expected + 2000).contains(&sent),
            "{sent}"
        );
    }
    net.run(2000);
    assert!(net.in_step());
}

#[test]
fn what_was_lost_before_it_was_pushed_is_told_again() {
    let mut net = Net::pair();
    net.run(50);
    net.nodes[0].own.insert(5, 5);
    let (now, mut out) = (net.now, Vec::new());
    net.nodes[0]
        .machine
        .tell_again(now, Kind::Neighbor, &mut out);
    assert_eq!(out, [Action::Tell(Kind::Neighbor)]);
    net.carry_out(0, out.remove(0));
    net.run(10);
    assert!(net.in_step());
}

#[test]
fn all_of_a_kind_can_be_asked_for_again() {
    let mut net = Net::pair();
    net.nodes[1].own.insert(5, 5);
    net.run(50);
    // What it could not apply.
    net.nodes[0].told.clear();
    let mut out = Vec::new();
    net.nodes[0].machine.ask_again(Kind::Neighbor, &mut out);
    net.carry_out(0, out.remove(0));
    net.run(500);
    assert!(!net.in_step(), "not twice in a second");
    net.run(600);
    assert!(net.in_step());
}

#[test]
fn a_record_that_is_too_long_is_refused_and_the_rest_goes_on() {
    let mut net = Net::pair();
    net.run(50);
    let long = Station {
        network: "n".repeat(5000),
        mac: [0; 6],
        at: None,
        age: 0,
    };
    let now = net.now;
    // Nobody listens to the kind: it is not even looked at.
    assert_eq!(net.nodes[0].machine.push(now, &long), Ok(Pushed::Nobody));
    let long = Neighbor {
        router: "n".repeat(5000),
        ..neighbor(1, None)
    };
    assert!(net.nodes[0].machine.push(now, &long).is_err());
    assert_eq!(net.status(0).queued, 0);
    net.nodes[0].set(now, 1, Some(1));
    assert!(net.nodes[0].machine.push(now, &long).is_err());
    net.run(5);
    assert!(net.in_step());
}
