//! Which cache lines does a lookup read? For models of caches and memory: it walks as lookups of one address do, and tells.

use super::arch::Noting;
use super::arena::LINE;
use super::node::Entry;
use super::search::Nodes;
use super::{Address, Lpm};
use crate::id::VrfId;
use crate::publish::Reader;
use std::cell::RefCell;
use std::sync::atomic::Ordering;

impl<A: Address> Lpm<A> {
    /// Calls `read` for each line of 64 bytes of the table's memory that a lookup of `addr` reads, in order, with the line's
    /// number from the memory's beginning; returns how many they were. The VRF's own word and the next hop's record are not
    /// among them. A burst asks for a line or two more, which its search may turn out not to need.
    ///
    /// # Panics
    /// If `reader` belongs to another [`Qsbr`](crate::publish::Qsbr) than the table.
    pub fn lines_read(&self, reader: &Reader, vrf: VrfId, addr: A, read: impl FnMut(u32)) -> usize {
        let Some(vrf) = self.vrf(reader, vrf) else {
            return 0;
        };
        let nodes = Nodes(self.region.base());
        let told = RefCell::new((read, 0));
        let note = |at: *const u8| {
            let (read, count) = &mut *told.borrow_mut();
            read(((at as usize - nodes.0 as usize) / LINE) as u32);
            *count += 1;
        };
        let (mut entry, mut len) = (Entry(vrf.root.load(Ordering::Acquire)), 0);
        // SAFETY: `reader` keeps nodes from being reused; the root is of this table, and so is every entry met on the way.
        while let Some((next, end)) = unsafe { nodes.step(Noting(&note), entry, addr, len) } {
            (entry, len) = (next, end);
        }
        told.into_inner().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lpm::LpmWriter;
    use crate::publish::Qsbr;
    use crate::testing::{Route, bgp4, bgp6, uniform_trace};
    use std::collections::HashSet;

    const VRF: VrfId = VrfId(0);

    /// The mean number of lines that a lookup reads, and how many different ones all of them.
    fn lines<A: Address>(routes: &[Route<A>]) -> (f64, usize) {
        let qsbr = Qsbr::new(1);
        let (mut writer, table) = LpmWriter::new(1, qsbr.clone()).unwrap();
        writer.add_vrf(VRF).unwrap();
        writer.begin();
        for &(prefix, next_hop) in routes {
            writer.insert(VRF, prefix, next_hop).unwrap();
        }
        writer.commit().unwrap();
        let reader = qsbr.register().unwrap();
        let (addrs, mut seen) = (uniform_trace(routes, 2000, 1), HashSet::new());
        let mut read = 0;
        for &addr in &addrs {
            let mut last = 0;
            let lines = table.lines_read(&reader, VRF, addr, |line| {
                last = line;
                seen.insert(line);
            });
            // The last line holds the answer: an entry, or in a packed chunk the bare number.
            let words = table.region.base().cast::<[u32; 16]>();
            // SAFETY: a line of the table, which nobody changes here.
            let line = unsafe { *words.add(last as usize) };
            let found = table.lookup(&reader, VRF, addr).0;
            let mut halves = line.iter().flat_map(|word| [word & 0xffff, word >> 16]);
            let holds = line.contains(&Entry::leaf(found).0) || halves.any(|h| h == found);
            assert!(holds, "{last} lacks {found}");
            read += lines;
        }
        assert_eq!(table.lines_read(&reader, VrfId(1), addrs[0], |_| ()), 0);
        (read as f64 / addrs.len() as f64, seen.len())
    }

    #[test]
    fn a_small_table_is_a_node_and_a_big_one_a_few_steps() {
        // One chunk of the first 64 bits: two lines of separators, one of values.
        let (mean, all) = lines(&bgp6(6, 4, 1));
        assert_eq!((mean, all), (3.0, 3));
        let (mean, all) = lines(&bgp6(50_000, 1000, 1));
        assert!((3.0..8.0).contains(&mean), "{mean}");
        assert!((1000..12_000).contains(&all), "{all}");
        let (mean, _) = lines(&bgp4(50_000, 1000, 1));
        assert!((1.5..2.5).contains(&mean), "{mean}");
    }
}
