use super::*;

const SOLICIT: &[u8] = &[1, 0, 0, 1, 0, 1, 0, 3, 0, 3, 0];

fn envelope(kind: u8, options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut w = Writer::new(kind, 0, Ipv6Addr::UNSPECIFIED, Ipv6Addr::LOCALHOST);
    for (code, data) in options {
        w.option(*code, &[data]).unwrap();
    }
    w.finish()
}

fn nested(layers: usize) -> Vec<u8> {
    (0..layers).fold(SOLICIT.to_vec(), |inner, _| {
        envelope(kind::RELAY_FORWARD, &[(code::RELAY_MSG, &inner)])
    })
}

#[test]
fn each_way_to_be_malformed_has_its_name() {
    let wrong = |bytes: &[u8], invalid| assert_eq!(Message::read(bytes), Err(invalid), "{bytes:?}");
    wrong(&[], Invalid::ShortMessage);
    wrong(&[1, 0, 0], Invalid::ShortMessage);
    wrong(&[12; 33], Invalid::ShortMessage);
    wrong(&[1, 0, 0, 1, 0, 1], Invalid::TruncatedOption);
    wrong(&[1, 0, 0, 1, 0, 1, 0, 9, 0], Invalid::TruncatedOption);
    for kind in [2, 7, 10, 15, 21, 37] {
        wrong(&[kind, 0, 0, 1], Invalid::NotClientMessage);
    }
    wrong(&envelope(12, &[]), Invalid::RelayEmpty);
    wrong(
        &envelope(12, &[(9, SOLICIT), (9, SOLICIT)]),
        Invalid::DuplicateOption,
    );
    wrong(
        &envelope(13, &[(18, b"a"), (18, b"b"), (9, SOLICIT)]),
        Invalid::DuplicateOption,
    );
    wrong(
        &envelope(12, &[(135, &[0]), (9, SOLICIT)]),
        Invalid::OptionLength,
    );
    wrong(
        &envelope(12, &[(99, &[][..]); 513]),
        Invalid::TooManyOptions,
    );
    let mut many = vec![1, 0, 0, 1];
    many.extend([0; 4 * 513]);
    wrong(&many, Invalid::TooManyOptions);
}

#[test]
fn types_that_nobody_knows_are_relayed_both_ways() {
    for kind in [23, 99, 255] {
        let bytes = [kind, 1, 2, 3, 0xff];
        let xid = [1, 2, 3];
        assert_eq!(Message::read(&bytes), Ok(Message::Client { kind, xid }));
        assert_eq!(Answer::read(&bytes), Ok(Answer::Client { kind, xid }));
    }
}

#[test]
fn nesting_ends_at_the_hop_limit() {
    let inside = |layers| {
        let bytes = nested(layers);
        match Message::read(&bytes).unwrap() {
            Message::Relayed(envelope) => check_nested(envelope.message),
            other => panic!("{other:?}"),
        }
    };
    for layers in 1..=8 {
        assert_eq!(inside(layers), Ok(()), "{layers}");
    }
    for layers in [9, 10, 32, 100] {
        assert_eq!(inside(layers), Err(Invalid::RelayTooDeep), "{layers}");
    }
    for damaged in [
        &[][..],
        &[2, 0, 0, 1],
        &[1, 0, 0, 1, 0],
        &[12, 0],
        &envelope(13, &[(9, SOLICIT)]),
    ] {
        assert_eq!(
            check_nested(damaged),
            Err(Invalid::NestedDamage),
            "{damaged:?}"
        );
        let one_more = envelope(12, &[(9, damaged)]);
        assert_eq!(check_nested(&one_more), Err(Invalid::NestedDamage));
    }
}

#[test]
fn an_answer_is_a_servers() {
    assert_eq!(
        Answer::read(&[7, 0, 0, 1]),
        Ok(Answer::Client {
            kind: 7,
            xid: [0, 0, 1]
        })
    );
    assert_eq!(Answer::read(SOLICIT), Err(Invalid::NotServerMessage));
    assert_eq!(Answer::read(&nested(1)), Err(Invalid::NotServerMessage));
    assert_eq!(Answer::read(&[]), Err(Invalid::NestedDamage));
    let mut bytes = vec![7, 0, 0, 1];
    for layers in 1..=12 {
        bytes = envelope(13, &[(9, &bytes)]);
        let expected = if layers < 9 {
            Ok(Answer::Relay)
        } else {
            Err(Invalid::RelayTooDeep)
        };
        assert_eq!(Answer::read(&bytes), expected, "{layers}");
    }
    let inside = envelope(13, &[(9, SOLICIT)]);
    assert_eq!(Answer::read(&inside), Err(Invalid::NotServerMessage));
}

/// A Reply with an IA_PD that has this IA Prefix.
fn reply(prefix: &[u8]) -> Vec<u8> {
    let ia = [&[0; 12][..], &[0, 26, 0, prefix.len() as u8], prefix].concat();
    let header: &[u8] = &[7, 0, 0, 1, 0, 1, 0, 3, 0, 3, 9, 0, 25, 0, ia.len() as u8];
    [header, &ia].concat()
}

fn ia_prefix(preferred: u32, valid: u32, len: u8, address: &str) -> Vec<u8> {
    let address: Ipv6Addr = address.parse().unwrap();
    let times = [preferred.to_be_bytes(), valid.to_be_bytes()].concat();
    [&times[..], &[len], &address.octets()].concat()
}

#[test]
fn a_delegation_is_read_and_its_bits_after_the_length_are_not() {
    let bytes = reply(&ia_prefix(10, 20, 56, "2001:db8:1:2ff::1"));
    let found = Delegation::read(&bytes).unwrap();
    assert_eq!(found.client, [0, 3, 9]);
    let [d] = found.prefixes[..] else {
        panic!("{found:?}");
    };
    assert_eq!(d.prefix.to_string(), "2001:db8:1:200::/56");
    assert_eq!((d.iaid, d.preferred, d.valid), (0, 10, 20));
    // Preferred for longer than valid: void.
    let bytes = reply(&ia_prefix(21, 20, 56, "2001:db8::"));
    assert_eq!(Delegation::read(&bytes).unwrap().prefixes, []);
    let bytes = reply(&ia_prefix(1, 2, 129, "2001:db8::"));
    assert_eq!(Delegation::read(&bytes), Err(Invalid::Prefix));
    assert_eq!(
        Delegation::read(&reply(&[0; 24])),
        Err(Invalid::OptionLength)
    );
    assert_eq!(
        Delegation::read(&[7, 0, 0, 1, 0, 25, 0, 1, 0]),
        Err(Invalid::OptionLength)
    );
}

#[test]
fn labels_are_distinct() {
    let labels: std::collections::BTreeSet<_> = Invalid::ALL.iter().map(|i| i.label()).collect();
    assert_eq!(labels.len(), Invalid::ALL.len());
}
