//! SCTP: tags, and the coarse states.

use super::*;
use Direction::{Egress, Ingress};

const SCTP: u8 = 132;
const DATA: u8 = 0;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const ABORT: u8 = 6;
const SHUTDOWN: u8 = 7;
const SHUTDOWN_ACK: u8 = 8;
const COOKIE_ECHO: u8 = 10;
const COOKIE_ACK: u8 = 11;
const SHUTDOWN_COMPLETE: u8 = 14;

/// The tags that the two sides tell.
const CLIENT: u32 = 0x1111;
const SERVER: u32 = 0x2222;

fn chunk(chunk: u8, tag: u32) -> Upper {
    Upper::Sctp(Sctp {
        chunk,
        tag,
        ..Sctp::default()
    })
}

fn init(chunk: u8, tag: u32, initiate_tag: u32) -> Upper {
    Upper::Sctp(Sctp {
        chunk,
        tag,
        initiate_tag,
        flags: 0,
    })
}

fn begun() -> (Kit, FlowKey) {
    let mut kit = Kit::new(64, 1);
    let key = key(SCTP, 1);
    kit.insert(&key, Egress, init(INIT, 0, CLIENT)).unwrap();
    (kit, key)
}

fn associated() -> (Kit, FlowKey) {
    let (kit, key) = begun();
    for (direction, upper) in [
        (Ingress, init(INIT_ACK, CLIENT, SERVER)),
        (Egress, chunk(COOKIE_ECHO, SERVER)),
        (Ingress, chunk(COOKIE_ACK, CLIENT)),
    ] {
        assert_eq!(kit.packet(&key, direction, upper), Verdict::Pass);
    }
    assert_eq!(kit.state(&key), State::Associated);
    (kit, key)
}

#[test]
fn only_an_init_begins_an_association() {
    let mut kit = Kit::new(64, 1);
    for first in [
        init(INIT, 1, 1),
        init(INIT, 0, 0),
        chunk(DATA, 1),
        chunk(COOKIE_ECHO, 1),
        Upper::Other,
    ] {
        assert_eq!(
            kit.insert(&key(SCTP, 1), Egress, first),
            Err(Refused::Invalid)
        );
    }
    let liberal = |upper| Segment {
        liberal: true,
        ..segment(upper)
    };
    assert_eq!(
        kit.insert_by(0, &key(SCTP, 1), Egress, liberal(chunk(ABORT, 1))),
        Err(Refused::Invalid)
    );
    kit.insert_by(0, &key(SCTP, 1), Egress, liberal(chunk(DATA, 1)))
        .unwrap();
    assert_eq!(
        kit.packet(&key(SCTP, 1), Ingress, chunk(DATA, 99)),
        Verdict::Pass
    );
}

#[test]
fn tags_are_told_in_turn() {
    let (kit, key) = begun();
    assert_eq!(
        kit.packet(&key, Ingress, chunk(DATA, CLIENT)),
        Verdict::Pass
    );
    assert_eq!(
        kit.packet(&key, Egress, chunk(DATA, SERVER)),
        Verdict::Invalid
    );
    assert_eq!(
        kit.packet(&key, Ingress, init(INIT_ACK, CLIENT + 1, SERVER)),
        Verdict::Invalid
    );
    assert_eq!(
        kit.packet(&key, Ingress, init(INIT_ACK, CLIENT, 0)),
        Verdict::Invalid
    );
    assert_eq!(
        kit.packet(&key, Egress, chunk(COOKIE_ECHO, 0)),
        Verdict::Invalid
    );
    assert_eq!(kit.state(&key), State::Init);
    // The INIT was sent again, and answered again with another tag.
    assert_eq!(
        kit.packet(&key, Egress, init(INIT, 0, CLIENT)),
        Verdict::Pass
    );
    assert_eq!(
        kit.packet(&key, Ingress, init(INIT_ACK, CLIENT, SERVER)),
        Verdict::Pass
    );
    assert_eq!(
        kit.packet(&key, Ingress, init(INIT_ACK, CLIENT, SERVER + 1)),
        Verdict::Pass
    );
    assert_eq!(kit.state(&key), State::Cookie);
    assert_eq!(
        kit.packet(&key, Egress, chunk(COOKIE_ECHO, SERVER + 2)),
        Verdict::Invalid
    );
    assert_eq!(
        kit.packet(&key, Egress, chunk(COOKIE_ECHO, SERVER + 1)),
        Verdict::Pass
    );
    assert_eq!(
        kit.packet(&key, Ingress, chunk(COOKIE_ACK, CLIENT + 1)),
        Verdict::Invalid
    );
    assert_eq!(
        kit.packet(&key, Ingress, chunk(COOKIE_ACK, CLIENT)),
        Verdict::Pass
    );
    assert_eq!(kit.state(&key), State::Associated);
    assert_eq!(
        kit.packet(&key, Egress, chunk(DATA, SERVER + 1)),
        Verdict::Pass
    );
}

#[test]
fn packets_have_the_receivers_tag() {
    let (kit, key) = associated();
    for (direction, tag, verdict) in [
        (Egress, SERVER, Verdict::Pass),
        (Ingress, CLIENT, Verdict::Pass),
        (Egress, CLIENT, Verdict::Invalid),
        (Ingress, SERVER, Verdict::Invalid),
        (Ingress, 0, Verdict::Invalid),
    ] {
        assert_eq!(kit.packet(&key, direction, chunk(DATA, tag)), verdict);
    }
}

#[test]
fn an_association_is_shut_down_or_aborted() {
    let (mut kit, key) = associated();
    kit.packet(&key, Egress, chunk(SHUTDOWN_COMPLETE, SERVER));
    assert_eq!(kit.state(&key), State::Associated);
    kit.packet(&key, Egress, chunk(SHUTDOWN, SERVER));
    assert_eq!(kit.state(&key), State::Shutdown);
    kit.packet(&key, Ingress, chunk(SHUTDOWN_ACK, CLIENT));
    kit.packet(&key, Egress, chunk(SHUTDOWN_COMPLETE, SERVER));
    assert_eq!(kit.state(&key), State::Closed);
    assert_eq!((kit.wait(59), kit.wait(5)), (0, 1));

    let (kit, key) = associated();
    assert_eq!(
        kit.packet(&key, Ingress, chunk(ABORT, SERVER)),
        Verdict::Invalid
    );
    assert_eq!(
        kit.packet(&key, Ingress, chunk(ABORT, CLIENT)),
        Verdict::Pass
    );
    assert_eq!(kit.state(&key), State::Closed);
    // By a host that knows nothing of it: its sender's own tag comes back.
    let (mut kit, key) = associated();
    let reflected = Upper::Sctp(Sctp {
        chunk: ABORT,
        flags: 1,
        tag: SERVER,
        initiate_tag: 0,
    });
    assert_eq!(kit.packet(&key, Ingress, reflected), Verdict::Pass);
    assert_eq!(kit.state(&key), State::Closed);
    // Another one, from the same side.
    assert_eq!(kit.packet(&key, Egress, init(INIT, 0, 5)), Verdict::Pass);
    assert_eq!(kit.state(&key), State::Init);
    assert_eq!((kit.wait(59), kit.wait(5)), (0, 1));
    let (kit, key) = associated();
    kit.packet(&key, Egress, chunk(ABORT, SERVER));
    assert_eq!(kit.packet(&key, Ingress, init(INIT, 0, 5)), Verdict::Over);
}

#[test]
fn a_restart_takes_new_tags_and_a_stranger_none() {
    let (kit, key) = associated();
    // A stranger's INIT does no harm: the tags stay.
    assert_eq!(kit.packet(&key, Egress, init(INIT, 0, 666)), Verdict::Pass);
    assert_eq!(kit.packet(&key, Egress, chunk(DATA, SERVER)), Verdict::Pass);
    assert_eq!(
        kit.packet(&key, Ingress, chunk(DATA, CLIENT)),
        Verdict::Pass
    );
    assert_eq!(
        kit.packet(&key, Ingress, init(INIT, 0, 666)),
        Verdict::Invalid
    );
    // The machine has started anew.
    assert_eq!(
        kit.packet(&key, Egress, init(INIT, 0, 0x3333)),
        Verdict::Pass
    );
    assert_eq!(
        kit.packet(&key, Ingress, init(INIT_ACK, CLIENT, 0x4444)),
        Verdict::Invalid
    );
    assert_eq!(
        kit.packet(&key, Ingress, init(INIT_ACK, 0x3333, 0x4444)),
        Verdict::Pass
    );
    assert_eq!(
        kit.packet(&key, Egress, chunk(COOKIE_ECHO, 0x4444)),
        Verdict::Pass
    );
    assert_eq!(
        kit.packet(&key, Ingress, chunk(COOKIE_ACK, 0x3333)),
        Verdict::Pass
    );
    assert_eq!(kit.packet(&key, Egress, chunk(DATA, 0x4444)), Verdict::Pass);
    assert_eq!(
        kit.packet(&key, Egress, chunk(DATA, SERVER)),
        Verdict::Invalid
    );
    assert_eq!(kit.state(&key), State::Associated);
}
