//! What an uplink asks for.

use std::net::Ipv6Addr;

use super::error::ConfigError;

/// Most delegated prefixes one uplink may ask for.
pub const MAX_PREFIXES: usize = 16;
/// Most options beyond the usual that one uplink may ask for.
pub const MAX_OPTIONS: usize = 32;
/// Lengths of prefixes that make sense to ask for and to take: longer ones hold no /64 subnet, shorter ones belong to registries.
pub const PREFIX_LENGTHS: std::ops::RangeInclusive<u8> = 16..=64;

/// Configuration of one uplink. `Default` asks for one address and one prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Number of the first identity association (RFC 8415 section 12): of the IA_NA, and of the first IA_PD. IA_PD number `i`
    /// has `iaid + i`. The same after a restart, and of no other uplink.
    pub iaid: u32,
    /// Ask for an address of the uplink (IA_NA).
    pub address: bool,
    /// One IA_PD each, with what would be liked.
    pub prefixes: Vec<PrefixHint>,
    /// Ask for settings only, by Information-request (RFC 8415 section 18.2.6); `address` and `prefixes` are not looked at.
    pub information_only: bool,
    /// Take a Reply to the Solicit (RFC 8415 section 18.2.1).
    pub rapid_commit: bool,
    /// Let the server call by Reconfigure, authenticated by RKAP (RFC 8415 section 20.4).
    pub reconfigure: bool,
    /// Codes of options to ask for beside those that the room reads by itself.
    pub options: Vec<u16>,
    /// Give leases back when the uplink is removed from the configuration (RFC 8415 section 18.2.7).
    pub release_on_removal: bool,
}

/// What a delegated prefix should be; the server decides (RFC 8168).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrefixHint {
    /// This prefix, for instance the one there was before.
    pub prefix: Option<Ipv6Addr>,
    /// Of this length, in bits.
    pub len: Option<u8>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            iaid: 1,
            address: true,
            prefixes: vec![PrefixHint::default()],
            information_only: false,
            rapid_commit: false,
            reconfigure: false,
            options: Vec::new(),
            release_on_removal: true,
        }
    }
}

impl Config {
    /// Whether no lease is wanted, only settings.
    pub fn is_stateless(&self) -> bool {
        self.information_only || (!self.address && self.prefixes.is_empty())
    }

    /// Whether it asks for an address.
    pub fn wants_address(&self) -> bool {
        self.address && !self.information_only
    }

    /// The prefixes it asks for, with the number of each one's identity association.
    pub fn wanted_prefixes(&self) -> impl Iterator<Item = (u32, PrefixHint)> + '_ {
        let hints = match self.information_only {
            true => &[][..],
            false => &self.prefixes,
        };
        (0..)
            .zip(hints)
            .map(|(i, hint)| (self.iaid.wrapping_add(i), *hint))
    }

    /// All that is wrong with it, with the path of each field.
    pub fn validate(&self) -> Vec<ConfigError> {
        let mut faults = Vec::new();
        let mut at_most = |field: &'static str, count: usize, max: usize| {
            if count > max {
                faults.push(ConfigError::TooMany { field, count, max });
            }
        };
        at_most("prefix", self.prefixes.len(), MAX_PREFIXES);
        at_most("options", self.options.len(), MAX_OPTIONS);
        for (i, hint) in self.prefixes.iter().enumerate() {
            if let Some(len) = hint.len.filter(|len| !PREFIX_LENGTHS.contains(len)) {
                faults.push(ConfigError::Length {
                    field: format!("prefix[{i}].length"),
                    len,
                });
            }
            if let Some(prefix) = hint.prefix
                && !super::given::is_delegable(prefix, hint.len.unwrap_or(64))
            {
                faults.push(ConfigError::Prefix {
                    field: format!("prefix[{i}].prefix"),
                    prefix,
                });
            }
        }
        for (i, code) in self.options.iter().enumerate() {
            if super::option::is_of_the_protocol(*code) {
                faults.push(ConfigError::Option {
                    field: format!("options[{i}]"),
                    code: *code,
                });
            }
        }
        faults
    }
}
