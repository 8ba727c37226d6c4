//! Control packets as bytes (RFC 5880 sections 4.1 and 4.4).
//!
//! ```text
//!  0                   1                   2                   3
//! +-----+---------+---+-+-+-+-+-+-+---------------+---------------+
//! |Vers | Diag    |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |
//! +-----+---------+---+-+-+-+-+-+-+---------------+---------------+
//! |                       My Discriminator                        |
//! |                      Your Discriminator                       |
//! |              Desired Min TX Interval, microseconds            |
//! |              Required Min RX Interval, microseconds           |
//! |              Required Min Echo RX Interval, microseconds      |
//! +---------------+---------------+---------------+---------------+   with A:
//! |  Auth Type    |   Auth Len    |  Auth Key ID  |   Reserved    |
//! |                        Sequence Number                        |
//! |                      Auth Key/Hash (20) ...                   |
//! +---------------------------------------------------------------+
//! ```

use std::fmt;
use std::time::Duration;

use sha1::{Digest, Sha1};

use super::config::{Auth, DIGEST};

/// Octets of a packet without authentication.
pub const LEN: usize = 24;
/// Octets of the authentication section with SHA-1.
const AUTH: usize = 8 + DIGEST;
/// Least octets of an authentication section: type, length.
const MIN_AUTH: usize = 2;
/// Octets of a packet with SHA-1.
pub const AUTH_LEN: usize = LEN + AUTH;
const VERSION: u8 = 1;
/// Keyed SHA1.
const KEYED: u8 = 4;
/// Meticulous Keyed SHA1.
const METICULOUS: u8 = 5;

mod flag {
    pub const POLL: u8 = 0x20;
    pub const FINAL: u8 = 0x10;
    pub const INDEPENDENT: u8 = 0x08;
    pub const AUTH: u8 = 0x04;
    pub const DEMAND: u8 = 0x02;
    pub const MULTIPOINT: u8 = 0x01;
}

/// Why a packet is discarded. The label is the rule's name in counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Invalid {
    /// It came over a router, or pretends not to have (RFC 5881 section 5).
    #[error("hop limit is not 255")]
    HopLimit,
    /// Shorter than the mandatory section.
    #[error("shorter than 24 octets")]
    ShortPacket,
    /// Not version 1.
    #[error("version is not 1")]
    Version,
    /// Length says less than the sections need, or more than there is.
    #[error("wrong length")]
    Length,
    /// Detect Mult is 0.
    #[error("multiplier is 0")]
    DetectMult,
    /// The Multipoint bit is set.
    #[error("multipoint")]
    Multipoint,
    /// Poll and Final in one packet (RFC 5880 section 4.1).
    #[error("poll and final at once")]
    PollAndFinal,
    /// My Discriminator is 0.
    #[error("my discriminator is 0")]
    MyDiscriminator,
    /// Your Discriminator is 0 though the sender has heard of us.
    #[error("your discriminator is 0 in state Init or Up")]
    YourDiscriminator,
    /// No session has this discriminator, or these addresses.
    #[error("no such session")]
    UnknownSession,
    /// The discriminator is of a session with somebody else, or on another interface.
    #[error("not the peer of the session")]
    WrongPeer,
    /// Authenticated, where no key is configured.
    #[error("authenticated without being asked")]
    AuthUnexpected,
    /// Not authenticated, where a key is configured.
    #[error("not authenticated")]
    AuthMissing,
    /// Another kind of authentication than is configured.
    #[error("another kind of authentication")]
    AuthType,
    /// A section of another length than its kind has.
    #[error("authentication section of a wrong length")]
    AuthLength,
    /// A key of another name.
    #[error("unknown key")]
    AuthKey,
    /// A digest that another key, or another packet, has made.
    #[error("wrong digest")]
    AuthDigest,
    /// A sequence number that was there before, or is too far ahead.
    #[error("sequence number out of its window")]
    AuthSequence,
}

impl Invalid {
    /// Every class, for counters that start at zero and for the tests.
    pub const ALL: [Invalid; 18] = [
        Invalid::HopLimit,
        Invalid::ShortPacket,
        Invalid::Version,
        Invalid::Length,
        Invalid::DetectMult,
        Invalid::Multipoint,
        Invalid::PollAndFinal,
        Invalid::MyDiscriminator,
        Invalid::YourDiscriminator,
        Invalid::UnknownSession,
        Invalid::WrongPeer,
        Invalid::AuthUnexpected,
        Invalid::AuthMissing,
        Invalid::AuthType,
        Invalid::AuthLength,
        Invalid::AuthKey,
        Invalid::AuthDigest,
        Invalid::AuthSequence,
    ];

    /// The rule's name in counters.
    pub const fn label(self) -> &'static str {
        match self {
            Invalid::HopLimit => "hop_limit",
            Invalid::ShortPacket => "short_packet",
            Invalid::Version => "version",
            Invalid::Length => "length",
            Invalid::DetectMult => "detect_mult",
            Invalid::Multipoint => "multipoint",
            Invalid::PollAndFinal => "poll_and_final",
            Invalid::MyDiscriminator => "my_discriminator",
            Invalid::YourDiscriminator => "your_discriminator",
            Invalid::UnknownSession => "unknown_session",
            Invalid::WrongPeer => "wrong_peer",
            Invalid::AuthUnexpected => "auth_unexpected",
            Invalid::AuthMissing => "auth_missing",
            Invalid::AuthType => "auth_type",
            Invalid::AuthLength => "auth_length",
            Invalid::AuthKey => "auth_key",
            Invalid::AuthDigest => "auth_digest",
            Invalid::AuthSequence => "auth_sequence",
        }
    }
}

/// How far a session is (RFC 5880 section 6.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Switched off: says nothing about the path.
    AdminDown,
    /// The peer is not heard.
    #[default]
    Down,
    /// The peer is heard, and does not say that it hears us.
    Init,
    /// Both hear each other.
    Up,
}

impl State {
    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => State::AdminDown,
            1 => State::Down,
            2 => State::Init,
            _ => State::Up,
        }
    }

    /// Its name in the CLI, in events and in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            State::AdminDown => "admin_down",
            State::Down => "down",
            State::Init => "init",
            State::Up => "up",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Why a session's state changed last; 5 bits (RFC 5880 section 4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Diagnostic(pub u8);

impl Diagnostic {
    /// Nothing to say.
    pub const NONE: Self = Diagnostic(0);
    /// Nothing was heard for the detection time.
    pub const TIME_EXPIRED: Self = Diagnostic(1);
    /// The peer says that it does not hear us, or that it is switched off.
    pub const NEIGHBOR_DOWN: Self = Diagnostic(3);
    /// The link is down.
    pub const PATH_DOWN: Self = Diagnostic(5);
    /// Switched off by its operator.
    pub const ADMIN_DOWN: Self = Diagnostic(7);

    /// Its name in the CLI and in events.
    pub const fn label(self) -> &'static str {
        match self.0 {
            0 => "none",
            1 => "detection_time_expired",
            2 => "echo_failed",
            3 => "neighbor_signaled_down",
            4 => "forwarding_plane_reset",
            5 => "path_down",
            6 => "concatenated_path_down",
            7 => "administratively_down",
            8 => "reverse_concatenated_path_down",
            _ => "unassigned",
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// The mandatory section of a control packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// Why the sender's state changed last.
    pub diagnostic: Diagnostic,
    /// The sender's state.
    pub state: State,
    /// The sender asks for an answer.
    pub poll: bool,
    /// The sender answers.
    pub is_final: bool,
    /// The sender's BFD survives its control plane.
    pub independent: bool,
    /// The sender, when both are Up, wants no packets but polls.
    pub demand: bool,
    /// After so many packets lost in a row we shall give the sender up.
    pub detect_mult: u8,
    /// The sender's name of the session, not 0.
    pub my_discriminator: u32,
    /// Our name of the session, 0 when the sender does not know it.
    pub your_discriminator: u32,
    /// The sender does not send faster. Whole microseconds, as the other two.
    pub desired_min_tx: Duration,
    /// We shall not send faster; zero: not at all.
    pub required_min_rx: Duration,
    /// The same of echo packets; zero: the sender does not loop them back.
    pub required_min_echo_rx: Duration,
}

/// A packet of ours or the peer's, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Its mandatory section.
    pub control: Control,
    /// Its authentication section, at least type and length; not looked at.
    pub auth: Option<&'a [u8]>,
    /// All of it, as its length says.
    octets: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads what follows the UDP header, by the rules of RFC 5880 section 6.8.6 that need no session, in their order.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn read(payload: &'a [u8]) -> Result<Self, Invalid> {
        let (head, _) = payload.split_at_checked(LEN).ok_or(Invalid::ShortPacket)?;
        let word = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|n| head[at + n]));
        let interval = |at| Duration::from_micros(word(at).into());
        let (flags, len) = (head[1], usize::from(head[3]));
        let has = |bit| flags & bit != 0;
        if head[0] >> 5 != VERSION {
            return Err(Invalid::Version);
        }
        let least = LEN + if has(flag::AUTH) { MIN_AUTH } else { 0 };
        if len < least {
            return Err(Invalid::Length);
        }
        let octets = payload.get(..len).ok_or(Invalid::Length)?;
        let control = Control {
            diagnostic: Diagnostic(head[0] & 0x1f),
            state: State::from_bits(flags >> 6),
            poll: has(flag::POLL),
            is_final: has(flag::FINAL),
            independent: has(flag::INDEPENDENT),
            demand: has(flag::DEMAND),
            detect_mult: head[2],
            my_discriminator: word(4),
            your_discriminator: word(8),
            desired_min_tx: interval(12),
            required_min_rx: interval(16),
            required_min_echo_rx: interval(20),
        };
        if control.detect_mult == 0 {
            return Err(Invalid::DetectMult);
        }
        if has(flag::MULTIPOINT) {
            return Err(Invalid::Multipoint);
        }
        if control.poll && control.is_final {
            return Err(Invalid::PollAndFinal);
        }
        if control.my_discriminator == 0 {
            return Err(Invalid::MyDiscriminator);
        }
        if control.your_discriminator == 0
            && !matches!(control.state, State::Down | State::AdminDown)
        {
            return Err(Invalid::YourDiscriminator);
        }
        Ok(Packet {
            control,
            auth: has(flag::AUTH).then(|| &octets[LEN..]),
            octets,
        })
    }

    /// Asks whether the packet is authenticated as is wanted; its sequence number if it is.
    ///
    /// # Errors
    /// The first rule that it breaks. Whether the sequence number may come is the session's to say.
    pub fn verify(&self, wanted: Option<&Auth>) -> Result<Option<u32>, Invalid> {
        let (section, auth) = match (self.auth, wanted) {
            (None, None) => return Ok(None),
            (Some(_), None) => return Err(Invalid::AuthUnexpected),
            (None, Some(_)) => return Err(Invalid::AuthMissing),
            (Some(section), Some(auth)) => (section, auth),
        };
        if section[0] != kind(auth) {
            return Err(Invalid::AuthType);
        }
        if section.len() != AUTH || usize::from(section[1]) != AUTH {
            return Err(Invalid::AuthLength);
        }
        if section[2] != auth.key_id {
            return Err(Invalid::AuthKey);
        }
        let (body, theirs) = self.octets.split_at(AUTH_LEN - DIGEST);
        let ours = digest(body, auth);
        // Every octet is compared, so that the time taken tells nothing.
        let difference = theirs.iter().zip(ours).fold(0, |all, (a, b)| all | (a ^ b));
        if difference != 0 {
            return Err(Invalid::AuthDigest);
        }
        let sequence = [4, 5, 6, 7].map(|at| section[at]);
        Ok(Some(u32::from_be_bytes(sequence)))
    }
}

impl Control {
    /// The packet as it is sent, with an authentication section that has this sequence number if a key is given.
    /// Intervals that do not fit their field are sent as the longest that does.
    pub fn write(&self, auth: Option<(&Auth, u32)>) -> Vec<u8> {
        let bit = |set, bit| if set { bit } else { 0 };
        let flags = bit(self.poll, flag::POLL)
            | bit(self.is_final, flag::FINAL)
            | bit(self.independent, flag::INDEPENDENT)
            | bit(auth.is_some(), flag::AUTH)
            | bit(self.demand, flag::DEMAND);
        let len = if auth.is_some() { AUTH_LEN } else { LEN };
        let mut octets = Vec::with_capacity(len);
        octets.extend([
            VERSION << 5 | self.diagnostic.0 & 0x1f,
            (self.state as u8) << 6 | flags,
            self.detect_mult,
            len as u8,
        ]);
        let micros = |interval: Duration| u32::try_from(interval.as_micros()).unwrap_or(u32::MAX);
        let words = [
            self.my_discriminator,
            self.your_discriminator,
            micros(self.desired_min_tx),
            micros(self.required_min_rx),
            micros(self.required_min_echo_rx),
        ];
        octets.extend(words.into_iter().flat_map(u32::to_be_bytes));
        if let Some((auth, sequence)) = auth {
            octets.extend([kind(auth), AUTH as u8, auth.key_id, 0]);
            octets.extend(sequence.to_be_bytes());
            let digest = digest(&octets, auth);
            octets.extend(digest);
        }
        octets
    }
}

const fn kind(auth: &Auth) -> u8 {
    if auth.meticulous { METICULOUS } else { KEYED }
}

/// The digest of a packet with the key where the digest is to be.
fn digest(body: &[u8], auth: &Auth) -> [u8; DIGEST] {
    let mut sha1 = Sha1::new();
    sha1.update(body);
    sha1.update(auth.key.octets());
    sha1.finalize().into()
}

#[cfg(test)]
mod tests;
