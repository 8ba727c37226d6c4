//! BFD sessions.

use super::{Section, key};

pub(in crate::config) static BFD: Section = Section {
    header: "[[router.interface.bfd]]",
    help: "A session with a neighbour of this interface that tells within milliseconds whether it is still there (RFC 5880, RFC 5881, single hop). When it was up and fails, routes through the neighbour are withdrawn; one that was never up, or is switched off at either end, withdraws nothing.",
    keys: &[
        key(
            "peer",
            "address",
            "",
            "The neighbour: link-local, or on a subnet of the interface. One session each.",
        ),
        key(
            "local",
            "address",
            "link-local, or the one on the peer's subnet",
            "Our address: one of the interface's own, or its link-local one.",
        ),
        key(
            "transmit_interval",
            "duration 3.3 ms to 60 s",
            "\"300ms\"",
            "We send no faster. The peer may ask for less. Until the session is up packets are sent once a second.",
        ),
        key(
            "receive_interval",
            "duration 3.3 ms to 60 s",
            "\"300ms\"",
            "The peer shall send no faster.",
        ),
        key(
            "detect_multiplier",
            "integer 1 to 255",
            "3",
            "After so many of our packets lost in a row the peer gives us up; its own multiplier says when we do.",
        ),
        key(
            "passive",
            "boolean",
            "false",
            "Say nothing until the peer does.",
        ),
        key(
            "enabled",
            "boolean",
            "true",
            "`false`: the session is there and tells the peer that it is switched off (AdminDown).",
        ),
        key(
            "withdraw_routes",
            "boolean",
            "true",
            "Withdraw routes through the neighbour when it fails. `false`: only who tracks the session cares.",
        ),
        key(
            "auth",
            "keyed-sha1, meticulous-keyed-sha1",
            "\"meticulous-keyed-sha1\"",
            "How packets are authenticated where `key` is given.",
        ),
        key(
            "key",
            "string of 1 to 20 bytes",
            "no authentication",
            "The key that both ends have.",
        ),
        key(
            "key_id",
            "integer 0 to 255",
            "1",
            "By which number both ends know the key.",
        ),
    ],
};
