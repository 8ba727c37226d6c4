//! The table beside a map that does the same in the simplest way.

use proptest::prelude::*;
use std::collections::HashMap;

use super::*;
use crate::testing::Random;
use Direction::{Egress, Ingress};

const UDP: u8 = 17;

#[derive(Clone, Debug)]
struct Simple {
    state: State,
    opened: Direction,
    created: u32,
    seen: u32,
    /// Which one it was.
    turn: u32,
    packets: [u64; 2],
}

#[derive(Default)]
struct Model {
    flows: HashMap<FlowKey, Simple>,
    turns: u32,
    quota: u32,
}

impl Model {
    fn count(&self, anchor: AnchorId) -> u32 {
        self.flows.keys().filter(|key| key.anchor == anchor).count() as u32
    }

    fn insert(&mut self, key: &FlowKey, opened: Direction, now: u32) -> Result<(), Refused> {
        if self.count(key.anchor) >= self.quota {
            let unanswered =
                |(k, flow): &(&FlowKey, &Simple)| k.anchor == key.anchor && flow.state.is_loose();
            let oldest = self
                .flows
                .iter()
                .filter(unanswered)
                .min_by_key(|(_, flow)| flow.turn);
            let oldest = *oldest.ok_or(Refused::Quota)?.0;
            self.flows.remove(&oldest);
        }
        self.turns += 1;
        let mut packets = [0; 2];
        packets[opened as usize] = 1;
        let flow = Simple {
            state: State::Unreplied,
            opened,
            created: now,
            seen: now,
            turn: self.turns,
            packets,
        };
        self.flows.insert(*key, flow);
        Ok(())
    }

    fn packet(&mut self, key: &FlowKey, direction: Direction, now: u32) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        flow.state = match flow.state {
            State::Unreplied if direction != flow.opened => State::Replied,
            State::Replied
                if matches!(key.protocol, UDP | 136)
                    && direction == flow.opened
                    && now >= flow.created + 2 =>
            {
                State::Stream
            }
            state => state,
        };
        flow.seen = now;
        flow.packets[direction as usize] += 1;
    }

    fn age(&mut self, now: u32) {
        let timeouts = Timeouts::default();
        self.flows
            .retain(|key, flow| now - flow.seen < timeouts.of(key, flow.state));
    }
}

fn any_key(random: &mut Random, keys: u64) -> FlowKey {
    let protocol = [UDP, UDP, 50, 136][random.below(4) as usize];
    let anchor = AnchorId(1 + random.below(3) as u16);
    key_of(anchor, protocol, random.below(keys) as u32)
}

fn any_direction(random: &mut Random) -> Direction {
    if random.below(2) == 0 {
        Egress
    } else {
        Ingress
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_table_is_a_map_with_a_clock(seed: u64, keys in 1..40_u64, quota in 1..16_u32) {
        let random = &mut Random::new(seed);
        let mut kit = Kit::new(1024, 1);
        let mut model = Model { quota, ..Model::default() };
        kit.quota = quota;
        for _ in 0..2500 {
            let key = any_key(random, keys);
            match random.below(10) {
                0..=5 => {
                    let direction = any_direction(random);
                    if kit.find(&key).is_some() {
                        kit.packet(&key, direction, Upper::Other);
                        model.packet(&key, direction, kit.now);
                    } else {
                        prop_assert!(!model.flows.contains_key(&key));
                        let inserted = kit.insert(&key, direction, Upper::Other);
                        prop_assert_eq!(inserted, model.insert(&key, direction, kit.now));
                    }
                }
                6 => {
                    let table = kit.table.clone();
                    if let Some(flow) = kit.find(&key) {
                        let flow = table.entry(table.number(flow)).unwrap();
                        kit.workers[0].remove(flow);
                    }
                    model.flows.remove(&key);
                }
                7 if random.below(4) == 0 => {
                    kit.wait(random.below(90) as u32);
                    model.age(kit.now);
                }
                _ => {
                    kit.wait(1);
                    model.age(kit.now);
                }
            }
        }
        let infos = kit.table.snapshot(None, usize::MAX, kit.now);
        prop_assert_eq!(infos.len(), model.flows.len());
        for info in infos {
            let flow = model.flows.get(&info.key);
            prop_assert!(flow.is_some(), "only in the table: {:?}", info);
            let Some(flow) = flow else { continue };
            prop_assert_eq!((info.state, info.opened), (flow.state, flow.opened));
            prop_assert_eq!((info.idle, info.age), (kit.now - flow.seen, kit.now - flow.created));
            prop_assert_eq!([info.egress.packets, info.ingress.packets], flow.packets);
            prop_assert!(kit.find(&info.key).is_some());
        }
        for anchor in (0..4).map(AnchorId) {
            prop_assert_eq!(kit.table.count(anchor), model.count(anchor));
        }
    }

    /// Whatever comes, in a table that is too small: answered flows stay, quotas hold, counts are right, nothing leaks.
    #[test]
    fn a_small_table_keeps_its_promises(seed: u64, flows in 1..200_usize, workers in 1..4_usize, quota in 1..120_u32) {
        let random = &mut Random::new(seed);
        let mut kit = Kit::new(flows, workers);
        kit.quota = quota;
        let mut answered = HashMap::<FlowKey, u32>::new();
        for step in 0..4000 {
            let key = any_key(random, 200);
            let direction = any_direction(random);
            let opened = kit.find(&key).map(Flow::opened);
            if let Some(opened) = opened {
                kit.packet(&key, direction, Upper::Other);
                if direction != opened || answered.contains_key(&key) {
                    answered.insert(key, kit.now);
                }
            } else {
                let seen = answered.remove(&key);
                prop_assert!(seen.is_none_or(|seen| kit.now >= seen + 60), "an answered flow was lost");
                let count = kit.table.count(key.anchor);
                let worker = random.below(workers as u64) as usize;
                match kit.insert_by(worker, &key, direction, segment(Upper::Other)) {
                    Err(Refused::Quota) => prop_assert!(count >= quota),
                    refused => prop_assert_ne!(refused, Err(Refused::Invalid)),
                }
                prop_assert!(kit.table.count(key.anchor) <= quota);
            }
            match step % 64 {
                0 => { kit.wait(1 + random.below(3) as u32); }
                n if n % 8 == 0 => { kit.round(); }
                _ => {}
            }
        }
        let infos = kit.table.snapshot(None, usize::MAX, kit.now);
        prop_assert_eq!(infos.len() as u64, kit.table.usage().flows);
        kit.wait(400);
        prop_assert_eq!(kit.table.usage().flows, 0);
        prop_assert!((0..4).all(|anchor| kit.table.count(AnchorId(anchor)) == 0));
        // All entries are there for others.
        kit.quota = u32::MAX;
        let part = flows.div_ceil(workers);
        for n in 0..part as u32 {
            let key = key(UDP, n);
            prop_assert_eq!(kit.insert_by(workers - 1, &key, Egress, segment(Upper::Other)), Ok(()));
            kit.packet(&key, Ingress, Upper::Other);
        }
    }
}
