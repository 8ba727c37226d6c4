//! How long a host's way to a server is broken when the active one of two routers fails.
//!
//! Two streams, a datagram a millisecond each, run over IPv6 and IPv4 from the host to the server and back ([`crate::paced`]), while the
//! active router fails in one way after the other.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::keepalived::{Keepalived, Told};
use crate::paced::{Outcome, Reflector, Stream};
use crate::pair::{Pair, Settings, are, config};
use crate::{Host, Lab, Result, wait_for};

const SERVER6: &str = "2001:db8:2::80";
const SERVER4: &str = "198.51.100.80";
/// How long a break is looked for.
const WATCH: Duration = Duration::from_millis(1500);

/// How the active router fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The process is killed.
    Kill,
    /// The process is stopped, workers and all, and goes on later.
    Hang,
    /// Its link to the host is cut.
    Link,
    /// Both its links are cut at once and the process is killed.
    Power,
    /// It is told to stop.
    Stop,
}

/// All of them: names, and what is done.
pub const KINDS: [(Kind, &str, &str); 5] = [
    (Kind::Kill, "kill", "the process is killed (SIGKILL)"),
    (
        Kind::Hang,
        "hang",
        "the process is stopped, workers and all (SIGSTOP), and goes on later",
    ),
    (Kind::Link, "link", "its link to the host is cut"),
    (
        Kind::Power,
        "power",
        "both its links are cut at once and the process is killed",
    ),
    (
        Kind::Stop,
        "stop",
        "it is told to stop (SIGTERM): priority 0",
    ),
];

/// What was measured of one kind of failure, milliseconds.
#[derive(Clone, Debug, Default)]
pub struct Breaks {
    /// Of IPv6, each round.
    pub v6: Vec<u64>,
    /// Of IPv4.
    pub v4: Vec<u64>,
    /// Of both, when the router came back.
    pub back: Vec<u64>,
}

/// A value of which so many per cent of some figures are not greater; 0 of none.
pub fn percentile(figures: &[u64], per_cent: usize) -> u64 {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable();
    let place = (sorted.len() * per_cent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

/// Both streams of a round.
struct Streams([Stream; 2]);

impl Streams {
    fn start(host: &Host) -> Result<Self> {
        Ok(Self([
            Stream::start(host, SERVER6)?,
            Stream::start(host, SERVER4)?,
        ]))
    }

    fn now(&self) -> [u64; 2] {
        let [v6, v4] = &self.0;
        [v6.now(), v4.now()]
    }

    fn end(self) -> Result<[Outcome; 2]> {
        let [v6, v4] = self.0;
        Ok([v6.end()?, v4.end()?])
    }
}

/// Two of our routers, with advertisements every 10 ms.
///
/// # Errors
/// When a tool refuses, or a router is not what it must be.
pub fn ours(kind: Kind, rounds: usize) -> Result<Breaks> {
    let lab = Lab::new("failover")?;
    let track = |other: &str| format!("[[router.interface.vrrp.track]]\ninterface = \"{other}\"\n");
    let settings = Settings {
        interval: "10ms",
        keys: format!("accept = true\n{}{}", track("lan0"), track("up0")),
        ..Settings::default()
    };
    let net = Pair::start(&lab, &settings)?;
    let _reflector = Reflector::start(&net.server)?;
    let text = config(2, 200, &settings);
    let mut breaks = Breaks::default();
    for round in 0..rounds {
        let streams = Streams::start(&net.host)?;
        std::thread::sleep(Duration::from_millis(300));
        let failed = streams.now();
        match kind {
            Kind::Kill => net.one.crash()?,
            Kind::Hang => net.one.signal(Signal::SIGSTOP)?,
            Kind::Link => net.links[0].ok("ip link set p2 down").map(drop)?,
            Kind::Power => {
                cut(&net.links, "p2", "down")?;
                net.one.crash()?;
            }
            Kind::Stop => net.one.stop().map(drop)?,
        }
        std::thread::sleep(WATCH);
        are(&net.two, "active")?;
        let returns = streams.now();
        match kind {
            Kind::Kill | Kind::Stop => net.one.start(&text)?,
            Kind::Hang => net.one.signal(Signal::SIGCONT)?,
            Kind::Link => net.links[0].ok("ip link set p2 up").map(drop)?,
            Kind::Power => {
                cut(&net.links, "p2", "up")?;
                net.one.start(&text)?;
            }
        }
        std::thread::sleep(WATCH);
        net.settle("active", "backup")?;
        std::thread::sleep(Duration::from_millis(300));
        let ended = streams.now();
        breaks.note(round, streams.end()?, [failed, returns, ended]);
    }
    net.two.assert_balanced()?;
    Ok(breaks)
}

/// Two Linux routers under keepalived, with the same advertisements; the active one is killed, and its kernel forwards no more.
///
/// # Errors
/// When a tool refuses, or a router is not what it must be.
pub fn keepalived(rounds: usize) -> Result<Breaks> {
    let lab = Lab::new("failover-k")?;
    let net = Pair::wire_hosts(&lab)?;
    net.host.address("eth0", "2001:db8:1::80/64")?;
    net.host.route("default via 2001:db8:1::1")?;
    let _reflector = Reflector::start(&net.server)?;
    let mut one = Keepalived::wire(&lab, &net.links, "k1", 2)?;
    let mut two = Keepalived::wire(&lab, &net.links, "k2", 3)?;
    let told = |priority| Told {
        priority,
        version: 3,
        interval: "0.01",
    };
    let limit = Duration::from_secs(20);
    one.start(told(200))?;
    wait_for(limit, "keepalived to be master", || one.is_master())?;
    two.start(told(100))?;
    let mut breaks = Breaks::default();
    for round in 0..rounds {
        wait_for(limit, "the other to be backup", || two.is_backup())?;
        std::thread::sleep(Duration::from_secs(1));
        let streams = Streams::start(&net.host)?;
        std::thread::sleep(Duration::from_millis(300));
        let failed = streams.now();
        one.fail()?;
        std::thread::sleep(WATCH);
        wait_for(limit, "the other to be master", || two.is_master())?;
        one.crash()?;
        let returns = streams.now();
        one.start(told(200))?;
        wait_for(limit, "keepalived to be master", || one.is_master())?;
        std::thread::sleep(WATCH);
        let ended = streams.now();
        breaks.note(round, streams.end()?, [failed, returns, ended]);
    }
    Ok(breaks)
}

/// Cuts a router's links, or mends them.
fn cut(links: &[Host; 2], port: &str, how: &str) -> Result<()> {
    for link in links {
        link.ok(&format!("ip link set {port} {how}"))?;
    }
    Ok(())
}

impl Breaks {
    /// Notes what a round has shown: when it failed, when the router came back, when it ended.
    fn note(&mut self, round: usize, outcomes: [Outcome; 2], at: [[u64; 2]; 3]) {
        let [failed, returns, ended] = at;
        let of = |family: usize| {
            let outcome = &outcomes[family];
            let broken = outcome.broken_between(failed[family], returns[family]);
            (
                broken,
                outcome.broken_between(returns[family], ended[family]),
            )
        };
        let ((v6, back6), (v4, back4)) = (of(0), of(1));
        println!(
            "    round {:>3}: IPv6 {v6} ms, IPv4 {v4} ms; back {back6} and {back4} ms",
            round + 1
        );
        self.v6.push(v6);
        self.v4.push(v4);
        self.back.extend([back6, back4]);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn percentiles_are_figures_that_were_seen() {
        let figures: Vec<u64> = (1..=20).rev().collect();
        assert_eq!(super::percentile(&figures, 50), 10);
        assert_eq!(super::percentile(&figures, 99), 20);
        assert_eq!(super::percentile(&[], 50), 0);
    }
}
