//! Open vSwitch with connection tracking, as OpenStack's firewall driver has it.

use super::super::ovs::{Control, Switch};
use super::super::rounds::{Contestant, Hook};
use super::super::stop;
use super::FEW;
use super::feeds::Feeds;
use super::router::{ADDRESS, MACHINE};
use anyhow::{Context, Result, ensure};
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// A port that nothing comes by.
const NULL: [&str; 2] = ["type=dpdk", "options:dpdk-devargs=\"net_null0\""];

/// What is not tracked is, what is new is committed if a rule lets it begin, what is established goes on. The answers come all the time,
/// or until each connection has had one.
pub fn established(feeds: &Feeds, dir: &Path, at_first: bool) -> Result<Vec<Contestant>> {
    let switch = match at_first {
        true => Switch::launch(dir, &["world"])?,
        false => Switch::between(dir)?,
    };
    switch.bridge("br0", &[])?;
    let out = if at_first { "world" } else { "second" };
    let mut rules = String::from(
        "table=0,priority=10,ipv6,ct_state=-trk,actions=ct(table=1,zone=1)\n\
         table=1,priority=1,actions=drop\n",
    );
    for (matches, forward) in requests(feeds, out)? {
        let _ = writeln!(rules, "{matches},ct_state=+est+trk,actions={forward}");
        let _ = writeln!(
            rules,
            "{matches},ct_state=+new+trk,actions=ct(commit,zone=1),{forward}"
        );
    }
    let _ = writeln!(
        rules,
        "table=1,priority=100,ipv6,ipv6_dst={ADDRESS},ct_state=+est+trk,actions={}",
        to_machine("feed")
    );
    if at_first {
        switch.port("br0", "world", &NULL)?;
    }
    switch.feed_numbered("br0", "second", &feeds.answers, 1)?;
    switch.feed("br0", &feeds.requests)?;
    switch.flows("br0", &rules)?;
    if at_first {
        answered(&switch.control())?;
        switch.remove_port("br0", "second")?;
    }
    contestants(switch)
}

/// Waits until no connection waits for its first answer, nor the table for more of them.
fn answered(control: &Control) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        stop::sleep(Duration::from_secs(1))?;
        let all = control.ask("dpctl/ct-get-nconns", &[])?;
        let all: usize = all.trim().parse().context("no number of connections")?;
        if FEW * 99 / 100 <= all {
            return stop::sleep(Duration::from_secs(2));
        }
        ensure!(Instant::now() < end, "only {all} connections");
    }
}

/// Every packet is committed by force: one whose connection was begun by the other end ends it and begins another. The feed is all
/// requests, then all answers, so that is each. What is left of those that ended is flushed before each window.
pub fn all_new(feeds: &Feeds, dir: &Path) -> Result<Vec<Contestant>> {
    let switch = Switch::launch(dir, &["second"])?;
    switch.bridge("br0", &[])?;
    let mut rules = String::from(
        "table=0,priority=10,ipv6,ct_state=-trk,actions=ct(table=1,zone=1)\n\
         table=1,priority=1,actions=drop\n",
    );
    for (matches, forward) in requests(feeds, "second")? {
        let _ = writeln!(rules, "{matches},actions=ct(commit,force,zone=1),{forward}");
    }
    let _ = writeln!(
        rules,
        "table=1,priority=100,ipv6,ipv6_dst={ADDRESS},actions=ct(commit,force,zone=1),{}",
        to_machine("second")
    );
    switch.port("br0", "second", &NULL)?;
    switch.feed("br0", &feeds.both)?;
    switch.flows("br0", &rules)?;
    let control = switch.control();
    let mut contestants = contestants(switch)?;
    for contestant in &mut contestants {
        let (control, first) = (control.clone(), contestant.before.take());
        let flush: Hook = Box::new(move |program| {
            first.iter().try_for_each(|first| first(program))?;
            control.ask("dpctl/flush-conntrack", &[]).map(drop)
        });
        contestant.before = Some(flush);
    }
    Ok(contestants)
}

fn contestants(switch: Switch) -> Result<Vec<Contestant>> {
    let contestants = switch.contestants()?;
    ensure!(!contestants.is_empty(), "no contestant");
    Ok(contestants)
}

/// What requests of each route match, and how they are forwarded.
fn requests(feeds: &Feeds, out: &str) -> Result<Vec<(String, String)>> {
    let routes = feeds.requests.table.routes().into_iter();
    let rule = |(prefix, via): (String, u32)| {
        let length = prefix.split_once('/').map(|(_, length)| length.parse());
        let length: u32 = length.context("a prefix without a length")??;
        let [.., a, b] = via.to_be_bytes();
        let forward = format!(
            "dec_ttl,mod_dl_src:02:70:63:61:70:01,mod_dl_dst:02:00:00:00:{a:02x}:{b:02x},output:{out}"
        );
        let matches = format!(
            "table=1,priority={},ipv6,in_port=feed,dl_src={MACHINE},ipv6_src={ADDRESS},ipv6_dst={prefix}",
            100 + length
        );
        Ok((matches, forward))
    };
    routes.map(rule).collect()
}

fn to_machine(port: &str) -> String {
    format!("dec_ttl,mod_dl_src:02:70:63:61:70:00,mod_dl_dst:{MACHINE},output:{port}")
}
