//! Routers of a pair that die at random. `make failover` does it a hundred times.

use std::time::Duration;

use lab::deaths::{self, Plan};
use lab::{Result, adverts};

#[test]
fn a_pair_that_dies_at_random_gives_nothing_twice_and_agrees_soon() -> Result<()> {
    let every = Duration::from_millis(100);
    let seen = deaths::run(
        "ha-deaths",
        Plan {
            rounds: 8,
            interval: "100ms",
            every,
            seed: 8,
        },
    )?;
    assert_eq!(seen.leases, 2 * 9);
    // One that hears the other gives way by its next word; a busy machine hears late.
    let longest = adverts::longest(&seen.splits).unwrap_or_default();
    assert!(
        longest <= 3 * seen.timer,
        "both were active for {longest:?}"
    );
    Ok(())
}
