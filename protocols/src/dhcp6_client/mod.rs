//! DHCPv6, the client's side (requesting router): what does the upstream give to this router?
//!
//! ```text
//!   datagrams to port 546     configuration, links, orders        the clock     what was kept
//!            │                              │                        │              │
//!            ▼                              ▼                        ▼              ▼
//!   packet.rs, settings.rs              orders.rs                 work.rs     record.rs
//!            │                              │                        │              │
//!            ▼                              ▼                        ▼              ▼
//!   receive.rs, merge.rs, auth.rs ─► uplink.rs: one uplink, what it does and holds (held.rs)
//!                                           │
//!                                           ▼
//!                  send (writer.rs, retransmit.rs) · held · keep · notice
//! ```
//!
//! # Rules followed
//!
//! - RFC 8415 sections 6.3, 15, 16 and 18.2 whole, for IA_NA and several IA_PD in one exchange (RFC 7550): what is missing of what
//!   is asked for does not hold up the rest, and is asked for again with each Renew, at least every ten minutes.
//! - Section 18.2.9: of the servers that answer in the first interval, that which gives all comes first, then that of the
//!   greater preference. Section 14.1: 20 messages in 20 seconds at most. RFC 7083: SOL_MAX_RT and INF_MAX_RT.
//! - Section 18.2.11 and 20.4: Reconfigure with RKAP, when configured.
//! - RFC 6603 prefix exclude; RFC 8168 length hints; RFC 9096 in that nothing is cut that may live on: what a server does not
//!   name any more, or another server gave, is deprecated and stays until its end; only valid lifetime 0 takes it at once.
//! - RFC 9915, the revision: Server Unicast is not followed, IA_TA is never asked for.
//! - RFC 3646, 5908, 4075; any option by code.
//! - Differs from section 18.2.5: Rebind ends with the last preferred lifetime, not the last valid one. The rest of the valid
//!   lifetime is there to find another server (Solicit), while what is held lives on.
//! - Not done: relay agents' or security options, FQDN (RFC 4704), Leasequery, DHCPv4 over DHCPv6 (RFC 7341).
//!
//! # Invariants
//!
//! - Nothing that the configuration does not ask for is ever held, nor a prefix that is no unicast prefix of 16 to 64 bits.
//! - `Action::Held` is the whole of an uplink, told when it differs from what was told before, and only then.
//! - `Action::Keep` stands before the `Held` and `Send` that come of the same event.
//! - A message that is refused changes nothing but one counter.
//! - Maps are bounded by the configuration; what one association holds, by a constant.
//!
//! # The clock
//!
//! Ends of leases are wall-clock times, for they outlive the process. When the wall clock is set they move with it, and the servers
//! are asked whether they are still right. Exchanges are retransmitted by `now`.
//!
//! # What the task must do
//!
//! - Tell `Restore` first, then `Configure` and `LinkUp` in any order. `LinkUp` only when duplicate address detection of the
//!   link-local address is done.
//! - Feed datagrams to UDP port 546, checksum verified, that came for an own address.
//! - Commit what is to be kept of all waiting events at once, then tell `Stored` or `StoreFailed`, and carry out the other actions
//!   after that, whatever came of it: a router that cannot write is better than one without an upstream.
//! - Keep the DUID, and the IAIDs of `Config`, over restarts.

mod auth;
pub mod config;
pub mod counters;
pub mod error;
pub mod given;
pub mod held;
mod merge;
pub mod option;
mod orders;
pub mod packet;
mod receive;
mod record;
mod retransmit;
mod settings;
pub mod sm;
mod uplink;
mod work;
mod writer;

pub use config::{Config, PrefixHint};
pub use counters::Counters;
pub use error::{ConfigError, RecordError};
pub use held::{
    Binding, Duid, Held, HeldAddress, HeldPrefix, Kept, NtpServer, ReconfigureKey, Settings, State,
};
pub use option::{Invalid, LeftOut};
pub use sm::{Action, Datagram, Event, Machine, Notice, View};
pub use writer::Sent;
