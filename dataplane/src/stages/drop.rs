//! The end of the road: counts the reason, frees the buffer.

use crate::frame::Frame;
use crate::graph::Stage;
use crate::state::{Context, WorkerState};

/// Drops the packets of its list.
pub fn drop(_: &Context<'_>, frame: &mut Frame, w: &mut WorkerState) {
    for slot in frame.take(Stage::Drop) {
        w.drop(frame.mbuf(slot), frame[slot].port, frame[slot].reason);
    }
}
