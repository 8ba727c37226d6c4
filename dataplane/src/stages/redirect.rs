//! Tells a host of a better first hop (RFC 4861 section 8.2, RFC 1812 section 5.2.7.2), and forwards its packet.

use crate::frame::Frame;
use crate::graph::Stage;
use crate::stages::route::after_redirect;
use crate::state::{Context, WorkerState};

/// Forwards the packets of its list.
pub fn redirect(cx: &Context<'_>, frame: &mut Frame, _: &mut WorkerState) {
    for slot in frame.take(Stage::Redirect) {
        let (mbuf, meta) = (frame.mbuf(slot), frame[slot]);
        let next_hop = cx.next_hops.get(meta.next_hop);
        frame.send(slot, after_redirect(&mbuf, &meta, next_hop));
    }
}
