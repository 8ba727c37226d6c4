//! What is not the peer's, or was the peer's before.

use super::*;
use crate::bfd::Key as AuthKey;

#[test]
fn what_is_not_the_peers_changes_nothing_but_a_counter() {
    let mut bench = Bench::up(15, config(10, 10));
    let before = bench.shown();
    let down = bench.control(State::Down, |_| ());
    let with = |change: fn(&mut Control)| {
        let mut control = down;
        change(&mut control);
        control.write(None)
    };
    let auth = auth(b"key", true);
    let good = with(|_| ());
    let octet = |at: usize, value| {
        let mut octets = good.clone();
        octets[at] = value;
        octets
    };
    for (payload, hop_limit, expected) in [
        (good.clone(), 254, Invalid::HopLimit),
        (good.clone(), 0, Invalid::HopLimit),
        (good[..23].to_vec(), 255, Invalid::ShortPacket),
        (octet(0, 0x40), 255, Invalid::Version),
        (octet(3, 25), 255, Invalid::Length),
        (with(|c| c.detect_mult = 0), 255, Invalid::DetectMult),
        (octet(1, 0x41), 255, Invalid::Multipoint),
        (octet(1, 0x70), 255, Invalid::PollAndFinal),
        (
            with(|c| c.my_discriminator = 0),
            255,
            Invalid::MyDiscriminator,
        ),
        (
            with(|c| (c.state, c.your_discriminator) = (State::Up, 0)),
            255,
            Invalid::YourDiscriminator,
        ),
        (
            with(|c| c.your_discriminator ^= 1),
            255,
            Invalid::UnknownSession,
        ),
        (down.write(Some((&auth, 1))), 255, Invalid::AuthUnexpected),
    ] {
        assert_eq!(bench.datagram(hop_limit, &payload), [], "{expected}");
        assert_eq!(bench.shown(), before, "{expected}");
        assert!(0 < bench.machine.counters().next().unwrap().1.invalid[expected.label()]);
    }
    // A good packet on another interface, from another address, to another address of ours.
    let at = session();
    let datagram = Datagram {
        iface: at.iface,
        source: at.peer,
        destination: at.local,
        hop_limit: HOP_LIMIT,
        payload: &good,
    };
    let stranger = "fe80::3".parse().unwrap();
    for (n, datagram) in [
        Datagram {
            iface: IfaceId(2),
            ..datagram
        },
        Datagram {
            source: stranger,
            ..datagram
        },
        Datagram {
            destination: stranger,
            ..datagram
        },
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(bench.event(Event::Packet(datagram)), []);
        assert_eq!(bench.strays("wrong_peer"), n as u64 + 1);
    }
    let nobody = with(|c| c.your_discriminator = 0);
    let datagram = Datagram {
        source: stranger,
        payload: &nobody,
        ..datagram
    };
    assert_eq!(bench.event(Event::Packet(datagram)), []);
    assert_eq!(bench.strays("unknown_session"), 1);
    assert_eq!(bench.shown(), before);
    // The same packet from the peer is believed.
    assert_eq!(paths(&bench.datagram(255, &good)), [Path::Failed]);
}

fn auth(key: &[u8], meticulous: bool) -> Auth {
    Auth {
        key_id: 1,
        key: AuthKey::new(key).unwrap(),
        meticulous,
    }
}

#[test]
fn replayed_packets_are_not_believed() {
    for meticulous in [true, false] {
        let auth = auth(b"key", meticulous);
        let mut config = config(10, 10);
        config.auth = Some(auth.clone());
        let mut bench = Bench::new(16, config);
        let receive = |bench: &mut Bench, sequence: u32, state| {
            bench.auth = Some((auth.clone(), sequence));
            let before = bench.invalid();
            bench.receive(state, |c| c.desired_min_tx = ms(10));
            bench.invalid() == before
        };
        // The first one may be any, here close to the end of the numbers.
        assert!(receive(&mut bench, u32::MAX - 1, State::Down));
        assert!(receive(&mut bench, u32::MAX, State::Init));
        assert!(receive(&mut bench, 0, State::Up));
        assert_eq!(receive(&mut bench, 0, State::Up), !meticulous);
        assert!(!receive(&mut bench, u32::MAX, State::Down));
        assert!(
            !receive(&mut bench, 10, State::Down),
            "3 times 3 is the window"
        );
        assert!(receive(&mut bench, 9, State::Up));
        assert_eq!(bench.shown().state, State::Up);
        // A peer that was silent for twice the detection time may have begun anew.
        bench.run(ms(59));
        assert!(!receive(&mut bench, 5, State::Down));
        bench.run(ms(1));
        assert!(receive(&mut bench, 5, State::Down));
        bench.auth = None;
        bench.receive(State::Down, |_| ());
        assert_eq!(bench.counters().invalid["auth_missing"], 1);
    }
}

#[test]
fn our_sequence_numbers_grow_with_each_packet() {
    let mut config = config(10, 10);
    let auth = auth(b"key", true);
    config.auth = Some(auth.clone());
    let mut bench = Bench::new(17, config);
    let out = bench.run(ms(10_000));
    let sequences: Vec<_> = out
        .iter()
        .map(|(_, action)| match action {
            Action::Send { payload, .. } => {
                let packet = Packet::read(payload).unwrap();
                packet.verify(Some(&auth)).unwrap().unwrap()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(9 < sequences.len());
    assert!(
        sequences
            .windows(2)
            .all(|pair| pair[1] == pair[0].wrapping_add(1))
    );
}
