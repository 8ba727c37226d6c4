use proptest::prelude::*;

use super::*;

/// A header with the given options (padded by the caller), flags and offset.
fn header(options: &[u8], packet_len: usize, flags: u16) -> Vec<u8> {
    let mut bytes = vec![0u8; 20];
    bytes[0] = 0x40 | (5 + options.len() / 4) as u8;
    bytes[1] = 0x2e;
    bytes[2..4].copy_from_slice(&(packet_len as u16).to_be_bytes());
    bytes[4..6].copy_from_slice(&0xbeef_u16.to_be_bytes());
    bytes[6..8].copy_from_slice(&flags.to_be_bytes());
    bytes[8] = 63;
    bytes[9] = 17;
    bytes[12..16].copy_from_slice(&[192, 0, 2, 1]);
    bytes[16..20].copy_from_slice(&[198, 51, 100, 7]);
    bytes.extend_from_slice(options);
    bytes
}

/// (offset in units of eight, payload octets, more fragments) of each piece, as etherparse reads them.
fn cut(head: &[u8], packet_len: usize, mtu: usize) -> Vec<(u16, usize, bool)> {
    let plan = Plan::new(head, packet_len, mtu).unwrap();
    plan.pieces()
        .map(|piece| {
            let (bytes, len) = plan.header(piece);
            let (read, rest) = etherparse::Ipv4Header::from_slice(&bytes[..len]).unwrap();
            assert!(rest.is_empty());
            assert_eq!(read.header_checksum, read.calc_header_checksum());
            assert_eq!(usize::from(read.total_len), len + piece.len);
            assert!(usize::from(read.total_len) <= mtu);
            assert_eq!(read.identification, 0xbeef);
            assert_eq!((read.time_to_live, read.source), (63, [192, 0, 2, 1]));
            assert_eq!(read.destination, [198, 51, 100, 7]);
            (read.fragment_offset.value(), piece.len, read.more_fragments)
        })
        .collect()
}

#[test]
fn a_packet_of_1500_through_a_link_of_576() {
    let head = header(&[], 1500, 0);
    assert_eq!(
        cut(&head, 1500, 576),
        [(0, 552, true), (69, 552, true), (138, 376, false)]
    );
}

#[test]
fn a_packet_that_fits_is_one_piece() {
    let head = header(&[], 1500, 0);
    assert_eq!(cut(&head, 1500, 1500), [(0, 1480, false)]);
}

#[test]
fn a_fragment_of_a_fragment_keeps_its_place_and_its_flag() {
    let head = header(&[], 1020, MORE_FRAGMENTS | 100);
    assert_eq!(cut(&head, 1020, 820), [(100, 800, true), (200, 200, true)]);
    let head = header(&[], 1020, 100);
    assert_eq!(cut(&head, 1020, 820), [(100, 800, true), (200, 200, false)]);
}

#[test]
fn only_options_with_the_copied_bit_go_into_later_pieces() {
    // Record route (7, not copied), no-op, router alert (148, copied), end.
    let options = [7, 7, 4, 0, 0, 0, 0, 1, 148, 4, 0, 0];
    let head = header(&options, 332, 0);
    let plan = Plan::new(&head, 332, 132).unwrap();
    let headers: Vec<_> = plan.pieces().map(|piece| plan.header(piece)).collect();
    assert_eq!(headers[0].1, 32);
    assert_eq!(headers[0].0[20..32], options);
    for (bytes, len) in &headers[1..] {
        assert_eq!(*len, 24);
        assert_eq!(bytes[20..24], [148, 4, 0, 0]);
    }
    // 300 octets of payload: 96 (room 100), then 104 (room 108), then 100.
    assert_eq!(
        cut(&head, 332, 132),
        [(0, 96, true), (12, 104, true), (25, 100, false)]
    );
}

#[test]
fn broken_options_are_not_copied_and_do_not_panic() {
    for options in [
        [148, 0, 0, 0],
        [148, 200, 0, 0],
        [148, 1, 148, 4],
        [1, 1, 1, 148],
    ] {
        let head = header(&options, 1000, 0);
        let plan = Plan::new(&head, 1000, 500).unwrap();
        assert_eq!(plan.later_len, 20, "{options:?}");
    }
}

#[test]
fn what_cannot_be_cut_says_why() {
    let check = |head: &[u8], len, mtu, error| assert_eq!(Plan::new(head, len, mtu), Err(error));
    check(
        &header(&[], 1500, DONT_FRAGMENT),
        1500,
        576,
        FragmentError::DontFragment,
    );
    check(
        &header(&[], 1500, 0),
        1500,
        27,
        FragmentError::MtuTooSmall {
            mtu: 27,
            header_len: 20,
        },
    );
    check(&[], 0, 576, FragmentError::Malformed);
    check(&[0x46; 20], 20, 576, FragmentError::Malformed);
    check(&[0x44; 20], 20, 576, FragmentError::Malformed);
    check(&header(&[], 1500, 0), 19, 576, FragmentError::Malformed);
    check(
        &header(&[], 1500, OFFSET_MASK),
        1500,
        576,
        FragmentError::TooLong,
    );
}

proptest! {
    #[test]
    fn pieces_cover_the_payload_once(
        payload in 1usize..20_000, mtu in 68usize..9000, words in 0usize..=10, offset in 0u16..4000,
    ) {
        let head = header(&vec![1; words * 4], 20 + words * 4 + payload, offset);
        let packet_len = head.len() + payload;
        let pieces = cut(&head, packet_len, mtu);
        let mut at = u64::from(offset) * 8;
        for (i, &(place, len, more)) in pieces.iter().enumerate() {
            prop_assert_eq!(u64::from(place) * 8, at);
            prop_assert_eq!(more, i + 1 < pieces.len());
            prop_assert!(!more || len % 8 == 0);
            at += len as u64;
        }
        prop_assert_eq!(at, u64::from(offset) * 8 + payload as u64);
    }
}
