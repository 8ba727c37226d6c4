//! DHCPv4.

use super::{Section, key};

pub(in crate::config) static HOST_ROUTE: Section = Section {
    header: "routes = [{ ... }]",
    help: "A route that the hosts of an IPv4 subnet shall have: one of Neutron's `host_routes`.",
    keys: &[
        key("destination", "IPv4 prefix", "", "Where to."),
        key("gateway", "IPv4 address", "", "By which router."),
    ],
};

pub(in crate::config) static DHCP4: Section = Section {
    header: "[router.interface.dhcp4]",
    help: "The DHCPv4 server (RFC 2131) on the interface's link. An IPv4 subnet switches it on, and so does this table, for relay agents that come in by an interface without one.",
    keys: &[
        key(
            "authoritative",
            "boolean",
            "true",
            "No other server has leases here: clients whose addresses we do not know are told to give them up (RFC 2131 section 4.3.2).",
        ),
        key(
            "rapid_commit",
            "boolean",
            "false",
            "Answer a Discover that asks for it with an Ack (RFC 4039). Of several servers on a link, one only.",
        ),
        key(
            "probe",
            "duration up to 5 s, ms",
            "500",
            "How long to wait for somebody to answer by ARP for an address before it is offered to a client that is new to it; 0: it is not asked for.",
        ),
        key(
            "quarantine",
            "duration, s",
            "86400",
            "How long an address that a client or we found in use is given to nobody.",
        ),
        key(
            "relays",
            "array of IPv4 prefixes, or \"any\"",
            "none",
            "Relay agents whose messages are taken when they come in by this interface, by source address. With \"any\", a host can claim to be on any link we serve.",
        ),
        key(
            "link_addresses",
            "array of IPv4 prefixes",
            "none",
            "Addresses of relay agents (giaddr, RFC 3527) that stand for this link, besides those in its subnets.",
        ),
        key(
            "dns_servers",
            "array of IPv4 addresses",
            "none",
            "Recursive DNS servers of subnets that name none.",
        ),
        key("domain", "string", "none", "The clients' domain."),
        key(
            "domain_search",
            "array of strings",
            "none",
            "Domain search list (RFC 3397) of subnets that name none.",
        ),
        key(
            "ntp_servers",
            "array of IPv4 addresses",
            "none",
            "Time servers.",
        ),
        key(
            "mtu",
            "integer 68 to 65535",
            "not sent",
            "MTU for the clients.",
        ),
        key(
            "next_server",
            "IPv4 address",
            "none",
            "The next server of a boot (siaddr).",
        ),
        key("boot_file", "string", "none", "The boot file."),
        key(
            "tftp_server",
            "string",
            "none",
            "The boot server's name (RFC 2132 section 9.4).",
        ),
        key(
            "ipv6_only_wait",
            "duration from 300 s",
            "off",
            "How long a client that can do without IPv4 shall do so (RFC 8925).",
        ),
        key(
            "options",
            "array of tables",
            "none",
            "Further options, each with `ip_version = 4`.",
        ),
    ],
};
