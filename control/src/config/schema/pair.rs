//! The other router of a pair.

use super::{Section, key};

pub(in crate::config) static PAIR: Section = Section {
    header: "[pair]",
    help: "Another router with the same configuration, which is told the state of this one (flows, stations, neighbours, bindings, leases) and tells its own, so that either can do the other's work. Over TCP of the kernel's network, encrypted. Nothing here can change while the router runs.",
    keys: &[
        key(
            "local",
            "address and port",
            "",
            "Where this router listens, and connects from: of a link that is not the dataplane's, or of its own link to the other router. Its text is the router's name in the pair.",
        ),
        key(
            "peer",
            "address and port",
            "",
            "Where the other router listens. Nobody else's connections are accepted.",
        ),
        key(
            "key_file",
            "path",
            "",
            "A file with the key that both routers have: 32 random bytes as 64 hexadecimal digits or base64 (`openssl rand -hex 32`), mode 600.",
        ),
        key(
            "rate",
            "integer 1000 to 10000000",
            "250000",
            "Records a second that are sent at most.",
        ),
        key(
            "max_flows",
            "integer 1024 to 67108864",
            "`security.max_flows`",
            "Flows of the other router at most, beside our own.",
        ),
    ],
};
