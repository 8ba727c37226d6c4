//! What routers of a pair tell each other, by kind.
//!
//! Each kind is a stream of its own ([`session`](crate::session)). A record is one thing as it is now, or that it is no more; the last one that was
//! told of a thing holds.

use std::net::{IpAddr, Ipv6Addr};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Kinds of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// [`Flow`]
    Flow = 1,
    /// [`Neighbor`]
    Neighbor = 2,
    /// [`Station`]
    Station = 3,
    /// [`Binding`]
    Binding = 4,
    /// [`Lease`]
    Lease = 5,
    /// [`DelegatedPrefix`]
    Prefix = 6,
}

/// How many kinds there are.
pub const KINDS: usize = 6;

impl Kind {
    /// All of them; numbers begin at 1, in this order.
    pub const ALL: [Self; KINDS] = [
        Self::Flow,
        Self::Neighbor,
        Self::Station,
        Self::Binding,
        Self::Lease,
        Self::Prefix,
    ];

    /// As it is shown, and as metrics have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Neighbor => "neighbor",
            Self::Station => "station",
            Self::Binding => "binding",
            Self::Lease => "lease",
            Self::Prefix => "prefix",
        }
    }

    /// Its place among all.
    pub const fn index(self) -> usize {
        self as usize - 1
    }

    /// The kind of a number; `None`: a later release's.
    pub fn of_number(number: u8) -> Option<Self> {
        let at = usize::from(number).checked_sub(1)?;
        Self::ALL.get(at).copied()
    }
}

/// Something that is told.
pub trait Record: Serialize + DeserializeOwned {
    /// Of which stream it is.
    const KIND: Kind;
}

macro_rules! records {
    ($($record:ident: $kind:ident,)*) => {
        $(impl Record for $record {
            const KIND: Kind = Kind::$kind;
        })*
    };
}

records! {
    Flow: Flow,
    Neighbor: Neighbor,
    Station: Station,
    Binding: Binding,
    Lease: Lease,
    DelegatedPrefix: Prefix,
}

/// A flow of a tenant's port, as the sender has it in one of its *slots*. What is told of a slot replaces what was told before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flow {
    /// What a number of a port stands for from now on, in this stream.
    Port {
        /// The number.
        number: u16,
        /// The port's name.
        name: String,
    },
    /// A slot has this flow.
    Set {
        /// The slot.
        slot: u32,
        /// The flow.
        flow: FlowState,
    },
    /// A slot has none any more.
    Clear {
        /// The slot.
        slot: u32,
    },
}

/// How far a flow is. Directions are 0: from the machine at the port, and 1: to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowState {
    /// The port, by a number that was defined in this stream.
    pub port: u16,
    /// Whether it is IPv6.
    pub v6: bool,
    /// Upper-layer protocol.
    pub protocol: u8,
    /// Address of the machine; IPv4 as an IPv4-mapped one.
    pub local: [u8; 16],
    /// Its port.
    pub local_port: u16,
    /// Address of the other end.
    pub remote: [u8; 16],
    /// Its port.
    pub remote_port: u16,
    /// What rules were asked for as the port.
    pub asked: u16,
    /// The state and who has opened it, as numbers of `tables::flow`.
    pub progress: u32,
    /// SCTP: the tag of each side, and that of an INIT that waits.
    pub tags: Option<[[u32; 2]; 2]>,
    /// Seconds since its first packet.
    pub age: u32,
    /// Seconds since its last packet.
    pub idle: u32,
    /// How often it has gone from one router to the other.
    pub handovers: u8,
}

/// A neighbour that an interface of a router has resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbor {
    /// The router.
    pub router: String,
    /// The interface.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// Its MAC; `None`: it is not known any more.
    pub mac: Option<[u8; 6]>,
    /// It says that it is a router.
    pub is_router: bool,
}

/// A station of a network, learned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Station {
    /// The network.
    pub network: String,
    /// The station.
    pub mac: [u8; 6],
    /// Where it is, by the name of the place; `None`: it was forgotten.
    pub at: Option<String>,
    /// Seconds since it was heard.
    pub age: u32,
}

/// An address that belongs to the machine at a port, as source address validation has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The port.
    pub port: String,
    /// The address.
    pub address: IpAddr,
    /// The machine; `None`: the address is its no more.
    pub mac: Option<[u8; 6]>,
    /// Milliseconds that are left; `None`: no end is known.
    pub left: Option<u64>,
}

/// A message of a DHCP server to the other one, of leases (`lease::sync`): of this stream none may be left out, so who speaks in it
/// notices when it is told again from the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The message.
    pub message: Vec<u8>,
}

/// A prefix that an uplink's delegation has given to a subnet, or that was delegated to a client, with what is behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegatedPrefix {
    /// The router.
    pub router: String,
    /// The prefix.
    pub prefix: Ipv6Addr,
    /// Its length in bits.
    pub len: u8,
    /// Where it leads: interface and address of the requesting router; `None`: it was given back.
    pub next_hop: Option<(String, Ipv6Addr)>,
    /// Seconds that are left.
    pub left: u32,
}

/// Why bytes are no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no record of kind {}", kind.name())]
pub struct RecordError {
    /// What it should have been.
    pub kind: Kind,
    /// Where it broke.
    #[source]
    pub source: postcard::Error,
}

/// Reads a record. What a later release has put behind what is known is not looked at.
///
/// # Errors
/// The bytes are none.
pub fn read<R: Record>(bytes: &[u8]) -> Result<R, RecordError> {
    let read = postcard::take_from_bytes(bytes);
    read.map(|(record, _)| record)
        .map_err(|source| RecordError {
            kind: R::KIND,
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_numbers_and_names_of_their_own() {
        for (at, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind.index(), at);
            assert_eq!(Kind::of_number(kind as u8), Some(kind));
            assert_eq!(
                Kind::ALL.iter().filter(|k| k.name() == kind.name()).count(),
                1
            );
        }
        assert_eq!(Kind::of_number(0), None);
        assert_eq!(Kind::of_number(7), None);
        assert_eq!(Kind::of_number(255), None);
    }

    #[test]
    fn what_follows_a_record_is_of_a_later_release() {
        let station = Station {
            network: "blue".into(),
            mac: [2, 0, 0, 0, 0, 1],
            at: Some("eth1.7".into()),
            age: 5,
        };
        let mut bytes = postcard::to_allocvec(&station).unwrap();
        bytes.extend([1, 2, 3]);
        assert_eq!(read::<Station>(&bytes), Ok(station));
        bytes.truncate(4);
        let error = read::<Station>(&bytes).unwrap_err();
        assert_eq!(error.to_string(), "no record of kind station");
    }
}
