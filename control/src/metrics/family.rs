//! The list of metric families.

use api::{DeviceState, InterfaceState, RaCounters};

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
pub const FAMILIES: &[Family] = &[
    gauge(
        "hextet_build_info",
        "Always 1; the labels tell what runs.",
        &["version", "dpdk"],
        |s, out| {
            out.add([&s.status.version, &s.status.dpdk_version], 1.0);
        },
    ),
    gauge(
        "hextet_uptime_seconds",
        "Time since the start.",
        &[],
        |s, out| {
            out.add([], number(s.status.uptime_ms) / 1000.0);
        },
    ),
    gauge(
        "hextet_ready",
        "1 when the configuration is applied and every worker polls, else 0.",
        &[],
        |s, out| out.add([], truth(s.status.ready)),
    ),
    gauge(
        "hextet_warnings",
        "Things that work less well than they could; `hextetctl show status` names them.",
        &[],
        |s, out| out.add([], s.status.warnings.len() as f64),
    ),
    counter(
        "hextet_config_reloads_total",
        "Reloads of the configuration file; a refused one changed nothing.",
        &["result"],
        |s, out| {
            out.add([&"applied"], number(s.counters.reloads.applied));
            out.add([&"refused"], number(s.counters.reloads.refused));
        },
    ),
    // Devices
    gauge(
        "hextet_device_info",
        "Always 1; the labels tell what the device is.",
        &["device", "kind", "driver"],
        |s, out| {
            s.devices
                .iter()
                .for_each(|d| out.add([&d.name, &d.kind, &d.driver], 1.0))
        },
    ),
    gauge(
        "hextet_device_up",
        "1 when the device runs and its link is up.",
        &["device"],
        |s, out| {
            for d in &s.devices {
                out.add(
                    [&d.name],
                    truth(d.state == DeviceState::Running && d.link.up),
                );
            }
        },
    ),
    gauge(
        "hextet_device_multicast_fallback",
        "1 when the device refused to filter multicast and receives all of it.",
        &["device"],
        |s, out| {
            s.devices
                .iter()
                .for_each(|d| out.add([&d.name], truth(d.multicast.refused.is_some())));
        },
    ),
    counter(
        "hextet_device_receive_packets_total",
        "Frames received.",
        &["device"],
        |s, out| {
            out.devices(s, |c| c.rx_packets);
        },
    ),
    counter(
        "hextet_device_receive_bytes_total",
        "Bytes of frames received.",
        &["device"],
        |s, out| {
            out.devices(s, |c| c.rx_bytes);
        },
    ),
    counter(
        "hextet_device_receive_errors_total",
        "Frames received broken.",
        &["device"],
        |s, out| {
            out.devices(s, |c| c.rx_errors);
        },
    ),
    counter(
        "hextet_device_receive_missed_total",
        "Frames the device dropped because no worker took them in time.",
        &["device"],
        |s, out| out.devices(s, |c| c.rx_missed),
    ),
    counter(
        "hextet_device_receive_no_mbuf_total",
        "Frames dropped because no packet buffer was free.",
        &["device"],
        |s, out| out.devices(s, |c| c.rx_no_mbuf),
    ),
    counter(
        "hextet_device_transmit_packets_total",
        "Frames sent.",
        &["device"],
        |s, out| {
            out.devices(s, |c| c.tx_packets);
        },
    ),
    counter(
        "hextet_device_transmit_bytes_total",
        "Bytes of frames sent.",
        &["device"],
        |s, out| {
            out.devices(s, |c| c.tx_bytes);
        },
    ),
    counter(
        "hextet_device_transmit_errors_total",
        "Frames the device failed to send.",
        &["device"],
        |s, out| out.devices(s, |c| c.tx_errors),
    ),
    // Interfaces
    gauge(
        "hextet_interface_up",
        "1 when the interface carries packets.",
        &["interface", "router"],
        |s, out| {
            for i in &s.interfaces {
                out.add([&i.name, &i.router], truth(i.state == InterfaceState::Up));
            }
        },
    ),
    gauge(
        "hextet_interface_addresses",
        "Own addresses by state; `duplicate` means that somebody else has it.",
        &["interface", "router", "state"],
        |s, out| {
            for i in &s.interfaces {
                for state in api::AddressState::ALL {
                    let count = i.addresses.iter().filter(|a| a.state == *state).count();
                    out.add([&i.name, &i.router, state], count as f64);
                }
            }
        },
    ),
    counter(
        "hextet_interface_receive_packets_total",
        "Packets received.",
        &["interface", "router", "family"],
        |s, out| out.interfaces(s, |c| c.rx_packets),
    ),
    counter(
        "hextet_interface_receive_bytes_total",
        "Bytes of packets received, without the layer-2 header.",
        &["interface", "router", "family"],
        |s, out| out.interfaces(s, |c| c.rx_bytes),
    ),
    counter(
        "hextet_interface_transmit_packets_total",
        "Packets sent.",
        &["interface", "router", "family"],
        |s, out| out.interfaces(s, |c| c.tx_packets),
    ),
    counter(
        "hextet_interface_transmit_bytes_total",
        "Bytes of packets sent, without the layer-2 header.",
        &["interface", "router", "family"],
        |s, out| out.interfaces(s, |c| c.tx_bytes),
    ),
    // Where packets went
    counter(
        "hextet_dropped_packets_total",
        "Packets dropped, by reason (docs/drops.md).",
        &["reason"],
        |s, out| {
            s.drops
                .iter()
                .for_each(|d| out.add([&d.reason], number(d.total)))
        },
    ),
    counter(
        "hextet_device_dropped_packets_total",
        "Packets dropped, by the device they came from and reason; only pairs that occurred.",
        &["device", "reason"],
        |s, out| {
            for drop in &s.drops {
                for at in &drop.devices {
                    out.add([&at.device, &drop.reason], number(at.packets));
                }
            }
        },
    ),
    counter(
        "hextet_punted_packets_total",
        "Packets given to the control plane, by class.",
        &["class"],
        |s, out| {
            s.counters
                .punted
                .iter()
                .for_each(|(class, count)| out.add([class], number(*count)))
        },
    ),
    counter(
        "hextet_punts_refused_total",
        "Packets dropped on their way to the control plane: over the rate of their class, or its ring was full.",
        &["class"],
        |s, out| {
            let refused = s.counters.punts_refused.iter();
            refused.for_each(|(class, count)| out.add([class], number(*count)));
        },
    ),
    // Workers
    gauge(
        "hextet_worker_busy_ratio",
        "Share of the last second in which the worker handled packets, 0 to 1.",
        &["worker"],
        |s, out| out.workers(s, |w| w.load),
    ),
    counter(
        "hextet_worker_packets_total",
        "Packets handled.",
        &["worker"],
        |s, out| {
            out.workers(s, |w| number(w.packets));
        },
    ),
    counter(
        "hextet_worker_busy_cycles_total",
        "CPU cycles spent on packets.",
        &["worker"],
        |s, out| {
            out.workers(s, |w| number(w.cycles_busy));
        },
    ),
    counter(
        "hextet_worker_polls_total",
        "Polls of the worker's queues.",
        &["worker"],
        |s, out| {
            out.workers(s, |w| number(w.polls));
        },
    ),
    counter(
        "hextet_worker_empty_polls_total",
        "Polls that found nothing.",
        &["worker"],
        |s, out| {
            out.workers(s, |w| number(w.polls_empty));
        },
    ),
    // The books: rx + injected + originated = tx + dropped + punted + consumed + held
    counter(
        "hextet_worker_received_packets_total",
        "Packets received from devices.",
        &["worker"],
        |s, out| {
            out.books(s, |b| number(b.rx));
        },
    ),
    counter(
        "hextet_worker_injected_packets_total",
        "Packets given by the control plane.",
        &["worker"],
        |s, out| out.books(s, |b| number(b.injected)),
    ),
    counter(
        "hextet_worker_originated_packets_total",
        "Packets made by the worker: ICMP errors, echo replies, further fragments.",
        &["worker"],
        |s, out| out.books(s, |b| number(b.originated)),
    ),
    counter(
        "hextet_worker_transmitted_packets_total",
        "Packets handed to devices.",
        &["worker"],
        |s, out| {
            out.books(s, |b| number(b.tx));
        },
    ),
    counter(
        "hextet_worker_dropped_packets_total",
        "Packets dropped, all reasons together.",
        &["worker"],
        |s, out| out.books(s, |b| number(b.dropped_total())),
    ),
    counter(
        "hextet_worker_punted_packets_total",
        "Packets given to the control plane, all classes together.",
        &["worker"],
        |s, out| out.books(s, |b| number(b.punted_total())),
    ),
    counter(
        "hextet_worker_consumed_packets_total",
        "Packets taken in by the worker itself: echo requests it answered.",
        &["worker"],
        |s, out| out.books(s, |b| number(b.consumed)),
    ),
    gauge(
        "hextet_worker_held_packets",
        "Packets that wait for a neighbour now.",
        &["worker"],
        |s, out| {
            out.books(s, |b| number(b.held));
        },
    ),
    gauge(
        "hextet_worker_accounting_imbalance_packets",
        "Packets that came in less those accounted for; anything but 0 is a bug.",
        &["worker"],
        |s, out| out.books(s, |b| b.imbalance as f64),
    ),
    // Control plane
    gauge(
        "hextet_neighbors",
        "Neighbours by interface and state (RFC 4861).",
        &["interface", "state"],
        |s, out| {
            for n in &s.counters.neighbors {
                out.add([&n.interface, &n.state], number(n.count));
            }
        },
    ),
    gauge(
        "hextet_routes",
        "Installed routes.",
        &["router", "family"],
        |s, out| {
            for r in &s.counters.routes {
                out.add([&r.router, &"ipv6"], number(r.ipv6));
                out.add([&r.router, &"ipv4"], number(r.ipv4));
            }
        },
    ),
    counter(
        "hextet_ra_sent_total",
        "Router advertisements sent: by the timer (unsolicited) or because a host asked (solicited).",
        &["interface", "trigger"],
        |s, out| {
            for ra in &s.ra {
                let RaCounters {
                    ra_sent_unsolicited,
                    ra_sent_solicited,
                    ..
                } = ra.counters;
                out.add([&ra.interface, &"unsolicited"], number(ra_sent_unsolicited));
                out.add([&ra.interface, &"solicited"], number(ra_sent_solicited));
            }
        },
    ),
    counter(
        "hextet_ra_received_total",
        "Other routers' advertisements received.",
        &["interface"],
        |s, out| {
            out.ra(s, |c| c.ra_received);
        },
    ),
    counter(
        "hextet_ra_invalid_total",
        "Other routers' advertisements that failed validation (RFC 4861, section 6.1.2).",
        &["interface"],
        |s, out| out.ra(s, |c| c.ra_invalid),
    ),
    counter(
        "hextet_ra_inconsistent_total",
        "Other routers' advertisements that contradict ours (RFC 4861, section 6.2.7).",
        &["interface"],
        |s, out| out.ra(s, |c| c.ra_inconsistent),
    ),
    counter(
        "hextet_rs_received_total",
        "Router solicitations received.",
        &["interface"],
        |s, out| {
            out.ra(s, |c| c.rs_received);
        },
    ),
    counter(
        "hextet_rs_invalid_total",
        "Router solicitations that failed validation (RFC 4861, section 6.1.1).",
        &["interface"],
        |s, out| out.ra(s, |c| c.rs_invalid),
    ),
    gauge(
        "hextet_mbufs_available",
        "Packet buffers that are free.",
        &["pool"],
        |s, out| {
            s.counters
                .mempools
                .iter()
                .for_each(|p| out.add([&p.name], number(p.available)));
        },
    ),
    gauge(
        "hextet_mbufs_in_use",
        "Packet buffers that hold a packet, or wait in a receive queue for one.",
        &["pool"],
        |s, out| {
            s.counters
                .mempools
                .iter()
                .for_each(|p| out.add([&p.name], number(p.in_use)))
        },
    ),
];

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
