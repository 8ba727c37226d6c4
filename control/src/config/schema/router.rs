//! Routers, their interfaces and routes.

use super::{Section, key};

pub(in crate::config) static ROUTER: Section = Section {
    header: "[[router]]",
    help: "A routing domain (VRF) with its own tables, interfaces and routes.",
    keys: &[
        key("name", "string", "", "Unique name."),
        key(
            "interface",
            "array of tables",
            "none",
            "Its layer-3 interfaces.",
        ),
        key("route", "array of tables", "none", "Its static routes."),
        key(
            "remote_link",
            "array of tables",
            "none",
            "Links behind relay agents that its DHCPv6 server serves.",
        ),
    ],
};

pub(in crate::config) static INTERFACE: Section = Section {
    header: "[[router.interface]]",
    help: "A layer-3 interface: on a device, untagged or on a VLAN; on a layer-2 network; or a tunnel. Exactly one of `device`, `network` and `gre` says where.",
    keys: &[
        key("name", "string", "", "Name, unique in the whole file."),
        key("device", "device name", "none", "The device it is on."),
        key(
            "network",
            "network name",
            "none",
            "The layer-2 network it is on. The network's segments say on which devices and tags.",
        ),
        key("gre", "table", "none", "The tunnel it is."),
        key(
            "vlan",
            "integer 1 to 4094",
            "untagged",
            "802.1Q VLAN; the inner tag when `outer_vlan` is given.",
        ),
        key(
            "outer_vlan",
            "integer 1 to 4094",
            "none",
            "Outer tag (QinQ). Needs `vlan`.",
        ),
        key(
            "outer_tpid",
            "802.1ad, 802.1q",
            "\"802.1ad\"",
            "Protocol of the outer tag: 0x88a8 or 0x8100.",
        ),
        key(
            "mac",
            "MAC address",
            "the device's, or on a network one made of its name",
            "Unicast MAC address of this interface. On a network that several routers are gateways of it may be the same on all of them.",
        ),
        key(
            "mtu",
            "integer 68 to 9600, bytes",
            "the device's, the network's or the tunnel's",
            "Longest packet sent whole; at least 1280 for IPv6.",
        ),
        key(
            "addresses",
            "array of address/length",
            "none",
            "Own addresses with their subnets, IPv6 and IPv4.",
        ),
        key(
            "link_local",
            "IPv6 address in fe80::/64",
            "from the MAC (EUI-64)",
            "Link-local address.",
        ),
        key(
            "urpf",
            "off, strict, loose, station",
            "\"off\"",
            "Check of source addresses, both families: `strict` and `loose` as in RFC 3704. `station` is strict, and the frame must come from the very station that has the source address, or to which the source is routed (RFC 7039). Who comes first to an address keeps it for as long as it answers (RFC 6620), at most `nd.max_per_station` addresses each; what a `port` with a `mac` has is its own.",
        ),
        key(
            "urpf_v4",
            "off, strict, loose, station",
            "`urpf`",
            "The same for IPv4 alone.",
        ),
        key(
            "urpf_v6",
            "off, strict, loose, station",
            "`urpf`",
            "The same for IPv6 alone.",
        ),
        key(
            "redirects",
            "boolean",
            "true",
            "Send redirects to hosts that have a better first hop.",
        ),
        key(
            "directed_broadcast",
            "false",
            "false",
            "Packets to a subnet's broadcast address are never forwarded (RFC 2644); the key may say so.",
        ),
        key(
            "anycast",
            "array of IPv6 addresses",
            "none",
            "Anycast addresses answered here; the subnet-router addresses are always.",
        ),
        key(
            "proxy_nd",
            "array of IPv6 prefixes",
            "none",
            "Answer neighbour solicitations for these destinations.",
        ),
        key("neighbor", "array of tables", "none", "Static neighbours."),
        key(
            "nd",
            "table",
            "all defaults",
            "Neighbour discovery and ARP.",
        ),
        key("ra", "table", "no advertisements", "Router advertisements."),
        key(
            "subnet",
            "array of tables",
            "none",
            "How hosts get addresses of its prefixes.",
        ),
        key(
            "delegated",
            "array of tables",
            "none",
            "Subnets of the prefixes that an uplink is delegated.",
        ),
        key(
            "port",
            "array of tables",
            "none",
            "Stations that get addresses or DHCP options of their own.",
        ),
        key(
            "dhcp6",
            "table",
            "off, or as its subnets say",
            "DHCPv6 server.",
        ),
        key(
            "dhcp4",
            "table",
            "off, or as its subnets say",
            "DHCPv4 server.",
        ),
        key(
            "dhcp6_relay",
            "table",
            "off",
            "DHCPv6 relay agent; not beside a server.",
        ),
        key("dhcp4_relay", "table", "off", "DHCPv4 relay agent."),
        key(
            "dhcp6_client",
            "table",
            "off",
            "DHCPv6 client: the interface is an uplink.",
        ),
        key(
            "vrrp",
            "array of tables",
            "none",
            "Virtual routers that it takes part in (VRRP).",
        ),
        key(
            "bfd",
            "array of tables",
            "none",
            "Neighbours whose presence is watched (BFD).",
        ),
    ],
};

pub(in crate::config) static NEIGHBOR: Section = Section {
    header: "[[router.interface.neighbor]]",
    help: "A static neighbour: never probed, never aged.",
    keys: &[
        key(
            "address",
            "IPv6 or IPv4 address",
            "",
            "Its address, link-local or on a subnet of the interface.",
        ),
        key("mac", "MAC address", "", "Its unicast MAC address."),
    ],
};

pub(in crate::config) static ND: Section = Section {
    header: "[router.interface.nd]",
    help: "Neighbour discovery (RFC 4861 section 10) and ARP, which runs by the same numbers.",
    keys: &[
        key(
            "dad_transmits",
            "integer 0 to 20",
            "1",
            "Probes before an own address is used (RFC 4862); 0 turns duplicate detection off, for IPv4 (RFC 5227) too.",
        ),
        key(
            "retrans_timer",
            "duration, ms",
            "1000",
            "Time between solicitations.",
        ),
        key(
            "reachable_time",
            "duration, ms",
            "30000",
            "How long a confirmation lasts on average (BaseReachableTime).",
        ),
        key(
            "delay_first_probe_time",
            "duration, s",
            "5",
            "How long a stale neighbour in use waits for a confirmation before it is probed.",
        ),
        key(
            "max_multicast_solicit",
            "integer 1 to 20",
            "3",
            "Solicitations before resolution fails.",
        ),
        key(
            "max_unicast_solicit",
            "integer 1 to 20",
            "3",
            "Probes before a neighbour is unreachable.",
        ),
        key(
            "unsolicited_advertisements",
            "integer 0 to 20",
            "3",
            "Advertisements (ARP: announcements) when an address becomes valid.",
        ),
        key(
            "max_retrans_timer",
            "duration, s",
            "60",
            "Longest pause between probes of an unreachable neighbour (RFC 7048).",
        ),
        key(
            "learn_unsolicited",
            "boolean",
            "true",
            "Learn new neighbours from unsolicited advertisements (RFC 9131).",
        ),
        key(
            "max_per_station",
            "integer 1 to 65535",
            "32",
            "Addresses of one station at most, where `urpf` is \"station\": those it is given, those it forms, temporary ones among them.",
        ),
        key(
            "max_entries",
            "integer 16 to 1048576",
            "8192",
            "Neighbours kept at most.",
        ),
        key(
            "max_incomplete",
            "integer 1 to `max_entries`",
            "512",
            "Unresolved addresses at most (RFC 6583): a scan fills this room and no other.",
        ),
        key(
            "solicit_rate",
            "integer 1 to 1000000, per second",
            "200",
            "First solicitations for addresses never heard of.",
        ),
        key(
            "stale_lifetime",
            "duration, s",
            "14400",
            "A stale neighbour without traffic is forgotten after this time.",
        ),
        key(
            "failed_lifetime",
            "duration, s",
            "3",
            "How long a failed resolution is remembered.",
        ),
    ],
};

pub(in crate::config) static ROUTE: Section = Section {
    header: "[[router.route]]",
    help: "A static route. Exactly one of `via`, `interface`, `next_hops`, `kind` or `router` (beside `via` with `interface`) says where it leads.",
    keys: &[
        key(
            "prefix",
            "prefix",
            "",
            "Destinations; host bits must be zero.",
        ),
        key(
            "via",
            "address",
            "none",
            "Gateway of the prefix's family; for IPv4 also an IPv6 gateway (RFC 8950). Without `interface` it is resolved recursively.",
        ),
        key(
            "interface",
            "interface name",
            "none",
            "Outgoing interface. Without `via`, destinations are on its link.",
        ),
        key(
            "next_hops",
            "array of tables",
            "none",
            "Several next hops, used in proportion to their weight.",
        ),
        key(
            "kind",
            "blackhole, unreachable, prohibit",
            "none",
            "Drop silently, or answer with no route, or with prohibited.",
        ),
        key(
            "router",
            "router name",
            "none",
            "Look packets up further in this router's table: it is told of the prefix, and of no other. Answers need a route back in that router.",
        ),
        key(
            "distance",
            "integer 1 to 254",
            "1",
            "Preference among routes to one prefix: the smallest wins; connected routes have 0.",
        ),
    ],
};

pub(in crate::config) static NEXT_HOP: Section = Section {
    header: "next_hops = [{ ... }]",
    help: "One next hop of several.",
    keys: &[
        key("via", "address", "none", "Gateway."),
        key("interface", "interface name", "none", "Outgoing interface."),
        key("weight", "integer 1 to 256", "1", "Share of the flows."),
    ],
};
