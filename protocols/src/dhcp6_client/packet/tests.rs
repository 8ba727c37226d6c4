//! Messages that are none, each with its class.

use super::*;
use crate::dhcp6_wire::MAX_OPTIONS;

fn option(code: u16, data: &[u8]) -> Vec<u8> {
    let mut out = code.to_be_bytes().to_vec();
    out.extend((data.len() as u16).to_be_bytes());
    out.extend(data);
    out
}

const DUID: &[u8] = &[0, 3, 0, 1];

fn message(kind: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    let mut out = vec![kind, 1, 2, 3];
    out.extend(option(1, DUID));
    out.extend(option(2, DUID));
    out.extend(parts.concat());
    out
}

fn ia(code: u16, inner: &[u8]) -> Vec<u8> {
    option(code, &[&[0; 12][..], inner].concat())
}

#[test]
fn each_way_to_be_wrong_has_its_name() {
    let address = option(5, &[0x20; 24]);
    let many: Vec<_> = std::iter::repeat_n(option(99, &[]), MAX_OPTIONS).collect();
    let ias: Vec<_> = std::iter::repeat_n(ia(3, &[]), MAX_IAS + 1).collect();
    let leases: Vec<_> = std::iter::repeat_n(address.clone(), MAX_LEASES + 1).collect();
    let cases: Vec<(Invalid, Vec<u8>)> = vec![
        (Invalid::ShortMessage, vec![]),
        (Invalid::ShortMessage, vec![7, 1, 2]),
        (Invalid::UnknownType, message(0, &[])),
        (Invalid::UnknownType, message(200, &[])),
        (Invalid::WrongDirection, message(1, &[])),
        (Invalid::WrongDirection, message(13, &[])),
        (
            Invalid::TruncatedOption,
            message(7, &[vec![0, 23, 0, 16, 1]]),
        ),
        (Invalid::TruncatedOption, message(7, &[vec![0]])),
        (
            Invalid::TruncatedOption,
            message(7, &[ia(25, &[0, 26, 0, 9])]),
        ),
        (Invalid::OptionLength, message(7, &[option(3, &[0; 11])])),
        (
            Invalid::OptionLength,
            message(7, &[ia(3, &option(5, &[0; 23]))]),
        ),
        (
            Invalid::OptionLength,
            message(7, &[ia(25, &option(26, &[0; 24]))]),
        ),
        (Invalid::OptionLength, message(7, &[option(7, &[])])),
        (Invalid::OptionLength, message(7, &[option(13, &[0])])),
        (Invalid::OptionLength, message(7, &[option(14, &[0])])),
        (Invalid::OptionLength, message(7, &[option(23, &[0; 17])])),
        (Invalid::OptionLength, message(7, &[option(82, &[0; 3])])),
        (Invalid::OptionLength, message(7, &[option(19, &[])])),
        (Invalid::DuplicateOption, message(7, &[option(1, DUID)])),
        (
            Invalid::DuplicateOption,
            message(7, &[option(7, &[1]), option(7, &[1])]),
        ),
        (
            Invalid::DuplicateOption,
            message(7, &[ia(3, &option(13, &[0; 2]).repeat(2))]),
        ),
        (Invalid::TooManyOptions, message(7, &many)),
        (Invalid::TooManyIas, message(7, &ias)),
        (
            Invalid::TooManyLeases,
            message(7, &[ia(3, &leases.concat())]),
        ),
        (
            Invalid::MisplacedOption,
            message(7, std::slice::from_ref(&address)),
        ),
        (Invalid::MisplacedOption, message(7, &[option(9, &[1])])),
        (Invalid::MisplacedOption, message(7, &[ia(25, &address)])),
        (Invalid::MisplacedOption, message(7, &[ia(3, &ia(3, &[]))])),
        (
            Invalid::ShortDuid,
            [&[7, 1, 2, 3][..], &option(1, &[0, 3])].concat(),
        ),
        (
            Invalid::LongDuid,
            [&[7, 1, 2, 3][..], &option(2, &[0; 131])].concat(),
        ),
        (
            Invalid::NoClientId,
            [&[7, 1, 2, 3][..], &option(2, DUID)].concat(),
        ),
        (
            Invalid::NoServerId,
            [&[7, 1, 2, 3][..], &option(1, DUID)].concat(),
        ),
    ];
    for (invalid, bytes) in cases {
        assert_eq!(Message::read(&bytes).err(), Some(invalid), "{bytes:?}");
    }
}

#[test]
fn a_whole_reply() {
    let mut prefix = vec![0, 0, 0, 10, 0, 0, 0, 20, 56];
    prefix.extend("2001:db8::".parse::<Ipv6Addr>().unwrap().octets());
    let inner = option(26, &prefix);
    let bytes = message(
        7,
        &[
            ia(25, &[inner, option(13, &[0, 0])].concat()),
            option(7, &[9]),
            option(12, &[0x20; 16]),
            option(32, &[0, 0, 1, 0]),
            option(4000, b"unknown"),
        ],
    );
    let message = Message::read(&bytes).unwrap();
    assert_eq!(message.kind, MessageType::Reply);
    assert_eq!((message.xid, message.preference), ([1, 2, 3], 9));
    assert_eq!(message.information_refresh_time, Some(256));
    let given = &message.ias[0].leases[0];
    assert_eq!((given.preferred, given.valid, given.len), (10, 20, 56));
    assert_eq!(
        message.options(&[4000]),
        [(4000, Box::from(&b"unknown"[..]))]
    );
    assert!(message.left_out.is_empty());
}

#[test]
fn no_cut_of_a_message_is_read_beyond_its_end() {
    let mut prefix = vec![0, 0, 0, 10, 0, 0, 0, 20, 56];
    prefix.extend([0x20; 16]);
    prefix.extend(option(67, &[64, 1]));
    let bytes = message(7, &[ia(25, &option(26, &prefix)), option(11, &[3; 28])]);
    for len in 0..=bytes.len() {
        let _ = Message::read(&bytes[..len]);
    }
    let read = Message::read(&bytes).unwrap();
    assert_eq!(read.ias.len(), 1);
    assert_eq!(
        read.auth.map(|(at, data)| (at, data.len())),
        Some((bytes.len() - 28, 28))
    );
}
