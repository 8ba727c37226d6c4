//! What workers tell of addresses that machines begin to use: notes to who decides whose they are.
//!
//! As with [`claim`](crate::claim), a note is no packet, one for which there is no room is lost, and a worker remembers what it has just
//! told. A note has its time, so that who came first is known though another worker heard it.

use rtrb::{Consumer, Producer, RingBuffer};
use tables::id::{AnchorId, LinkId};

use super::Time;
use crate::forwarding::MacAddr;

/// How an address is said to be its sender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Saying {
    /// It is looked whether anybody has it, before it is used (RFC 4862 section 5.4, RFC 5227 section 2.1.1).
    Probes,
    /// It is used, or said to be used.
    Uses,
}

/// A machine has said something of an address that is not bound to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Note {
    /// The link.
    pub link: LinkId,
    /// The anchor; 0: it was heard on the link from a place that is none.
    pub anchor: AnchorId,
    /// The machine.
    pub mac: MacAddr,
    /// The address, IPv4 as an IPv4-mapped one.
    pub address: u128,
    /// What it said.
    pub saying: Saying,
    /// When, ticks of the workers' clock.
    pub at: u64,
}

/// The control plane's end.
pub type NoteConsumer = Consumer<Note>;

/// Notes that are remembered; a power of two.
const MEMORY: usize = 256;
/// So long a note is not told again, in hundredths of a second.
const SILENCE: u64 = 20;

/// The worker's end.
#[derive(Debug)]
pub struct Notes {
    ring: Producer<Note>,
    told: Box<[Option<Note>; MEMORY]>,
    lost: u64,
}

/// Makes the ring of one worker, for up to `capacity` notes.
pub fn note_ring(capacity: usize) -> (Notes, NoteConsumer) {
    let (ring, notes) = RingBuffer::new(capacity);
    let told = Box::new([None; MEMORY]);
    let lost = 0;
    (Notes { ring, told, lost }, notes)
}

impl Notes {
    /// Tells of an address, unless that was done just before. False when there was no room.
    pub fn tell(&mut self, note: Note, time: Time) -> bool {
        let [a, b, c, d, e, f] = note.mac.map(u64::from);
        let mac = a ^ b << 8 ^ c << 16 ^ d << 24 ^ e << 32 ^ f << 40;
        let address = note.address as u64 ^ (note.address >> 64) as u64;
        let mixed = (mac ^ address.rotate_left(24) ^ u64::from(note.anchor.0) << 48)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let place = &mut self.told[(mixed >> 56) as usize % MEMORY];
        let silence = SILENCE * (time.hz / 100).max(1);
        if let Some(before) = place
            && (Note { at: 0, ..*before }) == (Note { at: 0, ..note })
            && note.at.wrapping_sub(before.at) < silence
        {
            return true;
        }
        if self.ring.push(note).is_err() {
            self.lost += 1;
            return false;
        }
        *place = Some(note);
        true
    }

    /// How many there was no room for.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_told_once_and_what_is_lost_is_not_remembered() {
        let (mut notes, mut told) = note_ring(1);
        let note = |saying, at| Note {
            link: LinkId(1),
            anchor: AnchorId(2),
            mac: [2, 0, 0, 0, 0, 1],
            address: 7,
            saying,
            at,
        };
        let time = |now| Time { now, hz: 100 };
        for now in 0..SILENCE {
            assert!(notes.tell(note(Saying::Probes, now), time(now)));
        }
        let uses = |at| note(Saying::Uses, at);
        assert!(!notes.tell(uses(3), time(3)), "there is no room");
        assert_eq!(notes.lost(), 1);
        assert_eq!(told.pop(), Ok(note(Saying::Probes, 0)));
        assert!(told.pop().is_err());
        assert!(notes.tell(uses(4), time(4)));
        assert_eq!(told.pop(), Ok(uses(4)));
        let later = 4 + SILENCE;
        assert!(notes.tell(uses(later), time(later)));
        assert_eq!(told.pop(), Ok(uses(later)));
    }
}
