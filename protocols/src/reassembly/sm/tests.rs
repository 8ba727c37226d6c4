//! Simulated time; questions cut by hand and by `split`.

use std::net::{Ipv4Addr, Ipv6Addr};

use wire::ipv6::{MIN_MTU, Protocol};
use wire::{icmpv4, icmpv6};

use super::super::datagram::MAX_PIECES;
use super::*;

pub(super) const OWN6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
pub(super) const HOST6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 2);
pub(super) const OWN4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(super) const HOST4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub(super) const FROM: Arrival = Arrival {
    iface: IfaceId(1),
    vrf: VrfId(0),
    src_mac: MacAddr([2, 0, 0, 0, 0, 2]),
};

pub(super) fn data(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 7 % 251) as u8).collect()
}

pub(super) fn echo6(reply: bool, len: usize) -> Vec<u8> {
    let mut packet = vec![0; 48 + len];
    let echo = icmpv6::Echo {
        reply,
        identifier: 7,
        sequence: 1,
        data: &data(len),
    };
    let (from, to) = if reply { (OWN6, HOST6) } else { (HOST6, OWN6) };
    echo.write(&mut packet, &from, &to, 64).expect("room");
    packet
}

pub(super) fn echo4(reply: bool, len: usize) -> Vec<u8> {
    let mut packet = vec![0; 28 + len];
    let echo = icmpv4::Echo {
        reply,
        identifier: 7,
        sequence: 1,
        data: &data(len),
    };
    let (from, to) = if reply { (OWN4, HOST4) } else { (HOST4, OWN4) };
    echo.write(&mut packet, from, to, 64).expect("room");
    packet
}

/// A piece of the upper layer of an IPv6 packet from the host.
pub(super) fn piece6(id: u32, start: usize, more: bool, data: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(((8 + data.len()) as u16).to_be_bytes());
    packet.extend([44, 64]);
    packet.extend(HOST6.octets());
    packet.extend(OWN6.octets());
    packet.extend([58, 0]);
    packet.extend((start as u16 | u16::from(more)).to_be_bytes());
    packet.extend(id.to_be_bytes());
    packet.extend(data);
    packet
}

#[derive(Debug)]
pub(super) struct Bench {
    pub machine: Machine,
    pub now: Instant,
}

impl Bench {
    pub fn new() -> Self {
        Self {
            machine: Machine::default(),
            now: Instant::now(),
        }
    }

    pub fn feed(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        self.event(Event::Packet {
            from: FROM,
            packet,
            identification: 0xabcd_1234,
        })
    }

    pub fn event(&mut self, event: Event<'_>) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        self.machine.on_event(self.now, event, &mut out);
        out.into_iter()
            .map(|action| {
                let Action::Send { to, packet } = action else {
                    panic!("{action:?}")
                };
                assert_eq!(to, FROM);
                assert!(packet.len() <= MIN_MTU, "{} octets", packet.len());
                packet
            })
            .collect()
    }

    pub fn wait(&mut self, seconds: u64) -> Vec<Vec<u8>> {
        self.now += Duration::from_secs(seconds);
        self.event(Event::Timer)
    }

    /// The packet that these fragments are.
    pub fn whole(&mut self, pieces: &[Vec<u8>]) -> Option<Vec<u8>> {
        let mut whole = None;
        for piece in pieces {
            whole = self
                .machine
                .fragment(self.now, FROM, piece, &mut Vec::new());
        }
        whole
    }
}

#[test]
fn a_long_echo_request_is_answered_in_fragments_in_both_families() {
    for (request, reply) in [
        (echo6(false, 3000), echo6(true, 3000)),
        (echo4(false, 3000), echo4(true, 3000)),
    ] {
        let mut bench = Bench::new();
        let pieces = split(request, MIN_MTU, 9);
        assert_eq!(pieces.len(), 3);
        assert!(bench.feed(&pieces[2]).is_empty());
        assert!(bench.feed(&pieces[0]).is_empty());
        let answer = bench.feed(&pieces[1]);
        assert_eq!(answer.len(), 3);
        let whole = Bench::new().whole(&answer).expect("all pieces are here");
        assert_eq!(whole.len(), reply.len());
        // An IPv4 header carries the identification; the rest is alike.
        let from = if whole[0] >> 4 == 4 { 12 } else { 0 };
        assert_eq!(whole[from..], reply[from..]);
        assert_eq!(bench.machine.counters().echo_answered, 1);
        assert_eq!(bench.machine.next_deadline(), None);
    }
}

#[test]
fn headers_before_the_fragment_header_are_kept() {
    let request = echo6(false, 100);
    let (mut first, second) = (
        piece6(1, 0, true, &request[40..88]),
        piece6(1, 48, false, &request[88..]),
    );
    // A destination options header of eight octets: padding.
    first[6] = 60;
    first[5] += 8;
    first.splice(40..40, [44, 0, 1, 4, 0, 0, 0, 0]);
    let mut bench = Bench::new();
    let whole = bench
        .whole(&[second.clone(), first.clone()])
        .expect("whole");
    assert_eq!((whole[6], whole[40]), (60, 58));
    assert_eq!(whole[48..], request[40..]);
    bench.feed(&first);
    assert_eq!(bench.feed(&second), [echo6(true, 100)]);
}

#[test]
fn overlap_silences_the_datagram_and_its_later_pieces() {
    let request = echo6(false, 100);
    let upper = &request[40..];
    let mut bench = Bench::new();
    bench.feed(&piece6(1, 0, true, &upper[..64]));
    bench.feed(&piece6(1, 56, true, &upper[56..72]));
    assert_eq!(bench.machine.counters().overlapping, 1);
    assert!(bench.feed(&piece6(1, 64, false, &upper[64..])).is_empty());
    assert!(bench.feed(&piece6(1, 0, true, &upper[..64])).is_empty());
    assert_eq!(bench.machine.counters().after_discard, 2);
    assert!(bench.wait(61).is_empty(), "no time exceeded either");
    // The identification is free again.
    bench.feed(&piece6(1, 0, true, &upper[..64]));
    assert_eq!(bench.feed(&piece6(1, 64, false, &upper[64..])).len(), 1);
}

#[test]
fn pieces_beyond_the_end_contradict_it() {
    for late in [
        piece6(1, 64, true, &[0; 8]),
        piece6(1, 72, false, &[0; 8]),
        piece6(1, 0, false, &[0; 56]),
    ] {
        let mut bench = Bench::new();
        bench.feed(&piece6(1, 56, false, &[1; 8]));
        bench.feed(&late);
        assert_eq!(bench.machine.counters().overlapping, 1);
    }
}

#[test]
fn an_exact_duplicate_is_ignored() {
    let request = echo6(false, 100);
    let (first, last) = (
        piece6(1, 0, true, &request[40..104]),
        piece6(1, 64, false, &request[104..]),
    );
    let mut bench = Bench::new();
    bench.feed(&last);
    bench.feed(&last);
    assert_eq!(bench.machine.counters().duplicate, 1);
    assert_eq!(bench.feed(&first), [echo6(true, 100)]);
}

#[test]
fn time_exceeded_is_told_if_the_first_piece_came() {
    let upper = data(64);
    let mut bench = Bench::new();
    bench.feed(&piece6(1, 0, true, &echo6(false, 100)[40..104]));
    bench.feed(&piece6(2, 64, true, &upper));
    assert!(bench.wait(59).is_empty());
    let told = bench.wait(1);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0][40..42], [3, 1]);
    assert_eq!(told[0][8..24], OWN6.octets());
    assert_eq!(bench.machine.counters().timed_out, 2);

    let mut first = split(echo4(false, 3000), MIN_MTU, 5);
    first.truncate(1);
    bench.feed(&first[0]);
    let told = bench.wait(30);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0][20..22], [11, 1]);
}

#[test]
fn a_length_that_is_no_multiple_of_eight_is_a_parameter_problem() {
    let mut bench = Bench::new();
    let told = bench.feed(&piece6(1, 0, true, &echo6(false, 100)[40..105]));
    assert_eq!(told.len(), 1);
    assert_eq!(told[0][40..42], [4, 0]);
    assert_eq!(told[0][44..48], [0, 0, 0, 4]);
    assert_eq!(bench.machine.counters().invalid["length"], 1);
    for _ in 1..=ERRORS_PER_SECOND {
        bench.feed(&piece6(1, 0, true, &echo6(false, 100)[40..105]));
    }
    assert_eq!(bench.machine.counters().errors_limited, 1);
    bench.feed(&piece6(1, 8, true, &[]));
    assert_eq!(bench.machine.counters().invalid["empty"], 1);
}

#[test]
fn udp_is_told_that_nobody_listens_and_the_rest_is_counted() {
    let mut udp = piece6(1, 0, true, &[0x30, 0x39, 0, 9, 0, 72, 1, 1]);
    udp[40] = Protocol::UDP.0;
    let mut bench = Bench::new();
    bench.feed(&udp);
    let told = bench.feed(&piece6(1, 8, false, &data(64)));
    assert_eq!(told.len(), 1);
    assert_eq!(told[0][40..42], [1, 4]);

    let mut tcp = piece6(2, 0, true, &[0; 24]);
    tcp[40] = Protocol::TCP.0;
    bench.feed(&tcp);
    assert!(bench.feed(&piece6(2, 24, false, &data(64))).is_empty());
    assert_eq!(bench.machine.counters().unclaimed, 1);

    // A wrong checksum; and a message that is not echo.
    for (id, at, counted) in [(3, 60, 1), (4, 40, 2)] {
        let mut request = echo6(false, 100);
        request[at] ^= 1;
        bench.feed(&piece6(id, 0, true, &request[40..104]));
        assert!(
            bench
                .feed(&piece6(id, 64, false, &request[104..]))
                .is_empty()
        );
        assert_eq!(bench.machine.counters().malformed, counted);
    }
}

#[test]
fn datagrams_too_long_whole_or_in_too_many_pieces_are_discarded() {
    let mut bench = Bench::new();
    for n in 0..=MAX_PIECES {
        bench.feed(&piece6(1, 8 * n, true, &[0; 8]));
    }
    assert_eq!(bench.machine.counters().too_many_fragments, 1);
    // The last octet would be number 65,536 and something.
    bench.feed(&piece6(2, 65_528, false, &[0; 64]));
    assert_eq!(bench.machine.counters().too_long, 1);
}

#[test]
fn an_interface_is_bounded_in_datagrams_and_octets() {
    let mut bench = Bench::new();
    for id in 0..=MAX_DATAGRAMS as u32 {
        bench.now += Duration::from_millis(1);
        bench.feed(&piece6(id, 8, true, &[0; 8]));
    }
    assert_eq!(bench.machine.waiting.len(), MAX_DATAGRAMS);
    assert_eq!(bench.machine.timers.len(), MAX_DATAGRAMS);
    assert_eq!(bench.machine.counters().evicted, 1);

    let mut bench = Bench::new();
    let pieces = (0..20).flat_map(|id| (1..52).map(move |n| (id, n)));
    for (id, n) in pieces {
        bench.now += Duration::from_millis(1);
        bench.feed(&piece6(id, 1232 * n, true, &[0; 1232]));
    }
    let size: usize = bench.machine.waiting.values().map(Waiting::size).sum();
    assert!(size <= MAX_OCTETS + 64, "{size} octets");
    assert!(1 <= bench.machine.counters().evicted);
}

/// A long message to a server's group, from a client.
fn solicit(port: u16) -> Vec<u8> {
    let datagram = wire::udp::Datagram {
        source: "[fe80::2]:546".parse().unwrap(),
        destination: format!("[ff02::1:2]:{port}").parse().unwrap(),
        payload: &data(3000),
    };
    let mut packet = vec![0; datagram.packet_len()];
    datagram.write(&mut packet, 1).unwrap();
    packet
}

#[test]
fn a_long_dhcpv6_message_is_handed_over_whole() {
    let mut bench = Bench::new();
    let mut told = Vec::new();
    let mut feed = |packet: Vec<u8>, id| {
        for packet in split(packet, 1500, id) {
            assert!(packet.len() <= 1500);
            let event = Event::Packet {
                from: FROM,
                packet: &packet,
                identification: 1,
            };
            bench.machine.on_event(bench.now, event, &mut told);
        }
        std::mem::take(&mut told)
    };
    let packet = solicit(547);
    let whole = Action::Dhcp6 {
        from: FROM,
        packet: packet.clone(),
    };
    assert_eq!(feed(packet.clone(), 1), [whole]);
    let mut damaged = packet;
    damaged[2000] ^= 1;
    assert_eq!(feed(damaged, 2), [], "its checksum is wrong");
    assert_eq!(
        feed(solicit(548), 3),
        [],
        "no error about a packet to a group"
    );
    let counters = bench.machine.counters();
    assert_eq!((counters.dhcp6, counters.malformed), (1, 1));
}
