//! Every key of the file in one table: what the parser accepts and what `docs/configuration.md` says are the same.

/// A key of a table.
pub struct Key {
    /// Its name in the file.
    pub name: &'static str,
    /// What it takes, in words.
    pub kind: &'static str,
    /// What holds when it is absent; empty when it is required.
    pub default: &'static str,
    /// What it means.
    pub help: &'static str,
}

/// A table of the file.
pub struct Section {
    /// Its header in the file.
    pub header: &'static str,
    /// What it describes.
    pub help: &'static str,
    /// Its keys, in the order in which a person would write them.
    pub keys: &'static [Key],
}

const fn key(
    name: &'static str,
    kind: &'static str,
    default: &'static str,
    help: &'static str,
) -> Key {
    Key {
        name,
        kind,
        default,
        help,
    }
}

/// All tables, in the order of the documentation.
pub static SECTIONS: &[&Section] = &[
    &ROOT,
    &SYSTEM,
    &FORWARDING,
    &DEVICE,
    &PCI,
    &AF_PACKET,
    &TAP,
    &AF_XDP,
    &MEMIF,
    &VHOST_USER,
    &VIRTIO_USER,
    &PCAP,
    &RING,
    &NULL,
    &ROUTER,
    &INTERFACE,
    &NEIGHBOR,
    &ND,
    &RA,
    &RA_PREFIX,
    &RA_RDNSS,
    &RA_DNSSL,
    &RA_ROUTE,
    &RA_PREF64,
    &ROUTE,
    &NEXT_HOP,
];

pub(super) static ROOT: Section = Section {
    header: "(top level)",
    help: "The file holds one `[system]` table and any number of devices and routers.",
    keys: &[
        key("system", "table", "all defaults", "The process itself."),
        key(
            "forwarding",
            "table",
            "all defaults",
            "What holds for all interfaces.",
        ),
        key(
            "device",
            "array of tables",
            "none",
            "How packets enter and leave.",
        ),
        key(
            "router",
            "array of tables",
            "none",
            "Routing domains (VRFs).",
        ),
    ],
};

pub(super) static SYSTEM: Section = Section {
    header: "[system]",
    help: "The process itself. No key of this table but `log` can change while the router runs.",
    keys: &[
        key(
            "name",
            "string",
            "\"hextet\"",
            "Name of this router in logs and metrics.",
        ),
        key(
            "workers",
            "integer 1 to 64",
            "1",
            "Number of polling threads; the kernel places them on the first CPUs it allows us. Not together with `cpus`.",
        ),
        key(
            "cpus",
            "array of integers",
            "none",
            "One polling thread pinned to each of these CPUs.",
        ),
        key(
            "idle",
            "adaptive, poll",
            "\"adaptive\"",
            "What a worker does when no packet comes: sleep and wake quickly, or poll on and keep its CPU busy.",
        ),
        key(
            "memory",
            "integer 16 to 1048576, MiB",
            "256",
            "Memory for packet buffers and the dataplane's structures.",
        ),
        key(
            "hugepages",
            "auto, never, always",
            "\"auto\"",
            "`auto` takes hugepages when there are enough and says so when there are not.",
        ),
        key(
            "mbufs",
            "integer 1024 to 16777215",
            "16384",
            "Packet buffers, shared by all devices.",
        ),
        key(
            "state_dir",
            "path",
            "\"/var/lib/hextet\"",
            "Where state that outlives a restart is kept.",
        ),
        key(
            "api_socket",
            "path",
            "\"/run/hextet/api.sock\"",
            "UNIX socket that `hextetctl` talks to.",
        ),
        key(
            "metrics",
            "address and port",
            "off",
            "Where `/metrics`, `/healthz` and `/readyz` are served, such as \"[::1]:9461\".",
        ),
        key(
            "log",
            "string",
            "\"info\"",
            "Log level or filter, such as \"info,control::protocols=debug\".",
        ),
    ],
};

pub(super) static FORWARDING: Section = Section {
    header: "[forwarding]",
    help: "What holds for all interfaces. It can change while the router runs.",
    keys: &[
        key(
            "flow_hash",
            "directional, symmetric",
            "\"directional\"",
            "How flows are spread over several next hops: `symmetric` keeps both directions of a flow together, and leaves the flow label out.",
        ),
        key(
            "icmp_per_interface",
            "integer 0 to 10000000, per second",
            "1000",
            "ICMP errors about packets of one interface, per worker (RFC 4443 section 2.4 f); 0 sends none.",
        ),
        key(
            "icmp_per_interface_burst",
            "integer 1 to 10000000",
            "100",
            "How many of them at once.",
        ),
        key(
            "icmp_per_destination",
            "integer 0 to 10000000, per second",
            "50",
            "ICMP errors to one destination, per worker.",
        ),
        key(
            "icmp_per_destination_burst",
            "integer 1 to 10000000",
            "20",
            "How many of them at once.",
        ),
    ],
};

pub(super) static DEVICE: Section = Section {
    header: "[[device]]",
    help: "How packets enter and leave: a port of the dataplane. Each kind adds its own keys.",
    keys: &[
        key(
            "name",
            "string",
            "",
            "Unique name: letters, digits, `-`, `_` and `.`, at most 32.",
        ),
        key(
            "kind",
            "pci, af_packet, tap, af_xdp, memif, vhost_user, virtio_user, pcap, ring, null",
            "",
            "The driver.",
        ),
        key(
            "queues",
            "integer 1 to 64",
            "1",
            "Receive queues, spread over the workers; the device must have them.",
        ),
        key(
            "mtu",
            "integer 68 to 9600, bytes",
            "1500",
            "Longest layer-3 packet the device carries.",
        ),
        key(
            "mac",
            "MAC address",
            "the device's own",
            "Unicast MAC address to take.",
        ),
        key(
            "rx_desc",
            "integer 32 to 32768",
            "512",
            "Descriptors of each receive queue.",
        ),
        key(
            "tx_desc",
            "integer 32 to 32768",
            "512",
            "Descriptors of each transmit queue.",
        ),
    ],
};

pub(super) static PCI: Section = Section {
    header: "[[device]] kind = \"pci\"",
    help: "A network card or virtual function bound to a DPDK driver.",
    keys: &[
        key("address", "PCI address", "", "Such as \"0000:03:00.1\"."),
        key(
            "options",
            "array of strings",
            "none",
            "Driver options, each `key=value`.",
        ),
    ],
};

pub(super) static AF_PACKET: Section = Section {
    header: "[[device]] kind = \"af_packet\"",
    help: "A network interface of the kernel, shared with it.",
    keys: &[
        key(
            "interface",
            "kernel interface",
            "",
            "The interface to attach to.",
        ),
        key(
            "qdisc_bypass",
            "boolean",
            "true",
            "Send past the kernel's queueing discipline.",
        ),
    ],
};

pub(super) static TAP: Section = Section {
    header: "[[device]] kind = \"tap\"",
    help: "A new TAP interface of the kernel, which lives as long as the router.",
    keys: &[
        key(
            "interface",
            "kernel interface",
            "",
            "Name of the interface to make.",
        ),
        key(
            "persist",
            "boolean",
            "false",
            "Keep the kernel's interface after the router stops.",
        ),
    ],
};

pub(super) static AF_XDP: Section = Section {
    header: "[[device]] kind = \"af_xdp\"",
    help: "A network interface of the kernel, taken over by an XDP program.",
    keys: &[
        key(
            "interface",
            "kernel interface",
            "",
            "The interface to attach to.",
        ),
        key(
            "start_queue",
            "integer 0 to 255",
            "0",
            "First queue of the interface to take.",
        ),
        key(
            "force_copy",
            "boolean",
            "false",
            "Copy packets even when the driver could do without.",
        ),
        key(
            "busy_budget",
            "integer 0 to 64",
            "the driver's",
            "Packets per busy poll of the kernel; 0 turns busy polling off.",
        ),
    ],
};

pub(super) static MEMIF: Section = Section {
    header: "[[device]] kind = \"memif\"",
    help: "Shared memory with another process.",
    keys: &[
        key(
            "role",
            "server, client",
            "\"server\"",
            "Who makes the socket.",
        ),
        key(
            "socket",
            "path",
            "",
            "The UNIX socket over which the two sides meet.",
        ),
        key(
            "id",
            "integer 0 to 4294967295",
            "0",
            "Which interface of the socket; the same at both ends.",
        ),
        key(
            "zero_copy",
            "boolean",
            "false",
            "Share packet buffers instead of copying (client, hugepages).",
        ),
        key(
            "secret",
            "string",
            "none",
            "Password that both sides must give, at most 24 bytes.",
        ),
    ],
};

pub(super) static VHOST_USER: Section = Section {
    header: "[[device]] kind = \"vhost_user\"",
    help: "The backend of a virtual machine's virtio network card.",
    keys: &[
        key("socket", "path", "", "The vhost-user socket."),
        key(
            "client",
            "boolean",
            "false",
            "Connect to the socket instead of making it; survives a restart of the router.",
        ),
        key(
            "iommu",
            "boolean",
            "false",
            "Let the guest's virtual IOMMU limit what the router may touch.",
        ),
        key(
            "postcopy",
            "boolean",
            "false",
            "Allow migration that copies memory after the switch.",
        ),
        key(
            "tso",
            "boolean",
            "false",
            "Let the guest send and receive segments larger than its MTU.",
        ),
    ],
};

pub(super) static VIRTIO_USER: Section = Section {
    header: "[[device]] kind = \"virtio_user\"",
    help: "The driver's side of a vhost-user backend.",
    keys: &[
        key("socket", "path", "", "The backend's socket."),
        key(
            "server",
            "boolean",
            "false",
            "Make the socket instead of connecting to it.",
        ),
        key(
            "packed",
            "boolean",
            "false",
            "Packed rings (virtio 1.1) instead of split ones.",
        ),
    ],
};

pub(super) static PCAP: Section = Section {
    header: "[[device]] kind = \"pcap\"",
    help: "Files of packets, for tests and benches. At least one of the two must be given.",
    keys: &[
        key("rx", "path", "none", "Packets that are received."),
        key(
            "tx",
            "path",
            "sent packets are discarded",
            "Where sent packets are written.",
        ),
        key(
            "infinite",
            "boolean",
            "false",
            "Receive `rx` over and over.",
        ),
    ],
};

pub(super) static RING: Section = Section {
    header: "[[device]] kind = \"ring\"",
    help: "What is sent is received again. No keys of its own.",
    keys: &[],
};

pub(super) static NULL: Section = Section {
    header: "[[device]] kind = \"null\"",
    help: "Receives nothing, or empty frames for ever, and discards what is sent.",
    keys: &[
        key(
            "frame_size",
            "integer 64 to 9600, bytes",
            "64",
            "Size of each received frame.",
        ),
        key("no_rx", "boolean", "true", "Receive nothing."),
    ],
};

pub(super) static ROUTER: Section = Section {
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
    ],
};

pub(super) static INTERFACE: Section = Section {
    header: "[[router.interface]]",
    help: "A layer-3 interface on a device, untagged or on a VLAN.",
    keys: &[
        key("name", "string", "", "Name, unique in the whole file."),
        key("device", "device name", "", "The device it is on."),
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
            "the device's",
            "Unicast MAC address of this interface.",
        ),
        key(
            "mtu",
            "integer 68 to 9600, bytes",
            "the device's",
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
            "off, strict, loose",
            "\"off\"",
            "Check of source addresses (RFC 3704), both families.",
        ),
        key(
            "urpf_v4",
            "off, strict, loose",
            "`urpf`",
            "The same for IPv4 alone.",
        ),
        key(
            "urpf_v6",
            "off, strict, loose",
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
    ],
};

pub(super) static NEIGHBOR: Section = Section {
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

pub(super) static ND: Section = Section {
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

pub(super) static RA: Section = Section {
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

pub(super) static RA_PREFIX: Section = Section {
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

pub(super) static RA_RDNSS: Section = Section {
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

pub(super) static RA_DNSSL: Section = Section {
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

pub(super) static RA_ROUTE: Section = Section {
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

pub(super) static RA_PREF64: Section = Section {
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

pub(super) static ROUTE: Section = Section {
    header: "[[router.route]]",
    help: "A static route. Exactly one of `via`, `interface`, `next_hops` or `kind` (beside `via` with `interface`) says where it leads.",
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
            "distance",
            "integer 1 to 254",
            "1",
            "Preference among routes to one prefix: the smallest wins; connected routes have 0.",
        ),
    ],
};

pub(super) static NEXT_HOP: Section = Section {
    header: "next_hops = [{ ... }]",
    help: "One next hop of several.",
    keys: &[
        key("via", "address", "none", "Gateway."),
        key("interface", "interface name", "none", "Outgoing interface."),
        key("weight", "integer 1 to 256", "1", "Share of the flows."),
    ],
};
