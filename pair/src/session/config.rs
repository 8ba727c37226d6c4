//! How a session is held.

use std::time::Duration;

use crate::record::Kind;

/// How a session is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The name of this node: another than the peer's, 1 to 64 bytes.
    pub node: String,
    /// Drawn when the process has started.
    pub boot: u64,
    /// A hash of what both should have configured alike. A difference is told, and no more.
    pub config: u64,
    /// What this side tells.
    pub kinds: Vec<Kind>,
    /// How often it says that it is there.
    pub heartbeat: Duration,
    /// A peer that has said nothing for so long is gone.
    pub dead: Duration,
    /// A connection that has said nothing for so long is none.
    pub hello: Duration,
    /// The shortest and the longest pause before another attempt to connect.
    pub retry: [Duration; 2],
    /// Bytes of each kind that wait at most.
    pub queue: usize,
    /// Bytes of each kind that are on their way and not acknowledged at most.
    pub window: usize,
    /// Records a second that are sent at most.
    pub rate: u32,
    /// For jitter.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node: String::from("node"),
            boot: 0,
            config: 0,
            kinds: Kind::ALL.to_vec(),
            heartbeat: Duration::from_millis(200),
            dead: Duration::from_secs(2),
            hello: Duration::from_secs(5),
            retry: [Duration::from_millis(200), Duration::from_secs(5)],
            queue: 1 << 20,
            window: 512 << 10,
            rate: 250_000,
            seed: 0,
        }
    }
}
