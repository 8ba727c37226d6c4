//! Each way to be malformed: a counter of its own, no answer, no change.

use super::*;
use crate::dhcp6::option::Invalid;

fn tlv(code: u16, data: &[u8]) -> Vec<u8> {
    [
        &code.to_be_bytes()[..],
        &(data.len() as u16).to_be_bytes(),
        data,
    ]
    .concat()
}

/// A message of type `kind` with these options.
fn msg(kind: u8, options: &[Vec<u8>]) -> Vec<u8> {
    [&[kind, 1, 2, 3][..], &options.concat()].concat()
}

fn id() -> Vec<u8> {
    tlv(1, &duid(1))
}

fn server() -> Vec<u8> {
    tlv(2, &SERVER)
}

fn ia(options: &[Vec<u8>]) -> Vec<u8> {
    tlv(3, &[&[0; 12][..], &options.concat()].concat())
}

fn ia_addr(address: &str) -> Vec<u8> {
    tlv(5, &[&ip(address).octets()[..], &[0; 8]].concat())
}

fn relay(hops: u8, options: &[Vec<u8>]) -> Vec<u8> {
    [&[12, hops][..], &[0; 32], &options.concat()].concat()
}

/// Every class with messages that are of it.
fn samples() -> Vec<(Invalid, Vec<u8>)> {
    let prefix = |len: u8| tlv(26, &[&[0; 8][..], &[len], &[0; 16]].concat());
    let solicit = |options: &[Vec<u8>]| msg(1, &[&[id()][..], options].concat());
    let many_ias = |n: u32| -> Vec<Vec<u8>> {
        (0..n)
            .map(|iaid| tlv(3, &[&iaid.to_be_bytes()[..], &[0; 8]].concat()))
            .collect()
    };
    let mut deep = solicit(&[]);
    for hop in 0..40u8 {
        deep = relay(hop.min(8), &[tlv(9, &deep)]);
    }
    vec![
        (Invalid::ShortMessage, vec![]),
        (Invalid::ShortMessage, vec![1, 2, 3]),
        (Invalid::ShortMessage, vec![12, 0, 0, 0]),
        (Invalid::ShortMessage, relay(0, &[tlv(9, &[1])])),
        (Invalid::UnknownType, msg(0, &[id()])),
        (Invalid::UnknownType, msg(14, &[id()])),
        (Invalid::UnknownType, msg(255, &[id()])),
        (Invalid::WrongDirection, msg(2, &[id(), server()])),
        (Invalid::WrongDirection, msg(7, &[id(), server()])),
        (Invalid::WrongDirection, msg(10, &[id(), server()])),
        (
            Invalid::WrongDirection,
            [&[13, 0][..], &[0; 32], &tlv(9, &solicit(&[]))].concat(),
        ),
        (
            Invalid::TruncatedOption,
            [solicit(&[]), vec![0, 3, 0, 12, 0]].concat(),
        ),
        (Invalid::TruncatedOption, [solicit(&[]), vec![0]].concat()),
        (
            Invalid::TruncatedOption,
            solicit(&[ia(&[vec![0, 5, 0, 24]])]),
        ),
        (Invalid::TruncatedOption, relay(0, &[vec![0, 9, 1, 0]])),
        (Invalid::OptionLength, solicit(&[tlv(3, &[0; 11])])),
        (Invalid::OptionLength, solicit(&[tlv(4, &[0; 3])])),
        (Invalid::OptionLength, solicit(&[tlv(25, &[0; 11])])),
        (Invalid::OptionLength, solicit(&[ia(&[tlv(5, &[0; 23])])])),
        (Invalid::OptionLength, solicit(&[tlv(6, &[0; 3])])),
        (Invalid::OptionLength, solicit(&[tlv(8, &[0; 1])])),
        (Invalid::OptionLength, solicit(&[tlv(14, &[0])])),
        (Invalid::OptionLength, solicit(&[tlv(20, &[0])])),
        (Invalid::OptionLength, solicit(&[tlv(16, &[0; 3])])),
        (Invalid::OptionLength, solicit(&[tlv(39, &[])])),
        (
            Invalid::OptionLength,
            relay(0, &[tlv(79, &[0, 1, 2]), tlv(9, &solicit(&[]))]),
        ),
        (
            Invalid::OptionLength,
            relay(0, &[tlv(37, &[0; 3]), tlv(9, &solicit(&[]))]),
        ),
        (
            Invalid::OptionLength,
            relay(0, &[tlv(135, &[0; 3]), tlv(9, &solicit(&[]))]),
        ),
        (
            Invalid::OptionLength,
            relay(0, &[tlv(43, &[0; 3]), tlv(9, &solicit(&[]))]),
        ),
        (Invalid::DuplicateOption, solicit(&[id()])),
        (
            Invalid::DuplicateOption,
            msg(3, &[id(), server(), server()]),
        ),
        (Invalid::DuplicateOption, solicit(&[ia(&[]), ia(&[])])),
        (
            Invalid::DuplicateOption,
            solicit(&[tlv(8, &[0; 2]), tlv(8, &[0; 2])]),
        ),
        (
            Invalid::DuplicateOption,
            relay(0, &[tlv(9, &solicit(&[])), tlv(9, &solicit(&[]))]),
        ),
        (Invalid::TooManyOptions, solicit(&vec![tlv(1000, &[]); 600])),
        (
            Invalid::TooManyOptions,
            solicit(&[ia(&vec![tlv(1000, &[]); 600])]),
        ),
        (
            Invalid::TooManyOptions,
            relay(0, &vec![tlv(1000, &[]); 600]),
        ),
        (Invalid::TooManyIas, solicit(&many_ias(33))),
        (
            Invalid::TooManyLeases,
            solicit(&[ia(&vec![ia_addr("2001:db8::1"); 129])]),
        ),
        (Invalid::MisplacedOption, solicit(&[ia(&[ia(&[])])])),
        (Invalid::MisplacedOption, solicit(&[ia(&[id()])])),
        (Invalid::MisplacedOption, solicit(&[ia(&[prefix(56)])])),
        (Invalid::MisplacedOption, solicit(&[ia_addr("2001:db8::1")])),
        (Invalid::MisplacedOption, solicit(&[prefix(56)])),
        (Invalid::MisplacedOption, solicit(&[tlv(9, &solicit(&[]))])),
        (
            Invalid::MisplacedOption,
            solicit(&[ia(&[tlv(5, &[&[0; 24][..], &ia(&[])].concat())])]),
        ),
        (Invalid::ShortDuid, msg(1, &[tlv(1, &[])])),
        (Invalid::ShortDuid, msg(1, &[tlv(1, &[0, 1])])),
        (Invalid::ShortDuid, msg(3, &[id(), tlv(2, &[])])),
        (Invalid::LongDuid, msg(1, &[tlv(1, &[0; 131])])),
        (Invalid::LongDuid, msg(3, &[id(), tlv(2, &[0; 4000])])),
        (Invalid::NoClientId, msg(1, &[ia(&[])])),
        (Invalid::NoClientId, msg(3, &[server(), ia(&[])])),
        (Invalid::NoClientId, msg(4, &[])),
        (Invalid::NoServerId, msg(3, &[id(), ia(&[])])),
        (Invalid::NoServerId, msg(5, &[id(), ia(&[])])),
        (Invalid::NoServerId, msg(8, &[id(), ia(&[])])),
        (Invalid::NoServerId, msg(9, &[id(), ia(&[])])),
        (Invalid::UnexpectedServerId, msg(1, &[id(), server()])),
        (Invalid::UnexpectedServerId, msg(4, &[id(), server()])),
        (Invalid::UnexpectedServerId, msg(6, &[id(), server()])),
        (Invalid::UnexpectedIa, msg(11, &[id(), ia(&[])])),
        (
            Invalid::UnexpectedIa,
            msg(36, &[id(), ia_addr("fe80::1"), ia(&[])]),
        ),
        (Invalid::NoAddress, msg(36, &[id()])),
        (
            Invalid::ForeignAddress,
            msg(36, &[id(), ia_addr("2001:db8::1")]),
        ),
        (
            Invalid::UnexpectedRequest,
            msg(36, &[id(), ia_addr("fe80::1"), tlv(6, &[0, 23])]),
        ),
        (
            Invalid::PrefixLength,
            solicit(&[tlv(25, &[&[0; 12][..], &prefix(129)].concat())]),
        ),
        (Invalid::DomainName, solicit(&[tlv(39, &[0, 64])])),
        (Invalid::DomainName, solicit(&[tlv(39, &[0, 3, b'a'])])),
        (Invalid::DomainName, solicit(&[tlv(39, &[0, 0, 1, b'a'])])),
        (Invalid::DomainName, solicit(&[tlv(39, &[0xc0; 2])])),
        (Invalid::DomainName, solicit(&[tlv(39, &[1; 300])])),
        (Invalid::RelayTooDeep, deep),
        (Invalid::RelayTooDeep, relay(9, &[tlv(9, &solicit(&[]))])),
        (Invalid::RelayEmpty, relay(0, &[])),
        (Invalid::RelayEmpty, relay(0, &[tlv(9, &relay(0, &[]))])),
    ]
}

#[test]
fn each_class_is_counted_and_changes_nothing() {
    let mut bench = Bench::new(Config {
        relays: Relays::Any,
        rapid_commit: true,
        ..config()
    });
    bench.lease(9, 5);
    let leases = |bench: &Bench| bench.machine.book().iter().cloned().collect::<Vec<_>>();
    let before = leases(&bench);
    let mut expected = std::collections::BTreeMap::new();
    for (class, payload) in samples() {
        assert_eq!(
            bench.send(1, &payload),
            [],
            "{class:?} {}",
            payload.escape_ascii()
        );
        *expected.entry(class.label()).or_default() += 1;
        assert_eq!(
            bench.counters().invalid,
            expected,
            "{}",
            payload.escape_ascii()
        );
    }
    assert_eq!(leases(&bench), before);
    // Those of the datagram, and of configured trust, are tested where they belong.
    let elsewhere = [Invalid::Source, Invalid::Unicast, Invalid::UntrustedRelay];
    for class in Invalid::ALL {
        let tested = expected.contains_key(class.label());
        assert_ne!(tested, elsewhere.contains(&class), "{class:?}");
    }
}

#[test]
fn sources_that_cannot_be_answered() {
    let mut bench = Bench::new(config());
    let payload = bytes(&message(Type::Solicit, 1, [na(5, &[])]));
    for src in ["::", "ff02::1", "::1"] {
        let actions = bench.event(Event::Packet(Datagram {
            iface: IFACE,
            src_mac: mac(1),
            src: ip(src),
            src_port: 546,
            dst: ip(GROUP),
            payload: &payload,
        }));
        assert_eq!(actions, []);
    }
    assert_eq!(bench.counters().invalid["source"], 3);
}

#[test]
fn unicast_is_answered_with_use_multicast_or_not_at_all() {
    let mut bench = Bench::new(config());
    let ours = ip("2001:db8::ffff");
    for kind in [Type::Request, Type::Renew, Type::Release, Type::Decline] {
        let actions = bench.send_to(1, ours, &bytes(&to_server(kind, 1, [na(5, &[])])));
        let reply = answer(&actions).unwrap();
        assert_eq!(status(reply.opts()), Some(Status::UseMulticast));
        assert_eq!(
            reply.opts().iter().count(),
            3,
            "identifiers and status, nothing else"
        );
        assert!(
            matches!(actions[..], [Action::Send { src, after_commit: false, .. }] if src == Some(ours))
        );
    }
    for kind in [Type::Solicit, Type::Confirm, Type::Rebind] {
        let payload = bytes(&message(kind, 1, [na(5, &[])]));
        assert_eq!(bench.send_to(1, ours, &payload), []);
    }
    let payload = bytes(&message(Type::InformationRequest, 1, []));
    assert_eq!(bench.send_to(1, ours, &payload), []);
    assert_eq!(
        (
            bench.counters().use_multicast,
            bench.counters().invalid["unicast"]
        ),
        (4, 4)
    );
    assert!(bench.machine.book().is_empty());
}

#[test]
fn messages_for_another_server() {
    let mut bench = Bench::new(config());
    for kind in [
        Type::Request,
        Type::Renew,
        Type::Release,
        Type::Decline,
        Type::InformationRequest,
    ] {
        let mut other = message(kind, 1, []);
        if kind != Type::InformationRequest {
            other.opts_mut().insert(na(5, &[]));
        }
        other
            .opts_mut()
            .insert(DhcpOption::ServerId(vec![0, 3, 0, 1, 9]));
        assert_eq!(bench.send(1, &bytes(&other)), []);
        assert_eq!(
            bench.send_to(1, ip("2001:db8::ffff"), &bytes(&other)),
            [],
            "nor by unicast"
        );
    }
    assert_eq!(bench.counters().other_server, 10);
    assert!(bench.counters().invalid.is_empty());
}

#[test]
fn an_answer_that_fits_no_datagram_is_not_sent() {
    let option = crate::dhcp6::config::RawOption {
        code: 1000,
        data: vec![0; 4096],
        always: true,
    };
    let mut bench = Bench::new(Config {
        settings: crate::dhcp6::config::Settings {
            extra: vec![option; 16],
            ..Default::default()
        },
        ..config()
    });
    assert_eq!(
        bench.send(1, &bytes(&message(Type::InformationRequest, 1, []))),
        []
    );
    assert_eq!(bench.counters().reply_too_big, 1);
}
