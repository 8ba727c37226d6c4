use crate::capture::{CaptureFilter, MAX_SNAPLEN, Point};
use crate::drop::DropReason;
use crate::observe::{Filter, Prefix};
use crate::punt::PuntClass;
use crate::stages::testbed::*;
use crate::trace::{Outcome, Trace};

const HOST6: &str = "2001:db8:1::10";
const FAR6: &str = "2001:db8:2::9";

const EVERYTHING: CaptureFilter = CaptureFilter {
    filter: Filter {
        iface: None,
        src: None,
        dst: None,
        protocol: None,
    },
    rx: true,
    tx: true,
    drops: true,
    snaplen: MAX_SNAPLEN,
};

/// The stages of each traced packet and what ended it.
fn ways(bed: &mut Testbed) -> Vec<(Vec<String>, Outcome)> {
    let traces: Vec<Trace> = std::iter::from_fn(|| bed.watch.traces.pop()).collect();
    let way = |trace: Trace| {
        let steps = trace
            .steps
            .iter()
            .map(|step| format!("{}>{}", step.stage, step.verdict));
        (steps.collect(), trace.outcome)
    };
    traces.into_iter().map(way).collect()
}

#[track_caller]
fn check(bed: &mut Testbed, expected: &[(&str, Outcome)]) {
    let ways: Vec<_> = ways(bed)
        .into_iter()
        .map(|(steps, end)| (steps.join(" "), end))
        .collect();
    let ways: Vec<_> = ways
        .iter()
        .map(|(steps, end)| (steps.as_str(), *end))
        .collect();
    assert_eq!(ways, expected);
}

#[test]
fn each_stage_s_verdict_is_told() {
    let mut bed = Testbed::new();
    bed.configure(|forwarding| forwarding.watch(Some(Filter::default()), None));
    bed.hear_host(&udp(HOST6, FAR6, 64, 9));
    check(
        &mut bed,
        &[("parse>route route>rewrite rewrite>tx", Outcome::Tx(WAN))],
    );
    bed.hear_host(&udp(HOST6, FAR6, 1, 9));
    let dropped = Outcome::Drop(DropReason::Ip6HopLimit);
    check(
        &mut bed,
        &[
            ("parse>route route>icmp_error icmp_error>drop", dropped),
            // The error itself, which enters at the route stage.
            ("route>rewrite rewrite>tx", Outcome::Tx(LAN)),
        ],
    );
    bed.hear_host(&udp(HOST6, "2001:db8:1::99", 64, 9));
    check(&mut bed, &[("parse>route route>hold", Outcome::Held)]);
    bed.hear_host(&icmp6("fe80::10", "fe80::1", 255, 135, &[0; 20]));
    check(
        &mut bed,
        &[("parse>local local>punt", Outcome::Punt(PuntClass::Nd))],
    );
    bed.hear_host(&echo("fe80::10", "fe80::1", 9));
    check(&mut bed, &[("parse>local", Outcome::Consumed)]);
    bed.receive(LAN, &[&[0; 9]]);
    check(
        &mut bed,
        &[("parse>drop", Outcome::Drop(DropReason::FrameTruncated))],
    );
}

#[test]
fn a_trace_says_which_packet_it_is_about() {
    let mut bed = Testbed::new();
    bed.configure(|forwarding| forwarding.watch(Some(Filter::default()), None));
    let packet = udp(HOST6, FAR6, 64, 9);
    bed.hear_host(&packet);
    let trace = bed.watch.traces.pop().unwrap();
    assert_eq!((trace.start.port, trace.start.iface), (LAN, LAN_IFACE));
    assert_eq!(
        (trace.start.time, trace.start.len as usize),
        (bed.now, packet.len() + 14)
    );
    let line = "2001:db8:1::10 > 2001:db8:2::9 udp 1024 > 33434 hop limit 64";
    assert_eq!(trace.start.summary.to_string(), line);
    assert_ne!(trace.steps[1].detail, 0, "the next hop that was found");
}

#[test]
fn only_what_the_filter_means_is_traced_and_nothing_when_it_is_off() {
    let mut bed = Testbed::new();
    let dst = Some(Prefix {
        address: FAR6.parse().unwrap(),
        len: 128,
    });
    bed.configure(|forwarding| {
        forwarding.watch(
            Some(Filter {
                dst,
                ..Filter::default()
            }),
            None,
        )
    });
    bed.hear_host(&udp(HOST6, "2001:db8:2::8", 64, 9));
    assert_eq!(ways(&mut bed), []);
    bed.hear_host(&udp(HOST6, FAR6, 64, 9));
    assert_eq!(ways(&mut bed).len(), 1);
    bed.configure(|forwarding| forwarding.watch(None, None));
    bed.hear_host(&udp(HOST6, FAR6, 64, 9));
    assert_eq!(ways(&mut bed), []);
}

#[test]
fn a_capture_has_the_packet_as_it_came_and_as_it_left() {
    let mut bed = Testbed::new();
    bed.configure(|forwarding| forwarding.watch(None, Some(EVERYTHING)));
    let packet = udp(HOST6, FAR6, 64, 900);
    let frame = framed(LAN_MAC, HOST_MAC, &packet);
    bed.receive(LAN, &[&frame[..100], &frame[100..]]);
    let (came, left) = (
        bed.watch.captures.pop().unwrap(),
        bed.watch.captures.pop().unwrap(),
    );
    assert!(bed.watch.captures.pop().is_none());
    assert_eq!(
        (came.meta.point, came.meta.port, came.meta.iface),
        (Point::Rx, LAN, LAN_IFACE)
    );
    assert_eq!(came.data, frame);
    assert_eq!(
        (left.meta.point, left.meta.port, left.meta.iface),
        (Point::Tx, WAN, WAN_IFACE)
    );
    assert_eq!(vec![left.data], bed.sent(WAN));
}

#[test]
fn a_capture_of_drops_has_the_reason() {
    let mut bed = Testbed::new();
    let drops = CaptureFilter {
        rx: false,
        tx: false,
        ..EVERYTHING
    };
    bed.configure(|forwarding| forwarding.watch(None, Some(drops)));
    let packet = udp(HOST6, FAR6, 1, 9);
    bed.hear_host(&packet);
    bed.hear_host(&udp(HOST6, FAR6, 64, 9));
    let captured = bed.watch.captures.pop().unwrap();
    assert_eq!(captured.meta.point, Point::Drop(DropReason::Ip6HopLimit));
    assert_eq!(captured.data, framed(LAN_MAC, HOST_MAC, &packet));
    assert!(
        bed.watch.captures.pop().is_none(),
        "neither the error nor what was forwarded"
    );
}

#[test]
fn an_answer_on_the_link_is_captured_as_it_left() {
    let mut bed = Testbed::new();
    let sent = CaptureFilter {
        rx: false,
        drops: false,
        ..EVERYTHING
    };
    bed.configure(|forwarding| forwarding.watch(None, Some(sent)));
    bed.hear_host(&echo("fe80::10", "fe80::1", 9));
    let captured = bed.watch.captures.pop().unwrap();
    assert_eq!(vec![captured.data], bed.sent(LAN));
}
