//! Any TCP segments at all, near the numbers that count: what may never happen, by a model that does not count modulo anything.

use proptest::prelude::*;

use super::*;
use crate::testing::Random;
use Direction::{Egress, Ingress};

const TCP: u8 = 6;
const F: u8 = 1;
const S: u8 = 2;
const R: u8 = 4;
const A: u8 = 16;

/// What one direction has said since the connection was opened.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    syn: bool,
    ack: bool,
    fin: bool,
    /// The number behind its SYN.
    begun: i64,
    /// How far it has let the other side send, from the other's first number; by segments that passed.
    limit: i64,
    scale: Option<u8>,
}

/// A segment, numbers counted from where its direction, and the other, begin.
#[derive(Clone, Copy, Debug)]
struct Numbered {
    tcp: Tcp,
    sequence: i64,
    acknowledgment: i64,
}

fn any_segment(random: &mut Random, firsts: [u32; 2], direction: Direction) -> Numbered {
    let kinds = [S, S | A, A, A, A, A, A, F | A, R, R | A];
    let flags = match random.below(20) {
        0 => random.bits() as u8,
        n => kinds[n as usize % kinds.len()],
    };
    let mut near = |most: u64| match random.below(8) {
        0 => random.below(1 << 20) as i64 - (1 << 19),
        1 => random.below(20) as i64 - 10,
        _ => random.below(most) as i64,
    };
    let (sequence, acknowledgment) = match flags & S {
        0 => (near(300), near(300)),
        _ => (near(2), near(3)),
    };
    let [own, other] = [
        firsts[direction as usize],
        firsts[direction.reverse() as usize],
    ];
    let tcp = Tcp {
        flags,
        sequence: own.wrapping_add(sequence as u32),
        acknowledgment: other.wrapping_add(acknowledgment as u32),
        window: random.below(200) as u16,
        data: if random.below(2) == 0 {
            0
        } else {
            random.below(100) as u32
        },
        scale: (random.below(2) == 0).then(|| random.below(4) as u8),
    };
    Numbered {
        tcp,
        sequence,
        acknowledgment,
    }
}

/// A connection of which one SYN was seen.
fn opened_by(direction: Direction, segment: &Numbered) -> [Said; 2] {
    let mut said = [Said::default(); 2];
    said[direction as usize] = Said {
        syn: true,
        scale: segment.tcp.scale,
        begun: segment.sequence + i64::from(segment.tcp.data) + 1,
        ..Said::default()
    };
    said
}

fn may_follow(before: State, after: State) -> bool {
    use State::*;
    before == after
        || match before {
            SynSent => matches!(after, SynReceived | Closed),
            SynReceived => matches!(after, Established | Closing | TimeWait | Closed),
            Established => matches!(after, Closing | Closed),
            Closing => matches!(after, TimeWait | Closed),
            TimeWait => matches!(after, SynSent | Closed),
            Closed => matches!(after, SynSent),
            _ => false,
        }
}

/// Segments at random. How many connections came about.
fn run(seed: u64, wrap: bool) -> Result<u32, TestCaseError> {
    let random = &mut Random::new(seed);
    let mut kit = Kit::new(64, 1);
    let key = key(TCP, 1);
    let firsts = if wrap {
        [u32::MAX - 20, 5]
    } else {
        [random.bits() as u32, random.bits() as u32]
    };
    let mut said = [Said::default(); 2];
    let mut established = 0;
    for _ in 0..6000 {
        let direction = if random.below(2) == 0 {
            Egress
        } else {
            Ingress
        };
        let segment = any_segment(random, firsts, direction);
        let tcp = segment.tcp;
        let opening = tcp.flags & (F | S | R | A) == S;
        let Some(flow) = kit.find(&key) else {
            prop_assert_eq!(
                kit.insert(&key, direction, Upper::Tcp(tcp)).is_ok(),
                opening,
                "{:?}",
                tcp
            );
            said = opened_by(direction, &segment);
            continue;
        };
        let (before, opened, print) = (flow.state(), flow.opened(), format!("{flow:?}"));
        let verdict = kit.packet(&key, direction, Upper::Tcp(tcp));
        let after = flow.state();
        let known = said;
        let tell = || format!("{segment:?} {direction:?}: {before:?} to {after:?}, {known:?}");
        prop_assert!(may_follow(before, after), "{}", tell());
        prop_assert_eq!(flow.opened(), opened);
        match verdict {
            Verdict::Over => {
                prop_assert!(opening && direction != opened, "{}", tell());
                prop_assert!(
                    matches!(before, State::TimeWait | State::Closed),
                    "{}",
                    tell()
                );
                let table = kit.table.clone();
                let flow = table.entry(table.number(flow)).unwrap();
                kit.workers[0].remove(flow);
                // Its entry can be used again.
                kit.round();
                kit.now += 1;
                kit.round();
                continue;
            }
            Verdict::Invalid => {
                prop_assert_eq!(format!("{flow:?}"), print, "{}", tell());
                continue;
            }
            Verdict::Pass => {}
        }
        let other = said[direction.reverse() as usize];
        let this = &mut said[direction as usize];
        // Nobody sends beyond what it was ever let, and a probe. Before the answer there is no limit.
        if !matches!(before, State::SynSent) && tcp.flags & S == 0 {
            prop_assert!(segment.sequence <= other.limit + 1, "{}", tell());
        }
        if after == State::SynSent {
            if opening {
                said = opened_by(direction, &segment);
            }
            continue;
        }
        if tcp.flags & R == 0 && (tcp.flags & A != 0 || before != after) {
            this.syn |= tcp.flags & S != 0;
            this.ack |= tcp.flags & A != 0;
            this.fin |= tcp.flags & F != 0;
            if before == State::SynSent {
                this.scale = tcp.scale;
            }
        }
        let scaled = this.scale.is_some() && other.scale.is_some() && tcp.flags & S == 0;
        let window =
            i64::from(tcp.window.max(1)) << if scaled { this.scale.unwrap_or(0) } else { 0 };
        let acked = if tcp.flags & A != 0 {
            segment.acknowledgment
        } else {
            other.begun
        };
        this.limit = this.limit.max(acked + window);
        if before == State::SynSent {
            // The SYN that opened has let the other side send too, 200 at most.
            said[direction.reverse() as usize].limit = segment.sequence + 1 + 200;
        }
        let both = |what: fn(&Said) -> bool| said.iter().all(what);
        match after {
            State::Established if before != after => {
                established += 1;
                prop_assert!(both(|said| said.ack), "{}", tell());
            }
            State::TimeWait if before != after => prop_assert!(both(|said| said.fin), "{}", tell()),
            State::Closing if before != after => {
                prop_assert!(said.iter().any(|said| said.fin), "{}", tell())
            }
            State::Closed if before != after => prop_assert!(tcp.flags & R != 0, "{}", tell()),
            _ => {}
        }
    }
    Ok(established)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_may_never_happen(seed: u64, wrap: bool) {
        run(seed, wrap)?;
    }
}

/// Random segments do get so far that there is something to see.
#[test]
fn connections_come_about() {
    let connections: u32 = (0..16).map(|seed| run(seed, seed & 1 == 0).unwrap()).sum();
    assert!(connections > 50, "{connections}");
}
