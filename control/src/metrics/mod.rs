//! Metrics and health: *how does a monitoring system see the appliance?*
//!
//! ```text
//! Prometheus ── HTTP ──► server ──► Snapshot::take(Appliance) ──► families ──► text format
//! ```
//!
//! Nothing is counted here: a scrape asks the [`Appliance`](crate::api::Appliance) and writes down the answers.
//! [`families`] is the one list of what is exposed: name, type, help, labels and where the numbers come from;
//! docs/metrics.md is generated from it.
//!
//! Invariant: a label's values are names of the configuration or words of closed lists, never anything that a packet
//! carries; the number of time series does not grow with traffic.

mod exposition;
mod family;
mod server;
mod snapshot;
#[cfg(test)]
mod tests;

pub use exposition::exposition;
pub use family::{Family, Kind, families};
pub use server::{BindError, bind, serve};
pub use snapshot::Snapshot;
