//! What the room counts, per interface.

use crate::counters::counters;

counters! {
    /// Counters of one interface.
    pub struct Counters {
        /// Queries of version 3 received.
        queries_received,
        /// Queries of versions 1 and 2 received.
        queries_older_received,
        /// Reports that told a change.
        changes_sent,
        /// Reports that answered a query.
        answers_sent,
        /// Answers not sent because another host had given them (version 2).
        suppressed,
        /// Messages that are none of ours.
        ignored,
    }
}
