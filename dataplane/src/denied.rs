//! What workers tell of packets that a port's guard or groups did not let pass: notes for whoever asks why.
//!
//! A note is no packet: one for which there is no room, or of a port that has told enough for now, is only counted.

use rtrb::{Consumer, Producer, RingBuffer};
pub use tables::flow::Direction;
use tables::id::{AnchorId, RuleId};
use tables::policer::{Rate, TokenBucket};

use crate::drop::DropReason;

/// Bytes of a packet that a note has.
pub const SHOWN: usize = 96;
/// Notes a second of one worker, and at once.
const PER_SECOND: u32 = 500;
const BURST: u32 = 100;

/// A packet that did not pass, or would not have if its guard did more than observe.
#[derive(Clone, Copy, Debug)]
pub struct Denied {
    /// Whose packet it was.
    pub anchor: AnchorId,
    /// Which way it went.
    pub direction: Direction,
    /// Why.
    pub reason: DropReason,
    /// Whether it was only noted, and passed.
    pub observed: bool,
    /// The rule that had allowed its flow, 0 if there is none.
    pub rule: RuleId,
    /// When: seconds of the workers' clock.
    pub seconds: u32,
    /// Bytes of the whole frame.
    pub frame_len: u32,
    /// Offset of the IP or ARP header in `bytes`.
    pub l3: u8,
    /// How many of `bytes` are the frame's.
    pub len: u8,
    /// The first bytes of the frame.
    pub bytes: [u8; SHOWN],
}

/// The control plane's end.
pub type DeniedConsumer = Consumer<Denied>;

/// The worker's end.
#[derive(Debug)]
pub struct Denials {
    ring: Producer<Denied>,
    bucket: TokenBucket,
}

/// Makes the ring of one worker, for up to `capacity` notes.
pub fn denied_ring(capacity: usize) -> (Denials, DeniedConsumer) {
    let (ring, notes) = RingBuffer::new(capacity);
    let bucket = TokenBucket::new(0);
    (Denials { ring, bucket }, notes)
}

impl Denials {
    /// Tells of a packet. `now` is in ticks, `hz` of them a second. False when it was not told.
    pub fn tell(&mut self, denied: impl FnOnce() -> Denied, now: u64, hz: u64) -> bool {
        let rate = Rate::new(PER_SECOND, BURST, hz);
        !self.ring.is_full() && self.bucket.take(&rate, now) && self.ring.push(denied()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> Denied {
        Denied {
            anchor: AnchorId(1),
            direction: Direction::Egress,
            reason: DropReason::EgressDenied,
            observed: false,
            rule: RuleId(0),
            seconds: 7,
            frame_len: 60,
            l3: 14,
            len: 60,
            bytes: [0; SHOWN],
        }
    }

    #[test]
    fn notes_are_bounded_by_room_and_by_rate() {
        let (mut denials, mut notes) = denied_ring(1000);
        let told = (0..1000).filter(|_| denials.tell(note, 0, 1000)).count();
        assert_eq!(told, BURST as usize);
        assert!(
            denials.tell(note, 2, 1000),
            "two thousandths bring one more"
        );
        assert_eq!(notes.pop().map(|note| note.seconds), Ok(7));
        let (mut denials, _notes) = denied_ring(1);
        assert!(denials.tell(note, 0, 1000));
        assert!(!denials.tell(note, 0, 1000));
    }
}
