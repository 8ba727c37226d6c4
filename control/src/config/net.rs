//! Addresses, prefixes and MACs as a file gives them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};
use wire::ether::MacAddr;

use super::reader::Value;
use crate::model::broadcast;

/// A unicast MAC address.
pub(super) fn mac(value: &Value<'_>) -> Option<MacAddr> {
    let mac: MacAddr = value.parse("a MAC address such as \"02:00:00:00:00:01\"")?;
    if !mac.is_station() {
        value.fault("must be a unicast MAC address, neither a group's nor all zero");
        return None;
    }
    Some(mac)
}

/// An own address with its subnet's length.
pub(super) fn own_address(value: &Value<'_>) -> Option<IpNet> {
    let text = value.string()?;
    if !text.contains('/') && text.parse::<IpAddr>().is_ok() {
        value.fault(format_args!(
            "\"{text}\" lacks a prefix length, such as \"{text}/64\""
        ));
        return None;
    }
    let net: IpNet =
        value.parse("an address with its prefix length, such as \"2001:db8::1/64\"")?;
    let wrong = match net {
        IpNet::V6(net) => own_v6(net.addr())
            .or_else(|| {
                (net.prefix_len() == 0).then_some("has no subnet: its length must be 1 to 128")
            })
            .or_else(|| {
                (net.prefix_len() < 127 && net.addr() == net.network())
                    .then_some("is the subnet-router anycast address of its subnet, not a host's")
            }),
        IpNet::V4(net) => own_v4(net.addr())
            .or_else(|| {
                (net.prefix_len() == 0).then_some("has no subnet: its length must be 1 to 32")
            })
            .or_else(|| {
                (net.prefix_len() < 31 && net.addr() == net.network())
                    .then_some("is the network address of its subnet, not a host's")
            })
            .or_else(|| {
                (broadcast(&net) == Some(net.addr()))
                    .then_some("is the broadcast address of its subnet, not a host's")
            }),
    };
    match wrong {
        Some(wrong) => {
            value.fault(format_args!("\"{text}\" {wrong}"));
            None
        }
        None => Some(net),
    }
}

/// Why `address` cannot be an own global or unique local address.
fn own_v6(address: Ipv6Addr) -> Option<&'static str> {
    if address.is_unspecified() {
        Some("is the unspecified address")
    } else if address.is_loopback() {
        Some("is the loopback address")
    } else if address.is_multicast() {
        Some("is a multicast address; an interface's own must be unicast")
    } else if address.is_unicast_link_local() {
        Some("is link-local; give it as `link_local`")
    } else if address.to_ipv4_mapped().is_some() {
        Some("is an IPv4-mapped address, which is never on a wire")
    } else {
        None
    }
}

fn own_v4(address: Ipv4Addr) -> Option<&'static str> {
    if address.octets()[0] == 0 {
        Some("is in 0.0.0.0/8, which is no host's")
    } else if address.is_loopback() {
        Some("is a loopback address")
    } else if address.is_multicast() {
        Some("is a multicast address; an interface's own must be unicast")
    } else if address.octets()[0] >= 240 {
        Some("is in 240.0.0.0/4, which is reserved")
    } else {
        None
    }
}

/// A unicast IPv6 address of any scope but loopback.
pub(super) fn unicast_v6(value: &Value<'_>) -> Option<Ipv6Addr> {
    let address: Ipv6Addr = value.parse("an IPv6 address")?;
    if address.is_multicast() || address.is_unspecified() || address.is_loopback() {
        value.fault(format_args!("\"{address}\" is not a unicast address"));
        return None;
    }
    Some(address)
}

/// A gateway or neighbour: a unicast address of either family.
pub(super) fn unicast(value: &Value<'_>) -> Option<IpAddr> {
    let address: IpAddr = value.parse("an IPv6 or IPv4 address")?;
    let bad = match address {
        IpAddr::V6(v6) => {
            v6.is_multicast()
                || v6.is_unspecified()
                || v6.is_loopback()
                || v6.to_ipv4_mapped().is_some()
        }
        IpAddr::V4(v4) => own_v4(v4).is_some(),
    };
    if bad {
        value.fault(format_args!("\"{address}\" is not a unicast host address"));
        return None;
    }
    Some(address)
}

/// An end of a tunnel: a unicast address of either family that a route can lead to.
pub(super) fn host(value: &Value<'_>) -> Option<IpAddr> {
    let address = unicast(value)?;
    if matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
        value.fault(format_args!(
            "\"{address}\" is link-local; packets of tunnels are routed"
        ));
        return None;
    }
    Some(address)
}

/// The far end of tunnels: as [`host`], or a multicast group whose packets leave the node.
pub(super) fn peer(value: &Value<'_>) -> Option<IpAddr> {
    let text = value.as_text();
    let group = text.and_then(|text| text.parse().ok());
    let Some(group) = group.filter(IpAddr::is_multicast) else {
        return host(value);
    };
    let stays = match group {
        IpAddr::V6(v6) => v6.octets()[1] & 0xf < 2,
        // All systems, all routers and the like are for protocols of the link (RFC 5771 section 4).
        IpAddr::V4(v4) => v4.octets()[..3] == [224, 0, 0],
    };
    if stays {
        value.fault(format_args!(
            "\"{group}\" is no group for packets of tunnels"
        ));
        return None;
    }
    Some(group)
}

/// A link-local address (RFC 4291 section 2.5.6).
pub(super) fn link_local(value: &Value<'_>) -> Option<Ipv6Addr> {
    let address: Ipv6Addr = value.parse("an IPv6 address")?;
    let octets = address.octets();
    if octets[..8] != [0xfe, 0x80, 0, 0, 0, 0, 0, 0] || octets[8..] == [0; 8] {
        value.fault(format_args!(
            "\"{address}\" is not a link-local address: fe80::/64, not fe80:: itself"
        ));
        return None;
    }
    Some(address)
}

/// A prefix of either family without host bits.
pub(super) fn prefix(value: &Value<'_>) -> Option<IpNet> {
    let net: IpNet = value.parse("a prefix such as \"2001:db8::/32\" or \"192.0.2.0/24\"")?;
    if net.trunc() != net {
        value.fault(format_args!(
            "\"{net}\" has host bits set; the prefix is \"{}\"",
            net.trunc()
        ));
        return None;
    }
    Some(net)
}

/// An IPv6 prefix without host bits.
pub(super) fn prefix_v6(value: &Value<'_>) -> Option<Ipv6Net> {
    let net: Ipv6Net = value.parse("an IPv6 prefix such as \"2001:db8::/64\"")?;
    if net.trunc() != net {
        value.fault(format_args!(
            "\"{net}\" has host bits set; the prefix is \"{}\"",
            net.trunc()
        ));
        return None;
    }
    if net.addr().is_multicast() || net.addr().is_unicast_link_local() {
        value.fault(format_args!(
            "\"{net}\" must be a unicast prefix, and not a link-local one"
        ));
        return None;
    }
    Some(net)
}

/// A domain name.
pub(super) fn domain(value: &Value<'_>) -> Option<String> {
    let text = value.string()?;
    let good = |c: u8| c.is_ascii_alphanumeric() || b"-_".contains(&c);
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_domain = name.len() <= 253
        && name
            .split('.')
            .all(|label| (1..=63).contains(&label.len()) && label.bytes().all(good));
    if !is_domain {
        value.fault(format_args!(
            "\"{text}\" is not a domain name (RFC 1035 section 2.3.1)"
        ));
        return None;
    }
    Some(text.to_owned())
}
