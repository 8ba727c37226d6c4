//! Random frames, judged and judged again by the naive reading.

use proptest::prelude::*;

use super::build::*;
use super::*;

/// A small generator: a case is its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.roll(choices.len() as u64) as usize]
    }

    fn mostly(&mut self) -> bool {
        self.roll(8) > 0
    }

    fn bytes(&mut self, len: u64) -> Vec<u8> {
        (0..len)
            .map(|_| self.of(&[0, 1, 2, 8, 255, 0x42]))
            .collect()
    }
}

const MACS: [[u8; 6]; 6] = [HOST, HOST, HOST, OTHER, [2, 0, 0, 0, 0, 9], [3; 6]];

const ADDRESSES: [&str; 16] = [
    "2001:db8:1::7",
    "2001:db8:1::7",
    "fe80::7",
    "fe80::7",
    "2001:db8:1::8",
    "fe80::8",
    "2001:db8:1::77",
    "fe80::77",
    "2001:db8:2::7",
    "2001:db8:99::1",
    "2001:db8:98::1",
    "::",
    "::1",
    "ff02::1",
    "192.0.2.7",
    "fec0::1",
];

const ADDRESSES4: [&str; 10] = [
    "192.0.2.7",
    "192.0.2.7",
    "192.0.2.8",
    "192.0.2.77",
    "198.51.100.1",
    "169.254.1.1",
    "0.0.0.0",
    "127.0.0.1",
    "224.0.0.1",
    "255.255.255.255",
];

fn address(dice: &mut Dice) -> u128 {
    ip(dice.of(&ADDRESSES))
}

fn frame6(dice: &mut Dice) -> Vec<u8> {
    let source = address(dice);
    let target = address(dice);
    let groups = [
        "ff02::1",
        "ff02::2",
        "ff02::16",
        "ff02::1:2",
        "ff05::1:3",
        "fe80::9",
        "2001:db8::1",
    ];
    let mut destination = ip(dice.of(&groups));
    let payload_len = dice.roll(60);
    let payload = dice.bytes(payload_len);
    let mut six = match dice.roll(4) {
        0 => {
            let kind = dice.of(&[130, 131, 132, 143, 148, 151, 153, 128, 1, 141]);
            icmp(source, destination, kind, &payload)
        }
        1 | 2 => {
            let kind = dice.of(&[133, 134, 135, 136, 136, 135, 137]);
            if kind == 135 && dice.mostly() {
                destination = wire::addr::v6::solicited_node(target);
            }
            let link_layer = (dice.roll(3) > 0).then(|| (dice.of(&[1, 2, 3, 14]), dice.of(&MACS)));
            let source = if kind == 135 && dice.roll(2) == 0 {
                0
            } else {
                source
            };
            let with_target = (kind > 134).then_some(target);
            nd(source, destination, kind, with_target, link_layer)
        }
        _ => {
            let ports = [546, 547, 53, 1000, 53, 443, 80, 1000];
            let (from, to) = (dice.of(&ports), dice.of(&ports));
            let mut payload = payload;
            if let Some(kind) = payload.first_mut() {
                *kind = dice.roll(40) as u8;
            }
            udp6(source, destination, from, to, &payload)
        }
    };
    if !dice.mostly() {
        six.protocol = dice.of(&[6, 50, 59, 41, 89, 253, 254, 0, 44, 60]);
    }
    if !dice.mostly() {
        six.hop_limit = 64;
    }
    for _ in 0..dice.of(&[0, 0, 0, 1, 1, 2, 3, 4, 10]) {
        let offset = dice.of(&[0, 0, 0, 8, 56, 64, 1232]);
        let ext = [
            Ext::HopByHop,
            Ext::Destination(1 + dice.roll(10) as u8),
            Ext::Routing,
            Ext::Auth,
            Ext::Fragment(offset, dice.roll(2) == 0),
        ];
        six.ext.push(dice.of(&ext));
    }
    if !dice.mostly() {
        let len = dice.roll(six.upper.len() as u64 + 1) as usize;
        six.upper.truncate(len);
    }
    let mac = dice.of(&MACS);
    six.frame_of(mac)
}

fn frame4(dice: &mut Dice) -> Vec<u8> {
    let source = ip(dice.of(&ADDRESSES4));
    let destination = ip(dice.of(&ADDRESSES4));
    let fragment = dice.of(&[
        (0, false),
        (0, false),
        (0, false),
        (0, true),
        (8, false),
        (64, true),
        (552, false),
    ]);
    let upper = match dice.roll(3) {
        0 => {
            let len = dice.roll(40);
            dice.bytes(len)
        }
        _ => {
            let giaddr = dice.of(&[[0; 4], [0; 4], [0, 0, 0, 1]]);
            let message = dice4(dice, giaddr);
            let ports = [67, 68, 67, 68, 1000];
            udp(dice.of(&ports), dice.of(&ports), &message)
        }
    };
    let protocol = dice.of(&[17, 17, 17, 6, 2, 1, 50]);
    let mut frame = v4(source, destination, protocol, fragment, &upper);
    frame[6..12].copy_from_slice(&dice.of(&MACS));
    frame
}

fn dice4(dice: &mut Dice, giaddr: [u8; 4]) -> Vec<u8> {
    let (op, chaddr) = (dice.of(&[1, 1, 1, 2]), dice.of(&MACS));
    let mut message = dhcp4(op, giaddr, chaddr);
    message.truncate(dice.of(&[0, 24, 30, 33, 34, 60, 240]));
    message
}

fn frame(dice: &mut Dice) -> Vec<u8> {
    let mut frame = match dice.roll(8) {
        0..=4 => frame6(dice),
        5 | 6 => frame4(dice),
        _ => {
            let mac = dice.of(&MACS);
            let sender = (
                if dice.mostly() { mac } else { dice.of(&MACS) },
                ip(dice.of(&ADDRESSES4)),
            );
            arp(
                mac,
                dice.of(&[1, 1, 2, 3]),
                sender,
                ip(dice.of(&ADDRESSES4)),
            )
        }
    };
    // Something may be wrong anywhere.
    for _ in 0..dice.of(&[0, 0, 0, 0, 0, 1, 2]) {
        let at = dice.roll(frame.len() as u64) as usize;
        frame[at] = dice.of(&[0, 1, 2, 43, 44, 58, 60, 134, 0x60, 0x45, 255]);
    }
    if !dice.mostly() {
        let len = 14 + dice.roll(frame.len() as u64 - 13) as usize;
        frame.truncate(len);
    }
    frame
}

fn random_world(dice: &mut Dice) -> World {
    let mut world = world();
    match dice.roll(4) {
        0 => world.macs.clear(),
        1 => world.macs.push(OTHER),
        _ => {}
    }
    if dice.roll(2) == 0 {
        world.pairs = vec![
            (ip("2001:db8:99::"), 64, None),
            (ip("2001:db8:98::1"), 128, Some(OTHER)),
            (ip("198.51.100.0"), 120, None),
        ];
    }
    if dice.roll(2) == 0 {
        let mac = dice.of(&[HOST, OTHER]);
        world.delegated.push((ip("2001:db8:98::"), 48, mac));
    }
    if dice.roll(8) == 0 {
        world.pairs.push((0, 0, None));
    }
    world.roles = Roles {
        router: dice.roll(3) == 0,
        dhcp6_server: dice.roll(3) == 0,
        dhcp4_server: dice.roll(3) == 0,
        vrrp: dice.roll(3) == 0,
    };
    world.learns = dice.mostly();
    world.is_full = dice.roll(4) == 0;
    if dice.roll(4) == 0 {
        world.on_link.clear();
    }
    if dice.roll(3) == 0 {
        world.held.insert(ip("2001:db8:1::77"), true);
        world
            .held_macs
            .insert([2, 0, 0, 0, 0, 9], dice.roll(2) == 0);
    }
    // What is bound has a MAC that may be.
    if dice.roll(2) == 0 && (world.macs.is_empty() || world.macs.contains(&OTHER)) {
        world.bound.insert(ip("fe80::77"), OTHER);
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// 400 worlds of 1000 frames each.
    #[test]
    fn judge_says_what_the_naive_reading_says(seed in any::<u64>()) {
        let mut dice = Dice(seed | 1);
        let world = random_world(&mut dice);
        let (guard, book) = world.make();
        let known = book.read();
        for _ in 0..1000 {
            let frame = frame(&mut dice);
            let cut = if dice.mostly() { 0 } else { 1 + dice.roll(40) };
            let seen = Seen::of(&frame, 14, frame.len() + cut as usize).unwrap();
            let judged = judge(&seen, &guard, ANCHOR, known);
            let naive = naive::judge(&world, &frame, cut == 0);
            prop_assert_eq!(judged.verdict, naive, "{:02x?} in {:?}", frame, world);
            // The lane's question is answered no better than the judgement.
            let source = match seen.ether_type {
                0x86dd => seen.packet.get(8..24).map(|s| u128::from_be_bytes(s.try_into().unwrap())),
                0x0800 => seen.packet.get(12..16).map(|s| {
                    0xffff << 32 | u128::from(u32::from_be_bytes(s.try_into().unwrap()))
                }),
                _ => None,
            };
            if let Some(source) = source
                && !is_control(&frame, 14)
                && (seen.ether_type == 0x0800) == wire::addr::v6::is_v4_mapped(source)
                && source_ok(known, ANCHOR, &seen.source, source, 1)
            {
                // But for lengths, which are the lane's own to check, and an upper layer that is cut off.
                let fine = matches!(
                    judged.verdict,
                    Ok(Kind::Data)
                        | Err(R::Ip6BadLength | R::Ip6BadVersion | R::GuardUndecidable)
                        | Err(R::Ip4BadLength | R::Ip4Truncated)
                );
                prop_assert!(fine, "{:?} {:02x?}", judged, frame);
            }
        }
    }
}

proptest! {
    /// What the fuzzer runs, for a moment.
    #[test]
    fn no_bytes_divide_the_readings(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        fuzzing::guard(&bytes);
    }
}

#[test]
fn nor_what_the_fuzzer_has_found() {
    crate::fuzz_files::replay("guard", fuzzing::guard);
}

#[test]
fn random_frames_meet_every_reason() {
    let mut seen_reasons = std::collections::HashSet::new();
    let mut kinds = std::collections::HashSet::new();
    for seed in 1..200 {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let world = random_world(&mut dice);
        for _ in 0..200 {
            match naive::judge(&world, &frame(&mut dice), true) {
                Ok(kind) => drop(kinds.insert(kind)),
                Err(reason) => drop(seen_reasons.insert(reason)),
            }
        }
    }
    assert!(kinds.len() >= 6, "{kinds:?}");
    let named = [
        R::MacSpoofed,
        R::Ip6SourceSpoofed,
        R::Ip4SourceSpoofed,
        R::ArpSpoofed,
        R::NdSpoofed,
        R::AddressClaimed,
        R::AddressLimit,
        R::RaGuard,
        R::RedirectGuard,
        R::Dhcp6Guard,
        R::Dhcp4Guard,
        R::MldQueryGuard,
        R::NdFragmented,
        R::GuardUndecidable,
        R::NdHopLimit,
        R::Ip6BadLength,
        R::ArpMalformed,
    ];
    for reason in named {
        assert!(seen_reasons.contains(&reason), "{reason}");
    }
}
