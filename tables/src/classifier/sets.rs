//! Which sets an address is in: one value for all rule sets.

use std::collections::BTreeMap;

use super::prefixes::{Prefix, Prefixes, mask};
use super::rule::{SetId, align, clamp};

/// A prefix that is in a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// The set.
    pub set: SetId,
    /// IPv6, else IPv4.
    pub v6: bool,
    /// The prefix, host order; of IPv4 the low 32 bits count.
    pub address: u128,
    /// Its length in bits: 128, or 32, for one address. One that is too great is taken for that.
    pub len: u8,
}

/// The sets of one prefix.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// Number of the next shorter prefix; 0: none.
    parent: u32,
    /// Its part of the ids.
    ids: (u32, u32),
}

#[derive(Clone, Debug, Default)]
struct Family {
    prefixes: Prefixes,
    nodes: Box<[Node]>,
    ids: Box<[SetId]>,
}

/// The members of all sets. Without any by default.
#[derive(Clone, Debug, Default)]
pub struct AddressSets {
    families: [Family; 2],
}

impl AddressSets {
    /// Compiles members, in any order; one may be there more than once.
    pub fn new(members: impl IntoIterator<Item = Member>) -> Self {
        let mut prefixes: [BTreeMap<Prefix, Vec<SetId>>; 2] = Default::default();
        for member in members {
            let len = clamp(member.v6, member.len);
            let prefix = (mask(align(member.v6, member.address), len), len);
            let family = &mut prefixes[usize::from(member.v6)];
            family.entry(prefix).or_default().push(member.set);
        }
        Self {
            families: prefixes.map(Family::new),
        }
    }

    /// Whether an address is in a set. `address` as in [`Member`].
    pub fn contains(&self, set: SetId, v6: bool, address: u128) -> bool {
        let mut found = false;
        self.visit(v6, align(v6, address), |ids| {
            found |= ids.binary_search(&set).is_ok();
        });
        found
    }

    /// Gives the sets of an aligned address, in parts that are in order each.
    #[inline]
    pub(super) fn visit(&self, v6: bool, address: u128, mut sets: impl FnMut(&[SetId])) {
        let family = &self.families[usize::from(v6)];
        let mut number = family.prefixes.longest(address);
        // Numbers begin at 1.
        while let Some(node) = family.nodes.get((number as usize).wrapping_sub(1)) {
            let (begin, end) = node.ids;
            if let Some(ids) = family.ids.get(begin as usize..end as usize) {
                sets(ids);
            }
            number = node.parent;
        }
    }
}

impl Family {
    fn new(members: BTreeMap<Prefix, Vec<SetId>>) -> Self {
        let keys: Vec<Prefix> = members.keys().copied().collect();
        let (prefixes, parents) = Prefixes::new(&keys);
        let (mut nodes, mut ids) = (Vec::with_capacity(keys.len()), Vec::new());
        for (mut sets, parent) in members.into_values().zip(parents) {
            sets.sort_unstable();
            sets.dedup();
            let begin = ids.len() as u32;
            ids.append(&mut sets);
            nodes.push(Node {
                parent,
                ids: (begin, ids.len() as u32),
            });
        }
        Self {
            prefixes,
            nodes: nodes.into(),
            ids: ids.into(),
        }
    }
}
