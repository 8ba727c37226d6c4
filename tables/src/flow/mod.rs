//! Which packets belong together, and what has been decided about them?
//!
//! The flows of tenants' machines: one entry for both directions, made when a rule has let the first packet pass, found by every
//! later one. Shared by all workers and without locks, so that it does not matter which worker meets which direction.
//!
//! ```text
//!   key ──hash──► two buckets of 8 slots, a cache line each: tags 8 × 16 · numbers 8 × 32
//!                   └──► entry: line 1  key 40 · generation, rule 8 · word 8 · last seen 4 · created 4
//!                               line 2  what TCP or SCTP is compared with 32 · packets and bytes of each direction 32
//!
//!   worker: free ──insert──► linked, on the wheel ──expire, evict──► unlinked ──grace period──► free
//!            (its own part of the entries)      └─ loose list of its anchor while unanswered, or over
//! ```
//!
//! A key is written as its anchor sees it: *local* is the machine behind the anchor, *remote* the other end. A packet from the
//! machine (egress) and one to it (ingress) give the same key, so one entry serves both and nothing is sorted. A packet from one
//! anchor to another meets a flow at each.
//!
//! A lookup costs a line of a bucket and the entry, and [`Flows::probe`], [`Flows::fetch`] ask for them a burst ahead. The *word* of an entry says
//! its state and whether it lives at all; it is changed by compare-and-exchange, and only when the state does. Everything else on
//! the established path are relaxed loads and stores.
//!
//! Each worker has a part of the entries. It alone fills them, links them, ages them ([`FlowWorker::expire`]) and takes them
//! back; touching a flow stores the second and nothing else, and the wheel looks at it when it would be due.
//!
//! # Fairness
//! An anchor has a quota of flows. Flows that nobody has answered, and those that are over, are *loose*. At its quota an anchor's own
//! oldest loose flow makes room, else the new flow is refused. When a worker's part is full, the anchor with (about) the most loose
//! flows gives its oldest; any other flow is never taken from anybody. So a flood of tuples costs its sender its own half-open flows.
//!
//! # Invariants
//! 1. An entry is filled only while no slot names it and no worker can hold a reference to it: before its first use, or after a
//!    grace period of the [`Qsbr`] that began when its slot was cleared. So its key never changes under a worker.
//! 2. A slot is set by compare-and-exchange from free, by the worker whose entry it names, and cleared by that worker only. A tag
//!    may stand beside another slot's number for a moment: what counts is the key in the entry.
//! 3. The life in an entry's word is 0 if it is dead. Who takes it to 0, by an exchange, gives the anchor's count back.
//! 4. Of what TCP remembers, each field is written by the packets of one direction (but for the handshake).
//!
//! # Races that are harmless
//! - Two workers insert the same key at once: whoever sees the other's flow in an earlier slot gives its own up; if it does not see
//!   it, both stay, lookups find the one in the earlier slot, and the other ages.
//! - A packet passes by a flow that is being expired, evicted or removed: it was the last one.
//! - Counters and the second last seen are stored, not added: two workers in one direction at a time may lose a count. Windows only
//!   grow; a lost growth is made good by the next segment.
//! - A stamp of an older generation stored over a newer one makes the next packet ask the rules again.
//!
//! LIMIT: a worker takes new flows from its own part; one that gets all new flows can use `flows / workers`. Other addresses of
//! an SCTP association are flows that begin with no INIT, and are refused. A flow of another worker's part that was removed
//! by generation takes its entry until the wheel comes by ([`CHECK`] seconds); its count is given back at once.
//!
//! [`Qsbr`]: crate::publish::Qsbr
//! [`CHECK`]: wheel::CHECK

mod changes;
mod entry;
mod key;
mod lists;
mod loose;
mod memory;
mod peer;
mod sctp;
mod segment;
mod snapshot;
mod state;
mod store;
mod table;
mod tcp;
mod timeouts;
mod wheel;
mod worker;

#[cfg(test)]
mod tests;

pub use entry::{FOREIGN, Flow, Verdict};
pub use key::{Direction, FlowHash, FlowKey, Probe};
pub use peer::{Change, FlowPeer, Pairing, Record};
pub use segment::{Sctp, Segment, Tcp, Upper, window_scale};
pub use snapshot::{FlowInfo, Traffic};
pub use state::{Progress, State};
pub use table::{FlowTable, Flows, Usage};
pub use timeouts::Timeouts;
pub use worker::{FlowWorker, New, Refused};
