//! control

pub mod api;
pub mod config;
pub mod model;
pub mod protocols;
pub mod store;
