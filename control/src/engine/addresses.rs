//! Own addresses of an interface, as the ND room is told of them.

use std::net::IpAddr;

use ipnet::IpNet;
use tables::id::IfaceId;
use wire::MacAddr;

use crate::model::Interface;
use protocols::nd;

/// An own address as the ND room wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OwnAddress {
    pub(super) addr: IpAddr,
    pub(super) prefix_len: u8,
    pub(super) anycast: bool,
}

impl OwnAddress {
    pub(super) fn event(self, iface: IfaceId) -> nd::Event<'static> {
        let Self {
            addr,
            prefix_len,
            anycast,
        } = self;
        nd::Event::AddAddress {
            iface,
            addr,
            prefix_len,
            anycast,
        }
    }
}

/// Every own address of an interface, the link-local one first.
pub(super) fn own_addresses(interface: &Interface, mac: MacAddr) -> Vec<OwnAddress> {
    let link_local = IpAddr::V6(interface.link_local_for(mac));
    let mut own = vec![OwnAddress {
        addr: link_local,
        prefix_len: 64,
        anycast: false,
    }];
    own.extend(interface.addresses.iter().map(|net| OwnAddress {
        addr: net.addr(),
        prefix_len: net.prefix_len(),
        anycast: false,
    }));
    let subnet_of = |addr: IpAddr| {
        let nets = interface.addresses.iter().filter(|net| net.contains(&addr));
        nets.map(IpNet::prefix_len).max().unwrap_or(128)
    };
    let anycast = interface
        .anycast
        .iter()
        .copied()
        .chain(interface.subnet_router_anycast());
    own.extend(anycast.map(|addr| OwnAddress {
        addr: addr.into(),
        prefix_len: subnet_of(addr.into()),
        anycast: true,
    }));
    own
}

pub(super) fn is_link_local(addr: IpAddr) -> bool {
    matches!(addr, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// What to tell the ND room when own addresses change: those to remove, then those to add. An address that only changes
/// its prefix length is added over itself, and stays in use.
pub(super) fn address_changes(
    before: &[OwnAddress],
    after: &[OwnAddress],
) -> (Vec<IpAddr>, Vec<OwnAddress>) {
    let stays = |own: &&OwnAddress| !after.iter().any(|new| new.addr == own.addr);
    let removed = before.iter().filter(stays).map(|own| own.addr).collect();
    let added = after.iter().filter(|own| !before.contains(own));
    (removed, added.copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(addresses: &str) -> Interface {
        let text = format!(
            "[[device]]\nname = \"d\"\nkind = \"null\"\n[[router]]\nname = \"r\"\n\
             [[router.interface]]\nname = \"i\"\ndevice = \"d\"\naddresses = [{addresses}]\n"
        );
        let loaded = crate::config::parse(std::path::Path::new("t.toml"), &text);
        let model = loaded.unwrap_or_else(|faults| panic!("{faults}")).model;
        model.routers[0].interfaces[0].clone()
    }

    fn own(addresses: &str) -> Vec<OwnAddress> {
        own_addresses(&interface(addresses), MacAddr([2, 0, 0, 0, 0, 1]))
    }

    #[test]
    fn the_link_local_address_comes_first_and_anycast_last() {
        let told: Vec<(String, u8, bool)> = own("\"2001:db8::1/64\", \"192.0.2.1/24\"")
            .iter()
            .map(|own| (own.addr.to_string(), own.prefix_len, own.anycast))
            .collect();
        let expected = [
            ("fe80::ff:fe00:1", 64, false),
            ("2001:db8::1", 64, false),
            ("192.0.2.1", 24, false),
            ("2001:db8::", 64, true),
        ]
        .map(|(addr, len, anycast)| (addr.to_owned(), len, anycast));
        assert_eq!(told, expected);
    }

    #[test]
    fn an_address_with_another_prefix_length_is_not_tested_anew() {
        let before = own("\"2001:db8::1/64\"");
        let after = own("\"2001:db8::1/56\"");
        let (removed, added) = address_changes(&before, &after);
        assert_eq!(removed, [] as [IpAddr; 0]);
        let lengths: Vec<(String, u8)> = added
            .iter()
            .map(|own| (own.addr.to_string(), own.prefix_len))
            .collect();
        let expected = [("2001:db8::1", 56), ("2001:db8::", 56)];
        assert_eq!(lengths, expected.map(|(addr, len)| (addr.to_owned(), len)));
    }

    #[test]
    fn gone_and_new_addresses_are_told() {
        let before = own("\"2001:db8::1/64\", \"2001:db8:1::1/64\"");
        let after = own("\"2001:db8::1/64\", \"2001:db8:2::1/64\"");
        let (removed, added) = address_changes(&before, &after);
        let added: Vec<IpAddr> = added.iter().map(|own| own.addr).collect();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(removed, [ip("2001:db8:1::1"), ip("2001:db8:1::")]);
        assert_eq!(added, [ip("2001:db8:2::1"), ip("2001:db8:2::")]);
        assert_eq!(address_changes(&after, &after), (vec![], vec![]));
    }
}
