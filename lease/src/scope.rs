//! Which subnet or prefix pool a lease came from.

use std::fmt;
use std::str::FromStr;

use super::siphash;

/// A subnet or prefix pool: a stable hash of its name, so that nothing has to keep a table of numbers in step with the
/// configuration. Of 10,000 names two collide with a probability below 3 in 10^12; the configuration refuses two names
/// with one id ([`super::Book::set_pool`]'s caller compares).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeId(pub u64);

impl ScopeId {
    /// The id of a name; the same in every process and release.
    pub fn of(name: &str) -> Self {
        Self(siphash([0, 0], name.as_bytes()))
    }
}

impl fmt::Display for ScopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:016x}", self.0)
    }
}

impl fmt::Debug for ScopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<&str> for ScopeId {
    fn from(name: &str) -> Self {
        Self::of(name)
    }
}

/// A text that is not a scope's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a scope's id is '#' and sixteen hexadecimal digits")]
pub struct ScopeParseError;

impl FromStr for ScopeId {
    type Err = ScopeParseError;

    fn from_str(text: &str) -> Result<Self, ScopeParseError> {
        let digits = text
            .strip_prefix('#')
            .filter(|d| d.len() == 16 && d.bytes().all(|b| b.is_ascii_hexdigit()))
            .ok_or(ScopeParseError)?;
        u64::from_str_radix(digits, 16)
            .map(Self)
            .map_err(|_| ScopeParseError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_lasting_ids() {
        // These stand on disks: they must never change.
        assert_eq!(ScopeId::of("").to_string(), "#1e924b9d737700d7");
        assert_eq!(ScopeId::of("lan"), ScopeId::from("lan"));
        assert_ne!(ScopeId::of("lan"), ScopeId::of("lan2"));
        let id = ScopeId::of("lan");
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["lan", "#1", "#+e924b9d737700d7", ""] {
            assert_eq!(text.parse::<ScopeId>(), Err(ScopeParseError), "{text}");
        }
    }
}
