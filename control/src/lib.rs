//! control

pub mod api;
pub mod protocols;
pub mod store;
