//! Source address validation: which address is whose, at which port of which link?
//!
//! ```text
//!   configuration      leases      what workers hear            timer, with when bindings were last used
//!        │                │        (new sources, probes,             │
//!        │                │         claims of strangers)             │
//!        └────────────────┴───────────────┴──────► sm.rs ◄───────────┘
//!                                                    │
//!        Bind, Unbind: what a port may send from     ├──► Probe, Ask: is the owner still there, has anybody else it?
//!        Hold, Release: whose it is on the link      └──► Defend: who looked whether it is free is told
//! ```
//!
//! A *stranger* is a machine of a link without a port (anchor): it is trusted, and what it has is nobody else's.
//!
//! # States of an address (RFC 6620 section 3.2.3)
//!
//! ```text
//!   NO_BIND ── probe, use ──► TENTATIVE ── 500 ms of silence ──► VALID ── 5 min unused ──► TESTING_LIFE ── silence ──► NO_BIND
//!      ▲                          │                               │  ▲                        │
//!      └── a stranger has it ─────┘          a stranger claims it │  └──────── in use ────────┘
//!                                            another port does    ▼
//!                                                    TESTING_STRANGER (TESTING_VP), TESTING_RIVAL (TESTING_VP')
//!                                             owner is there: VALID; silent for 500 ms: the other has it
//! ```
//!
//! # Rules followed
//!
//! - RFC 6620: who is first has the address, from its probe or its first packet on. As section 3.2.3 has it, what comes from a tentative
//!   address does not pass, but for what says nothing of whose it is (`dataplane::guard`); where a link has no strangers there is nobody whom to wait for, and the address is valid at once.
//! - An owner that was heard within [`Timing::alive`] is not asked before another's claim is refused: a probe would disturb its own
//!   duplicate detection. The claim was not let through by the worker; who probed is told by an answer of ours (RFC 4862 section 5.4.4,
//!   RFC 5227 section 2.1.1), so that it does not use the address in vain.
//! - RFC 7039, RFC 7513: configured addresses belong to their port; leases of this router to the port of their MAC, and they take an address
//!   from who only was first. A prefix that is delegated is a lease too.
//! - At most `max_addresses` of each family are learned at a port, temporary and stable ones alike; where there are as many, one that was
//!   not used for [`Timing::unused`] makes room.
//! - RFC 9686: a registration is a claim as any other, under the same limits and against the same owners; an address that its owner has
//!   registered is not asked for before the registration has ended. After a restart, stored registrations are the first claims.
//! - Not done: reading leases of other servers from their packets (RFC 7513 section 6.4), SEND (RFC 7219), keeping bindings over a restart
//!   (RFC 6620 section 3.4.2: they are learned again from use).
//!
//! # Invariants
//!
//! - An address has one holder on a link, and is bound at no other port than its holder's but where configuration shares it.
//! - No port has learned more than its limit; no link holds more strangers than its limit.
//! - What [`Machine`] believes is in the tables is what its actions, less the refused ones, have put there.
//!
//! # What the task must do
//!
//! - Count time in milliseconds of the workers' clock. Carry out actions in order; for a `Bind`, `Delegate` or `Hold` that the table refuses send
//!   `Refused` before any other event.
//! - Hand over what workers tell in the order of its time.
//! - Call [`Machine::on_timer`] when [`Machine::next_deadline`] is due.
//! - Begin with empty tables.

pub mod counters;
pub mod event;
pub mod sm;

pub use counters::Counters;
pub use event::{
    Action, Anchor, Configuration, Event, Link, Millis, Origin, Prefix, Snapshot, State, Timing,
    Used,
};
pub use sm::Machine;
