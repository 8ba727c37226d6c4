use super::arena::{LINE, POISON};
use super::*;
use proptest::prelude::*;

mod bounds;
mod packed;
mod shapes;

/// A table and everything it is compared with.
struct Fixture<A: Address> {
    writer: LpmWriter<A>,
    table: Arc<Lpm<A>>,
    naive: NaiveLpm<A>,
    reader: Reader,
}

/// VRFs of the fixture.
const VRFS: u16 = 3;

impl<A: Address> Fixture<A> {
    fn new() -> Fixture<A> {
        let qsbr = Qsbr::new(1);
        let (mut writer, table) = LpmWriter::new(VRFS as usize, qsbr.clone()).unwrap();
        (0..VRFS).for_each(|vrf| writer.add_vrf(VrfId(vrf)).unwrap());
        Fixture {
            writer,
            table,
            naive: NaiveLpm::default(),
            reader: qsbr.register().unwrap(),
        }
    }

    /// One change, made to both; next hop 0 removes.
    fn change(&mut self, vrf: VrfId, prefix: Prefix<A>, next_hop: u32) {
        if next_hop == 0 {
            let old = self.writer.remove(vrf, &prefix).unwrap();
            assert_eq!(old, self.naive.remove(vrf, &prefix));
        } else {
            let next_hop = NextHopId(next_hop);
            let old = self.writer.insert(vrf, prefix, next_hop).unwrap();
            assert_eq!(old, self.naive.insert(vrf, prefix, next_hop));
        }
        self.reader.quiescent();
    }

    /// Every way to look up, on every instruction set that this machine has, gives what the naive table gives.
    fn check(&self, vrf: VrfId, addrs: &[A]) {
        let expected: Vec<_> = addrs
            .iter()
            .map(|&addr| self.naive.lookup(vrf, addr))
            .collect();
        for (&addr, &expected) in addrs.iter().zip(&expected) {
            let found = self.table.lookup(&self.reader, vrf, addr);
            assert_eq!(found, expected, "{} in VRF {vrf}", Prefix::host(addr));
        }
        let show = |isa: &str, out: &[NextHopId]| {
            for (i, &addr) in addrs.iter().enumerate() {
                assert_eq!(
                    out[i],
                    expected[i],
                    "{isa}: {} in VRF {vrf}",
                    Prefix::host(addr)
                );
            }
        };
        let mut out = vec![NextHopId(u32::MAX); addrs.len()];
        self.table.lookup_burst(&self.reader, vrf, addrs, &mut out);
        show("burst", &out);
        self.lane(Scalar, vrf, addrs, &mut out);
        show("scalar", &out);
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(simd) = Avx2::detect() {
                self.lane(simd, vrf, addrs, &mut out);
                show("AVX2", &out);
            }
            if let Some(simd) = Avx512::detect() {
                self.lane(simd, vrf, addrs, &mut out);
                show("AVX-512", &out);
            }
        }
    }

    fn lane<S: Simd>(&self, simd: S, vrf: VrfId, addrs: &[A], out: &mut [NextHopId]) {
        out.fill(NextHopId(u32::MAX));
        // An odd size, so that bursts are neither full nor equal.
        for (addrs, out) in addrs.chunks(61).zip(out.chunks_mut(61)) {
            let high: Vec<u64> = addrs.iter().map(|addr| addr.high()).collect();
            self.table
                .lookup_lane(simd, &self.reader, vrf, &high, |i| addrs[i], out);
        }
    }

    /// The edges of every route, and what is beside them.
    fn edges(&self, vrf: VrfId) -> Vec<A> {
        let mut addrs = vec![A::default(), A::default().last(0)];
        for (_, prefix, _) in self.naive.iter().filter(|(v, ..)| *v == vrf) {
            let before = A::BITS - prefix.len();
            addrs.extend([prefix.addr(), prefix.last()]);
            addrs.extend(prefix.last().next());
            addrs.extend(step_back(prefix.addr()));
            addrs.push(prefix.addr().last(A::BITS - before / 2));
        }
        addrs
    }

    fn check_all(&self) {
        for vrf in (0..VRFS).map(VrfId) {
            self.check(vrf, &self.edges(vrf));
            let mut routes: Vec<_> = self
                .naive
                .iter()
                .filter(|(v, ..)| *v == vrf)
                .map(|(_, p, n)| (p, n))
                .collect();
            routes.sort_unstable();
            assert!(self.writer.iter(vrf).eq(routes.iter().copied()));
            assert_eq!(self.writer.len(vrf), routes.len());
        }
    }
}

fn step_back<A: Address>(addr: A) -> Option<A> {
    // The address whose next is `addr`: the last of the prefix that ends before the lowest set bit.
    let lowest = (0..A::BITS).rev().find(|&bit| addr.bits(bit, 1) == 1)?;
    let cleared = addr.network(lowest);
    Some(if lowest + 1 < A::BITS {
        cleared.last(lowest + 1)
    } else {
        cleared
    })
}

#[test]
fn stepping_back_is_the_inverse_of_next() {
    for addr in [1u128, 2, 3, 1 << 64, u128::MAX, 0x2001_0db8 << 96] {
        assert_eq!(step_back(addr).and_then(Address::next), Some(addr));
    }
    assert_eq!(step_back(0u32), None);
}

/// Prefixes of all lengths that meet often: few distinct bits in a few places.
fn prefix6() -> impl Strategy<Value = Prefix<u128>> {
    let place = prop_oneof![
        Just(0u32),
        Just(8),
        Just(16),
        Just(40),
        Just(60),
        Just(66),
        Just(110)
    ];
    let len = prop_oneof![4 => 0u8..=128, 2 => 20u8..=34, 2 => 44u8..=66, 1 => 120u8..=128];
    let bits = proptest::collection::vec((0u128..16, place), 0..5);
    (bits, len, any::<bool>()).prop_map(|(bits, len, global)| {
        let start = if global { 0x2001_0db8u128 << 96 } else { 0 };
        let addr = bits
            .into_iter()
            .fold(start, |addr, (bits, at)| addr ^ (bits << 124 >> at));
        Prefix::of(addr, len)
    })
}

fn prefix4() -> impl Strategy<Value = Prefix<u32>> {
    let place = prop_oneof![
        Just(0u32),
        Just(8),
        Just(12),
        Just(16),
        Just(20),
        Just(24),
        Just(28)
    ];
    let bits = proptest::collection::vec((0u32..16, place), 0..5);
    (bits, 0u8..=32).prop_map(|(bits, len)| {
        let addr = bits
            .into_iter()
            .fold(0u32, |addr, (bits, at)| addr ^ (bits << 28 >> at));
        Prefix::of(addr, len)
    })
}

/// (VRF, prefix, next hop or 0 to remove): mostly few next hops, so that neighbours merge.
fn ops<A: Address>(
    prefix: impl Strategy<Value = Prefix<A>>,
) -> impl Strategy<Value = Vec<(u16, Prefix<A>, u32)>> {
    proptest::collection::vec((0..VRFS, prefix, 0u32..6), 1..120)
}

fn replay<A: Address>(ops: &[(u16, Prefix<A>, u32)], batch: usize) {
    let mut f = Fixture::new();
    for (i, &(vrf, prefix, next_hop)) in ops.iter().enumerate() {
        if batch > 1 && i % batch == 0 {
            f.writer.begin();
        }
        f.change(VrfId(vrf), prefix, next_hop);
        if batch > 1 && (i % batch == batch - 1 || i + 1 == ops.len()) {
            f.writer.commit().unwrap();
            f.reader.quiescent();
            f.check_all();
        }
        if batch <= 1 {
            let next = prefix.last().next().unwrap_or_default();
            f.check(VrfId(vrf), &[prefix.addr(), prefix.last(), next]);
        }
    }
    f.check_all();
    // All gone: nothing is left of the structure.
    for (vrf, prefix, _) in f.naive.clone().iter() {
        f.change(vrf, prefix, 0);
    }
    f.check_all();
    for vrf in (0..VRFS).map(VrfId) {
        assert_eq!(f.writer.memory_bytes(vrf), size_of::<Vrf>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn ipv6_agrees_with_the_naive_table(ops in ops(prefix6())) {
        replay(&ops, 1);
    }

    #[test]
    fn ipv4_agrees_with_the_naive_table(ops in ops(prefix4())) {
        replay(&ops, 1);
    }

    #[test]
    fn batches_agree_with_the_naive_table(ops in ops(prefix6()), batch in 2usize..20) {
        replay(&ops, batch);
    }

    #[test]
    fn explain_and_lookup_agree_with_another_trie(ops in ops(prefix6())) {
        let mut f = Fixture::new();
        let mut trie = prefix_trie::PrefixMap::<ipnet::Ipv6Net, u32>::new();
        for (_, prefix, next_hop) in ops {
            f.change(VrfId(0), prefix, next_hop);
            if next_hop == 0 {
                trie.remove(&prefix.into());
            } else {
                trie.insert(prefix.into(), next_hop);
            }
        }
        for addr in f.edges(VrfId(0)) {
            let expected = trie.get_lpm(&Prefix::host(addr).into());
            let expected = expected.map(|(net, &next_hop)| (Prefix::from(net), NextHopId(next_hop)));
            prop_assert_eq!(f.writer.explain(VrfId(0), addr), expected);
            let next_hop = expected.map_or(NextHopId(0), |(_, next_hop)| next_hop);
            prop_assert_eq!(f.table.lookup(&f.reader, VrfId(0), addr), next_hop);
        }
    }
}

#[test]
fn vrfs_are_separate_and_bounded() {
    let mut f = Fixture::<u128>::new();
    let net = Prefix::from("2001:db8::/32".parse::<ipnet::Ipv6Net>().unwrap());
    f.change(VrfId(0), net, 7);
    f.change(VrfId(1), Prefix::all(), 8);
    f.check_all();
    let lookup = |f: &Fixture<u128>, vrf| f.table.lookup(&f.reader, VrfId(vrf), net.addr() + 1);
    assert_eq!(
        (lookup(&f, 0), lookup(&f, 1), lookup(&f, 2), lookup(&f, 99)).0,
        NextHopId(7)
    );
    assert_eq!(
        (lookup(&f, 1), lookup(&f, 2), lookup(&f, 99)),
        (NextHopId(8), NextHopId(0), NextHopId(0))
    );
    let mut out = [NextHopId(9); 2];
    f.table
        .lookup_burst(&f.reader, VrfId(99), &[1, 2], &mut out);
    assert_eq!(out, [NextHopId(0); 2]);

    assert!(matches!(
        f.writer.add_vrf(VrfId(3)),
        Err(LpmError::VrfLimit { max: 3, .. })
    ));
    assert!(matches!(
        f.writer.insert(VrfId(3), net, NextHopId(1)),
        Err(LpmError::UnknownVrf(_))
    ));
    for bad in [0, 1 << 28] {
        let result = f.writer.insert(VrfId(0), net, NextHopId(bad));
        assert!(matches!(result, Err(LpmError::InvalidNextHop(_))));
    }
    f.writer.remove_vrf(VrfId(0)).unwrap();
    assert_eq!(lookup(&f, 0), NextHopId(0));
    assert_eq!(
        (f.writer.len(VrfId(0)), f.writer.memory_bytes(VrfId(0))),
        (0, 0)
    );
    assert!(matches!(
        f.writer.remove(VrfId(0), &net),
        Err(LpmError::UnknownVrf(_))
    ));
}

#[test]
#[should_panic(expected = "another QSBR instance")]
fn a_foreign_reader_is_refused() {
    let f = Fixture::<u32>::new();
    let stranger = Qsbr::new(1).register().unwrap();
    f.table.lookup(&stranger, VrfId(0), 1);
}

#[test]
fn freed_nodes_are_poisoned_in_debug_builds() {
    // What the churn test relies on to notice a use after reclaim.
    let mut arena = arena::Arena::new(2 << 20).unwrap();
    let lines = arena.alloc(2).unwrap();
    arena.free(lines);
    let word = |i: usize| {
        // SAFETY: two lines were allocated.
        unsafe { *arena.line(lines.first).add(i) }
    };
    if cfg!(debug_assertions) {
        assert_eq!((word(0), word(2 * LINE / 4 - 1)), (POISON, POISON));
    }
}

#[test]
fn a_batch_changes_the_default_route_and_what_is_beside_it() {
    let qsbr = Qsbr::new(1);
    let reader = qsbr.register().unwrap();
    let (vrf, host) = (VrfId(1), 0x2001_0db8_u128 << 96 | 1);
    for default_first in [true, false] {
        let (mut writer, lpm) = LpmWriter::<u128>::new(4, qsbr.clone()).unwrap();
        writer.add_vrf(vrf).unwrap();
        writer.insert(vrf, Prefix::all(), NextHopId(1)).unwrap();
        let mut changes = [
            (Prefix::all(), NextHopId(3)),
            (Prefix::host(host), NextHopId(2)),
        ];
        if !default_first {
            changes.reverse();
        }
        writer.begin();
        for (prefix, next_hop) in changes {
            writer.insert(vrf, prefix, next_hop).unwrap();
        }
        writer.commit().unwrap();
        assert_eq!(lpm.lookup(&reader, vrf, host), NextHopId(2));
        assert_eq!(lpm.lookup(&reader, vrf, host + 1), NextHopId(3));
    }
}
