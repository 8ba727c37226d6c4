//! Routes: what there are, why one is taken, and requests to change them.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::word::words;
use crate::{Mac, NudState};

words! {
    /// Who made a route.
    RouteSource {
        /// The prefix of an interface's address.
        Connected = "connected",
        /// An interface's own address.
        Local = "local",
        /// The configuration file.
        Static = "static",
        /// This API.
        Api = "api",
        /// The DHCPv6 server: a delegated prefix.
        Delegated = "delegated",
    }
}

words! {
    /// What a route does with packets.
    RouteKind {
        /// Sends them to a next hop.
        Forward = "forward",
        /// Delivers them to the router itself.
        Local = "local",
        /// Sends them to their destination, which is on the link.
        Connected = "connected",
        /// Drops them silently.
        Blackhole = "blackhole",
        /// Drops them and answers *unreachable*.
        Unreachable = "unreachable",
        /// Drops them and answers *administratively prohibited*.
        Prohibit = "prohibit",
        /// Looks them up further in another router's table; made by the configuration only.
        Router = "router",
    }
}

impl RouteKind {
    /// Whether a route of this kind has next hops.
    pub const fn takes_next_hops(self) -> bool {
        matches!(self, Self::Forward)
    }
}

/// A route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// The router (VRF) whose table holds it.
    pub router: String,
    /// Destinations it serves.
    pub prefix: IpNet,
    /// Who made it.
    pub source: RouteSource,
    /// Preference among routes for the same prefix: the smallest wins. Connected and local routes have 0.
    #[serde(default)]
    pub distance: u8,
    /// What it does.
    pub kind: RouteKind,
    /// Where it leads; several share the flows by weight (ECMP).
    pub next_hops: Vec<RouteNextHop>,
    /// The router in whose table packets are looked up further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_router: Option<String>,
    /// Whether the workers use it: false when another source's route for the same prefix is preferred, or when no
    /// next hop is reachable.
    pub installed: bool,
}

/// One next hop of a route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteNextHop {
    /// Outgoing interface; absent while a recursive next hop has no route.
    #[serde(default)]
    pub interface: Option<String>,
    /// Gateway; absent when the destination is on the link.
    #[serde(default)]
    pub via: Option<IpAddr>,
    /// Share of the flows, relative to the other next hops.
    pub weight: u16,
    /// Whether the gateway's link-layer address is known.
    pub resolved: bool,
}

/// Which routes to list: the query of `GET /v1/routes`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteQuery {
    /// Only this router's.
    pub router: Option<String>,
    /// Only this prefix and those within it.
    pub prefix: Option<IpNet>,
}

/// Which lookup to explain: the query of `GET /v1/routes/explain`.
#[derive(Clone, Debug, PartialEq)]
pub struct ExplainQuery {
    /// The router; may be absent when there is only one.
    pub router: Option<String>,
    /// The destination.
    pub address: IpAddr,
}

/// Why packets to an address go where they go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteExplain {
    /// The router asked.
    pub router: String,
    /// The destination asked for.
    pub address: IpAddr,
    /// The longest matching prefix; absent when no route matches.
    #[serde(default)]
    pub prefix: Option<IpNet>,
    /// Who made that route.
    #[serde(default)]
    pub source: Option<RouteSource>,
    /// What it does.
    #[serde(default)]
    pub kind: Option<RouteKind>,
    /// The lookups made, first to last: one, and one more for every recursive next hop.
    pub chain: Vec<ExplainStep>,
    /// Where packets leave; several for ECMP, none when they do not leave.
    pub exits: Vec<Exit>,
    /// The whole in a sentence.
    pub why: String,
    /// Other routes that match, most specific first, and why each was not taken.
    pub candidates: Vec<Candidate>,
}

/// One lookup on the way to the exit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExplainStep {
    /// What was looked up: the destination, then each recursive gateway.
    pub lookup: IpAddr,
    /// The prefix that matched.
    pub prefix: IpNet,
    /// Who made that route.
    pub source: RouteSource,
    /// What it does.
    pub kind: RouteKind,
    /// The gateways it names.
    pub via: Vec<IpAddr>,
}

/// Where packets leave the router.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exit {
    /// Outgoing interface.
    pub interface: String,
    /// Whose link-layer address is used: the gateway's, or the destination itself.
    pub neighbor: IpAddr,
    /// State of that neighbour; absent when it was never asked for.
    #[serde(default)]
    pub neighbor_state: Option<NudState>,
    /// Its link-layer address, when known.
    #[serde(default)]
    pub mac: Option<Mac>,
    /// Share of the flows, relative to the other exits.
    pub weight: u16,
}

/// A route that matches as well and was not taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its prefix.
    pub prefix: IpNet,
    /// Who made it.
    pub source: RouteSource,
    /// What it does.
    pub kind: RouteKind,
    /// Why not, in a few words: `shorter prefix`, `connected is preferred`.
    pub why_not: String,
}

/// Adds a route of source `api`, or replaces the one that this API made for the same prefix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddRoute {
    /// The router; may be absent when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router: Option<String>,
    /// Destinations to serve; host bits zero.
    pub prefix: IpNet,
    /// What it does: `forward` (the default), `blackhole`, `unreachable` or `prohibit`.
    #[serde(default = "forward")]
    pub kind: RouteKind,
    /// Where it leads; at least one for `forward`, else none.
    #[serde(default)]
    pub next_hops: Vec<NextHopSpec>,
}

fn forward() -> RouteKind {
    RouteKind::Forward
}

/// A next hop as asked for: a gateway, an interface, or both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextHopSpec {
    /// Gateway, of the prefix's family; without an interface it is looked up (recursive).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<IpAddr>,
    /// Outgoing interface; needed for a link-local gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Share of the flows, 1 (the default) to 256.
    #[serde(default = "one")]
    pub weight: u16,
}

fn one() -> u16 {
    1
}

/// Deletes a route that this API made: the query of `DELETE /v1/routes`, or an entry of a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DelRoute {
    /// The router; may be absent when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router: Option<String>,
    /// The route's prefix.
    pub prefix: IpNet,
}

/// Many changes at once: all are made, in order, or none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteBatch {
    /// The changes.
    pub changes: Vec<RouteChange>,
}

/// One change of a batch: `{"add": {...}}` or `{"delete": {...}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteChange {
    /// Add or replace.
    Add(AddRoute),
    /// Delete.
    Delete(DelRoute),
}

/// What a change of routes did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteChanges {
    /// Routes that were not there before.
    pub added: u64,
    /// Routes that took another's place.
    pub replaced: u64,
    /// Routes deleted.
    pub deleted: u64,
}
