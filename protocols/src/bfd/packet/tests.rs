//! Octets both ways, and what is wrong with others.

use super::*;
use crate::bfd::config::Key;

fn control() -> Control {
    Control {
        diagnostic: Diagnostic::NEIGHBOR_DOWN,
        state: State::Up,
        poll: true,
        is_final: false,
        independent: false,
        demand: false,
        detect_mult: 3,
        my_discriminator: 0x0102_0304,
        your_discriminator: 0x0506_0708,
        desired_min_tx: Duration::from_millis(10),
        required_min_rx: Duration::from_millis(20),
        required_min_echo_rx: Duration::ZERO,
    }
}

fn auth(meticulous: bool) -> Auth {
    Auth {
        key_id: 9,
        key: Key::new(b"open sesame").unwrap(),
        meticulous,
    }
}

#[test]
fn a_packet_has_the_octets_of_the_picture() {
    let octets = control().write(None);
    let expected = [
        0x23, 0xe0, 3, 24, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0x27, 0x10, 0, 0, 0x4e, 0x20, 0, 0, 0, 0,
    ];
    assert_eq!(octets, expected);
    // What follows is not of the packet (RFC 5880 section 6.8.6 allows padding).
    let padded = [&octets[..], &[0xff; 9]].concat();
    let packet = Packet::read(&padded).unwrap();
    assert_eq!((packet.control, packet.auth), (control(), None));
    assert_eq!(packet.verify(None), Ok(None));
}

#[test]
fn every_state_and_flag_comes_back() {
    for state in [State::AdminDown, State::Down, State::Init, State::Up] {
        for bits in 0..8 {
            let sent = Control {
                state,
                poll: false,
                is_final: bits & 1 != 0,
                independent: bits & 2 != 0,
                demand: bits & 4 != 0,
                diagnostic: Diagnostic(31),
                ..control()
            };
            assert_eq!(Packet::read(&sent.write(None)).unwrap().control, sent);
        }
    }
}

#[test]
fn each_rule_of_reception_has_its_name() {
    let with = |at: usize, value: u8| {
        let mut octets = control().write(None);
        octets[at] = value;
        Packet::read(&octets).map(|_| ())
    };
    assert_eq!(Packet::read(&[]), Err(Invalid::ShortPacket));
    assert_eq!(Packet::read(&[0x20; 23]), Err(Invalid::ShortPacket));
    assert_eq!(with(0, 0x03), Err(Invalid::Version));
    assert_eq!(with(0, 0x43), Err(Invalid::Version));
    assert_eq!(with(3, 23), Err(Invalid::Length));
    assert_eq!(with(3, 25), Err(Invalid::Length));
    assert_eq!(with(1, 0xc4), Err(Invalid::Length), "A, and no section");
    assert_eq!(with(2, 0), Err(Invalid::DetectMult));
    assert_eq!(with(1, 0xc1), Err(Invalid::Multipoint));
    assert_eq!(with(1, 0xf0), Err(Invalid::PollAndFinal));
    let zero = |field: fn(&mut Control) -> &mut u32, state| {
        let mut control = Control { state, ..control() };
        *field(&mut control) = 0;
        Packet::read(&control.write(None)).map(|_| ())
    };
    let mine = zero(|c| &mut c.my_discriminator, State::Up);
    assert_eq!(mine, Err(Invalid::MyDiscriminator));
    for (state, expected) in [
        (State::Up, Err(Invalid::YourDiscriminator)),
        (State::Init, Err(Invalid::YourDiscriminator)),
        (State::Down, Ok(())),
        (State::AdminDown, Ok(())),
    ] {
        assert_eq!(zero(|c| &mut c.your_discriminator, state), expected);
    }
}

#[test]
fn labels_differ() {
    let labels: std::collections::BTreeSet<_> =
        Invalid::ALL.iter().map(|invalid| invalid.label()).collect();
    assert_eq!(labels.len(), Invalid::ALL.len());
}

#[test]
fn what_was_authenticated_is_believed_and_nothing_else() {
    for meticulous in [false, true] {
        let auth = auth(meticulous);
        let octets = control().write(Some((&auth, 0xdead_beef)));
        assert_eq!((octets.len(), octets[3], octets[24]), (52, 52, kind(&auth)));
        let read = |octets: &[u8]| Packet::read(octets)?.verify(Some(&auth));
        assert_eq!(read(&octets), Ok(Some(0xdead_beef)));
        for at in 0..octets.len() {
            let mut changed = octets.clone();
            changed[at] ^= 0x80;
            assert!(read(&changed).is_err(), "octet {at}");
        }
        let with = |at: usize, value| {
            let mut changed = octets.clone();
            changed[at] = value;
            read(&changed)
        };
        assert_eq!(with(24, 1), Err(Invalid::AuthType));
        assert_eq!(with(25, 27), Err(Invalid::AuthLength));
        assert_eq!(with(3, 51), Err(Invalid::AuthLength));
        assert_eq!(with(26, 8), Err(Invalid::AuthKey));
        assert_eq!(with(30, 0), Err(Invalid::AuthDigest));
        assert_eq!(with(51, octets[51] ^ 1), Err(Invalid::AuthDigest));
        let packet = Packet::read(&octets).unwrap();
        assert_eq!(packet.verify(None), Err(Invalid::AuthUnexpected));
        let plain = control().write(None);
        assert_eq!(read(&plain), Err(Invalid::AuthMissing));
    }
}

#[test]
fn the_digest_is_sha1_of_the_packet_with_the_key_in_its_place() {
    // Computed by another implementation of SHA-1 from the 52 octets.
    let octets = control().write(Some((&auth(true), 1)));
    let hex: String = octets[32..].iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, "c1980c31a6e89d08d405e73c46533cc64931e085");
}
