//! Neighbour discovery and ARP: which MAC has this address, and does it still answer?

pub mod config;
pub mod error;

pub use config::Config;
pub use error::ConfigError;
