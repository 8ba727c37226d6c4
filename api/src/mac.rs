//! An Ethernet address as text.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An Ethernet (MAC-48) address; `02:00:5e:00:53:01` in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

/// Text that is no Ethernet address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no Ethernet address: six hexadecimal bytes with colons between, as 02:00:5e:00:53:01"
)]
pub struct MacError(String);

impl From<[u8; 6]> for Mac {
    fn from(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        f.pad(&format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}"))
    }
}

impl FromStr for Mac {
    type Err = MacError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = || MacError(text.to_owned());
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().ok_or_else(fault)?;
            // from_str_radix alone would take a sign.
            if !(1..=2).contains(&part.len()) || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(fault());
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| fault())?;
        }
        if parts.next().is_some() {
            Err(fault())
        } else {
            Ok(Self(bytes))
        }
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(d)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let mac = Mac([0x02, 0, 0x5e, 0, 0x53, 0xff]);
        assert_eq!(mac.to_string(), "02:00:5e:00:53:ff");
        assert_eq!(mac.to_string().parse(), Ok(mac));
        assert_eq!("2:0:5E:0:53:FF".parse(), Ok(mac));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "02:00:5e:00:53",
            "02:00:5e:00:53:01:02",
            "02:00:5e:00:53:0g",
            "+2:0:0:0:0:1",
        ] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }
}
