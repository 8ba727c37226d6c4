//! control

pub mod api;
#[cfg(test)]
mod blessed;
pub mod config;
pub mod metrics;
pub mod model;
pub mod protocols;
pub mod store;
