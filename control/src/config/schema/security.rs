//! Ports of tenants' machines and security groups, in the words of Neutron.

use super::{Section, key};

pub(in crate::config) static SECURITY: Section = Section {
    header: "[security]",
    help: "What holds for all ports. Only `tcp_window_checks` can change while the router runs.",
    keys: &[
        key(
            "max_flows",
            "integer 1024 to 67108864",
            "1048576",
            "Flows of all ports at most, rounded up to a power of two; about 150 bytes each, of memory that is taken when it is used.",
        ),
        key("max_ports", "integer 0 to 16384", "1024", "Ports at most."),
        key(
            "max_rules",
            "integer 16 to 1048576",
            "16384",
            "Rules of all security groups at most.",
        ),
        key(
            "tcp_window_checks",
            "boolean",
            "true",
            "Drop TCP segments beside the window of their flow. `false` follows the state alone: for paths on which one direction is not seen whole.",
        ),
    ],
};

pub(in crate::config) static ADDRESS_GROUP: Section = Section {
    header: "[[address_group]]",
    help: "Addresses that rules of security groups name together (`remote_address_group`).",
    keys: &[
        key("name", "string", "", "Unique name."),
        key(
            "addresses",
            "array of addresses and prefixes",
            "",
            "Its members, of both families.",
        ),
    ],
};

pub(in crate::config) static SECURITY_GROUP: Section = Section {
    header: "[[security_group]]",
    help: "What may pass to and from the machines of ports. Rules allow; what no rule of any group of a port allows does not pass. The group `default` exists in any case: where the file does not say otherwise, it lets out everything, and lets in what comes from its own members. A group that is in the file has the rules that are there, and no others: one without an `egress` rule lets nothing out.",
    keys: &[
        key("name", "string", "", "Unique name."),
        key(
            "stateful",
            "boolean",
            "true",
            "Answers to what a rule has let pass need no rule. `false`: every packet is asked for itself, and leaves no flow.",
        ),
        key("rule", "array of tables", "none", "Its rules."),
    ],
};

pub(in crate::config) static SECURITY_RULE: Section = Section {
    header: "[[security_group.rule]]",
    help: "One thing that is allowed. At most one of `remote_ip_prefix`, `remote_group` and `remote_address_group` says who is at the other end.",
    keys: &[
        key(
            "direction",
            "ingress, egress",
            "",
            "To the machine, or from it.",
        ),
        key("ethertype", "ipv6, ipv4", "", "The IP version."),
        key(
            "protocol",
            "\"any\", name, or integer 0 to 255",
            "\"any\"",
            "Upper-layer protocol, behind any extension headers: ah, dccp, egp, esp, gre, icmp, icmpv6, igmp, ipip, ipv6-encap, ipv6-frag, ipv6-icmp, ipv6-nonxt, ipv6-opts, ipv6-route, ospf, pgm, rsvp, sctp, tcp, udp, udplite, vrrp. `icmp` with IPv6 is `icmpv6`.",
        ),
        key(
            "port_range_min",
            "integer 1 to 65535; ICMP 0 to 255",
            "every port",
            "First destination port, of tcp, udp, udplite, sctp and dccp, together with the last; of ICMP the type.",
        ),
        key(
            "port_range_max",
            "integer 1 to 65535; ICMP 0 to 255",
            "every port",
            "Last destination port; of ICMP the code, which needs a type.",
        ),
        key(
            "remote_ip_prefix",
            "address or prefix",
            "anybody",
            "The other end, of the family of `ethertype`.",
        ),
        key(
            "remote_group",
            "security group name",
            "anybody",
            "The other end is a member: an address of a port that has this group: configured, or leased or learned in a prefix that an interface has on its link. Link-local ones are none.",
        ),
        key(
            "remote_address_group",
            "address group name",
            "anybody",
            "The other end is in this address group.",
        ),
    ],
};

pub(in crate::config) static TENANT_PORT: Section = Section {
    header: "[[port]]",
    help: "Where a machine of a tenant is plugged: a device, or a VLAN of one, that a segment of a network or an interface has. Nothing passes there that its guard and its security groups do not let pass. Places without a port are the operator's own: uplinks, trunks to switches.",
    keys: &[
        key("name", "string", "", "Unique name."),
        key("device", "device name", "", "The device."),
        key("vlan", "integer 1 to 4094", "untagged", "The VLAN."),
        key(
            "outer",
            "integer 1 to 4094",
            "none",
            "The service VLAN around it.",
        ),
        key(
            "mac_address",
            "MAC address",
            "any that nobody else on the link has",
            "The machine's MAC address. A port of a DHCP server (`[[router.interface.port]]`) with the same one on the link gives it its addresses.",
        ),
        key(
            "fixed_ips",
            "array of addresses",
            "none",
            "Its addresses. Nobody else on the link gets through with them.",
        ),
        key(
            "allowed_address_pairs",
            "array of tables",
            "none",
            "What else it may send from, such as the address of a virtual router, or a prefix behind it. At most 10.",
        ),
        key(
            "port_security_enabled",
            "boolean",
            "true",
            "`false`: neither guard nor groups, everything passes.",
        ),
        key(
            "security_groups",
            "array of security group names",
            "[\"default\"]",
            "Its groups. With `[]` only what must always work passes: neighbour discovery, MLD, its own DHCP, packet too big.",
        ),
        key(
            "guard",
            "enforce, observe",
            "\"enforce\"",
            "What becomes of frames that the machine may not send: they are dropped; or counted and told, and pass.",
        ),
        key(
            "trusted",
            "array of: ra, dhcpv6, dhcpv4, vrrp",
            "none",
            "What it may play: a router (advertisements, redirects), a DHCP server, another router of our virtual routers.",
        ),
        key(
            "address_learning",
            "fcfs, none",
            "\"fcfs\"",
            "How it comes to further addresses: who first uses one has it (RFC 6620); or only by `fixed_ips`, pairs and leases of this router.",
        ),
        key(
            "max_addresses",
            "integer 0 to 1024",
            "16",
            "Addresses of each family that it learns at most.",
        ),
        key(
            "max_flows",
            "integer 1 to `security.max_flows`",
            "an eighth of `security.max_flows`",
            "Flows that it may have at once.",
        ),
    ],
};

pub(in crate::config) static ADDRESS_PAIR: Section = Section {
    header: "allowed_address_pairs = [{ ... }]",
    help: "An address or a prefix that a port may send from.",
    keys: &[
        key(
            "ip_address",
            "address or prefix",
            "",
            "No multicast in it, so not `::/0`.",
        ),
        key(
            "mac_address",
            "MAC address",
            "the port's",
            "The MAC address that goes with it.",
        ),
    ],
};
