//! What is counted of each tunnel.

use crate::counters::counters;

counters! {
    /// Counters of one tunnel.
    pub struct Counters {
        /// Times that the path MTU was lowered.
        lowered,
        /// Messages that said no less than was known, or less than the least.
        ignored,
        /// Times that it was forgotten because it was old.
        aged,
    }
}
