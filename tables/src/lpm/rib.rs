//! The routes as the writer knows them: a binary trie with compressed paths, one per VRF.
//!
//! Readers never see it. It answers what a rebuild asks: which routes lie inside this span, in order, and which route
//! covers it.

use super::{Address, Prefix};
use crate::id::NextHopId;

/// "No node", and in `next_hop` "no route here".
const NONE: u32 = 0;

#[derive(Clone, Debug)]
struct Node<A: Address> {
    prefix: Prefix<A>,
    /// 0 for a node that only forks.
    next_hop: u32,
    /// By the first bit after the prefix. Index 0 is the root, which is nobody's child: it stands for "none".
    child: [u32; 2],
}

/// The routes of one VRF.
#[derive(Clone, Debug)]
pub(super) struct Rib<A: Address> {
    nodes: Vec<Node<A>>,
    free: Vec<u32>,
    len: usize,
}

impl<A: Address> Default for Rib<A> {
    fn default() -> Self {
        let root = Node {
            prefix: Prefix::all(),
            next_hop: NONE,
            child: [NONE; 2],
        };
        Rib {
            nodes: vec![root],
            free: Vec::new(),
            len: 0,
        }
    }
}

/// The bit of `prefix` that decides below a node of length `len`.
fn side<A: Address>(prefix: Prefix<A>, len: u8) -> usize {
    prefix.addr().bits(len, 1) as usize
}

impl<A: Address> Rib<A> {
    /// Number of routes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds or replaces a route; returns the next hop it had.
    pub fn insert(&mut self, prefix: Prefix<A>, next_hop: NextHopId) -> Option<NextHopId> {
        let mut at = 0u32;
        loop {
            let here = self.nodes[at as usize].prefix;
            if here == prefix {
                let old = std::mem::replace(&mut self.nodes[at as usize].next_hop, next_hop.0);
                self.len += (old == NONE) as usize;
                return (old != NONE).then_some(NextHopId(old));
            }
            let way = side(prefix, here.len());
            let child = self.nodes[at as usize].child[way];
            if child == NONE {
                let leaf = self.node(prefix, next_hop.0);
                self.nodes[at as usize].child[way] = leaf;
                self.len += 1;
                return None;
            }
            let below = self.nodes[child as usize].prefix;
            if below.covers(prefix) {
                at = child;
                continue;
            }
            // The path to `child` parts from ours, or goes through where we want to be: a node in between.
            let common = below
                .addr()
                .common_len(prefix.addr())
                .min(below.len())
                .min(prefix.len());
            let fork = Prefix::of(prefix.addr(), common);
            let middle = self.node(fork, if fork == prefix { next_hop.0 } else { NONE });
            self.nodes[middle as usize].child[side(below, common)] = child;
            if fork != prefix {
                let leaf = self.node(prefix, next_hop.0);
                self.nodes[middle as usize].child[side(prefix, common)] = leaf;
            }
            self.nodes[at as usize].child[way] = middle;
            self.len += 1;
            return None;
        }
    }

    /// Removes a route; returns the next hop it had.
    pub fn remove(&mut self, prefix: Prefix<A>) -> Option<NextHopId> {
        // The last two links followed, so that a node and then its fork can be taken out.
        let (mut grand, mut parent, mut at) = (0u32, 0u32, 0u32);
        while self.nodes[at as usize].prefix != prefix {
            let here = self.nodes[at as usize].prefix;
            let child = self.nodes[at as usize].child[side(prefix, here.len())];
            if child == NONE || !self.nodes[child as usize].prefix.covers(prefix) {
                return None;
            }
            (grand, parent, at) = (parent, at, child);
        }
        let old = std::mem::replace(&mut self.nodes[at as usize].next_hop, NONE);
        if old == NONE {
            return None;
        }
        self.len -= 1;
        self.prune(parent, at);
        self.prune(grand, parent);
        Some(NextHopId(old))
    }

    /// Takes out a node that neither is a route nor forks.
    fn prune(&mut self, parent: u32, at: u32) {
        let node = &self.nodes[at as usize];
        let only = match node.child {
            [NONE, child] | [child, NONE] => child,
            _ => return,
        };
        if at == 0 || node.next_hop != NONE {
            return;
        }
        let link = self.nodes[parent as usize]
            .child
            .iter_mut()
            .find(|child| **child == at);
        if let Some(link) = link {
            *link = only;
            self.free.push(at);
        }
    }

    fn node(&mut self, prefix: Prefix<A>, next_hop: u32) -> u32 {
        let node = Node {
            prefix,
            next_hop,
            child: [NONE; 2],
        };
        match self.free.pop() {
            Some(at) => {
                self.nodes[at as usize] = node;
                at
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as u32
            }
        }
    }

    /// The next hop of exactly this route.
    pub fn get(&self, prefix: Prefix<A>) -> Option<NextHopId> {
        self.path(prefix)
            .last()
            .filter(|(p, _)| *p == prefix)
            .map(|(_, next_hop)| next_hop)
    }

    /// The longest route that covers `prefix`, itself included.
    pub fn covering(&self, prefix: Prefix<A>) -> Option<(Prefix<A>, NextHopId)> {
        self.path(prefix).last()
    }

    /// The routes that cover `prefix`, shortest first, itself included.
    fn path(&self, prefix: Prefix<A>) -> impl Iterator<Item = (Prefix<A>, NextHopId)> + '_ {
        let mut next = Some(0u32);
        std::iter::from_fn(move || {
            while let Some(at) = next {
                let node = &self.nodes[at as usize];
                next = (node.prefix.len() < prefix.len())
                    .then(|| node.child[side(prefix, node.prefix.len())])
                    .filter(|&c| c != NONE && self.nodes[c as usize].prefix.covers(prefix));
                if node.next_hop != NONE {
                    return Some((node.prefix, NextHopId(node.next_hop)));
                }
            }
            None
        })
    }

    /// The routes inside `span`, itself included, in order: parents before children.
    pub fn within(&self, span: Prefix<A>) -> Within<'_, A> {
        let mut at = 0u32;
        let mut stack = Vec::with_capacity(32);
        loop {
            let node = &self.nodes[at as usize];
            if span.covers(node.prefix) {
                stack.push(at);
                break;
            }
            // The node is shorter than the span: go on towards it, as long as one of the two covers the other.
            let child = node.child[side(span, node.prefix.len())];
            let below = self.nodes[child as usize].prefix;
            if child == NONE || !(below.covers(span) || span.covers(below)) {
                break;
            }
            at = child;
        }
        Within { rib: self, stack }
    }
}

/// Iterator over routes in order.
pub(super) struct Within<'r, A: Address> {
    rib: &'r Rib<A>,
    stack: Vec<u32>,
}

impl<A: Address> Iterator for Within<'_, A> {
    type Item = (Prefix<A>, NextHopId);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(at) = self.stack.pop() {
            let node = &self.rib.nodes[at as usize];
            let [left, right] = node.child;
            self.stack
                .extend([right, left].into_iter().filter(|&child| child != NONE));
            if node.next_hop != NONE {
                return Some((node.prefix, NextHopId(node.next_hop)));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Few distinct bits, so that prefixes nest and collide.
    fn prefix() -> impl Strategy<Value = Prefix<u32>> {
        (0u32..256, 0u8..=32, any::<bool>()).prop_map(|(bits, len, low)| {
            Prefix::of(if low { bits } else { bits << 24 | bits }, len)
        })
    }

    proptest! {
        #[test]
        fn agrees_with_an_ordered_map(
            ops in proptest::collection::vec((prefix(), 0u32..4), 1..200),
            probes in proptest::collection::vec(prefix(), 20),
        ) {
            let mut rib = Rib::default();
            let mut map = BTreeMap::new();
            for (prefix, next_hop) in ops {
                if next_hop == 0 {
                    prop_assert_eq!(rib.remove(prefix), map.remove(&prefix));
                } else {
                    let next_hop = NextHopId(next_hop);
                    prop_assert_eq!(rib.insert(prefix, next_hop), map.insert(prefix, next_hop));
                }
                prop_assert_eq!(rib.len(), map.len());
            }
            for probe in probes.into_iter().chain(map.keys().copied()) {
                prop_assert_eq!(rib.get(probe), map.get(&probe).copied());
                let covering = map.iter().rfind(|(p, _)| p.covers(probe)).map(|(p, n)| (*p, *n));
                prop_assert_eq!(rib.covering(probe), covering);
                let inside = map.iter().filter(|(p, _)| probe.covers(**p)).map(|(p, n)| (*p, *n));
                prop_assert!(rib.within(probe).eq(inside), "within {}", probe);
            }
            let live = rib.nodes.len() - rib.free.len();
            prop_assert!(live <= 2 * map.len() + 1, "{live} nodes for {} routes", map.len());
        }
    }
}
