//! A flow's hash: the same for every packet of a flow, so that its packets take one path, in order.
//!
//! Over the addresses, the protocol, the ports and the flow label (RFC 6437, RFC 6438: the label is what keeps flows apart
//! whose ports a router cannot see: fragments, ESP, tunnels). The value depends on the seed and the fields only, not on the
//! machine or the version of the program: two routers with the same seed choose alike, with different seeds they do not
//! polarise.

/// What a flow is known by. Ports are 0 where there are none, or where they cannot be seen (fragments); the flow label is 0
/// for IPv4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FlowKey {
    /// Source address, host order; an IPv4 address stands in the lowest 32 bits.
    pub src: u128,
    /// Destination address, as `src`.
    pub dst: u128,
    /// IPv4 protocol, or the next header that ends the IPv6 extension header chain.
    pub protocol: u8,
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// The 20 bits of the IPv6 flow label.
    pub flow_label: u32,
}

/// Computes flow hashes.
#[derive(Clone, Copy, Debug)]
pub struct FlowHasher {
    seed: u64,
    symmetric: bool,
}

/// Odd constants without a pattern (digits of the golden ratio and of pi).
const K0: u64 = 0x9e37_79b9_7f4a_7c15;
const K1: u64 = 0x243f_6a88_85a3_08d3;

impl FlowHasher {
    /// A hasher whose two directions of a flow differ.
    pub const fn new(seed: u64) -> FlowHasher {
        FlowHasher {
            seed,
            symmetric: false,
        }
    }

    /// A hasher that gives both directions of a flow the same value. The flow label is left out: each direction
    /// has its own (RFC 6437 section 2).
    pub const fn symmetric(seed: u64) -> FlowHasher {
        FlowHasher {
            seed,
            symmetric: true,
        }
    }

    /// The hash; all 32 bits are equally good.
    #[inline]
    pub fn hash(&self, key: &FlowKey) -> u32 {
        let mut a = (key.src, key.src_port);
        let mut b = (key.dst, key.dst_port);
        let mut label = key.flow_label & 0xf_ffff;
        if self.symmetric {
            label = 0;
            if a > b {
                std::mem::swap(&mut a, &mut b);
            }
        }
        let ports =
            (a.1 as u64) << 48 | (b.1 as u64) << 32 | (label as u64) << 8 | key.protocol as u64;
        let mut h = self.seed ^ K0;
        for word in [
            (a.0 >> 64) as u64,
            a.0 as u64,
            (b.0 >> 64) as u64,
            b.0 as u64,
            ports,
        ] {
            h = fold(h ^ word, K1).wrapping_add(K0);
        }
        let h = fold(h, K0);
        (h ^ (h >> 32)) as u32
    }
}

/// Both halves of the 128-bit product, folded. An operand of 0 would swallow the state: it is replaced.
#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let a = if a == 0 { K0 } else { a };
    let product = a as u128 * b as u128;
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> FlowKey {
        FlowKey {
            src: 0x2001_0db8 << 96 | (n / 7) as u128,
            dst: 0x2001_0db8_0001 << 80 | 1,
            protocol: 6,
            src_port: 1024 + (n % 7) as u16,
            dst_port: 443,
            flow_label: 0,
        }
    }

    #[test]
    fn the_value_is_fixed_for_ever() {
        let hash = FlowHasher::new(1).hash(&key(1));
        // Agrees with another implementation of the same formula.
        assert_eq!(
            hash, 2846770792,
            "changing the hash moves every flow of a running network"
        );
    }

    #[test]
    fn every_field_and_the_seed_count() {
        let base = key(5);
        let h = |k: FlowKey| FlowHasher::new(9).hash(&k);
        for other in [
            FlowKey {
                src: base.src ^ 1,
                ..base
            },
            FlowKey {
                src: base.src ^ 1 << 127,
                ..base
            },
            FlowKey {
                dst: base.dst ^ 1 << 64,
                ..base
            },
            FlowKey {
                protocol: 17,
                ..base
            },
            FlowKey {
                src_port: 9,
                ..base
            },
            FlowKey {
                dst_port: 9,
                ..base
            },
            FlowKey {
                flow_label: 1,
                ..base
            },
            FlowKey {
                src: base.dst,
                dst: base.src,
                ..base
            },
        ] {
            assert_ne!(h(other), h(base), "{other:?}");
        }
        assert_ne!(FlowHasher::new(10).hash(&base), h(base));
    }

    #[test]
    fn the_symmetric_hash_is_the_same_both_ways() {
        let hasher = FlowHasher::symmetric(3);
        for n in 0..1000 {
            let there = key(n);
            let back = FlowKey {
                src: there.dst,
                dst: there.src,
                src_port: there.dst_port,
                dst_port: there.src_port,
                flow_label: 77,
                ..there
            };
            assert_eq!(hasher.hash(&there), hasher.hash(&back));
        }
        assert_ne!(hasher.hash(&key(1)), hasher.hash(&key(2)));
    }

    #[test]
    fn similar_flows_spread_over_low_and_high_bits() {
        const FLOWS: u32 = 64_000;
        for shift in [0, 24] {
            let mut buckets = [0u32; 256];
            for n in 0..FLOWS {
                let hash = FlowHasher::new(7).hash(&key(n));
                buckets[(hash >> shift) as usize & 255] += 1;
            }
            // 250 expected; five standard deviations are 80.
            assert!(
                buckets.iter().all(|b| (170..330).contains(b)),
                "{buckets:?}"
            );
        }
    }
}
