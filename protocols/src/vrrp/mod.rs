//! VRRP: which of several routers does the work of a virtual router, and when does another take over?
//!
//! ```text
//!                     link up, own address known
//!   INITIALIZE ──────────────────────────────────► BACKUP   (priority 255: ACTIVE)
//!       ▲  ▲                                        │   ▲
//!       │  └──── link down, address gone, held ─────┤   │ an advertisement of a higher priority, or of the
//!       │                                           │   │ same from a higher address; we have slept
//!       │         no advertisement for              ▼   │
//!       │         Active_Down_Interval ──────────► ACTIVE
//!       └──────── stop: priority 0 ─────────────────┘    adverts every interval, from the virtual MAC
//! ```
//!
//! # Rules followed
//!
//! - RFC 9568 (version 3, IPv6 and IPv4): state machine of section 6.4, checks of section 7.1, MAC addresses of section 7.3.
//! - RFC 3768 (version 2, IPv4) for peers that speak nothing else. No authentication: RFC 3768 removed it.
//! - IPv4 checksums: RFC 9568 has no pseudo-header, widespread routers have one. Both are believed; what is sent follows
//!   [`Checksum`].
//! - The times of version 3 are centiseconds: 10 ms at least.
//!
//! Beyond the RFC: preemption after a delay; advertisements by unicast to configured peers; a priority that is
//! lowered while something that is watched is down. A router that has slept longer than its peers wait
//! ([`Counters::slept`]) does not go on as if nothing had happened: the active one steps back, the backup listens for an
//! interval before it takes over.
//!
//! # Invariants
//!
//! - Only an active virtual router sends anything: the backup is silent.
//! - Frames of the virtual router bear its MAC as source, so that switches learn where it is; or our own where the device
//!   cannot have a second one ([`Config::mac`]).
//! - What comes with another hop limit than 255 has come through a router and is not believed.
//!
//! # What the task must do
//!
//! - Feed packets of protocol 112 before timers: news that waits is older than the timer that it would have moved.
//! - Carry out `Become` before it takes the next event: what is forwarded, answered and advertised hangs on it.

mod config;
mod counters;
pub mod fuzzing;
mod group;
pub mod packet;
pub mod sm;

pub use config::{
    Checksum, Config, Family, GroupId, MAX_INTERVAL, MIN_INTERVAL, Version, virtual_mac,
};
pub use counters::Counters;
pub use group::{Snapshot, State};
pub use sm::{Action, Event, Machine, Why};
