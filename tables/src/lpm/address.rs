//! Addresses and prefixes as numbers in host order: `u128` for IPv6, `u32` for IPv4.

use std::fmt::{self, Debug};
use std::hash::Hash;
use std::net::{Ipv4Addr, Ipv6Addr};

mod private {
    pub trait Sealed {}
    impl Sealed for u32 {}
    impl Sealed for u128 {}
}

/// An address family, by the integer that holds its addresses in host order.
pub trait Address:
    Copy + Ord + Hash + Debug + Default + Send + Sync + private::Sealed + 'static
{
    /// Bits of an address: 32 or 128.
    const BITS: u8;

    /// The address with all bits after the first `len` cleared.
    fn network(self, len: u8) -> Self;

    /// The address with all bits after the first `len` set: the last address of that prefix.
    fn last(self, len: u8) -> Self;

    /// The next address; `None` after the last.
    fn next(self) -> Option<Self>;

    /// The address before; `None` before the first.
    fn previous(self) -> Option<Self>;

    /// `len` bits (at most 32) that begin at bit `at`, counted from the most significant.
    fn bits(self, at: u8, len: u8) -> u32;

    /// An address whose `len` bits (at most 32) at bit `at` are `value`, and all others clear.
    fn from_bits(value: u32, at: u8, len: u8) -> Self;

    /// Bitwise or.
    fn or(self, other: Self) -> Self;

    /// Bitwise exclusive or.
    fn xor(self, other: Self) -> Self;

    /// The length of the common prefix of two addresses.
    fn common_len(self, other: Self) -> u8;

    /// Bits that a wide direct node of the lookup structure decides.
    const WIDE_BITS: u8;

    /// The first bit that no wide direct node decides: IPv6 has two of them one above the other, IPv4 one.
    const WIDE_END: u8;

    /// Tags of the chunks of one and two levels that a small VRF of the family begins with.
    #[doc(hidden)]
    const ROOT_TAGS: [u8; 2];

    /// The first 64 bits of an IPv6 address; an IPv4 address as a number.
    fn high(self) -> u64;

    /// Bits 64 to 127; 0 for IPv4.
    fn low(self) -> u64;

    /// The address in its usual notation.
    fn show(self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

macro_rules! address {
    ($int:ty, $ip:ty, $bits:literal, wide: $wide:literal to $end:literal,
     root: $root:expr, high: $high:expr, low: $low:expr) => {
        impl Address for $int {
            const BITS: u8 = $bits;
            const WIDE_BITS: u8 = $wide;
            const WIDE_END: u8 = $end;
            const ROOT_TAGS: [u8; 2] = $root;

            #[inline(always)]
            fn network(self, len: u8) -> Self {
                self & !(<$int>::MAX.checked_shr(len as u32).unwrap_or(0))
            }

            #[inline(always)]
            fn last(self, len: u8) -> Self {
                self | <$int>::MAX.checked_shr(len as u32).unwrap_or(0)
            }

            #[inline(always)]
            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }

            #[inline(always)]
            fn previous(self) -> Option<Self> {
                self.checked_sub(1)
            }

            #[inline(always)]
            fn bits(self, at: u8, len: u8) -> u32 {
                if len == 0 {
                    return 0;
                }
                (self << at >> (<Self as Address>::BITS - len)) as u32
            }

            #[inline(always)]
            fn from_bits(value: u32, at: u8, len: u8) -> Self {
                if len == 0 {
                    return 0;
                }
                (value as $int) << (<Self as Address>::BITS - len - at)
            }

            #[inline(always)]
            fn or(self, other: Self) -> Self {
                self | other
            }

            #[inline(always)]
            fn xor(self, other: Self) -> Self {
                self ^ other
            }

            #[inline(always)]
            fn common_len(self, other: Self) -> u8 {
                (self ^ other).leading_zeros() as u8
            }

            #[inline(always)]
            fn high(self) -> u64 {
                $high(self)
            }

            #[inline(always)]
            fn low(self) -> u64 {
                $low(self)
            }

            fn show(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&<$ip>::from(self), f)
            }
        }
    };
}

address!(u128, Ipv6Addr, 128, wide: 12 to 24, root: [9, 10], high: |a: u128| (a >> 64) as u64, low: |a: u128| a as u64);
address!(u32, Ipv4Addr, 32, wide: 16 to 16, root: [5, 6], high: |a: u32| a as u64, low: |_| 0);

/// A prefix length longer than the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("prefix length {len} is longer than {bits} bits")]
pub struct PrefixLenError {
    /// The length given.
    pub len: u8,
    /// Bits of the family's addresses.
    pub bits: u8,
}

/// A prefix: an address without host bits, and a length. Ordered by address, shorter first: parents before children.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix<A> {
    addr: A,
    len: u8,
}

impl<A: Address> Prefix<A> {
    /// The prefix of length 0: every address; the default route's.
    pub fn all() -> Prefix<A> {
        Prefix {
            addr: A::default(),
            len: 0,
        }
    }

    /// The prefix of length `len` that holds `addr`: host bits are cleared.
    #[inline]
    pub fn new(addr: A, len: u8) -> Result<Prefix<A>, PrefixLenError> {
        if len > A::BITS {
            return Err(PrefixLenError { len, bits: A::BITS });
        }
        Ok(Prefix {
            addr: addr.network(len),
            len,
        })
    }

    /// The prefix that holds `addr` and nothing else.
    pub fn host(addr: A) -> Prefix<A> {
        Prefix { addr, len: A::BITS }
    }

    /// As [`Prefix::new`] for a length known to be at most [`Address::BITS`].
    #[inline(always)]
    pub(crate) fn of(addr: A, len: u8) -> Prefix<A> {
        debug_assert!(len <= A::BITS);
        Prefix {
            addr: addr.network(len),
            len,
        }
    }

    /// The first address.
    #[inline(always)]
    pub fn addr(self) -> A {
        self.addr
    }

    /// The last address.
    #[inline(always)]
    pub fn last(self) -> A {
        self.addr.last(self.len)
    }

    /// The length in bits.
    #[inline(always)]
    #[expect(clippy::len_without_is_empty, reason = "a prefix length, not a count")]
    pub fn len(self) -> u8 {
        self.len
    }

    /// Whether `addr` is in the prefix.
    #[inline]
    pub fn contains(self, addr: A) -> bool {
        addr.network(self.len) == self.addr
    }

    /// Whether `other` is this prefix or one inside it.
    #[inline]
    pub fn covers(self, other: Prefix<A>) -> bool {
        self.len <= other.len && self.contains(other.addr)
    }
}

impl<A: Address> fmt::Display for Prefix<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addr.show(f)?;
        write!(f, "/{}", self.len)
    }
}

impl<A: Address> Debug for Prefix<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<ipnet::Ipv6Net> for Prefix<u128> {
    fn from(net: ipnet::Ipv6Net) -> Self {
        Prefix::of(net.addr().into(), net.prefix_len())
    }
}

impl From<ipnet::Ipv4Net> for Prefix<u32> {
    fn from(net: ipnet::Ipv4Net) -> Self {
        Prefix::of(net.addr().into(), net.prefix_len())
    }
}

impl From<Prefix<u128>> for ipnet::Ipv6Net {
    fn from(prefix: Prefix<u128>) -> Self {
        ipnet::Ipv6Net::new_assert(prefix.addr.into(), prefix.len)
    }
}

impl From<Prefix<u32>> for ipnet::Ipv4Net {
    fn from(prefix: Prefix<u32>) -> Self {
        ipnet::Ipv4Net::new_assert(prefix.addr.into(), prefix.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_cleared_bounded_and_ordered_parents_first() {
        let net: ipnet::Ipv6Net = "2001:db8:1::ff/48".parse().unwrap();
        let prefix = Prefix::from(net);
        assert_eq!(prefix.to_string(), "2001:db8:1::/48");
        assert_eq!(ipnet::Ipv6Net::from(prefix), net.trunc());
        assert!(prefix.contains(u128::from(net.addr())));
        assert!(!prefix.contains(prefix.last() + 1));
        assert_eq!(
            Prefix::new(1u32, 33),
            Err(PrefixLenError { len: 33, bits: 32 })
        );
        assert!(Prefix::new(0u32, 8).unwrap() < Prefix::new(0u32, 9).unwrap());
        assert!(Prefix::all().covers(prefix) && !prefix.covers(Prefix::all()));
        assert_eq!(Prefix::host(5u32).last(), 5);
    }

    #[test]
    fn bits_are_counted_from_the_most_significant() {
        assert_eq!(0x2001_0db8_u32.bits(0, 12), 0x200);
        assert_eq!(0x2001_0db8_u32.bits(12, 12), 0x10d);
        assert_eq!(0x2001_0db8_u32.bits(24, 8), 0xb8);
        assert_eq!(u128::from_bits(0xb8, 24, 8), 0xb8 << 96);
        assert_eq!(7u128.bits(96, 32), 7);
        assert_eq!(7u128.bits(3, 0), 0);
        assert_eq!(
            (0u32.network(0), u32::MAX.network(0), 5u32.last(0)),
            (0, 0, u32::MAX)
        );
        assert_eq!((u128::MAX.next(), u128::MAX.high()), (None, u64::MAX));
        assert_eq!(0x0a00_0001_u32.high(), 0x0a00_0001);
    }
}
