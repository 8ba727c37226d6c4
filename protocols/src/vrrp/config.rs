//! What a virtual router is: plain values, whose `Default` is what RFC 9568 section 6.1 says.

use std::net::IpAddr;
use std::time::Duration;

use tables::id::IfaceId;
use wire::MacAddr;

/// Shortest interval between advertisements that the field can say: a centisecond.
pub const MIN_INTERVAL: Duration = Duration::from_millis(10);
/// The longest: 12 bits of centiseconds.
pub const MAX_INTERVAL: Duration = Duration::from_millis(40_950);

/// A family of addresses; the virtual routers of each are their own (RFC 9568 section 1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv6.
    V6,
    /// IPv4.
    V4,
}

impl Family {
    /// The family of an address.
    pub const fn of(address: &IpAddr) -> Self {
        match address {
            IpAddr::V6(_) => Self::V6,
            IpAddr::V4(_) => Self::V4,
        }
    }
}

/// Names a virtual router in the whole process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId {
    /// The interface.
    pub iface: IfaceId,
    /// The family of its addresses.
    pub family: Family,
    /// Virtual router identifier, 1 to 255.
    pub vrid: u8,
}

/// The virtual router's MAC address (RFC 9568 section 7.3).
pub const fn virtual_mac(family: Family, vrid: u8) -> MacAddr {
    let block = match family {
        Family::V6 => 2,
        Family::V4 => 1,
    };
    MacAddr([0, 0, 0x5e, 0, block, vrid])
}

/// What is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// RFC 3768: IPv4 only, whole seconds.
    V2,
    /// RFC 9568.
    #[default]
    V3,
}

/// What the checksum of a version 3 advertisement covers over IPv4. RFC 5798 could be read in two ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// What the last advertisement of a peer did; until there is one, as RFC 9568 says.
    #[default]
    Auto,
    /// The message alone (RFC 9568 section 5.2.8).
    Message,
    /// The message with a pseudo-header.
    PseudoHeader,
}

/// A virtual router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What is spoken.
    pub version: Version,
    /// 1 to 254; 255 is the owner of the addresses.
    pub priority: u8,
    /// Advertisement_Interval: 10 ms to 40.95 s; in version 2 whole seconds.
    pub interval: Duration,
    /// Take over from an active router of lower priority.
    pub preempt: bool,
    /// How long such a router is left alone after it was heard first.
    pub preempt_delay: Duration,
    /// The virtual addresses, all of one family; of IPv6 the first is link-local (RFC 9568 section 5.2.9).
    pub addresses: Vec<IpAddr>,
    /// Where advertisements go instead of to the group. Then only these are listened to.
    pub peers: Vec<IpAddr>,
    /// The MAC that stands for the addresses: the virtual one, or the interface's own.
    pub mac: MacAddr,
    /// Coverage of checksums sent.
    pub checksum: Checksum,
}

impl Config {
    /// Defaults for a virtual router of these addresses.
    pub fn new(family: Family, vrid: u8, addresses: Vec<IpAddr>) -> Self {
        Self {
            version: Version::V3,
            priority: 100,
            interval: Duration::from_secs(1),
            preempt: true,
            preempt_delay: Duration::ZERO,
            addresses,
            peers: Vec::new(),
            mac: virtual_mac(family, vrid),
            checksum: Checksum::Auto,
        }
    }
}
