//! What the room counts.

use crate::counters::counters;

counters! {
    /// Counters of one virtual router; `invalid` of an interface counts what belongs to none.
    pub struct Counters {
        /// Advertisements sent.
        sent,
        /// Valid advertisements received.
        received,
        /// Times it became active.
        became_active,
        /// Times it became backup after it was active.
        became_backup,
        /// Advertisements of priority 0 sent: it stopped.
        resigned,
        /// Advertisements of priority 0 received: another one stopped.
        resignations_received,
        /// Advertisements of a router of lower priority, answered by one of ours.
        asserted,
        /// Advertisements of a router of lower priority that is left alone: no preemption, or not yet.
        tolerated,
        /// Advertisements with other virtual addresses than ours.
        address_mismatches,
        /// Advertisements with another interval than ours (version 3: theirs is followed).
        interval_mismatches,
        /// Neighbour advertisements and ARP announcements of virtual addresses sent.
        announcements,
        /// Times that it was not run for longer than others wait.
        slept,
    }
}
