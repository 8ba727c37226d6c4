//! What the room counts, per session.

use crate::counters::counters;

counters! {
    /// Counters of one session, or of packets that belong to none.
    pub struct Counters {
        /// Control packets sent because their time had come, or because something had changed.
        sent,
        /// Control packets sent at once because the peer asked (Final).
        finals_sent,
        /// Valid control packets received.
        received,
        /// Valid packets that asked for an answer (Poll).
        polls_received,
        /// Poll sequences begun because our timers changed.
        polls_begun,
        /// Poll sequences ended by the peer's answer.
        polls_ended,
        /// Times that the session came up.
        ups,
        /// Times that the session left Up for any reason but our own will.
        failures,
        /// Valid packets of no consequence: the session is switched off here, or its link is down.
        ignored,
    }
}
