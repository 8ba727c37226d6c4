//! The wiring of these tests: a host, the router, and two next hops that both lead to one destination.
//!
//! ```text
//!                                  ┌── left ── eth0:frr       2001:db8:2::/64, 198.51.100.0/24
//!   host:eth0 ──── va [r] vb ──────┘
//!                         vc ─────── right ── eth0:bird       link-local, 203.0.113.0/24
//!   2001:db8:1::/64, 192.0.2.0/24; the router is ::1 and .1 everywhere, its neighbours are ::2 and .2
//!   2001:db8:9::9 and 10.9.0.9 are at both next hops; routes prefer the left one
//! ```

use std::time::Duration;

use lab::{Host, Lab, Result, Router, wait_for};
use serde_json::Value;

/// Where the host wants to.
pub const TARGETS: [&str; 2] = ["2001:db8:9::9", "10.9.0.9"];
/// FRR's addresses.
pub const LEFT: [&str; 2] = ["2001:db8:2::2", "198.51.100.2"];
/// BIRD's addresses.
pub const RIGHT: [&str; 2] = ["fe80::2", "203.0.113.2"];

/// See the module.
pub struct Net {
    pub host: Host,
    pub frr: Host,
    pub bird: Host,
    /// The link to FRR: its port p1 is the router's, p2 is FRR's.
    pub left: Host,
    pub r: Router,
}

impl Net {
    /// Wires everything; nothing runs.
    pub fn wire(lab: &Lab) -> Result<Self> {
        let (host, frr, bird) = (lab.host("host")?, lab.host("frr")?, lab.host("bird")?);
        let (r, left) = (lab.router("r")?, lab.segment("left")?);
        lab.link(&host, "eth0", &r, "va")?;
        lab.attach(&left, &r, "vb")?;
        lab.attach(&left, &frr, "eth0")?;
        lab.link(&bird, "eth0", &r, "vc")?;
        for (on, addresses) in [
            (&host, ["2001:db8:1::2/64", "192.0.2.2/24"]),
            (&frr, ["2001:db8:2::2/64", "198.51.100.2/24"]),
            (&bird, ["fe80::2/64", "203.0.113.2/24"]),
        ] {
            for address in addresses {
                on.address("eth0", address)?;
            }
        }
        host.route("default via 2001:db8:1::1")?;
        host.route("default via 192.0.2.1")?;
        for (peer, six, four) in [
            (&frr, "2001:db8:2::1", "198.51.100.1"),
            (&bird, "fe80::1 dev eth0", "203.0.113.1"),
        ] {
            peer.address("lo", "2001:db8:9::9/128")?;
            peer.address("lo", "10.9.0.9/32")?;
            peer.route(&format!("2001:db8:1::/64 via {six}"))?;
            peer.route(&format!("192.0.2.0/24 via {four}"))?;
        }
        Ok(Self {
            host,
            frr,
            bird,
            left,
            r,
        })
    }

    /// What the router knows of the session with a peer.
    pub fn session(&self, peer: &str) -> Result<Value> {
        let shown = self.r.ctl("show bfd")?;
        let mut all = shown.as_array().into_iter().flatten();
        let found = all.find(|session| session["peer"] == peer);
        Ok(found.cloned().unwrap_or_default())
    }

    /// Waits until a session has this state and says this of the path.
    pub fn settles(&self, peer: &str, state: &str, path: &str) -> Result<Value> {
        let mut last = Value::Null;
        let settled = wait_for(
            Duration::from_secs(20),
            &format!("the session with {peer} to be {state}, its path {path}"),
            || {
                last = self.session(peer).ok()?;
                (last["state"] == state && last["path"] == path).then_some(())
            },
        );
        match settled {
            Ok(()) => Ok(last),
            Err(error) => Err(error.context(format!("it is {last:#}\n{}", self.r.log()))),
        }
    }

    /// Waits until packets to both targets leave by these next hops, and are answered.
    pub fn leads_to(&self, next_hops: [&str; 2]) -> Result<()> {
        for (target, next_hop) in TARGETS.into_iter().zip(next_hops) {
            wait_for(
                Duration::from_secs(10),
                &format!("the route to {target} to lead to {next_hop}"),
                || {
                    let why = self.r.ctl(&format!("show route explain {target}")).ok()?;
                    let exits = why["exits"].to_string();
                    exits.contains(&format!("\"{next_hop}\"")).then_some(())
                },
            )?;
            wait_for(
                Duration::from_secs(10),
                &format!("{target} to answer through {next_hop}"),
                || (self.host.ping(target, 1).ok()? == 1).then_some(()),
            )?;
        }
        Ok(())
    }
}

/// The router's configuration; `keys` are for each session with FRR, `key` for those with BIRD.
pub fn config(keys: &str, key: &str) -> String {
    let sessions = |peers: [&str; 2], keys: &str| {
        let session = |peer| format!("[[router.interface.bfd]]\npeer = \"{peer}\"\n{keys}\n");
        peers.map(session).concat()
    };
    let fast = "transmit_interval = 10\nreceive_interval = 10\n";
    let left = sessions(LEFT, &format!("{fast}{keys}"));
    let right = sessions(RIGHT, &format!("{fast}{key}"));
    format!(
        r#"
[[device]]
name = "lan"
kind = "af_packet"
interface = "va"
[[device]]
name = "left"
kind = "af_packet"
interface = "vb"
[[device]]
name = "right"
kind = "af_packet"
interface = "vc"
[[router]]
name = "main"
[[router.interface]]
name = "lan0"
device = "lan"
addresses = ["2001:db8:1::1/64", "192.0.2.1/24"]
[[router.interface.vrrp]]
vrid = 1
addresses = ["192.0.2.254"]
priority = 100
track = [{{ bfd = "2001:db8:2::2", decrement = 40 }}]
[[router.interface]]
name = "left0"
device = "left"
addresses = ["2001:db8:2::1/64", "198.51.100.1/24"]
{left}
[[router.interface]]
name = "right0"
device = "right"
addresses = ["203.0.113.1/24"]
link_local = "fe80::1"
{right}
[[router.route]]
prefix = "2001:db8:9::/64"
via = "2001:db8:2::2"
[[router.route]]
prefix = "2001:db8:9::/64"
via = "fe80::2"
interface = "right0"
distance = 10
[[router.route]]
prefix = "10.9.0.0/24"
via = "198.51.100.2"
[[router.route]]
prefix = "10.9.0.0/24"
via = "203.0.113.2"
distance = 10
"#
    )
}
