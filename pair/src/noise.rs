//! Who has the key, and sealed frames: the Noise protocol (revision 34), pattern NNpsk0, without I/O.
//!
//! ```text
//!   initiator                              responder
//!       psk, e        ──────────────►      has the key, or the frame cannot be opened
//!                     ◄──────────────      e, ee
//!   has the key, or …                      transport messages, both ways
//! ```
//!
//! The shared key goes into the hash before anything else, so a router that has another one is found out by the first frame, and whoever
//! has none learns nothing. A first frame that was recorded and is sent again is answered and leads nowhere, as its sender
//! cannot open the answer.

use snow::{Builder, HandshakeState, TransportState};

use crate::key::Key;

const PATTERN: &str = "Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s";
/// Both must say the same, so that the key is good for nothing else.
const PROLOGUE: &[u8] = b"hextet pair 1";
/// Bytes of a transport message at most.
pub const MAX_FRAME: usize = 65_535;
/// Bytes that sealing adds.
pub const TAG: usize = 16;
/// Bytes that a frame can carry.
pub const MAX_PLAIN: usize = MAX_FRAME - TAG;
/// Frames of a direction after which its key is replaced (section 11.3 of the specification).
pub const REKEY_AFTER: u64 = 1 << 16;

/// Why there is no channel, or none any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoiseError {
    /// A frame of the handshake cannot be opened.
    #[error("the peer has another key, or is no router of this pair")]
    WrongKey,
    /// A frame of the channel cannot be opened: it was changed on the way.
    #[error("a frame was changed on the way")]
    Forged,
    /// More than a frame can carry.
    #[error("{0} bytes are more than a frame carries")]
    TooLong(usize),
    /// The library refuses.
    #[error("the channel cannot be used any more")]
    Unusable,
}

/// A handshake under way.
#[derive(Debug)]
pub struct Handshake(Box<HandshakeState>);

impl Handshake {
    /// Of the one that connects, or of the one that is connected to.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn new(key: &Key, is_initiator: bool) -> Result<Self, NoiseError> {
        let unusable = |_| NoiseError::Unusable;
        let builder = Builder::new(PATTERN.parse().map_err(unusable)?)
            .psk(0, key.bytes())
            .and_then(|builder| builder.prologue(PROLOGUE))
            .map_err(unusable)?;
        let state = match is_initiator {
            true => builder.build_initiator(),
            false => builder.build_responder(),
        };
        state.map(|state| Self(Box::new(state))).map_err(unusable)
    }

    /// The next frame to be sent.
    ///
    /// # Errors
    /// It is the peer's turn.
    pub fn write(&mut self) -> Result<Vec<u8>, NoiseError> {
        let mut frame = vec![0; 256];
        let len = self.0.write_message(&[], &mut frame);
        frame.truncate(len.map_err(|_| NoiseError::Unusable)?);
        Ok(frame)
    }

    /// Takes a frame of the peer.
    ///
    /// # Errors
    /// [`NoiseError::WrongKey`].
    pub fn read(&mut self, frame: &[u8]) -> Result<(), NoiseError> {
        let mut none = [0; MAX_HANDSHAKE];
        let opened = self.0.read_message(frame, &mut none);
        opened.map(|_| ()).map_err(|_| NoiseError::WrongKey)
    }

    /// The channel, when both have written.
    ///
    /// # Errors
    /// They have not.
    pub fn finish(self) -> Result<Sealing, NoiseError> {
        let transport = self.0.into_transport_mode();
        Ok(Sealing(Box::new(
            transport.map_err(|_| NoiseError::Unusable)?,
        )))
    }
}

/// Bytes that a frame of a handshake can have.
pub const MAX_HANDSHAKE: usize = 256;

/// Seals what is sent and opens what has come, each in order.
#[derive(Debug)]
pub struct Sealing(Box<TransportState>);

impl Sealing {
    /// Seals a message behind what `frame` has.
    ///
    /// # Errors
    /// [`NoiseError::TooLong`].
    pub fn seal(&mut self, plain: &[u8], frame: &mut Vec<u8>) -> Result<(), NoiseError> {
        if plain.len() > MAX_PLAIN {
            return Err(NoiseError::TooLong(plain.len()));
        }
        let begin = frame.len();
        frame.resize(begin + plain.len() + TAG, 0);
        let len = self.0.write_message(plain, &mut frame[begin..]);
        frame.truncate(begin + len.map_err(|_| NoiseError::Unusable)?);
        if self.0.sending_nonce().is_multiple_of(REKEY_AFTER) {
            self.0.rekey_outgoing();
        }
        Ok(())
    }

    /// Opens a frame; `plain` is what was sealed then.
    ///
    /// # Errors
    /// [`NoiseError::Forged`]; there is no way to go on.
    pub fn open(&mut self, frame: &[u8], plain: &mut Vec<u8>) -> Result<(), NoiseError> {
        plain.resize(frame.len(), 0);
        let len = self.0.read_message(frame, plain);
        plain.truncate(len.map_err(|_| NoiseError::Forged)?);
        if self.0.receiving_nonce().is_multiple_of(REKEY_AFTER) {
            self.0.rekey_incoming();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Key {
        Key::new([byte; 32])
    }

    fn sealings() -> [Sealing; 2] {
        let mut this = Handshake::new(&key(7), true).unwrap();
        let mut other = Handshake::new(&key(7), false).unwrap();
        other.read(&this.write().unwrap()).unwrap();
        this.read(&other.write().unwrap()).unwrap();
        [this.finish().unwrap(), other.finish().unwrap()]
    }

    #[test]
    fn the_first_frame_tells_who_has_another_key() {
        let mut this = Handshake::new(&key(7), true).unwrap();
        let frame = this.write().unwrap();
        let mut other = Handshake::new(&key(8), false).unwrap();
        assert_eq!(other.read(&frame), Err(NoiseError::WrongKey));
        let mut right = Handshake::new(&key(7), false).unwrap();
        let mut changed = frame.clone();
        changed[40] ^= 1;
        assert_eq!(right.read(&changed), Err(NoiseError::WrongKey));
        // A first frame that is sent again is answered with something that only its writer can open.
        let mut right = Handshake::new(&key(7), false).unwrap();
        right.read(&frame).unwrap();
        let answer = right.write().unwrap();
        let mut stranger = Handshake::new(&key(7), true).unwrap();
        stranger.write().unwrap();
        assert_eq!(stranger.read(&answer), Err(NoiseError::WrongKey));
        this.read(&answer).unwrap();
    }

    #[test]
    fn frames_are_opened_in_order_and_over_changes_of_the_key() {
        let [mut this, mut other] = sealings();
        let (mut frame, mut plain) = (Vec::new(), Vec::new());
        for n in 0..2 * REKEY_AFTER + 10 {
            frame.clear();
            this.seal(&n.to_be_bytes(), &mut frame).unwrap();
            assert!(!frame.windows(8).any(|bytes| bytes == n.to_be_bytes()));
            other.open(&frame, &mut plain).unwrap();
            assert_eq!(plain, n.to_be_bytes());
        }
        assert_eq!(other.open(&frame, &mut plain), Err(NoiseError::Forged));
    }

    #[test]
    fn a_frame_is_bounded_and_whole() {
        let [mut this, mut other] = sealings();
        let (mut frame, mut plain) = (vec![1, 2], Vec::new());
        let big = vec![5; MAX_PLAIN];
        this.seal(&big, &mut frame).unwrap();
        assert_eq!(frame.len(), 2 + MAX_FRAME);
        other.open(&frame[2..], &mut plain).unwrap();
        assert_eq!(plain, big);
        let longer = vec![5; MAX_PLAIN + 1];
        assert_eq!(
            this.seal(&longer, &mut frame),
            Err(NoiseError::TooLong(MAX_PLAIN + 1))
        );
        for frame in [&[][..], &[0; 15], &[0; 16]] {
            assert_eq!(other.open(frame, &mut plain), Err(NoiseError::Forged));
        }
    }
}
