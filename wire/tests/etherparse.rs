//! The same packets through an independent decoder and encoder, `etherparse`: both must agree.

use std::net::{Ipv4Addr, Ipv6Addr};

use etherparse::{
    ArpEthIpv4Packet, ArpPacketSlice, Icmpv6Slice, IpFragOffset, IpNumber, IpSlice,
    Ipv4HeaderSlice, Ipv6ExtensionsSlice, Ipv6FlowLabel, NetSlice, PacketBuilder, SlicedPacket,
    TransportSlice, VlanId,
};
use proptest::prelude::*;
use wire::arp::{ArpPacket, Operation};
use wire::icmpv6::{Echo, ErrorMessage};
use wire::tcp::TcpHeader;
use wire::udp::UdpHeader;
use wire::{EtherHeader, EtherType, Ipv4Header, Ipv6Header, MacAddr, Protocol};
use wire::{checksum, ext_header, icmpv6, vlan};
use zerocopy::IntoBytes;

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..200)
}

/// An extension header of a chain, without its next-header byte.
#[derive(Debug, Clone)]
enum Extension {
    Destination(Vec<u8>),
    Routing(u8, u8, Vec<u8>),
    Fragment(u16, bool, u32),
    Authentication(Vec<u8>),
}

impl Extension {
    fn protocol(&self) -> u8 {
        match self {
            Extension::Destination(_) => 60,
            Extension::Routing(..) => 43,
            Extension::Fragment(..) => 44,
            Extension::Authentication(_) => 51,
        }
    }

    fn bytes(&self, next: u8) -> Vec<u8> {
        match self {
            // Bodies are 6 bytes and whole units of 8 more.
            Extension::Destination(body) => {
                [&[next, ((body.len() + 2) / 8 - 1) as u8][..], body].concat()
            }
            Extension::Routing(kind, left, body) => [
                &[next, ((body.len() + 4) / 8 - 1) as u8, *kind, *left][..],
                body,
            ]
            .concat(),
            Extension::Fragment(units, more, id) => {
                let word = units << 3 | u16::from(*more);
                [&[next, 0][..], &word.to_be_bytes(), &id.to_be_bytes()].concat()
            }
            Extension::Authentication(icv) => [
                &[
                    next,
                    (icv.len() / 4 + 1) as u8,
                    0,
                    0,
                    0,
                    0,
                    0,
                    1,
                    0,
                    0,
                    0,
                    2,
                ][..],
                icv,
            ]
            .concat(),
        }
    }
}

fn extension() -> impl Strategy<Value = Extension> {
    let body = |less: usize| {
        (1usize..4).prop_flat_map(move |n| prop::collection::vec(any::<u8>(), n * 8 - less))
    };
    prop_oneof![
        body(2).prop_map(Extension::Destination),
        (1u8..=4, any::<u8>(), body(4)).prop_map(|(k, l, b)| Extension::Routing(k, l, b)),
        (
            prop_oneof![Just(0u16), 0u16..0x2000],
            any::<bool>(),
            any::<u32>()
        )
            .prop_map(|(offset, more, id)| Extension::Fragment(offset, more, id)),
        (1usize..4)
            .prop_flat_map(|n| prop::collection::vec(any::<u8>(), n * 8 - 4))
            .prop_map(Extension::Authentication),
    ]
}

/// The chain as bytes, and the protocol of its first header.
fn chain(extensions: &[Extension], upper: u8) -> (u8, Vec<u8>) {
    let mut next = upper;
    let mut bytes = Vec::new();
    for extension in extensions.iter().rev() {
        bytes = [extension.bytes(next), bytes].concat();
        next = extension.protocol();
    }
    (next, bytes)
}

fn v6_packet(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let (source, destination) = (
        "2001:db8::1".parse().unwrap(),
        "2001:db8::2".parse().unwrap(),
    );
    let len = payload.len() as u16;
    let header = Ipv6Header::new(&source, &destination, Protocol(next_header), 64, len);
    [header.as_bytes(), payload].concat()
}

proptest! {
    /// Chains with at most one fragment header: the same protocol behind them, at the same place.
    #[test]
    fn extension_chains(
        mut extensions in prop::collection::vec(extension(), 0..6),
        upper in prop::sample::select(vec![6u8, 17, 58, 59, 132]),
        cut in prop_oneof![3 => Just(None), 1 => (0usize..120).prop_map(Some)],
    ) {
        let mut n_fragments = 0;
        extensions.retain(|extension| {
            n_fragments += usize::from(matches!(extension, Extension::Fragment(..)));
            n_fragments <= 1 || !matches!(extension, Extension::Fragment(..))
        });
        let (first, mut bytes) = chain(&extensions, upper);
        bytes.extend([0xab; 32]);
        bytes.truncate(cut.unwrap_or(usize::MAX));
        let packet = v6_packet(first, &bytes);

        let theirs = Ipv6ExtensionsSlice::from_slice(IpNumber(first), &bytes);
        match ext_header::walk(&packet) {
            // etherparse reads on behind the header of a later fragment, where no header is.
            Ok(ours) if ours.fragment.is_some_and(|f| !f.is_first()) => {
                let at = ours.fragment.unwrap().at;
                prop_assert_eq!(ours.offset, at + 8);
                prop_assert_eq!(packet[at], ours.protocol.0);
            }
            Ok(ours) => {
                let (slice, next, rest) = theirs.unwrap();
                prop_assert_eq!(ours.protocol.0, next.0);
                prop_assert_eq!(ours.offset, packet.len() - rest.len());
                let fragmented = ours.fragment.is_some_and(|f| !f.is_atomic());
                prop_assert_eq!(slice.is_fragmenting_payload(), fragmented);
                prop_assert_eq!(slice.into_iter().count(), usize::from(ours.n_headers));
            }
            // etherparse does not know RFC 7112, where the upper layer counts too.
            Err(ext_header::ChainError::FirstFragmentIncomplete { .. }) => {
                prop_assert!(theirs.is_err() || bytes.len() < chain(&extensions, upper).1.len() + 20);
            }
            Err(error) => prop_assert!(theirs.is_err(), "ours: {error}"),
        }
    }

    #[test]
    fn udp_over_ipv6_over_tags(
        macs in any::<[[u8; 6]; 2]>(),
        tags in prop_oneof![Just(None), (0u16..4095, 0u16..4095).prop_map(Some)],
        addresses in any::<[[u8; 16]; 2]>(),
        ports in any::<[u16; 2]>(),
        hop_limit in any::<u8>(),
        data in payload(),
    ) {
        let id = |id| VlanId::try_new(id).unwrap();
        let builder = PacketBuilder::ethernet2(macs[0], macs[1]);
        let builder = match tags {
            None => builder.ipv6(addresses[0], addresses[1], hop_limit),
            Some((outer, inner)) => builder
                .double_vlan(id(outer), id(inner))
                .ipv6(addresses[0], addresses[1], hop_limit),
        };
        let mut frame = Vec::new();
        builder.udp(ports[0], ports[1]).write(&mut frame, &data).unwrap();

        let (ether, _) = EtherHeader::parse(&frame).unwrap();
        prop_assert_eq!(ether.source(), MacAddr(macs[0]));
        prop_assert_eq!(ether.destination(), MacAddr(macs[1]));
        let stack = vlan::parse_stack(&frame).unwrap();
        prop_assert_eq!(stack.outer.zip(stack.inner), tags);
        prop_assert_eq!(stack.ether_type, EtherType::IPV6);
        let (ip, udp) = Ipv6Header::parse(&frame[stack.offset..]).unwrap();
        prop_assert_eq!((ip.hop_limit(), ip.next_header()), (hop_limit, Protocol::UDP));
        let (source, destination) = (ip.source(), ip.destination());
        prop_assert_eq!([source.octets(), destination.octets()], addresses);
        prop_assert!(checksum::is_valid_v6(&source, &destination, Protocol::UDP, udp));
        let (header, body) = UdpHeader::parse(udp).unwrap();
        prop_assert_eq!([header.source_port(), header.destination_port()], ports);
        prop_assert_eq!(body, &data[..]);
        // And the checksum as we would fill it.
        let mut sum = checksum::Sum::pseudo_v6(&source, &destination, Protocol::UDP, udp.len());
        sum.add(&udp[..6]);
        sum.add(body);
        prop_assert_eq!(sum.finish_udp(), header.checksum());
    }

    #[test]
    fn tcp_over_ipv4(
        addresses in any::<[[u8; 4]; 2]>(),
        ports in any::<[u16; 2]>(),
        (sequence, window) in any::<(u32, u16)>(),
        ttl in 1u8..,
        data in payload(),
    ) {
        let mut bytes = Vec::new();
        PacketBuilder::ipv4(addresses[0], addresses[1], ttl)
            .tcp(ports[0], ports[1], sequence, window)
            .syn()
            .write(&mut bytes, &data)
            .unwrap();
        let packet = Ipv4Header::parse(&bytes).unwrap();
        prop_assert!(packet.verify_checksum().is_ok());
        let (source, destination) = (packet.header.source(), packet.header.destination());
        prop_assert_eq!([source.octets(), destination.octets()], addresses);
        prop_assert_eq!(packet.header.ttl(), ttl);
        let segment = packet.payload;
        prop_assert!(checksum::is_valid_v4(source, destination, Protocol::TCP, segment));
        let (tcp, options, body) = TcpHeader::parse(segment).unwrap();
        prop_assert_eq!([tcp.source_port(), tcp.destination_port()], ports);
        prop_assert_eq!((tcp.sequence(), tcp.window()), (sequence, window));
        prop_assert_eq!((tcp.flags(), options, body), (wire::tcp::flag::SYN, &[][..], &data[..]));
    }

    /// What we write, they read.
    #[test]
    fn our_ipv4_header(
        addresses in any::<[[u8; 4]; 2]>(),
        (protocol, ttl, tos, identification) in any::<(u8, u8, u8, u16)>(),
        (dont, more, units) in (any::<bool>(), any::<bool>(), 0u16..0x2000),
        len in 0u16..1000,
    ) {
        let [source, destination]: [Ipv4Addr; 2] = addresses.map(Ipv4Addr::from);
        let header = Ipv4Header::new(source, destination, Protocol(protocol), ttl, len)
            .with_tos(tos)
            .with_fragment(identification, dont, more, units * 8);
        let theirs = Ipv4HeaderSlice::from_slice(header.as_bytes()).unwrap();
        prop_assert_eq!((theirs.source_addr(), theirs.destination_addr()), (source, destination));
        prop_assert_eq!((theirs.protocol().0, theirs.ttl()), (protocol, ttl));
        prop_assert_eq!((theirs.dont_fragment(), theirs.more_fragments()), (dont, more));
        prop_assert_eq!(theirs.fragments_offset(), IpFragOffset::try_new(units).unwrap());
        prop_assert_eq!(theirs.identification(), identification);
        prop_assert_eq!(theirs.total_len(), 20 + len);
        prop_assert_eq!(theirs.dcp().value() << 2 | theirs.ecn().value(), tos);
        prop_assert_eq!(theirs.to_header().calc_header_checksum(), header.checksum());
    }

    #[test]
    fn our_ipv6_header(
        addresses in any::<[u128; 2]>(),
        (class, hop_limit, len) in any::<(u8, u8, u16)>(),
        label in 0u32..1 << 20,
    ) {
        let [source, destination] = addresses.map(Ipv6Addr::from_bits);
        let header = Ipv6Header::new(&source, &destination, Protocol::UDP, hop_limit, len)
            .with_traffic_class(class)
            .with_flow_label(label);
        let theirs = etherparse::Ipv6HeaderSlice::from_slice(header.as_bytes()).unwrap();
        prop_assert_eq!((theirs.source_addr(), theirs.destination_addr()), (source, destination));
        prop_assert_eq!((theirs.traffic_class(), theirs.hop_limit()), (class, hop_limit));
        prop_assert_eq!(theirs.flow_label(), Ipv6FlowLabel::try_new(label).unwrap());
        prop_assert_eq!(theirs.payload_length(), len);
    }

    #[test]
    fn our_echo_and_our_errors(
        addresses in any::<[u128; 2]>(),
        (identifier, sequence) in any::<(u16, u16)>(),
        data in prop::collection::vec(any::<u8>(), 0..1500),
    ) {
        let [source, destination] = addresses.map(Ipv6Addr::from_bits);
        let mut buf = [0xee; 1600];
        let mut error = [0xee; 1280];
        let echo = Echo { reply: true, identifier, sequence, data: &data };
        let len = echo.write(&mut buf, &source, &destination, 64).unwrap();
        let theirs = SlicedPacket::from_ip(&buf[..len]).unwrap();
        let Some(TransportSlice::Icmpv6(icmp)) = theirs.transport else { panic!("no ICMPv6") };
        prop_assert!(icmp.is_checksum_valid(source.octets(), destination.octets()));
        let etherparse::Icmpv6Type::EchoReply(header) = icmp.icmp_type() else { panic!("no echo") };
        prop_assert_eq!((header.id, header.seq), (identifier, sequence));
        prop_assert_eq!(icmp.payload(), &data[..]);

        let offending = v6_packet(17, &data);
        let message = ErrorMessage::PacketTooBig(1400);
        let len =
            icmpv6::write_error(&mut error, message, &source, &destination, 64, &offending).unwrap();
        let icmp = Icmpv6Slice::from_slice(&error[40..len]).unwrap();
        prop_assert!(icmp.is_checksum_valid(source.octets(), destination.octets()));
        let too_big = etherparse::Icmpv6Type::PacketTooBig { mtu: 1400 };
        prop_assert_eq!(icmp.icmp_type(), too_big);
        prop_assert_eq!(icmp.payload(), &offending[..offending.len().min(1232)]);
    }

    #[test]
    fn arp_both_ways(
        (sender_tail, target_mac) in any::<([u8; 5], [u8; 6])>(),
        sender_ip in any::<[u8; 4]>(),
        target_ip in any::<[u8; 4]>(),
        reply in any::<bool>(),
    ) {
        let mut sender_mac = [2; 6];
        sender_mac[1..].copy_from_slice(&sender_tail);
        let operation = if reply { Operation::Reply } else { Operation::Request };
        let ours = ArpPacket::new(
            operation,
            (MacAddr(sender_mac), sender_ip.into()),
            (MacAddr(target_mac), target_ip.into()),
        );
        let theirs = ArpEthIpv4Packet {
            operation: if reply {
                etherparse::ArpOperation::REPLY
            } else {
                etherparse::ArpOperation::REQUEST
            },
            sender_mac,
            sender_ipv4: sender_ip,
            target_mac,
            target_ipv4: target_ip,
        };
        prop_assert_eq!(ours.as_bytes(), &theirs.to_bytes()[..]);
        let read = ArpPacketSlice::from_slice(ours.as_bytes()).unwrap();
        prop_assert_eq!(read.to_packet().try_eth_ipv4().unwrap(), theirs);
    }

    #[test]
    fn checksums(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let theirs = etherparse::checksum::Sum16BitWords::new().add_slice(&bytes);
        prop_assert_eq!(checksum::checksum(&bytes), u16::from_be(theirs.ones_complement()));
    }

    /// Any bytes at all: where both read an IP packet, they read the same one.
    #[test]
    fn arbitrary_ip(
        version in prop::sample::select(vec![0x45u8, 0x60]),
        mut bytes in prop::collection::vec(any::<u8>(), 60..120),
    ) {
        bytes[0] = version;
        let len = bytes.len() as u16;
        if version == 0x45 {
            bytes[2..4].copy_from_slice(&len.to_be_bytes());
            let Ok(packet) = Ipv4Header::parse(&bytes) else { panic!("a whole header") };
            if let Ok(IpSlice::Ipv4(theirs)) = IpSlice::from_slice(&bytes) {
                prop_assert_eq!(theirs.header().slice(), packet.header.as_bytes());
                prop_assert_eq!(theirs.header().is_fragmenting_payload(), packet.header.is_fragment());
            }
        } else {
            bytes[4..6].copy_from_slice(&(len - 40).to_be_bytes());
            let (header, payload) = Ipv6Header::parse(&bytes).unwrap();
            if let Ok(theirs) = SlicedPacket::from_ip(&bytes)
                && let Some(NetSlice::Ipv6(theirs)) = theirs.net
            {
                prop_assert_eq!(theirs.header().slice(), header.as_bytes());
                prop_assert_eq!(payload.len(), bytes.len() - 40);
            }
        }
    }
}
