//! What hides its upper layer, and what surrounds the judgement: policers, modes, notes, the lane's question.

use super::build::*;
use super::*;
use crate::forwarding::Rate;

fn benign() -> Six {
    udp6(ip("2001:db8:1::7"), ip("2001:db8:5::1"), 1000, 53, &[0; 32])
}

#[test]
fn what_hides_its_upper_layer_is_dropped() {
    let world = world();
    let ra = nd(ip("fe80::7"), ip("ff02::1"), 134, None, None);
    let undecidable = Err(R::GuardUndecidable);
    // A first fragment that ends before its upper layer, in its chain, or shows it too late.
    let mut short = ra.behind(&[Ext::Fragment(0, true)]);
    short.upper.truncate(4);
    check(&world, &short.frame(), undecidable);
    let mut chain = ra.behind(&[Ext::Fragment(0, true), Ext::Destination(4)]);
    chain.upper.clear();
    check(&world, &chain.frame(), undecidable);
    let late = benign().behind(&[Ext::Fragment(0, true), Ext::Destination(8)]);
    check(&world, &late.frame(), undecidable);
    let in_time = benign().behind(&[Ext::Fragment(0, true), Ext::Destination(7)]);
    check(&world, &in_time.frame(), Ok(Kind::Data));
    // A later fragment that begins where the first has shown its upper layer.
    for offset in [8, 16, 56] {
        let over = benign().behind(&[Ext::Fragment(offset, false)]);
        check(&world, &over.frame(), undecidable);
    }
    check(
        &world,
        &benign().behind(&[Ext::Fragment(64, false)]).frame(),
        Ok(Kind::Data),
    );
    // Fragment headers in each other, too many headers, hop-by-hop options in the middle.
    let nested = [Ext::Fragment(0, false), Ext::Fragment(0, false)];
    check(&world, &ra.behind(&nested).frame(), undecidable);
    check(
        &world,
        &ra.behind(&[Ext::Destination(1); 9]).frame(),
        undecidable,
    );
    check(
        &world,
        &ra.behind(&[Ext::Destination(1); 8]).frame(),
        Err(R::RaGuard),
    );
    check(
        &world,
        &ra.behind(&[Ext::Destination(1), Ext::HopByHop]).frame(),
        undecidable,
    );
    for protocol in [253, 254] {
        check(
            &world,
            &Six {
                protocol,
                ..benign()
            }
            .frame(),
            undecidable,
        );
    }
    for protocol in [4, 41, 47, 50, 59, 89, 132, 200] {
        check(
            &world,
            &Six {
                protocol,
                ..benign()
            }
            .frame(),
            Ok(Kind::Data),
        );
    }
    let mut routed = benign().behind(&[Ext::Routing]).packet();
    routed[42..44].copy_from_slice(&[0, 1]);
    check(
        &world,
        &eth(HOST, 0x86dd, &routed),
        Err(R::Ip6RoutingHeader0),
    );
}

#[test]
fn what_wraps_a_packet_is_not_taken_off_by_the_host_behind_our_back() {
    let world = world();
    let ra = nd(ip("fe80::7"), ip("ff02::1"), 134, None, None).packet();
    let undecidable = Err(R::GuardUndecidable);
    for tag in [0x8100, 0x88a8, 0x9100] {
        let tagged = [&[0, 0, 0x86, 0xdd], ra.as_slice()].concat();
        check(&world, &eth(HOST, tag, &tagged), undecidable);
    }
    let snap = [&[0xaa, 0xaa, 3, 0, 0, 0, 0x86, 0xdd], ra.as_slice()].concat();
    check(&world, &eth(HOST, snap.len() as u16, &snap), undecidable);
    check(&world, &eth(HOST, 38, &[0x42, 0x42, 3, 0]), Ok(Kind::Other));
    check(&world, &eth(HOST, 0x88cc, &snap), Ok(Kind::Other));
    // IPv6 under IPv4's EtherType and the other way round.
    check(&world, &eth(HOST, 0x0800, &ra), Err(R::Ip4BadVersion));
    let v4 = v4(ip("192.0.2.7"), 0, 6, (0, false), &[0; 20]);
    let padded = [&v4[14..], &[0; 40]].concat();
    check(&world, &eth(HOST, 0x86dd, &padded), Err(R::Ip6BadVersion));
    check(&world, &eth(HOST, 0x86dd, &ra[..39]), Err(R::Ip6Truncated));
    check(&world, &eth(HOST, 0x86dd, &ra[..45]), Err(R::Ip6BadLength));
}

#[test]
fn what_is_not_in_the_first_buffer_is_judged_by_what_is_there() {
    let world = world();
    let (guard, book) = world.make();
    let judged = |frame: &[u8], head: usize| {
        let seen = Seen::of(&frame[..head], 14, frame.len()).unwrap();
        let verdict = judge(&seen, &guard, ANCHOR, book.read()).verdict;
        assert_eq!(verdict, naive::judge(&world, &frame[..head], false));
        verdict
    };
    let plain = benign().frame();
    assert_eq!(judged(&plain, 62), Ok(Kind::Data));
    assert_eq!(judged(&plain, 57), Err(R::GuardUndecidable));
    let own = ip("2001:db8:1::7");
    let na = nd(own, ip("ff02::1"), 136, Some(own), Some((2, HOST))).frame();
    assert_eq!(judged(&na, na.len()), Ok(Kind::Neighbor));
    assert_eq!(judged(&na, na.len() - 2), Err(R::GuardUndecidable));
    let hidden = nd(own, ip("ff02::1"), 134, None, None).behind(&[Ext::Destination(9)]);
    assert_eq!(judged(&hidden.frame(), 80), Err(R::GuardUndecidable));
}

/// One worker's side, with a clock of 100 Hz.
struct Worker {
    guard: Guard,
    book: std::sync::Arc<Book>,
    state: State,
    notes: Notes,
    told: NoteConsumer,
}

impl Worker {
    fn new(guard: Guard, book: std::sync::Arc<Book>) -> Self {
        let (notes, told) = note_ring(64);
        let state = State::new(16);
        Self {
            guard,
            book,
            state,
            notes,
            told,
        }
    }

    fn admit(&mut self, frame: &[u8], now: u64) -> Verdict {
        let seen = Seen::of(frame, 14, frame.len()).unwrap();
        let time = Time { now, hz: 100 };
        let known = self.book.read();
        admit(
            &seen,
            &self.guard,
            ANCHOR,
            known,
            &mut self.state,
            &mut self.notes,
            time,
        )
    }
}

#[test]
fn policers_are_per_kind_and_come_after_the_judgement() {
    let world = world();
    let (mut guard, book) = world.make();
    let two = Rate {
        per_second: 1,
        burst: 2,
    };
    guard.rates = Rates {
        neighbor: two,
        router: two,
        listener: two,
        arp: two,
        dhcp: two,
        claims: two,
    };
    let own = ip("2001:db8:1::7");
    let kinds = [
        (
            nd(own, ip("ff02::1"), 136, Some(own), None).frame(),
            Kind::Neighbor,
            R::NdPoliced,
        ),
        (
            nd(own, ip("ff02::2"), 133, None, None).frame(),
            Kind::Router,
            R::RsPoliced,
        ),
        (
            icmp(own, ip("ff02::16"), 143, &[0; 4]).frame(),
            Kind::Listener,
            R::MldPoliced,
        ),
        (
            arp(HOST, 1, (HOST, ip("192.0.2.7")), 1),
            Kind::Arp,
            R::ArpPoliced,
        ),
        (
            udp6(own, ip("ff02::1:2"), 546, 547, &[1]).frame(),
            Kind::Dhcp,
            R::DhcpPoliced,
        ),
    ];
    let mut worker = Worker::new(guard, book);
    let forged = nd(ip("fe80::8"), ip("ff02::1"), 134, None, None).frame();
    for (frame, kind, policed) in kinds {
        for _ in 0..5 {
            assert_eq!(worker.admit(&forged, 0), Verdict::Drop(R::RaGuard));
        }
        assert_eq!(worker.admit(&frame, 0), Verdict::Pass(kind));
        assert_eq!(worker.admit(&frame, 0), Verdict::Pass(kind));
        assert_eq!(worker.admit(&frame, 0), Verdict::Drop(policed));
        assert_eq!(worker.admit(&frame, 100), Verdict::Pass(kind));
    }
    for _ in 0..10 {
        assert_eq!(
            worker.admit(&benign().frame(), 0),
            Verdict::Pass(Kind::Data)
        );
    }
}

#[test]
fn what_is_used_is_confirmed_and_what_is_new_is_told_within_its_rate() {
    let (mut guard, book) = world().make();
    guard.rates.claims = Rate {
        per_second: 1,
        burst: 2,
    };
    let mut worker = Worker::new(guard, book.clone());
    worker.admit(&benign().frame(), 700);
    let seen = |address| book.read().bound(ANCHOR, ip(address)).unwrap().seen;
    assert_eq!((seen("2001:db8:1::7"), seen("fe80::7")), (7, 1));
    for n in 100..110 {
        let source = ip("2001:db8:1::") + n;
        let spoofed = benign().from(source).frame();
        assert_eq!(
            worker.admit(&spoofed, 700),
            Verdict::Drop(R::Ip6SourceSpoofed)
        );
    }
    let told: Vec<_> = std::iter::from_fn(|| worker.told.pop().ok()).collect();
    let expected = [100, 101].map(|n| Note {
        link: naive::LINK,
        anchor: ANCHOR,
        mac: HOST,
        address: ip("2001:db8:1::") + n,
        saying: Saying::Uses,
        at: 700,
    });
    assert_eq!(told, expected);
}

#[test]
fn who_only_observes_drops_nothing() {
    let (mut guard, book) = world().make();
    guard.mode = Mode::Observe;
    let mut worker = Worker::new(guard, book);
    let forged = nd(ip("fe80::7"), ip("ff02::1"), 134, None, None).frame();
    assert_eq!(worker.admit(&forged, 0), Verdict::Observed(R::RaGuard));
    assert_eq!(
        worker.admit(&benign().frame(), 0),
        Verdict::Pass(Kind::Data)
    );
}

#[test]
fn what_is_heard_elsewhere_is_told_until_it_is_known() {
    let (mut writer, book) = BookWriter::new(16, 4, 1);
    let (mut notes, mut told) = note_ring(16);
    let mut hear = |frame: &[u8], now| {
        let seen = Seen::of(frame, 14, frame.len()).unwrap();
        overhear(
            &seen,
            naive::LINK,
            book.read(),
            &mut notes,
            Time { now, hz: 100 },
        );
        told.pop()
            .ok()
            .map(|note| (note.anchor, note.address, note.saying))
    };
    let none = AnchorId(0);
    let valid = |mut six: Six| {
        let [source, destination] =
            [six.source, six.destination].map(std::net::Ipv6Addr::from_bits);
        let sum = wire::checksum::checksum_v6(
            &source,
            &destination,
            wire::ipv6::Protocol::ICMPV6,
            &six.upper,
        );
        six.upper[2..4].copy_from_slice(&sum.to_be_bytes());
        six.frame()
    };
    let own = ip("fe80::1");
    let na = valid(nd(own, ip("ff02::1"), 136, Some(own), Some((2, HOST))));
    assert_eq!(hear(&na, 0), Some((none, own, Saying::Uses)));
    writer.hold(naive::LINK, own, Holder::NO_ANCHOR, 0).unwrap();
    assert_eq!(hear(&na, 900), None);
    assert_eq!(writer.heard(naive::LINK, own), Some(9));
    let ra = valid(nd(ip("fe80::2"), ip("ff02::1"), 134, None, None));
    assert_eq!(hear(&ra, 0), Some((none, ip("fe80::2"), Saying::Uses)));
    let target = ip("2001:db8:1::5");
    let group = wire::addr::v6::solicited_node(target);
    let detect = valid(nd(0, group, 135, Some(target), None));
    assert_eq!(hear(&detect, 0), Some((none, target, Saying::Probes)));
    let reply = arp(HOST, 2, (HOST, ip("192.0.2.1")), ip("192.0.2.7"));
    assert_eq!(hear(&reply, 0), Some((none, ip("192.0.2.1"), Saying::Uses)));
    let probe = arp(HOST, 1, (HOST, ip("0.0.0.0")), ip("192.0.2.5"));
    assert_eq!(
        hear(&probe, 0),
        Some((none, ip("192.0.2.5"), Saying::Probes))
    );
    assert_eq!(hear(&benign().frame(), 0), None);
    // An address of an anchor is contested, and told of.
    let bound = Holder {
        anchor: ANCHOR,
        is_tentative: false,
    };
    writer.hold(naive::LINK, own, bound, 0).unwrap();
    assert_eq!(hear(&na, 2000), Some((none, own, Saying::Uses)));
}

#[test]
fn the_lane_asks_for_plain_packets_alone() {
    let (_, book) = world().make();
    let ok = |mac, source| source_ok(book.read(), ANCHOR, &mac, ip(source), 9);
    assert!(ok(HOST, "2001:db8:1::7") && ok(HOST, "192.0.2.7"));
    assert!(!ok(OTHER, "2001:db8:1::7") && !ok(HOST, "2001:db8:1::8"));
    let seen = book.read().bound(ANCHOR, ip("2001:db8:1::7")).unwrap().seen;
    assert_eq!(seen, 9);

    let own = ip("2001:db8:1::7");
    let of = |protocol| Six {
        protocol,
        ..benign()
    };
    let echo = icmp(own, own, 128, &[0; 8]);
    for plain in [of(6), of(17), echo.clone()] {
        assert!(!is_control(&plain.frame(), 14), "{plain:?}");
    }
    let mut control: Vec<Six> = [0, 43, 44, 50, 51, 59, 60, 135, 253].map(of).into();
    control.extend(
        [130, 131, 132, 133, 134, 135, 136, 137, 143, 151]
            .map(|kind| icmp(own, own, kind, &[0; 8])),
    );
    for (from, to) in [(546, 9), (547, 9), (9, 546), (9, 547)] {
        control.push(udp6(own, own, from, to, b""));
    }
    for six in control {
        assert!(is_control(&six.frame(), 14), "{six:?}");
    }
    let v4 = |protocol, fragment, ports: (u16, u16)| {
        v4(
            ip("192.0.2.7"),
            0,
            protocol,
            fragment,
            &udp(ports.0, ports.1, &[0; 20]),
        )
    };
    for plain in [
        v4(6, (0, false), (1, 2)),
        v4(17, (0, false), (1, 2)),
        v4(1, (0, false), (1, 2)),
    ] {
        assert!(!is_control(&plain, 14));
    }
    let mut options = v4(6, (0, false), (1, 2));
    options[14] = 0x46;
    let control = [
        v4(6, (0, true), (1, 2)),
        v4(6, (64, false), (1, 2)),
        v4(17, (0, false), (68, 67)),
        v4(17, (0, false), (67, 9)),
        v4(17, (0, false), (9, 68)),
        v4(2, (0, false), (1, 2)),
        options,
        arp(HOST, 1, (HOST, own), own),
        eth(HOST, 0x8100, &benign().packet()),
        benign().frame()[..30].to_vec(),
        Vec::new(),
    ];
    for frame in control {
        assert!(is_control(&frame, 14), "{frame:02x?}");
    }
}
