//! What must hold for any bytes: one function a header, for fuzzers and for the tests that replay
//! their findings.
//!
//! Each function takes arbitrary bytes, reads them with the decoders of its header, writes what was
//! read with the builders, and panics when the two disagree. Accepting or refusing the bytes is
//! both fine; only a panic is a finding. [`TARGETS`] lists them all by the name of their fuzz
//! target.

use std::net::{Ipv4Addr, Ipv6Addr};

use zerocopy::IntoBytes;

use crate::arp::ArpPacket;
use crate::checksum::{self, Sum};
use crate::ether::{EtherHeader, EtherType};
use crate::ext_header::{self, MAX_HEADERS};
use crate::ipv4::Ipv4Header;
use crate::ipv6::{Ipv6Header, MIN_MTU, Protocol};
use crate::nd::{self, Envelope, HOP_LIMIT};
use crate::nd_option::{NdOption, Options};
use crate::tcp::TcpHeader;
use crate::udp::{Datagram, UdpHeader};
use crate::{icmpv4, icmpv6, igmp, mld, vlan};

mod tunnel;

pub use tunnel::{geneve, gre, traffic_class, vxlan};

/// A function that panics when bytes break an invariant.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: [(&str, Target); 17] = [
    ("ether", ether),
    ("arp", arp),
    ("ipv4", ipv4),
    ("ipv6_chain", ipv6_chain),
    ("icmpv4", icmpv4),
    ("icmpv6", icmpv6),
    ("nd", nd),
    ("nd_options", nd_options),
    ("mld", mld),
    ("igmp", igmp),
    ("udp", udp),
    ("tcp", tcp),
    ("checksum", checksum),
    ("vxlan", vxlan),
    ("gre", gre),
    ("geneve", geneve),
    ("traffic_class", traffic_class),
];

const SOURCE: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const DESTINATION: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
const SOURCE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const DESTINATION_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// A frame: Ethernet header and VLAN tags.
pub fn ether(data: &[u8]) {
    let Ok((header, rest)) = EtherHeader::parse(data) else {
        assert!(data.len() < EtherHeader::LEN);
        return;
    };
    let built = EtherHeader::new(header.destination(), header.source(), header.ether_type());
    assert_eq!(built.as_bytes(), &data[..EtherHeader::LEN]);
    assert_eq!(rest.len(), data.len() - EtherHeader::LEN);
    let mac = header.source();
    assert_eq!(mac.to_string().parse(), Ok(mac));
    if let Ok(stack) = vlan::parse_stack(data) {
        assert!(stack.offset <= data.len());
        let n_tags = usize::from(stack.outer.is_some()) + usize::from(stack.inner.is_some());
        assert_eq!(stack.offset, EtherHeader::LEN + 4 * n_tags);
        let type_at = stack.offset - 2;
        let on_wire = u16::from_be_bytes([data[type_at], data[type_at + 1]]);
        assert_eq!(stack.ether_type, EtherType(on_wire));
        assert!(
            !stack.ether_type.is_vlan() || n_tags == 2,
            "tags are left only beyond two"
        );
    }
}

/// An Ethernet payload: ARP.
pub fn arp(data: &[u8]) {
    let Ok(arp) = ArpPacket::parse(data) else {
        return;
    };
    let sender = (arp.sender_mac(), arp.sender_ip());
    let target = (arp.target_mac(), arp.target_ip());
    let built = ArpPacket::new(arp.operation(), sender, target);
    assert_eq!(built.as_bytes(), &data[..ArpPacket::LEN]);
    assert!(arp.sender_mac().is_station());
}

/// An IPv4 packet.
pub fn ipv4(data: &[u8]) {
    let Ok(packet) = Ipv4Header::parse(data) else {
        return;
    };
    let header = packet.header;
    assert_eq!(
        header.header_len() + packet.payload.len(),
        header.total_len()
    );
    assert_eq!(
        header.header_len(),
        Ipv4Header::LEN + packet.options.as_bytes().len()
    );
    assert!(packet.options.count() <= 40);
    let prefix = Ipv4Header::parse_prefix(data).expect("what parses whole also parses as a prefix");
    assert_eq!((prefix.header, prefix.options), (header, packet.options));
    if packet.verify_checksum().is_err() {
        return;
    }
    if header.ttl() > 0 {
        let mut changed = data[..header.header_len()].to_vec();
        changed[8] -= 1;
        let updated = checksum::update_ttl_decremented(header.checksum());
        changed[10..12].copy_from_slice(&updated.to_be_bytes());
        assert!(
            checksum::is_valid(&changed),
            "the updated checksum is valid"
        );
    }
    let reserved_flag = data[6] & 0x80 != 0;
    if packet.options.is_empty() && !reserved_flag {
        let payload_len = packet.payload.len() as u16;
        let (source, destination) = (header.source(), header.destination());
        let offset = header.fragment_offset() as u16;
        let (dont, more) = (header.dont_fragment(), header.more_fragments());
        let built = Ipv4Header::new(
            source,
            destination,
            header.protocol(),
            header.ttl(),
            payload_len,
        )
        .with_tos(header.tos())
        .with_fragment(header.identification(), dont, more, offset);
        // A valid checksum has two forms when it is zero (RFC 1624 section 3): compare all but it.
        assert_eq!(built.as_bytes()[..10], data[..10]);
        assert_eq!(built.as_bytes()[12..], data[12..Ipv4Header::LEN]);
        assert!(checksum::is_valid(built.as_bytes()));
    }
}

/// An IPv6 packet: fixed header, extension header chain, options.
pub fn ipv6_chain(data: &[u8]) {
    if let Ok((header, payload)) = Ipv6Header::parse(data) {
        assert_eq!(header.payload_len(), payload.len());
        let (source, destination) = (header.source(), header.destination());
        let len = payload.len() as u16;
        let built = Ipv6Header::new(
            &source,
            &destination,
            header.next_header(),
            header.hop_limit(),
            len,
        )
        .with_traffic_class(header.traffic_class())
        .with_flow_label(header.flow_label());
        assert_eq!(built.as_bytes(), &data[..Ipv6Header::LEN]);
    }
    let Ok(chain) = ext_header::walk(data) else {
        return;
    };
    let header = Ipv6Header::parse_prefix(data)
        .expect("a walked packet has a header")
        .0;
    let end = data.len().min(Ipv6Header::LEN + header.payload_len());
    assert!((Ipv6Header::LEN..=end).contains(&chain.offset));
    assert!(chain.n_headers <= MAX_HEADERS);
    assert_eq!(data[chain.protocol_field], chain.protocol.0);
    assert_eq!(chain.n_headers == 0, chain.offset == Ipv6Header::LEN);
    if let Some((start, stop)) = chain.hop_by_hop {
        assert_eq!(start, Ipv6Header::LEN, "hop-by-hop options come first");
        let options_len: usize = ext_header::options(&data[start..stop])
            .map(|(_, option)| 2 + option.len())
            .sum();
        assert!(options_len <= stop - start - 2);
        ext_header::router_alert(data, &chain);
    }
    if let Some(fragment) = chain.fragment {
        assert!(fragment.offset.is_multiple_of(8));
        assert!(fragment.at + 8 <= chain.offset);
    }
}

/// An IPv4 packet that offends, and an ICMP message.
pub fn icmpv4(data: &[u8]) {
    let message = icmpv4::ErrorMessage::FragmentationNeeded(1280);
    if icmpv4::may_be_answered(data, false).is_ok() {
        let mut buf = [0xee; 600];
        let (source, destination) = (SOURCE_V4, DESTINATION_V4);
        let len = icmpv4::write_error(&mut buf, message, source, destination, 64, data)
            .expect("576 bytes suffice");
        let packet = Ipv4Header::parse(&buf[..len]).expect("an error packet is a packet");
        packet.verify_checksum().expect("its header is valid");
        assert!(
            checksum::is_valid(packet.payload),
            "its ICMP checksum is valid"
        );
        assert!(
            data.starts_with(&packet.payload[8..]),
            "it quotes the packet"
        );
        assert!(
            icmpv4::may_be_answered(&buf[..len], false).is_err(),
            "an error is not answered"
        );
        assert!(len <= 576 && (len == 576 || packet.payload.len() == 8 + data.len()));
    }
    if let Ok(echo) = icmpv4::Echo::parse(data) {
        let mut buf = vec![0xee; Ipv4Header::LEN + data.len()];
        if let Ok(len) = echo.write(&mut buf, SOURCE_V4, DESTINATION_V4, 64) {
            assert_eq!(icmpv4::Echo::parse(&buf[Ipv4Header::LEN..len]), Ok(echo));
        }
    }
}

/// An IPv6 packet that offends, and an ICMPv6 message.
pub fn icmpv6(data: &[u8]) {
    let message = icmpv6::ErrorMessage::PacketTooBig(1280);
    if icmpv6::may_be_answered(data, message, false).is_ok() {
        let mut buf = [0xee; MIN_MTU];
        let len = icmpv6::write_error(&mut buf, message, &SOURCE, &DESTINATION, 64, data)
            .expect("1280 bytes suffice");
        let (header, icmp) = Ipv6Header::parse(&buf[..len]).expect("an error packet is a packet");
        assert_eq!(header.next_header(), Protocol::ICMPV6);
        icmpv6::Icmpv6Header::parse_verified(&SOURCE, &DESTINATION, icmp).expect("it is valid");
        assert!(data.starts_with(&icmp[8..]), "it quotes the packet");
        let answer = icmpv6::may_be_answered(&buf[..len], message, false);
        assert_eq!(
            answer,
            Err(icmpv6::Silence::IcmpError),
            "an error is not answered"
        );
        assert!(len == MIN_MTU || icmp.len() == 8 + data.len());
    }
    if let Ok(echo) = icmpv6::Echo::parse(data) {
        let mut buf = vec![0xee; Ipv6Header::LEN + data.len()];
        if let Ok(len) = echo.write(&mut buf, &SOURCE, &DESTINATION, 64) {
            let icmp = &buf[Ipv6Header::LEN..len];
            icmpv6::Icmpv6Header::parse_verified(&SOURCE, &DESTINATION, icmp).expect("valid");
            assert_eq!(icmpv6::Echo::parse(icmp), Ok(echo));
        }
    }
}

/// The source and destination that a byte picks, so that a fuzzer reaches the rules about them.
fn envelope(selector: u8) -> Envelope {
    let source = match selector & 3 {
        0 => Ipv6Addr::UNSPECIFIED,
        1 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
        _ => SOURCE,
    };
    let destination = match selector >> 2 & 3 {
        0 => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 2),
        1 => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
        _ => DESTINATION,
    };
    Envelope {
        source,
        destination,
        hop_limit: HOP_LIMIT,
    }
}

/// A byte that picks the addresses, then an ND message whose checksum is filled in; and a whole
/// packet.
pub fn nd(data: &[u8]) {
    if let Ok(received) = nd::parse_packet(data) {
        rewrite(&received);
    }
    let Some((&selector, message)) = data.split_first() else {
        return;
    };
    let envelope = envelope(selector);
    let mut icmp = message.to_vec();
    if icmp.len() >= 4 {
        icmpv6::fill_checksum(&envelope.source, &envelope.destination, &mut icmp);
    }
    match nd::parse(envelope, &icmp) {
        Ok(received) => rewrite(&received),
        Err(error) => assert!(!error.class().is_empty() && error != nd::NdError::Checksum),
    }
}

/// Writes what was received and reads it again.
fn rewrite(received: &nd::Received<'_>) {
    let options: Vec<NdOption<'_>> = received.options.readable().collect();
    let Envelope {
        source,
        destination,
        ..
    } = received.envelope;
    let mut buf = vec![0xee; nd::packet_len(&received.message, &options)];
    let Ok(len) = nd::write(&mut buf, &source, &destination, &received.message, &options) else {
        // Only a payload beyond 16 bits cannot be written.
        assert!(buf.len() > usize::from(u16::MAX));
        return;
    };
    // Leaving out unreadable options can only make a message more valid, not less.
    let again = nd::parse_packet(&buf[..len]).expect("what was written is valid");
    assert_eq!(
        (again.envelope, again.message),
        (received.envelope, received.message)
    );
    assert!(
        again
            .options
            .map(|option| option.expect("readable"))
            .eq(options)
    );
}

/// ND options.
pub fn nd_options(data: &[u8]) {
    let options = Options::new(data);
    let is_whole = options.check().is_ok();
    let mut n_fatal = 0;
    for option in options {
        match option {
            Ok(option) => {
                let mut buf = [0xee; 255 * 8];
                let len = option
                    .write(&mut buf)
                    .expect("what was read can be written");
                assert_eq!(len, option.encoded_len());
                let mut again = Options::new(&buf[..len]);
                assert_eq!(again.next(), Some(Ok(option)));
                assert_eq!(again.next(), None);
                if let NdOption::Dnssl { domains, .. } = option {
                    assert!(
                        domains
                            .iter()
                            .all(|name| name == *name.to_string().as_str())
                    );
                }
            }
            Err(error) => n_fatal += usize::from(error.is_fatal()),
        }
    }
    assert_eq!(
        n_fatal,
        usize::from(!is_whole),
        "one fatal error ends the walk"
    );
}

/// An MLD message, and a whole packet.
pub fn mld(data: &[u8]) {
    if let Ok(mld::Message::ReportV2(records)) = mld::parse(data) {
        let n_records = usize::from(u16::from_be_bytes([data[6], data[7]]));
        assert_eq!(records.count(), n_records);
    }
    // What a packet says is what its message says.
    if let Ok(message) = mld::parse_packet(data) {
        let chain = ext_header::walk(data).expect("checked by parse_packet");
        let (header, _) = Ipv6Header::parse(data).expect("checked by parse_packet");
        let icmp = &data[chain.offset..Ipv6Header::LEN + header.payload_len()];
        assert_eq!(mld::parse(icmp), Ok(message));
    }
    let groups = data.chunks_exact(16).take(60).map(|chunk| {
        let mut octets = [0; 16];
        octets.copy_from_slice(chunk);
        (mld::RecordType::ChangeToExclude, Ipv6Addr::from(octets))
    });
    let records: Vec<_> = groups.collect();
    let mut buf = vec![0xee; mld::report_len(records.len())];
    let len = mld::write_report(&mut buf, &SOURCE, &records).expect("60 records fit");
    match mld::parse_packet(&buf[..len]) {
        Ok(mld::Message::ReportV2(read)) => {
            let read = read.map(|record| (record.record_type, record.group));
            assert!(read.eq(records.iter().map(|&(kind, group)| (Some(kind), group))));
        }
        other => panic!("a report reads as {other:?}"),
    }
}

/// An IGMP message.
pub fn igmp(data: &[u8]) {
    let mut fixed = data.to_vec();
    if fixed.len() >= 4 {
        fixed[2..4].fill(0);
        let sum = checksum::checksum(&fixed);
        fixed[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    if let Ok(igmp::Message::Query { version, .. }) = igmp::parse(&fixed) {
        assert!((1..=3).contains(&version));
        assert_eq!(version == 3, data.len() >= 12);
    }
    let _ = igmp::parse(data);
}

/// A UDP packet, and the same bytes as a whole IP packet.
pub fn udp(data: &[u8]) {
    if let Ok(datagram) = Datagram::parse(data) {
        let mut packet = vec![0; datagram.packet_len()];
        assert_eq!(datagram.write(&mut packet, 64), Ok(packet.len()));
        assert_eq!(Datagram::parse(&packet), Ok(datagram));
    }
    let Ok((header, payload)) = UdpHeader::parse(data) else {
        return;
    };
    let (source, destination) = (header.source_port(), header.destination_port());
    let built = UdpHeader::new(source, destination, header.len_field(), header.checksum());
    assert_eq!(built.as_bytes(), &data[..UdpHeader::LEN]);
    assert_eq!(
        payload.len() + UdpHeader::LEN,
        usize::from(header.len_field())
    );
}

/// A TCP segment.
pub fn tcp(data: &[u8]) {
    let Ok((header, options, payload)) = TcpHeader::parse(data) else {
        return;
    };
    assert_eq!(TcpHeader::LEN + options.len(), header.header_len());
    assert_eq!(header.header_len() + payload.len(), data.len());
    assert_eq!(header.as_bytes(), &data[..TcpHeader::LEN]);
}

/// Bytes to sum, cut in three at places the first two bytes pick.
pub fn checksum(data: &[u8]) {
    let &[cut1, cut2, ref bytes @ ..] = data else {
        return;
    };
    let naive = naive_sum(bytes);
    let mut whole = Sum::new();
    whole.add(bytes);
    assert_eq!(whole.fold(), naive);
    let first = usize::from(cut1).min(bytes.len());
    let second = (first + usize::from(cut2)).min(bytes.len());
    let mut pieces = Sum::new();
    pieces.add(&bytes[..first]);
    pieces.add(&bytes[first..second]);
    pieces.add(&bytes[second..]);
    assert_eq!(pieces.fold(), naive, "cut at {first} and {second}");
    // A field changes: the updated checksum is the one computed anew.
    if let Some((&old, rest)) = bytes.split_first_chunk::<16>() {
        let new = u128::from_be_bytes(old)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(1);
        let mut changed = Sum::new();
        changed.add(&new.to_be_bytes());
        changed.add(rest);
        let updated = checksum::update_u128(whole.finish(), u128::from_be_bytes(old), new);
        assert_eq!(canonical(updated), canonical(changed.finish()));
    }
}

/// Zero has two forms in ones' complement; both are the same checksum.
fn canonical(checksum: u16) -> u16 {
    if checksum == 0xffff { 0 } else { checksum }
}

/// RFC 1071 as it is defined: 16-bit words, carries added at once.
fn naive_sum(bytes: &[u8]) -> u16 {
    bytes.chunks(2).fold(0u16, |sum, word| {
        let word = u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)]);
        let (sum, carry) = sum.overflowing_add(word);
        sum + u16::from(carry)
    })
}
