//! The file itself and the process.

use super::{Section, key};

pub(in crate::config) static ROOT: Section = Section {
    header: "(top level)",
    help: "The file holds one `[system]` table and any number of devices, networks, routers, ports and security groups.",
    keys: &[
        key("system", "table", "all defaults", "The process itself."),
        key(
            "forwarding",
            "table",
            "all defaults",
            "What holds for all interfaces.",
        ),
        key(
            "pair",
            "table",
            "none",
            "Another router that can take over.",
        ),
        key(
            "device",
            "array of tables",
            "none",
            "How packets enter and leave.",
        ),
        key("vtep", "array of tables", "none", "Peers of tunnels."),
        key("network", "array of tables", "none", "Layer-2 networks."),
        key(
            "router",
            "array of tables",
            "none",
            "Routing domains (VRFs).",
        ),
        key(
            "security",
            "table",
            "all defaults",
            "What holds for all ports of tenants' machines.",
        ),
        key(
            "address_group",
            "array of tables",
            "none",
            "Addresses that rules name together.",
        ),
        key(
            "security_group",
            "array of tables",
            "`default` alone",
            "What may pass to and from ports.",
        ),
        key(
            "port",
            "array of tables",
            "none",
            "Where machines of tenants are plugged.",
        ),
    ],
};

pub(in crate::config) static SYSTEM: Section = Section {
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
            "mbuf_size",
            "integer 128 to 16384, octets",
            "as the largest MTU needs, at least 2048",
            "Octets of a packet that a buffer has room for. Less saves memory where all packets are short, as in a trace that is replayed; \
             a device that may receive longer ones, and cannot spread them over several buffers, is refused.",
        ),
        key(
            "max_routers",
            "integer 1 to 16384",
            "1024",
            "Routers at most.",
        ),
        key(
            "max_interfaces",
            "integer 1 to 16384",
            "4096",
            "Interfaces of all routers at most.",
        ),
        key(
            "max_networks",
            "integer 0 to 16384",
            "4096",
            "Layer-2 networks at most.",
        ),
        key(
            "max_vteps",
            "integer 0 to 16384",
            "1024",
            "Peers of tunnels at most.",
        ),
        key(
            "max_stations",
            "integer 16 to 16777216",
            "65536",
            "Stations of all networks at most, 32 bytes each; and addresses that are learned with `arp_nd_suppression`, 64 bytes each.",
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
            "Log level or filter, such as \"info,control::rooms=debug\".",
        ),
    ],
};

pub(in crate::config) static FORWARDING: Section = Section {
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
        key(
            "dhcp_per_device",
            "integer 0 to 10000000, per second",
            "20000",
            "DHCP messages of one device and IP version that a worker gives to the servers: a flood on one device leaves the others theirs.",
        ),
        key(
            "dhcp_per_device_burst",
            "integer 1 to 10000000",
            "512",
            "How many of them at once.",
        ),
    ],
};
