//! Row 21: first-hop security, ND spoofing. The whole set, each by an attacker under its named counter, and legitimate traffic
//! unharmed: RA guard, DHCPv6 guard, ND inspection with a binding table, source guard, duplicate-address denial, neighbour-cache
//! exhaustion, and suites of odd packets.

#[path = "../security/launch.rs"]
mod launch;
#[path = "../security/net.rs"]
mod net;
#[path = "../security/run.rs"]
mod run;
#[path = "../security/table.rs"]
#[expect(dead_code, reason = "what an attack tries is for the document")]
mod table;

use lab::Result;

/// One attack of each kind; `lab/tests/security` runs them all.
const KINDS: [&str; 12] = [
    "fake_router26",
    "fake_router26 -E F",
    "fake_dhcps6",
    "parasite6",
    "fake_advertise6",
    "na6",
    "tcp6",
    "dos-new-ip6",
    "ndpexhaust26",
    "flood_solicitate6 -k",
    "fragmentation6",
    "implementation6",
];

#[test]
fn row_21_the_set_holds_and_the_victim_works_on() -> Result<()> {
    run::attacks("row21", |attack| KINDS.contains(&attack.name))
}
