//! What a network remembers of its stations; `Default` is what the standards say.

use super::Seconds;
use super::error::ConfigError;
pub use crate::damping::Damping;

/// Longest ageing time of IEEE 802.1D table 7-5.
pub const MAX_AGEING_TIME: Seconds = 1_000_000;
/// Longest window and hold-down: a day.
pub const MAX_HOLD: Seconds = 86_400;

/// How one network learns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Learn stations at all, on. Turning it off forgets those that were learned.
    pub learning: bool,
    /// Most stations that are learned, 8192. Configured ones do not count.
    pub max_stations: u32,
    /// A learned station that is not heard for so long is forgotten, 300. IEEE 802.1D has nothing below 10.
    pub ageing_time: Seconds,
    /// What becomes of stations that move too often; `None`: they move.
    pub damping: Option<Damping>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            learning: true,
            max_stations: 8192,
            ageing_time: 300,
            damping: Some(Damping::default()),
        }
    }
}

impl Config {
    /// Every fault, not only the first.
    pub fn validate(&self) -> Vec<ConfigError> {
        let mut ranges = vec![("ageing_time", self.ageing_time, 1, MAX_AGEING_TIME)];
        if let Some(damping) = &self.damping {
            let least = damping.hold_down.max(1);
            ranges.extend([
                // With one, nothing would ever move.
                ("damping.moves", damping.moves.into(), 2, u16::MAX.into()),
                ("damping.window", damping.window, 1, MAX_HOLD),
                ("damping.hold_down", damping.hold_down, 1, MAX_HOLD),
                (
                    "damping.max_hold_down",
                    damping.max_hold_down,
                    least.min(MAX_HOLD),
                    MAX_HOLD,
                ),
            ]);
        }
        ranges
            .into_iter()
            .filter(|(_, value, min, max)| !(min..=max).contains(&value))
            .map(|(field, value, min, max)| ConfigError::Range {
                field,
                value,
                min,
                max,
            })
            .collect()
    }
}
