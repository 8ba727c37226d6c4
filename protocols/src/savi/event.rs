//! What the machine is told, what it has done, and what people see of it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use tables::id::{AnchorId, LinkId};
use wire::MacAddr;

/// A point in time or a span, in milliseconds of the workers' clock.
pub type Millis = u64;

/// How long things take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// TENT_LT: so long it is waited for somebody who has the address, or for the owner who is asked: 500.
    pub tentative: Millis,
    /// DEFAULT_LT: an owner that was not heard for so long is asked whether it is there: 5 minutes.
    pub lifetime: Millis,
    /// An owner that was heard within this time is there: 10 seconds.
    pub alive: Millis,
    /// An address that was not used for so long makes room for another one of the same port: 1 minute.
    pub unused: Millis,
    /// How often an owner is asked before it is given up, when nobody else wants the address: 3. A second lies between.
    pub probes: u8,
    /// Most strangers whose addresses are known on a link: 1024.
    pub max_strangers: usize,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            tentative: 500,
            lifetime: 300_000,
            alive: 10_000,
            unused: 60_000,
            probes: 3,
            max_strangers: 1024,
        }
    }
}

/// A link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Every address of our own on it, in use or not, and its MAC.
    pub own: BTreeMap<IpAddr, MacAddr>,
    /// Whether machines without a port can be on it: it has an uplink, a tunnel or another place that is no anchor.
    pub has_strangers: bool,
}

/// A port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anchor {
    /// Its link.
    pub link: LinkId,
    /// The MACs its machine may have. Empty: any that nobody else on the link has.
    pub macs: Vec<MacAddr>,
    /// Its own addresses, and the MAC of each. Without a MAC it is only held for the port: that it may be used is its guard's to say.
    pub fixed: BTreeMap<IpAddr, Option<MacAddr>>,
    /// Addresses that it may have beside other ports.
    pub shared: BTreeMap<IpAddr, Option<MacAddr>>,
    /// Whether it learns addresses (FCFS).
    pub learns: bool,
    /// Most addresses of each family that it learns.
    pub max_addresses: u16,
}

/// Everything that is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// Links with ports.
    pub links: BTreeMap<LinkId, Link>,
    /// Ports.
    pub anchors: BTreeMap<AnchorId, Anchor>,
}

/// A prefix that is delegated, of 17 to 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// The prefix.
    pub prefix: Ipv6Addr,
    /// Its length in bits.
    pub len: u8,
}

/// What happens to the room.
#[derive(Clone, Debug)]
pub enum Event {
    /// What holds from now on.
    Configure(Configuration),
    /// A machine has said something of an address that is not bound to it (or, of a stranger, not known).
    Heard {
        /// On which link.
        link: LinkId,
        /// At which port. `None`: at a place that is none.
        anchor: Option<AnchorId>,
        /// The machine.
        mac: MacAddr,
        /// The address.
        address: IpAddr,
        /// Whether it only looks whether anybody has it.
        probes: bool,
    },
    /// A server of this router has leased an address, or a lease was renewed.
    Leased {
        /// On which link the client is.
        link: LinkId,
        /// The address.
        address: IpAddr,
        /// The client.
        mac: MacAddr,
        /// Until when. `None`: for ever.
        until: Option<Millis>,
    },
    /// A lease has ended before its time.
    Released {
        /// On which link.
        link: LinkId,
        /// The address.
        address: IpAddr,
    },
    /// A machine has told a server of this router that it has formed an address (RFC 9686), or has told it again.
    Registered {
        /// On which link the machine is.
        link: LinkId,
        /// The address.
        address: IpAddr,
        /// The machine.
        mac: MacAddr,
        /// Until when it has it. `None`: for ever.
        until: Option<Millis>,
    },
    /// Another router that guards the same machines has found that an address is a port's. Nobody is asked whether that is so.
    Known {
        /// On which link the port is.
        link: LinkId,
        /// The port.
        anchor: AnchorId,
        /// The address.
        address: IpAddr,
        /// The machine.
        mac: MacAddr,
        /// Until when it has it, even if it is not heard here.
        until: Millis,
    },
    /// It does not have it any more, or did not say so again in time.
    Unregistered {
        /// On which link.
        link: LinkId,
        /// The address.
        address: IpAddr,
    },
    /// A server of this router has delegated a prefix, or the delegation was renewed.
    Delegated {
        /// On which link the client is.
        link: LinkId,
        /// The prefix.
        prefix: Prefix,
        /// The client.
        mac: MacAddr,
        /// Until when. `None`: for ever.
        until: Option<Millis>,
    },
    /// A prefix is not delegated any more.
    Undelegated {
        /// On which link.
        link: LinkId,
        /// The prefix.
        prefix: Prefix,
    },
    /// A table had no room for the address that was to be bound or held last.
    Refused {
        /// On which link.
        link: LinkId,
        /// The address.
        address: IpAddr,
    },
}

/// What the router shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A port may send from an address with this MAC.
    Bind {
        /// The port.
        anchor: AnchorId,
        /// The address.
        address: IpAddr,
        /// The MAC.
        mac: MacAddr,
    },
    /// It may not any more.
    Unbind {
        /// The port.
        anchor: AnchorId,
        /// The address.
        address: IpAddr,
    },
    /// Say on a link whose an address is.
    Hold {
        /// The link.
        link: LinkId,
        /// The address.
        address: IpAddr,
        /// The port that has it. `None`: our own, a stranger's, or shared.
        anchor: Option<AnchorId>,
        /// Whether it is still looked whether anybody else has it.
        is_tentative: bool,
    },
    /// It is nobody's.
    Release {
        /// The link.
        link: LinkId,
        /// The address.
        address: IpAddr,
    },
    /// Say on a link whose a MAC is.
    HoldMac {
        /// The link.
        link: LinkId,
        /// The MAC.
        mac: MacAddr,
        /// The port that has it. `None`: no port, or more than one.
        anchor: Option<AnchorId>,
    },
    /// It is nobody's.
    ReleaseMac {
        /// The link.
        link: LinkId,
        /// The MAC.
        mac: MacAddr,
    },
    /// A port may send from a prefix with this MAC.
    Delegate {
        /// The port.
        anchor: AnchorId,
        /// The prefix.
        prefix: Prefix,
        /// The MAC.
        mac: MacAddr,
    },
    /// It may not any more.
    Undelegate {
        /// The port.
        anchor: AnchorId,
        /// The prefix.
        prefix: Prefix,
    },
    /// Say whether a port has learned as many addresses of a family as it may.
    Full {
        /// The port.
        anchor: AnchorId,
        /// Of IPv4, not IPv6.
        is_ipv4: bool,
        /// Whether it has.
        is_full: bool,
    },
    /// Ask a port's machine whether it is there: it answers, and its binding is confirmed.
    Probe {
        /// The port.
        anchor: AnchorId,
        /// The address.
        address: IpAddr,
        /// Its MAC.
        mac: MacAddr,
    },
    /// Ask the strangers of a link whether one of them has an address.
    Ask {
        /// The link.
        link: LinkId,
        /// The address.
        address: IpAddr,
    },
    /// Tell a machine that has looked whether an address is free that it is not.
    Defend {
        /// The port.
        anchor: AnchorId,
        /// The machine.
        to: MacAddr,
        /// The address.
        address: IpAddr,
        /// Who has it.
        owner: MacAddr,
    },
}

/// When a binding was last used, for [`Machine::on_timer`](super::Machine::on_timer).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Used {
    /// At a port.
    At(AnchorId, IpAddr),
    /// By a stranger of a link.
    On(LinkId, IpAddr),
}

/// How an address came to its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// It is our own.
    Own,
    /// By configuration.
    Fixed,
    /// By configuration, of several ports.
    Shared,
    /// By a lease.
    Leased,
    /// Its holder was first to use it, or to register it.
    Learned,
    /// It is that of a machine without a port.
    Stranger,
}

/// Where an address is in its life; see the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It is looked whether anybody has it.
    Tentative,
    /// It is its holder's.
    Valid,
    /// Its holder is asked whether it is there, since it was silent for long.
    TestingLife,
    /// Its holder is asked whether it is there, since a stranger has it too.
    TestingStranger,
    /// Its holder is asked whether it is there, since another port claims it.
    TestingRival,
}

/// An address as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its link.
    pub link: LinkId,
    /// The port that has it, if one has.
    pub anchor: Option<AnchorId>,
    /// It.
    pub address: IpAddr,
    /// The machine.
    pub mac: MacAddr,
    /// How it came to it.
    pub origin: Origin,
    /// Where it is in its life.
    pub state: State,
    /// How long ago it was used, milliseconds; `None`: that is not asked of it.
    pub age: Option<Millis>,
    /// How long it has left if nothing is heard of it, milliseconds. `None`: it does not end.
    pub left: Option<Millis>,
}
