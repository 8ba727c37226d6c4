//! Packets that wait for a neighbour's link-layer address.

use crate::drop::DropReason;
use crate::frame::Frame;
use crate::graph::Stage;
use crate::state::{Context, WorkerState};

/// The stage's own state.
#[derive(Debug, Default)]
pub struct State {}

/// Nothing can wait yet.
pub fn hold(_: &Context<'_>, frame: &mut Frame, _: &mut WorkerState) {
    for slot in frame.take(Stage::Hold) {
        frame.drop(slot, DropReason::HoldFull);
    }
}

/// The neighbour was resolved: its packets are routed again.
pub fn release(
    _: &Context<'_>,
    _: &mut WorkerState,
    _iface: tables::id::IfaceId,
    _address: [u8; 16],
) {
}

/// The neighbour does not answer: its packets are answered with address unreachable.
pub fn fail(_: &Context<'_>, _: &mut WorkerState, _iface: tables::id::IfaceId, _address: [u8; 16]) {
}

/// Gives up what has waited too long; called once per round of the worker's loop.
pub fn expire(_: &Context<'_>, _: &mut WorkerState) {}
