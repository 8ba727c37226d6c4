//! Cuts IPv4 packets to the MTU of their next hop.

use crate::drop::DropReason;
use crate::frame::Frame;
use crate::graph::Stage;
use crate::state::{Context, WorkerState};

/// No fragment can be made yet.
pub fn fragment(_: &Context<'_>, frame: &mut Frame, _: &mut WorkerState) {
    for slot in frame.take(Stage::Fragment) {
        frame.drop(slot, DropReason::FragmentFailed);
    }
}
