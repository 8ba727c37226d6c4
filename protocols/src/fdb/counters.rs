//! What the room counts, per network.

use crate::counters::counters;

counters! {
    /// Counters of one network.
    pub struct Counters {
        /// Stations learned.
        learned,
        /// Stations that moved to another place.
        moved,
        /// Stations that moved too often and were held where they are.
        held,
        /// Moves not made because the station is held.
        damped,
        /// Notes of a configured station elsewhere, refused.
        contradicted,
        /// Notes of stations refused at the network's limit.
        limited,
        /// Stations for which the table had no room, each time one was tried.
        full,
        /// Notes of stations where nothing is learned.
        ignored,
        /// Stations forgotten because they were not heard for the ageing time.
        aged,
        /// Stations forgotten because somebody said so.
        flushed,
        /// Stations forgotten because their place has gone.
        vanished,
        /// Stations forgotten to make room for a configured one, or because the limit was lowered.
        evicted,
    }
}
