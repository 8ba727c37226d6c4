//! What an anchor may do: plain data of the snapshot.

use tables::id::LinkId;
use wire::addr::{v4, v6};

use crate::forwarding::{MacAddr, Rate};

/// What becomes of a frame that may not pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// It is dropped.
    #[default]
    Enforce,
    /// It is counted, and passes.
    Observe,
}

/// How addresses become an anchor's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Learning {
    /// By configuration and leases; besides, who first uses one has it (RFC 6620).
    #[default]
    Fcfs,
    /// By configuration and leases alone.
    None,
}

/// What an anchor's machine may play.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Roles {
    /// A router: its advertisements, redirects and queries for listeners.
    pub router: bool,
    /// A server of DHCPv6, or a relay agent.
    pub dhcp6_server: bool,
    /// A server of DHCPv4, or a relay agent.
    pub dhcp4_server: bool,
    /// Another router that stands for virtual routers of ours: their advertisements, and what it sends from their MACs.
    pub vrrp: bool,
}

/// Numbers of virtual routers (VRIDs, RFC 9568 section 5.2.3) of a link, by IP version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VirtualRouters([[u64; 4]; 2]);

impl VirtualRouters {
    /// Adds one.
    pub const fn insert(&mut self, is_ipv6: bool, vrid: u8) {
        self.0[is_ipv6 as usize][vrid as usize / 64] |= 1 << (vrid % 64);
    }

    /// Whether there is one.
    pub const fn has(&self, is_ipv6: bool, vrid: u8) -> bool {
        self.0[is_ipv6 as usize][vrid as usize / 64] >> (vrid % 64) & 1 == 1
    }

    /// Whether a MAC is that of one (RFC 9568 section 7.3).
    pub const fn has_mac(&self, mac: &MacAddr) -> bool {
        match *mac {
            [0x00, 0x00, 0x5e, 0x00, 0x01, vrid] => self.has(false, vrid),
            [0x00, 0x00, 0x5e, 0x00, 0x02, vrid] => self.has(true, vrid),
            _ => false,
        }
    }
}

/// Addresses that a machine may use besides its bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pair {
    /// The prefix, IPv4 as an IPv4-mapped one; bits after `len` are zero.
    pub prefix: u128,
    /// Leading bits that count, 0 to 128; of IPv4 96 more than its own.
    pub len: u8,
    /// With this MAC; `None`: with any that the anchor may have.
    pub mac: Option<MacAddr>,
}

impl Pair {
    /// Whether an address is in the prefix.
    #[inline]
    pub const fn has(&self, address: u128) -> bool {
        // ::/0 is every IPv6 address, and no IPv4 one.
        let is_v4 = self.len >= 96 && v6::is_v4_mapped(self.prefix);
        is_v4 == v6::is_v4_mapped(address) && (address ^ self.prefix) & v6::mask(self.len) == 0
    }
}

/// How much of what makes others work an anchor may send, per worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Solicitations and advertisements of neighbours.
    pub neighbor: Rate,
    /// Solicitations and advertisements of routers.
    pub router: Rate,
    /// MLD and IGMP.
    pub listener: Rate,
    /// ARP.
    pub arp: Rate,
    /// DHCP.
    pub dhcp: Rate,
    /// Claims to addresses that the control plane is told of.
    pub claims: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        let rate = |per_second, burst| Rate { per_second, burst };
        Self {
            neighbor: rate(200, 400),
            router: rate(10, 20),
            listener: rate(100, 200),
            arp: rate(200, 400),
            dhcp: rate(20, 40),
            claims: rate(50, 100),
        }
    }
}

/// What holds at an anchor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Guard {
    /// What becomes of frames that may not pass.
    pub mode: Mode,
    /// The link that the anchor is on.
    pub link: LinkId,
    /// The machine's MACs, its own first, and those of its pairs. Empty: any that nobody else on the link has.
    pub macs: Vec<MacAddr>,
    /// Addresses that it may use whatever is bound.
    pub pairs: Vec<Pair>,
    /// What it may play.
    pub roles: Roles,
    /// Virtual routers of ours on the link.
    pub virtual_routers: VirtualRouters,
    /// How it comes to addresses.
    pub learning: Learning,
    /// Prefixes of the link: what is learned is in one of them, or link-local (RFC 6620 section 3.2.1). Empty: it may be any.
    pub on_link: Vec<Pair>,
    /// Most IPv6 addresses, and most IPv4 addresses, that are learned. For the control plane.
    pub max_addresses: u16,
    /// Policers.
    pub rates: Rates,
}

impl Guard {
    /// Whether the machine may have this MAC, as far as is known here.
    #[inline]
    pub(super) fn has_mac(&self, mac: &MacAddr) -> bool {
        self.macs.is_empty() || self.macs.contains(mac)
    }

    /// Whether a VRRP advertisement that begins with these bytes is about a virtual router of ours, and not this machine's to send.
    /// `None`: it does not say which one it is about.
    pub(super) fn forges(&self, is_ipv6: bool, advertisement: &[u8]) -> Option<bool> {
        match advertisement.get(1) {
            _ if self.roles.vrrp => Some(false),
            Some(&vrid) => Some(self.virtual_routers.has(is_ipv6, vrid)),
            None => None,
        }
    }

    /// Whether a pair covers an address with this MAC.
    pub(super) fn has_pair(&self, mac: &MacAddr, address: u128) -> bool {
        let with = |pair: &Pair| pair.mac.is_none_or(|of| of == *mac);
        self.pairs
            .iter()
            .any(|pair| pair.has(address) && with(pair))
    }

    /// Whether an address may be learned here.
    pub(super) fn may_learn(&self, address: u128) -> bool {
        let v4_link_local = 0xffff_a9fe_u128;
        self.learning == Learning::Fcfs
            && (v6::is_link_local(address)
                || address >> 16 == v4_link_local
                || self.on_link.is_empty()
                || self.on_link.iter().any(|prefix| prefix.has(address)))
    }
}

/// Whether an address, IPv4 as an IPv4-mapped one, can be one machine's.
pub(super) fn is_unicast(address: u128) -> bool {
    if v6::is_v4_mapped(address) {
        let address = address as u32;
        !v4::is_unspecified(address) && !v4::is_martian_source(address)
    } else {
        !v6::is_unspecified(address) && !v6::is_martian_source(address)
    }
}
