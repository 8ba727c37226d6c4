//! Subnets of delegated prefixes.

use super::{Section, key};

pub(in crate::config) static DELEGATED: Section = Section {
    header: "[[router.interface.delegated]]",
    help: "The interface gets one subnet of each prefix that a provider delegates to `uplink`, with an address of ours in it, and keeps it for as long as the prefix lives, also over restarts. When the prefix changes, hosts are told that the old one is deprecated, and it stays in use for what remains of its life, two hours at most. What is not assigned is unreachable. The modes mean what they mean for `[[router.interface.subnet]]`. The router takes no default route from advertisements: give it a static one, by the link-local address of the provider's router.",
    keys: &[
        key(
            "uplink",
            "interface name",
            "",
            "An interface of the same router that is delegated prefixes.",
        ),
        key(
            "subnet",
            "integer from 0",
            "one that is free",
            "Which subnet of the prefix, counted in units of `length`.",
        ),
        key(
            "length",
            "integer 16 to 126",
            "64",
            "Prefix length of the subnet.",
        ),
        key(
            "interface_id",
            "IPv6 address",
            "\"::1\"",
            "Our own address in it: what follows the prefix.",
        ),
        key(
            "ra_mode",
            "slaac, dhcpv6-stateless, dhcpv6-stateful",
            "unset",
            "What our advertisements say of it.",
        ),
        key(
            "address_mode",
            "slaac, dhcpv6-stateless, dhcpv6-stateful",
            "unset",
            "How hosts get addresses; our DHCPv6 server answers for the last two.",
        ),
        key(
            "enable_dhcp",
            "boolean",
            "true",
            "With `false` neither mode may be set.",
        ),
        key(
            "autonomous",
            "boolean",
            "as `ra_mode` says",
            "Hosts may form addresses from it (the A flag).",
        ),
        key(
            "on_link",
            "boolean",
            "true",
            "Hosts may treat it as on-link (the L flag).",
        ),
        key(
            "prefer_delegation",
            "boolean",
            "false",
            "A host that can had better ask DHCPv6 for a prefix of its own than form addresses from this one (the P flag, RFC 9762).",
        ),
        key(
            "preferred_lifetime",
            "duration, s",
            "2700",
            "Longest preferred lifetime that hosts are told, at most `valid_lifetime` (RFC 9096 section 3.2). What remains of the delegation is never exceeded.",
        ),
        key(
            "valid_lifetime",
            "duration, s",
            "5400",
            "Longest valid lifetime that hosts are told.",
        ),
        key(
            "dns_servers",
            "array of IPv6 addresses",
            "none",
            "Recursive DNS servers, told by DHCPv6 and, with `ra_mode`, in advertisements.",
        ),
        key(
            "domain_search",
            "array of strings",
            "none",
            "Domain search list, told in the same ways.",
        ),
        key(
            "allocation",
            "deterministic, random",
            "\"deterministic\"",
            "How `dhcpv6-stateful` chooses an address for a new client.",
        ),
    ],
};
