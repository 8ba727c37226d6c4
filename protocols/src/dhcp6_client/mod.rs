//! DHCPv6, the client's side (requesting router): what does the upstream give to this router?

pub mod config;
pub mod error;
pub mod given;
pub mod held;
pub mod option;

pub use config::{Config, PrefixHint};
pub use error::{ConfigError, RecordError};
pub use held::{
    Binding, Duid, Held, HeldAddress, HeldPrefix, Kept, NtpServer, ReconfigureKey, Settings, State,
};
pub use option::{Invalid, LeftOut};
