//! DPDK's own route lookups, to measure ours beside them: `rte_fib6` and `rte_lpm6` for IPv6, `rte_fib` and `rte_lpm`
//! for IPv4. Only `benches` uses them, by the feature `peers`; the router does not.
//!
//! ```text
//!   rte_fib6  DIR-24-8 over 24 + 8 bits a level ("trie"), vectorised for AVX-512     next hops of 8 bytes
//!   rte_lpm6  the same levels, scalar                                                next hops of 4 bytes, negative: none
//!   rte_fib   DIR-24-8, vectorised for AVX-512                                       next hops of 8 bytes
//!   rte_lpm   DIR-24-8, scalar                                                       next hops of 24 bits and flags
//! ```
//!
//! Each must be given its capacity: the number of routes and of *groups*, its second-level tables of 256 entries of
//! 4 bytes. All are made on DPDK's heap, so in huge pages if [`Eal::hugepages`](crate::Eal::hugepages).
//!
//! # Invariant
//! A handle is not null, was made by the matching `create` and lives until `Drop`; all of them keep EAL alive.

use std::ffi::{CString, c_int};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use dpdk_sys as c;

use crate::eal::{Eal, EalHandle};
use crate::errno::Errno;

/// Any NUMA node.
const ANY_SOCKET: c_int = -1;

/// Bytes of one group.
pub const GROUP_BYTES: usize = 256 * 4;

/// Bytes of the first level of each of the four: an entry for every value of the upper 24 bits.
pub const FIRST_LEVEL_BYTES: usize = 4 << 24;

/// A table could not be made or refused something.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// It could not be made.
    #[error("{table} for {routes} routes and {groups} groups could not be made: {errno}")]
    Create {
        /// Which library.
        table: &'static str,
        /// Routes asked for.
        routes: u32,
        /// Groups asked for.
        groups: u32,
        /// DPDK's reason.
        errno: Errno,
    },
    /// It refused a route.
    #[error("{table} refused a route of {len} bits: {errno}")]
    Add {
        /// Which library.
        table: &'static str,
        /// The prefix length.
        len: u8,
        /// DPDK's reason; `ENOSPC` if the groups are used up.
        errno: Errno,
    },
    /// It has no lookup by these instructions here.
    #[error("{table} has no {way:?} lookup here: {errno}")]
    Select {
        /// Which library.
        table: &'static str,
        /// What was asked for.
        way: Way,
        /// DPDK's reason.
        errno: Errno,
    },
    /// DPDK's heap is used up.
    #[error("DPDK's heap has no {0} bytes")]
    Memory(usize),
}

/// How `rte_fib` and `rte_fib6` look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// One address after the other.
    Scalar,
    /// Sixteen or eight at once. DPDK refuses unless EAL allows 512 bits
    /// ([`EalOptions::max_simd_bits`](crate::EalOptions::max_simd_bits)), and then its "default" is the scalar one:
    /// a comparison must ask for this and look at the answer.
    Avx512,
}

/// Names of tables are unique in a process.
fn fresh_name() -> CString {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    CString::new(format!("peer{number}")).unwrap_or_default()
}

/// A table of one of the libraries.
macro_rules! table {
    ($(#[$doc:meta])* $name:ident, $raw:ident, $free:ident) => {
        $(#[$doc])*
        pub struct $name {
            raw: NonNull<c::$raw>,
            _eal: Arc<EalHandle>,
        }

        impl $name {
            const TABLE: &str = stringify!($raw);

            fn made(eal: &Eal, raw: *mut c::$raw, routes: u32, groups: u32) -> Result<Self, PeerError> {
                let raw = NonNull::new(raw).ok_or_else(|| PeerError::Create {
                    table: Self::TABLE,
                    routes,
                    groups,
                    errno: Errno::last(),
                })?;
                Ok(Self { raw, _eal: eal.handle() })
            }

            fn added(result: c_int, len: u8) -> Result<(), PeerError> {
                let added = Errno::check(result).map(drop);
                added.map_err(|errno| PeerError::Add { table: Self::TABLE, len, errno })
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: the invariant; nothing borrows it any more.
                unsafe { c::$free(self.raw.as_ptr()) };
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(Self::TABLE)
            }
        }
    };
}

table!(
    /// `rte_fib6`. No route: 0.
    Fib6, rte_fib6, rte_fib6_free
);
table!(
    /// `rte_lpm6`. No route: a negative number. It cannot hold a route of length 0.
    Lpm6, rte_lpm6, rte_lpm6_free
);
table!(
    /// `rte_fib` by DIR-24-8. No route: 0.
    Fib, rte_fib, rte_fib_free
);
table!(
    /// `rte_lpm`. No route: [`Lpm::FOUND`] is not set. It cannot hold a route of length 0.
    Lpm, rte_lpm, rte_lpm_free
);

impl Fib6 {
    /// An empty table. DPDK counts groups that a route *may* need against `groups`, not those in use.
    ///
    /// # Errors
    /// When DPDK's heap has too little memory.
    pub fn new(eal: &Eal, routes: u32, groups: u32) -> Result<Self, PeerError> {
        let name = fresh_name();
        // SAFETY: EAL is up; the name outlives the call, which copies it.
        let raw = unsafe { c::hextet_fib6_new(name.as_ptr(), routes, groups) };
        Self::made(eal, raw, routes, groups)
    }

    /// Adds a route.
    ///
    /// # Errors
    /// When the capacity is used up.
    pub fn add(&mut self, addr: u128, len: u8, next_hop: u32) -> Result<(), PeerError> {
        let addr = addr.to_be_bytes();
        // SAFETY: the invariant; 16 bytes of an address are read.
        let result = unsafe {
            c::rte_fib6_add(
                self.raw.as_ptr(),
                addr.as_ptr().cast(),
                len,
                next_hop.into(),
            )
        };
        Self::added(result, len)
    }

    /// Chooses how to look up from now on.
    ///
    /// # Errors
    /// When DPDK or the processor cannot.
    pub fn select(&mut self, way: Way) -> Result<(), PeerError> {
        let kind = match way {
            Way::Scalar => c::RTE_FIB6_LOOKUP_TRIE_SCALAR,
            Way::Avx512 => c::RTE_FIB6_LOOKUP_TRIE_VECTOR_AVX512,
        };
        // SAFETY: the invariant.
        let result = unsafe { c::rte_fib6_select_lookup(self.raw.as_ptr(), kind) };
        let selected = Errno::check(result).map(drop);
        selected.map_err(|errno| PeerError::Select {
            table: Self::TABLE,
            way,
            errno,
        })
    }

    /// Next hops of addresses in network byte order.
    ///
    /// # Panics
    /// If `out` is shorter than `addrs`.
    #[inline]
    pub fn lookup(&self, addrs: &[[u8; 16]], out: &mut [u64]) {
        assert!(addrs.len() <= out.len());
        // SAFETY: the invariant; as many addresses are read as next hops are written.
        unsafe {
            c::rte_fib6_lookup_bulk(
                self.raw.as_ptr(),
                addrs.as_ptr().cast_mut().cast(),
                out.as_mut_ptr(),
                addrs.len() as c_int,
            )
        };
    }
}

impl Lpm6 {
    /// An empty table.
    ///
    /// # Errors
    /// When DPDK's heap has too little memory.
    pub fn new(eal: &Eal, routes: u32, groups: u32) -> Result<Self, PeerError> {
        let name = fresh_name();
        let config = c::rte_lpm6_config {
            max_rules: routes,
            number_tbl8s: groups,
            flags: 0,
        };
        // SAFETY: EAL is up; name and configuration outlive the call, which copies them.
        let raw = unsafe { c::rte_lpm6_create(name.as_ptr(), ANY_SOCKET, &config) };
        Self::made(eal, raw, routes, groups)
    }

    /// Adds a route.
    ///
    /// # Errors
    /// When the capacity is used up, or `len` is 0.
    pub fn add(&mut self, addr: u128, len: u8, next_hop: u32) -> Result<(), PeerError> {
        let addr = addr.to_be_bytes();
        // SAFETY: the invariant; 16 bytes of an address are read.
        let result =
            unsafe { c::rte_lpm6_add(self.raw.as_ptr(), addr.as_ptr().cast(), len, next_hop) };
        Self::added(result, len)
    }

    /// Next hops of addresses in network byte order.
    ///
    /// # Panics
    /// If `out` is shorter than `addrs`.
    #[inline]
    pub fn lookup(&self, addrs: &[[u8; 16]], out: &mut [i32]) {
        assert!(addrs.len() <= out.len());
        // SAFETY: the invariant; as many addresses are read as next hops are written.
        unsafe {
            c::rte_lpm6_lookup_bulk_func(
                self.raw.as_ptr(),
                addrs.as_ptr().cast_mut().cast(),
                out.as_mut_ptr(),
                addrs.len() as u32,
            )
        };
    }
}

impl Fib {
    /// An empty table.
    ///
    /// # Errors
    /// When DPDK's heap has too little memory.
    pub fn new(eal: &Eal, routes: u32, groups: u32) -> Result<Self, PeerError> {
        let name = fresh_name();
        // SAFETY: EAL is up; the name outlives the call, which copies it.
        let raw = unsafe { c::hextet_fib_new(name.as_ptr(), routes, groups) };
        Self::made(eal, raw, routes, groups)
    }

    /// Adds a route.
    ///
    /// # Errors
    /// When the capacity is used up.
    pub fn add(&mut self, addr: u32, len: u8, next_hop: u32) -> Result<(), PeerError> {
        // SAFETY: the invariant.
        let result = unsafe { c::rte_fib_add(self.raw.as_ptr(), addr, len, next_hop.into()) };
        Self::added(result, len)
    }

    /// Chooses how to look up from now on.
    ///
    /// # Errors
    /// When DPDK or the processor cannot.
    pub fn select(&mut self, way: Way) -> Result<(), PeerError> {
        let kind = match way {
            Way::Scalar => c::RTE_FIB_LOOKUP_DIR24_8_SCALAR_MACRO,
            Way::Avx512 => c::RTE_FIB_LOOKUP_DIR24_8_VECTOR_AVX512,
        };
        // SAFETY: the invariant.
        let result = unsafe { c::rte_fib_select_lookup(self.raw.as_ptr(), kind) };
        let selected = Errno::check(result).map(drop);
        selected.map_err(|errno| PeerError::Select {
            table: Self::TABLE,
            way,
            errno,
        })
    }

    /// Next hops of addresses in host byte order.
    ///
    /// # Panics
    /// If `out` is shorter than `addrs`.
    #[inline]
    pub fn lookup(&self, addrs: &[u32], out: &mut [u64]) {
        assert!(addrs.len() <= out.len());
        // SAFETY: the invariant; as many addresses are read as next hops are written.
        unsafe {
            c::rte_fib_lookup_bulk(
                self.raw.as_ptr(),
                addrs.as_ptr().cast_mut(),
                out.as_mut_ptr(),
                addrs.len() as c_int,
            )
        };
    }
}

impl Lpm {
    /// Set in a result where there is a route; its next hop is in the bits below.
    pub const FOUND: u32 = c::RTE_LPM_LOOKUP_SUCCESS;

    /// An empty table.
    ///
    /// # Errors
    /// When DPDK's heap has too little memory.
    pub fn new(eal: &Eal, routes: u32, groups: u32) -> Result<Self, PeerError> {
        let name = fresh_name();
        let config = c::rte_lpm_config {
            max_rules: routes,
            number_tbl8s: groups,
            flags: 0,
        };
        // SAFETY: EAL is up; name and configuration outlive the call, which copies them.
        let raw = unsafe { c::rte_lpm_create(name.as_ptr(), ANY_SOCKET, &config) };
        Self::made(eal, raw, routes, groups)
    }

    /// Adds a route. The time this takes grows with the number of routes of the same length.
    ///
    /// # Errors
    /// When the capacity is used up, or `len` is 0.
    pub fn add(&mut self, addr: u32, len: u8, next_hop: u32) -> Result<(), PeerError> {
        // SAFETY: the invariant.
        let result = unsafe { c::rte_lpm_add(self.raw.as_ptr(), addr, len, next_hop) };
        Self::added(result, len)
    }

    /// Next hops of addresses in host byte order.
    ///
    /// # Panics
    /// If `out` is shorter than `addrs`.
    #[inline]
    pub fn lookup(&self, addrs: &[u32], out: &mut [u32]) {
        assert!(addrs.len() <= out.len());
        // SAFETY: the invariant; as many addresses are read as next hops are written.
        unsafe {
            c::rte_lpm_lookup_bulk_func(
                self.raw.as_ptr(),
                addrs.as_ptr(),
                out.as_mut_ptr(),
                addrs.len() as u32,
            )
        };
    }
}

/// Bytes now allocated from DPDK's heaps: what a table reserves is the difference that making it makes.
pub fn heap_bytes(_: &Eal) -> usize {
    // SAFETY: EAL is up.
    unsafe { c::hextet_heap_bytes() }
}

/// Zeroed words on DPDK's heap, where packets are: in huge pages if EAL has them.
pub struct Words {
    base: NonNull<u64>,
    len: usize,
    _eal: Arc<EalHandle>,
}

impl Words {
    /// `len` words, all 0.
    ///
    /// # Errors
    /// When the heap has no memory.
    pub fn zeroed(eal: &Eal, len: usize) -> Result<Self, PeerError> {
        let bytes = len.max(1) * size_of::<u64>();
        // SAFETY: EAL is up; a null name is allowed.
        let base = unsafe { c::rte_zmalloc(std::ptr::null(), bytes, 64) };
        let base = NonNull::new(base.cast()).ok_or(PeerError::Memory(bytes))?;
        Ok(Self {
            base,
            len,
            _eal: eal.handle(),
        })
    }
}

impl Deref for Words {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        // SAFETY: `len` initialised words of ours, aligned to 64 bytes.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }
}

impl DerefMut for Words {
    fn deref_mut(&mut self) -> &mut [u64] {
        // SAFETY: as above, and borrowed by nobody else.
        unsafe { std::slice::from_raw_parts_mut(self.base.as_ptr(), self.len) }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: allocated by `zeroed`, freed once.
        unsafe { c::rte_free(self.base.as_ptr().cast()) };
    }
}
