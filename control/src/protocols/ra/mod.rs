//! Router advertisements: what do hosts on this link need to know to reach the world?

pub mod config;
pub mod error;

pub use config::{Config, Dnssl, Lifetime, Pref64, Preference, Prefix, Rdnss, Route};
pub use error::ConfigError;
