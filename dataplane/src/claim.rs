//! What workers tell of addresses that stations of networks claim: notes to the writer of the bindings.
//!
//! As with [`learn`](crate::learn), a note is no packet, one for which there is no room is lost, and a worker remembers what it has just
//! told.

use rtrb::{Consumer, Producer, RingBuffer};
use tables::id::NetworkId;

use crate::forwarding::MacAddr;

/// What a station has said of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Saying {
    /// That it has it.
    Mine {
        /// And that it is a router (RFC 4861 section 4.4).
        is_router: bool,
    },
    /// That it may be somebody else's than is known: it looks whether anybody has it, or sends from it.
    Doubt,
}

/// A station has said something of an address that the bindings do not have so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The network.
    pub network: NetworkId,
    /// The station.
    pub mac: MacAddr,
    /// The address, IPv4 as an IPv4-mapped one.
    pub address: u128,
    /// What it said.
    pub saying: Saying,
}

/// The control plane's end.
pub type ClaimConsumer = Consumer<Claim>;

/// Notes that are remembered; a power of two.
const MEMORY: usize = 256;
/// So long a note is not told again, in hundredths of a second.
const SILENCE: u64 = 20;

/// The worker's end.
#[derive(Debug)]
pub struct Claims {
    ring: Producer<Claim>,
    told: Box<[Option<(Claim, u64)>; MEMORY]>,
}

/// Makes the ring of one worker, for up to `capacity` notes.
pub fn claim_ring(capacity: usize) -> (Claims, ClaimConsumer) {
    let (ring, notes) = RingBuffer::new(capacity);
    let told = Box::new([None; MEMORY]);
    (Claims { ring, told }, notes)
}

impl Claims {
    /// Tells of a claim, unless that was done just before. `now` is in ticks, `hz` of them a second. False when there was
    /// no room.
    pub fn tell(&mut self, claim: Claim, now: u64, hz: u64) -> bool {
        let now = now / (hz / 100).max(1);
        let [a, b, c, d, e, f] = claim.mac.map(u64::from);
        let mac = a ^ b << 8 ^ c << 16 ^ d << 24 ^ e << 32 ^ f << 40;
        let address = claim.address as u64 ^ (claim.address >> 64) as u64;
        let mixed = (mac ^ address.rotate_left(24) ^ u64::from(claim.network.0) << 48)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let place = &mut self.told[(mixed >> 56) as usize % MEMORY];
        if let Some((before, when)) = place
            && *before == claim
            && now.wrapping_sub(*when) < SILENCE
        {
            return true;
        }
        if self.ring.push(claim).is_err() {
            return false;
        }
        *place = Some((claim, now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_told_once_and_what_is_lost_is_not_remembered() {
        let (mut claims, mut notes) = claim_ring(1);
        let mine = |is_router| Claim {
            network: NetworkId(1),
            mac: [2, 0, 0, 0, 0, 1],
            address: 7,
            saying: Saying::Mine { is_router },
        };
        for now in 0..SILENCE {
            assert!(claims.tell(mine(false), now, 100));
        }
        assert!(!claims.tell(mine(true), 1, 100), "there is no room");
        assert_eq!(notes.pop(), Ok(mine(false)));
        assert!(notes.pop().is_err());
        assert!(claims.tell(mine(true), 1, 100));
        assert_eq!(notes.pop(), Ok(mine(true)));
        assert!(claims.tell(mine(true), 1 + SILENCE, 100));
        assert_eq!(notes.pop(), Ok(mine(true)));
    }
}
