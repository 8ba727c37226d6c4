//! What is leased: an address or a delegated prefix.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::Ipv6Net;

/// What is leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// An IPv6 address (IA_NA, IA_TA).
    V6(Ipv6Addr),
    /// A delegated prefix (IA_PD), without host bits.
    Prefix(Ipv6Net),
    /// An IPv4 address.
    V4(Ipv4Addr),
}

/// A text that is neither an address nor an IPv6 prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither an IPv6 address, an IPv4 address nor an IPv6 prefix without host bits")]
pub struct ResourceParseError;

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Resource::V6(address) => address.fmt(f),
            Resource::Prefix(prefix) => prefix.fmt(f),
            Resource::V4(address) => address.fmt(f),
        }
    }
}

impl FromStr for Resource {
    type Err = ResourceParseError;

    fn from_str(text: &str) -> Result<Self, ResourceParseError> {
        if text.contains('/') {
            let prefix: Ipv6Net = text.parse().map_err(|_| ResourceParseError)?;
            return if prefix == prefix.trunc() {
                Ok(Resource::Prefix(prefix))
            } else {
                Err(ResourceParseError)
            };
        }
        text.parse()
            .map(Resource::V6)
            .or_else(|_| text.parse().map(Resource::V4))
            .map_err(|_| ResourceParseError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for text in ["2001:db8::1", "2001:db8:0:100::/56", "192.0.2.7", "::/0"] {
            assert_eq!(text.parse::<Resource>().unwrap().to_string(), text);
        }
        for text in [
            "2001:db8::1/56",
            "192.0.2.0/24",
            "",
            "host",
            "2001:db8::/129",
        ] {
            assert_eq!(text.parse::<Resource>(), Err(ResourceParseError), "{text}");
        }
    }
}
