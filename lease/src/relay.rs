//! What a relay told about where a client is.

use std::fmt;
use std::str::FromStr;

/// Where a client is, in the words of the relay next to it; they mean something to the relay and its operator only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RelayInfo {
    /// Interface-Id (RFC 8415 section 21.18).
    pub interface_id: Option<RelayId>,
    /// Remote-ID: enterprise number and value (RFC 4649).
    pub remote_id: Option<RelayId>,
    /// Subscriber-ID (RFC 4580).
    pub subscriber_id: Option<RelayId>,
}

impl RelayInfo {
    /// Nothing, when the relay told nothing.
    pub fn into_option(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

/// Bytes of a relay: 1 to 255.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RelayId(Box<[u8]>);

/// A text that is no [`RelayId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a relay's identifier is written as 1 to 255 pairs of hexadecimal digits")]
pub struct RelayIdError;

impl RelayId {
    /// The identifier with these bytes; `None` when there are none, or more than 255.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (1..=255).contains(&bytes.len()).then(|| Self(bytes.into()))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for RelayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RelayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RelayId {
    type Err = RelayIdError;

    fn from_str(text: &str) -> Result<Self, RelayIdError> {
        let digit = |c: u8| (c as char).to_digit(16).ok_or(RelayIdError);
        let pair = |pair: &[u8]| match *pair {
            [high, low] => Ok((digit(high)? << 4 | digit(low)?) as u8),
            _ => Err(RelayIdError),
        };
        let bytes: Vec<u8> = text
            .as_bytes()
            .chunks(2)
            .map(pair)
            .collect::<Result<_, _>>()?;
        Self::new(&bytes).ok_or(RelayIdError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_text() {
        let id = RelayId::new(b"eth7").unwrap();
        assert_eq!(id.to_string(), "65746837");
        assert_eq!("65746837".parse(), Ok(id));
        for text in ["", "6", "6g", "+1", &"00".repeat(256)] {
            assert_eq!(text.parse::<RelayId>(), Err(RelayIdError), "{text}");
        }
        assert_eq!(RelayId::new(&[]), None);
        assert_eq!(RelayId::new(&[0; 256]), None);
        assert_eq!(RelayInfo::default().into_option(), None);
    }
}
