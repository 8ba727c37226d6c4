//! The kernel's VXLAN on a host: a tunnel endpoint of another house, whose device is a NIC of the host in the network.

use std::net::IpAddr;

use crate::{Host, Result};

/// A VXLAN device.
#[derive(Clone, Copy, Debug)]
pub struct Vxlan<'a> {
    /// The device's name.
    pub dev: &'a str,
    /// VNI.
    pub vni: u32,
    /// The host's address on the underlay.
    pub local: IpAddr,
    /// The peer: all that is unknown or for a group goes there.
    pub remote: IpAddr,
    /// Compute outer UDP checksums; else send none, and over IPv6 take packets without one (RFC 6935).
    pub checksum: bool,
    /// The device's MTU, bytes; 0: as the kernel says.
    pub mtu: u32,
}

impl Vxlan<'_> {
    /// Makes it on a host, and sets it up.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn create(&self, host: &Host) -> Result<()> {
        let checksum = match (self.local.is_ipv6(), self.checksum) {
            (true, true) => "noudp6zerocsumtx noudp6zerocsumrx",
            (true, false) => "udp6zerocsumtx udp6zerocsumrx",
            (false, true) => "udpcsum",
            (false, false) => "noudpcsum",
        };
        let Self {
            dev,
            vni,
            local,
            remote,
            mtu,
            ..
        } = self;
        host.ok(&format!(
            "ip link add {dev} type vxlan id {vni} local {local} remote {remote} dstport 4789 {checksum}"
        ))?;
        if *mtu != 0 {
            host.ok(&format!("ip link set {dev} mtu {mtu}"))?;
        }
        host.ok(&format!("ip link set {dev} up")).map(drop)
    }
}
