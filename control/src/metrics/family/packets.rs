//! Where packets went, worker by worker.

use super::{Family, counter, gauge, number};

/// Families of drops, punts and workers.
pub(super) const FAMILIES: &[Family] = &[
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
        "Packets dropped on their way to the control plane, by drop reason (docs/drops.md).",
        &["reason"],
        |s, out| {
            let refused = s.counters.punts_refused.iter();
            refused.for_each(|(reason, count)| out.add([reason], number(*count)));
        },
    ),
    counter(
        "hextet_control_lost_total",
        "What the control plane lost or left: packets for a room with a full inbox, packets of a class that no room \
         takes, packets and verdicts for a worker with a full ring, notes of stations heard, trace events for a slow reader.",
        &["reason"],
        |s, out| {
            let lost = s.counters.control_lost.iter();
            lost.for_each(|(reason, count)| out.add([reason], number(*count)));
        },
    ),
    counter(
        "hextet_icmp_errors_sent_total",
        "ICMP errors and redirects sent.",
        &[],
        |s, out| out.add([], number(s.counters.originated.icmp_errors)),
    ),
    counter(
        "hextet_icmp_errors_limited_total",
        "ICMP errors that were due and not sent because of a rate limit (RFC 4443, section 2.4).",
        &[],
        |s, out| out.add([], number(s.counters.originated.icmp_errors_limited)),
    ),
    counter(
        "hextet_echo_replies_total",
        "Echo requests answered.",
        &[],
        |s, out| out.add([], number(s.counters.originated.echo_replies)),
    ),
    counter(
        "hextet_fragmented_packets_total",
        "IPv4 packets sent in fragments.",
        &[],
        |s, out| out.add([], number(s.counters.originated.fragmented)),
    ),
    counter(
        "hextet_resolve_requests_total",
        "Requests of the workers to resolve a neighbour.",
        &[],
        |s, out| out.add([], number(s.counters.originated.resolve_requests)),
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
    // The books: rx + injected + originated + replicated + taken_over = tx + dropped + punted + consumed + held + handed_off
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
        "hextet_worker_replicated_packets_total",
        "Copies of frames that went to several places of a network.",
        &["worker"],
        |s, out| out.books(s, |b| number(b.replicated)),
    ),
    counter(
        "hextet_worker_taken_over_packets_total",
        "Packets taken over from other workers, to be sent.",
        &["worker"],
        |s, out| out.books(s, |b| number(b.taken_over)),
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
    counter(
        "hextet_worker_handed_off_packets_total",
        "Packets handed to the worker that owns the output queue.",
        &["worker"],
        |s, out| out.books(s, |b| number(b.handed_off)),
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
];
