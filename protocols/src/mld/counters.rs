//! What the room counts, per interface.

use crate::counters::counters;

counters! {
    /// Counters of one interface.
    pub struct Counters {
        /// Reports sent unasked: groups joined and left.
        changes_sent,
        /// Reports sent because a querier asked.
        answers_sent,
        /// Done messages sent (version 1).
        done_sent,
        /// Valid queries of version 2 received.
        queries_received,
        /// Valid queries of version 1 received.
        queries_v1_received,
        /// Answers not sent because another listener has answered (version 1).
        suppressed,
        /// Valid messages of other listeners, of which this room has no use.
        ignored,
    }
}
