//! Read-mostly tables of the packet path: no DPDK, no Tokio, no clock; testable anywhere.
//!
//! One thread of the control plane writes, every worker reads, nobody locks: see [`publish`].

#[cfg(not(loom))]
pub mod binding;
#[cfg(not(loom))]
pub mod classifier;
#[cfg(not(loom))]
pub mod fdb;
#[cfg(not(loom))]
pub mod flow;
pub mod group;
pub mod hash;
pub mod id;
#[cfg(not(loom))]
pub mod lpm;
#[cfg(not(loom))]
pub mod next_hop;
pub mod policer;
pub mod publish;
#[cfg(not(loom))]
mod region;
mod sync;
#[cfg(not(loom))]
pub mod testing;

/// Asks for the cache line at `line` to be loaded; any address may be given.
#[cfg(not(loom))]
#[inline(always)]
#[allow(unsafe_code)]
pub fn prefetch(line: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch does not fault, whatever the address, and has no effect but on the cache.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}
