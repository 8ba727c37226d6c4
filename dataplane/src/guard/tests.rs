//! For each rule the packet that must pass and the one that must not.

mod build;
mod packets;
mod random;
mod rules;
mod services;

use std::collections::HashMap;

use super::naive::{self, ANCHOR, World};
use super::*;
use crate::drop::DropReason as R;

const HOST: [u8; 6] = [2, 0, 0, 0, 0, 7];
const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 8];

/// An address, IPv4 as an IPv4-mapped one.
fn ip(text: &str) -> u128 {
    crate::forwarding::network::mapped(text.parse().unwrap())
}

/// A host with its addresses; another one of its link, without an anchor, with its own.
fn world() -> World {
    let own = ["2001:db8:1::7", "fe80::7", "192.0.2.7"];
    let others = ["2001:db8:1::8", "fe80::8", "192.0.2.8"];
    World {
        macs: vec![HOST],
        learns: true,
        on_link: vec![(ip("2001:db8:1::"), 64), (ip("192.0.2.0"), 120)],
        bound: own.map(|address| (ip(address), HOST)).into(),
        held: HashMap::from(others.map(|address| (ip(address), false))),
        ..World::default()
    }
}

/// What both readings say of a frame.
fn verdict_of(world: &World, frame: &[u8]) -> Judgement {
    let (guard, book) = world.make();
    let seen = Seen::of(frame, 14, frame.len()).unwrap();
    let judged = judge(&seen, &guard, ANCHOR, book.read());
    let naive = naive::judge(world, frame, true);
    assert_eq!(judged.verdict, naive, "{frame:02x?}");
    judged
}

fn check(world: &World, frame: &[u8], expected: Result<Kind, R>) {
    assert_eq!(verdict_of(world, frame).verdict, expected, "{frame:02x?}");
}
