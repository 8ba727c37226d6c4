//! Which rule lets this packet pass?
//!
//! The security-group rules of one port and direction, compiled: all of them allow, and of those that match the first of the list is told.
//!
//! ```text
//!   query ──► root: rules from anywhere ──────────────┐
//!    │                                                ▼
//!    ├──► prefixes: the longest of those that rules   node ──► protocol ──► ports: intervals ──► first rule
//!    │    name, then the shorter ones around it ────► (ports.rs: a rank in a bitmap where there are many)
//!    │    (prefixes.rs: binary search on lengths)      ▲
//!    └──► sets of the remote address ──────────────────┘
//!         (sets.rs: shared by all rule sets)
//! ```
//!
//! A lookup costs one hash probe for each doubling of the *number of prefix lengths* in use and one step for each prefix that
//! contains the address; it does not grow with the number of rules. Nothing in it allocates.
//!
//! Remote groups and address groups are *sets*: which addresses are in which set stands in [`AddressSets`], one for all ports, so
//! that a new member costs no rule set anything.
//!
//! Both are immutable: the control plane builds new ones and publishes them.
//!
//! LIMIT: prefixes nested in each other are visited one by one (at most as many as there are lengths), until no rule of a shorter
//! one can come before what was found.

mod ports;
mod prefixes;
mod rule;
mod rule_set;
mod sets;
#[cfg(test)]
mod tests;

pub use rule::{Protocol, Query, Remote, Rule, SetId};
pub use rule_set::RuleSet;
pub use sets::{AddressSets, Member};
