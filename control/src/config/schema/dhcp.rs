//! Subnets, ports and DHCP.

use super::{Section, key};

pub(in crate::config) static SUBNET: Section = Section {
    header: "[[router.interface.subnet]]",
    help: "How hosts get addresses of one prefix of the interface, in the words of Neutron. `ra_mode` says what our router advertisements tell them, and switches advertisements on; `address_mode` says how they get addresses, and switches our DHCPv6 server on. If both are set, they must be the same; with one of them unset, that part is another router's or server's. Both unset: nothing is advertised, nothing is given. A subnet with an IPv4 prefix switches our DHCPv4 server on, unless `enable_dhcp` is false; the keys of advertisements and lifetimes are for IPv6, `gateway`, `routes` and `lease_time` for IPv4.",
    keys: &[
        key(
            "prefix",
            "prefix",
            "",
            "The prefix of one of the interface's addresses. `slaac` and `dhcpv6-stateless` need a /64, `dhcpv6-stateful` at most /126; IPv4 at most /30.",
        ),
        key(
            "ra_mode",
            "slaac, dhcpv6-stateless, dhcpv6-stateful",
            "unset",
            "What advertisements say: hosts form addresses (A), and get other settings by DHCPv6 (A, O), or get addresses by DHCPv6 (M).",
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
            "IPv4: whether our server answers. IPv6: with `false` neither mode may be set.",
        ),
        key(
            "advertise",
            "boolean",
            "true",
            "Whether the prefix itself is in the advertisements that `ra_mode` has sent.",
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
            "lifetime, s",
            "advertised 604800, leased 43200",
            "How long addresses are preferred; at most `valid_lifetime`.",
        ),
        key(
            "valid_lifetime",
            "lifetime, s",
            "advertised 2592000, leased 86400",
            "How long addresses are valid.",
        ),
        key(
            "dns_servers",
            "array of addresses",
            "none; IPv4: those of `dhcp4`",
            "Recursive DNS servers, told by DHCP and, with `ra_mode`, in advertisements.",
        ),
        key(
            "domain_search",
            "array of strings",
            "none",
            "Domain search list, told in the same ways.",
        ),
        key(
            "pools",
            "array of tables",
            "the whole prefix",
            "What `dhcpv6-stateful` or DHCPv4 gives; never our own addresses, a port's, the gateway's, or the first of the prefix.",
        ),
        key(
            "exclude",
            "array of tables",
            "none",
            "What it does not give.",
        ),
        key(
            "allocation",
            "deterministic, random",
            "\"deterministic\"",
            "How an address is chosen for a new client: by a hash of its identity, or by chance.",
        ),
        key(
            "t1",
            "duration, s",
            "0.5 × preferred lifetime",
            "When clients renew (RFC 8415 section 21.4).",
        ),
        key(
            "t2",
            "duration, s",
            "0.8 × preferred lifetime",
            "When clients turn to any server; at least `t1`.",
        ),
        key(
            "gateway",
            "IPv4 address, or \"none\"",
            "our address",
            "IPv4: the hosts' default router.",
        ),
        key(
            "routes",
            "array of tables",
            "none",
            "IPv4: further routes for hosts (RFC 3442), told together with the default one.",
        ),
        key(
            "lease_time",
            "duration, s, or \"infinite\"",
            "86400",
            "IPv4: how long leases last. `t1` is half of it by default, `t2` 0.875.",
        ),
    ],
};

pub(in crate::config) static RANGE: Section = Section {
    header: "pools, exclude = [{ ... }]",
    help: "A range of addresses, both ends included.",
    keys: &[
        key("start", "address", "", "The first."),
        key("end", "address", "`start`", "The last."),
    ],
};

pub(in crate::config) static PORT: Section = Section {
    header: "[[router.interface.port]]",
    help: "A station of the link that gets addresses or options of its own, as Neutron knows a port. It is told by its MAC address, its DUID, or its DHCPv4 client identifier.",
    keys: &[
        key("name", "string", "", "Name, unique on the interface."),
        key(
            "mac",
            "MAC address",
            "none",
            "Its MAC address. A port needs this, `duid` or `client_id`.",
        ),
        key(
            "duid",
            "string of hex digits, 1 to 128 bytes behind the type",
            "none",
            "Its DHCPv6 identity, such as \"00:03:00:01:02:00:00:00:00:01\".",
        ),
        key(
            "client_id",
            "string of hex digits, 2 to 255 bytes",
            "none",
            "Its DHCPv4 client identifier with its type (RFC 2132 section 9.14). One that holds `duid` (RFC 4361) needs no mention.",
        ),
        key(
            "addresses",
            "array of addresses",
            "none",
            "Its addresses, on subnets of the interface and inside or outside of their pools. Nobody else gets them. On a subnet whose hosts form their addresses (`address_mode` slaac or dhcpv6-stateless) the port, known by its `mac`, alone is told by advertisements to ask DHCPv6, and gets its address there beside those that it forms.",
        ),
        key(
            "options",
            "array of tables",
            "none",
            "DHCP options for it alone.",
        ),
    ],
};

pub(in crate::config) static OPTION: Section = Section {
    header: "options = [{ ... }]",
    help: "A DHCP option by its number. Exactly one of `hex`, `text`, `addresses` and `domains` is its data.",
    keys: &[
        key("code", "integer 1 to 65535", "", "Option code."),
        key(
            "ip_version",
            "integer 4 or 6",
            "6",
            "Of DHCPv4 (codes to 254) or of DHCPv6.",
        ),
        key("hex", "string of hex digits", "none", "The bytes."),
        key("text", "string", "none", "The text, without an end mark."),
        key(
            "addresses",
            "array of addresses",
            "none",
            "Addresses of that IP version, one behind the other.",
        ),
        key(
            "domains",
            "array of strings",
            "none",
            "Domain names in the encoding of DNS (RFC 1035 section 3.1), uncompressed.",
        ),
        key(
            "always",
            "boolean",
            "false",
            "Send it also to a client that does not ask for it.",
        ),
    ],
};

pub(in crate::config) static DHCP6: Section = Section {
    header: "[router.interface.dhcp6]",
    help: "The DHCPv6 server (RFC 8415, RFC 9915) on the interface's link. A subnet with `address_mode` switches it on, and so does this table, for what needs no subnet: settings alone, delegated prefixes, relay agents.",
    keys: &[
        key(
            "preference",
            "integer 0 to 255",
            "0",
            "Preference among servers; with 255 clients wait for no other (RFC 8415 section 21.8).",
        ),
        key(
            "rapid_commit",
            "boolean",
            "false",
            "Answer a Solicit that asks for it with a Reply. Of several servers on a link, one only.",
        ),
        key(
            "reconfigure",
            "boolean",
            "false",
            "Give clients that accept Reconfigure messages a key for them (RFC 8415 section 20.4).",
        ),
        key(
            "respond_after",
            "duration up to 655 s",
            "0",
            "Leave a Solicit to others until the client has tried for so long: for a second server.",
        ),
        key(
            "quarantine",
            "duration, s",
            "86400",
            "How long an address that a client found in use is given to nobody.",
        ),
        key(
            "address_registration",
            "boolean",
            "true",
            "Take registrations of addresses that hosts have formed in the subnets with DHCPv6, stateless or stateful, and tell hosts that ask (RFC 9686).",
        ),
        key(
            "relays",
            "array of IPv6 prefixes, or \"any\"",
            "none",
            "Relay agents whose messages are taken when they come in by this interface. With \"any\", a host can claim to be on any link we serve.",
        ),
        key(
            "link_addresses",
            "array of IPv6 prefixes",
            "none",
            "Link-addresses of relay agents that stand for this link, besides those in its subnets.",
        ),
        key(
            "dns_servers",
            "array of IPv6 addresses",
            "none",
            "Recursive DNS servers, after those of the subnets (RFC 3646).",
        ),
        key(
            "domain_search",
            "array of strings",
            "none",
            "Domain search list, after that of the subnets.",
        ),
        key(
            "ntp_servers",
            "array of IPv6 addresses and names",
            "none",
            "Time servers (RFC 5908).",
        ),
        key(
            "boot_file",
            "URL",
            "none",
            "Boot file (RFC 5970 section 3.1).",
        ),
        key(
            "boot_parameters",
            "array of strings",
            "none",
            "Parameters for it (RFC 5970 section 3.2).",
        ),
        key(
            "domain",
            "string",
            "none",
            "Domain that completes a client's partial name (RFC 4704). No DNS is updated.",
        ),
        key(
            "information_refresh_time",
            "duration from 600 s",
            "not sent",
            "When clients without leases ask again (RFC 8415 section 21.23).",
        ),
        key(
            "sol_max_rt",
            "duration 60 to 86400 s",
            "not sent",
            "Longest pause between a client's Solicits (RFC 8415 section 21.24).",
        ),
        key(
            "inf_max_rt",
            "duration 60 to 86400 s",
            "not sent",
            "The same of its Information-requests (RFC 8415 section 21.25).",
        ),
        key(
            "vendor",
            "array of tables",
            "none",
            "Vendor-specific information.",
        ),
        key("options", "array of tables", "none", "Further options."),
        key(
            "prefix_pool",
            "array of tables",
            "none",
            "Prefixes to delegate, in order of preference.",
        ),
    ],
};

pub(in crate::config) static VENDOR: Section = Section {
    header: "[[router.interface.dhcp6.vendor]]",
    help: "Vendor-specific information (RFC 8415 section 21.17).",
    keys: &[
        key(
            "enterprise",
            "integer",
            "",
            "The vendor's enterprise number.",
        ),
        key(
            "options",
            "array of tables",
            "",
            "Its options, by the vendor's own codes.",
        ),
    ],
};

pub(in crate::config) static PREFIX_POOL: Section = Section {
    header: "[[router.interface.dhcp6.prefix_pool]]",
    help: "Prefixes to delegate (IA_PD). The route to each is installed for the life of its lease, also through a relay agent (RFC 8987).",
    keys: &[
        key("prefix", "IPv6 prefix", "", "What is cut up."),
        key(
            "length",
            "integer to 128",
            "",
            "Length of a delegated prefix when the client wishes none.",
        ),
        key(
            "min_length",
            "integer to `length`",
            "`length`",
            "Shortest (largest) prefix that a client may wish for.",
        ),
        key(
            "max_length",
            "integer from `length` to 128",
            "`length`",
            "Longest (smallest) prefix that a client may wish for.",
        ),
        key(
            "exclude",
            "array of IPv6 prefixes",
            "none",
            "What of it is never delegated.",
        ),
        key(
            "excluded_length",
            "integer",
            "none",
            "Leave a prefix of this length out of each delegated one, for the link to the client (RFC 6603).",
        ),
        key(
            "excluded_subnet_id",
            "integer",
            "0",
            "Its number among the prefixes of that length.",
        ),
        key(
            "allocation",
            "deterministic, random",
            "\"deterministic\"",
            "How a prefix is chosen for a new client.",
        ),
        key(
            "preferred_lifetime",
            "lifetime, s",
            "43200",
            "How long prefixes are preferred.",
        ),
        key(
            "valid_lifetime",
            "lifetime, s",
            "86400",
            "How long they are valid.",
        ),
        key(
            "t1",
            "duration, s",
            "0.5 × preferred lifetime",
            "When clients renew.",
        ),
        key(
            "t2",
            "duration, s",
            "0.8 × preferred lifetime",
            "When they turn to any server.",
        ),
    ],
};

pub(in crate::config) static REMOTE_LINK: Section = Section {
    header: "[[router.remote_link]]",
    help: "A link that is not ours and that relay agents speak for: our DHCP servers serve it. Its `subnet`, `port`, `dhcp6` and `dhcp4` tables are those of an interface, without what concerns advertisements; which relay agents are taken says `relays` of the interface that they come in by.",
    keys: &[
        key(
            "name",
            "string",
            "",
            "Name, unique among interfaces and remote links.",
        ),
        key(
            "subnet",
            "array of tables",
            "none",
            "Its prefixes: of IPv6 with `address_mode` alone, of IPv4 with a `gateway`.",
        ),
        key(
            "port",
            "array of tables",
            "none",
            "Stations with addresses or options of their own.",
        ),
        key(
            "dhcp6",
            "table",
            "all defaults",
            "Settings, delegated prefixes, and `link_addresses` that stand for the link.",
        ),
        key(
            "dhcp4",
            "table",
            "all defaults",
            "Settings of IPv4, and `link_addresses` that stand for the link.",
        ),
    ],
};
