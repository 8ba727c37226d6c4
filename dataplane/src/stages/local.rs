//! Packets for one of our own addresses or groups.

use crate::frame::Frame;
use crate::graph::Stage;
use crate::punt::PuntClass;
use crate::state::{Context, WorkerState};

/// Punts everything.
pub fn local(_: &Context<'_>, frame: &mut Frame, _: &mut WorkerState) {
    for slot in frame.take(Stage::Local) {
        frame.punt(slot, PuntClass::Local);
    }
}
