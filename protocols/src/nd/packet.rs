//! The packets this room sends. What it receives is read by `wire::nd` and `wire::arp`.

use std::net::{Ipv4Addr, Ipv6Addr};

use wire::MacAddr;
use wire::addr::v6;
use wire::arp::ArpPacket;
use wire::nd::{self, Message, NeighborAdvertisement};
use wire::nd_option::NdOption;
use zerocopy::IntoBytes;

/// All nodes of the link.
pub(super) const ALL_NODES: Ipv6Addr = Ipv6Addr::from_bits(v6::ALL_NODES);

/// The solicited-node group of an address.
pub(super) fn solicited_node(target: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(v6::solicited_node(target.to_bits()))
}

/// A solicitation of `target` with our MAC.
pub(super) fn solicitation(
    source: Ipv6Addr,
    dst: Ipv6Addr,
    target: Ipv6Addr,
    mac: MacAddr,
) -> Vec<u8> {
    build(
        source,
        dst,
        Message::NeighborSolicitation { target },
        NdOption::SourceLinkLayer(mac),
    )
}

/// A solicitation for duplicate detection: no source, hence no link-layer address, and a nonce (RFC 7527).
pub(super) fn dad_solicitation(target: Ipv6Addr, nonce: &[u8; 6]) -> Vec<u8> {
    let message = Message::NeighborSolicitation { target };
    build(
        Ipv6Addr::UNSPECIFIED,
        solicited_node(target),
        message,
        NdOption::Nonce(nonce),
    )
}

/// An advertisement with our MAC.
pub(super) fn advertisement(
    source: Ipv6Addr,
    dst: Ipv6Addr,
    message: NeighborAdvertisement,
    mac: MacAddr,
) -> Vec<u8> {
    build(
        source,
        dst,
        Message::NeighborAdvertisement(message),
        NdOption::TargetLinkLayer(mac),
    )
}

fn build(source: Ipv6Addr, dst: Ipv6Addr, message: Message, option: NdOption<'_>) -> Vec<u8> {
    let options = [option];
    let mut packet = vec![0; nd::packet_len(&message, &options)];
    // Room is exact and none of these options can have a value that its field cannot hold.
    let written = nd::write(&mut packet, &source, &dst, &message, &options);
    debug_assert_eq!(written, Ok(packet.len()));
    packet
}

/// An ARP request of `target`, broadcast or as unicast probe.
pub(super) fn arp_request(mac: MacAddr, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    ArpPacket::request(mac, sender, target).as_bytes().to_vec()
}

/// An ARP announcement of our own address.
pub(super) fn arp_announcement(mac: MacAddr, address: Ipv4Addr) -> Vec<u8> {
    ArpPacket::announcement(mac, address).as_bytes().to_vec()
}

/// An ARP reply: we have `address`.
pub(super) fn arp_reply(mac: MacAddr, address: Ipv4Addr, asker: (MacAddr, Ipv4Addr)) -> Vec<u8> {
    ArpPacket::reply(mac, address, asker).as_bytes().to_vec()
}
