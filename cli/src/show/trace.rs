//! Traced packets.

use std::fmt::Write as _;

use api::TraceEvent;

use crate::paint::Paint;
use crate::units::clock;

/// A packet and its way, a line for each stage.
pub(crate) fn event(event: &TraceEvent, paint: Paint) -> String {
    let from = event
        .interface
        .as_ref()
        .or(event.device.as_ref())
        .map_or("router", String::as_str);
    let mut out = format!(
        "{} worker {} {from} {} bytes: {}\n",
        clock(event.time_ns),
        event.worker,
        event.length,
        paint.head(&event.summary)
    );
    let width = event
        .steps
        .iter()
        .map(|step| step.stage.chars().count())
        .max()
        .unwrap_or(0);
    let verdict = event
        .steps
        .iter()
        .map(|step| step.verdict.chars().count())
        .max()
        .unwrap_or(0);
    for step in &event.steps {
        let line = format!(
            "  {:<width$} -> {:<verdict$}  {}",
            step.stage, step.verdict, step.detail
        );
        let _ = writeln!(out, "{}", line.trim_end());
    }
    let outcome = if event.outcome.starts_with("drop") {
        paint.bad(&event.outcome)
    } else {
        event.outcome.clone()
    };
    let _ = writeln!(out, "  = {outcome}\n");
    out
}
