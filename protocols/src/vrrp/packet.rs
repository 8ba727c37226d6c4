//! Advertisements and announcements as bytes.
//!
//! ```text
//!   version 3   ver,type 1 · vrid 1 · priority 1 · count 1 · 0000,interval 12 bit · checksum 2 · addresses
//!   version 2   ver,type 1 · vrid 1 · priority 1 · count 1 · auth type 1 · interval 1 · checksum 2 · addresses 4 each · auth data 8
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use wire::addr::v6;
use wire::arp::ArpPacket;
use wire::checksum::{checksum, checksum_v4, checksum_v6, is_valid, is_valid_v4, is_valid_v6};
use wire::ipv4::Ipv4Header;
use wire::ipv6::{Ipv6Header, Protocol};
use wire::nd::{self, Message, NeighborAdvertisement};
use wire::nd_option::NdOption;
use wire::{EtherType, MacAddr};
use zerocopy::IntoBytes;

use super::config::{Family, Version};

/// The protocol's number (RFC 9568 section 5.1.1.4).
pub const PROTOCOL: Protocol = Protocol(112);
/// Where IPv6 advertisements go (RFC 9568 section 5.1.2.2).
pub const GROUP6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
/// Where IPv4 advertisements go (RFC 9568 section 5.1.1.2).
pub const GROUP4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

const ALL_NODES: Ipv6Addr = Ipv6Addr::from_bits(v6::ALL_NODES);
const HOP_LIMIT: u8 = 255;
const HEADER: usize = 8;
/// Authentication data at the end of a message of version 2 (RFC 3768 section 5.3.10).
const AUTH_DATA: usize = 8;
const ADVERTISEMENT: u8 = 1;
/// Centiseconds that 12 bits can say.
const MAX_CENTISECONDS: u128 = 0xfff;

/// What an advertisement says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertisement {
    /// Its version.
    pub version: Version,
    /// Of which virtual router.
    pub vrid: u8,
    /// The sender's priority; 0: it stops.
    pub priority: u8,
    /// Max_Advertise_Interval; of version 2 Advertisement Interval.
    pub interval: Duration,
    /// The virtual addresses.
    pub addresses: Vec<IpAddr>,
}

/// An advertisement as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Who sent it.
    pub source: IpAddr,
    /// Whether it went to the group, not to us alone.
    pub to_group: bool,
    /// Whether its checksum covers a pseudo-header.
    pub pseudo_header: bool,
    /// What it says.
    pub advertisement: Advertisement,
}

/// Reads a packet of protocol 112, from the IP header on, as RFC 9568 section 7.1 wants it checked. The VRID comes with
/// the name of the rule that was broken once it is known.
///
/// # Errors
/// The rule that was broken, and of which virtual router the packet is.
pub fn read(packet: &[u8]) -> Result<Received, (&'static str, Option<u8>)> {
    let early = |rule| (rule, None);
    let (source, destination, hop_limit, message): (IpAddr, IpAddr, _, _) = match packet.first() {
        Some(byte) if byte >> 4 == 6 => {
            let (header, payload) = Ipv6Header::parse(packet).map_err(|_| early("length"))?;
            if header.next_header() != PROTOCOL {
                return Err(early("protocol"));
            }
            let ends = (header.source().into(), header.destination().into());
            (ends.0, ends.1, header.hop_limit(), payload)
        }
        _ => {
            let ip = Ipv4Header::parse(packet).map_err(|_| early("length"))?;
            if ip.header.protocol() != PROTOCOL {
                return Err(early("protocol"));
            }
            let ends = (ip.header.source().into(), ip.header.destination().into());
            (ends.0, ends.1, ip.header.ttl(), ip.payload)
        }
    };
    if hop_limit != HOP_LIMIT {
        return Err(early("hop_limit"));
    }
    let Some(&[kind, vrid, priority, count, fifth, sixth, ..]) = message.first_chunk::<HEADER>()
    else {
        return Err(early("length"));
    };
    let late = |rule| (rule, Some(vrid));
    let version = match (kind >> 4, source) {
        (3, _) => Version::V3,
        (2, IpAddr::V4(_)) => Version::V2,
        _ => return Err(late("version")),
    };
    if kind & 0xf != ADVERTISEMENT {
        return Err(late("type"));
    }
    if vrid == 0 {
        return Err(early("vrid"));
    }
    if count == 0 {
        return Err(late("address_count"));
    }
    let family = Family::of(&source);
    let addresses_end = HEADER + usize::from(count) * address_len(family);
    let end = match version {
        Version::V2 => addresses_end + AUTH_DATA,
        Version::V3 => addresses_end,
    };
    if message.len() < end {
        return Err(late("length"));
    }
    // Padding of the link is gone: the IP header said how long the message is.
    let message = &message[..if version == Version::V2 {
        end
    } else {
        message.len()
    }];
    let pseudo_header = match (source, destination) {
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            if !is_valid_v6(&source, &destination, PROTOCOL, message) {
                return Err(late("checksum"));
            }
            true
        }
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let plain = is_valid(message);
            let with = || is_valid_v4(source, destination, PROTOCOL, message);
            if !plain && (version == Version::V2 || !with()) {
                return Err(late("checksum"));
            }
            !plain
        }
        _ => return Err(late("version")),
    };
    if message.len() != end {
        return Err(late("length"));
    }
    let interval = match version {
        Version::V2 if fifth != 0 => return Err(late("auth_type")),
        Version::V2 => Duration::from_secs(sixth.into()),
        Version::V3 => {
            let centiseconds = u16::from_be_bytes([fifth, sixth]) & 0xfff;
            Duration::from_millis(u64::from(centiseconds) * 10)
        }
    };
    if interval.is_zero() {
        return Err(late("interval"));
    }
    if matches!(source, IpAddr::V6(source) if !source.is_unicast_link_local()) {
        return Err(late("source"));
    }
    let addresses = &message[HEADER..addresses_end];
    let to_group = destination == IpAddr::V6(GROUP6) || destination == IpAddr::V4(GROUP4);
    Ok(Received {
        source,
        to_group,
        pseudo_header,
        advertisement: Advertisement {
            version,
            vrid,
            priority,
            interval,
            addresses: read_addresses(family, addresses),
        },
    })
}

const fn address_len(family: Family) -> usize {
    match family {
        Family::V6 => 16,
        Family::V4 => 4,
    }
}

fn read_addresses(family: Family, bytes: &[u8]) -> Vec<IpAddr> {
    match family {
        Family::V6 => {
            let (addresses, _) = bytes.as_chunks::<16>();
            addresses
                .iter()
                .map(|a| Ipv6Addr::from(*a).into())
                .collect()
        }
        Family::V4 => {
            let (addresses, _) = bytes.as_chunks::<4>();
            addresses
                .iter()
                .map(|a| Ipv4Addr::from(*a).into())
                .collect()
        }
    }
}

/// An advertisement as an IP packet from `source` to `destination`; `pseudo_header` is what its checksum covers over IPv4.
/// Addresses of another family than the source's are left out; the packet is empty when source and destination differ
/// in theirs.
pub fn write(
    source: IpAddr,
    destination: IpAddr,
    advertisement: &Advertisement,
    pseudo_header: bool,
) -> Vec<u8> {
    let mut message = message(Family::of(&source), advertisement);
    match (source, destination) {
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let sum = checksum_v6(&source, &destination, PROTOCOL, &message);
            message[6..8].copy_from_slice(&sum.to_be_bytes());
            // Of at most 255 addresses: cannot be too long.
            let len = message.len() as u16;
            let header = Ipv6Header::new(&source, &destination, PROTOCOL, HOP_LIMIT, len);
            [
                header.with_traffic_class(NETWORK_CONTROL).as_bytes(),
                &message,
            ]
            .concat()
        }
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let sum = match pseudo_header && advertisement.version == Version::V3 {
                true => checksum_v4(source, destination, PROTOCOL, &message),
                false => checksum(&message),
            };
            message[6..8].copy_from_slice(&sum.to_be_bytes());
            let len = message.len() as u16;
            let header = Ipv4Header::new(source, destination, PROTOCOL, HOP_LIMIT, len);
            [header.with_tos(NETWORK_CONTROL).as_bytes(), &message].concat()
        }
        _ => Vec::new(),
    }
}

/// Class selector 6 (RFC 4594 section 3.1): routing and liveness go before the rest.
const NETWORK_CONTROL: u8 = 0xc0;

fn message(family: Family, advertisement: &Advertisement) -> Vec<u8> {
    let &Advertisement {
        version,
        vrid,
        priority,
        interval,
        ref addresses,
    } = advertisement;
    let addresses = addresses.iter().filter(|a| Family::of(a) == family);
    let addresses: Vec<&IpAddr> = addresses.take(255).collect();
    let number: u8 = match version {
        Version::V3 => 3,
        Version::V2 => 2,
    };
    let (fifth, sixth) = match version {
        Version::V3 => {
            let centiseconds = (interval.as_millis() / 10).clamp(1, MAX_CENTISECONDS) as u16;
            let [high, low] = centiseconds.to_be_bytes();
            (high, low)
        }
        Version::V2 => (0, interval.as_secs().clamp(1, 255) as u8),
    };
    let count = addresses.len() as u8;
    let mut message = vec![
        number << 4 | ADVERTISEMENT,
        vrid,
        priority,
        count,
        fifth,
        sixth,
        0,
        0,
    ];
    for address in addresses {
        match address {
            IpAddr::V6(address) => message.extend_from_slice(&address.octets()),
            IpAddr::V4(address) => message.extend_from_slice(&address.octets()),
        }
    }
    if version == Version::V2 {
        message.extend_from_slice(&[0; AUTH_DATA]);
    }
    message
}

/// Tells the link where a virtual address is: an unsolicited neighbour advertisement, or an ARP announcement
/// (RFC 9568 section 6.4.1). Destination of the frame, what it carries, and that.
pub fn announcement(mac: MacAddr, address: IpAddr) -> (MacAddr, EtherType, Vec<u8>) {
    match address {
        IpAddr::V6(target) => {
            let message = Message::NeighborAdvertisement(NeighborAdvertisement {
                router: true,
                solicited: false,
                override_flag: true,
                target,
            });
            let options = [NdOption::TargetLinkLayer(mac)];
            let mut packet = vec![0; nd::packet_len(&message, &options)];
            // Room is exact, and the option cannot have a value that its field cannot hold.
            let written = nd::write(&mut packet, &target, &ALL_NODES, &message, &options);
            debug_assert_eq!(written, Ok(packet.len()));
            let to = MacAddr::for_ipv6_multicast(&ALL_NODES);
            (to, EtherType::IPV6, packet)
        }
        IpAddr::V4(address) => {
            let packet = ArpPacket::announcement(mac, address).as_bytes().to_vec();
            (MacAddr::BROADCAST, EtherType::ARP, packet)
        }
    }
}

/// The frame's destination of what goes to the group of a family.
pub fn group_mac(family: Family) -> MacAddr {
    match family {
        Family::V6 => MacAddr::for_ipv6_multicast(&GROUP6),
        Family::V4 => MacAddr::for_ipv4_multicast(GROUP4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn advertisement(addresses: &[&str]) -> Advertisement {
        Advertisement {
            version: Version::V3,
            vrid: 61,
            priority: 120,
            interval: Duration::from_millis(100),
            addresses: addresses.iter().map(|a| ip(a)).collect(),
        }
    }

    fn v6() -> Vec<u8> {
        let said = advertisement(&["fe80::61", "2001:db8::61"]);
        write(ip("fe80::1"), GROUP6.into(), &said, true)
    }

    fn broken(packet: &[u8]) -> &'static str {
        read(packet).unwrap_err().0
    }

    /// Has the checksum of an IPv6 advertisement cover what it is now.
    fn mend(packet: &mut [u8]) {
        packet[46..48].fill(0);
        let (header, payload) = Ipv6Header::parse(packet).unwrap();
        let sum = checksum_v6(&header.source(), &header.destination(), PROTOCOL, payload);
        packet[46..48].copy_from_slice(&sum.to_be_bytes());
    }

    #[test]
    fn what_is_written_is_read() {
        for (source, group, addresses) in [
            (
                "fe80::1",
                IpAddr::V6(GROUP6),
                &["fe80::61", "2001:db8::61"][..],
            ),
            ("192.0.2.1", GROUP4.into(), &["192.0.2.61"]),
        ] {
            for pseudo_header in [false, true] {
                let said = advertisement(addresses);
                let packet = write(ip(source), group, &said, pseudo_header);
                let received = read(&packet).unwrap();
                assert_eq!(received.advertisement, said);
                assert_eq!(received.source, ip(source));
                assert!(received.to_group);
                let covers = pseudo_header || group.is_ipv6();
                assert_eq!(received.pseudo_header, covers);
            }
        }
    }

    #[test]
    fn version_2_has_seconds_and_authentication_data() {
        let said = Advertisement {
            version: Version::V2,
            interval: Duration::from_secs(3),
            ..advertisement(&["192.0.2.61"])
        };
        let mut packet = write(ip("192.0.2.1"), GROUP4.into(), &said, true);
        assert_eq!(packet.len(), 20 + 8 + 4 + 8);
        assert_eq!(packet[20..26], [0x21, 61, 120, 1, 0, 3]);
        assert_eq!(read(&packet).unwrap().advertisement, said);
        // Simple text authentication of RFC 2338; its checksum does not cover the data, but the field is covered.
        packet[24] = 1;
        packet[26..28].fill(0);
        let sum = checksum(&packet[20..]);
        packet[26..28].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(broken(&packet), "auth_type");
    }

    #[test]
    fn the_bytes_are_those_of_the_figure() {
        let packet = v6();
        assert_eq!(packet[..8], [0x6c, 0, 0, 0, 0, 40, 112, 255]);
        assert_eq!(packet[40..46], [0x31, 61, 120, 2, 0, 10]);
    }

    #[test]
    fn what_breaks_a_rule_is_named() {
        let change = |at: usize, value: u8| {
            let mut packet = v6();
            packet[at] = value;
            if at >= 40 {
                mend(&mut packet);
            }
            packet
        };
        assert_eq!(broken(&change(7, 254)), "hop_limit");
        assert_eq!(broken(&change(6, 17)), "protocol");
        assert_eq!(broken(&change(40, 0x21)), "version");
        assert_eq!(broken(&change(40, 0x41)), "version");
        assert_eq!(broken(&change(40, 0x32)), "type");
        assert_eq!(broken(&change(41, 0)), "vrid");
        assert_eq!(broken(&change(43, 0)), "address_count");
        assert_eq!(broken(&change(43, 1)), "length");
        assert_eq!(broken(&change(43, 3)), "length");
        assert_eq!(broken(&change(45, 0)), "interval");
        let mut packet = v6();
        packet[60] ^= 1;
        assert_eq!(read(&packet), Err(("checksum", Some(61))));
        assert_eq!(broken(&v6()[..44]), "length");
        assert_eq!(broken(&[]), "length");
        let said = advertisement(&["fe80::61"]);
        let packet = write(ip("2001:db8::1"), GROUP6.into(), &said, true);
        assert_eq!(broken(&packet), "source");
    }

    #[test]
    fn announcements_say_where_the_address_is() {
        let mac = MacAddr([0, 0, 0x5e, 0, 2, 61]);
        let (to, ether_type, packet) = announcement(mac, ip("2001:db8::61"));
        assert_eq!(to, MacAddr([0x33, 0x33, 0, 0, 0, 1]));
        assert_eq!(ether_type, EtherType::IPV6);
        let received = nd::parse_packet(&packet).unwrap();
        assert_eq!(received.options.target_link_layer(), Some(mac));
        let (to, ether_type, packet) = announcement(mac, ip("192.0.2.61"));
        assert_eq!((to, ether_type), (MacAddr::BROADCAST, EtherType::ARP));
        assert!(ArpPacket::parse(&packet).unwrap().is_announcement());
    }
}
