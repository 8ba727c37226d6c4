//! Variables of one session; `Default` leaves 900 ms to notice a failure.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use tables::id::IfaceId;

use super::error::ConfigError;

/// Most sessions of a machine: each needs a source port of its own (RFC 5881 section 4), and a timer that is near.
pub const MAX_SESSIONS: usize = 4096;
/// Shortest interval between two packets: 300 a second.
pub const MIN_INTERVAL: Duration = Duration::from_micros(3_300);
/// Longest interval between two packets.
pub const MAX_INTERVAL: Duration = Duration::from_secs(60);
/// Shortest interval at which packets are sent while the session is not Up (RFC 5880 section 6.8.3).
pub const SLOW: Duration = Duration::from_secs(1);
/// Octets of a digest of SHA-1, and of the field that the key is put in.
pub const DIGEST: usize = 20;

/// What a session is between. Single hop: both addresses are on the link of `iface` (RFC 5881).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    /// Where.
    pub iface: IfaceId,
    /// Our address there.
    pub local: IpAddr,
    /// The peer's.
    pub peer: IpAddr,
}

impl SessionId {
    /// Every fault, not only the first.
    pub fn validate(&self) -> Vec<ConfigError> {
        let mut faults = Vec::new();
        for (field, address) in [("local", self.local), ("peer", self.peer)] {
            let broadcast = IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
            if address.is_unspecified() || address.is_multicast() || address == broadcast {
                faults.push(ConfigError::Address { field, address });
            }
        }
        let (local, peer) = (self.local, self.peer);
        if local.is_ipv6() != peer.is_ipv6() {
            faults.push(ConfigError::Versions { local, peer });
        }
        if local == peer {
            faults.push(ConfigError::Ourselves(peer));
        }
        faults
    }
}

/// Variables of one session (RFC 5880 section 6.8.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `bfd.DesiredMinTxInterval` while the session is Up, 300 ms: we do not send faster.
    pub desired_min_tx: Duration,
    /// `bfd.RequiredMinRxInterval`, 300 ms: the peer shall not send faster.
    pub required_min_rx: Duration,
    /// `bfd.DetectMult`, 3: after so many of our packets lost in a row the peer gives us up.
    pub detect_mult: u8,
    /// Whether we wait for the peer's first packet (RFC 5880 section 6.1), off.
    pub passive: bool,
    /// Whether the session is switched off here: the peer is told that it says nothing about the path, off.
    pub admin_down: bool,
    /// How packets are authenticated, not at all.
    pub auth: Option<Auth>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            desired_min_tx: Duration::from_millis(300),
            required_min_rx: Duration::from_millis(300),
            detect_mult: 3,
            passive: false,
            admin_down: false,
            auth: None,
        }
    }
}

impl Config {
    /// Every fault, not only the first.
    pub fn validate(&self) -> Vec<ConfigError> {
        let mut faults = Vec::new();
        let intervals = [
            ("desired_min_tx", self.desired_min_tx),
            ("required_min_rx", self.required_min_rx),
        ];
        for (field, value) in intervals {
            if !(MIN_INTERVAL..=MAX_INTERVAL).contains(&value) {
                faults.push(ConfigError::Interval {
                    field,
                    value: value.as_micros(),
                    min: MIN_INTERVAL.as_micros(),
                    max: MAX_INTERVAL.as_micros(),
                });
            }
        }
        if self.detect_mult == 0 {
            faults.push(ConfigError::DetectMult);
        }
        faults
    }
}

/// SHA-1 authentication with one key (RFC 5880 section 6.7.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// By which name both sides know the key.
    pub key_id: u8,
    /// The key.
    pub key: Key,
    /// Whether each packet has a new sequence number (Meticulous Keyed SHA1), so that none can be replayed.
    pub meticulous: bool,
}

/// A key, padded with zeros. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; DIGEST]);

impl Key {
    /// A key of these octets.
    ///
    /// # Errors
    /// [`ConfigError::KeyLength`] when there are none, or more than 20.
    pub fn new(octets: &[u8]) -> Result<Self, ConfigError> {
        let mut key = [0; DIGEST];
        match octets.len() {
            len @ 1..=DIGEST => key[..len].copy_from_slice(octets),
            len => return Err(ConfigError::KeyLength(len)),
        }
        Ok(Key(key))
    }

    pub(super) fn octets(&self) -> &[u8; DIGEST] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(local: &str, peer: &str) -> SessionId {
        SessionId {
            iface: IfaceId(1),
            local: local.parse().unwrap(),
            peer: peer.parse().unwrap(),
        }
    }

    #[test]
    fn what_cannot_be_a_session_is_refused_with_every_fault() {
        assert_eq!(id("fe80::1", "fe80::2").validate(), []);
        assert_eq!(id("192.0.2.1", "192.0.2.2").validate(), []);
        assert_eq!(id("fe80::1", "192.0.2.2").validate().len(), 1);
        assert_eq!(id("::", "ff02::1").validate().len(), 2);
        assert_eq!(id("192.0.2.1", "255.255.255.255").validate().len(), 1);
        let same = id("fe80::1", "fe80::1");
        assert_eq!(same.validate(), [ConfigError::Ourselves(same.peer)]);
    }

    #[test]
    fn intervals_and_multiplier_have_bounds() {
        assert_eq!(Config::default().validate(), []);
        let fast = Config {
            desired_min_tx: MIN_INTERVAL,
            required_min_rx: MAX_INTERVAL,
            detect_mult: 1,
            ..Config::default()
        };
        assert_eq!(fast.validate(), []);
        let wrong = Config {
            desired_min_tx: MIN_INTERVAL - Duration::from_micros(1),
            required_min_rx: MAX_INTERVAL + Duration::from_micros(1),
            detect_mult: 0,
            ..Config::default()
        };
        let fields: Vec<_> = wrong.validate().iter().map(|f| f.to_string()).collect();
        assert_eq!(fields.len(), 3, "{fields:?}");
        assert!(fields[0].contains("desired_min_tx: 3299 us"), "{fields:?}");
    }

    #[test]
    fn keys_have_a_length_and_are_not_shown() {
        assert_eq!(Key::new(b""), Err(ConfigError::KeyLength(0)));
        assert_eq!(Key::new(&[1; 21]), Err(ConfigError::KeyLength(21)));
        let key = Key::new(b"secret").unwrap();
        assert_eq!(&key.octets()[..7], b"secret\0");
        assert!(!format!("{key:?}").contains("115"), "{key:?}");
    }
}
