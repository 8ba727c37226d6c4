//! Closed sets of words: enums that are strings in JSON, in tables and in metric labels, spelled once.

/// Defines an enum whose variants are words, with `as_str`, `Display`, `FromStr`, serde as a string, and a variant
/// `Unknown` that stands for any word a newer peer may send.
macro_rules! words {
    (
        $(#[$doc:meta])*
        $name:ident { $( $(#[$vdoc:meta])* $variant:ident = $word:literal, )+ }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $( $(#[$vdoc])* $variant, )+
            /// A word this version does not know: sent by a newer peer, never by us.
            Unknown,
        }

        impl $name {
            /// Every word, in the order of the documentation.
            pub const ALL: &'static [$name] = &[$( $name::$variant ),+];

            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( $name::$variant => $word, )+
                    $name::Unknown => "unknown",
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::word::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $( $word => Ok($name::$variant), )+
                    _ => Err($crate::word::UnknownWord {
                        word: word.to_owned(),
                        known: &[$( $word ),+],
                    }),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let word = std::borrow::Cow::<'de, str>::deserialize(d)?;
                Ok(word.parse().unwrap_or($name::Unknown))
            }
        }
    };
}
pub(crate) use words;

/// A word outside its set, where only a known one will do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is none of {}", known.join(", "))]
pub struct UnknownWord {
    /// What was given.
    pub word: String,
    /// What would have been accepted.
    pub known: &'static [&'static str],
}

#[cfg(test)]
mod tests {
    use crate::NudState;

    #[test]
    fn words_survive_the_round_trip() {
        for state in NudState::ALL {
            let json = serde_json::to_string(state).unwrap();
            assert_eq!(json, format!("\"{state}\""));
            assert_eq!(serde_json::from_str::<NudState>(&json).unwrap(), *state);
        }
    }

    #[test]
    fn a_newer_word_is_read_as_unknown_but_not_parsed() {
        assert_eq!(
            serde_json::from_str::<NudState>("\"dormant\"").unwrap(),
            NudState::Unknown
        );
        let refused = "dormant".parse::<NudState>().unwrap_err().to_string();
        assert!(
            refused.contains("`dormant` is none of incomplete, reachable"),
            "{refused}"
        );
    }
}
