//! Static routes.

use std::net::IpAddr;

use ipnet::IpNet;
use tables::id::{IfaceId, VrfId};

/// A static route. What identifies it is its prefix and distance.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// Destinations.
    pub prefix: IpNet,
    /// Preference: the smallest wins.
    pub distance: u8,
    /// Where it leads.
    pub target: RouteTarget,
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RouteTarget {
    /// To one or several next hops. Never empty.
    Via(Vec<Hop>),
    /// Dropped silently.
    Blackhole,
    /// Answered with no route.
    Unreachable,
    /// Answered with administratively prohibited.
    Prohibit,
    /// To where another router's table says.
    Router(VrfId),
}

impl RouteTarget {
    /// The next hops, none for a route that drops.
    pub fn hops(&self) -> &[Hop] {
        match self {
            RouteTarget::Via(hops) => hops,
            RouteTarget::Blackhole
            | RouteTarget::Unreachable
            | RouteTarget::Prohibit
            | RouteTarget::Router(_) => &[],
        }
    }
}

/// One next hop of a route. At least one of `gateway` and `interface` is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hop {
    /// Gateway; without one, destinations are on the interface's link.
    pub gateway: Option<IpAddr>,
    /// Outgoing interface; without one, the gateway is resolved recursively.
    pub interface: Option<IfaceId>,
    /// Share of the flows, 1 to 256.
    pub weight: u16,
}
