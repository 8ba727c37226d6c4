//! What `fuzz/fuzz_targets/guard.rs` runs: bytes become a frame, in one of some worlds, and both readings of it must agree.

use std::sync::{Arc, OnceLock};

use super::naive::{self, ANCHOR, World};
use super::{Book, Guard, Kind, Roles, Seen, is_control, judge, source_ok};
use crate::drop::DropReason;
use crate::forwarding::MacAddr;

const HOST: MacAddr = [2, 0, 0, 0, 0, 7];
const OTHER: MacAddr = [2, 0, 0, 0, 0, 8];

/// As many worlds as five bits choose.
const WORLDS: u8 = 32;

fn ip(text: &str) -> u128 {
    match text.parse() {
        Ok(address) => crate::forwarding::network::mapped(address),
        Err(_) => unreachable!("{text} is an address"),
    }
}

fn world(bits: u8) -> World {
    let is = |bit: u8| bits & 1 << bit != 0;
    let own = ["2001:db8:1::7", "fe80::7", "192.0.2.7"].map(|address| (ip(address), HOST));
    let others = ["2001:db8:1::8", "fe80::8", "192.0.2.8"].map(|address| (ip(address), false));
    World {
        macs: if is(0) { vec![HOST] } else { Vec::new() },
        pairs: match is(1) {
            true => vec![
                (ip("2001:db8:99::"), 64, None),
                (ip("198.51.100.0"), 120, Some(HOST)),
            ],
            false => Vec::new(),
        },
        roles: Roles {
            router: is(2),
            dhcp6_server: is(2),
            dhcp4_server: is(2),
            vrrp: is(2),
        },
        vrids: vec![(true, 61), (false, 62)],
        learns: is(3),
        on_link: vec![(ip("2001:db8:1::"), 64), (ip("192.0.2.0"), 120)],
        bound: own.into(),
        held: others.into(),
        held_macs: [(OTHER, false)].into(),
        delegated: vec![(ip("2001:db8:98::"), 48, HOST)],
        is_full: is(4),
    }
}

fn worlds() -> &'static [(World, Guard, Arc<Book>)] {
    static ALL: OnceLock<Vec<(World, Guard, Arc<Book>)>> = OnceLock::new();
    ALL.get_or_init(|| {
        let made = |bits| {
            let world = world(bits);
            let (guard, book) = world.make();
            (world, guard, book)
        };
        (0..WORLDS).map(made).collect()
    })
}

/// Reads a frame from bytes (the world; how much of it is in another buffer, and its MAC and EtherType; the packet) and panics if the
/// two readings differ.
pub fn guard(data: &[u8]) {
    let Some((&[choice, shape], packet)) = data.split_first_chunk() else {
        return;
    };
    let (world, guard, book) = &worlds()[usize::from(choice % WORLDS)];
    let mac = if shape & 8 == 0 { HOST } else { OTHER };
    let ether_type: u16 = match shape & 7 {
        0..=3 => 0x86dd,
        4 | 5 => 0x0800,
        6 => 0x0806,
        _ => u16::from(choice) << 8 | u16::from(shape),
    };
    let cut = usize::from(shape >> 4);
    let frame = [
        &[0x33, 0x33, 0, 0, 0, 1][..],
        &mac,
        &ether_type.to_be_bytes(),
        packet,
    ]
    .concat();
    let Some(seen) = Seen::of(&frame, 14, frame.len() + cut) else {
        return;
    };
    let known = book.read();
    let judged = judge(&seen, guard, ANCHOR, known);
    let naive = naive::judge(world, &frame, cut == 0);
    assert_eq!(judged.verdict, naive, "{frame:02x?}");
    let source = match ether_type {
        0x86dd => packet
            .get(8..24)
            .and_then(|s| s.first_chunk().copied())
            .map(u128::from_be_bytes),
        0x0800 => packet
            .get(12..16)
            .and_then(|s| s.first_chunk().copied())
            .map(|s| 0xffff << 32 | u128::from(u32::from_be_bytes(s))),
        _ => None,
    };
    let is_asked = |source: &u128| {
        (ether_type == 0x0800) == wire::addr::v6::is_v4_mapped(*source) && !is_control(&frame, 14)
    };
    if let Some(source) = source.filter(is_asked)
        && source_ok(known, ANCHOR, &mac, source, 1)
    {
        // But for lengths, which are the lane's own to check, and an upper layer that is cut off.
        let is_fine = matches!(
            judged.verdict,
            Ok(Kind::Data)
                | Err(DropReason::Ip6BadLength
                    | DropReason::Ip6BadVersion
                    | DropReason::GuardUndecidable)
                | Err(DropReason::Ip4BadLength | DropReason::Ip4Truncated)
        );
        assert!(is_fine, "{judged:?} {frame:02x?}");
    }
}
