//! What two routers tell each other about leases, as bytes.
//!
//! ```text
//! kind (1)   then
//!  1 Lease   key, record as on disk            what I have on my disk
//!  2 Ack     key, stamp (8), flags (1)         I have dealt with it: 1 I have it, 2 it has ended
//!  3 Ask     key, record                       may I give this, which is of your half, to a client?
//!  4 No      key                               you may not
//!  5 End     family (1: 4 or 6)                that is all that I had when we met
//!  6 Met     family (1)                        I have dealt with all of that
//! ```
//!
//! Realms and scopes are hashes of names, so that they mean the same on both sides. The channel keeps messages in order and loses
//! none, or breaks. Each Lease is answered by one Ack, in order, when what became of it is on disk.

use super::record::{self, Key, RecordError};
use super::{Kind, Lease, RealmId, Resource, Stamp};

/// Which server's leases are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// The DHCPv4 server's.
    V4,
    /// The DHCPv6 server's.
    V6,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// This is on the sender's disk.
    Lease(Box<Lease>),
    /// A [`Message::Lease`] was dealt with, and what came of it is on disk.
    Ack {
        /// Of which router.
        realm: RealmId,
        /// Of what.
        resource: Resource,
        /// The version that was told.
        stamp: Stamp,
        /// Whether that version is of a lease that has ended.
        ended: bool,
        /// Whether the sender has that version now; if not it has a later one, or does not agree that the lease has ended.
        has: bool,
    },
    /// May the sender give this lease, of the other one's half? Answered by the lease, or by [`Message::No`].
    Ask(Box<Lease>),
    /// It may not.
    No {
        /// Of which router.
        realm: RealmId,
        /// What was asked for.
        resource: Resource,
    },
    /// All leases that the sender had when the two met have been told.
    End(Family),
    /// They have been dealt with.
    Met(Family),
}

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Of a kind that is not known, or none at all.
    #[error("a message of kind {0:?} is not known")]
    Kind(Option<u8>),
    /// It has not the length of its kind.
    #[error("a message about a lease has the wrong length")]
    Length,
    /// A field has a value that it cannot have.
    #[error("{field} cannot be {value}")]
    Value {
        /// The field.
        field: &'static str,
        /// What it has.
        value: u8,
    },
    /// The lease in it.
    #[error("a message holds a lease that cannot be read")]
    Lease(#[source] RecordError),
}

const LEASE: u8 = 1;
const ACK: u8 = 2;
const ASK: u8 = 3;
const NO: u8 = 4;
const END: u8 = 5;
const MET: u8 = 6;

const HAS: u8 = 1;
const ENDED: u8 = 2;

impl Message {
    /// The answer to a lease that was told.
    pub fn ack(lease: &Lease, has: bool) -> Self {
        Message::Ack {
            realm: lease.realm(),
            resource: lease.resource,
            stamp: lease.stamp,
            ended: super::book::has_ended(lease),
            has,
        }
    }

    /// Which server is meant.
    pub fn family(&self) -> Family {
        let of = |resource: &Resource| match resource {
            Resource::V4(_) => Family::V4,
            Resource::V6(_) | Resource::Prefix(_) => Family::V6,
        };
        match self {
            Message::Lease(lease) | Message::Ask(lease) => of(&lease.resource),
            Message::Ack { resource, .. } | Message::No { resource, .. } => of(resource),
            Message::End(family) | Message::Met(family) => *family,
        }
    }

    /// Appends its bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Message::Lease(lease) | Message::Ask(lease) => {
                let is_told = matches!(self, Message::Lease(_));
                out.push(if is_told { LEASE } else { ASK });
                out.extend(record::key(lease.realm(), lease.resource));
                record::encode(lease, out);
            }
            Message::Ack {
                realm,
                resource,
                stamp,
                ended,
                has,
            } => {
                out.push(ACK);
                out.extend(record::key(*realm, *resource));
                out.extend(stamp.to_bits().to_be_bytes());
                let flag = |is_set: bool, flag| if is_set { flag } else { 0 };
                out.push(flag(*has, HAS) | flag(*ended, ENDED));
            }
            Message::No { realm, resource } => {
                out.push(NO);
                out.extend(record::key(*realm, *resource));
            }
            Message::End(family) | Message::Met(family) => {
                let is_end = matches!(self, Message::End(_));
                let family = match family {
                    Family::V4 => 4,
                    Family::V6 => 6,
                };
                out.extend([if is_end { END } else { MET }, family]);
            }
        }
    }

    /// The message that the bytes are.
    ///
    /// # Errors
    /// When they are none, or the lease in them is none that a server could have.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let (kind, rest) = bytes.split_first().ok_or(MessageError::Kind(None))?;
        match *kind {
            LEASE | ASK => {
                let (key, record) = rest
                    .split_first_chunk::<{ size_of::<Key>() }>()
                    .ok_or(MessageError::Length)?;
                let lease = Box::new(lease(key, record)?);
                Ok(match *kind {
                    LEASE => Message::Lease(lease),
                    _ => Message::Ask(lease),
                })
            }
            ACK => {
                let rest: &[u8; 35] = rest.try_into().map_err(|_| MessageError::Length)?;
                let [key @ .., _, _, _, _, _, _, _, _, _] = rest;
                let [.., a, b, c, d, e, f, g, h, flags] = *rest;
                let (realm, resource) = named(key)?;
                if flags & !(HAS | ENDED) != 0 {
                    return Err(value("flags", flags));
                }
                Ok(Message::Ack {
                    realm,
                    resource,
                    stamp: Stamp::from_bits(u64::from_be_bytes([a, b, c, d, e, f, g, h])),
                    ended: flags & ENDED != 0,
                    has: flags & HAS != 0,
                })
            }
            NO => {
                let (realm, resource) = named(rest.try_into().map_err(|_| MessageError::Length)?)?;
                Ok(Message::No { realm, resource })
            }
            END | MET => {
                let family = match rest {
                    [4] => Family::V4,
                    [6] => Family::V6,
                    [other] => return Err(value("the family", *other)),
                    _ => return Err(MessageError::Length),
                };
                Ok(match *kind {
                    END => Message::End(family),
                    _ => Message::Met(family),
                })
            }
            other => Err(MessageError::Kind(Some(other))),
        }
    }
}

fn value(field: &'static str, value: u8) -> MessageError {
    MessageError::Value { field, value }
}

fn named(key: &Key) -> Result<(RealmId, Resource), MessageError> {
    record::named(key).map_err(MessageError::Lease)
}

fn lease(key: &Key, bytes: &[u8]) -> Result<Lease, MessageError> {
    let (realm, resource) = named(key)?;
    let lease = record::decode(realm, resource, bytes).map_err(MessageError::Lease)?;
    let fits = matches!(
        (lease.resource, lease.holder.kind),
        (Resource::V4(_), Kind::V4)
            | (Resource::V6(_), Kind::Na | Kind::Ta)
            | (Resource::Prefix(_), Kind::Pd)
    );
    if !fits {
        return Err(value("the kind of IA", lease.holder.kind as u8));
    }
    match lease.state {
        // Nobody tells of an offer.
        super::State::Offered => Err(value("the state", lease.state as u8)),
        _ => Ok(lease),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::State;
    use crate::testing::any_lease;
    use proptest::prelude::*;

    fn there_and_back(message: &Message) -> Result<Message, MessageError> {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        Message::decode(&bytes)
    }

    fn fitting(mut lease: Lease) -> Lease {
        lease.holder.kind = match lease.resource {
            Resource::V4(_) => Kind::V4,
            Resource::V6(_) => Kind::Na,
            Resource::Prefix(_) => Kind::Pd,
        };
        lease
    }

    #[test]
    fn what_no_server_has_is_refused() {
        let lease = fitting(crate::testing::lease("2001:db8::1", 1, 2000));
        let told = |lease: Lease| there_and_back(&Message::Lease(Box::new(lease)));
        assert!(told(lease.clone()).is_ok());
        let offered = Lease {
            state: State::Offered,
            ..lease.clone()
        };
        assert_eq!(told(offered), Err(value("the state", 3)));
        let mut of_4 = lease;
        of_4.holder.kind = Kind::V4;
        assert_eq!(told(of_4), Err(value("the kind of IA", 3)));
        for (bytes, error) in [
            (&[][..], MessageError::Kind(None)),
            (&[7], MessageError::Kind(Some(7))),
            (&[END], MessageError::Length),
            (&[MET, 5], value("the family", 5)),
            (&[NO, 1, 2], MessageError::Length),
        ] {
            assert_eq!(Message::decode(bytes), Err(error), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn messages_are_what_was_told(lease in any_lease(), has: bool) {
            let lease = fitting(lease);
            let (realm, resource) = (lease.realm(), lease.resource);
            let ack = Message::ack(&lease, has);
            let lease = Box::new(lease);
            for message in [
                ack,
                Message::Lease(lease.clone()),
                Message::Ask(lease),
                Message::No { realm, resource },
                Message::End(Family::V4),
                Message::Met(Family::V6),
            ] {
                prop_assert_eq!(there_and_back(&message), Ok(message.clone()));
                let mut bytes = Vec::new();
                message.encode(&mut bytes);
                for len in 0..bytes.len() {
                    prop_assert!(Message::decode(&bytes[..len]).is_err());
                }
            }
        }

        #[test]
        fn any_bytes_are_survived(kind in 0u8..8, bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let bytes = [vec![kind], bytes].concat();
            if let Ok(message) = Message::decode(&bytes) {
                let mut again = Vec::new();
                message.encode(&mut again);
                prop_assert_eq!(Message::decode(&again), Ok(message));
            }
        }
    }
}
