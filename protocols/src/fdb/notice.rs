//! What people are told, and how often: a tenant's noise is bounded, and hides no other's news.

use tables::id::{AttachId, NetworkId};
use wire::MacAddr;

use super::Seconds;
use super::error::ConfigError;

/// A notice of one kind is not told again of the same network within so many seconds.
pub const SILENCE: Seconds = 10;
/// Most of these notices a second, of all networks.
pub const PER_SECOND: u32 = 20;

/// What people should know. `unsaid` of the same kind and network were kept back before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A configuration that cannot be followed; everything is as it was.
    ConfigRefused {
        /// Of which network.
        network: NetworkId,
        /// Why.
        faults: Vec<ConfigError>,
    },
    /// A station is somewhere else now.
    Moved {
        /// In which network.
        network: NetworkId,
        /// The station.
        mac: MacAddr,
        /// Where it was.
        from: AttachId,
        /// Where it is.
        to: AttachId,
        /// How many like it were not told.
        unsaid: u64,
    },
    /// A station is heard at several places: a loop, or two stations with one address. It is held at one of them.
    Flapping {
        /// In which network.
        network: NetworkId,
        /// The station.
        mac: MacAddr,
        /// Where it is held.
        at: AttachId,
        /// Where else it was heard.
        other: AttachId,
        /// For how long, seconds.
        hold_down: Seconds,
        /// How many like it were not told.
        unsaid: u64,
    },
    /// A network has as many learned stations as it may.
    Limit {
        /// Which.
        network: NetworkId,
        /// One that was not learned.
        mac: MacAddr,
        /// The limit.
        max_stations: u32,
        /// How many like it were not told.
        unsaid: u64,
    },
    /// The table has no room for a station that was heard; it is tried again when it is heard again.
    Full {
        /// In which network.
        network: NetworkId,
        /// The station.
        mac: MacAddr,
        /// How many like it were not told.
        unsaid: u64,
    },
    /// The table has no room for a configured station, which is tried again by and by.
    StaticWaits {
        /// In which network.
        network: NetworkId,
        /// The station.
        mac: MacAddr,
        /// How many like it were not told.
        unsaid: u64,
    },
}

/// Notices that are told only so often.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Moved,
    Flapping,
    Limit,
    Full,
    StaticWaits,
}

/// When each kind may be told again of one network.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Silence([Quiet; 5]);

#[derive(Clone, Copy, Debug, Default)]
struct Quiet {
    until: Seconds,
    unsaid: u64,
}

/// What was told in this second, of all networks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    second: Seconds,
    notices: u32,
}

impl Silence {
    /// Whether this one is told; then how many were not.
    pub fn admit(&mut self, now: Seconds, kind: Kind, told: &mut Told) -> Option<u64> {
        let quiet = &mut self.0[kind as usize];
        if now < quiet.until || !told.admit(now) {
            quiet.unsaid += 1;
            return None;
        }
        quiet.until = now.saturating_add(SILENCE);
        Some(std::mem::take(&mut quiet.unsaid))
    }
}

impl Told {
    fn admit(&mut self, now: Seconds) -> bool {
        if self.second != now {
            (self.second, self.notices) = (now, 0);
        }
        let admitted = self.notices < PER_SECOND;
        self.notices += u32::from(admitted);
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_silence_and_says_what_was_kept_back() {
        let (mut silence, mut told) = (Silence::default(), Told::default());
        let mut admit = |now, kind| silence.admit(now, kind, &mut told);
        assert_eq!(admit(5, Kind::Moved), Some(0));
        assert_eq!(admit(5, Kind::Moved), None);
        assert_eq!(admit(14, Kind::Moved), None);
        assert_eq!(admit(14, Kind::Full), Some(0));
        assert_eq!(admit(15, Kind::Moved), Some(2));
        assert_eq!(admit(25, Kind::Moved), Some(0));
    }

    #[test]
    fn all_networks_together_say_only_so_much_in_a_second() {
        let mut told = Told::default();
        let mut networks = [Silence::default(); 100];
        let mut told_of = 0;
        for now in [7, 8] {
            let all = networks.iter_mut();
            let said = all.filter_map(|silence| silence.admit(now, Kind::Moved, &mut told));
            let said: Vec<_> = said.collect();
            assert_eq!(said.len(), PER_SECOND as usize);
            told_of += said.len() as u64 + said.iter().sum::<u64>();
        }
        // None is lost: it is told, told of, or will be told of.
        let kept_back: u64 = networks.iter().map(|silence| silence.0[0].unsaid).sum();
        assert_eq!(told_of + kept_back, 200);
    }
}
