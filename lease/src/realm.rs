//! Whose addresses: each router (VRF) has a realm of its own, in which an address is one thing.

use std::fmt;
use std::str::FromStr;

use super::siphash;

/// A router, as its leases know it: a stable hash of its name. So a realm outlives restarts and a configuration in another
/// order, needs no table of numbers beside the leases that could be lost or fall out of step, and takes eight bytes of a lease.
/// Of 10,000 names two collide with a probability below 3 in 10^12.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RealmId(pub u64);

impl RealmId {
    /// Of no router that is known. Leases of older releases, which kept no realm, and of old exports are here until somebody
    /// says whose they are ([`super::Disk::adopt`]).
    pub const UNKNOWN: RealmId = RealmId(0);

    /// The realm of the router with this name; the same in every process and release.
    pub fn of(router: &str) -> Self {
        Self(siphash([0, 1], router.as_bytes()))
    }
}

impl fmt::Display for RealmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:016x}", self.0)
    }
}

impl fmt::Debug for RealmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not the id of a realm or scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is '#' and sixteen hexadecimal digits")]
pub struct IdParseError;

impl FromStr for RealmId {
    type Err = IdParseError;

    fn from_str(text: &str) -> Result<Self, IdParseError> {
        digits(text).map(Self)
    }
}

/// The number of an id, as ids are written.
pub(super) fn digits(text: &str) -> Result<u64, IdParseError> {
    let digits = text
        .strip_prefix('#')
        .filter(|d| d.len() == 16 && d.bytes().all(|b| b.is_ascii_hexdigit()))
        .ok_or(IdParseError)?;
    u64::from_str_radix(digits, 16).map_err(|_| IdParseError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_lasting_ids() {
        // These stand on disks: they must never change.
        assert_eq!(RealmId::of("main").to_string(), "#e1fe2607fcf8a359");
        assert_ne!(RealmId::of("main"), RealmId::of("Main"));
        assert_ne!(RealmId::of(""), RealmId::UNKNOWN);
        let id = RealmId::of("tenant");
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["tenant", "#1", "#+e924b9d737700d7", ""] {
            assert_eq!(text.parse::<RealmId>(), Err(IdParseError), "{text}");
        }
    }
}
