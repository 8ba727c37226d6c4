//! Conversations over a stream that loses some, and what waits for the other server.

use super::*;
use lease::{RealmId, Resource};

fn talk(next: u64) -> Talk {
    Talk {
        next,
        ours: None,
        theirs: None,
    }
}

fn said(conversation: Conversation, message: &Message) -> Vec<u8> {
    let mut bytes = vec![MESSAGE];
    bytes.extend(conversation.ours.to_be_bytes());
    bytes.extend(conversation.theirs.to_be_bytes());
    message.encode(&mut bytes);
    bytes
}

fn no(text: &str) -> Message {
    let resource: Resource = text.parse().unwrap();
    let realm = RealmId(1);
    Message::No { realm, resource }
}

#[test]
fn both_begin_and_then_hear_each_other() {
    let [mut a, mut b] = [talk(10), talk(20)];
    let (of_a, of_b) = (a.begin(), b.begin());
    assert_eq!(a.current(), None, "the other one has not begun");
    let Heard::Begin(at_a) = a.hear(&of_b) else {
        panic!("it begins");
    };
    let Heard::Begin(at_b) = b.hear(&of_a) else {
        panic!("it begins");
    };
    assert_eq!((at_a.ours, at_a.theirs), (10, 20));
    assert_eq!((at_b.ours, at_b.theirs), (20, 10));
    let message = no("192.0.2.1");
    let heard = b.hear(&said(at_a, &message));
    assert_eq!(heard, Heard::Message(Box::new(message.clone())));
    // It was told again from the start: that is nothing new.
    assert_eq!(b.hear(&of_a), Heard::Stale);
    // One begins anew: what was on its way belongs to no conversation any more.
    let again = a.begin();
    assert_eq!(a.hear(&said(at_b, &message)), Heard::Stale);
    let Heard::Begin(now_at_b) = b.hear(&again) else {
        panic!("it begins");
    };
    assert_eq!((now_at_b.ours, now_at_b.theirs), (20, 11));
    assert_eq!(b.hear(&said(at_a, &message)), Heard::Stale);
    let heard = a.hear(&said(now_at_b, &message));
    assert_eq!(heard, Heard::Message(Box::new(message)));
    a.end();
    assert_eq!(a.hear(&said(now_at_b, &no("192.0.2.1"))), Heard::Stale);
}

#[test]
fn what_is_no_message_is_malformed() {
    let [mut a, mut b] = [talk(10), talk(20)];
    let (of_a, of_b) = (a.begin(), b.begin());
    let _ = a.hear(&of_b);
    let Heard::Begin(at_b) = b.hear(&of_a) else {
        panic!("it begins");
    };
    let good = said(at_b, &no("2001:db8::1"));
    assert!(matches!(a.hear(&good), Heard::Message(_)));
    for len in 0..good.len() {
        assert_eq!(a.hear(&good[..len]), Heard::Malformed, "{len}");
    }
    assert_eq!(a.hear(&[7; 40]), Heard::Malformed);
}

#[test]
fn a_server_that_was_away_says_nothing_before_that_was_noticed() {
    let now = Instant::now();
    let mut peer: Peer<&str> = Peer::new(None, now);
    assert_eq!(peer.hold("alone", now), Some("alone"), "there is no other");
    let conversation = Conversation { ours: 1, theirs: 2 };
    let of_pair = || Peer {
        unnoticed_until: Some(now + PATIENCE),
        ..Peer::new(None, now)
    };
    let mut peer = of_pair();
    assert_eq!(peer.hold("early", now), None);
    assert_eq!(peer.deadline(), Some(now + PATIENCE));
    assert_eq!(peer.timer(now), [""; 0]);
    assert_eq!(peer.timer(now + PATIENCE), ["early"]);
    assert_eq!(peer.deadline(), None);
    assert_eq!(peer.hold("late", now + PATIENCE), Some("late"));
    let mut peer = of_pair();
    assert_eq!(peer.hold("early", now), None);
    assert_eq!(peer.set(Some(conversation)), ["early"], "it knows");
    assert_eq!(peer.hold("late", now), Some("late"));
}
