//! Answers as text. Every function takes an answer and gives the text; none prints.

use std::fmt::{Display, Write as _};

use api::{ReloadResponse, Status};

use crate::paint::Paint;
use crate::units::span;

pub(crate) mod bfd;
pub(crate) mod counters;
pub(crate) mod delegation;
pub(crate) mod dhcp_client;
pub(crate) mod event;
pub(crate) mod lease;
pub(crate) mod link;
pub(crate) mod neighbor;
pub(crate) mod network;
pub(crate) mod ra;
pub(crate) mod relay;
pub(crate) mod route;
pub(crate) mod security;
pub(crate) mod sync;
pub(crate) mod trace;
pub(crate) mod vrrp;
pub(crate) mod worker;

/// Lines of `name: value`, their values aligned.
#[derive(Debug, Default)]
pub(crate) struct Facts(Vec<(&'static str, String)>);

impl Facts {
    /// Adds a line.
    pub(crate) fn add(&mut self, name: &'static str, value: impl Into<String>) -> &mut Self {
        self.0.push((name, value.into()));
        self
    }

    /// The lines, `indent` blanks before each.
    pub(crate) fn render(&self, indent: usize) -> String {
        let width = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let mut out = String::new();
        for (name, value) in &self.0 {
            let line = format!(
                "{:indent$}{:<width$}  {value}",
                "",
                format!("{name}:"),
                width = width + 1
            );
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

/// A list in a cell: `a, b`, or a dash.
pub(crate) fn join<T: ToString>(items: impl IntoIterator<Item = T>, between: &str) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() {
        "-".to_owned()
    } else {
        items.join(between)
    }
}

/// The first of a list in a cell, and how many there are besides.
pub(crate) fn few<T: Display>(items: &[T]) -> String {
    const SHOWN: usize = 4;
    match items.len().checked_sub(SHOWN) {
        Some(1..) => {
            let shown = join(&items[..SHOWN - 1], ", ");
            format!("{shown} and {} more", items.len() - (SHOWN - 1))
        }
        _ => join(items, ", "),
    }
}

/// `yes` or `no`.
pub(crate) fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

/// The appliance.
pub(crate) fn status(status: &Status, paint: Paint) -> String {
    let mut facts = Facts::default();
    facts
        .add(
            "version",
            format!("{} ({})", status.version, status.dpdk_version),
        )
        .add("pid", status.pid.to_string())
        .add("uptime", span(status.uptime_ms))
        .add("configuration", &status.config_file)
        .add(
            "ready",
            if status.ready {
                "yes".to_owned()
            } else {
                paint.bad("no")
            },
        );
    let mut out = facts.render(0);
    for reason in &status.not_ready {
        let _ = writeln!(out, "{} {reason}", paint.bad("not ready:"));
    }
    for warning in &status.warnings {
        let _ = writeln!(out, "{} {warning}", paint.odd("warning:"));
    }
    out
}

/// What a reload did.
pub(crate) fn reload(response: &ReloadResponse, dry_run: bool, paint: Paint) -> String {
    let mut out = String::new();
    for fault in &response.faults {
        let _ = writeln!(out, "{} {fault}", paint.bad("fault:"));
    }
    if !response.faults.is_empty() {
        return out;
    }
    for change in &response.changes {
        let _ = writeln!(out, "{change}");
    }
    let _ = match (response.changes.len(), dry_run) {
        (0, _) => writeln!(out, "nothing to change"),
        (_, true) => writeln!(out, "nothing was changed: this was a dry run"),
        (1, false) => writeln!(out, "1 change applied"),
        (count, false) => writeln!(out, "{count} changes applied"),
    };
    out
}
