//! Next-hop groups: which member of an ECMP group does a flow take?
//!
//! A group is an array of [`BUCKETS`] next-hop ids; a flow's hash picks one. Members own buckets in proportion to
//! their weights. A member that leaves gives up its buckets and no other bucket moves; one that comes back takes its own
//! again, so flows of the members that stayed are not disturbed (resilient hashing).
//!
//! ```text
//!   hash & 255 ──► buckets[group][..]: AtomicU32 ──► NextHopId of a member
//! ```
//!
//! # Invariants
//! 1. Each bucket is one atomic word that is always a member's id, or 0 when the group is empty: readers skip nothing and
//!    see each bucket's change by itself.
//! 2. A group's number is handed out again only after a grace period.
#![allow(unsafe_code)]

use crate::id::NextHopId;
use crate::publish::{Qsbr, Reader, Retired};
use crate::region::Region;
use hashbrown::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Buckets of a group: 1 KiB, and shares that are exact to 0.4 %.
pub const BUCKETS: usize = 256;

/// Groups that a `NextHop` record can name.
const MAX_GROUPS: usize = 1 << 16;

/// A member of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Where its flows go: the id of a `Forward` or `Incomplete` next hop.
    pub next_hop: NextHopId,
    /// Its share in proportion to the others'. Not 0.
    pub weight: u32,
}

/// Why a change of a group was refused.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// The memory could not be reserved.
    #[error("cannot reserve the group table")]
    Memory(#[source] std::io::Error),
    /// All groups are in use or wait for their grace period.
    #[error("all {0} groups are in use")]
    Full(usize),
    /// The group is not allocated.
    #[error("group {0} is not allocated")]
    Unknown(u16),
    /// A member has weight 0, or next hop 0, or is named twice.
    #[error("next hop {0} is named twice, is 0, or has weight 0")]
    InvalidMember(NextHopId),
    /// A group has more members than buckets.
    #[error("{0} members are more than a group has buckets")]
    TooManyMembers(usize),
}

/// The readers' side: shared by all workers. In lines of its own: its neighbours on the heap may be written at any time.
#[derive(Debug)]
#[repr(align(64))]
pub struct GroupTable {
    buckets: Region,
    capacity: usize,
    qsbr: Arc<Qsbr>,
}

impl GroupTable {
    /// The member that a flow with this hash takes; 0 if the group is empty or does not exist.
    ///
    /// # Panics
    /// If `reader` belongs to another [`Qsbr`] than the table.
    #[inline]
    pub fn select(&self, reader: &Reader, group: u16, hash: u32) -> NextHopId {
        assert!(
            reader.belongs_to(&self.qsbr),
            "reader of another QSBR instance"
        );
        if group as usize >= self.capacity {
            return NextHopId(0);
        }
        NextHopId(
            self.bucket(group, hash as usize % BUCKETS)
                .load(Ordering::Acquire),
        )
    }

    #[inline(always)]
    fn bucket(&self, group: u16, index: usize) -> &AtomicU32 {
        let at = group as usize * BUCKETS + index;
        debug_assert!(at < self.capacity * BUCKETS);
        // SAFETY: `at` is within the region, which holds that many aligned u32, zeroed by the kernel, and is only
        // accessed as atomics.
        unsafe { &*self.buckets.base().cast::<AtomicU32>().add(at) }
    }
}

/// What the writer knows of a group.
#[derive(Debug)]
struct Group {
    members: Vec<Member>,
    /// The present owner of each bucket; equals what readers see.
    owner: [NextHopId; BUCKETS],
    /// Whose each bucket was before its owner left: it takes that one again when it returns.
    home: [NextHopId; BUCKETS],
}

/// The writer's side: one per table.
#[derive(Debug)]
pub struct GroupWriter {
    table: Arc<GroupTable>,
    groups: HashMap<u16, Group>,
    free: Vec<u16>,
    next: usize,
    retired: Retired<u16>,
}

impl GroupWriter {
    /// A table for `capacity` groups (at most 65,536). Memory is only taken as groups are used.
    pub fn new(
        capacity: usize,
        qsbr: Arc<Qsbr>,
    ) -> Result<(GroupWriter, Arc<GroupTable>), GroupError> {
        let capacity = capacity.min(MAX_GROUPS);
        let bytes = capacity * BUCKETS * size_of::<AtomicU32>();
        let buckets = Region::fixed(bytes).map_err(GroupError::Memory)?;
        let table = Arc::new(GroupTable {
            buckets,
            capacity,
            qsbr,
        });
        let writer = GroupWriter {
            table: table.clone(),
            groups: HashMap::new(),
            free: Vec::new(),
            next: 0,
            retired: Retired::default(),
        };
        Ok((writer, table))
    }

    /// Allocates a group with these members; its number goes into `NextHop::group`.
    pub fn alloc(&mut self, members: &[Member]) -> Result<u16, GroupError> {
        check(members)?;
        if self.free.is_empty() && self.next == self.table.capacity {
            self.reclaim();
        }
        let group = match self.free.pop() {
            Some(group) => group,
            None if self.next < self.table.capacity => {
                self.next += 1;
                (self.next - 1) as u16
            }
            None => return Err(GroupError::Full(self.table.capacity)),
        };
        let nobody = [NextHopId(0); BUCKETS];
        self.groups.insert(
            group,
            Group {
                members: vec![],
                owner: nobody,
                home: nobody,
            },
        );
        self.set(group, members)?;
        Ok(group)
    }

    /// Changes the members. Buckets of members that stay move only as far as the shares of new members need.
    pub fn set(&mut self, group: u16, members: &[Member]) -> Result<(), GroupError> {
        check(members)?;
        let state = self
            .groups
            .get_mut(&group)
            .ok_or(GroupError::Unknown(group))?;
        state.assign(members);
        for (index, owner) in state.owner.iter().enumerate() {
            let bucket = self.table.bucket(group, index);
            if bucket.load(Ordering::Relaxed) != owner.0 {
                bucket.store(owner.0, Ordering::Release);
            }
        }
        Ok(())
    }

    /// The members of a group.
    pub fn members(&self, group: u16) -> Option<&[Member]> {
        self.groups
            .get(&group)
            .map(|state| state.members.as_slice())
    }

    /// Groups in use; those that wait for their grace period are not counted.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether no group is allocated.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives up a group, after the last next hop that names it is gone.
    pub fn free(&mut self, group: u16) -> Result<(), GroupError> {
        self.groups
            .remove(&group)
            .ok_or(GroupError::Unknown(group))?;
        self.retired.push(group);
        self.retired.seal(&self.table.qsbr);
        Ok(())
    }

    /// Takes back groups that no worker can be using any more.
    pub fn reclaim(&mut self) {
        let GroupWriter {
            table,
            free,
            retired,
            ..
        } = self;
        retired.reclaim(&table.qsbr, |group| {
            for index in 0..BUCKETS {
                table.bucket(group, index).store(0, Ordering::Release);
            }
            free.push(group);
        });
    }
}

fn check(members: &[Member]) -> Result<(), GroupError> {
    if members.len() > BUCKETS {
        return Err(GroupError::TooManyMembers(members.len()));
    }
    for (index, member) in members.iter().enumerate() {
        let twice = members[..index]
            .iter()
            .any(|m| m.next_hop == member.next_hop);
        if twice || member.weight == 0 || member.next_hop.0 == 0 {
            return Err(GroupError::InvalidMember(member.next_hop));
        }
    }
    Ok(())
}

impl Group {
    /// Gives every bucket an owner, moving as few as the weights allow.
    fn assign(&mut self, members: &[Member]) {
        self.members = members.to_vec();
        if members.is_empty() {
            self.owner = [NextHopId(0); BUCKETS];
            return;
        }
        let place = |id: NextHopId| members.iter().position(|m| m.next_hop == id);
        let mut have = vec![0u64; members.len()];
        let mut vacant = Vec::new();
        for (index, owner) in self.owner.iter().enumerate() {
            match place(*owner) {
                Some(member) => have[member] += 1,
                None => vacant.push(index),
            }
        }
        // Buckets without an owner go first to the member they once were taken from, while it is below its share; the
        // others, one by one, to the member that is furthest below its own (D'Hondt's quotients).
        let total: u64 = members.iter().map(|m| m.weight as u64).sum();
        let below = |have: &[u64], m: usize| {
            (have[m] + 1) * total <= BUCKETS as u64 * members[m].weight as u64
        };
        vacant.sort_by_key(|&index| place(self.home[index]).is_none());
        for index in vacant {
            let home = place(self.home[index]).filter(|&home| below(&have, home));
            let member = home.unwrap_or_else(|| neediest(members, &have));
            if self.home[index].0 == 0 {
                self.home[index] = members[member].next_hop;
            }
            self.owner[index] = members[member].next_hop;
            have[member] += 1;
        }
        // Then the neediest takes from the richest while the bucket counts for more with it. Each move makes the
        // largest quotient smaller, so this ends.
        loop {
            let poor = neediest(members, &have);
            let newcomer = members[poor].next_hop;
            // Among equally rich ones, first those that hold what was the newcomer's.
            let borrowed = |m: usize| {
                (0..BUCKETS)
                    .find(|&i| self.owner[i] == members[m].next_hop && self.home[i] == newcomer)
            };
            let rich = richest(members, &have, |m| borrowed(m).is_some());
            let (poor_weight, rich_weight) = (members[poor].weight, members[rich].weight);
            if have[rich] * poor_weight as u64 <= (have[poor] + 1) * rich_weight as u64 {
                break;
            }
            let any = || {
                self.owner
                    .iter()
                    .position(|&owner| owner == members[rich].next_hop)
            };
            let Some(index) = borrowed(rich).or_else(any) else {
                break;
            };
            self.owner[index] = newcomer;
            self.home[index] = newcomer;
            have[poor] += 1;
            have[rich] -= 1;
        }
    }
}

/// The member to which one more bucket would matter most.
fn neediest(members: &[Member], have: &[u64]) -> usize {
    let after = |m: usize| (have[m] + 1, members[m].weight as u64);
    (1..members.len()).fold(
        0,
        |best, m| if less(after(m), after(best)) { m } else { best },
    )
}

/// The member with the most buckets for its weight; of equals, one that is `preferred`.
fn richest(members: &[Member], have: &[u64], preferred: impl Fn(usize) -> bool) -> usize {
    let now = |m: usize| (have[m], members[m].weight as u64);
    (1..members.len()).fold(0, |best, m| {
        let equal = !less(now(best), now(m)) && !less(now(m), now(best));
        let better = less(now(best), now(m)) || equal && preferred(m) && !preferred(best);
        if better { m } else { best }
    })
}

/// Whether the fraction `a` is less than `b`.
fn less(a: (u64, u64), b: (u64, u64)) -> bool {
    a.0 * b.1 < b.0 * a.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn members(weights: &[(u32, u32)]) -> Vec<Member> {
        weights
            .iter()
            .map(|&(id, weight)| Member {
                next_hop: NextHopId(id),
                weight,
            })
            .collect()
    }

    struct Fixture {
        writer: GroupWriter,
        table: Arc<GroupTable>,
        reader: Reader,
    }

    impl Fixture {
        fn new(capacity: usize) -> Fixture {
            let qsbr = Qsbr::new(1);
            let (writer, table) = GroupWriter::new(capacity, qsbr.clone()).unwrap();
            Fixture {
                writer,
                table,
                reader: qsbr.register().unwrap(),
            }
        }

        fn owners(&self, group: u16) -> Vec<u32> {
            (0..BUCKETS as u32)
                .map(|h| self.table.select(&self.reader, group, h).0)
                .collect()
        }
    }

    fn moved(before: &[u32], after: &[u32]) -> usize {
        before.iter().zip(after).filter(|(a, b)| a != b).count()
    }

    fn count(owners: &[u32], id: u32) -> usize {
        owners.iter().filter(|&&owner| owner == id).count()
    }

    #[test]
    fn shares_follow_the_weights() {
        let mut f = Fixture::new(4);
        let group = f.writer.alloc(&members(&[(1, 1), (2, 2), (3, 5)])).unwrap();
        let owners = f.owners(group);
        assert_eq!(
            (count(&owners, 1), count(&owners, 2), count(&owners, 3)),
            (32, 64, 160)
        );
    }

    #[test]
    fn only_the_leavers_buckets_move_and_they_come_back() {
        let mut f = Fixture::new(4);
        let all = members(&[(1, 1), (2, 1), (3, 1)]);
        let group = f.writer.alloc(&all).unwrap();
        let before = f.owners(group);
        f.writer.set(group, &all[..2]).unwrap();
        let without = f.owners(group);
        assert_eq!(moved(&before, &without), count(&before, 3));
        assert_eq!((count(&without, 1), count(&without, 2)), (128, 128));
        f.writer.set(group, &all).unwrap();
        assert_eq!(f.owners(group), before);
        f.writer.set(group, &[]).unwrap();
        assert_eq!(count(&f.owners(group), 0), BUCKETS);
        assert!(f.writer.members(group).unwrap().is_empty());
    }

    #[test]
    fn bad_members_and_numbers_are_refused() {
        let mut f = Fixture::new(1);
        for bad in [&[(0, 1)][..], &[(1, 0)], &[(1, 1), (1, 2)]] {
            assert!(matches!(
                f.writer.alloc(&members(bad)),
                Err(GroupError::InvalidMember(_))
            ));
        }
        assert!(matches!(f.writer.set(0, &[]), Err(GroupError::Unknown(0))));
        assert_eq!(f.table.select(&f.reader, 9, 9), NextHopId(0));
        let group = f.writer.alloc(&members(&[(7, 1)])).unwrap();
        f.writer.free(group).unwrap();
        assert!(
            matches!(f.writer.alloc(&[]), Err(GroupError::Full(1))),
            "in its grace period"
        );
        f.reader.quiescent();
        assert_eq!(f.writer.alloc(&[]).unwrap(), group);
        assert_eq!(
            count(&f.owners(group), 0),
            BUCKETS,
            "nothing is left of the old group"
        );
    }

    proptest! {
        #[test]
        fn any_change_is_fair_and_moves_no_more_than_it_must(
            sets in proptest::collection::vec(
                proptest::collection::btree_map(1u32..12, 1u32..9, 1..8), 1..8),
        ) {
            let mut f = Fixture::new(1);
            let group = f.writer.alloc(&[]).unwrap();
            let mut before = f.owners(group);
            for set in sets {
                let set: Vec<_> = set.into_iter().collect();
                f.writer.set(group, &members(&set)).unwrap();
                let after = f.owners(group);
                let total: u32 = set.iter().map(|(_, w)| w).sum();
                let mut gained = 0;
                for &(id, weight) in &set {
                    // D'Hondt stays above the lower quota, and near the upper one for few members.
                    let exact = BUCKETS as f64 * weight as f64 / total as f64;
                    let have = count(&after, id);
                    prop_assert!(have as f64 >= exact.floor(), "{have} < {exact}");
                    prop_assert!((have as f64) < exact.ceil() + set.len() as f64);
                    gained += have.saturating_sub(count(&before, id));
                }
                prop_assert_eq!(moved(&before, &after), gained, "a bucket moved for nothing");
                before = after;
            }
        }
    }
}
