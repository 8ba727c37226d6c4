//! The DHCPv6 client.

use super::{Section, key};

pub(in crate::config) static DHCP6_CLIENT: Section = Section {
    header: "[router.interface.dhcp6_client]",
    help: "The DHCPv6 client (RFC 8415): the interface is an uplink, and asks servers there for an address, for delegated prefixes, or for settings alone. What was leased is kept over restarts. Other interfaces get subnets of the prefixes by their `delegated` tables.",
    keys: &[
        key(
            "address",
            "boolean",
            "true",
            "Ask for an address of the interface (IA_NA).",
        ),
        key(
            "prefix",
            "array of tables",
            "one, without wishes",
            "Prefixes to ask for (IA_PD), in one exchange with the address; an empty array for none.",
        ),
        key(
            "information_only",
            "boolean",
            "false",
            "Ask for settings only (RFC 8415 section 18.2.6); `address` and `prefix` may not be set.",
        ),
        key(
            "rapid_commit",
            "boolean",
            "false",
            "Take a Reply to the first message. Of several servers, all but one waste what they lease.",
        ),
        key(
            "reconfigure",
            "boolean",
            "false",
            "Let the server call for a renewal, authenticated (RFC 8415 section 20.4).",
        ),
        key(
            "options",
            "array of integers",
            "none",
            "Codes of options to ask for beside name servers, search domains and time servers. `hextetctl show dhcp-client --json` shows what came.",
        ),
        key(
            "release_on_removal",
            "boolean",
            "true",
            "Give leases back when this table or the interface is removed. A stop of hextetd never does.",
        ),
        key(
            "iaid",
            "integer to 4294967295",
            "by the interface's name",
            "Number of the first identity association (RFC 8415 section 12); the i-th prefix has `iaid` + i.",
        ),
    ],
};

pub(in crate::config) static PREFIX_HINT: Section = Section {
    header: "prefix = [{ ... }]",
    help: "What a delegated prefix should be. The server decides.",
    keys: &[
        key(
            "length",
            "integer 16 to 64",
            "as the server likes",
            "Its length.",
        ),
        key(
            "prefix",
            "IPv6 address",
            "as the server likes",
            "Where it should begin.",
        ),
    ],
};
