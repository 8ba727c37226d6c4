//! The frames that machines are asked with, and told that an address is not theirs.
//!
//! A question is one of duplicate detection (RFC 4862 section 5.4.2; RFC 5227 section 2.1.1): it has no source address, so that nobody
//! learns anything from it, and an owner answers it to all (RFC 4862 section 5.4.3).

use super::*;

use wire::EtherType;
use wire::addr::v6;
use wire::arp::{ArpPacket, Operation};
use wire::nd::{self, Message, NeighborAdvertisement};
use wire::nd_option::NdOption;
use zerocopy::IntoBytes;

/// Long enough for an advertisement with one option.
const ROOM: usize = 96;

/// The group in which who has an address listens, and its MAC.
pub fn solicited_node(address: Ipv6Addr) -> (Ipv6Addr, MacAddr) {
    let group = Ipv6Addr::from_bits(v6::solicited_node(address.to_bits()));
    (group, MacAddr::for_ipv6_multicast(&group))
}

/// Who has `address`? Asked of `to`.
pub fn question(from: MacAddr, to: MacAddr, address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V6(target) => {
            let (group, _) = solicited_node(target);
            let asked = Message::NeighborSolicitation { target };
            let packet = message(&Ipv6Addr::UNSPECIFIED, &group, &asked, &[]);
            ethernet(from, to, EtherType::IPV6, &packet)
        }
        IpAddr::V4(target) => {
            let probe = ArpPacket::request(from, Ipv4Addr::UNSPECIFIED, target);
            ethernet(from, to, EtherType::ARP, probe.as_bytes())
        }
    }
}

/// `owner` has `address`, said to `to`, which has looked whether anybody has it.
pub fn defence(from: MacAddr, to: MacAddr, address: IpAddr, owner: MacAddr) -> Vec<u8> {
    match address {
        IpAddr::V6(target) => {
            let said = Message::NeighborAdvertisement(NeighborAdvertisement {
                router: false,
                solicited: false,
                override_flag: true,
                target,
            });
            let options = [NdOption::TargetLinkLayer(owner)];
            let all = Ipv6Addr::from_bits(v6::ALL_NODES);
            let packet = message(&target, &all, &said, &options);
            ethernet(from, to, EtherType::IPV6, &packet)
        }
        IpAddr::V4(address) => {
            let asker = (to, Ipv4Addr::UNSPECIFIED);
            let reply = ArpPacket::new(Operation::Reply, (owner, address), asker);
            ethernet(from, to, EtherType::ARP, reply.as_bytes())
        }
    }
}

fn message(
    source: &Ipv6Addr,
    destination: &Ipv6Addr,
    message: &Message,
    options: &[NdOption<'_>],
) -> Vec<u8> {
    let mut packet = vec![0; ROOM];
    let Ok(len) = nd::write(&mut packet, source, destination, message, options) else {
        unreachable!("there is room for one option");
    };
    packet.truncate(len);
    packet
}

fn ethernet(from: MacAddr, to: MacAddr, ether_type: EtherType, packet: &[u8]) -> Vec<u8> {
    let [to, from] = [to, from].map(MacAddr::octets);
    [&to[..], &from, &ether_type.0.to_be_bytes(), packet].concat()
}
