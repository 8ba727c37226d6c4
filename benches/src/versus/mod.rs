//! `versus`: cycles per packet of the whole program beside real routers.
//!
//! All contestants are started once, each with its polling thread on the same core, and stopped by SIGSTOP; then
//! they take turns of one window each (SIGCONT, a short warm-up, measure, SIGSTOP), so that a change of the machine's
//! mood meets all of them alike. What is reported is the median over rounds, and the median of the per-round ratios.
//!
//! The meter is the polling thread's time on the CPU (`/proc/PID/task/TID/schedstat`) times the TSC rate, by the packets
//! that its port sent in the window: it stays right when the core is shared. A contestant that sends fewer packets than
//! it received is void: a fast drop looks like a fast router.

pub mod churn;
pub mod dhcp6;
pub mod dhcp6_load;
pub mod failover;
pub mod options;
pub mod overlay;
pub mod scenario;
pub mod security;
pub mod tenants;
pub mod two_workers;

pub mod feed;
pub mod table;

pub mod compare;
pub mod program;
pub mod rounds;

pub mod hextet;
pub mod l3fwd;
pub mod ovs;
pub mod testpmd;

pub mod api;
pub mod goal;
pub mod machine;
pub mod meter;
pub mod pages;
pub mod report;
pub mod stop;

/// The core that every contestant's polling thread runs on; its main thread has [`MAIN_CORE`].
pub const WORKER_CORE: usize = 1;
/// The core of main threads and of this program.
pub const MAIN_CORE: usize = 0;
/// Mbufs per contestant: more than the feed's packets, all of which the feed's driver keeps loaded.
pub const MBUFS: u32 = 262_144;
