//! How speed is measured: criterion micro-benches and the guard of instruction counts in `benches/`; `versus`, which runs
//! Hextet beside real routers on one core, in one run, from one in-memory feed; `lpm_versus`, route lookups alone; `scaling`,
//! what limits many workers.

pub mod lpm_versus;
pub mod scaling;
pub mod versus;
