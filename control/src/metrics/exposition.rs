//! Samples, and Prometheus's text format.

use std::fmt::Display;

use api::{
    Accounting, BfdSession, DeviceCounters, FamilyCounters, Network, ProtocolCounters, RaCounters,
    VirtualRouter, VtepCounters, Worker,
};
use prometheus::TextEncoder;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use super::family::number;
use super::{Kind, Snapshot};

/// The samples of a family under construction.
pub(super) struct Samples {
    kind: Kind,
    labels: &'static [&'static str],
    metrics: Vec<Metric>,
}

impl Samples {
    /// Adds a sample; `values` stand in the order of the family's labels.
    pub(super) fn add<const N: usize>(&mut self, values: [&dyn Display; N], value: f64) {
        debug_assert_eq!(
            self.labels.len(),
            N,
            "as many values as labels: {:?}",
            self.labels
        );
        let pairs = self.labels.iter().zip(values).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value(value.to_string());
            pair
        });
        let mut metric = Metric::from_label(pairs.collect());
        match self.kind {
            Kind::Counter => {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            }
            Kind::Gauge => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
        }
        self.metrics.push(metric);
    }

    pub(super) fn devices(&mut self, s: &Snapshot, count: fn(&DeviceCounters) -> u64) {
        for device in &s.devices {
            self.add([&device.name], number(count(&device.counters)));
        }
    }

    pub(super) fn interfaces(&mut self, s: &Snapshot, count: fn(&FamilyCounters) -> u64) {
        for i in &s.interfaces {
            self.add(
                [&i.name, &i.router, &"ipv6"],
                number(count(&i.counters.ipv6)),
            );
            self.add(
                [&i.name, &i.router, &"ipv4"],
                number(count(&i.counters.ipv4)),
            );
        }
    }

    pub(super) fn ra(&mut self, s: &Snapshot, count: fn(&RaCounters) -> u64) {
        for ra in &s.ra {
            self.add([&ra.interface], number(count(&ra.counters)));
        }
    }

    pub(super) fn workers(&mut self, s: &Snapshot, value: fn(&Worker) -> f64) {
        for worker in &s.workers {
            self.add([&worker.id], value(worker));
        }
    }

    pub(super) fn events(&mut self, counters: &[ProtocolCounters]) {
        for on in counters {
            for (event, count) in &on.events {
                self.add([&on.interface, event], number(*count));
            }
        }
    }

    pub(super) fn invalid(&mut self, counters: &[ProtocolCounters]) {
        for on in counters {
            for (rule, count) in &on.invalid {
                self.add([&on.interface, rule], number(*count));
            }
        }
    }

    pub(super) fn networks(&mut self, s: &Snapshot, value: fn(&Network) -> f64) {
        for network in &s.networks {
            self.add([&network.name], value(network));
        }
    }

    pub(super) fn bfd(&mut self, s: &Snapshot, value: fn(&BfdSession) -> u64) {
        for b in &s.bfd {
            self.add([&b.interface, &b.peer], number(value(b)));
        }
    }

    pub(super) fn vrrp(&mut self, s: &Snapshot, value: fn(&VirtualRouter) -> u64) {
        for v in &s.vrrp {
            self.add([&v.interface, &v.ip_version, &v.vrid], number(value(v)));
        }
    }

    pub(super) fn vteps(&mut self, s: &Snapshot, value: fn(&VtepCounters) -> u64) {
        for vtep in &s.vteps {
            self.add([&vtep.name], number(value(&vtep.counters)));
        }
    }

    pub(super) fn books(&mut self, s: &Snapshot, value: fn(&Accounting) -> f64) {
        for books in &s.accounting {
            self.add([&books.worker], value(books));
        }
    }
}

/// The snapshot in Prometheus's text format.
pub fn exposition(snapshot: &Snapshot) -> Result<String, prometheus::Error> {
    let families = super::families().map(|family| {
        let mut samples = Samples {
            kind: family.kind,
            labels: family.labels,
            metrics: vec![],
        };
        (family.fill)(snapshot, &mut samples);
        let mut out = MetricFamily::default();
        out.set_name(family.name.to_owned());
        out.set_help(family.help.to_owned());
        out.set_field_type(match family.kind {
            Kind::Counter => MetricType::COUNTER,
            Kind::Gauge => MetricType::GAUGE,
        });
        out.set_metric(samples.metrics);
        out
    });
    let families: Vec<_> = families
        .filter(|family| !family.get_metric().is_empty())
        .collect();
    TextEncoder::new().encode_to_string(&families)
}
