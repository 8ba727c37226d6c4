//! Raw bindings of DPDK: names and layouts, no logic. Only `ffi/dpdk` may use this crate.
//!
//! * Functions come from bindgen by an allowlist (`build.rs`). A static inline function of the
//!   headers gets a C wrapper of one call: right for bursts and pool calls, too dear per packet.
//! * [`rte_mbuf`] is written by hand, because per-packet access must be plain loads and stores,
//!   and because its anonymous unions change shape between releases. Its layout is asserted
//!   against C when the crate is compiled.
//! * `csrc/shim.c` holds what bindgen cannot bind (thread-locals, bit-fields).
//!
//! Releases: written for 22.11 (Debian 12), where all tests were run, and for 24.11 (Debian 13).
//! The differences between the two that touch us are hidden in `shim.c` (`struct rte_eth_link`)
//! and in the hand-written [`rte_mbuf`]; a layout that differs fails the build, never the router.
#![allow(unsafe_code)] // bindgen's output declares foreign functions

mod mbuf;

#[allow(
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    missing_docs,
    clippy::all,
    clippy::undocumented_unsafe_blocks
)]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/dpdk.rs"));
}

pub use bindings::*;
pub use mbuf::rte_mbuf;
