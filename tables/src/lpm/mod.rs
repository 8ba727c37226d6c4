//! Which route does this address take?
//!
//! Longest prefix match for IPv6 and IPv4 over many VRFs, looked up in bursts by every worker while one writer changes it.
//!
//! ```text
//!   writer                                        readers
//!   Rib: a trie of routes, per VRF                vrfs[vrf]: root entry, default route
//!     │ routes inside a span, in order              │
//!   update: which entries that concerns             ▼ entries: next hop | node       (node.rs has the layout)
//!   build, chunk: intervals to nodes                │
//!     │ one atomic store of an entry              direct nodes: 12 + 12 bits, where a VRF is big; IPv4: 16
//!     └──────────────────────────────────────────► └► chunks: 17-ary SIMD search trees over 32 or 64 bits,
//!   old nodes ─► retired ─► free (QSBR)               immutable but for the entries among their values;
//!                                                     IPv4: packed chunks of 8 bits, one line a lookup (packed.rs, burst4.rs)
//! ```
//!
//! A small VRF is one chunk over the first 64 bits and, for its hosts, one per /64: a few hundred bytes. As it grows, spans
//! with many boundaries are split by direct nodes, and put together again when they empty.
//!
//! A changed next hop is stored in place, as is that of the next shorter route where one is withdrawn; its boundaries stay for a
//! while, as most routes come back. A route that is new costs a copy of the smallest chunk that holds its prefix: a host route
//! only its /64's. The default route is a word of its own beside the root.
//!
//! # Invariants
//! 1. A node is written before the entry that names it is stored (release), and read after that entry was loaded
//!    (acquire).
//! 2. After that only entries in it change (direct slots and values), each by one atomic store; separators never do.
//! 3. A node is reused only after the entry that named it was replaced and a grace period has passed; a lookup borrows the
//!    [`Reader`] and keeps nothing.
//! 4. At any moment each address finds the next hop it had before or after any change in progress. Of a route that
//!    spans several entries the parts change one by one.
#![allow(unsafe_code)]

mod address;
pub mod arch;
mod arena;
mod build;
mod burst;
mod burst4;
mod chunk;
mod footprint;
mod huge;
mod naive;
mod node;
mod packed;
mod rebuild;
mod rib;
mod search;
mod staged;
mod update;
mod writer;

pub use address::{Address, Prefix, PrefixLenError};
#[cfg(target_arch = "x86_64")]
pub use arch::{Avx2, Avx512};
pub use arch::{Isa, Scalar, Simd};
pub use naive::NaiveLpm;
pub use writer::{LpmError, LpmWriter};

use crate::id::{NextHopId, VrfId};
use crate::publish::{Qsbr, Reader};
use crate::region::Region;
use burst::BURST;
use node::Entry;
use search::{Nodes, Start};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Where a VRF's lookups begin.
#[derive(Debug, Default)]
struct Vrf {
    root: AtomicU32,
    /// Next hop of the route of length 0, or 0; and in the upper half how often it has changed.
    default: AtomicU64,
}

impl Vrf {
    /// For the writer: changes the default route, in one store.
    fn set_default(&self, next_hop: u32) {
        let changes = self.default.load(Ordering::Relaxed) >> 32;
        let next = changes.wrapping_add(1) << 32 | next_hop as u64;
        self.default.store(next, Ordering::Release);
    }
}

/// The readers' side: shared by all workers. In lines of its own: its neighbours on the heap may be written at any time.
#[derive(Debug)]
#[repr(align(64))]
pub struct Lpm<A: Address> {
    vrfs: Box<[Vrf]>,
    region: Arc<Region>,
    qsbr: Arc<Qsbr>,
    isa: Isa,
    family: PhantomData<A>,
}

/// Looks up, again if the default route has changed meanwhile: what was not found then takes the default route of that very
/// moment, not one that was there when something else was too.
///
/// WHY a macro: a closure that the compiler does not inline is compiled without its caller's vector instructions.
macro_rules! settled {
    ($vrf:expr, |$default:ident| $look_up:expr) => {
        loop {
            let $default = $vrf.default.load(Ordering::Acquire);
            let found = $look_up;
            if $vrf.default.load(Ordering::Acquire) == $default {
                break found;
            }
        }
    };
}

impl<A: Address> Lpm<A> {
    /// The next hop of `addr`; 0 if the VRF has no route for it, or does not exist.
    ///
    /// # Panics
    /// If `reader` belongs to another [`Qsbr`] than the table.
    #[inline]
    pub fn lookup(&self, reader: &Reader, vrf: VrfId, addr: A) -> NextHopId {
        let Some(vrf) = self.vrf(reader, vrf) else {
            return NextHopId(0);
        };
        // SAFETY: `reader` keeps nodes from being reused, and the root is of this table.
        settled!(vrf, |default| unsafe {
            self.start(vrf, default).find(addr)
        })
    }

    /// The next hops of any number of addresses of one VRF, with the best instructions that the processor has.
    ///
    /// # Panics
    /// If `out` is shorter than `addrs`, or `reader` belongs to another [`Qsbr`] than the table.
    pub fn lookup_burst(&self, reader: &Reader, vrf: VrfId, addrs: &[A], out: &mut [NextHopId]) {
        match self.isa {
            Isa::Scalar => self.chunks(Scalar, reader, vrf, addrs, out),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `isa` was found by detection.
            Isa::Avx2 => unsafe { self.chunks_avx2(reader, vrf, addrs, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Isa::Avx512 => unsafe { self.chunks_avx512(reader, vrf, addrs, out) },
            #[cfg(not(target_arch = "x86_64"))]
            Isa::Avx2 | Isa::Avx512 => self.chunks(Scalar, reader, vrf, addrs, out),
        }
    }

    /// The next hops of up to 64 addresses of one VRF, for a caller that is itself compiled for `simd`'s instructions (a
    /// poll loop under `#[target_feature]`), and has the first half of each address in `high` (see [`Address::high`]).
    /// `addr(i)` gives a whole address; it is only called where routes are longer than 56 bits.
    ///
    /// # Panics
    /// If `high` is longer than 64 or than `out`, or `reader` belongs to another [`Qsbr`] than the table.
    #[inline(always)]
    pub fn lookup_lane<S: Simd>(
        &self,
        simd: S,
        reader: &Reader,
        vrf: VrfId,
        high: &[u64],
        addr: impl Fn(usize) -> A,
        out: &mut [NextHopId],
    ) {
        let n = high.len();
        assert!(
            n <= BURST && n <= out.len(),
            "{n} addresses for {} results",
            out.len()
        );
        // SAFETY: `burst::burst` calls it with `i < n`.
        let high = |i: usize| unsafe { *high.get_unchecked(i) };
        let Some(vrf) = self.vrf(reader, vrf) else {
            out[..n].fill(NextHopId(0));
            return;
        };
        // SAFETY: `reader` keeps nodes from being reused, the root is of this table; `n` was checked.
        settled!(vrf, |default| unsafe {
            let start = self.start(vrf, default);
            burst::burst(simd, start, n, high, &addr, out.as_mut_ptr())
        });
    }

    /// A VRF, if it exists.
    #[inline(always)]
    fn vrf(&self, reader: &Reader, vrf: VrfId) -> Option<&Vrf> {
        assert!(
            reader.belongs_to(&self.qsbr),
            "reader of another QSBR instance"
        );
        self.vrfs.get(vrf.index())
    }

    /// Where a lookup in a VRF begins, with the default route's word as it was read.
    #[inline(always)]
    fn start(&self, vrf: &Vrf, default: u64) -> Start {
        Start {
            nodes: Nodes(self.region.base()),
            root: Entry(vrf.root.load(Ordering::Acquire)),
            default: default as u32,
        }
    }

    #[inline(always)]
    fn chunks<S: Simd>(
        &self,
        simd: S,
        reader: &Reader,
        vrf: VrfId,
        addrs: &[A],
        out: &mut [NextHopId],
    ) {
        let out = &mut out[..addrs.len()];
        let Some(vrf) = self.vrf(reader, vrf) else {
            out.fill(NextHopId(0));
            return;
        };
        for (addrs, out) in addrs.chunks(BURST).zip(out.chunks_mut(BURST)) {
            let n = addrs.len();
            // SAFETY: `burst::burst` calls it with `i < n`.
            let addr = |i: usize| unsafe { *addrs.get_unchecked(i) };
            let high = |i: usize| addr(i).high();
            // SAFETY: `reader` keeps nodes from being reused, the root is of this table; a chunk is at most BURST long.
            settled!(vrf, |default| unsafe {
                let start = self.start(vrf, default);
                burst::burst(simd, start, n, high, addr, out.as_mut_ptr())
            });
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,popcnt")]
    fn chunks_avx2(&self, reader: &Reader, vrf: VrfId, addrs: &[A], out: &mut [NextHopId]) {
        let Some(simd) = Avx2::detect() else {
            unreachable!("the caller has detected it")
        };
        self.chunks(simd, reader, vrf, addrs, out);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,popcnt")]
    fn chunks_avx512(&self, reader: &Reader, vrf: VrfId, addrs: &[A], out: &mut [NextHopId]) {
        let Some(simd) = Avx512::detect() else {
            unreachable!("the caller has detected it")
        };
        self.chunks(simd, reader, vrf, addrs, out);
    }
}

#[cfg(test)]
mod tests;
