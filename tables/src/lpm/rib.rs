//! The routes as the writer knows them: a binary trie with compressed paths, one per VRF.
//!
//! A walk from the root of a full table misses the cache at most steps. So blocks of a fixed length ([`anchor_len`]) that hold
//! any route have a node of their own, an anchor, which a hash map finds: most walks begin there.
//!
//! Readers never see it. It answers what an update asks: the intervals into which its routes divide a span, and where in
//! its prefix a route is not covered by longer ones.

use super::huge::HugeVec;
use super::{Address, Prefix};
use crate::id::NextHopId;
use hashbrown::HashMap;

/// "No node", and in `next_hop` "no route here".
const NONE: u32 = 0;

/// From `start` up to the next interval's start (or the end of the span) addresses go to `next_hop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval<A> {
    pub start: A,
    pub next_hop: u32,
}

/// Half a cache line for IPv6: what a change costs is mostly the lines of the nodes above it.
#[derive(Clone, Copy, Debug)]
struct Node<A: Address> {
    addr: A,
    /// By the first bit after the prefix. Index 0 is the root, which is nobody's child: it stands for "none".
    child: [u32; 2],
    /// 0 for a node that only forks.
    next_hop: u32,
    len: u8,
}

impl<A: Address> Node<A> {
    fn new(prefix: Prefix<A>) -> Node<A> {
        Node {
            addr: prefix.addr(),
            child: [NONE; 2],
            next_hop: NONE,
            len: prefix.len(),
        }
    }

    #[inline(always)]
    fn prefix(&self) -> Prefix<A> {
        Prefix::of(self.addr, self.len)
    }

    /// Whether all of `prefix` lies in this node's.
    #[inline(always)]
    fn covers(&self, prefix: Prefix<A>) -> bool {
        self.len <= prefix.len() && self.addr.common_len(prefix.addr()) >= self.len
    }

    /// The child on the way to `prefix`, which is longer than this node's.
    #[inline(always)]
    fn towards(&self, prefix: Prefix<A>) -> u32 {
        self.child[side(prefix, self.len)]
    }
}

/// The routes of one VRF.
#[derive(Debug)]
pub(super) struct Rib<A: Address> {
    nodes: HugeVec<Node<A>>,
    free: Vec<u32>,
    len: usize,
    /// Nodes of blocks by their bits: of all blocks that hold a route at least as long as they.
    anchors: HashMap<u32, u32>,
}

/// Length of the blocks that have anchors: below the blocks of providers, most of which hold few routes.
const fn anchor_len<A: Address>() -> u8 {
    if A::BITS == 32 { 16 } else { 32 }
}

impl<A: Address> Default for Rib<A> {
    fn default() -> Self {
        let mut nodes = HugeVec::new();
        nodes.push(Node::new(Prefix::all()));
        Rib {
            nodes,
            free: Vec::new(),
            len: 0,
            anchors: HashMap::new(),
        }
    }
}

/// The name of the block that `prefix` lies in.
#[inline(always)]
fn anchor_key<A: Address>(prefix: Prefix<A>) -> u32 {
    prefix.addr().bits(0, anchor_len::<A>())
}

/// The bit of `prefix` that decides below a node of length `len`.
#[inline(always)]
fn side<A: Address>(prefix: Prefix<A>, len: u8) -> usize {
    prefix.addr().bits(len, 1) as usize
}

impl<A: Address> Rib<A> {
    /// Number of routes.
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    fn at(&self, node: u32) -> &Node<A> {
        &self.nodes[node as usize]
    }

    /// Adds or replaces a route; returns the next hop it had.
    pub fn insert(&mut self, prefix: Prefix<A>, next_hop: NextHopId) -> Option<NextHopId> {
        let mut start = 0;
        if prefix.len() >= anchor_len::<A>() {
            let block = Prefix::of(prefix.addr(), anchor_len::<A>());
            start = match self.anchors.get(&anchor_key(block)) {
                Some(&anchor) => anchor,
                None => {
                    let anchor = self.place(0, block);
                    self.anchors.insert(anchor_key(block), anchor);
                    anchor
                }
            };
        }
        let at = self.place(start, prefix) as usize;
        let old = std::mem::replace(&mut self.nodes[at].next_hop, next_hop.0);
        self.len += (old == NONE) as usize;
        (old != NONE).then_some(NextHopId(old))
    }

    /// The node of `prefix`, which may have to be made; `at` is one above it.
    fn place(&mut self, mut at: u32, prefix: Prefix<A>) -> u32 {
        loop {
            let here = self.at(at);
            if here.len == prefix.len() {
                return at;
            }
            let way = side(prefix, here.len);
            let child = here.child[way];
            if child == NONE {
                let leaf = self.node(prefix);
                self.nodes[at as usize].child[way] = leaf;
                return leaf;
            }
            let below = self.at(child);
            if below.covers(prefix) {
                at = child;
                continue;
            }
            // The path to `child` parts from ours, or goes through where we want to be: a node in between.
            let below = below.prefix();
            let common = below
                .addr()
                .common_len(prefix.addr())
                .min(below.len())
                .min(prefix.len());
            let middle = self.node(Prefix::of(prefix.addr(), common));
            self.nodes[middle as usize].child[side(below, common)] = child;
            self.nodes[at as usize].child[way] = middle;
            at = middle;
        }
    }

    /// Removes a route; returns the next hop it had.
    pub fn remove(&mut self, prefix: Prefix<A>) -> Option<NextHopId> {
        let start = self.start(prefix);
        let (grand, parent, at) = self.path(start, prefix)?;
        let old = std::mem::replace(&mut self.nodes[at as usize].next_hop, NONE);
        if old == NONE {
            return None;
        }
        self.len -= 1;
        if at != start {
            self.prune(parent, at);
            if parent != start {
                self.prune(grand, parent);
            }
        }
        let anchor = *self.at(start);
        if start != 0 && anchor.next_hop == NONE && anchor.child == [NONE; 2] {
            // The block is empty.
            self.anchors.remove(&anchor_key(prefix));
            let (grand, parent, at) = self.path(0, anchor.prefix())?;
            self.prune(parent, at);
            self.prune(grand, parent);
        }
        Some(NextHopId(old))
    }

    /// Where a walk to `prefix` may begin: its block's anchor, or the root.
    #[inline(always)]
    fn start(&self, prefix: Prefix<A>) -> u32 {
        if prefix.len() < anchor_len::<A>() {
            return 0;
        }
        let anchor = self.anchors.get(&anchor_key(prefix));
        anchor.copied().unwrap_or(0)
    }

    /// The node of `prefix`, if there is one, below `at`; before it the two nodes above.
    fn path(&self, mut at: u32, prefix: Prefix<A>) -> Option<(u32, u32, u32)> {
        let (mut grand, mut parent) = (at, at);
        while self.at(at).len < prefix.len() {
            let child = self.at(at).towards(prefix);
            if child == NONE || !self.at(child).covers(prefix) {
                return None;
            }
            (grand, parent, at) = (parent, at, child);
        }
        Some((grand, parent, at))
    }

    /// Takes out a node that neither is a route nor forks. (Not an anchor with one child.)
    fn prune(&mut self, parent: u32, at: u32) {
        let node = self.at(at);
        let only = match node.child {
            [NONE, NONE] => NONE,
            [NONE, child] | [child, NONE] if node.len != anchor_len::<A>() => child,
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

    /// A node without route and children.
    fn node(&mut self, prefix: Prefix<A>) -> u32 {
        let node = Node::new(prefix);
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
        self.covering(prefix)
            .filter(|(covering, _)| *covering == prefix)
            .map(|(_, next_hop)| next_hop)
    }

    /// The longest route that covers `prefix`, itself included.
    pub fn covering(&self, prefix: Prefix<A>) -> Option<(Prefix<A>, NextHopId)> {
        let (cover, _) = self.descend(prefix);
        let node = self.at(cover);
        (node.next_hop != NONE).then(|| (node.prefix(), NextHopId(node.next_hop)))
    }

    /// The node of the longest route that covers `span` (0 if there is none but perhaps the default route), and the
    /// topmost node inside `span`, itself included.
    fn descend(&self, span: Prefix<A>) -> (u32, Option<u32>) {
        let start = self.start(span);
        let (cover, top) = self.walk(start, span);
        if cover == 0 && start != 0 {
            return (self.walk(0, self.at(start).prefix()).0, top);
        }
        (cover, top)
    }

    fn walk(&self, mut at: u32, span: Prefix<A>) -> (u32, Option<u32>) {
        let mut cover = 0;
        loop {
            let node = self.at(at);
            if node.next_hop != NONE {
                cover = at;
            }
            if node.len >= span.len() {
                return (cover, Some(at));
            }
            let child = node.towards(span);
            if child == NONE {
                return (cover, None);
            }
            let below = self.at(child);
            if !below.covers(span) {
                return (cover, span.covers(below.prefix()).then_some(child));
            }
            at = child;
        }
    }

    /// The routes inside `span`, itself included, in order: parents before children.
    pub fn within(&self, span: Prefix<A>) -> Within<'_, A> {
        let mut stack = Vec::with_capacity(32);
        stack.extend(self.descend(span).1);
        Within { rib: self, stack }
    }

    /// Replaces `out` by the intervals of `span`, the first of which starts where the span does; neighbours differ. The
    /// default route does not count: where there is no other, the next hop is 0.
    pub fn intervals(&self, span: Prefix<A>, out: &mut Vec<Interval<A>>) {
        let (cover, top) = self.descend(span);
        let cover = self.cover(cover);
        out.clear();
        push(out, span.addr(), cover);
        if let Some(top) = top {
            self.sweep(top, cover, out);
            push_after(out, self.at(top).prefix(), span, cover);
        }
    }

    /// Appends the intervals of a node's prefix, of which addresses without a longer route go to `cover`.
    fn sweep(&self, at: u32, cover: u32, out: &mut Vec<Interval<A>>) {
        let node = self.at(at);
        let own = if node.next_hop == NONE || at == 0 {
            cover
        } else {
            node.next_hop
        };
        push(out, node.addr, own);
        for child in node.child.into_iter().filter(|&child| child != NONE) {
            self.sweep(child, own, out);
            push_after(out, self.at(child).prefix(), node.prefix(), own);
        }
    }

    /// Replaces `out` by the ranges of `prefix` that no longer route takes: first and last address of each, in order. Returns
    /// whether there is a route to `prefix` itself, and the next hop of those ranges (the default route does not count).
    pub fn gaps(&self, prefix: Prefix<A>, out: &mut Vec<(A, A)>) -> (bool, u32) {
        out.clear();
        let (cover, top) = self.descend(prefix);
        let mut from = Some(prefix.addr());
        if let Some(top) = top {
            self.skip_longer(top, prefix, &mut from, out);
        }
        if let Some(from) = from.filter(|&from| from <= prefix.last()) {
            out.push((from, prefix.last()));
        }
        let exists = cover != 0 && self.at(cover).len == prefix.len();
        (exists, self.cover(cover))
    }

    /// What the route at the node that [`descend`](Rib::descend) gave is, other than the default route.
    fn cover(&self, node: u32) -> u32 {
        if node == 0 {
            NONE
        } else {
            self.at(node).next_hop
        }
    }

    /// Appends the gap before each topmost route below `prefix`, the first beginning at `from`; leaves there what comes after the
    /// last.
    fn skip_longer(&self, at: u32, prefix: Prefix<A>, from: &mut Option<A>, out: &mut Vec<(A, A)>) {
        let node = self.at(at);
        if node.next_hop == NONE || node.len <= prefix.len() {
            for child in node.child.into_iter().filter(|&child| child != NONE) {
                self.skip_longer(child, prefix, from, out);
            }
            return;
        }
        if let (Some(first), Some(last)) = (*from, node.addr.previous())
            && first <= last
        {
            out.push((first, last));
        }
        *from = node.prefix().last().next();
    }
}

/// Appends an interval; one that starts at the same address replaces the last, one with the same next hop is no new one.
#[inline(always)]
fn push<A: Address>(out: &mut Vec<Interval<A>>, start: A, next_hop: u32) {
    if out.last().is_some_and(|last| last.start == start) {
        out.pop();
    }
    if out.last().is_none_or(|last| last.next_hop != next_hop) {
        out.push(Interval { start, next_hop });
    }
}

/// Appends the interval behind `part`, unless `part` ends where `whole` does.
#[inline(always)]
fn push_after<A: Address>(
    out: &mut Vec<Interval<A>>,
    part: Prefix<A>,
    whole: Prefix<A>,
    next_hop: u32,
) {
    let last = part.last();
    if last < whole.last()
        && let Some(start) = last.next()
    {
        push(out, start, next_hop);
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
            let node = self.rib.at(at);
            let [left, right] = node.child;
            self.stack
                .extend([right, left].into_iter().filter(|&child| child != NONE));
            if node.next_hop != NONE {
                return Some((node.prefix(), NextHopId(node.next_hop)));
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
            prop_assert!(live <= 3 * map.len() + 1, "{live} nodes for {} routes", map.len());
        }
    }
}
