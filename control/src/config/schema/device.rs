//! How packets enter: one table a kind of device.

use super::{Section, key};

pub(in crate::config) static DEVICE: Section = Section {
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

pub(in crate::config) static PCI: Section = Section {
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

pub(in crate::config) static AF_PACKET: Section = Section {
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

pub(in crate::config) static TAP: Section = Section {
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

pub(in crate::config) static AF_XDP: Section = Section {
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

pub(in crate::config) static MEMIF: Section = Section {
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

pub(in crate::config) static VHOST_USER: Section = Section {
    header: "[[device]] kind = \"vhost_user\"",
    help: "The backend of a virtual machine's virtio network card.",
    keys: &[
        key("socket", "path", "", "The vhost-user socket."),
        key(
            "client",
            "boolean",
            "false",
            "Connect to the machine's socket, and again when it returns, instead of making one.",
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
            "Let the guest send TCP packets of up to 64 KiB, which the router cuts into segments.",
        ),
    ],
};

pub(in crate::config) static VIRTIO_USER: Section = Section {
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

pub(in crate::config) static PCAP: Section = Section {
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

pub(in crate::config) static RING: Section = Section {
    header: "[[device]] kind = \"ring\"",
    help: "What is sent is received again. No keys of its own.",
    keys: &[],
};

pub(in crate::config) static NULL: Section = Section {
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
