//! What do two routers of a pair tell each other, so that either can do the other's work from one moment to the next?
//!
//! ```text
//!   workers, rooms                                             the peer's workers, rooms
//!        │ record                                                   ▲ record
//!        ▼                                                          │
//!   session: a stream of each kind ──► message ──► channel ═══════► session
//!     bulk, then what changes;          postcard    Noise, TCP        applied ──► acknowledged
//!     queues bounded, rate bounded
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `key.rs` | the secret that both routers have, read from a file |
//! | `noise.rs` | the handshake and sealed frames, without I/O |
//! | `channel.rs` | the same over any stream of bytes |
//! | `message.rs` | messages of the session, to bytes and back |
//! | `record.rs` | what is told, by kind |
//! | `session/` | who connects, what is sent when, what is outstanding: pure |
//!
//! # What goes over the wire
//! A frame is a length (2 bytes, big-endian) and as many bytes of a Noise transport message; what is sealed in it is one
//! [`Message`](message::Message): a type and its body. Whoever does not know a type skips it and counts it, and so it is with kinds of records, so
//! a later release may say more than an older one understands. [`VERSION`](message::VERSION) changes when it says something else.
//!
//! Things are named as the configuration names them: ids differ between the two. Numbers that stand for a thing within a stream are
//! those of whoever sends it, and defined in it.
//!
//! # Invariants
//! - No record is sent before both have shown that they have the key, and nothing is read that does not come from who has it.
//! - Nothing here grows with what a peer sends, nor with how slowly it reads: a queue that is full is emptied, and its kind told anew
//!   from the start ([`session`]).
//! - A record is acknowledged when whoever keeps it says that it is applied, and not before.
//!
//! LIMIT: forward secrecy holds for each connection, not within one; a connection that lasts is sealed with keys that change every
//! [`noise::REKEY_AFTER`] frames.

#![forbid(unsafe_code)]

pub mod channel;
pub mod fuzzing;
pub mod key;
pub mod message;
pub mod noise;
pub mod record;
pub mod session;
