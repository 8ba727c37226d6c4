//! Which addresses and prefixes a server can sensibly give.

use std::net::Ipv6Addr;

use super::config::PREFIX_LENGTHS;

/// Blocks of which nothing is leased: unspecified, loopback and mapped (`::/8`), link-local, the old site-local, multicast.
const NEVER: [(u128, u8); 4] = [
    (0, 8),
    (0xfe80 << 112, 10),
    (0xfec0 << 112, 10),
    (0xff00 << 112, 8),
];

/// Whether a prefix may be delegated to a router. Unique local ones may (RFC 4193).
pub fn is_delegable(prefix: Ipv6Addr, len: u8) -> bool {
    PREFIX_LENGTHS.contains(&len) && is_outside(prefix, len)
}

/// Whether an address may be given to an interface.
pub fn is_assignable(address: Ipv6Addr) -> bool {
    is_outside(address, 128)
}

fn is_outside(prefix: Ipv6Addr, len: u8) -> bool {
    let bits = u128::from(prefix);
    NEVER.iter().all(|(block, block_len)| {
        let common = u32::from(len.min(*block_len));
        (bits ^ block).checked_shr(128 - common).unwrap_or(0) != 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    #[test]
    fn prefixes_of_the_world_and_unique_local_ones_are_delegated_others_not() {
        assert!(is_delegable(a("2001:db8::"), 56));
        assert!(is_delegable(a("fd12:3456::"), 48));
        assert!(is_delegable(a("2001:db8::"), 64) && is_delegable(a("2001::"), 16));
        for (prefix, len) in [
            ("2001:db8::", 65),
            ("2000::", 3),
            ("::", 56),
            ("::1", 64),
            ("fe80::", 64),
            ("fec0::", 48),
            ("ff02::", 64),
            ("::ffff:0:0", 64),
        ] {
            assert!(!is_delegable(a(prefix), len), "{prefix}/{len}");
        }
    }

    #[test]
    fn addresses_are_unicast_and_of_more_than_the_link() {
        assert!(is_assignable(a("2001:db8::1")) && is_assignable(a("fd00::1")));
        for address in ["::", "::1", "fe80::1", "ff02::1", "::ffff:1.2.3.4"] {
            assert!(!is_assignable(a(address)), "{address}");
        }
    }
}
