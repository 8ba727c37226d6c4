use proptest::prelude::*;

use super::*;

/// A DHCPDISCOVER with these options behind its type.
fn message(options: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    bytes[..4].copy_from_slice(&[1, 1, 6, 3]);
    bytes[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 0xc]);
    bytes[236..].copy_from_slice(&COOKIE);
    bytes.extend([MESSAGE_TYPE, 1, kind::DISCOVER]);
    bytes.extend(options);
    bytes
}

#[test]
fn each_way_to_be_malformed_has_its_name() {
    let wrong = |bytes: &[u8], invalid| assert_eq!(Message::read(bytes), Err(invalid));
    wrong(&[], Invalid::ShortMessage);
    wrong(&message(&[])[..239], Invalid::ShortMessage);
    wrong(&message(&[]), Invalid::NoEnd);
    wrong(&message(&[0, 0, 0]), Invalid::NoEnd);
    wrong(&message(&[12]), Invalid::TruncatedOption);
    wrong(&message(&[12, 2, 0]), Invalid::TruncatedOption);
    wrong(&message(&[12, 255, 255]), Invalid::TruncatedOption);
    wrong(&message(&[82, 0, 82, 0, 255]), Invalid::DuplicateOption);
    wrong(&message(&[53, 1, 1, 255]), Invalid::DuplicateOption);
    wrong(&message(&[53, 0, 255]), Invalid::OptionLength);
    let mut bytes = message(&[255]);
    bytes[0] = 3;
    wrong(&bytes, Invalid::Op);
    bytes[0] = 2;
    assert_eq!(Message::read(&bytes).unwrap().op, Op::Reply);
    bytes[2] = 17;
    wrong(&bytes, Invalid::HardwareAddress);
    bytes[239] = 0;
    wrong(&bytes, Invalid::Cookie);
}

#[test]
fn the_agents_option_is_put_last_and_taken_away() {
    let bytes = message(&[0, 12, 2, b'h', b'i', 255, 9, 9]);
    let read = Message::read(&bytes).unwrap();
    assert_eq!((read.kind, read.hops, read.agent), (Some(1), 3, None));
    assert_eq!(read.mac, Some(MacAddr([2, 0, 0, 0, 0, 0xc])));
    let with = read.with_agent(&[1, 3, b'l', b'a', b'n']);
    assert_eq!(with.len(), MIN_MESSAGE);
    assert_eq!(
        with[HEADER + 8..][..8],
        [82, 5, 1, 3, b'l', b'a', b'n', 255]
    );
    let again = Message::read(&with).unwrap();
    assert_eq!(
        sub_option(again.agent.unwrap(), CIRCUIT_ID),
        Ok(Some(&b"lan"[..]))
    );
    assert_eq!(sub_option(again.agent.unwrap(), REMOTE_ID), Ok(None));
    let without = again.without_agent();
    assert_eq!(without[..HEADER + 8], bytes[..HEADER + 8]);
    assert_eq!(without[HEADER + 8], END);
    assert_eq!(read.as_it_is(), bytes);
    // One in the middle leaves the others in their order.
    let bytes = message(&[82, 2, 1, 0, 12, 1, b'h', 255]);
    let without = Message::read(&bytes).unwrap().without_agent();
    assert_eq!(without[HEADER + 3..][..4], [12, 1, b'h', 255]);
}

#[test]
fn damaged_sub_options_are_named() {
    for agent in [&[1][..], &[1, 2, 0], &[2, 0, 1]] {
        assert_eq!(sub_option(agent, CIRCUIT_ID), Err(Invalid::AgentOption));
    }
    assert_eq!(sub_option(&[], CIRCUIT_ID), Ok(None));
}

#[test]
fn labels_are_distinct() {
    let labels: std::collections::BTreeSet<_> = Invalid::ALL.iter().map(|i| i.label()).collect();
    assert_eq!(labels.len(), Invalid::ALL.len());
}

proptest! {
    /// Whatever is read can be written anew, and says the same but for the option.
    #[test]
    fn what_is_rewritten_is_read_again(
        options in prop::collection::vec((1u8..=81, prop::collection::vec(any::<u8>(), 0..40)), 0..8),
        agent in prop::collection::vec(any::<u8>(), 0..60),
        tail in any::<u8>(),
    ) {
        let mut bytes: Vec<u8> = Vec::new();
        for (code, data) in options.iter().filter(|(code, _)| *code != MESSAGE_TYPE) {
            bytes.extend([*code, data.len() as u8]);
            bytes.extend(data);
        }
        bytes.extend([END, tail]);
        let bytes = message(&bytes);
        let read = Message::read(&bytes).unwrap();
        let with = read.with_agent(&agent);
        prop_assert_eq!(Message::read(&with).unwrap().agent, Some(&agent[..]));
        let without = Message::read(&with).unwrap().without_agent();
        let end = read.end + 1;
        prop_assert_eq!(&without[..end], &bytes[..end]);
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut bytes = bytes;
        let _ = super::super::read(&bytes);
        if HEADER <= bytes.len() {
            bytes[236..240].copy_from_slice(&COOKIE);
            bytes[..3].copy_from_slice(&[1, 1, 6]);
            let _ = super::super::read(&bytes);
        }
    }
}
