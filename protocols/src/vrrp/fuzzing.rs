//! The machine under arbitrary input: what must hold whatever comes.
//!
//! An input is a series of steps: packets, some of them repaired so that they pass the checksum; time that passes; links, addresses and
//! tracked things that come and go.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use tables::id::IfaceId;
use wire::checksum::checksum_v6;
use wire::ipv6::Ipv6Header;

use super::packet::{self, GROUP6, PROTOCOL};
use super::{Action, Config, Event, Family, GroupId, Machine, State};

/// The virtual router under test.
pub const GROUP: GroupId = GroupId {
    iface: IfaceId(1),
    family: Family::V6,
    vrid: 61,
};
/// What it speaks from.
pub const OWN: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 5);

/// Has a machine live through `data`; how many packets it believed.
///
/// # Panics
/// When an invariant of the room does not hold.
pub fn drive(data: &[u8]) -> u64 {
    let mut now = Instant::now();
    let mut machine = Machine::default();
    let mut out = Vec::new();
    let addresses = vec![IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x61))];
    let mut config = Config::new(Family::V6, GROUP.vrid, addresses);
    config.interval = Duration::from_millis(10);
    let mut state = State::Initialize;
    let (mut up, mut rest) = (true, data);
    machine.on_event(
        now,
        Event::Configure {
            id: GROUP,
            config: Box::new(config.clone()),
        },
        &mut out,
    );
    machine.on_event(
        now,
        Event::Link {
            iface: GROUP.iface,
            up,
        },
        &mut out,
    );
    while let [step, tail @ ..] = rest {
        rest = tail;
        match step % 8 {
            0..=2 => {
                let (len, tail) = rest
                    .split_first()
                    .map_or((0, rest), |(len, tail)| (usize::from(*len), tail));
                let (bytes, tail) = tail.split_at(len.min(tail.len()));
                rest = tail;
                let made;
                let packet = match step % 8 {
                    0 => bytes,
                    kind => {
                        made = mended(bytes, kind == 2);
                        &made
                    }
                };
                let iface = GROUP.iface;
                machine.on_event(now, Event::Packet { iface, packet }, &mut out);
            }
            3 => now += Duration::from_millis(u64::from(step / 8)),
            4 => {
                up = !up;
                machine.on_event(
                    now,
                    Event::Link {
                        iface: GROUP.iface,
                        up,
                    },
                    &mut out,
                );
            }
            5 => {
                let addr = (step & 8 == 0).then_some(IpAddr::V6(OWN));
                let source = Event::Source {
                    iface: GROUP.iface,
                    family: GROUP.family,
                    addr,
                };
                machine.on_event(now, source, &mut out);
            }
            6 => {
                let (lowered, held) = (step / 8 * 8, step & 0x80 != 0);
                let id = GROUP;
                machine.on_event(now, Event::Track { id, lowered, held }, &mut out);
            }
            _ => {
                config.priority = (step | 7).max(1);
                config.preempt = step & 0x80 != 0;
                let config = Box::new(config.clone());
                machine.on_event(now, Event::Configure { id: GROUP, config }, &mut out);
            }
        }
        // No timer may call for itself at once, for ever.
        for _ in 0..16 {
            match machine.next_deadline() {
                Some(due) if due <= now => machine.on_event(now, Event::Timer, &mut out),
                _ => break,
            }
        }
        assert!(
            machine.next_deadline().is_none_or(|due| now < due),
            "a timer that is due again at once"
        );
        check(&mut out, &mut state);
    }
    let snapshot = machine.snapshot();
    snapshot.iter().map(|group| group.counters.received).sum()
}

/// Only an active virtual router sends, but for the word that it stops.
fn check(out: &mut Vec<Action>, state: &mut State) {
    let mut stops = false;
    for action in out.drain(..) {
        match action {
            Action::Become { state: now, .. } => {
                *state = now;
                stops = false;
            }
            Action::Send {
                packet, source_mac, ..
            } => {
                assert_eq!(source_mac, super::virtual_mac(GROUP.family, GROUP.vrid));
                assert!(!stops, "nothing follows the word that it stops");
                match packet::read(&packet) {
                    Ok(said) => stops = said.advertisement.priority == 0,
                    // An announcement.
                    Err((rule, _)) => assert_eq!(rule, "protocol"),
                }
                assert!(*state == State::Active, "a silent one speaks");
            }
            Action::Route { .. } => panic!("there are no peers to route to"),
        }
    }
}

/// Bytes as an advertisement of this link whose lengths and checksum are right; or one of our own virtual router.
fn mended(bytes: &[u8], ours: bool) -> Vec<u8> {
    let mut message = bytes.to_vec();
    message.resize(message.len().max(24), 0);
    if ours {
        message[0] = 0x31;
        message[1] = GROUP.vrid;
        message[3] = 1;
        message.truncate(24);
    }
    let source = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, message[2].into());
    message[6..8].fill(0);
    let sum = checksum_v6(&source, &GROUP6, PROTOCOL, &message);
    message[6..8].copy_from_slice(&sum.to_be_bytes());
    // At most 255 bytes came in.
    let header = Ipv6Header::new(&source, &GROUP6, PROTOCOL, 255, message.len() as u16);
    [zerocopy::IntoBytes::as_bytes(&header), &message].concat()
}
