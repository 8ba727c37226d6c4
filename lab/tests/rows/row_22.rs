//! Row 22: VRRP for IPv6 (and IPv4) beside keepalived and FRR, and a pair of ours that loses neither sessions nor leases; the backup is
//! silent.
//!
//! ```text
//!                       ┌─ va [one] vb ─┐
//!   host:eth0 ── lan ───┤               ├─── up ── eth0:server
//!                       └─ va [other] vb ┘
//! ```
//!
//! Translated flows would be kept as all flows are; the router translates no addresses, so there are none.

mod alive;
mod silent;

use lab::beside::Bed;
use lab::keepalived::{Keepalived, Other, Told};
use lab::pair::{Settings, config};
use lab::vrrpd::Vrrpd;
use lab::{Lab, Result};

fn keepalived(lab: &Lab, bed: &Bed) -> Result<Other> {
    let told = Told {
        priority: 100,
        version: 3,
        interval: "0.1",
    };
    Ok(Other {
        keepalived: Keepalived::wire(lab, &bed.links, "keepalived", 9)?,
        told,
    })
}

#[test]
fn keepalived_and_ours_back_each_other_up() -> Result<()> {
    let lab = Lab::new("r22-keepalived")?;
    let bed = Bed::wire(&lab)?;
    let mut other = keepalived(&lab, &bed)?;
    bed.both_roles(&config(2, 200, &Settings::default()), &mut other)
}

#[test]
fn keepalived_of_the_same_priority_and_ours_agree() -> Result<()> {
    let lab = Lab::new("r22-keepalived-same")?;
    let bed = Bed::wire(&lab)?;
    let mut other = keepalived(&lab, &bed)?;
    bed.of_one_priority(&Settings::default(), &mut other, "p3")
}

#[test]
fn frr_and_ours_back_each_other_up() -> Result<()> {
    let lab = Lab::new("r22-frr")?;
    let bed = Bed::wire(&lab)?;
    let mut other = Vrrpd::wire(&lab, &bed.links, "frr", 9)?;
    bed.both_roles(&config(2, 200, &Settings::default()), &mut other)
}

#[test]
fn frr_of_the_same_priority_and_ours_agree() -> Result<()> {
    let lab = Lab::new("r22-frr-same")?;
    let bed = Bed::wire(&lab)?;
    let mut other = Vrrpd::wire(&lab, &bed.links, "frr", 9)?;
    bed.of_one_priority(&Settings::default(), &mut other, "p3")
}
