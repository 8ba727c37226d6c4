//! What a session counts: one list gives the fields, their names in CLI and metrics, and their help.

use crate::record::{KINDS, Kind};

macro_rules! counters {
    ($(#[$meta:meta])* pub struct $name:ident { $(#[doc = $help:literal] $field:ident,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $(#[doc = $help] pub $field: u64,)*
        }

        impl $name {
            /// Name, help text and value of each counter.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                [$((stringify!($field), $help.trim_ascii(), self.$field),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Of one kind of records.
    pub struct KindCounters {
        /// Records sent to the peer.
        sent,
        /// Records received from the peer.
        received,
        /// Records received and refused: they name what is not configured here, or there was no room.
        refused,
        /// Records that could not be queued, as the peer was too slow; the kind is told again from the start.
        dropped,
        /// Times that all of the kind was told.
        bulks_sent,
        /// Times that the peer has told all of the kind.
        bulks_received,
    }
}

counters! {
    /// Of the session.
    pub struct SessionCounters {
        /// Sessions begun.
        sessions,
        /// Sessions that have ended.
        ended,
        /// Connections refused because the peer does not have the key.
        wrong_key,
        /// Attempts to connect that have failed.
        failed_dials,
        /// Messages of types that this release does not know.
        unknown_messages,
        /// Records of kinds that this release does not know.
        unknown_records,
        /// Messages that could not be read, or must not be said there.
        confused,
    }
}

/// All counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Of the session.
    pub session: SessionCounters,
    /// By kind.
    pub kinds: [KindCounters; KINDS],
}

impl Counters {
    /// Those of a kind.
    pub const fn of(&mut self, kind: Kind) -> &mut KindCounters {
        &mut self.kinds[kind.index()]
    }
}
