//! Random connections over a path that loses, repeats and reorders, before the table and behind it: what does not pass is of no use
//! to whoever it is for. And strangers who do not see the numbers change nothing.

use proptest::prelude::*;
use std::collections::VecDeque;

use super::peer::Router;
use super::*;
use crate::testing::Random;
use Direction::{Egress, Ingress};

const TCP: u8 = 6;
const F: u8 = 1;
const S: u8 = 2;
const R: u8 = 4;
const A: u8 = 16;

/// A TCP endpoint, as simple as one can be that sends, repeats, acknowledges and closes.
#[derive(Debug, Default)]
struct End {
    /// Its first number, and the other's once that is known.
    first: u32,
    other: Option<u32>,
    /// Counted from the first number: sent, acknowledged, and received in order.
    sent: u32,
    acked: u32,
    received: u32,
    /// The other's window and scale, and its own.
    may_send: u32,
    window: u16,
    most: u16,
    scale: Option<u8>,
    other_scale: Option<u8>,
    /// Bytes that it wants to send.
    wants: u32,
}

impl End {
    fn shift(&self) -> (u32, u32) {
        match (self.scale, self.other_scale) {
            (Some(own), Some(other)) => (own.into(), other.into()),
            _ => (0, 0),
        }
    }

    /// All that it sends, with SYN and FIN.
    fn all(&self) -> u32 {
        self.wants + 2
    }

    fn has_all(&self, other: &End) -> bool {
        self.acked == self.all() && self.received == other.all()
    }

    fn segment(&self, from: u32, to: u32) -> Tcp {
        let is_syn = from == 0 && to > from;
        let is_fin = to == self.all() && to > from;
        let ack = self.other.is_some();
        let marks = u32::from(is_syn) + u32::from(is_fin);
        Tcp {
            flags: if is_syn { S } else { 0 }
                | if is_fin { F } else { 0 }
                | if ack { A } else { 0 },
            sequence: self.first.wrapping_add(from),
            acknowledgment: self
                .other
                .map_or(0, |other| other.wrapping_add(self.received)),
            window: self.window,
            data: to - from - marks,
            scale: if is_syn { self.scale } else { None },
        }
    }

    /// Something to send: new, or once more.
    fn say(&mut self, random: &mut Random) -> Option<Tcp> {
        // It has room, or none for a while.
        self.window = if random.below(8) == 0 { 0 } else { self.most };
        if self.other.is_none() {
            self.sent = 1;
            return Some(self.segment(0, 1));
        }
        if self.acked == 0 {
            self.sent = self.sent.max(1);
            return Some(self.segment(0, 1));
        }
        let room = (self.acked + self.may_send).min(self.all());
        let (from, to) = match random.below(4) {
            0 => (self.acked, self.sent),
            1 => (self.sent, self.sent),
            _ => (self.sent, room.max(self.sent)),
        };
        let most = 1 + random.below(1460) as u32;
        let to = to.min(from + most);
        self.sent = self.sent.max(to);
        // A closed window is probed (RFC 9293 section 3.8.6.1).
        if self.acked == self.sent && to == self.sent && self.may_send == 0 && to < self.all() {
            self.sent = self.sent.max(to + 1);
            return Some(self.segment(to, to + 1));
        }
        Some(self.segment(from, to))
    }

    /// Whether a segment tells anything new.
    fn is_of_use(&self, tcp: &Tcp, is_all: bool) -> bool {
        let Some(other) = self.other else {
            return tcp.flags & S != 0;
        };
        let end = tcp.sequence.wrapping_sub(other).wrapping_add(length(tcp)) as i32;
        let ack = tcp.acknowledgment.wrapping_sub(self.first) as i32;
        let is_new = end > self.received as i32;
        // Of a segment with nothing but old data, and no SYN, the acknowledgment is not looked at (RFC 9293 section 3.10.7.4).
        let is_heard = is_new || length(tcp) == 0 || tcp.flags & S != 0;
        (is_new || tcp.flags & A != 0 && ack > self.acked as i32 && is_heard) && !is_all
    }

    fn hear(&mut self, tcp: &Tcp, random: &mut Random) -> Option<Tcp> {
        if tcp.flags & S != 0 && self.other.is_none() {
            self.other = Some(tcp.sequence);
            self.other_scale = tcp.scale;
        }
        let other = self.other?;
        let from = tcp.sequence.wrapping_sub(other) as i32;
        let end = from + length(tcp) as i32;
        let new = from <= self.received as i32 && end > self.received as i32;
        if new {
            self.received = end as u32;
        }
        let (_, shift) = self.shift();
        let ack = tcp.acknowledgment.wrapping_sub(self.first) as i32;
        let is_heard = new || end > self.received as i32 || length(tcp) == 0 || tcp.flags & S != 0;
        let acks = ack >= self.acked as i32 && ack <= self.sent as i32;
        if tcp.flags & A != 0 && acks && is_heard {
            self.acked = ack as u32;
            self.may_send = u32::from(tcp.window) << if tcp.flags & S != 0 { 0 } else { shift };
        }
        let answers = new || length(tcp) != 0 || random.below(8) == 0;
        if self.acked == 0 {
            self.sent = 1;
            return Some(self.segment(0, 1));
        }
        answers.then(|| self.segment(self.sent, self.sent))
    }
}

fn length(tcp: &Tcp) -> u32 {
    tcp.data + u32::from(tcp.flags & S != 0) + u32::from(tcp.flags & F != 0)
}

/// A queue that loses, repeats, and gives any of the first few.
fn through(queue: &mut VecDeque<Tcp>, random: &mut Random, loss: u64) -> Option<Tcp> {
    let reach = queue.len().min(4) as u64;
    let tcp = queue.remove(random.below(reach) as usize)?;
    match random.below(100) {
        n if n < loss => None,
        n if n < 2 * loss => {
            queue.push_back(tcp);
            Some(tcp)
        }
        _ => Some(tcp),
    }
}

fn end(random: &mut Random) -> End {
    End {
        first: random.bits() as u32,
        most: [100, 1460, 8000, 65_535][random.below(4) as usize],
        scale: (random.below(2) == 0).then(|| random.below(6) as u8),
        wants: random.below(20_000) as u32,
        ..End::default()
    }
}

/// A stranger's segment: it knows addresses and ports, no numbers.
fn stranger(random: &mut Random) -> Tcp {
    Tcp {
        flags: random.bits() as u8,
        sequence: random.bits() as u32,
        acknowledgment: random.bits() as u32,
        window: random.bits() as u16,
        data: random.below(1460) as u32,
        scale: None,
    }
}

/// Segments of strangers among those of the connection, of a thousand.
fn intrude(kit: &Kit, key: &FlowKey, random: &mut Random) -> Result<(), TestCaseError> {
    let flow = kit.find(key).expect("the flow is there");
    let before = (flow.state(), flow.opened(), flow.word());
    let tcp = stranger(random);
    // A SYN may open again what is over, and is asked about by both ends (RFC 5961); a reset may hit by chance.
    if tcp.flags & (S | A) == S || matches!(before.0, State::SynSent | State::Closed) {
        return Ok(());
    }
    let direction = if random.below(2) == 0 {
        Egress
    } else {
        Ingress
    };
    let numbers = kit.table.snapshot(None, 1, kit.now).len();
    prop_assert_eq!(numbers, 1);
    let hits = flow.cites(direction, Some(tcp.sequence));
    flow.packet(direction, &segment(Upper::Tcp(tcp)), kit.now);
    prop_assert!(
        before == (flow.state(), flow.opened(), flow.word()) || hits,
        "{:?} did {:?}",
        tcp,
        flow.state()
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn what_does_not_pass_is_of_no_use(seed: u64, loss in 0..20_u64, both_open: bool, crowd: bool) {
        let random = &mut Random::new(seed);
        let mut kit = Kit::new(64, 1);
        let key = key(TCP, 1);
        let mut ends = [end(random), end(random)];
        let mut before = [VecDeque::new(), VecDeque::new()];
        let mut behind = [VecDeque::new(), VecDeque::new()];
        let mut done = false;
        for step in 0..200_000 {
            let side = random.below(2) as usize;
            let direction = [Egress, Ingress][side];
            match random.below(4) {
                0 if before[side].len() < 8 => {
                    let speaks = side == 0 || ends[1].other.is_some() || both_open && step < 20;
                    if speaks && let Some(tcp) = ends[side].say(random) {
                        before[side].push_back(tcp);
                    }
                }
                1 if !before[side].is_empty() => {
                    if let Some(tcp) = through(&mut before[side], random, loss) {
                        let passes = if kit.find(&key).is_none() {
                            kit.insert(&key, direction, Upper::Tcp(tcp)).is_ok()
                        } else {
                            kit.packet(&key, direction, Upper::Tcp(tcp)) == Verdict::Pass
                        };
                        let [this, other] = [&ends[side], &ends[1 - side]];
                        let lost = !passes && other.is_of_use(&tcp, other.has_all(this));
                        prop_assert!(!lost, "{:?} in {:?}: {:?}", tcp, kit.find(&key).map(Flow::state), ends);
                        if passes {
                            behind[side].push_back(tcp);
                        }
                    }
                }
                _ if !behind[side].is_empty() => {
                    if let Some(tcp) = through(&mut behind[side], random, loss) {
                        let answer = ends[1 - side].hear(&tcp, random);
                        before[1 - side].extend(answer);
                    }
                }
                _ => {}
            }
            if crowd && step % 16 == 0 && kit.find(&key).is_some() {
                intrude(&kit, &key, random)?;
            }
            let [a, b] = &ends;
            if a.has_all(b) && b.has_all(a) {
                done = true;
                break;
            }
        }
        prop_assert!(done, "{:?} {:?}", ends, kit.find(&key).map(Flow::state));
        prop_assert_eq!(kit.state(&key), State::TimeWait);
    }

    /// The same, over two routers of a pair: the path moves from one to the other, with what is on its way lost or not.
    #[test]
    fn what_does_not_pass_the_other_router_is_of_no_use(seed: u64, loss in 0..20_u64, moves in 1..200_u64) {
        let random = &mut Random::new(seed);
        let mut routers = [Router::new(64), Router::new(64)];
        let key = key(TCP, 1);
        let mut ends = [end(random), end(random)];
        let mut before = [VecDeque::new(), VecDeque::new()];
        let mut behind = [VecDeque::new(), VecDeque::new()];
        let (mut at, mut done, mut moved) = (0, false, 0);
        for _ in 0..200_000 {
            let side = random.below(2) as usize;
            let direction = [Egress, Ingress][side];
            match random.below(4) {
                0 if before[side].len() < 8 => {
                    let speaks = side == 0 || ends[1].other.is_some();
                    if speaks && let Some(tcp) = ends[side].say(random) {
                        before[side].push_back(tcp);
                    }
                }
                1 if !before[side].is_empty() => {
                    if let Some(tcp) = through(&mut before[side], random, loss) {
                        let router = &mut routers[at];
                        let passes = if router.kit.find(&key).is_none() {
                            router.kit.insert(&key, direction, Upper::Tcp(tcp)).is_ok()
                        } else {
                            router.packet(&key, direction, Upper::Tcp(tcp)) == Verdict::Pass
                        };
                        let [this, other] = [&ends[side], &ends[1 - side]];
                        // A SYN that came by the other router, unanswered, is sent once more.
                        let began = this.acked > 0 && other.acked > 0;
                        let lost = !passes && began && other.is_of_use(&tcp, other.has_all(this));
                        let state = router.kit.find(&key).map(Flow::state);
                        prop_assert!(!lost, "{:?} in {:?}: {:?}", tcp, state, ends);
                        if passes {
                            behind[side].push_back(tcp);
                        }
                        let changes = routers[at].changes();
                        routers[1 - at].apply(&changes);
                        let changes = routers[1 - at].changes();
                        routers[at].apply(&changes);
                        if moved < 6 && random.below(moves) == 0 {
                            (at, moved) = (1 - at, moved + 1);
                            if random.below(2) == 0 {
                                before.iter_mut().for_each(VecDeque::clear);
                            }
                        }
                    }
                }
                _ if !behind[side].is_empty() => {
                    if let Some(tcp) = through(&mut behind[side], random, loss) {
                        let answer = ends[1 - side].hear(&tcp, random);
                        before[1 - side].extend(answer);
                    }
                }
                _ => {}
            }
            let [a, b] = &ends;
            if a.has_all(b) && b.has_all(a) {
                done = true;
                break;
            }
        }
        let state = routers[at].kit.find(&key).map(Flow::state);
        prop_assert!(done, "{:?} {:?}", ends, state);
    }

    /// Resets: a stranger's has to hit what is in flight.
    #[test]
    fn strangers_do_not_reset(seed: u64) {
        let random = &mut Random::new(seed);
        let mut kit = Kit::new(64, 1);
        let key = key(TCP, 1);
        let (client, server) = (random.bits() as u32, random.bits() as u32);
        let tcp = |flags, sequence, acknowledgment| Tcp {
            flags, sequence, acknowledgment, window: 65_535, ..Tcp::default()
        };
        kit.insert(&key, Egress, Upper::Tcp(tcp(S, client, 0))).unwrap();
        kit.packet(&key, Ingress, Upper::Tcp(tcp(S | A, server, client.wrapping_add(1))));
        kit.packet(&key, Egress, Upper::Tcp(tcp(A, client.wrapping_add(1), server.wrapping_add(1))));
        for _ in 0..2000 {
            let sequence = random.bits() as u32;
            kit.packet(&key, Ingress, Upper::Tcp(tcp(R, sequence, 0)));
            let hits = sequence == server.wrapping_add(1);
            prop_assert!(hits || kit.state(&key) == State::Established);
        }
    }
}
