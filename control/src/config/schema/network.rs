//! Layer-2 networks and the peers of tunnels.

use super::{Section, key};

pub(in crate::config) static VTEP: Section = Section {
    header: "[[vtep]]",
    help: "A peer of tunnels as one of our addresses reaches it. Packets of tunnels are taken from peers that are named here, and from nobody else.",
    keys: &[
        key("name", "string", "", "Unique name."),
        key("kind", "vxlan, geneve, gre", "", "How frames are packed."),
        key(
            "group",
            "string",
            "none",
            "A group that it belongs to: segments that name it are stretched to all its peers.",
        ),
        key(
            "router",
            "router name",
            "",
            "The router (VRF) that routes the outer packets.",
        ),
        key(
            "local",
            "address",
            "",
            "Our address: one of an interface of the router.",
        ),
        key(
            "remote",
            "address",
            "",
            "The peer's address, of the same family; or a multicast group that all peers of a network have joined, for `flood` of a segment.",
        ),
        key(
            "interface",
            "interface name",
            "none",
            "Of a multicast group, and required then: the interface of `router`, on a device, by which packets to it leave and come. It joins the group there.",
        ),
        key(
            "port",
            "integer 1 to 65535",
            "4789, Geneve 6081",
            "UDP port of VXLAN and Geneve, at both ends.",
        ),
        key(
            "udp_checksum",
            "boolean",
            "true",
            "Compute outer UDP checksums. `false` sends none, and takes packets without one over IPv6 too (RFC 6935, RFC 6936).",
        ),
        key(
            "dscp",
            "\"inherit\" or integer 0 to 63",
            "\"inherit\"",
            "DSCP of outer packets: the inner one, which takes over on exit what the outer one has become; or a number, and the inner one stays as it is (RFC 2983).",
        ),
        key(
            "hop_limit",
            "integer 1 to 255",
            "64",
            "Hop limit or TTL of outer packets.",
        ),
        key(
            "mtu",
            "integer 1280 to 9600, bytes",
            "1500",
            "Longest outer packet that the path carries. Outer packets are never fragmented: networks and interfaces have their MTUs from this.",
        ),
    ],
};

pub(in crate::config) static NETWORK: Section = Section {
    header: "[[network]]",
    help: "A layer-2 network: stations of all its segments hear each other, and routers have interfaces on it (`network` of `[[router.interface]]`).",
    keys: &[
        key("name", "string", "", "Unique name."),
        key(
            "mtu",
            "integer 1280 to 9600, bytes",
            "the largest that all segments carry",
            "Longest packet in it. Devices carry their `mtu`, tunnels their peer's less what packing adds.",
        ),
        key(
            "learning",
            "boolean",
            "true",
            "Learn where stations are from the frames they send.",
        ),
        key(
            "unknown_unicast",
            "flood, drop",
            "\"flood\"",
            "What becomes of frames to stations that nobody has heard of.",
        ),
        key(
            "max_stations",
            "integer 0 to 16777216",
            "8192",
            "Most stations that are learned; those that are configured do not count.",
        ),
        key(
            "ageing",
            "duration, s",
            "300",
            "A learned station that is not heard for so long is forgotten.",
        ),
        key(
            "flood_per_second",
            "integer 0 to 10000000",
            "10000",
            "Frames to groups and to unknown stations that go everywhere, per worker.",
        ),
        key(
            "flood_burst",
            "integer 1 to 10000000",
            "1000",
            "How many of them at once.",
        ),
        key(
            "arp_nd_suppression",
            "boolean",
            "false",
            "Answer ARP requests and neighbour solicitations for addresses whose owner is known, in the owner's stead, and flood only the others.",
        ),
        key(
            "max_bindings",
            "integer 0 to 16777216",
            "8192",
            "Most addresses that are learned for that, 32 of a station; our own do not count.",
        ),
        key(
            "segments",
            "array of tables",
            "none",
            "Where the network is.",
        ),
        key(
            "stations",
            "array of tables",
            "none",
            "Stations that are where they are configured, whatever is heard.",
        ),
    ],
};

pub(in crate::config) static SEGMENT: Section = Section {
    header: "segments = [{ ... }]",
    help: "A segment of a network. Each kind adds its own keys.",
    keys: &[key(
        "kind",
        "flat, vlan, qinq, vxlan, geneve, gre",
        "",
        "What it is.",
    )],
};

pub(in crate::config) static FLAT: Section = Section {
    header: "segments = [{ kind = \"flat\", ... }]",
    help: "The untagged frames of a device.",
    keys: &[key("device", "device name", "", "The device.")],
};

pub(in crate::config) static VLAN: Section = Section {
    header: "segments = [{ kind = \"vlan\", ... }]",
    help: "An 802.1Q VLAN of a device.",
    keys: &[
        key("device", "device name", "", "The device."),
        key("vlan", "integer 1 to 4094", "", "The VLAN."),
    ],
};

pub(in crate::config) static QINQ: Section = Section {
    header: "segments = [{ kind = \"qinq\", ... }]",
    help: "A VLAN in an 802.1ad service VLAN of a device.",
    keys: &[
        key("device", "device name", "", "The device."),
        key("outer", "integer 1 to 4094", "", "The service VLAN."),
        key("vlan", "integer 1 to 4094", "", "The VLAN in it."),
    ],
};

pub(in crate::config) static OVERLAY: Section = Section {
    header: "segments = [{ kind = \"vxlan\", ... }]",
    help: "Tunnels to peers, of kind `vxlan`, `geneve` or `gre` (Ethernet in GRE). Frames never go from one tunnel to another: every peer must be named.",
    keys: &[
        key(
            "vni",
            "integer 0 to 16777215, GRE to 4294967295",
            "",
            "The network's identifier (GRE: key) at these peers. A router has it once for each kind.",
        ),
        key(
            "vteps",
            "array of vtep and group names",
            "",
            "The peers, each once in a network.",
        ),
        key(
            "flood",
            "vtep name",
            "none: a copy for each peer",
            "The multicast group, a vtep too, by which frames for everybody are sent, once for all peers. What comes to it is taken from `vteps` alone.",
        ),
    ],
};

pub(in crate::config) static STATION: Section = Section {
    header: "stations = [{ ... }]",
    help: "A station of a network that is configured. Either `device`, with the tags of a segment, or `vtep` says where it is.",
    keys: &[
        key("mac", "MAC address", "", "Its unicast MAC address."),
        key("device", "device name", "none", "The device of a segment."),
        key(
            "vlan",
            "integer 1 to 4094",
            "untagged",
            "The segment's VLAN.",
        ),
        key(
            "outer",
            "integer 1 to 4094",
            "none",
            "The segment's service VLAN.",
        ),
        key("vtep", "vtep name", "none", "The peer it is behind."),
    ],
};

pub(in crate::config) static GRE: Section = Section {
    header: "[router.interface] gre = { ... }",
    help: "The interface is a tunnel: IP packets in GRE (RFC 2784, RFC 7676), from point to point. Nothing is resolved and nobody configured there.",
    keys: &[
        key("vtep", "vtep name", "", "The peer, of kind `gre`."),
        key(
            "key",
            "integer 0 to 4294967295",
            "none",
            "GRE key (RFC 2890), the same at both ends.",
        ),
    ],
};
