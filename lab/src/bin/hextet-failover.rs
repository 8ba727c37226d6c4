//! `make failover`: how long is a host's way to a server broken when one of two routers fails?
//!
//! Two streams, a datagram a millisecond each, run over IPv6 and IPv4 from the host to the server and back, while the active router
//! fails in one way after the other. Every break is printed, not one number. The same is done with two Linux routers
//! under keepalived.
//!
//!     ROUNDS=20      rounds of each kind
//!     ONLY=kill,...  kinds: kill, hang, link, power, stop, keepalived

use std::time::Duration;

use lab::keepalived::{Keepalived, Told};
use lab::paced::{Outcome, Reflector, Stream};
use lab::pair::{Pair, Settings, are, config};
use lab::{Host, Lab, Result, wait_for};

const SERVER6: &str = "2001:db8:2::80";
const SERVER4: &str = "198.51.100.80";
/// How long a break is looked for.
const WATCH: Duration = Duration::from_millis(1500);

/// How the active router fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Kill,
    Hang,
    Link,
    Power,
    Stop,
}

const KINDS: [(Kind, &str, &str); 5] = [
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

fn main() -> Result<()> {
    let rounds = match std::env::var("ROUNDS") {
        Ok(text) => text.parse()?,
        Err(_) => 20,
    };
    let only = std::env::var("ONLY").unwrap_or_default();
    let wanted = |name: &str| only.is_empty() || only.split(',').any(|one| one == name);
    let mut results = Vec::new();
    for (kind, name, what) in KINDS.into_iter().filter(|(_, name, _)| wanted(name)) {
        println!("==> {name}: {what}; {rounds} rounds");
        let mut breaks = Breaks::new(name);
        ours(kind, rounds, &mut breaks)?;
        results.push(breaks);
    }
    if wanted("keepalived") {
        println!(
            "==> keepalived: two Linux routers; it is killed and its kernel forwards no more; {rounds} rounds"
        );
        let mut breaks = Breaks::new("keepalived");
        theirs(rounds, &mut breaks)?;
        results.push(breaks);
    }
    println!(
        "\nMilliseconds that the way there and back was broken, advertisements every 10 ms:\n"
    );
    println!(
        "{:<12} {:<6} {:>6} {:>7} {:>5} {:>5} {:>5}   all",
        "", "", "rounds", "median", "p90", "p99", "max"
    );
    for breaks in &results {
        breaks.print();
    }
    Ok(())
}

/// What was measured of one kind of failure.
struct Breaks {
    name: &'static str,
    v6: Vec<u64>,
    v4: Vec<u64>,
    back: Vec<u64>,
}

impl Breaks {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            v6: Vec::new(),
            v4: Vec::new(),
            back: Vec::new(),
        }
    }

    fn print(&self) {
        for (what, breaks) in [("IPv6", &self.v6), ("IPv4", &self.v4), ("back", &self.back)] {
            let mut sorted = breaks.clone();
            sorted.sort_unstable();
            let at = |per_cent: usize| {
                let place = (sorted.len() * per_cent).div_ceil(100).saturating_sub(1);
                sorted.get(place).copied().unwrap_or_default()
            };
            let all: Vec<String> = sorted.iter().map(u64::to_string).collect();
            println!(
                "{:<12} {what:<6} {:>6} {:>7} {:>5} {:>5} {:>5}   {}",
                self.name,
                sorted.len(),
                at(50),
                at(90),
                at(99),
                at(100),
                all.join(" ")
            );
        }
    }
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

fn ours(kind: Kind, rounds: u32, breaks: &mut Breaks) -> Result<()> {
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
    for round in 0..rounds {
        let streams = Streams::start(&net.host)?;
        std::thread::sleep(Duration::from_millis(300));
        let failed = streams.now();
        match kind {
            Kind::Kill => net.one.crash()?,
            Kind::Hang => net.one.signal(nix::sys::signal::Signal::SIGSTOP)?,
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
            Kind::Hang => net.one.signal(nix::sys::signal::Signal::SIGCONT)?,
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
        note(round, streams.end()?, [failed, returns, ended], breaks);
    }
    net.two.assert_balanced()
}

/// Two Linux routers.
fn theirs(rounds: u32, breaks: &mut Breaks) -> Result<()> {
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
        note(round, streams.end()?, [failed, returns, ended], breaks);
    }
    Ok(())
}

/// Cuts a router's links, or mends them.
fn cut(links: &[Host; 2], port: &str, how: &str) -> Result<()> {
    for link in links {
        link.ok(&format!("ip link set {port} {how}"))?;
    }
    Ok(())
}

/// Notes what a round has shown: when it failed, when the router came back, when it ended.
fn note(round: u32, outcomes: [Outcome; 2], at: [[u64; 2]; 3], breaks: &mut Breaks) {
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
    breaks.v6.push(v6);
    breaks.v4.push(v4);
    breaks.back.extend([back6, back4]);
}
