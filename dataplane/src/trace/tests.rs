use super::*;

fn start(iface: u16) -> Start {
    Start {
        time: 5,
        port: PortId(0),
        iface: IfaceId(iface),
        len: 90,
        summary: Summary::default(),
    }
}

const PARSE: Step = Step {
    stage: "parse",
    verdict: "ip6",
    detail: 0,
};
const ROUTE: Step = Step {
    stage: "route",
    verdict: "rewrite",
    detail: 17,
};

#[test]
fn interleaved_packets_come_out_whole() {
    let (mut tracer, mut assembler) = trace_ring(1024);
    let filter = TraceFilter::default();
    assert!(!tracer.active());
    tracer.start(0, &filter, start(1));
    tracer.start(63, &filter, start(2));
    assert!(tracer.active());
    for step in [PARSE, ROUTE] {
        for slot in [0, 5, 63] {
            tracer.step(slot, step);
        }
    }
    assert_eq!(assembler.pop(), None, "none has ended");
    tracer.end(63, Outcome::Tx(PortId(1)));
    tracer.end(0, Outcome::Drop(DropReason::Urpf));
    assert!(!tracer.active());
    let steps = vec![PARSE, ROUTE];
    let (first, second) = (assembler.pop().unwrap(), assembler.pop().unwrap());
    assert_eq!(
        first,
        Trace {
            start: start(2),
            steps: steps.clone(),
            outcome: Outcome::Tx(PortId(1))
        }
    );
    assert_eq!(
        second,
        Trace {
            start: start(1),
            steps,
            outcome: Outcome::Drop(DropReason::Urpf)
        }
    );
    assert_eq!(assembler.pop(), None);
}

#[test]
fn what_does_not_match_costs_no_record() {
    let (mut tracer, mut assembler) = trace_ring(1024);
    let filter = TraceFilter {
        iface: Some(IfaceId(9)),
        ..TraceFilter::default()
    };
    tracer.start(0, &filter, start(1));
    assert!(!tracer.active());
    tracer.step(0, PARSE);
    tracer.end(0, Outcome::Held);
    assert_eq!(assembler.pop(), None);
    assert_eq!(tracer.missed(), 0);
}

#[test]
fn without_room_for_the_whole_way_a_packet_is_not_begun() {
    let (mut tracer, mut assembler) = trace_ring(2 * RECORDS_PER_PACKET);
    let filter = TraceFilter::default();
    for slot in 0..4 {
        tracer.start(slot, &filter, start(1));
    }
    assert!(tracer.missed() >= 2, "two ways fill the ring");
    for slot in 0..4 {
        for _ in 0..RECORDS_PER_PACKET - 2 {
            tracer.step(slot, PARSE);
        }
        tracer.end(slot, Outcome::Consumed);
    }
    let mut whole = 0;
    while let Some(trace) = assembler.pop() {
        assert_eq!(trace.steps.len(), RECORDS_PER_PACKET - 2);
        whole += 1;
    }
    assert_eq!(whole + tracer.missed(), 4);
}

#[test]
fn a_packet_without_an_end_does_not_mix_with_the_next() {
    let (mut tracer, mut assembler) = trace_ring(4096);
    let filter = TraceFilter::default();
    for _ in 0..10 {
        tracer.start(0, &filter, start(1));
        tracer.step(0, PARSE);
        tracer.end_frame();
        assert_eq!(assembler.pop(), None);
    }
    tracer.start(0, &filter, start(2));
    tracer.end(0, Outcome::Punt(PuntClass::Nd));
    let trace = assembler.pop().unwrap();
    assert_eq!((trace.start.iface, trace.steps.len()), (IfaceId(2), 0));
}

#[test]
fn outcomes_read_like_the_counters() {
    let check = |outcome: Outcome, text: &str| assert_eq!(outcome.to_string(), text);
    check(Outcome::Tx(PortId(3)), "tx 3");
    check(Outcome::Drop(DropReason::Ip6NoRoute), "drop ip6_no_route");
    check(Outcome::Punt(PuntClass::Arp), "punt arp");
    check(Outcome::Consumed, "consumed");
    check(Outcome::Held, "held");
}
