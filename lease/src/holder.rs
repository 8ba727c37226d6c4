//! Who has a lease: a client's identifier, and which of its identity associations.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// How many bytes of an identifier need no allocation: DUID-LLT, DUID-LL, DUID-UUID and the usual DHCPv4 ones.
const INLINE: usize = 22;

/// The bytes of a DUID (RFC 8415 section 11, at most 130), or of a DHCPv4 client identifier (RFC 2132 section 9.14),
/// or of hardware type and address where a DHCPv4 client sends none. At least one byte, at most 255.
#[derive(Clone)]
pub struct ClientId(Bytes);

#[derive(Clone)]
enum Bytes {
    Inline { len: u8, bytes: [u8; INLINE] },
    Heap(Box<[u8]>),
}

/// Bytes or a text that cannot be a client's identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientIdError {
    /// No bytes, or too many.
    #[error("a client identifier has 1 to 255 bytes, not {0}")]
    Length(usize),
    /// Not pairs of hexadecimal digits.
    #[error(
        "a client identifier is written as pairs of hexadecimal digits, as 00030001020000000001"
    )]
    Text,
}

impl ClientId {
    /// The longest.
    pub const MAX: usize = 255;

    /// The identifier with these bytes.
    ///
    /// # Errors
    /// When there are none or more than [`ClientId::MAX`].
    pub fn new(bytes: &[u8]) -> Result<Self, ClientIdError> {
        match bytes.len() {
            n @ 1..=INLINE => {
                let mut inline = [0; INLINE];
                inline[..n].copy_from_slice(bytes);
                Ok(Self(Bytes::Inline {
                    len: n as u8,
                    bytes: inline,
                }))
            }
            n @ (0 | Self::MAX..) if n != Self::MAX => Err(ClientIdError::Length(n)),
            _ => Ok(Self(Bytes::Heap(bytes.into()))),
        }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Bytes::Heap(bytes) => bytes,
        }
    }
}

impl PartialEq for ClientId {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for ClientId {}

impl PartialOrd for ClientId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ClientId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for ClientId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ClientId {
    type Err = ClientIdError;

    /// Pairs of hexadecimal digits, with or without ':' between.
    fn from_str(text: &str) -> Result<Self, ClientIdError> {
        let digit = |c: u8| (c as char).to_digit(16).ok_or(ClientIdError::Text);
        let pair = |pair: &[u8]| match *pair {
            [high, low] => Ok((digit(high)? << 4 | digit(low)?) as u8),
            _ => Err(ClientIdError::Text),
        };
        let bytes: Vec<u8> = if text.contains(':') {
            text.split(':')
                .map(|part| pair(part.as_bytes()))
                .collect::<Result<_, _>>()?
        } else {
            text.as_bytes()
                .chunks(2)
                .map(pair)
                .collect::<Result<_, _>>()?
        };
        Self::new(&bytes)
    }
}

/// Which kind of identity association (RFC 8415 section 12) a lease belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Non-temporary addresses.
    Na,
    /// Temporary addresses.
    Ta,
    /// Delegated prefixes.
    Pd,
    /// DHCPv4, which has no such thing.
    V4,
}

impl Kind {
    /// All, in the order of their codes on disk.
    pub const ALL: [Kind; 4] = [Kind::Na, Kind::Ta, Kind::Pd, Kind::V4];

    /// The word for people.
    pub const fn label(self) -> &'static str {
        match self {
            Kind::Na => "ia_na",
            Kind::Ta => "ia_ta",
            Kind::Pd => "ia_pd",
            Kind::V4 => "ipv4",
        }
    }
}

/// Who has a lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Holder {
    /// The client.
    pub client: ClientId,
    /// Its identity association; 0 for DHCPv4.
    pub iaid: u32,
    /// The kind of identity association: each has its own IAIDs.
    pub kind: Kind,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_ones_are_what_was_put_in() {
        for len in [1, 14, INLINE, INLINE + 1, 130, 255] {
            let bytes: Vec<u8> = (0..len).map(|n| n as u8).collect();
            let id = ClientId::new(&bytes).unwrap();
            assert_eq!(id.as_bytes(), bytes);
            assert_eq!(id.to_string().parse::<ClientId>().unwrap(), id);
        }
        for len in [0, 256, 1000] {
            assert_eq!(
                ClientId::new(&vec![0; len]),
                Err(ClientIdError::Length(len))
            );
        }
    }

    #[test]
    fn text_with_and_without_colons() {
        let id: ClientId = "00:03:00:01:0a".parse().unwrap();
        assert_eq!(id, "000300010A".parse().unwrap());
        for text in ["0", "0g", "00:3", ":", "+1"] {
            assert_eq!(text.parse::<ClientId>(), Err(ClientIdError::Text), "{text}");
        }
        assert_eq!("".parse::<ClientId>(), Err(ClientIdError::Length(0)));
    }

    #[test]
    fn it_is_compact() {
        assert_eq!(size_of::<ClientId>(), 24);
        assert_eq!(size_of::<Holder>(), 32);
        assert!(
            size_of::<crate::Lease>() <= 136,
            "{}",
            size_of::<crate::Lease>()
        );
    }
}
