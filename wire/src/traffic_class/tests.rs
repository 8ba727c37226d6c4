//! The tables of RFC 6040 cell by cell, headers as scapy writes them, and updates against building
//! anew.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use zerocopy::IntoBytes;

use super::*;
use crate::checksum;
use crate::ipv6::Protocol;

const ALL: [Ecn; 4] = [Ecn::NotEct, Ecn::Ect0, Ecn::Ect1, Ecn::Ce];

/// Scapy: IP(192.0.2.1 > 192.0.2.2, tos=0x48, id=7)/UDP(sport=1, dport=2, chksum=0).
#[rustfmt::skip]
const V4: [u8; 28] = [
    0x45, 0x48, 0, 28, 0, 7, 0, 0, 0x40, 0x11, 0xf6, 0x7e, 192, 0, 2, 1, 192, 0, 2, 2,
    0, 1, 0, 2, 0, 8, 0, 0,
];

#[test]
fn figure_4_of_rfc_6040() {
    // The rows and columns of the RFC, its marks at the end of a cell.
    let figure = [
        ["Not-ECT", "Not-ECT!!!", "Not-ECT!!!", "drop"],
        ["ECT(0)", "ECT(0)", "ECT(1)", "CE"],
        ["ECT(1)", "ECT(1)!", "ECT(1)", "CE"],
        ["CE", "CE", "CE!!!", "CE"],
    ];
    for (inner, row) in ALL.into_iter().zip(figure) {
        for (outer, expected) in ALL.into_iter().zip(row) {
            let cell = match decapsulate(inner, outer) {
                Decapsulated::Drop => "drop".to_owned(),
                Decapsulated::Forward { ecn, alarm } => {
                    let name = match ecn {
                        Ecn::NotEct => "Not-ECT",
                        Ecn::Ect0 => "ECT(0)",
                        Ecn::Ect1 => "ECT(1)",
                        Ecn::Ce => "CE",
                    };
                    let mark = match alarm {
                        None => "",
                        Some(Alarm::PossiblyDangerous) => "!",
                        Some(Alarm::Dangerous) => "!!!",
                    };
                    format!("{name}{mark}")
                }
            };
            assert_eq!(cell, expected, "inner {inner:?}, outer {outer:?}");
        }
    }
}

#[test]
fn a_tunnel_without_congestion_changes_nothing_and_one_with_it_tells() {
    for inner in ALL {
        for mode in [EcnMode::Normal, EcnMode::Compatibility] {
            let outer = encapsulate(inner, mode);
            let unchanged = Decapsulated::Forward {
                ecn: inner,
                alarm: None,
            };
            assert_eq!(decapsulate(inner, outer), unchanged, "{inner:?} {mode:?}");
        }
        assert_eq!(encapsulate(inner, EcnMode::Normal), inner);
        assert_eq!(encapsulate(inner, EcnMode::Compatibility), Ecn::NotEct);
    }
}

#[test]
fn codepoints_have_the_bits_of_rfc_3168() {
    assert_eq!(ALL.map(|ecn| ecn as u8), [0, 2, 1, 3]);
    for class in 0..=255 {
        let (dscp, ecn) = (Dscp::of(class), Ecn::of(class));
        assert_eq!(join(dscp, ecn), class);
        assert_eq!(Dscp::try_from(class >> 2), Ok(dscp));
        assert_eq!((dscp.get(), ecn as u8), (class >> 2, class & 3));
    }
    let error = Dscp::try_from(64).unwrap_err();
    assert_eq!(error, DscpError(64));
    assert_eq!(error.to_string(), "DSCP 64 is not one of 0 to 63");
}

#[test]
fn the_models_of_rfc_2983() {
    let [ef, af11, cs6] = [46, 10, 48].map(|dscp| Dscp::try_from(dscp).unwrap());
    let uniform = DscpMode::Uniform;
    assert_eq!((uniform.outer(ef), uniform.inner(ef, af11)), (ef, af11));
    let pipe = DscpMode::Pipe(cs6);
    assert_eq!((pipe.outer(ef), pipe.inner(ef, af11)), (cs6, ef));
}

#[test]
fn headers_of_scapy() {
    let mut packet = V4;
    assert_eq!(read(&packet), Ok(0x48));
    replace(&mut packet, 0xbb).unwrap();
    // The same with tos=0xbb.
    assert_eq!(packet[..2], [0x45, 0xbb]);
    assert_eq!(packet[10..12], [0xf6, 0x0b]);
    assert_eq!(packet[12..], V4[12..]);
    // Scapy: IPv6(tc=0x4a, fl=0x12345), and the same with tc=0xbb.
    let mut packet = [0u8; 40];
    packet[..8].copy_from_slice(&[0x64, 0xa1, 0x23, 0x45, 0, 0, 0x3b, 0x40]);
    assert_eq!(read(&packet), Ok(0x4a));
    replace(&mut packet, 0xbb).unwrap();
    assert_eq!(packet[..8], [0x6b, 0xb1, 0x23, 0x45, 0, 0, 0x3b, 0x40]);
}

#[test]
fn a_wrong_checksum_stays_wrong() {
    let mut packet = V4;
    packet[11] ^= 1;
    replace(&mut packet, 0xbb).unwrap();
    assert!(!checksum::is_valid(&packet[..20]));
    replace(&mut packet, 0x48).unwrap();
    packet[11] ^= 1;
    assert_eq!(packet, V4);
}

#[test]
fn what_is_no_ip_header_is_refused_and_left_alone() {
    let refused = |packet: &[u8], error: DecodeError| {
        assert_eq!(read(packet), Err(error));
        let mut bytes = packet.to_vec();
        assert_eq!(replace(&mut bytes, 0xff), Err(error));
        assert_eq!(bytes, packet);
    };
    let truncated = |header, need, have| DecodeError::Truncated { header, need, have };
    refused(&[], truncated(Header::Ipv4, 20, 0));
    refused(&V4[..19], truncated(Header::Ipv4, 20, 19));
    refused(&[0x60; 39], truncated(Header::Ipv6, 40, 39));
    let version = DecodeError::field(Header::Ipv4, "version", 0, 5);
    refused(&[0x5f; 60], version);
}

proptest! {
    #[test]
    fn replacing_equals_building_anew(
        (old, new) in any::<(u8, u8)>(),
        addresses in any::<[u128; 2]>(),
        (ttl, len, identification) in any::<(u8, u16, u16)>(),
        label in 0u32..1 << 20,
    ) {
        let [source, destination] = addresses.map(|bits| Ipv4Addr::from_bits(bits as u32));
        let header = Ipv4Header::new(source, destination, Protocol::UDP, ttl, len)
            .with_fragment(identification, true, false, 0);
        let mut packet = header.with_tos(old).as_bytes().to_vec();
        prop_assert_eq!(read(&packet), Ok(old));
        replace(&mut packet, new).unwrap();
        let expected = header.with_tos(new);
        prop_assert_eq!(&packet[..10], &expected.as_bytes()[..10]);
        prop_assert_eq!(&packet[12..], &expected.as_bytes()[12..]);
        prop_assert!(checksum::is_valid(&packet));

        let [source, destination] = addresses.map(Ipv6Addr::from_bits);
        let header = Ipv6Header::new(&source, &destination, Protocol::UDP, ttl, len)
            .with_flow_label(label);
        let mut packet = header.with_traffic_class(old).as_bytes().to_vec();
        prop_assert_eq!(read(&packet), Ok(old));
        replace(&mut packet, new).unwrap();
        let expected = header.with_traffic_class(new);
        prop_assert_eq!(&packet, expected.as_bytes());
    }
}
