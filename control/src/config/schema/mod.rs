//! Every key of the file in one table: what the parser accepts and what `docs/configuration.md` says are the same.

mod bfd;
mod delegated;
mod device;
mod dhcp;
mod dhcp4;
mod dhcp6_client;
mod network;
mod pair;
mod process;
mod ra;
mod relay;
mod router;
mod security;
mod vrrp;

pub(super) use bfd::BFD;
pub(super) use delegated::DELEGATED;
pub(super) use device::{
    AF_PACKET, AF_XDP, DEVICE, MEMIF, NULL, PCAP, PCI, RING, TAP, VHOST_USER, VIRTIO_USER,
};
pub(super) use dhcp::{DHCP6, OPTION, PORT, PREFIX_POOL, RANGE, REMOTE_LINK, SUBNET, VENDOR};
pub(super) use dhcp4::{DHCP4, HOST_ROUTE};
pub(super) use dhcp6_client::{DHCP6_CLIENT, PREFIX_HINT};
pub(super) use network::{FLAT, GRE, NETWORK, OVERLAY, QINQ, SEGMENT, STATION, VLAN, VTEP};
pub(super) use pair::PAIR;
pub(super) use process::{FORWARDING, ROOT, SYSTEM};
pub(super) use ra::{RA, RA_DNSSL, RA_PREF64, RA_PREFIX, RA_RDNSS, RA_ROUTE};
pub(super) use relay::{DHCP4_RELAY, DHCP6_RELAY};
pub(super) use router::{INTERFACE, ND, NEIGHBOR, NEXT_HOP, ROUTE, ROUTER};
pub(super) use security::{
    ADDRESS_GROUP, ADDRESS_PAIR, SECURITY, SECURITY_GROUP, SECURITY_RULE, TENANT_PORT,
};
pub(super) use vrrp::{VRRP, VRRP_TRACK};

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
    &PAIR,
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
    &VTEP,
    &NETWORK,
    &SEGMENT,
    &FLAT,
    &VLAN,
    &QINQ,
    &OVERLAY,
    &STATION,
    &ROUTER,
    &INTERFACE,
    &GRE,
    &NEIGHBOR,
    &ND,
    &RA,
    &RA_PREFIX,
    &RA_RDNSS,
    &RA_DNSSL,
    &RA_ROUTE,
    &RA_PREF64,
    &SUBNET,
    &RANGE,
    &DELEGATED,
    &HOST_ROUTE,
    &PORT,
    &OPTION,
    &DHCP4,
    &DHCP6,
    &VENDOR,
    &PREFIX_POOL,
    &DHCP6_RELAY,
    &DHCP4_RELAY,
    &DHCP6_CLIENT,
    &PREFIX_HINT,
    &VRRP,
    &VRRP_TRACK,
    &BFD,
    &REMOTE_LINK,
    &ROUTE,
    &NEXT_HOP,
    &SECURITY,
    &ADDRESS_GROUP,
    &SECURITY_GROUP,
    &SECURITY_RULE,
    &TENANT_PORT,
    &ADDRESS_PAIR,
];
