//! control

pub mod api;
#[cfg(test)]
mod blessed;
pub mod compile;
pub mod config;
pub mod metrics;
pub mod model;
pub mod protocols;
pub mod store;
