//! Messages that break a rule change one counter and nothing else.

use super::*;

/// A Discover of client 1 with some bytes changed.
fn discover(at: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = bytes(&message(Type::Discover, 1, []));
    bytes[at..at + value.len()].copy_from_slice(value);
    bytes
}

#[test]
fn each_is_counted_under_its_name() {
    let relayed = discover(24, &[198, 51, 100, 1]);
    let own_relay = discover(24, &SERVER.octets());
    let cut = {
        let mut bytes = discover(0, &[1]);
        bytes.truncate(240);
        [bytes, vec![53, 1, 1, 12, 200, b'a']].concat()
    };
    let cases: [(&str, Vec<u8>); 8] = [
        ("short_message", vec![1; 20]),
        ("op", discover(0, &[2])),
        ("hardware_type", discover(1, &[0])),
        ("hardware_length", discover(2, &[20])),
        ("no_cookie", discover(236, &[1, 2, 3, 4])),
        ("truncated_option", cut),
        ("untrusted_relay", relayed),
        ("relay_address", own_relay),
    ];
    for (rule, payload) in cases {
        let mut bench = Bench::new(config(100));
        let actions = bench.send(1, ANY, Ipv4Addr::BROADCAST, &payload);
        assert_eq!(actions, [], "{rule}");
        assert_eq!(bench.invalid(), [(rule, 1)]);
        assert_eq!(bench.counters().discovers, 0, "{rule}");
        assert_eq!(bench.machine.book().len(), 0, "{rule}");
    }
}

#[test]
fn a_source_that_nobody_can_have() {
    let mut bench = Bench::new(config(100));
    let payload = bytes(&message(Type::Discover, 1, []));
    for src in ["224.0.0.1", "255.255.255.255", "127.0.0.1", "0.1.2.3"] {
        assert_eq!(bench.send(1, ip(src), SERVER, &payload), [], "{src}");
    }
    assert_eq!(bench.invalid(), [("source", 4)]);
}

#[test]
fn relay_information_without_a_relay() {
    let mut bench = Bench::new(config(100));
    let mut payload = bytes(&message(Type::Discover, 1, []));
    let end = payload.iter().rposition(|b| *b == 255).unwrap();
    payload.splice(end..end, [82, 3, 1, 1, 7]);
    assert_eq!(bench.send(1, ANY, Ipv4Addr::BROADCAST, &payload), []);
    assert_eq!(bench.invalid(), [("untrusted_relay", 1)]);
    // A switch that adds it is trusted where everybody is.
    bench.configure(
        LINK,
        Config {
            relays: Relays::Any,
            ..config(100)
        },
    );
    let actions = bench.send(1, ANY, Ipv4Addr::BROADCAST, &payload);
    let Some(Action::Send { payload, .. }) = actions.last() else {
        panic!("{actions:?}");
    };
    let tail: [u8; 6] = [82, 3, 1, 1, 7, 255];
    assert!(
        payload.windows(6).any(|bytes| bytes == tail),
        "it goes back, last"
    );
}

#[test]
fn what_comes_where_nothing_is_served_is_counted() {
    let mut bench = Bench::new(config(100));
    let payload = bytes(&message(Type::Discover, 1, []));
    let actions = bench.event(Event::Packet(Datagram {
        iface: IfaceId(9),
        src_mac: mac(1),
        src: ANY,
        src_port: 68,
        dst: Ipv4Addr::BROADCAST,
        payload: &payload,
    }));
    assert_eq!(actions, []);
    assert_eq!(bench.machine.counters_elsewhere().unknown_link, 1);
}
