//! Watching packets: traces of their way through the graph, and captures.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::query::Query;
use crate::word::words;

/// Which packets: all conditions must hold, an absent one always does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PacketFilter {
    /// Received on this interface; for a packet captured as sent, sent from it.
    #[serde(default)]
    pub interface: Option<String>,
    /// Source within this prefix.
    #[serde(default)]
    pub src: Option<IpNet>,
    /// Destination within this prefix.
    #[serde(default)]
    pub dst: Option<IpNet>,
    /// Upper-layer protocol.
    #[serde(default)]
    pub protocol: Option<Protocol>,
}

impl PacketFilter {
    fn query(&self) -> Query {
        Query::default()
            .with("interface", self.interface.as_ref())
            .with("src", self.src)
            .with("dst", self.dst)
            .with("protocol", self.protocol)
    }
}

/// An IP protocol number; a name or the number as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Protocol(pub u8);

/// Names that people use, of IANA's list of assigned numbers.
const PROTOCOLS: &[(&str, u8)] = &[
    ("icmp", 1),
    ("igmp", 2),
    ("tcp", 6),
    ("udp", 17),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmp6", 58),
    ("ospf", 89),
    ("vrrp", 112),
    ("sctp", 132),
];

/// Text that is no protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no protocol: a number from 0 to 255, or one of icmp6, icmp, tcp, udp, gre, esp, ah, sctp, ospf, vrrp, igmp"
)]
pub struct ProtocolError(String);

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match PROTOCOLS.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => f.pad(name),
            None => self.0.fmt(f),
        }
    }
}

impl FromStr for Protocol {
    type Err = ProtocolError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.to_ascii_lowercase();
        let name = if name == "icmpv6" {
            "icmp6"
        } else {
            name.as_str()
        };
        match PROTOCOLS.iter().find(|(known, _)| *known == name) {
            Some((_, number)) => Ok(Self(*number)),
            None => name
                .parse()
                .map(Self)
                .map_err(|_| ProtocolError(text.to_owned())),
        }
    }
}

impl Serialize for Protocol {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Which packets to trace, and how many: the query of `GET /v1/trace`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TraceRequest {
    /// Which.
    pub filter: PacketFilter,
    /// End after so many; absent: until the client hangs up.
    pub count: Option<u64>,
}

impl TraceRequest {
    /// As a URL's query.
    pub fn query(&self) -> Query {
        self.filter.query().with("count", self.count)
    }
}

/// A packet's way through the graph: a line of the answer to `GET /v1/trace`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraceEvent {
    /// When it was received, nanoseconds since 1970 (UTC).
    pub time_ns: u64,
    /// The worker that handled it.
    pub worker: u16,
    /// The device it came from; absent for packets the router made.
    #[serde(default)]
    pub device: Option<String>,
    /// The interface it came from.
    #[serde(default)]
    pub interface: Option<String>,
    /// Bytes of the frame.
    pub length: u32,
    /// Source, if it is an IP packet.
    #[serde(default)]
    pub src: Option<IpAddr>,
    /// Destination, if it is an IP packet.
    #[serde(default)]
    pub dst: Option<IpAddr>,
    /// Upper-layer protocol, if it is an IP packet.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    /// The packet in a line.
    pub summary: String,
    /// Stages it passed, in order.
    pub steps: Vec<TraceStep>,
    /// What became of it: `tx wan0`, `drop no_route`, `punt nd`, `consumed`, `held`.
    pub outcome: String,
}

/// One stage's verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceStep {
    /// The stage.
    pub stage: String,
    /// Where it sent the packet.
    pub verdict: String,
    /// Why: the route taken, the field that was wrong; may be empty.
    #[serde(default)]
    pub detail: String,
}

words! {
    /// Where a capture listens.
    CapturePoint {
        /// Everywhere.
        All = "all",
        /// As received.
        Rx = "rx",
        /// As sent.
        Tx = "tx",
        /// As dropped; the reason is the packet's comment.
        Drop = "drop",
    }
}

/// Which packets to capture: the query of `GET /v1/capture`.
#[derive(Clone, Debug, PartialEq)]
pub struct CaptureRequest {
    /// Which.
    pub filter: PacketFilter,
    /// Where.
    pub point: CapturePoint,
    /// End after so many; absent: until the client hangs up.
    pub count: Option<u64>,
    /// Bytes to keep of each; absent: all.
    pub snaplen: Option<u32>,
}

impl Default for CaptureRequest {
    fn default() -> Self {
        let filter = PacketFilter::default();
        Self {
            filter,
            point: CapturePoint::All,
            count: None,
            snaplen: None,
        }
    }
}

impl CaptureRequest {
    /// As a URL's query.
    pub fn query(&self) -> Query {
        self.filter
            .query()
            .with("point", Some(self.point))
            .with("count", self.count)
            .with("snaplen", self.snaplen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_by_name_and_number() {
        assert_eq!("ICMPv6".parse(), Ok(Protocol(58)));
        assert_eq!("58".parse(), Ok(Protocol(58)));
        assert_eq!("253".parse(), Ok(Protocol(253)));
        assert_eq!(Protocol(58).to_string(), "icmp6");
        assert_eq!(Protocol(253).to_string(), "253");
        assert!("256".parse::<Protocol>().is_err());
        assert!("".parse::<Protocol>().is_err());
        for (name, number) in PROTOCOLS {
            assert_eq!(name.parse(), Ok(Protocol(*number)));
            assert!(
                ProtocolError(String::new()).to_string().contains(name),
                "{name} is not offered"
            );
        }
    }
}
