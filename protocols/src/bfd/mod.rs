//! Bidirectional Forwarding Detection: does the peer on this link still hear us, and do we hear it?
//!
//! ```text
//!   datagrams to port 3784 (punt)        configuration, link state, timer
//!            └───────────────────┬──────────────────┘
//!                                ▼
//!            packet.rs    octets, authentication
//!            sm.rs        which session
//!            session.rs   its state, its timers
//!                                ▼
//!   send · state (log) · path (routes, VRRP)
//!
//!              peer: AdminDown, or nothing for the detection time
//!          ┌─────────────────────────┬──────────────────────────┐
//!          ▼                         │                          │ peer: Down
//!        DOWN ── peer: Down ──────► INIT ── peer: Init, Up ──► UP
//!          └────────────────── peer: Init ──────────────────────▲
//! ```
//!
//! # Rules followed
//!
//! - RFC 5880 section 6, asynchronous mode: states, discriminators, slow start, poll sequences, detection, jitter; a peer in
//!   demand mode gets only what it asks for. Sections 4.4 and 6.7.4: Keyed and Meticulous Keyed SHA1, with one key a session.
//! - RFC 5881: single hop over IPv6 and IPv4, hop limit 255 both ways, one source port a session.
//! - RFC 5882 sections 3.2 and 4.2: a session that was never Up, or is switched off at either end, is no failure of the path
//!   ([`Path::Unknown`], [`Path::SwitchedOff`]).
//! - Stricter than RFC 5880 section 6.8.6: a packet that names our discriminator must come from the session's peer, to its
//!   address, on its interface.
//! - Looser than RFC 5881 section 4: the peer's source port is not looked at, for there are peers that begin below 49152.
//! - Not done: the echo function (we tell that we loop nothing back), demand mode of our own, simple passwords and MD5, several
//!   keys, multihop (RFC 5883), LAG members (RFC 7130), seamless BFD (RFC 7880). The C bit is 0: we end with our control plane.
//!
//! # Invariants
//!
//! - But for answers to polls and for changes of state, packets are not closer than the greater of what we and the peer want,
//!   less jitter.
//! - While a session is not Up it sends once a second at most, and says so.
//! - What breaks a rule changes nothing but one counter.
//!
//! # What the task must do
//!
//! - Verify UDP checksums before it feeds datagrams to port 3784.
//! - Feed the packets that wait *before* the timer: what came in time must not be found too late.
//! - Send at once, and ahead of other packets: a multiplier of 3 at 10 ms is 30 ms for both ends.
//! - On SIGTERM: `Shutdown`, and carry out the actions.

pub mod config;
pub mod counters;
pub mod error;
pub mod fuzzing;
pub mod packet;
pub mod sm;

mod session;

pub use config::{Auth, Config, Key, SessionId};
pub use counters::Counters;
pub use error::ConfigError;
pub use packet::{Diagnostic, Invalid, State};
pub use session::Remote;
pub use sm::{Action, Datagram, Event, HOP_LIMIT, Machine, PORT, Path, Snapshot};
