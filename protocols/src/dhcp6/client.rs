//! Who asks, and where: the link of a message, the client's MAC, its reservation.

use std::net::Ipv6Addr;

use wire::MacAddr;

use super::link::Link;
use super::relay::Layer;
use lease::{ClientId, NextHop, RelayId, RelayInfo};

/// A client as one message shows it.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// Its DUID.
    pub id: ClientId,
    /// Its MAC, as far as known.
    pub mac: Option<MacAddr>,
    /// Which of the link's reservations is its own.
    pub reservation: Option<usize>,
    /// Where routes to what is delegated to it lead: itself, or the relay before it (RFC 8987 section 3.1).
    pub next_hop: NextHop,
    /// Its name.
    pub hostname: Option<Box<str>>,
    /// Where the relay next to it says that it is.
    pub relay: Option<Box<RelayInfo>>,
}

/// The MAC of a client: what the relay next to it tells (RFC 6939), the frame when there is no relay, and as a last resort what
/// its DUID was made from, which may be another interface's (RFC 8415 section 11.2).
pub(super) fn mac(layers: &[Layer<'_>], frame: MacAddr, duid: &[u8]) -> Option<MacAddr> {
    let told = match layers.last() {
        Some(layer) => layer.mac,
        None => Some(frame).filter(|mac| mac.is_station()),
    };
    told.or_else(|| mac_of_duid(duid))
}

/// What the relay next to the client tells of where it is.
pub(super) fn relay(layers: &[Layer<'_>]) -> Option<Box<RelayInfo>> {
    let layer = layers.last()?;
    RelayInfo {
        interface_id: layer.interface_id.and_then(RelayId::new),
        remote_id: layer.remote_id.and_then(RelayId::new),
        subscriber_id: layer.subscriber_id.and_then(RelayId::new),
    }
    .into_option()
}

/// The MAC in a DUID-LLT or DUID-LL of Ethernet (RFC 8415 sections 11.2 and 11.4).
fn mac_of_duid(duid: &[u8]) -> Option<MacAddr> {
    let address = match duid {
        [0, 1, 0, 1, _, _, _, _, address @ ..] => address,
        [0, 3, 0, 1, address @ ..] => address,
        _ => return None,
    };
    let mac = MacAddr(address.try_into().ok()?);
    mac.is_station().then_some(mac)
}

/// Which reservation is the client's. What the network knows of it comes before what it says itself.
pub(super) fn reservation(
    link: &Link,
    layers: &[Layer<'_>],
    mac: Option<MacAddr>,
    duid: &[u8],
) -> Option<usize> {
    let subscriber = layers.last().and_then(|layer| layer.subscriber_id);
    reservation_of(link, mac, subscriber, duid)
}

/// The same of a client of which this is known.
pub(super) fn reservation_of(
    link: &Link,
    mac: Option<MacAddr>,
    subscriber: Option<&[u8]>,
    duid: &[u8],
) -> Option<usize> {
    mac.and_then(|mac| link.by_mac.get(&mac))
        .or_else(|| subscriber.and_then(|id| link.by_subscriber.get(id)))
        .or_else(|| link.by_duid.get(duid))
        .copied()
}

/// The link-address that tells the client's link: of the relay closest to the client that gives one (RFC 8415 section 13.1;
/// lightweight relays give none, RFC 6221 section 5.3.1).
pub(super) fn link_address(layers: &[Layer<'_>]) -> Option<Ipv6Addr> {
    let given = layers.iter().rev().map(|layer| layer.link_address);
    given
        .into_iter()
        .find(|address| !address.is_unspecified() && !address.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_in_a_duid() {
        let nine = MacAddr([2, 0, 0, 0, 0, 9]);
        assert_eq!(mac_of_duid(&[0, 3, 0, 1, 2, 0, 0, 0, 0, 9]), Some(nine));
        let llt = [0, 1, 0, 1, 9, 9, 9, 9, 2, 0, 0, 0, 0, 9];
        assert_eq!(mac_of_duid(&llt), Some(nine));
        assert_eq!(
            mac_of_duid(&[0, 3, 0, 6, 2, 0, 0, 0, 0, 9]),
            None,
            "IEEE 802"
        );
        assert_eq!(
            mac_of_duid(&[0, 3, 0, 1, 3, 0, 0, 0, 0, 9]),
            None,
            "a group"
        );
        assert_eq!(mac_of_duid(&[0, 4, 0, 1, 2, 0, 0, 0, 0, 9]), None, "a UUID");
        assert_eq!(mac(&[], nine, &[0, 2, 9]), Some(nine), "the frame's");
        assert_eq!(mac(&[], MacAddr::ZERO, &llt), Some(nine), "the last resort");
    }
}
