//! Answers packets that go no further with an ICMP error.

use crate::frame::Frame;
use crate::graph::Stage;
use crate::state::{Context, WorkerState};

/// The stage's own state.
#[derive(Debug, Default)]
pub struct State {}

/// Drops the packets of its list, each under its reason.
pub fn icmp_error(_: &Context<'_>, frame: &mut Frame, _: &mut WorkerState) {
    for slot in frame.take(Stage::IcmpError) {
        frame.send(slot, Stage::Drop);
    }
}
