//! Router advertisements: what we say, when, and what others say.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use serde::{Deserialize, Serialize};

use crate::Mac;
use crate::word::words;

words! {
    /// Default router or route preference (RFC 4191, section 2.1).
    RouterPreference {
        /// Only if there is no other.
        Low = "low",
        /// The default.
        Medium = "medium",
        /// Before all others.
        High = "high",
    }
}

/// Router advertisement on one interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RaState {
    /// The interface.
    pub interface: String,
    /// Its router.
    pub router: String,
    /// Whether the interface advertises now (AdvSendAdvertisements).
    pub advertising: bool,
    /// What is advertised.
    pub config: RaConfig,
    /// Milliseconds until the next unsolicited advertisement; absent when none is due.
    #[serde(default)]
    pub next_due_ms: Option<u64>,
    /// Messages counted.
    pub counters: RaCounters,
    /// The last advertisement of every other router heard on the link.
    pub foreign: Vec<ForeignRa>,
}

/// The content of our advertisements (RFC 4861, section 4.2, and its options); lifetimes as they would be sent now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RaConfig {
    /// Least time between unsolicited advertisements (MinRtrAdvInterval), milliseconds.
    pub min_interval_ms: u64,
    /// Most time between unsolicited advertisements (MaxRtrAdvInterval), milliseconds.
    pub max_interval_ms: u64,
    /// Hop limit for hosts to use; 0: unspecified.
    pub cur_hop_limit: u8,
    /// M flag: addresses by DHCPv6.
    pub managed: bool,
    /// O flag: other configuration by DHCPv6.
    pub other_config: bool,
    /// Preference as default router.
    pub preference: RouterPreference,
    /// Lifetime as default router, seconds; 0: not a default router.
    pub router_lifetime_seconds: u16,
    /// How long hosts hold a neighbour reachable, milliseconds; 0: unspecified.
    pub reachable_time_ms: u32,
    /// Time between a host's solicitations, milliseconds; 0: unspecified.
    pub retrans_timer_ms: u32,
    /// Source link-layer address option.
    #[serde(default)]
    pub source_link_layer_address: Option<Mac>,
    /// MTU option, bytes.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// Prefix information options.
    pub prefixes: Vec<RaPrefix>,
    /// Route information options (RFC 4191).
    pub routes: Vec<RaRoute>,
    /// Recursive DNS server options (RFC 8106).
    pub rdnss: Vec<RaRdnss>,
    /// DNS search list options (RFC 8106).
    pub dnssl: Vec<RaDnssl>,
    /// PREF64 options (RFC 8781).
    pub pref64: Vec<RaPref64>,
    /// Captive portal's URI (RFC 8910).
    #[serde(default)]
    pub captive_portal: Option<String>,
}

/// A prefix information option (RFC 4861, section 4.6.2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RaPrefix {
    /// The prefix.
    pub prefix: Ipv6Net,
    /// L flag: the prefix is on the link.
    pub on_link: bool,
    /// A flag: hosts make addresses from it (SLAAC).
    pub autonomous: bool,
    /// P flag: hosts that can had better ask for a prefix of their own (RFC 9762).
    #[serde(default)]
    pub prefer_delegation: bool,
    /// Valid lifetime, seconds; 4294967295 is infinity.
    pub valid_lifetime_seconds: u32,
    /// Preferred lifetime, seconds; 4294967295 is infinity.
    pub preferred_lifetime_seconds: u32,
}

/// A route information option (RFC 4191, section 2.3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RaRoute {
    /// Destinations reached through us.
    pub prefix: Ipv6Net,
    /// Preference among routers.
    pub preference: RouterPreference,
    /// Lifetime, seconds.
    pub lifetime_seconds: u32,
}

/// A recursive DNS server option (RFC 8106, section 5.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RaRdnss {
    /// Servers.
    pub servers: Vec<Ipv6Addr>,
    /// Lifetime, seconds.
    pub lifetime_seconds: u32,
}

/// A DNS search list option (RFC 8106, section 5.2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RaDnssl {
    /// Domains to search.
    pub domains: Vec<String>,
    /// Lifetime, seconds.
    pub lifetime_seconds: u32,
}

/// A PREF64 option (RFC 8781).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RaPref64 {
    /// The NAT64 prefix.
    pub prefix: Ipv6Net,
    /// Lifetime, seconds.
    pub lifetime_seconds: u16,
}

/// Messages counted on an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaCounters {
    /// Advertisements sent because the timer said so.
    pub ra_sent_unsolicited: u64,
    /// Advertisements sent because a host asked, to one host or to all.
    pub ra_sent_solicited: u64,
    /// Solicitations received.
    pub rs_received: u64,
    /// Solicitations that failed validation (RFC 4861, section 6.1.1).
    pub rs_invalid: u64,
    /// Advertisements of other routers received.
    pub ra_received: u64,
    /// Those that failed validation (RFC 4861, section 6.1.2).
    pub ra_invalid: u64,
    /// Those that contradict ours (RFC 4861, section 6.2.7).
    pub ra_inconsistent: u64,
}

/// The last advertisement heard from another router.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForeignRa {
    /// The other router's link-local address.
    pub source: Ipv6Addr,
    /// Milliseconds since it was heard.
    pub age_ms: u64,
    /// Its lifetime as default router, seconds.
    pub router_lifetime_seconds: u16,
    /// What contradicts ours, a sentence each (RFC 4861, section 6.2.7).
    pub inconsistencies: Vec<String>,
}
