use dataplane::guard::{Book, Notes, Time, note_ring};
use std::sync::Arc;

use super::*;

const LAN: LinkId = LinkId(3);
const A: AnchorId = AnchorId(1);
const B: AnchorId = AnchorId(2);
const MAC_A: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa]);
const MAC_B: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xb]);
const OURS: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn port(mac: MacAddr) -> AnchorConfig {
    AnchorConfig {
        link: LAN,
        macs: vec![mac],
        learns: true,
        max_addresses: 4,
        ..AnchorConfig::default()
    }
}

fn configured() -> Configured {
    let link = LinkConfig {
        own: BTreeMap::from([(ip("fe80::1"), OURS), (ip("192.0.2.1"), OURS)]),
        has_strangers: false,
        speaker: OURS,
    };
    let mut a = port(MAC_A);
    a.fixed = vec![ip("2001:db8::a"), ip("192.0.2.10")];
    Configured {
        links: BTreeMap::from([(LAN, link)]),
        anchors: BTreeMap::from([(A, a), (B, port(MAC_B))]),
    }
}

fn room(addresses: usize) -> (Guards, Arc<Book>, [Notes; 2]) {
    let (writer, book) = BookWriter::new(addresses, 4, 7);
    let [(first, a), (second, b)] = [note_ring(64), note_ring(64)];
    let mut room = Guards::new(writer, vec![a, b], Timing::default());
    room.follow(configured());
    (room, book, [first, second])
}

fn note(anchor: AnchorId, mac: MacAddr, address: &str, saying: Saying, at: u64) -> Note {
    Note {
        link: LAN,
        anchor,
        mac: mac.octets(),
        address: mapped(ip(address)),
        saying,
        at,
    }
}

fn bound(book: &Book, anchor: AnchorId, address: &str) -> Option<MacAddr> {
    let found = book.read().bound(anchor, mapped(ip(address)));
    found.map(|found| MacAddr(found.binding.mac))
}

#[test]
fn what_is_configured_leased_and_heard_is_in_the_book() {
    let (mut room, book, [mut notes, _]) = room(64);
    for own in ["2001:db8::a", "192.0.2.10", "fe80::ff:fe00:a"] {
        assert_eq!(bound(&book, A, own), Some(MAC_A), "{own}");
    }
    let holder = book.read().holder(LAN, mapped(ip("fe80::1")));
    assert_eq!(holder, Some(Holder::NO_ANCHOR));
    let time = Time { now: 0, hz: 100 };
    assert!(notes.tell(note(B, MAC_B, "2001:db8::b", Saying::Uses, 0), time));
    room.tick();
    assert_eq!(bound(&book, B, "2001:db8::b"), Some(MAC_B));
    room.leased(LAN, ip("192.0.2.20"), MAC_B, Some(600));
    assert_eq!(bound(&book, B, "192.0.2.20"), Some(MAC_B));
    room.delegated(LAN, ("2001:db8:7700::".parse().unwrap(), 48), MAC_B, None);
    let inside = mapped(ip("2001:db8:7700:5::1"));
    assert_eq!(book.read().delegate(B, inside), Some(MAC_B.octets()));
    let views = room.bindings(Some(B));
    let of = |address: &str| {
        views
            .iter()
            .find(|view| view.address == ip(address))
            .unwrap()
    };
    let learned = of("2001:db8::b");
    assert_eq!(
        (learned.origin, learned.state, learned.mac),
        ("learned", "valid", Some(MAC_B))
    );
    assert!(learned.left.is_some_and(|left| (295..=300).contains(&left)));
    assert_eq!(of("192.0.2.20").origin, "lease");
    assert_eq!(room.guards().len(), 2);
    assert_eq!(room.guards()[1].learned6, 1);
    room.released(LAN, ip("192.0.2.20"));
    room.undelegated(LAN, ("2001:db8:7700::".parse().unwrap(), 48));
    room.follow(Configured::default());
    assert!(room.bindings(None).is_empty());
    assert_eq!(book.read().delegate(B, inside), None);
    assert_eq!(bound(&book, A, "2001:db8::a"), None);
}

#[test]
fn who_came_first_has_it_whichever_worker_heard_it() {
    let (mut room, book, [mut first, mut second]) = room(64);
    let time = Time { now: 0, hz: 100 };
    first.tell(note(A, MAC_A, "2001:db8::c", Saying::Probes, 9), time);
    second.tell(note(B, MAC_B, "2001:db8::c", Saying::Probes, 8), time);
    room.tick();
    assert_eq!(bound(&book, B, "2001:db8::c"), Some(MAC_B));
    assert_eq!(bound(&book, A, "2001:db8::c"), None);
    // The other is told, in a frame to its port alone.
    let frames: Vec<_> = room.take_frames().collect();
    let [told] = &frames[..] else {
        panic!("{frames:?}");
    };
    assert_eq!(told.towards, Towards::Anchor(A));
    assert_eq!(told.bytes[..12], [MAC_A.octets(), OURS.octets()].concat());
    let said = wire::nd::parse_packet(&told.bytes[14..]).unwrap();
    let target = ip("2001:db8::c");
    assert!(matches!(
        said.message,
        wire::nd::Message::NeighborAdvertisement(na) if na.target == target && na.override_flag
    ));
    assert_eq!(said.options.target_link_layer(), Some(MAC_B));
    assert_eq!(room.take_frames().count(), 0);
}

#[test]
fn questions_have_no_source() {
    let asked = frame::question(OURS, MAC_A, ip("2001:db8::a"));
    let said = wire::nd::parse_packet(&asked[14..]).unwrap();
    assert!(said.envelope.source.is_unspecified());
    assert_eq!(said.envelope.destination, ip("ff02::1:ff00:a"));
    let asked = frame::question(OURS, MacAddr::BROADCAST, ip("192.0.2.10"));
    let arp = wire::arp::ArpPacket::parse(&asked[14..]).unwrap();
    assert!(arp.sender_ip().is_unspecified());
    assert_eq!(
        (arp.sender_mac(), arp.target_ip()),
        (OURS, Ipv4Addr::new(192, 0, 2, 10))
    );
    let told = frame::defence(OURS, MAC_B, ip("192.0.2.10"), MAC_A);
    let arp = wire::arp::ArpPacket::parse(&told[14..]).unwrap();
    assert_eq!(
        (arp.sender_mac(), arp.sender_ip()),
        (MAC_A, Ipv4Addr::new(192, 0, 2, 10))
    );
}

#[test]
fn strangers_are_asked_and_heard() {
    let (mut room, book, [mut notes, _]) = room(64);
    let mut with = configured();
    with.links.get_mut(&LAN).unwrap().has_strangers = true;
    room.follow(with);
    let time = Time { now: 0, hz: 100 };
    notes.tell(note(B, MAC_B, "2001:db8::b", Saying::Uses, 0), time);
    room.tick();
    assert_eq!(bound(&book, B, "2001:db8::b"), None);
    let frames: Vec<_> = room.take_frames().collect();
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].towards, Towards::Strangers(LAN));
    assert_eq!(frames[0].bytes[..6], [0x33, 0x33, 0xff, 0, 0, 0xb]);
    let stranger = MacAddr([2, 0, 0, 0, 0, 0x99]);
    notes.tell(
        note(AnchorId(0), stranger, "2001:db8::b", Saying::Uses, 1),
        time,
    );
    room.tick();
    let holder = book.read().holder(LAN, mapped(ip("2001:db8::b")));
    assert_eq!(holder, Some(Holder::NO_ANCHOR));
}

#[test]
fn an_address_that_the_book_refuses_is_not_believed_to_be_there() {
    let (mut room, book, [mut notes, _]) = room(4);
    let mut many = configured();
    many.anchors.get_mut(&B).unwrap().max_addresses = 60;
    room.follow(many);
    let time = Time { now: 0, hz: 100 };
    for n in 0..60 {
        let address = format!("2001:db8::1:{n}");
        assert!(notes.tell(note(B, MAC_B, &address, Saying::Uses, n), time));
    }
    room.tick();
    let views = room.bindings(Some(B));
    let learned: Vec<_> = views
        .iter()
        .filter(|view| view.origin == "learned")
        .collect();
    assert!(learned.len() < 60, "{}", learned.len());
    for view in learned {
        assert_eq!(bound(&book, B, &view.address.to_string()), Some(MAC_B));
    }
    let missing = (0..60).filter(|n| {
        let address = format!("2001:db8::1:{n}");
        bound(&book, B, &address).is_some() && !views.iter().any(|v| v.address == ip(&address))
    });
    assert_eq!(missing.count(), 0);
}
