//! Which of our addresses an ICMP error speaks from.
//!
//! RFC 4443 section 2.2: an error about a packet to one of our own addresses comes from that address; any other from
//! an address of the interface that received the packet, chosen as RFC 6724 would. RFC 1812 section 4.3.2.4 is
//! followed in the same spirit: the address of the receiving interface tells a traceroute which way the packet came.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Scope and label of an IPv6 unicast address, as far as the choice of a source needs them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Realm {
    LinkLocal,
    UniqueLocal,
    Global,
}

fn realm(address: Ipv6Addr) -> Realm {
    let [first, second, ..] = address.octets();
    match (first, second & 0xc0) {
        (0xfe, 0x80) => Realm::LinkLocal,
        (0xfc | 0xfd, _) => Realm::UniqueLocal,
        _ => Realm::Global,
    }
}

/// The address that answers `offender_source` best, out of the receiving interface's own `candidates`.
///
/// A link-local offender is answered from link-local. For any other the order is: same realm (RFC 6724 rule 6, unique
/// local or global), then the longest common prefix (rule 8). A link-local address never answers a wider scope, since
/// its answer could not be routed (RFC 4007): then the result is `None` and the caller tries the VRF's addresses.
pub fn v6(
    offender_source: Ipv6Addr,
    candidates: impl IntoIterator<Item = Ipv6Addr>,
) -> Option<Ipv6Addr> {
    let wanted = realm(offender_source);
    candidates
        .into_iter()
        .filter(|&own| (realm(own) == Realm::LinkLocal) == (wanted == Realm::LinkLocal))
        .filter(|own| !own.is_multicast() && !own.is_unspecified() && !own.is_loopback())
        // `reduce` keeps the first of equals: the interface's order of addresses decides.
        .reduce(|best, own| {
            if rank(own, offender_source) > rank(best, offender_source) {
                own
            } else {
                best
            }
        })
}

fn rank(own: Ipv6Addr, peer: Ipv6Addr) -> (bool, u32) {
    (
        realm(own) == realm(peer),
        (own.to_bits() ^ peer.to_bits()).leading_zeros(),
    )
}

/// The address that answers `offender_source` best, out of the receiving interface's own `candidates`.
pub fn v4(
    offender_source: Ipv4Addr,
    candidates: impl IntoIterator<Item = Ipv4Addr>,
) -> Option<Ipv4Addr> {
    let common = |own: Ipv4Addr| (own.to_bits() ^ offender_source.to_bits()).leading_zeros();
    candidates
        .into_iter()
        .filter(|own| !own.is_unspecified() && !own.is_loopback() && !own.is_multicast())
        .reduce(|best, own| {
            if common(own) > common(best) {
                own
            } else {
                best
            }
        })
}
