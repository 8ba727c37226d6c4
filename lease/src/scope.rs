//! Which subnet or prefix pool a lease came from.

use std::fmt;

use super::realm::digits;
use super::{IdParseError, RealmId, siphash};

/// A subnet or prefix pool of a router: a stable hash of its name, so that nothing has to keep a table of numbers in step with
/// the configuration. Of 10,000 names two collide with a probability below 3 in 10^12; the configuration refuses two names
/// with one id ([`super::Book::set_pool`]'s caller compares).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeId {
    /// Its router's.
    pub realm: RealmId,
    /// The hash of its name.
    pub pool: PoolId,
}

/// A subnet or prefix pool by the hash of its name alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolId(pub u64);

impl ScopeId {
    /// The id of the subnet or pool with this name; the same in every process and release.
    pub fn of(realm: RealmId, name: &str) -> Self {
        let pool = PoolId::of(name);
        Self { realm, pool }
    }
}

impl PoolId {
    /// The id of a name.
    pub fn of(name: &str) -> Self {
        Self(siphash([0, 0], name.as_bytes()))
    }
}

impl fmt::Display for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:016x}", self.0)
    }
}

impl fmt::Debug for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for PoolId {
    type Err = IdParseError;

    fn from_str(text: &str) -> Result<Self, IdParseError> {
        digits(text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_lasting_ids() {
        // These stand on disks: they must never change.
        assert_eq!(PoolId::of("").to_string(), "#1e924b9d737700d7");
        assert_ne!(PoolId::of("lan"), PoolId::of("lan2"));
        let id = PoolId::of("lan");
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["lan", "#1", "#+e924b9d737700d7", ""] {
            assert_eq!(text.parse::<PoolId>(), Err(IdParseError), "{text}");
        }
        let of = |router| ScopeId::of(RealmId::of(router), "lan");
        assert_ne!(of("a"), of("b"), "each router has its own");
    }
}
