//! Who connects, what is sent when, and what is outstanding: a pure machine, like those of `protocols`.
//!
//! ```text
//!   owner of a kind: push, told        Machine            owner of a kind: applied, refused
//!        │                                │                    ▲ Deliver: Begin, records, End
//!        ▼                                │                    │
//!   queue of the kind ──window, rate──► Send ═══ peer ═══► Frame
//!        ▲                                │
//!        └── outstanding until acknowledged
//! ```
//!
//! Both dial until there is a session. If there are two connections, the one that the node with the greater name has dialled is
//! kept; of two that the same one has dialled, the later.
//!
//! # Streams
//! Each kind is a stream of its own, so that a kind whose records take long to apply (leases go to disk) holds up no other. When a session
//! begins, all of each kind is told (*bulk*): Begin, every record, End. What was not told between the two is no more. What
//! changes meanwhile, and later, is told in the same stream, so the last record of a thing holds.
//!
//! Items of a stream are numbered from 1 in each session. The receiver acknowledges up to what is applied; as many bytes may be
//! outstanding as the window has. Beyond, they wait in a queue. A queue that is full is emptied, and what follows is not
//! kept, until all that is outstanding is acknowledged: then the kind is told again from the start. So a peer that is slow, or does
//! not read at all, costs a queue and a window of each kind, whatever happens here.
//!
//! # What its task must do
//! Carry out actions in order; call [`Machine::on_event`] with [`Event::Timer`] at [`Machine::next_deadline`] and after it has pushed something;
//! answer [`Action::Tell`] by pushing all of the kind, as [`Machine::room`] allows, and [`Machine::told`]; call [`Machine::applied`] for each
//! [`Action::Deliver`], in order.

mod config;
mod counters;
mod dialing;
mod sm;
mod status;
mod stream;

#[cfg(test)]
mod tests;

pub use config::Config;
pub use counters::{Counters, KindCounters, SessionCounters};
pub use sm::{Action, ConnId, Delivered, Delivery, Event, Machine, Notice, Why};
pub use status::{KindStatus, PeerStatus, Phase, Status};
pub use stream::Pushed;
