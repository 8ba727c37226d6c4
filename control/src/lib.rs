//! control

pub mod api;
pub mod protocols;
