//! What the room counts, per port.

use crate::counters::counters;

counters! {
    /// Counters of one port.
    pub struct Counters {
        /// Addresses that began to be learned.
        learned,
        /// Addresses bound by leases.
        leased,
        /// Registrations of addresses that the port has, or began to learn by them.
        registered,
        /// Addresses that were tentative, and another machine had them.
        denied,
        /// Claims to addresses that somebody else has, refused.
        contested,
        /// Addresses that came from another port, whose machine was silent.
        moved,
        /// Addresses that went to another port or machine, because this one was silent.
        lost,
        /// Claims refused at the port's limit.
        limited,
        /// Unused addresses that made room for new ones.
        replaced,
        /// Addresses forgotten because they were not used, and nobody answered for them.
        aged,
        /// Claims by a MAC that somebody else on the link has.
        foreign_mac,
        /// Addresses that found no room in the table.
        full,
    }
}
