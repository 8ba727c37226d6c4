//! control

pub mod api;
