//! DHCP relays.

use super::{Section, key};

pub(in crate::config) static DHCP6_RELAY: Section = Section {
    header: "[router.interface.dhcp6_relay]",
    help: "DHCPv6 relay agent (RFC 8415 section 19): clients of the link are served by servers elsewhere. Not together with a DHCPv6 server on the same interface, which would answer the same clients; `ra_mode` of its subnets may say that there is a server.",
    keys: &[
        key(
            "servers",
            "array of IPv6 addresses",
            "ff05::1:3 on `upstream`",
            "Each message goes to all of them, and only they are believed. Link-local addresses and groups need `upstream`.",
        ),
        key(
            "upstream",
            "interface",
            "none",
            "The interface of the same router on which groups and link-local servers are. Behind a group, every station of that link is believed.",
        ),
        key(
            "link_address",
            "IPv6 address",
            "the interface's first global one",
            "By which servers tell the link.",
        ),
        key(
            "source",
            "IPv6 address",
            "the interface's first global one",
            "What messages to servers come from: an address of the router.",
        ),
        key(
            "interface_id",
            "string",
            "the interface's name",
            "Interface-Id (RFC 8415 section 21.18), unique in the router.",
        ),
        key(
            "remote_id",
            "string",
            "none",
            "Remote-ID (RFC 4649) of the link's clients.",
        ),
        key(
            "remote_enterprise",
            "integer",
            "none",
            "The enterprise number that goes with `remote_id`.",
        ),
        key(
            "subscriber_id",
            "string",
            "none",
            "Subscriber-ID (RFC 4580) of the link's clients.",
        ),
        key(
            "client_mac",
            "boolean",
            "true",
            "Tell servers the MAC address of a client (RFC 6939).",
        ),
        key(
            "relays",
            "\"any\", or array of IPv6 addresses and prefixes",
            "none",
            "Relay agents on or behind the link whose messages are relayed in turn.",
        ),
        key(
            "routes",
            "boolean",
            "true",
            "Install routes to the prefixes that servers delegate to the link's clients (RFC 8987). They are kept over a restart.",
        ),
        key(
            "max_prefixes",
            "integer 1 to 1000000",
            "4096",
            "Most delegated prefixes of the link; a Reply with more is dropped.",
        ),
        key(
            "max_prefixes_per_client",
            "integer 1 to 1000000",
            "16",
            "Most delegated prefixes of one client.",
        ),
    ],
};

pub(in crate::config) static DHCP4_RELAY: Section = Section {
    header: "[router.interface.dhcp4_relay]",
    help: "DHCPv4 relay agent (RFC 2131, RFC 1542): clients of the link are served by servers elsewhere. The interface needs an IPv4 address.",
    keys: &[
        key(
            "servers",
            "array of IPv4 addresses",
            "",
            "Each message goes to all of them, and only they are believed.",
        ),
        key(
            "giaddr",
            "IPv4 address",
            "the interface's first one",
            "Where servers answer to: an address of the router.",
        ),
        key(
            "agent_option",
            "boolean",
            "true",
            "Add Relay Agent Information (RFC 3046); clients never see it.",
        ),
        key(
            "circuit_id",
            "string",
            "the interface's name",
            "Circuit ID; unique among links with the same `giaddr`.",
        ),
        key("remote_id", "string", "none", "Remote ID."),
        key(
            "link_selection",
            "boolean",
            "true when `giaddr` is set",
            "Tell servers an address of the link (RFC 3527).",
        ),
        key(
            "server_override",
            "boolean",
            "false",
            "Have clients renew through the relay (RFC 5107).",
        ),
        key(
            "flags",
            "boolean",
            "false",
            "Tell servers whether the client asked by unicast (RFC 5010).",
        ),
        key(
            "existing",
            "drop, keep, replace",
            "\"drop\"",
            "What becomes of a client's message that carries Relay Agent Information already.",
        ),
        key(
            "relays",
            "\"any\", or array of IPv4 addresses and prefixes",
            "none",
            "Relay agents behind the link whose messages are relayed in turn.",
        ),
        key(
            "hop_limit",
            "integer 1 to 16",
            "16",
            "Hops at which a message is dropped.",
        ),
    ],
};
