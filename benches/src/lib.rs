//! How speed is measured: criterion micro-benches in `benches/`, and `versus`, which runs Hextet beside real routers
//! on one core, in one run, from one in-memory feed.

pub mod lpm_versus;
pub mod versus;
