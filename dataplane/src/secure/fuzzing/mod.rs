//! What `fuzz/fuzz_targets/groups.rs` runs: bytes become rules and packets, and the packet path and the naive model must say the same of
//! each packet.
//!
//! ```text
//!   bytes ──► rules, sets ──► steps: a packet ──┬──► lane, or admit / deliver of the graph ──► verdict
//!                              time passes      │                                               =
//!                              other rules      └──► naive model ─────────────────────────────► verdict
//! ```
//!
//! After each packet the flows of both are compared too.

mod bed;
mod bytes;
mod packet;

use std::cell::Cell;
use std::sync::Arc;

use tables::classifier::{AddressSets, Member, Protocol, Remote, Rule, SetId};
use tables::id::RuleId;

use self::bed::Bed;
use self::bytes::Bytes;
use self::packet::{INTERFACES, Made, NETWORKS, PEERS4, PEERS6, PORTS, PROTOCOLS, TYPES};
use super::naive::{Model, Offered, Rules, Verdict};
use crate::forwarding::security::{Anchor, Filter, Rules as Compiled};

/// Packets and events of a case at most: fewer than fragments that a table keeps apart, and flows that it has room for.
const STEPS: usize = 28;

thread_local! {
    static KIT: Cell<Option<Box<Kit>>> = const { Cell::new(None) };
}

/// Both that are compared. Made once: a case leaves no flow and no fragment.
struct Kit {
    bed: Bed,
    model: Model,
    verdicts: Vec<Verdict>,
}

/// Does what bytes say (the rules; packets and what happens between them), and panics if the packet path and the model say different
/// things.
pub fn groups(data: &[u8]) {
    verdicts(data);
}

/// As [`groups`]. What became of the packets.
pub(super) fn verdicts(data: &[u8]) -> Vec<Verdict> {
    let mut kit = KIT.take().unwrap_or_else(|| {
        Box::new(Kit {
            bed: Bed::new(),
            model: Model::new(),
            verdicts: Vec::new(),
        })
    });
    kit.run(Bytes(data));
    kit.end();
    let verdicts = std::mem::take(&mut kit.verdicts);
    // Not after a panic: who knows what was left behind.
    KIT.set(Some(kit));
    verdicts
}

impl Kit {
    fn run(&mut self, mut bytes: Bytes<'_>) {
        self.change(&mut bytes);
        for _ in 0..STEPS {
            if bytes.is_empty() {
                return;
            }
            match bytes.next() {
                0..=159 => self.packet(packet::made(&mut bytes)),
                160..=191 => {
                    let mut made = packet::made(&mut bytes);
                    spoil(&mut made.offered.bytes, &mut bytes);
                    self.packet(made);
                }
                192..=215 => self.packet(packet::raw(&mut bytes)),
                216..=239 => self.wait(bytes.of(&[
                    1, 900, 2_500, 4_999, 5_001, 10_000, 31_000, 61_000, 130_000, 8_000_000,
                ])),
                240..=247 => self.change(&mut bytes),
                _ => self.change_sets(&mut bytes),
            }
        }
    }

    /// Other rules.
    fn change(&mut self, bytes: &mut Bytes<'_>) {
        let (ingress, egress) = bytes.halves();
        let choice = bytes.next();
        self.model.liberal = choice & 1 != 0;
        self.model.quota = [1000, 1000, 4, 2, 1, 0][usize::from(choice >> 1) % 6];
        let mut id = 0;
        let mut rules = |n: usize| -> Rules {
            let rule = |_| {
                id += 1;
                rule(bytes, id)
            };
            (0..n % 6).map(rule).collect()
        };
        (self.model.ingress, self.model.egress) = (rules(ingress), rules(egress));
        self.change_sets(bytes);
    }

    /// Other members of the sets.
    fn change_sets(&mut self, bytes: &mut Bytes<'_>) {
        self.model.members = members(bytes);
        self.model.generation = self.model.generation.wrapping_add(1);
        let model = &self.model;
        let compile = |rules: &Rules| {
            let of = |stateless: bool| -> Vec<Rule> {
                let kind = rules.iter().filter(|(_, of)| *of == stateless);
                kind.map(|(rule, _)| *rule).collect()
            };
            Compiled::new(&of(false), &of(true))
        };
        let filter = Filter {
            ingress: compile(&model.ingress),
            egress: compile(&model.egress),
            generation: model.generation,
            max_flows: model.quota,
        };
        let security = &mut self.bed.forwarding.security;
        for id in [INTERFACES, NETWORKS] {
            security.insert(Arc::new(Anchor {
                id,
                guard: None,
                filter: Some(filter.clone()),
            }));
        }
        let mut rules = model.ingress.iter().chain(&model.egress);
        if rules.any(|(rule, _)| matches!(rule.remote, Remote::Set(_))) {
            security.sets = Arc::new(AddressSets::new(model.members.iter().copied()));
        }
        security.tcp_window_checks = !model.liberal;
    }

    /// Time passes, in milliseconds.
    fn wait(&mut self, milliseconds: u64) {
        self.bed.wait(milliseconds);
        let Self { bed, model, .. } = self;
        model.age(&bed.flows, bed.now, &|key| bed.has(key));
    }

    /// A packet, and the fragments that have waited for it.
    fn packet(&mut self, made: Made) {
        let verdict = self.bed.packet(&made);
        self.compare(&made.offered, verdict);
        let released = std::mem::take(&mut self.model.released);
        let mut released = released.into_iter();
        while let Some(verdict) = self.bed.again() {
            let Some(offered) = released.next() else {
                panic!("a fragment was asked about again that the model does not know");
            };
            self.compare(&offered, verdict);
        }
        assert!(released.next().is_none(), "a fragment still waits");
    }

    fn compare(&mut self, offered: &Offered, verdict: Verdict) {
        self.verdicts.push(verdict);
        let Self { bed, model, .. } = self;
        if verdict == Verdict::Pass(bed::LANE) && !model.has_state() {
            // Flows of former rules hear nothing of it.
            assert!(model.passes_unasked(offered), "{offered:02x?}");
            return;
        }
        let expected = model.judge(offered, bed.now, &|key| bed.has(key));
        let agrees = match (verdict, expected) {
            // The lane does not tell by which rule.
            (Verdict::Pass(bed::LANE), Verdict::Pass(_)) => true,
            _ => verdict == expected,
        };
        assert!(
            agrees,
            "packet path: {verdict:?}, model: {expected:?}, {offered:02x?}"
        );
        let mut n = 0;
        for key in model.keys() {
            n += 1;
            bed.with_flow(key, |flow| model.check(key, flow));
        }
        assert_eq!(bed.count(), n, "flows that the model does not know");
    }

    /// Leaves nothing behind.
    fn end(&mut self) {
        self.bed.clear(self.model.keys());
        self.model.forget();
    }
}

/// A rule, and whether it is one without state.
fn rule(bytes: &mut Bytes<'_>, id: u32) -> (Rule, bool) {
    let choice = bytes.next();
    let (low, high) = bytes.halves();
    let remote = bytes.next();
    let v6 = choice & 1 != 0;
    let icmp = if v6 { 58 } else { 1 };
    let protocol = match choice >> 2 & 7 {
        0 | 1 => Protocol::Any,
        2 => Protocol::Number(17),
        3 => Protocol::Number(6),
        4 | 5 => Protocol::Number(icmp),
        6 => Protocol::Number(132),
        _ => Protocol::Number(PROTOCOLS[high]),
    };
    let ports = match protocol {
        Protocol::Number(1 | 58) => (
            u16::from(TYPES[low]) << 8,
            u16::from(TYPES[low.max(high)]) << 8 | 255,
        ),
        _ => (PORTS[low], PORTS[high]),
    };
    let has_ports = choice & 0x20 != 0 && protocol != Protocol::Any;
    let (peer, less) = (usize::from(remote & 7), remote >> 3);
    let remote = match (choice >> 6, v6) {
        (0, _) => Remote::Any,
        (1, true) => Remote::Prefix {
            address: PEERS6[peer],
            len: 128 - 4 * less.min(31),
        },
        (1, false) => Remote::Prefix {
            address: PEERS4[peer].into(),
            len: 32 - less,
        },
        (set, _) => Remote::Set(SetId(set.into())),
    };
    let rule = Rule {
        id: RuleId(id),
        v6,
        protocol,
        ports: has_ports.then_some(ports),
        remote,
    };
    (rule, choice & 2 != 0)
}

/// Which peers are in which of two sets, some as prefixes.
fn members(bytes: &mut Bytes<'_>) -> Vec<Member> {
    let mut members = Vec::new();
    for set in [2, 3].map(SetId) {
        let (mask, less) = (bytes.next(), bytes.next() % 33);
        let is_in = |peer: &usize| mask >> peer & 1 != 0;
        for peer in (0..8).filter(is_in) {
            members.push(Member {
                set,
                v6: true,
                address: PEERS6[peer],
                len: 128 - less,
            });
            members.push(Member {
                set,
                v6: false,
                address: PEERS4[peer].into(),
                len: 32 - less.min(32),
            });
        }
    }
    members
}

/// Changes some bytes of a packet.
fn spoil(packet: &mut [u8], bytes: &mut Bytes<'_>) {
    for _ in 0..=bytes.next() % 3 {
        let (at, value) = (usize::from(bytes.next()), bytes.next());
        if let Some(byte) = packet.get_mut(at) {
            *byte = value;
        }
    }
}
