//! The list of metric families.

mod appliance;
mod bfd;
mod control;
mod network;
mod packets;
mod security;
mod sync;
mod vrrp;

use super::Snapshot;
use super::exposition::Samples;

/// Whether a value only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows while the process lives.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// Adds a family's samples, taken from a snapshot.
pub(super) type Fill = fn(&Snapshot, &mut Samples);

/// A metric family.
pub struct Family {
    /// Name; counters end in `_total`, and units are spelled out.
    pub name: &'static str,
    /// Type.
    pub kind: Kind,
    /// Help text.
    pub help: &'static str,
    /// Names of the labels.
    pub labels: &'static [&'static str],
    /// Adds the samples.
    pub(super) fill: Fill,
}

/// Prometheus knows only floating point: counts are exact up to 2^53.
pub(super) fn number(count: u64) -> f64 {
    count as f64
}

fn truth(is: bool) -> f64 {
    f64::from(u8::from(is))
}

/// Every family. A family without samples, such as one by device when there is no device, is left out of a scrape.
pub fn families() -> impl Iterator<Item = &'static Family> {
    [
        appliance::FAMILIES,
        network::FAMILIES,
        vrrp::FAMILIES,
        sync::FAMILIES,
        bfd::FAMILIES,
        security::FAMILIES,
        packets::FAMILIES,
        control::FAMILIES,
    ]
    .into_iter()
    .flatten()
}

const fn counter(
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    fill: Fill,
) -> Family {
    Family {
        name,
        kind: Kind::Counter,
        help,
        labels,
        fill,
    }
}

const fn gauge(
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    fill: Fill,
) -> Family {
    Family {
        name,
        kind: Kind::Gauge,
        help,
        labels,
        fill,
    }
}
