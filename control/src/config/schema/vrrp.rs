//! Virtual routers.

use super::{Section, key};

pub(in crate::config) static VRRP: Section = Section {
    header: "[[router.interface.vrrp]]",
    help: "A virtual router that this interface shares with others (RFC 9568): one of them is active and has its addresses. While ours is backup, it is silent, and so are the interface's router advertisements and DHCP servers of that IP version.",
    keys: &[
        key(
            "vrid",
            "integer 1 to 255",
            "",
            "Virtual router identifier: the same on all its routers, another for each virtual router of a link and IP version.",
        ),
        key(
            "addresses",
            "array of addresses",
            "",
            "Virtual addresses, all IPv6 or all IPv4, on subnets of the interface and not among its own `addresses`. The first IPv6 one is link-local; if none is given it is made of the virtual MAC.",
        ),
        key(
            "priority",
            "integer 1 to 255",
            "100",
            "Who has the highest is active. 255: the addresses are this router's own.",
        ),
        key(
            "advertisement_interval",
            "duration 10 ms to 40.95 s",
            "\"1s\"",
            "Time between advertisements, in steps of 10 ms; version 2: of a second. Others take over after a little more than three of them.",
        ),
        key(
            "preempt",
            "boolean",
            "true",
            "Take over from a router of lower priority.",
        ),
        key(
            "preempt_delay",
            "duration up to 1 h",
            "0",
            "How long such a router is left alone first.",
        ),
        key(
            "accept",
            "boolean",
            "false",
            "Answer echo requests and accept packets to the virtual addresses (Accept_Mode). Neighbour discovery, ARP and DHCP are always answered.",
        ),
        key(
            "version",
            "2 or 3",
            "3",
            "2: RFC 3768, for IPv4 peers that know no other.",
        ),
        key(
            "peers",
            "array of addresses",
            "advertise to the group",
            "Advertise by unicast to these routers, and listen to them alone.",
        ),
        key(
            "checksum",
            "auto, message, pseudo-header",
            "\"auto\"",
            "What IPv4 checksums of version 3 cover: the message as RFC 9568 says, or a pseudo-header too as some routers have it. `auto` does as the peer heard last.",
        ),
        key(
            "virtual_mac",
            "boolean",
            "true",
            "Have the virtual MAC address 00:00:5e:00:02:VRID (IPv4: 01). `false`: the interface's own; hosts are told at each change.",
        ),
        key(
            "track",
            "array of tables",
            "none",
            "What is watched: while it is down the priority is lower.",
        ),
    ],
};

pub(in crate::config) static VRRP_TRACK: Section = Section {
    header: "[[router.interface.vrrp.track]]",
    help: "Something without which this router is a worse one. Exactly one of `interface`, `route` and `bfd`.",
    keys: &[
        key(
            "interface",
            "interface name",
            "none",
            "An interface of the same router: its link.",
        ),
        key(
            "route",
            "prefix",
            "none",
            "A prefix that the router has a route for, such as \"::/0\".",
        ),
        key(
            "bfd",
            "address",
            "none",
            "A neighbour with which an interface of the same router has a BFD session: down unless the session is up, or switched off at either end.",
        ),
        key(
            "decrement",
            "integer 1 to 254",
            "leave the virtual router to others",
            "Taken off the priority while it is down.",
        ),
    ],
};
