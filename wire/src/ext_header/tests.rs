//! Chains that can be walked, and every way in which one cannot.

use std::net::Ipv6Addr;

use zerocopy::IntoBytes;

use super::*;

/// An IPv6 packet with this next header and payload.
fn packet(next_header: Protocol, payload: &[u8]) -> Vec<u8> {
    let (source, destination) = (Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
    let len = payload.len() as u16;
    let header = Ipv6Header::new(&source, &destination, next_header, 64, len);
    [header.as_bytes(), payload].concat()
}

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AH: u8 = 51;
const NONE: u8 = 59;
const DESTINATION: u8 = 60;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// A destination options header of 8 bytes, padded.
const fn padded(next: u8) -> [u8; 8] {
    [next, 0, 1, 4, 0, 0, 0, 0]
}

/// A fragment header; `offset` in bytes.
fn fragment(next: u8, offset: u16, more: bool) -> [u8; 8] {
    let [o1, o0] = (offset | u16::from(more)).to_be_bytes();
    [next, 0, o1, o0, 0, 0, 0, 5]
}

const UDP_HEADER: [u8; 8] = [0, 1, 0, 2, 0, 8, 0, 0];

#[test]
fn no_extension_headers() {
    let chain = walk(&packet(Protocol::UDP, &UDP_HEADER)).unwrap();
    assert_eq!(
        (chain.protocol, chain.offset, chain.n_headers),
        (Protocol::UDP, 40, 0)
    );
    assert!(chain.has_upper_layer());
    let chain = walk(&packet(Protocol::NO_NEXT_HEADER, &[1, 2, 3])).unwrap();
    assert!(!chain.has_upper_layer());
}

#[test]
fn every_kind_is_passed() {
    let payload = [
        &[DESTINATION, 0, 5, 2, 0, 0, 1, 0][..],
        &padded(ROUTING),
        &[FRAGMENT, 2, 4, 1, 0, 0, 0, 0],
        &[0x20; 16],
        &fragment(AH, 0, false),
        // Authentication: 24 bytes, said as 4.
        &[135, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1],
        &[7; 12],
        &padded(139),
        &padded(140),
        &padded(UDP),
        &UDP_HEADER,
    ]
    .concat();
    let packet = packet(Protocol::HOP_BY_HOP, &payload);
    let chain = walk(&packet).unwrap();
    assert_eq!((chain.protocol, chain.n_headers), (Protocol::UDP, 8));
    assert_eq!(packet[chain.offset..], UDP_HEADER);
    assert_eq!(chain.hop_by_hop, Some((40, 48)));
    assert_eq!(router_alert(&packet, &chain), Some(0));
    assert_eq!(
        chain.routing,
        Some(Routing {
            at: 56,
            kind: 4,
            segments_left: 1
        })
    );
    assert!(chain.fragment.unwrap().is_atomic());
    assert_eq!(chain.fragment.unwrap().identification, 5);
}

#[test]
fn a_later_fragment_ends_the_walk() {
    let payload = [&fragment(DESTINATION, 1480, true)[..], &[0xff; 16]].concat();
    let chain = walk(&packet(Protocol::FRAGMENT, &payload)).unwrap();
    assert_eq!(
        (chain.protocol, chain.offset),
        (Protocol::DESTINATION_OPTIONS, 48)
    );
    assert!(!chain.has_upper_layer());
    let fragment = chain.fragment.unwrap();
    assert_eq!(
        (fragment.offset, fragment.more, fragment.at),
        (1480, true, 40)
    );
}

#[test]
fn each_fault_is_named() {
    let (hop, frag) = (Protocol::HOP_BY_HOP, Protocol::FRAGMENT);
    let dest = Protocol::DESTINATION_OPTIONS;
    let nine = padded(DESTINATION).repeat(9);
    let cases: [(&str, Protocol, &[&[u8]], ChainError); 12] = [
        (
            "cut in the first four",
            dest,
            &[&[UDP, 0, 1]],
            ChainError::Truncated { at: 40 },
        ),
        (
            "cut in the options",
            dest,
            &[&[UDP, 1, 1, 4, 0, 0, 0, 0]],
            ChainError::Truncated { at: 40 },
        ),
        (
            "cut in the second",
            dest,
            &[&padded(ROUTING), &[UDP]],
            ChainError::Truncated { at: 48 },
        ),
        (
            "cut fragment header",
            frag,
            &[&[UDP; 7]],
            ChainError::Truncated { at: 40 },
        ),
        (
            "nine headers",
            dest,
            &[&nine],
            ChainError::TooManyHeaders { at: 40 + 64 },
        ),
        (
            "hop-by-hop second",
            dest,
            &[&padded(HOP_BY_HOP), &padded(UDP)],
            { ChainError::HopByHopNotFirst { field: 40 } },
        ),
        (
            "hop-by-hop twice",
            hop,
            &[&padded(HOP_BY_HOP), &padded(UDP)],
            ChainError::HopByHopNotFirst { field: 40 },
        ),
        (
            "type 0 routing",
            Protocol::ROUTING,
            &[&[UDP, 2, 0, 1, 0, 0, 0, 0], &[0x20; 16], &UDP_HEADER],
            ChainError::RoutingType0 { at: 40 },
        ),
        (
            "first fragment inside a header",
            frag,
            &[&fragment(DESTINATION, 0, true), &[TCP, 9, 1, 4, 0, 0, 0, 0]],
            ChainError::FirstFragmentIncomplete { at: 48 },
        ),
        (
            "first fragment inside TCP",
            frag,
            &[&fragment(TCP, 0, true), &[0; 16]],
            ChainError::FirstFragmentIncomplete { at: 48 },
        ),
        (
            "two fragment headers",
            frag,
            &[
                &fragment(FRAGMENT, 0, false),
                &fragment(UDP, 0, false),
                &UDP_HEADER,
            ],
            ChainError::SecondFragmentHeader { at: 48 },
        ),
        (
            "cut behind an atomic fragment",
            frag,
            &[&fragment(DESTINATION, 0, false)],
            ChainError::Truncated { at: 48 },
        ),
    ];
    for (name, next_header, payload, wanted) in cases {
        assert_eq!(
            walk(&packet(next_header, &payload.concat())),
            Err(wanted),
            "{name}"
        );
    }
}

#[test]
fn lengths_around_the_packet() {
    let mut jumbo = packet(Protocol::HOP_BY_HOP, &[NONE, 0, 0xc2, 4, 0, 1, 0, 0]);
    jumbo[4..6].fill(0);
    assert_eq!(walk(&jumbo), Err(ChainError::JumboPayload));
    assert_eq!(walk(&jumbo[..39]), Err(ChainError::Truncated { at: 0 }));
    // What lies behind the payload is not read as a header.
    let mut padded_by_link = packet(Protocol::DESTINATION_OPTIONS, &padded(UDP));
    padded_by_link[4..6].copy_from_slice(&7u16.to_be_bytes());
    assert_eq!(walk(&padded_by_link), Err(ChainError::Truncated { at: 40 }));
}

#[test]
fn a_spent_type_0_routing_header_is_passed() {
    let payload = [&[UDP, 2, 0, 0, 0, 0, 0, 0][..], &[0x20; 16], &UDP_HEADER].concat();
    assert_eq!(
        walk(&packet(Protocol::ROUTING, &payload)).unwrap().protocol,
        Protocol::UDP
    );
}

#[test]
fn options_skip_padding_and_stop_at_a_fault() {
    let read = |bytes: &[u8]| {
        options(bytes)
            .map(|(kind, data)| (kind, data.len()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        read(&[UDP, 1, 0, 0, 5, 2, 0, 0, 1, 0, 0x3e, 0]),
        [(5, 2), (0x3e, 0)]
    );
    assert_eq!(read(&[UDP, 0, 0x3e, 9, 0, 0, 0, 0]), []);
    assert_eq!(read(&[UDP]), []);
}

#[test]
fn the_first_option_that_may_not_be_passed_over_is_found() {
    let find = |next: Protocol, payload: &[u8]| {
        let packet = packet(next, payload);
        let chain = walk(&packet).unwrap();
        refused_option(&packet, &chain)
    };
    let (hop, dst) = (Protocol::HOP_BY_HOP, Protocol::DESTINATION_OPTIONS);
    // Padding, a router alert and unknown options of type 00: nothing to refuse.
    assert_eq!(find(hop, &[17, 0, 5, 2, 0, 0, 1, 0]), None);
    assert_eq!(find(dst, &[17, 0, 0, 0, 0x1e, 1, 0xff, 0]), None);
    // Offsets count from the IPv6 header.
    assert_eq!(find(dst, &[17, 0, 0, 0x40, 1, 7, 1, 0]), Some(43));
    assert_eq!(find(hop, &[17, 0, 0xc2, 4, 0, 0, 0, 0]), Some(42));
    // Behind other headers, and not what is only data of an option.
    let behind = [
        60, 0, 1, 4, 0xc0, 0xc0, 0xc0, 0xc0, 17, 0, 1, 1, 0x80, 0x80, 1, 7,
    ];
    assert_eq!(find(hop, &behind), Some(53));
    let fragment = [60, 0, 0, 0, 0, 0, 0, 1, 17, 0, 0x80, 4, 0, 0, 0, 0];
    assert_eq!(find(Protocol::FRAGMENT, &fragment), Some(50));
    let ah = [
        60, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 17, 0, 0x80, 4, 0, 0, 0, 0,
    ];
    assert_eq!(find(Protocol::AH, &ah), Some(54));
    // An option that runs past its header is none; nor is the upper layer looked at.
    assert_eq!(find(dst, &[17, 0, 0x1e, 9, 0x80, 0, 0, 0]), None);
    assert_eq!(find(Protocol::UDP, &[0xc0; 8]), None);
}
