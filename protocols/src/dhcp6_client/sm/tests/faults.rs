//! What servers may say that must not be believed.

use super::*;

/// A Reply to the message sent last, from parts; the header may be wrong.
fn reply(bench: &Bench, xid: [u8; 3], client: &[u8], server: &[u8], parts: &[Vec<u8>]) -> Vec<u8> {
    assert!(!bench.sent.is_empty());
    let mut payload = vec![REPLY];
    payload.extend(xid);
    payload.extend(option(1, client));
    payload.extend(option(2, server));
    payload.extend(parts.concat());
    payload
}

#[test]
fn answers_to_others_and_of_others_change_nothing_but_a_counter() {
    let mut bench = Bench::bound();
    bench.until_sent(5);
    let xid = bench.last().xid;
    let told = bench.held.len();
    let gone = [ia_na(0, 0, &[address("2001:db8::7", 0, 0)])];
    let wrong_xid = [xid[0] ^ 1, xid[1], xid[2]];
    let packets = [
        (
            Invalid::ForeignTransaction,
            reply(&bench, wrong_xid, OURS, SERVER, &gone),
        ),
        (
            Invalid::ForeignClient,
            reply(&bench, xid, OTHER, SERVER, &gone),
        ),
        (Invalid::OtherServer, reply(&bench, xid, OURS, OTHER, &gone)),
    ];
    for (invalid, packet) in packets {
        bench.packet(&packet);
        assert_eq!(bench.invalid(invalid.label()), 1, "{invalid}");
    }
    let mut advertise = reply(&bench, xid, OURS, SERVER, &gone);
    advertise[0] = ADVERTISE;
    bench.packet(&advertise);
    assert_eq!(bench.invalid("unexpected"), 1);
    let payload = reply(&bench, xid, OURS, SERVER, &gone);
    bench.event(Event::Packet(Datagram {
        iface: IFACE,
        src: ll("ff02::1"),
        dst: ll("fe80::aa"),
        payload: &payload,
    }));
    assert_eq!(bench.invalid("source"), 1);
    assert_eq!(bench.held.len(), told);
    assert_eq!(bench.state(), State::Renewing);
    // Where no uplink is.
    bench.event(Event::Packet(Datagram {
        iface: IfaceId(99),
        src: ll("fe80::1"),
        dst: ll("fe80::aa"),
        payload: &payload,
    }));
    assert_eq!(
        bench.machine.counters_elsewhere().invalid["foreign_transaction"],
        1
    );
}

#[test]
fn an_answer_comes_once() {
    let mut bench = Bench::bound();
    bench.answer(REPLY, SERVER, &both());
    assert_eq!(bench.invalid("foreign_transaction"), 1);
    bench.answer(ADVERTISE, SERVER, &both());
    assert_eq!(bench.invalid("foreign_transaction"), 2);
}

/// Binds with what `parts` give, of which some must be left out.
fn bind(config: Config, parts: &[Vec<u8>]) -> Bench {
    let mut bench = Bench::new(config);
    bench.until_sent(1);
    bench.answer(ADVERTISE, SERVER, &both());
    bench.until_sent(3);
    bench.answer(REPLY, SERVER, parts);
    bench
}

#[test]
fn senseless_leases_are_left_out_and_the_rest_is_taken() {
    let pd = |inner: Vec<u8>| ia_pd(IAID, 1800, 2880, &[inner]);
    let cases = [
        ("prefix_length", pd(prefix("2001:db8:1::/65", 10, 20))),
        ("prefix_length", pd(prefix("2001:db8:1::/128", 10, 20))),
        ("prefix_length", pd(prefix("::/0", 10, 20))),
        ("prefix_block", pd(prefix("fe80::/64", 10, 20))),
        ("prefix_block", pd(prefix("ff02::/64", 10, 20))),
        ("prefix_block", pd(prefix("::/64", 10, 20))),
        (
            "preferred_beyond_valid",
            pd(prefix("2001:db8:1::/56", 30, 20)),
        ),
        (
            "t1_beyond_t2",
            ia_pd(IAID, 20, 10, &[prefix("2001:db8:1::/56", 10, 20)]),
        ),
        (
            "foreign_ia",
            ia_pd(IAID + 1, 0, 0, &[prefix("2001:db8:1::/56", 10, 20)]),
        ),
        ("address", ia_na(0, 0, &[address("fe80::7", 10, 20)])),
        ("address", ia_na(0, 0, &[address("::", 10, 20)])),
        ("address", ia_na(0, 0, &[address("ff02::7", 10, 20)])),
        ("domain_name", option(24, b"\x03a b\0")),
    ];
    for (label, part) in cases {
        let bench = bind(Bench::usual(), &[both()[0].clone(), part]);
        assert_eq!(bench.invalid(label), 1, "{label}");
        assert_eq!(bench.state(), State::Bound, "{label}");
        assert_eq!(bench.leases(), ["2001:db8::7"], "{label}");
    }
}

#[test]
fn a_server_gone_wild_gives_eight_of_a_kind() {
    let many: Vec<_> = (0..20)
        .map(|i| prefix(&format!("2001:db8:{i:x}00::/56"), 3600, 7200))
        .collect();
    let bench = bind(Bench::usual(), &[ia_pd(IAID, 1800, 2880, &many)]);
    assert_eq!(bench.leases().len(), 8);
    assert_eq!(bench.invalid("too_many_leases_of_one_ia"), 1);
}

#[test]
fn unique_local_prefixes_and_bits_after_the_length() {
    let bench = bind(
        Bench::usual(),
        &[ia_pd(
            IAID,
            0,
            0,
            &[prefix("fd00:1:2:3::77/56", 3600, 7200)],
        )],
    );
    assert_eq!(bench.leases(), ["fd00:1:2::/56"]);
}

#[test]
fn the_excluded_prefix_comes_along_and_a_wrong_one_does_not() {
    let with = |data: &[u8]| {
        let inner = option(67, data);
        let prefix = prefix_with("2001:db8:100::/56", 3600, 7200, &inner);
        bind(Bench::usual(), &[ia_pd(IAID, 0, 0, &[prefix])])
    };
    let bench = with(&[64, 0xfe]);
    let excluded = "2001:db8:100:fe::/64".parse().unwrap();
    assert_eq!(bench.held().prefixes[0].exclude, Some(excluded));
    let bench = with(&[60, 0xa0]);
    let excluded = "2001:db8:100:a0::/60".parse().unwrap();
    assert_eq!(bench.held().prefixes[0].exclude, Some(excluded));
    for wrong in [&[][..], &[56, 0], &[64], &[64, 1, 2], &[129, 1], &[200, 1]] {
        let bench = with(wrong);
        assert_eq!(bench.invalid("exclude"), 1, "{wrong:?}");
        assert_eq!(bench.held().prefixes[0].exclude, None);
    }
}

#[test]
fn times_that_make_no_sense_are_chosen() {
    let t1_t2 = |t1, t2| {
        let bench = bind(
            Bench::usual(),
            &[ia_pd(
                IAID,
                t1,
                t2,
                &[prefix("2001:db8:1::/56", 1000, 2000)],
            )],
        );
        let now = bench.wall();
        (
            bench.held().renew_at.left(now),
            bench.held().rebind_at.left(now),
        )
    };
    // The address is missing, which is asked for within ten minutes anyway.
    assert_eq!(t1_t2(0, 0), (500, 800));
    assert_eq!(t1_t2(400, 0), (400, 800));
    assert_eq!(t1_t2(0, 400), (250, 400));
    assert_eq!(t1_t2(300, 900), (300, 900));
    assert_eq!(t1_t2(5000, 6000), (500, 800), "beyond the end");
    assert_eq!(
        t1_t2(u32::MAX, u32::MAX),
        (500, 800),
        "never, and yet it ends"
    );
    assert_eq!(t1_t2(1, 1), (3, 3), "too often");
}

#[test]
fn a_server_that_answers_with_nothing_is_asked_again_at_the_usual_pace() {
    let mut bench = Bench::bound();
    let first = bench.until_sent(5);
    for parts in [
        &[][..],
        &[ia_na(0, 0, &[])],
        &[status(1)],
        &[ia_na(0, 0, &[status(2)])],
    ] {
        bench.answer(REPLY, SERVER, parts);
        assert_eq!(bench.state(), State::Renewing);
    }
    let second = bench.until_sent(5);
    assert!(second.at - first.at >= Duration::from_secs(9));
    assert_eq!(bench.leases().len(), 2);
}

#[test]
fn whatever_servers_do_no_more_than_twenty_messages_in_twenty_seconds() {
    let mut bench = Bench::new(Bench::usual());
    bench.until_sent(1);
    let mut at_once = both();
    at_once.push(option(7, &[255]));
    bench.answer(ADVERTISE, SERVER, &at_once);
    bench.answer(REPLY, SERVER, &both());
    for _ in 0..30 {
        bench.event(Event::Renew { iface: IFACE });
        bench.answer(REPLY, SERVER, &both());
    }
    assert_eq!(bench.sent.len(), 20);
    assert!(bench.counters().rate_limited >= 1);
}

#[test]
fn a_lease_given_twice_belongs_to_the_association_named_last() {
    let config = Config {
        prefixes: vec![PrefixHint::default(); 2],
        ..Bench::usual()
    };
    let same = |iaid| ia_pd(iaid, 0, 0, &[prefix("2001:db8:1::/56", 1000, 2000)]);
    let bench = bind(config, &[same(IAID), same(IAID + 1)]);
    let held: Vec<_> = bench.held().prefixes.iter().map(|h| h.iaid).collect();
    assert_eq!(held, [IAID + 1]);
}
