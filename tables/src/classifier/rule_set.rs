//! The compiled rules of one port and direction.

use std::collections::BTreeMap;

use super::ports::{NO_RULE, PortRule, Ports};
use super::prefixes::{Prefix, Prefixes, mask};
use super::rule::{Protocol, Query, Remote, Rule, SetId, align, clamp};
use super::sets::AddressSets;
use crate::id::RuleId;

/// No node, no list of ports.
const NOTHING: u32 = u32::MAX;

/// What is allowed from one prefix, one set, or from anywhere.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// The node of the next shorter prefix, or `NOTHING`.
    parent: u32,
    /// The first rule of this node and all above it.
    first_rule: u32,
    /// Ports of the rules for every protocol, or `NOTHING`.
    any: u32,
    /// Its part of the directory.
    protocols: (u32, u32),
}

/// Ports of the rules for one protocol at one node.
#[derive(Clone, Copy, Debug)]
struct Listed {
    protocol: u8,
    ports: u32,
}

/// What is allowed in one family.
#[derive(Clone, Debug, Default)]
struct Family {
    /// Node of the rules without a remote, or `NOTHING`.
    root: u32,
    prefixes: Prefixes,
    /// Node of the first prefix; those of the others follow.
    first_prefix: u32,
    /// Nodes of sets, in the order of the sets.
    sets: Box<[(SetId, u32)]>,
}

/// Rules, compiled.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    families: [Family; 2],
    nodes: Vec<Node>,
    directory: Vec<Listed>,
    ports: Vec<Ports>,
    ids: Box<[RuleId]>,
}

/// Rules with the same remote, by protocol.
type Gathered = BTreeMap<Option<u8>, Vec<PortRule>>;

impl RuleSet {
    /// Compiles rules. What is not well formed in one (see [`Remote`], [`Rule::ports`]) is taken as is said there.
    pub fn compile(rules: &[Rule]) -> Self {
        let mut set = Self {
            ids: rules.iter().map(|rule| rule.id).collect(),
            ..Self::default()
        };
        set.families = [false, true].map(|v6| set.family(rules, v6));
        set
    }

    fn family(&mut self, rules: &[Rule], v6: bool) -> Family {
        let mut root = Gathered::new();
        let mut prefixes = BTreeMap::<Prefix, Gathered>::new();
        let mut sets = BTreeMap::<SetId, Gathered>::new();
        for (rule, number) in rules.iter().zip(0..).filter(|(rule, _)| rule.v6 == v6) {
            let gathered = match rule.remote {
                Remote::Any => &mut root,
                Remote::Prefix { len: 0, .. } => &mut root,
                Remote::Prefix { address, len } => {
                    let len = clamp(v6, len);
                    let prefix = (mask(align(v6, address), len), len);
                    prefixes.entry(prefix).or_default()
                }
                Remote::Set(id) => sets.entry(id).or_default(),
            };
            let protocol = match rule.protocol {
                Protocol::Any => None,
                Protocol::Number(number) => Some(number),
            };
            let rules = gathered.entry(protocol).or_default();
            rules.push((rule.ports, number));
        }
        let root = match root.is_empty() {
            true => NOTHING,
            false => self.node(&root),
        };
        let sets = sets.iter().map(|(&id, rules)| (id, self.node(rules)));
        let sets = sets.collect();
        let keys: Vec<Prefix> = prefixes.keys().copied().collect();
        let (table, parents) = Prefixes::new(&keys);
        let first_prefix = self.nodes.len() as u32;
        for rules in prefixes.values() {
            self.node(rules);
        }
        // Shorter ones first, so that a parent's first rule is known.
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by_key(|&n| keys[n].1);
        for n in order.into_iter().filter(|&n| parents[n] != 0) {
            let parent = first_prefix + parents[n] - 1;
            let inherited = self.nodes[parent as usize].first_rule;
            let node = &mut self.nodes[first_prefix as usize + n];
            node.parent = parent;
            node.first_rule = node.first_rule.min(inherited);
        }
        Family {
            root,
            prefixes: table,
            first_prefix,
            sets,
        }
    }

    /// Adds a node without a parent.
    fn node(&mut self, rules: &Gathered) -> u32 {
        let begin = self.directory.len() as u32;
        let mut node = Node {
            parent: NOTHING,
            first_rule: NO_RULE,
            any: NOTHING,
            protocols: (begin, begin),
        };
        for (&protocol, rules) in rules {
            let ports = Ports::new(rules);
            node.first_rule = node.first_rule.min(ports.first());
            let number = self.ports.len() as u32;
            self.ports.push(ports);
            match protocol {
                None => node.any = number,
                Some(protocol) => self.directory.push(Listed {
                    protocol,
                    ports: number,
                }),
            }
        }
        node.protocols.1 = self.directory.len() as u32;
        self.nodes.push(node);
        self.nodes.len() as u32 - 1
    }

    /// Whether there is no rule: nothing passes.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// The first rule that lets a packet pass, if one does.
    #[inline]
    pub fn lookup(&self, query: &Query, sets: &AddressSets) -> Option<RuleId> {
        let family = &self.families[usize::from(query.v6)];
        let address = align(query.v6, query.remote);
        let mut best = NO_RULE;
        self.ask(family.root, query, &mut best);
        // 0: none contains it.
        match family.prefixes.longest(address) {
            0 => {}
            number => self.ask(family.first_prefix + number - 1, query, &mut best),
        }
        if !family.sets.is_empty() {
            sets.visit(query.v6, address, |ids| {
                self.ask_sets(&family.sets, ids, query, &mut best);
            });
        }
        self.ids.get(best as usize).copied()
    }

    /// Asks a node and those above it, as long as they can have an earlier rule.
    #[inline(always)]
    fn ask(&self, mut number: u32, query: &Query, best: &mut u32) {
        while let Some(node) = self.nodes.get(number as usize)
            && node.first_rule < *best
        {
            if let Some(ports) = self.ports.get(node.any as usize) {
                *best = ports.find(query.port).min(*best);
            }
            if let Some(ports) = self.of_protocol(node, query.protocol) {
                *best = ports.find(query.port).min(*best);
            }
            number = node.parent;
        }
    }

    #[inline(always)]
    fn of_protocol(&self, node: &Node, protocol: u8) -> Option<&Ports> {
        let (begin, end) = node.protocols;
        let listed = self.directory.get(begin as usize..end as usize)?;
        let at = match listed.len() {
            0..=8 => listed.iter().position(|listed| listed.protocol == protocol),
            _ => listed
                .binary_search_by_key(&protocol, |listed| listed.protocol)
                .ok(),
        };
        self.ports.get(listed[at?].ports as usize)
    }

    /// Asks the nodes of the sets that both have, by the shorter of the two lists.
    fn ask_sets(&self, nodes: &[(SetId, u32)], ids: &[SetId], query: &Query, best: &mut u32) {
        if ids.len() <= nodes.len() {
            for id in ids {
                if let Ok(at) = nodes.binary_search_by_key(id, |&(id, _)| id) {
                    self.ask(nodes[at].1, query, best);
                }
            }
        } else {
            for (id, node) in nodes {
                if ids.binary_search(id).is_ok() {
                    self.ask(*node, query, best);
                }
            }
        }
    }
}
