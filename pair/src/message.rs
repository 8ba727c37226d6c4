//! Messages of a session: a type, and a body that `postcard` writes.
//!
//! ```text
//!   type 1    body
//!   Records:  kind 1 · number of the first 8, big-endian · each: length 2, big-endian, and its bytes
//! ```

use serde::{Deserialize, Serialize};

use crate::noise::MAX_PLAIN;

/// The version of what is said. A later one that changes the meaning of a message is refused.
pub const VERSION: u16 = 1;
/// Bytes of a name of a node at most.
pub const MAX_NODE: usize = 64;
/// Bytes of a record at most.
pub const MAX_RECORD: usize = 4096;
/// Bytes of a batch from which it is sent as it is.
pub const BATCH: usize = 32 * 1024;
/// Bytes of [`Records`] before the first one.
const HEAD: usize = 10;

const _: () = assert!(HEAD + BATCH + 2 + MAX_RECORD <= MAX_PLAIN);

/// Who somebody is: the first message of each side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`].
    pub version: u16,
    /// The name of the node, another than the peer's.
    pub node: String,
    /// Drawn when the process has started: another one has none of what was told to the last.
    pub boot: u64,
    /// A hash of what both should have configured alike.
    pub config: u64,
}

/// Sent in regular intervals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Counts up.
    pub sequence: u64,
    /// When it was sent: microseconds of the sender's clock.
    pub sent: u64,
    /// `sent` of the peer's latest heartbeat, and how many microseconds ago that has come.
    pub heard: Option<(u64, u64)>,
}

/// Where in the stream of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The number of the kind.
    pub kind: u8,
    /// Records, and beginnings and ends of bulks, up to here.
    pub number: u64,
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bye {
    /// The router stops.
    Stops,
    /// The other connection is used.
    Twice,
    /// Both have the same name.
    SameNode,
    /// It speaks another version.
    Version,
    /// It said something that must not be said there.
    Confused,
    /// A reason of a later release.
    Other,
}

impl Bye {
    /// As it is shown.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Stops => "the peer stops",
            Self::Twice => "there is another connection",
            Self::SameNode => "both routers have the same name",
            Self::Version => "the routers speak different versions",
            Self::Confused => "the peer has said something that it must not",
            Self::Other => "for a reason that this release does not know",
        }
    }
}

/// Records of one kind, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Records<'a> {
    /// The number of the kind.
    pub kind: u8,
    /// The number of the first record in the stream of its kind.
    pub first: u64,
    /// The records, each with its length; whole.
    bytes: &'a [u8],
}

impl<'a> Records<'a> {
    /// Each record.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            let (record, behind) = split(rest)?;
            rest = behind;
            Some(record)
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is none; no message has none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// The first record of some, and what is behind it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Who somebody is.
    Hello(Hello),
    /// That somebody is there.
    Heartbeat(Heartbeat),
    /// Everything up to there is applied.
    Acknowledge(Mark),
    /// All of a kind follows.
    Begin(Mark),
    /// That was all: what was not told since the beginning is no more.
    End(Mark),
    /// Records.
    Records(Records<'a>),
    /// The session ends.
    Bye(Bye),
    /// All of the kind with this number is wanted again: more of it can be applied now.
    Again(u8),
}

const HELLO: u8 = 1;
const HEARTBEAT: u8 = 2;
const ACKNOWLEDGE: u8 = 3;
const BEGIN: u8 = 4;
const END: u8 = 5;
const RECORDS: u8 = 6;
const BYE: u8 = 7;
const AGAIN: u8 = 8;

/// Why bytes are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// There is nothing.
    #[error("a message has no type")]
    Empty,
    /// The body of a type that is known.
    #[error("a message of type {0} cannot be read")]
    Body(u8),
    /// A name that is too long, or none.
    #[error("a node's name has 1 to {MAX_NODE} bytes, this one {0}")]
    Node(usize),
}

impl<'a> Message<'a> {
    /// Reads a message; `None`: it is of a type that a later release has.
    ///
    /// # Errors
    /// See [`MessageError`].
    pub fn read(bytes: &'a [u8]) -> Result<Option<Self>, MessageError> {
        let (&kind, body) = bytes.split_first().ok_or(MessageError::Empty)?;
        let message = match kind {
            HELLO => {
                let hello: Hello = take(kind, body)?;
                if !(1..=MAX_NODE).contains(&hello.node.len()) {
                    return Err(MessageError::Node(hello.node.len()));
                }
                Self::Hello(hello)
            }
            HEARTBEAT => Self::Heartbeat(take(kind, body)?),
            ACKNOWLEDGE => Self::Acknowledge(take(kind, body)?),
            BEGIN => Self::Begin(take(kind, body)?),
            END => Self::End(take(kind, body)?),
            RECORDS => Self::Records(records(body).ok_or(MessageError::Body(kind))?),
            BYE => Self::Bye(take(kind, body).unwrap_or(Bye::Other)),
            AGAIN => Self::Again(take(kind, body)?),
            _ => return Ok(None),
        };
        Ok(Some(message))
    }

    /// Its bytes.
    pub fn write(&self) -> Vec<u8> {
        match self {
            Self::Hello(hello) => body(HELLO, hello),
            Self::Heartbeat(heartbeat) => body(HEARTBEAT, heartbeat),
            Self::Acknowledge(mark) => body(ACKNOWLEDGE, mark),
            Self::Begin(mark) => body(BEGIN, mark),
            Self::End(mark) => body(END, mark),
            Self::Records(records) => {
                let mut bytes = vec![RECORDS, records.kind];
                bytes.extend(records.first.to_be_bytes());
                bytes.extend(records.bytes);
                bytes
            }
            Self::Bye(bye) => body(BYE, bye),
            Self::Again(kind) => body(AGAIN, kind),
        }
    }
}

/// Reads a body; what is behind it is a later release's.
fn take<'a, T: Deserialize<'a>>(kind: u8, body: &'a [u8]) -> Result<T, MessageError> {
    let read = postcard::take_from_bytes(body);
    read.map(|(message, _)| message)
        .map_err(|_| MessageError::Body(kind))
}

fn body(kind: u8, of: &impl Serialize) -> Vec<u8> {
    match postcard::to_extend(of, vec![kind]) {
        Ok(bytes) => bytes,
        Err(error) => unreachable!("a message of known length can be written: {error}"),
    }
}

fn records(body: &[u8]) -> Option<Records<'_>> {
    let (&kind, rest) = body.split_first()?;
    let (first, bytes) = rest.split_first_chunk::<8>()?;
    // All of them are whole.
    let mut left = bytes;
    let mut n = 0_u64;
    while !left.is_empty() {
        (_, left) = split(left)?;
        n += 1;
    }
    let first = u64::from_be_bytes(*first);
    let fits = first.checked_add(n).is_some();
    (n != 0 && fits).then_some(Records { kind, first, bytes })
}

/// A message of records that is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    bytes: Vec<u8>,
    count: u64,
}

/// A record that is longer than [`MAX_RECORD`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record of more than {MAX_RECORD} bytes")]
pub struct TooLong;

impl Batch {
    /// A message of no record yet.
    pub fn new(kind: u8) -> Self {
        let mut bytes = vec![RECORDS, kind];
        bytes.extend([0; 8]);
        Self { bytes, count: 0 }
    }

    /// Puts a record at the end.
    ///
    /// # Errors
    /// It is too long; nothing has changed.
    pub fn push(&mut self, record: &impl Serialize) -> Result<(), TooLong> {
        let begin = self.bytes.len();
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.extend([0; 2]);
        let written = postcard::to_extend(record, bytes);
        let Ok(bytes) = written else {
            unreachable!("records have lengths that are known");
        };
        self.bytes = bytes;
        let len = self.bytes.len() - begin - 2;
        if len > MAX_RECORD {
            self.bytes.truncate(begin);
            return Err(TooLong);
        }
        self.bytes[begin..begin + 2].copy_from_slice(&(len as u16).to_be_bytes());
        self.count += 1;
        Ok(())
    }

    /// How many records there are.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Whether it should go as it is.
    pub const fn is_full(&self) -> bool {
        self.bytes.len() >= BATCH
    }

    /// Bytes of it.
    pub const fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The message, its first record being of this number.
    pub fn into_message(mut self, first: u64) -> Vec<u8> {
        self.bytes[2..HEAD].copy_from_slice(&first.to_be_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{self, Kind, Lease, Neighbor};

    #[test]
    fn messages_are_read_as_they_were_written() {
        let mark = Mark {
            kind: 3,
            number: 1 << 40,
        };
        let hello = Hello {
            version: VERSION,
            node: "north".into(),
            boot: u64::MAX,
            config: 7,
        };
        let heartbeat = Heartbeat {
            sequence: 9,
            sent: 1_000_000,
            heard: Some((5, 6)),
        };
        for message in [
            Message::Hello(hello),
            Message::Heartbeat(heartbeat),
            Message::Acknowledge(mark),
            Message::Begin(mark),
            Message::End(mark),
            Message::Bye(Bye::SameNode),
            Message::Again(3),
        ] {
            let mut bytes = message.write();
            assert_eq!(Message::read(&bytes), Ok(Some(message.clone())));
            bytes.push(0);
            assert_eq!(Message::read(&bytes), Ok(Some(message)));
        }
        assert_eq!(Message::read(&[200, 1]), Ok(None));
        assert_eq!(Message::read(&[]), Err(MessageError::Empty));
        assert_eq!(Message::read(&[HELLO, 1]), Err(MessageError::Body(HELLO)));
        assert_eq!(
            Message::read(&[BYE, 99]),
            Ok(Some(Message::Bye(Bye::Other)))
        );
    }

    #[test]
    fn a_batch_is_whole_or_no_message() {
        let neighbors: Vec<Neighbor> = (0..50)
            .map(|n| Neighbor {
                router: "north".into(),
                interface: "lan".into(),
                address: std::net::Ipv6Addr::from_bits(n).into(),
                mac: Some([2, 0, 0, 0, 0, n as u8]),
                is_router: n == 1,
            })
            .collect();
        let mut batch = Batch::new(Kind::Neighbor as u8);
        for neighbor in &neighbors {
            batch.push(neighbor).unwrap();
        }
        let long = Lease {
            message: vec![7; MAX_RECORD],
        };
        let size = batch.size();
        assert_eq!(batch.push(&long), Err(TooLong));
        assert_eq!((batch.size(), batch.count()), (size, 50));
        let bytes = batch.into_message(77);
        let Ok(Some(Message::Records(records))) = Message::read(&bytes) else {
            panic!("it is one of records");
        };
        assert_eq!((records.kind, records.first, records.len()), (2, 77, 50));
        let read: Vec<Neighbor> = records.iter().map(|r| record::read(r).unwrap()).collect();
        assert_eq!(read, neighbors);
        assert_eq!(Message::Records(records).write(), bytes);
        // Cut off anywhere, it has fewer records or is none.
        for len in 0..bytes.len() {
            match Message::read(&bytes[..len]) {
                Ok(Some(Message::Records(records))) => {
                    assert!((1..50).contains(&records.len()));
                }
                Ok(other) => panic!("{other:?}"),
                Err(MessageError::Empty | MessageError::Body(RECORDS)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        // Numbers do not go over their end.
        let mut batch = Batch::new(2);
        batch.push(&neighbors[0]).unwrap();
        assert!(Message::read(&batch.into_message(u64::MAX)).is_err());
    }
}
