//! Which links want subnets, and where these may lie.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::error::PlanError;

/// One link that wants a subnet of each prefix that an uplink is delegated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wish {
    /// Its name. With the uplink's it identifies the wish.
    pub interface: Box<str>,
    /// The uplink's name.
    pub uplink: Box<str>,
    /// Which subnet, counted from 0 in units of `length`; `None`: the first that is free.
    pub subnet: Option<u64>,
    /// Prefix length of the subnet; hosts form addresses in a /64 only.
    pub length: u8,
    /// Our own address there: what follows the prefix.
    pub interface_id: Ipv6Addr,
}

impl Wish {
    /// A wish for a /64 with `::1` as our own address.
    pub fn new(interface: &str, uplink: &str) -> Self {
        Wish {
            interface: interface.into(),
            uplink: uplink.into(),
            subnet: None,
            length: 64,
            interface_id: Ipv6Addr::from_bits(1),
        }
    }

    /// What is wrong with it alone.
    ///
    /// # Errors
    /// Names the value at fault.
    pub fn validate(&self) -> Result<(), PlanError> {
        let Wish {
            length,
            interface_id,
            ..
        } = *self;
        if !(16..=126).contains(&length) {
            return Err(PlanError::Length(length));
        }
        if interface_id.to_bits() & mask(length) != 0 {
            return Err(PlanError::InterfaceId {
                interface_id,
                length,
            });
        }
        if interface_id.is_unspecified() {
            return Err(PlanError::Anycast);
        }
        Ok(())
    }

    /// Our own address in a subnet.
    pub fn address(&self, prefix: Ipv6Net) -> Ipv6Addr {
        Ipv6Addr::from_bits(prefix.network().to_bits() | self.interface_id.to_bits())
    }

    /// Whether it is the wish of this link and uplink.
    pub(super) fn is_of(&self, interface: &str, uplink: &str) -> bool {
        *self.interface == *interface && *self.uplink == *uplink
    }
}

/// All wishes of one router.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The wishes, at most one for an interface and uplink. Of equal claims the first wins.
    pub wishes: Vec<Wish>,
    /// Prefixes that the router uses otherwise; nothing that overlaps one is assigned.
    pub taken: Vec<Ipv6Net>,
}

/// A subnet of `whole` by its number; `None` when there is none.
pub(super) fn nth(whole: Ipv6Net, length: u8, number: u64) -> Option<Ipv6Net> {
    if number > last(whole, length)? {
        return None;
    }
    let bits = whole.network().to_bits() | shifted(number, length);
    Ipv6Net::new(Ipv6Addr::from_bits(bits), length).ok()
}

/// The number of a subnet of `whole`.
pub(super) fn number(whole: Ipv6Net, subnet: Ipv6Net) -> u64 {
    let bits = subnet.network().to_bits() & !mask(whole.prefix_len());
    let number = bits.checked_shr(128 - u32::from(subnet.prefix_len()));
    u64::try_from(number.unwrap_or(0)).unwrap_or(u64::MAX)
}

/// The last number of a subnet of that length; `None` when there is no such subnet.
fn last(whole: Ipv6Net, length: u8) -> Option<u64> {
    let bits = u32::from(length.checked_sub(whole.prefix_len())?);
    Some(if bits >= 64 {
        u64::MAX
    } else {
        (1 << bits) - 1
    })
}

/// The first subnet of `whole` that overlaps none of `blocked`. Every step leaves one of them behind, so that there are
/// no more steps than that.
pub(super) fn first_free(whole: Ipv6Net, length: u8, blocked: &[Ipv6Net]) -> Option<Ipv6Net> {
    let mut candidate = 0;
    loop {
        let subnet = nth(whole, length, candidate)?;
        let Some(blocker) = blocked.iter().find(|net| overlap(**net, subnet)) else {
            return Some(subnet);
        };
        // The subnet in which the blocker ends; one that reaches beyond `whole` leaves nothing.
        let end = Ipv6Net::new(blocker.broadcast(), length).ok()?.trunc();
        if !whole.contains(&end) {
            return None;
        }
        candidate = number(whole, end).checked_add(1)?;
    }
}

/// `whole` without `hole`: the least list of prefixes.
pub(super) fn without(whole: Ipv6Net, hole: Option<Ipv6Net>) -> Vec<Ipv6Net> {
    let Some(hole) = hole.filter(|hole| overlap(whole, *hole)) else {
        return vec![whole];
    };
    // At each length the sibling of what leads to the hole.
    let sibling = |length: u8| {
        let flipped = hole.network().to_bits() ^ (1 << (128 - u32::from(length)));
        Ipv6Net::new(Ipv6Addr::from_bits(flipped), length).map(|net| net.trunc())
    };
    let lengths = whole.prefix_len() + 1..=hole.prefix_len();
    lengths.filter_map(|length| sibling(length).ok()).collect()
}

/// Whether one holds the other.
pub(super) fn overlap(a: Ipv6Net, b: Ipv6Net) -> bool {
    a.contains(&b) || b.contains(&a)
}

/// The first `length` bits.
fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

fn shifted(number: u64, length: u8) -> u128 {
    u128::from(number)
        .checked_shl(128 - u32::from(length))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn net(text: &str) -> Ipv6Net {
        text.parse().unwrap()
    }

    #[test]
    fn subnets_have_numbers() {
        let whole = net("2001:db8:0:ab00::/56");
        assert_eq!(nth(whole, 64, 0), Some(net("2001:db8:0:ab00::/64")));
        assert_eq!(nth(whole, 64, 255), Some(net("2001:db8:0:abff::/64")));
        assert_eq!(nth(whole, 64, 256), None);
        assert_eq!(nth(whole, 56, 0), Some(whole));
        assert_eq!(nth(whole, 48, 0), None);
        assert_eq!(number(whole, net("2001:db8:0:ab07::/64")), 7);
        assert_eq!(number(whole, whole), 0);
        let huge = net("2000::/16");
        assert_eq!(number(huge, nth(huge, 100, u64::MAX).unwrap()), u64::MAX);
    }

    #[test]
    fn the_first_free_one_is_found_without_a_long_search() {
        let whole = net("2001:db8::/32");
        let blocked = [
            net("2001:db8::/36"),
            net("2001:db8:1000::/64"),
            net("2001:db8:1000:1::/66"),
        ];
        assert_eq!(
            first_free(whole, 64, &blocked),
            Some(net("2001:db8:1000:2::/64"))
        );
        assert_eq!(first_free(whole, 64, &[net("2001::/16")]), None);
        assert_eq!(first_free(whole, 64, &[whole]), None);
        assert_eq!(first_free(net("2001:db8::/64"), 63, &[]), None);
    }

    #[test]
    fn wishes_that_make_no_sense_are_refused() {
        let wish = |length, id: &str| {
            let interface_id = id.parse().unwrap();
            Wish {
                length,
                interface_id,
                ..Wish::new("lan", "wan")
            }
            .validate()
        };
        assert_eq!(wish(64, "::1"), Ok(()));
        assert_eq!(wish(127, "::1"), Err(PlanError::Length(127)));
        assert_eq!(wish(15, "::1"), Err(PlanError::Length(15)));
        assert_eq!(wish(64, "::"), Err(PlanError::Anycast));
        let interface_id = "0:0:0:1::1".parse().unwrap();
        let length = 64;
        let expected = PlanError::InterfaceId {
            interface_id,
            length,
        };
        assert_eq!(wish(64, "0:0:0:1::1"), Err(expected));
        assert_eq!(wish(56, "0:0:0:1::1"), Ok(()));
    }

    proptest! {
        #[test]
        fn a_hole_and_the_rest_are_the_whole(bits in any::<u128>(), len in 16u8..=64, more in 0u8..=32, probe in any::<u128>()) {
            let at = |len| Ipv6Net::new(Ipv6Addr::from_bits(bits), len).unwrap().trunc();
            let (whole, hole) = (at(len), at(len + more));
            let rest = without(whole, Some(hole));
            prop_assert_eq!(rest.len(), usize::from(more));
            let inside = Ipv6Addr::from_bits(whole.network().to_bits() | probe & !mask(len));
            let n_rest = rest.iter().filter(|net| net.contains(&inside)).count();
            prop_assert_eq!(n_rest + usize::from(hole.contains(&inside)), 1);
        }

        #[test]
        fn the_first_free_one_is_as_counting_finds_it(blocked in proptest::collection::vec((0u64..16, 60u8..=66), 0..12)) {
            let whole = net("2001:db8:0:a0::/60");
            let blocked: Vec<Ipv6Net> = blocked
                .into_iter()
                .map(|(n, len)| Ipv6Net::new(nth(whole, 64, n).unwrap().network(), len).unwrap().trunc())
                .collect();
            let free = |subnet: &Ipv6Net| !blocked.iter().any(|net| overlap(*net, *subnet));
            let counted = (0..16).filter_map(|n| nth(whole, 64, n)).find(free);
            prop_assert_eq!(first_free(whole, 64, &blocked), counted);
        }
    }
}
