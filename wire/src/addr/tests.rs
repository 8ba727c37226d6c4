//! Every range at both edges, and the slow definition beside the quick one.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::v6::MulticastScope;
use super::{v4, v6};

fn six(text: &str) -> u128 {
    text.parse::<Ipv6Addr>().unwrap().to_bits()
}

fn four(text: &str) -> u32 {
    text.parse::<Ipv4Addr>().unwrap().to_bits()
}

/// `question` is true of the edges of the range and false just outside.
fn check_v6(question: fn(u128) -> bool, first: &str, last: &str) {
    let (first, last) = (six(first), six(last));
    assert!(question(first) && question(last), "{first:x} to {last:x}");
    assert!(first == 0 || !question(first - 1), "before {first:x}");
    assert!(last == u128::MAX || !question(last + 1), "after {last:x}");
}

fn check_v4(question: fn(u32) -> bool, first: &str, last: &str) {
    let (first, last) = (four(first), four(last));
    assert!(question(first) && question(last), "{first:x} to {last:x}");
    assert!(first == 0 || !question(first - 1), "before {first:x}");
    assert!(last == u32::MAX || !question(last + 1), "after {last:x}");
}

#[test]
fn v6_ranges() {
    check_v6(
        v6::is_multicast,
        "ff00::",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    );
    check_v6(
        v6::is_link_local,
        "fe80::",
        "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    );
    check_v6(
        v6::is_unique_local,
        "fc00::",
        "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    );
    check_v6(v6::is_v4_mapped, "::ffff:0.0.0.0", "::ffff:255.255.255.255");
    check_v6(v6::is_v4_compatible, "::2", "::255.255.255.255");
    check_v6(
        v6::is_documentation,
        "2001:db8::",
        "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
    );
    check_v6(
        v6::is_documentation,
        "3fff::",
        "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
    );
    check_v6(v6::is_solicited_node, "ff02::1:ff00:0", "ff02::1:ffff:ffff");
    check_v6(v6::is_unspecified, "::", "::");
    check_v6(v6::is_loopback, "::1", "::1");
}

#[test]
fn v4_ranges() {
    check_v4(v4::is_loopback, "127.0.0.0", "127.255.255.255");
    check_v4(v4::is_multicast, "224.0.0.0", "239.255.255.255");
    check_v4(v4::is_link_multicast, "224.0.0.0", "224.0.0.255");
    check_v4(v4::is_link_local, "169.254.0.0", "169.254.255.255");
    check_v4(v4::is_private, "10.0.0.0", "10.255.255.255");
    check_v4(v4::is_private, "172.16.0.0", "172.31.255.255");
    check_v4(v4::is_private, "192.168.0.0", "192.168.255.255");
    check_v4(v4::is_shared, "100.64.0.0", "100.127.255.255");
    check_v4(v4::is_this_network, "0.0.0.0", "0.255.255.255");
    check_v4(v4::is_reserved, "240.0.0.0", "255.255.255.254");
    check_v4(
        v4::is_limited_broadcast,
        "255.255.255.255",
        "255.255.255.255",
    );
}

#[test]
fn well_known_groups() {
    assert_eq!(v6::ALL_NODES, six("ff02::1"));
    assert_eq!(v6::ALL_ROUTERS, six("ff02::2"));
    assert_eq!(v6::ALL_MLDV2_ROUTERS, six("ff02::16"));
    assert_eq!(
        v6::solicited_node(six("2001:db8::1:800:200e:8c6c")),
        six("ff02::1:ff0e:8c6c")
    );
    assert_eq!(v4::ALL_SYSTEMS, four("224.0.0.1"));
    assert_eq!(v4::ALL_IGMPV3_ROUTERS, four("224.0.0.22"));
}

#[test]
fn scopes_of_groups() {
    assert_eq!(
        v6::multicast_scope(six("ff02::1")),
        Some(MulticastScope::LinkLocal)
    );
    assert_eq!(
        v6::multicast_scope(six("ff15::1")),
        Some(MulticastScope::SiteLocal)
    );
    assert_eq!(
        v6::multicast_scope(six("ff0f::1")),
        Some(MulticastScope::Global)
    );
    assert_eq!(
        v6::multicast_scope(six("ff06::1")),
        Some(MulticastScope::Unassigned)
    );
    assert_eq!(v6::multicast_scope(six("fe02::1")), None);
    for (address, stays) in [
        ("fe80::1", true),
        ("ff01::1", true),
        ("ff32::1", true),
        ("ff03::1", false),
        ("ff0e::1", false),
        ("::1", true),
        ("2001:db8::1", false),
        ("fd00::1", false),
    ] {
        assert_eq!(v6::stays_on_link(six(address)), stays, "{address}");
    }
}

#[test]
fn martians() {
    for (address, source, destination) in [
        ("::", false, true),
        ("::1", true, true),
        ("::192.0.2.1", true, true),
        ("::ffff:192.0.2.1", true, true),
        ("64:ff9b::192.0.2.1", false, false),
        ("ff02::1", true, false),
        ("ff01::1", true, true),
        ("ff00::1", true, true),
        ("2001:db8::1", false, false),
        ("fd00::1", false, false),
        ("fe80::1", false, false),
    ] {
        assert_eq!(
            v6::is_martian_source(six(address)),
            source,
            "source {address}"
        );
        assert_eq!(
            v6::is_martian_destination(six(address)),
            destination,
            "to {address}"
        );
    }
    for (address, source, destination) in [
        ("0.0.0.0", false, true),
        ("0.0.0.1", true, true),
        ("127.0.0.1", true, true),
        ("224.0.0.1", true, false),
        ("240.0.0.1", true, true),
        ("255.255.255.255", true, false),
        ("10.0.0.1", false, false),
        ("192.0.2.1", false, false),
    ] {
        assert_eq!(
            v4::is_martian_source(four(address)),
            source,
            "source {address}"
        );
        assert_eq!(
            v4::is_martian_destination(four(address)),
            destination,
            "to {address}"
        );
    }
}

#[test]
fn masks() {
    assert_eq!((v6::mask(0), v6::mask(128)), (0, u128::MAX));
    assert_eq!(v6::mask(64), six("ffff:ffff:ffff:ffff::"));
    assert_eq!(
        (v4::mask(0), v4::mask(24), v4::mask(32)),
        (0, 0xffff_ff00, u32::MAX)
    );
    let address = "2001:db8:1:2:3::".parse().unwrap();
    assert_eq!(v6::truncated(&address, 40).to_string(), "2001:db8::");
}

proptest! {
    /// Our questions and the standard library's agree wherever both have one; low bits are drawn
    /// often.
    #[test]
    fn agrees_with_std(high in any::<u64>(), low in any::<u64>(), zero_high in any::<bool>()) {
        let high = if zero_high { 0 } else { u128::from(high) << 64 };
        let bits = high | u128::from(low);
        let address = Ipv6Addr::from_bits(bits);
        prop_assert_eq!(v6::is_multicast(bits), address.is_multicast());
        prop_assert_eq!(v6::is_link_local(bits), address.is_unicast_link_local());
        prop_assert_eq!(v6::is_unique_local(bits), address.is_unique_local());
        prop_assert_eq!(v6::is_v4_mapped(bits), address.to_ipv4_mapped().is_some());
        let (bits, address) = (low as u32, Ipv4Addr::from_bits(low as u32));
        prop_assert_eq!(v4::is_multicast(bits), address.is_multicast());
        prop_assert_eq!(v4::is_private(bits), address.is_private());
        prop_assert_eq!(v4::is_loopback(bits), address.is_loopback());
        prop_assert_eq!(v4::is_link_local(bits), address.is_link_local());
    }
}
