//! What a flow is known by.

use crate::id::AnchorId;

/// Which way a packet goes, as the anchor sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Direction {
    /// From the machine.
    Egress = 0,
    /// To the machine.
    Ingress = 1,
}

impl Direction {
    /// The way of the answers.
    #[inline(always)]
    pub const fn reverse(self) -> Self {
        match self {
            Self::Egress => Self::Ingress,
            Self::Ingress => Self::Egress,
        }
    }
}

/// What a flow is known by: the same for both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowKey {
    /// Whose flow it is.
    pub anchor: AnchorId,
    /// IPv6, else IPv4.
    pub v6: bool,
    /// Upper-layer protocol, behind any extension headers.
    pub protocol: u8,
    /// Address and port of the machine behind the anchor, host order. IPv4 as the caller likes, always alike (the dataplane:
    /// IPv4-mapped). The port is 0 where the protocol has none.
    pub local: (u128, u16),
    /// Address and port of the other end, as `local`.
    pub remote: (u128, u16),
}

/// A key as entries have it.
pub(super) type Words = [u64; 5];

impl FlowKey {
    /// Nobody's.
    pub const NONE: Self = Self {
        anchor: AnchorId(0),
        v6: false,
        protocol: 0,
        local: (0, 0),
        remote: (0, 0),
    };

    /// The key of an ICMP or ICMPv6 query and its answers (echo, timestamp): the identifier stands for the ports. Queries from
    /// both sides with one identifier are two flows, so it counts who `asked`: the direction of the query, also for the answer.
    #[inline]
    pub const fn query(
        anchor: AnchorId,
        v6: bool,
        identifier: u16,
        local: u128,
        remote: u128,
        asked: Direction,
    ) -> Self {
        Self {
            anchor,
            v6,
            protocol: if v6 { 58 } else { 1 },
            local: (local, identifier),
            remote: match asked {
                Direction::Egress => (remote, identifier),
                Direction::Ingress => (remote, !identifier),
            },
        }
    }

    #[inline(always)]
    pub(super) const fn words(&self) -> Words {
        let rest = (self.anchor.0 as u64) << 48
            | (self.protocol as u64) << 40
            | (self.v6 as u64) << 32
            | (self.local.1 as u64) << 16
            | self.remote.1 as u64;
        [
            (self.local.0 >> 64) as u64,
            self.local.0 as u64,
            (self.remote.0 >> 64) as u64,
            self.remote.0 as u64,
            rest,
        ]
    }

    #[inline(always)]
    pub(super) const fn from_words([a, b, c, d, rest]: Words) -> Self {
        Self {
            anchor: AnchorId((rest >> 48) as u16),
            v6: rest >> 32 & 1 != 0,
            protocol: (rest >> 40) as u8,
            local: ((a as u128) << 64 | b as u128, (rest >> 16) as u16),
            remote: ((c as u128) << 64 | d as u128, rest as u16),
        }
    }
}

/// Where a key is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowHash {
    hash: u64,
    /// The entry that has it, maybe; 0 if nobody has looked.
    number: u32,
}

impl FlowHash {
    /// Of no key in particular.
    pub const NONE: Self = Self::new(0);

    const fn new(hash: u64) -> Self {
        Self { hash, number: 0 }
    }

    /// With the entry that may have it.
    #[inline(always)]
    pub(super) const fn at(self, number: u32) -> Self {
        Self { number, ..self }
    }

    #[inline(always)]
    pub(super) const fn number(self) -> u32 {
        self.number
    }

    /// What slots have of it; never 0.
    #[inline(always)]
    pub(super) const fn tag(self) -> u16 {
        let tag = (self.hash >> 48) as u16;
        if tag == 0 { 1 } else { tag }
    }

    /// The two buckets, of `mask + 1` (two at least).
    #[inline(always)]
    pub(super) const fn pair(self, mask: usize) -> [usize; 2] {
        let first = self.hash as usize & mask;
        // Another one, whatever the hash.
        let second = first ^ ((self.hash >> 32) as usize | 1) & mask;
        [first, second]
    }
}

/// A key on the way to its flow: as entries have it, and where it is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    pub(super) words: Words,
    pub(super) hash: FlowHash,
}

impl Probe {
    /// Of no key in particular.
    pub const NONE: Self = Self {
        words: [0; 5],
        hash: FlowHash::NONE,
    };

    /// The upper-layer protocol of the key.
    #[inline(always)]
    pub const fn protocol(&self) -> u8 {
        FlowKey::from_words(self.words).protocol
    }
}

/// Hashes keys under secrets drawn at the start, so that nobody can aim at a bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Secrets([u64; 6]);

impl Secrets {
    pub fn new(seed: u64) -> Self {
        let mut random = crate::testing::Random::new(seed);
        Self(std::array::from_fn(|_| random.bits()))
    }

    #[inline(always)]
    pub fn hash(&self, [a, b, c, d, rest]: Words) -> FlowHash {
        let s = &self.0;
        let local = fold(a ^ s[0], b ^ s[1]);
        let remote = fold(c ^ s[2], d ^ s[3]);
        let hash = fold(local ^ rest ^ s[4], remote.rotate_left(32) ^ s[5]);
        FlowHash::new(fold(hash ^ s[1], rest ^ s[2]) ^ hash)
    }
}

/// Both halves of the product, folded.
#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(n: u32) -> FlowKey {
        FlowKey {
            anchor: AnchorId(1),
            v6: true,
            protocol: 17,
            local: (0x2001_0db8 << 96 | 1, n as u16),
            remote: (0x2001_0db8_0001 << 80 | u128::from(n >> 16), 443),
        }
    }

    #[test]
    fn similar_keys_spread_over_buckets_and_tags() {
        const FLOWS: u32 = 256_000;
        let secrets = Secrets::new(7);
        let hashes: Vec<FlowHash> = (0..FLOWS).map(|n| secrets.hash(key(n).words())).collect();
        let shares: [&dyn Fn(&FlowHash) -> usize; 4] = [
            &|hash| hash.pair(255)[0],
            &|hash| hash.pair(511)[1] & 255,
            &|hash| hash.tag() as usize & 255,
            &|hash| (hash.tag() >> 8) as usize,
        ];
        for share in shares {
            let mut counts = [0_u32; 256];
            hashes.iter().for_each(|hash| counts[share(hash)] += 1);
            // 1000 expected; six standard deviations are 190.
            assert!(counts.iter().all(|n| (810..1190).contains(n)), "{counts:?}");
        }
        assert!(hashes.iter().all(|hash| hash.pair(1)[0] != hash.pair(1)[1]));
    }

    #[test]
    fn queries_of_both_sides_are_two_flows() {
        for identifier in [0, 1, 0x7fff, 0x8000, u16::MAX] {
            let [ours, theirs] = [Direction::Egress, Direction::Ingress]
                .map(|asked| FlowKey::query(AnchorId(1), true, identifier, 1, 2, asked));
            assert_ne!(ours, theirs);
            assert_eq!((ours.local.1, theirs.local.1), (identifier, identifier));
        }
    }

    proptest! {
        #[test]
        fn words_are_the_key(
            anchor: u16, v6: bool, protocol: u8, local: (u128, u16), remote: (u128, u16),
        ) {
            let key = FlowKey { anchor: AnchorId(anchor), v6, protocol, local, remote };
            prop_assert_eq!(FlowKey::from_words(key.words()), key);
        }
    }
}
