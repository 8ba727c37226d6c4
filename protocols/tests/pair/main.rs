//! Two DHCP servers with the same leases: random clients, splits, failovers, kills and disks that fail, over a channel that breaks.
//!
//! Each router is its machine, a disk and a room as the real one works: writes are gathered and committed, what waits for them
//! goes out then, and answers to clients when the other router has dealt with what it was told ([`sim`]). What must hold:
//!
//! - no two clients have the same address, or prefixes that overlap, at the same time;
//! - no client is told to give up what it has and wants to keep;
//! - what a client was told of while the routers could talk, either of them lets it keep, at once;
//! - when they can talk again, their books and their disks are the same, and everybody goes on with what it has at both.

mod dhcp4;
mod dhcp6;
mod sim;

use proptest::prelude::*;

use sim::{Case, Sim, case};

/// Of some hundred steps each.
const CASES: u32 = 400;

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, ..ProptestConfig::default() })]

    #[test]
    fn dhcp6_gives_nothing_twice_and_loses_nothing(case in case()) {
        run::<dhcp6::Server>(&case)?;
    }

    #[test]
    fn dhcp4_gives_nothing_twice_and_loses_nothing(case in case()) {
        run::<dhcp4::Server>(&case)?;
    }
}

fn run<S: sim::Server>(case: &Case) -> Result<(), TestCaseError> {
    let mut sim = Sim::<S>::new(case.skew_millis, case.shape);
    for step in &case.steps {
        sim.step(step).map_err(TestCaseError::fail)?;
    }
    sim.heal().map_err(TestCaseError::fail)
}
