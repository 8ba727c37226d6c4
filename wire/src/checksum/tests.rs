//! Known sums, and every quick way against computing anew.

use proptest::prelude::*;

use super::*;
use crate::fuzzing;

#[test]
fn the_example_of_rfc_1071() {
    // Section 3: 0001 f203 f4f5 f6f7 sums to ddf2.
    let mut sum = Sum::new();
    sum.add(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
    assert_eq!(sum.fold(), 0xddf2);
    assert_eq!(sum.finish(), !0xddf2);
}

#[test]
fn header_and_pseudo_header_sums() {
    // A header and a UDP packet as scapy writes them.
    let header = [
        0x45, 0, 0, 0x21, 0, 7, 0, 0, 0x40, 0x11, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    ];
    assert_eq!(checksum(&header), 0x66c3);
    let udp = [
        0x03, 0xe8, 0, 0x35, 0, 0x0d, 0, 0, b'h', b'e', b'l', b'l', b'o',
    ];
    let (a, b) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    assert_eq!(checksum_v4(a, b, Protocol::UDP, &udp), 0xa3e2);
    let udp = [0, 1, 0, 2, 0, 0x0b, 0, 0, b'a', b'b', b'c'];
    let (a, b) = (
        "2001:db8::1".parse().unwrap(),
        "2001:db8::2".parse().unwrap(),
    );
    assert_eq!(checksum_v6(&a, &b, Protocol::UDP, &udp), 0xdffd);
    let valid = [0, 1, 0, 2, 0, 0x0b, 0xdf, 0xfd, b'a', b'b', b'c'];
    assert!(is_valid_v6(&a, &b, Protocol::UDP, &valid));
    assert!(!is_valid_v6(&a, &b, Protocol::TCP, &valid));
}

#[test]
fn udp_never_sends_zero() {
    let mut sum = Sum::new();
    sum.add(&[0xff, 0xff]);
    assert_eq!((sum.finish(), sum.finish_udp()), (0, 0xffff));
}

#[test]
fn the_trap_of_rfc_1624() {
    // Section 4: with equation 2 of RFC 1141 this would give 0xffff, which never matches.
    assert_eq!(update_u16(0xdd2f, 0x5555, 0x3285), 0x0000);
}

proptest! {
    #[test]
    fn any_cut_gives_the_naive_sum(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzzing::checksum(&bytes);
    }

    #[test]
    fn updates_equal_computing_anew(
        mut bytes in prop::collection::vec(any::<u8>(), 32..64),
        new in any::<u128>(),
        at in 0usize..8,
    ) {
        let at = at * 2;
        let before = checksum(&bytes);
        let field = |bytes: &[u8]| u128::from_be_bytes(bytes[at..at + 16].try_into().unwrap());
        let old = field(&bytes);

        let mut short = bytes.clone();
        short[at..at + 2].copy_from_slice(&(new as u16).to_be_bytes());
        let updated = update_u16(before, (old >> 112) as u16, new as u16);
        prop_assert_eq!(updated % 0xffff, checksum(&short) % 0xffff);

        let mut word = bytes.clone();
        word[at..at + 4].copy_from_slice(&(new as u32).to_be_bytes());
        let updated = update_u32(before, (old >> 96) as u32, new as u32);
        prop_assert_eq!(updated % 0xffff, checksum(&word) % 0xffff);

        bytes[at..at + 16].copy_from_slice(&new.to_be_bytes());
        prop_assert_eq!(update_u128(before, old, new) % 0xffff, checksum(&bytes) % 0xffff);
    }

    #[test]
    fn ttl_update_equals_the_general_one(
        check in any::<u16>(),
        ttl in 1u16..256,
        protocol in any::<u8>(),
    ) {
        let (old, new) = (ttl << 8 | u16::from(protocol), (ttl - 1) << 8 | u16::from(protocol));
        let (quick, general) = (update_ttl_decremented(check), update_u16(check, old, new));
        prop_assert_eq!(quick % 0xffff, general % 0xffff);
    }
}
