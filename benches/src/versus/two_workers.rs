//! Two workers, a feed each, beside one: whether they are in each other's way.
//!
//! Both workers read one table of 160,000 routes. It is split in two by the first 20 bits of addresses, so that no route of
//! one half lies inside one of the other; each feed meets one half, and goes back to where it came from. testpmd does the
//! same, to tell what the machine's shared caches and memory cost.
//!
//! LIMIT: on a machine with two CPUs the second worker shares its CPU with all main threads and with this program. Its time
//! on the CPU is counted right, but its caches are not its own; so it is the first worker that is compared. On a virtual
//! machine the two CPUs may be threads of one core, or lie far apart, and change places: how far is printed before and after.

use super::feed::Feed;
use super::hextet::{self, Layout};
use super::report::{Outcome, Ratio};
use super::rounds::Contestant;
use super::scenario::Bench;
use super::table::{Table, Trace};
use super::{MAIN_CORE, WORKER_CORE, compare, meter, testpmd};
use crate::scaling::lines;
use anyhow::Result;
use std::rc::Rc;

/// The scenario.
pub const NAME: &str = "transit6/160k/uniform/2-workers";
const PEERS: [&str; 4] = ["testpmd", "testpmd-2", "1-worker", "hextet-second"];

/// Runs it.
///
/// # Errors
/// When this program was asked to stop, or the feeds cannot be made.
pub fn run(bench: &Bench<'_>) -> Result<Outcome> {
    let table = Rc::new(Table::internet6(160_000));
    println!("\n{NAME}: {} routes", table.len());
    tell_distance();
    let mut feeds = Vec::new();
    for half in 0..2 {
        let part = Rc::new(table.part(half));
        let pcap = bench.dir.join(format!("feed{half}.pcap"));
        feeds.push(Feed::write(part, Trace::Uniform, &pcap)?);
    }
    let both: Vec<_> = feeds.iter().map(|feed| Some(feed.pcap.clone())).collect();
    let one = Layout {
        cpus: vec![WORKER_CORE],
        feeds: vec![both[0].clone(), None],
    };
    let two = Layout {
        cpus: vec![WORKER_CORE, MAIN_CORE],
        feeds: both,
    };
    let (mut contestants, mut absent) = (Vec::new(), Vec::new());
    let mut missing = |name: &str, why: &str| absent.push(Ratio::not_run(NAME, name, why));
    let floors = [(PEERS[0], &feeds[..1]), (PEERS[1], &feeds[..])];
    for (name, feeds) in floors {
        match compare::timed(name, || testpmd::start_on(name, feeds, bench.dir))? {
            Ok(program) => contestants.push(Contestant::plain(name, program)),
            Err(why) => missing(name, &why),
        }
    }
    match compare::timed(PEERS[2], || {
        hextet::start_on(&table, &one, "one", bench.dir)
    })? {
        Ok(program) => contestants.push(Contestant::plain(PEERS[2], program)),
        Err(why) => missing(PEERS[2], &why),
    }
    let mut failed = None;
    match compare::timed("hextet", || {
        hextet::start_on(&table, &two, "two", bench.dir)
    })? {
        Ok(program) => {
            let first = Contestant::plain("hextet", program);
            contestants.push(Contestant {
                name: PEERS[3],
                program: first.program.clone(),
                thread: 1,
                before: None,
                after: None,
            });
            contestants.push(first);
        }
        Err(why) => failed = Some(why),
    }
    let outcome = compare::compare(NAME, &contestants, absent, failed, bench.options);
    tell_distance();
    outcome
}

/// Prints how far the two CPUs are from each other now.
fn tell_distance() {
    if let Some(prices) = lines::measure(meter::tsc_ghz()) {
        println!(
            "  a line written by the other CPU: {:.0} ns",
            prices.read_one
        );
    }
}
