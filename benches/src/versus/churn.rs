//! Route changes under traffic: 10,000 a second over the API, as a routing daemon would make them, against the same
//! process at rest.
//!
//! Half of the prefixes are of the Internet's shape and not in the table, half are /64s inside its routes, so that the
//! table changes where packets look. Each is added, then gets another next hop, then goes. Every next hop is there, so
//! not one packet may be lost.

use super::api::Api;
use super::compare;
use super::feed::Feed;
use super::program::Program;
use super::report::{Outcome, Ratio};
use super::rounds::Contestant;
use super::scenario::Bench;
use super::table::{LINK6, N_NEXT_HOPS, Table, Trace};
use super::{hextet, options::Options};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::HashSet;
use std::net::Ipv6Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tables::lpm::Prefix;
use tables::testing::{Random, bgp6};

/// The scenario.
pub const NAME: &str = "transit6/160k/uniform+churn";
/// The peer: Hextet itself.
const PEER: &str = "at-rest";
/// Changes a second.
const RATE: f64 = 10_000.0;
/// Less than this share of it, and the figure says nothing about it.
const ENOUGH: f64 = 0.95;
/// Changes of a request.
const BATCH: usize = 250;
/// Prefixes that come and go.
const PREFIXES: usize = 10_000;

/// Requests, to be made over and over: at their end the table is as it was.
fn requests(table: &Table) -> Vec<String> {
    let Table::V6(routes) = table else {
        return Vec::new();
    };
    let known: HashSet<Prefix<u128>> = routes.iter().map(|(prefix, _)| *prefix).collect();
    let link = LINK6 >> 96;
    let strange = bgp6(PREFIXES, 1, 2).into_iter().map(|route| route.0);
    let strange = strange.filter(|p| !known.contains(p) && p.addr() >> 96 != link);
    let mut random = Random::new(3);
    let inside = std::iter::repeat_with(|| {
        let within = routes[random.below(routes.len() as u64) as usize].0;
        let host = (within.last() ^ within.addr()) & random.bits128();
        (within.len() < 64)
            .then(|| Prefix::new(within.addr() | host, 64).ok())
            .flatten()
    });
    let inside = inside.flatten().filter(|p| !known.contains(p));
    let mut prefixes: Vec<_> = strange
        .take(PREFIXES / 2)
        .chain(inside.take(PREFIXES / 2))
        .collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    // Neighbours in the table shall not come and go together.
    for i in (1..prefixes.len()).rev() {
        prefixes.swap(i, random.below(i as u64 + 1) as usize);
    }
    let mut hop = || 1 + random.below(N_NEXT_HOPS.into()) as u128;
    let mut add = |prefix: &Prefix<u128>| {
        let via = Ipv6Addr::from_bits(LINK6 | 0xffff << 80 | 1 << 64 | hop());
        json!({ "add": { "prefix": prefix.to_string(), "next_hops": [{ "via": via.to_string(), "interface": "feed0" }] } })
    };
    let delete = |prefix: &Prefix<u128>| json!({ "delete": { "prefix": prefix.to_string() } });
    let request = |changes: Vec<Value>| json!({ "changes": changes }).to_string();
    let mut requests = Vec::new();
    let batches: Vec<&[Prefix<u128>]> = prefixes.chunks_exact(BATCH).collect();
    for (i, batch) in batches.iter().enumerate() {
        for _ in 0..2 {
            requests.push(request(batch.iter().map(&mut add).collect()));
        }
        // Each stays while others come.
        requests.extend((4 <= i).then(|| request(batches[i - 4].iter().map(delete).collect())));
    }
    let last = batches.iter().skip(batches.len().saturating_sub(4));
    requests.extend(last.map(|batch| request(batch.iter().map(delete).collect())));
    requests
}

/// What has been done.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    changes: u64,
    time: Duration,
    /// The next request.
    at: usize,
}

/// Makes changes from a thread of its own, between `start` and `stop`.
struct Churner {
    api: Api,
    requests: Arc<Vec<String>>,
    done: Done,
    running: Option<(Arc<AtomicBool>, JoinHandle<Result<Done>>)>,
}

impl Churner {
    fn start(&mut self) {
        let stop = Arc::new(AtomicBool::new(false));
        let (api, requests, done) = (self.api.clone(), self.requests.clone(), self.done);
        let flag = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut done = done;
            let (began, before) = (Instant::now(), done);
            while !flag.load(Ordering::Relaxed) {
                let answer = api.post_text("/v1/routes/batch", &requests[done.at])?;
                let numbers = ["added", "replaced", "deleted"].map(|n| answer[n].as_u64());
                done.changes += numbers.into_iter().flatten().sum::<u64>();
                done.at = (done.at + 1) % requests.len();
                let due =
                    began + Duration::from_secs_f64((done.changes - before.changes) as f64 / RATE);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            done.time += began.elapsed();
            Ok(done)
        });
        self.running = Some((stop, thread));
    }

    fn stop(&mut self) -> Result<()> {
        if let Some((stop, thread)) = self.running.take() {
            stop.store(true, Ordering::Relaxed);
            let done = thread
                .join()
                .map_err(|_| anyhow::anyhow!("the changing thread panicked"))?;
            self.done = done.context("changing routes")?;
        }
        Ok(())
    }

    fn rate(&self) -> f64 {
        self.done.changes as f64 / self.done.time.as_secs_f64().max(1e-9)
    }
}

/// Packets that are neither sent nor received; `(received, lost)`.
fn books(api: &Api) -> Result<(u64, u64)> {
    let workers = api.get("/v1/accounting")?;
    let workers = workers.as_array().context("no books")?;
    let mut sum = (0, 0);
    for worker in workers {
        ensure!(
            worker["balanced"] == true,
            "the books do not balance: {worker}"
        );
        let dropped = worker["dropped"].as_object().context("no drops")?;
        let dropped: u64 = dropped.values().filter_map(Value::as_u64).sum();
        sum.0 += worker["rx"].as_u64().context("no rx")?;
        sum.1 += dropped + worker["held"].as_u64().unwrap_or(0);
    }
    Ok(sum)
}

/// Runs it.
///
/// # Errors
/// When this program was asked to stop, or the feed cannot be made.
pub fn run(bench: &Bench<'_>) -> Result<Outcome> {
    let table = Rc::new(Table::internet6(160_000));
    let requests = Arc::new(requests(&table));
    let feed = Feed::write(table, Trace::Uniform, &bench.dir.join("feed.pcap"))?;
    println!(
        "\n{NAME}: {RATE:.0} route changes a second, {} routes",
        feed.table.len()
    );
    match compare::timed("hextet", || hextet::start(&feed, bench.dir))? {
        Ok(program) => measure(program, requests, bench.options),
        Err(why) => Ok(Outcome {
            scenario: NAME.to_owned(),
            ratios: vec![Ratio::not_run(NAME, PEER, &why)],
            failed: Some(why),
            ..Outcome::default()
        }),
    }
}

fn measure(program: Program, requests: Arc<Vec<String>>, options: &Options) -> Result<Outcome> {
    let api = program.api().context("hextetd has an API")?.clone();
    let program = Rc::new(program);
    program.resume()?;
    let before = books(&api)?;
    program.pause()?;
    let churner = Churner {
        api: api.clone(),
        requests,
        done: Done::default(),
        running: None,
    };
    let churner = Rc::new(RefCell::new(churner));
    let (starter, stopper) = (churner.clone(), churner.clone());
    let contestants = [
        Contestant {
            name: PEER,
            program: program.clone(),
            thread: 0,
            before: None,
            after: None,
        },
        Contestant {
            name: "hextet",
            program: program.clone(),
            thread: 0,
            before: Some(Box::new(move |_| {
                starter.borrow_mut().start();
                Ok(())
            })),
            after: Some(Box::new(move |_| stopper.borrow_mut().stop())),
        },
    ];
    let mut outcome = compare::compare(NAME, &contestants, Vec::new(), None, options)?;
    program.resume()?;
    let after = books(&api)?;
    let (received, lost) = (after.0 - before.0, after.1 - before.1);
    let (rate, changes) = (churner.borrow().rate(), churner.borrow().done.changes);
    let note =
        format!("{changes} changes at {rate:.0} a second; {lost} of {received} packets lost");
    println!("  {note}");
    outcome.notes.push(note);
    if lost != 0 {
        outcome.failed = Some(format!("{lost} of {received} packets were lost"));
    }
    if rate < ENOUGH * RATE {
        let why = format!("only {rate:.0} changes a second could be made");
        outcome.ratios = vec![Ratio::not_run(NAME, PEER, &why)];
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requests_leave_the_table_as_it_was() {
        let table = Table::internet6(2000);
        let Table::V6(routes) = &table else { panic!() };
        let known: HashSet<String> = routes.iter().map(|r| r.0.to_string()).collect();
        let mut there: HashSet<String> = HashSet::new();
        let (mut changes, mut most) = (0, 0);
        for text in requests(&table) {
            let request: Value = serde_json::from_str(&text).unwrap();
            for change in request["changes"].as_array().unwrap() {
                changes += 1;
                if let Some(add) = change.get("add") {
                    let prefix = add["prefix"].as_str().unwrap().to_owned();
                    assert!(!known.contains(&prefix), "{prefix} is the file's");
                    assert!(!prefix.starts_with("2001:db8:"), "{prefix}");
                    there.insert(prefix);
                } else {
                    let prefix = change["delete"]["prefix"].as_str().unwrap();
                    assert!(there.remove(prefix), "{prefix} is not there");
                }
            }
            most = most.max(there.len());
        }
        assert!(there.is_empty());
        // Add, change, delete.
        assert!(3 * 9000 < changes, "{changes}");
        assert!((4 * BATCH..=5 * BATCH).contains(&most), "{most}");
    }
}
