//! Router advertisements.

use super::{Section, key};

pub(in crate::config) static RA: Section = Section {
    header: "[router.interface.ra]",
    help: "Router advertisements: the variables of RFC 4861 section 6.2.1 and the options of later RFCs. The table's presence switches them on.",
    keys: &[
        key(
            "enabled",
            "boolean",
            "true",
            "Advertise (AdvSendAdvertisements).",
        ),
        key(
            "max_interval",
            "duration 4 to 1800 s",
            "600",
            "Longest time between unsolicited advertisements (MaxRtrAdvInterval).",
        ),
        key(
            "min_interval",
            "duration 3 s to 0.75 × `max_interval`",
            "0.33 × `max_interval`",
            "Shortest time between them (MinRtrAdvInterval).",
        ),
        key(
            "managed",
            "boolean",
            "false",
            "Hosts get addresses by DHCPv6 (AdvManagedFlag).",
        ),
        key(
            "other_config",
            "boolean",
            "false",
            "Hosts get other settings by DHCPv6 (AdvOtherConfigFlag).",
        ),
        key(
            "mtu",
            "integer 1280 to 65535, bytes",
            "not sent",
            "MTU of the link (AdvLinkMTU).",
        ),
        key(
            "reachable_time",
            "duration up to 1 h, ms",
            "0: unspecified",
            "AdvReachableTime.",
        ),
        key(
            "retrans_timer",
            "duration, ms",
            "0: unspecified",
            "AdvRetransTimer.",
        ),
        key(
            "cur_hop_limit",
            "integer 0 to 255",
            "64",
            "Hop limit for hosts (AdvCurHopLimit); 0: unspecified.",
        ),
        key(
            "default_lifetime",
            "duration, 0 or `max_interval` to 65535 s",
            "3 × `max_interval`",
            "How long hosts use us as default router (AdvDefaultLifetime, RFC 8319); 0: not at all.",
        ),
        key(
            "preference",
            "low, medium, high",
            "\"medium\"",
            "Default router preference (RFC 4191).",
        ),
        key(
            "source_link_layer",
            "boolean",
            "true",
            "Tell our MAC address, which spares hosts a solicitation.",
        ),
        key(
            "unicast_solicited",
            "boolean",
            "true",
            "Answer solicitations by unicast (RFC 7772).",
        ),
        key(
            "captive_portal",
            "URI",
            "not sent",
            "API of the captive portal (RFC 8910).",
        ),
        key(
            "deprecate_for",
            "duration, s",
            "7200",
            "How long what was removed is still advertised with lifetime 0 (RFC 9096).",
        ),
        key(
            "prefix",
            "array of tables",
            "the interface's IPv6 subnets",
            "Prefixes. An empty array advertises none.",
        ),
        key(
            "rdnss",
            "array of tables",
            "none",
            "Recursive DNS servers (RFC 8106).",
        ),
        key(
            "dnssl",
            "array of tables",
            "none",
            "DNS search lists (RFC 8106).",
        ),
        key(
            "route",
            "array of tables",
            "none",
            "More specific routes (RFC 4191).",
        ),
        key(
            "pref64",
            "array of tables",
            "none",
            "NAT64 prefixes (RFC 8781).",
        ),
    ],
};

pub(in crate::config) static RA_PREFIX: Section = Section {
    header: "[[router.interface.ra.prefix]]",
    help: "A prefix information option. A lifetime is a duration, \"infinity\", or a date to count down to, such as 2027-01-31T00:00:00Z.",
    keys: &[
        key(
            "prefix",
            "IPv6 prefix",
            "",
            "The prefix; SLAAC on Ethernet needs a /64.",
        ),
        key(
            "on_link",
            "boolean",
            "true",
            "Hosts may treat it as on-link (AdvOnLinkFlag).",
        ),
        key(
            "autonomous",
            "boolean",
            "true",
            "Hosts may form addresses from it (AdvAutonomousFlag).",
        ),
        key(
            "prefer_delegation",
            "boolean",
            "false",
            "A host that can had better ask DHCPv6 for a prefix of its own than form addresses from this one (the P flag, RFC 9762).",
        ),
        key(
            "valid_lifetime",
            "lifetime, s",
            "2592000",
            "AdvValidLifetime.",
        ),
        key(
            "preferred_lifetime",
            "lifetime, s",
            "604800",
            "AdvPreferredLifetime; at most the valid one.",
        ),
    ],
};

pub(in crate::config) static RA_RDNSS: Section = Section {
    header: "[[router.interface.ra.rdnss]]",
    help: "A set of recursive DNS servers.",
    keys: &[
        key(
            "servers",
            "array of IPv6 addresses",
            "",
            "The servers, at most 127.",
        ),
        key(
            "lifetime",
            "lifetime, s",
            "3 × `max_interval`",
            "How long they may be used.",
        ),
    ],
};

pub(in crate::config) static RA_DNSSL: Section = Section {
    header: "[[router.interface.ra.dnssl]]",
    help: "A DNS search list.",
    keys: &[
        key("domains", "array of strings", "", "The domains."),
        key(
            "lifetime",
            "lifetime, s",
            "3 × `max_interval`",
            "How long they may be used.",
        ),
    ],
};

pub(in crate::config) static RA_ROUTE: Section = Section {
    header: "[[router.interface.ra.route]]",
    help: "A route information option.",
    keys: &[
        key("prefix", "IPv6 prefix", "", "Destinations."),
        key(
            "preference",
            "low, medium, high",
            "\"medium\"",
            "Preference among routers that advertise it.",
        ),
        key(
            "lifetime",
            "lifetime, s",
            "`default_lifetime`",
            "How long it may be used.",
        ),
    ],
};

pub(in crate::config) static RA_PREF64: Section = Section {
    header: "[[router.interface.ra.pref64]]",
    help: "The prefix of the network's NAT64.",
    keys: &[
        key(
            "prefix",
            "IPv6 prefix of 32, 40, 48, 56, 64 or 96 bits",
            "",
            "The prefix.",
        ),
        key(
            "lifetime",
            "lifetime up to 65528 s",
            "3 × `max_interval`",
            "How long it may be used.",
        ),
    ],
};
