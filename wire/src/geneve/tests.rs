//! Packets as scapy writes them, the walk over options, and what is refused.

use proptest::prelude::*;

use super::*;

/// Scapy: GENEVE(vni=0x123456, proto=0x6558)/Ether(02:00:00:00:00:02 > 02:00:00:00:00:01,
/// type=0x9000).
const BRIDGED: [u8; 22] = [
    0x00, 0x00, 0x65, 0x58, 0x12, 0x34, 0x56, 0, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x90, 0,
];

/// Scapy: GENEVE(vni=7, proto=0x86dd, options=[GeneveOptions(classid=0x0102, type=1, data=00 01 00
/// 02), GeneveOptions(classid=0xffff, type=2)])/"pay".
const WITH_OPTIONS: [u8; 23] = [
    0x03, 0, 0x86, 0xdd, 0, 0, 7, 0, 1, 2, 1, 1, 0, 1, 0, 2, 0xff, 0xff, 2, 0, b'p', b'a', b'y',
];

/// Scapy: GENEVE(critical=1, oam=1, vni=7, proto=0x6558, options=[GeneveOptions(classid=0x0102,
/// type=0x80, data="12345678")]).
const CRITICAL_OPTION: [u8; 20] = *b"\x03\xc0\x65\x58\x00\x00\x07\x00\x01\x02\x80\x0212345678";

const NONE_KNOWN: fn(&GeneveOption<'_>) -> bool = |_| false;

#[test]
fn without_options_both_ways() {
    let packet = GeneveHeader::parse(&BRIDGED).unwrap();
    let header = packet.header;
    assert_eq!(header.protocol(), EtherType::TRANSPARENT_BRIDGING);
    assert_eq!(header.vni().get(), 0x12_3456);
    assert_eq!((header.header_len(), packet.payload), (8, &BRIDGED[8..]));
    assert!(!header.is_control() && !header.has_critical_options());
    assert_eq!(packet.options.count(), 0);
    assert_eq!(packet.options.check(NONE_KNOWN), Ok(()));
    let built = GeneveHeader::new(header.vni(), header.protocol());
    assert_eq!(built.to_bytes(), BRIDGED[..8]);
    assert_eq!(built.as_bytes(), &BRIDGED[..8]);
}

#[test]
fn options_are_passed() {
    let packet = GeneveHeader::parse(&WITH_OPTIONS).unwrap();
    let header = packet.header;
    assert_eq!((header.options_len(), header.header_len()), (12, 20));
    assert_eq!(packet.payload, b"pay");
    let option = |class, kind, data| Ok(GeneveOption { class, kind, data });
    assert_eq!(
        packet.options.collect::<Vec<_>>(),
        [
            option(0x0102, 1, &[0, 1, 0, 2][..]),
            option(0xffff, 2, &[][..])
        ]
    );
    assert_eq!(packet.options.check(NONE_KNOWN), Ok(()));
}

#[test]
fn a_critical_option_must_be_known() {
    let mut bytes = CRITICAL_OPTION;
    let unknown = GeneveError::UnknownCriticalOption {
        class: 0x0102,
        kind: 0x80,
    };
    assert_eq!(unknown.class(), "unknown_critical_option");
    let packet = GeneveHeader::parse(&bytes).unwrap();
    assert!(packet.header.is_control() && packet.header.has_critical_options());
    assert_eq!(packet.options.check(NONE_KNOWN), Err(unknown));
    let known = |option: &GeneveOption<'_>| (option.class, option.kind) == (0x0102, 0x80);
    assert_eq!(packet.options.check(known), Ok(()));
    // The header denies it: the option's own bit counts.
    bytes[1] = 0;
    let packet = GeneveHeader::parse(&bytes).unwrap();
    assert!(!packet.header.has_critical_options());
    assert_eq!(packet.options.check(NONE_KNOWN), Err(unknown));
}

#[test]
fn what_is_refused_has_a_name() {
    let refused = |bytes: &[u8], error: GeneveError, class| {
        assert_eq!(GeneveHeader::parse(bytes), Err(error));
        assert_eq!(error.class(), class);
    };
    for have in 0..20 {
        let need = if have < 8 { 8 } else { 20 };
        let error = GeneveError::Truncated { need, have };
        refused(&WITH_OPTIONS[..have], error, "truncated");
    }
    assert!(GeneveHeader::parse(&WITH_OPTIONS[..20]).is_ok());
    for version in 1..4 {
        let mut bytes = WITH_OPTIONS;
        bytes[0] |= version << 6;
        refused(&bytes, GeneveError::Version(version), "version");
    }
}

#[test]
fn an_option_that_overruns_ends_the_walk() {
    let walk = |bytes: &[u8]| {
        Options::new(bytes)
            .map(|option| option.map(|option| option.kind))
            .collect::<Vec<_>>()
    };
    let overrun = |at| Err(GeneveError::OptionLength { at });
    assert_eq!(walk(&[1, 2, 3, 0, 1, 2, 4, 1]), [Ok(3), overrun(4)]);
    assert_eq!(walk(&[1, 2, 3, 0xe1, 0, 0, 0, 9]), [Ok(3)], "R is ignored");
    assert_eq!(walk(&[1, 2, 3]), [overrun(0)]);
    let longest = [&[0, 0, 5, 31][..], &[0; 124]].concat();
    assert_eq!(walk(&longest), [Ok(5)]);
    let check = Options::new(&longest[..124]).check(NONE_KNOWN);
    assert_eq!(check, Err(GeneveError::OptionLength { at: 0 }));
    assert_eq!(check.unwrap_err().class(), "option_length");
    assert_eq!(walk(&[0; MAX_OPTIONS_LEN]).len(), 63);
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        vni in 0u32..1 << 24,
        protocol in any::<u16>(),
        payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let (vni, protocol) = (Vni::try_from(vni).unwrap(), EtherType(protocol));
        let bytes = [&GeneveHeader::new(vni, protocol).to_bytes()[..], &payload].concat();
        let packet = GeneveHeader::parse(&bytes).unwrap();
        prop_assert_eq!((packet.header.vni(), packet.header.protocol()), (vni, protocol));
        prop_assert_eq!(packet.payload, &payload[..]);
    }

    #[test]
    fn options_come_back(
        options in prop::collection::vec(
            (any::<u16>(), any::<u8>(), prop::collection::vec(any::<[u8; 4]>(), 0..6)),
            0..10,
        ),
    ) {
        let mut bytes = vec![0, 0, 0x65, 0x58, 0, 0, 1, 0];
        for (class, kind, data) in &options {
            bytes.extend(class.to_be_bytes());
            bytes.extend([*kind, data.len() as u8]);
            bytes.extend(data.concat());
        }
        bytes[0] = (bytes.len() / 4 - 2) as u8;
        let packet = GeneveHeader::parse(&bytes).unwrap();
        let read = packet.options.map(Result::unwrap);
        prop_assert!(read.map(|option| (option.class, option.kind, option.data.to_vec())).eq(
            options.iter().map(|(class, kind, data)| (*class, *kind, data.concat()))
        ));
        let first_critical = options.iter().find(|(_, kind, _)| *kind >= 0x80);
        let expected = first_critical.map_or(Ok(()), |&(class, kind, _)| {
            Err(GeneveError::UnknownCriticalOption { class, kind })
        });
        prop_assert_eq!(packet.options.check(NONE_KNOWN), expected);
    }
}
