//! Neighbour discovery and ARP: which MAC has this address, does it still answer, and are our own addresses ours alone?
//!
//! ```text
//!   ND and ARP packets (punt)   glean (held packets)   in use (sampled)   own addresses, link, static
//!            └────────────────────────┴───────┬──────────────┴─────────────────────┘
//!                                             ▼
//!            per interface:   interface.rs    configuration, link, from which address we speak
//!                             receive.rs      what packets mean, and who answers
//!                             neighbor.rs     the state machine of RFC 4861 section 7.3, with its diagram
//!                             cache.rs        its bounds: who may enter, who leaves for whom
//!                             address.rs      own addresses: duplicate detection, announcements
//!                                             ▼
//!      send · install · withdraw · release · fail · address state · note (log)
//! ```
//!
//! # Rules followed
//!
//! - RFC 4861 section 7 for a router: resolution, unreachability detection, the table of 7.2.5, proxy and anycast
//!   answers. Not done: obeying redirects (routers do not), inverse discovery.
//! - RFC 4862 section 5.4 duplicate detection, with the nonce of RFC 7527. Not done: optimistic addresses (RFC 4429),
//!   and RFC 7527's repetition while a loop lasts: a looped solicitation is ignored and counted.
//! - RFC 7048: an unreachable neighbour is asked by multicast with growing pauses, within a bound.
//! - RFC 9131: entries from unsolicited advertisements. RFC 6583: bounds and rates of unresolved addresses.
//! - RFC 826, RFC 5227 (defence of section 2.4 (c)): ARP with the same states.
//!
//! # Invariants
//!
//! - `Install` and `Withdraw` alternate per neighbour, but for an `Install` that changes MAC or router flag; a neighbour is
//!   installed exactly while its state is usable.
//! - Every glean is answered by one `Release` or `Fail` in the end.
//! - Only on-link addresses are learnt from packets, so that no station draws foreign traffic to itself.
//! - At most `max_incomplete` unresolved strangers; they evict each other and never a resolved neighbour. At most
//!   `max_entries` resolved neighbours besides static ones; what is learnt unasked evicts nothing.
//!
//! # What the task must do
//!
//! - Feed punted ICMPv6 types 135 and 136 as `Packet`, ARP as `ArpPacket`, the dataplane's glean requests as `Glean`.
//! - Every second or so read the dataplane's per-neighbour packet counters and send `InUse` for those that grew: it is what
//!   moves a stale neighbour to DELAY.
//! - `Install`: publish the adjacency and the host route before the `Release` that follows it.
//! - `AddressState::Tentative`: join the solicited-node group and let its ND packets be punted; `Valid`: install the local
//!   route, and tell the ra room when it is the link-local one; `Duplicate`: take both back.
//! - Hand the ra room's `NeighborHint` over as `Hint`.

mod address;
mod cache;
pub mod config;
pub mod counters;
pub mod error;
mod interface;
mod neighbor;
mod packet;
mod receive;
pub mod sm;

pub use address::AddressState;
pub use config::Config;
pub use counters::Counters;
pub use error::ConfigError;
pub use neighbor::State;
pub use sm::{Action, AddressSnapshot, Event, Machine, NeighborSnapshot, Note};
