//! What workers tell of stations that they heard: notes to the writer of the FDB.
//!
//! A note is no packet: when the ring is full it is lost, and the station's next frame brings another. A worker remembers what it
//! has just told, so that a flow does not fill the ring while the control plane makes up its mind.

use rtrb::{Consumer, Producer, RingBuffer};
use tables::id::{AttachId, NetworkId};

use crate::forwarding::MacAddr;

/// A station was heard where the FDB does not have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Heard {
    /// The network.
    pub network: NetworkId,
    /// The station.
    pub mac: MacAddr,
    /// Where it was heard.
    pub at: AttachId,
}

/// The control plane's end.
pub type HeardConsumer = Consumer<Heard>;

/// Notes that are remembered; a power of two.
const MEMORY: usize = 512;
/// So long a note is not told again, in hundredths of a second.
const SILENCE: u64 = 20;

/// The worker's end.
#[derive(Debug)]
pub struct Learner {
    ring: Producer<Heard>,
    told: Box<[Option<(Heard, u64)>; MEMORY]>,
}

/// Makes the ring of one worker, for up to `capacity` notes.
pub fn learn_ring(capacity: usize) -> (Learner, HeardConsumer) {
    let (ring, notes) = RingBuffer::new(capacity);
    let told = Box::new([None; MEMORY]);
    (Learner { ring, told }, notes)
}

impl Learner {
    /// Tells of a station, unless that was done just before. `now` is in ticks, `hz` of them a second. False when there
    /// was no room.
    pub fn tell(&mut self, heard: Heard, now: u64, hz: u64) -> bool {
        let now = now / (hz / 100).max(1);
        let [a, b, c, d, e, f] = heard.mac.map(u64::from);
        let mixed =
            (a ^ c << 8 ^ d << 16 ^ e << 24 ^ f << 32 ^ b << 40 ^ u64::from(heard.network.0) << 12)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let place = &mut self.told[(mixed >> 55) as usize % MEMORY];
        if let Some((before, when)) = place
            && *before == heard
            && now.wrapping_sub(*when) < SILENCE
        {
            return true;
        }
        if self.ring.push(heard).is_err() {
            return false;
        }
        *place = Some((heard, now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tables::id::Place;

    #[test]
    fn a_flow_is_told_of_once_and_a_move_at_once() {
        let (mut learner, mut notes) = learn_ring(4);
        let at = |n| Heard {
            network: NetworkId(1),
            mac: [2, 0, 0, 0, 0, 1],
            at: AttachId::of(Place::Local(n)),
        };
        for now in 0..15 {
            assert!(learner.tell(at(1), now, 100));
        }
        assert_eq!(notes.pop(), Ok(at(1)));
        assert!(notes.pop().is_err());
        assert!(learner.tell(at(2), 15, 100));
        assert_eq!(notes.pop(), Ok(at(2)));
        assert!(learner.tell(at(2), 15 + SILENCE, 100));
        assert_eq!(notes.pop(), Ok(at(2)));
    }

    #[test]
    fn a_full_ring_loses_the_note_and_keeps_no_memory_of_it() {
        let (mut learner, mut notes) = learn_ring(1);
        let of = |n| Heard {
            network: NetworkId(1),
            mac: [2, 0, 0, 0, 0, n],
            at: AttachId::of(Place::Local(1)),
        };
        assert!(learner.tell(of(1), 0, 100));
        assert!(!learner.tell(of(2), 0, 100));
        assert_eq!(notes.pop(), Ok(of(1)));
        assert!(learner.tell(of(2), 0, 100));
        assert_eq!(notes.pop(), Ok(of(2)));
    }
}
