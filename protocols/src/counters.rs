//! Counters of a room: one list gives the fields, their names in CLI and metrics, and their help.

/// Declares a struct of `u64` counters whose one-line docs are their help texts.
macro_rules! counters {
    ($(#[$meta:meta])* pub struct $name:ident { $(#[doc = $help:literal] $field:ident,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $(#[doc = $help] pub $field: u64,)*
            /// Packets that broke a rule of the protocol, by the name of the rule.
            pub invalid: std::collections::BTreeMap<&'static str, u64>,
        }

        impl $name {
            /// Name, help text and value of each counter, but for `invalid`.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                [$((stringify!($field), $help.trim_ascii(), self.$field),)*].into_iter()
            }

            /// Counts a packet that broke `rule`.
            pub(crate) fn count_invalid(&mut self, rule: &'static str) {
                *self.invalid.entry(rule).or_default() += 1;
            }
        }
    };
}

pub(crate) use counters;
