//! Routers of a pair are killed at random, again and again, while machines get addresses: no lease is lost or given twice, and two are
//! active no longer than a word takes to be heard.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::adverts;
use crate::dhclient::{APPLY, Dhclient, Setup};
use crate::pair::{LEASING, Pair, Settings, connected, synced};
use crate::{Host, Lab, Result, Router, wait_for};

/// What is done.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Deaths.
    pub rounds: usize,
    /// Time between advertisements.
    pub interval: &'static str,
    /// The same in figures.
    pub every: Duration,
    /// Of the random times.
    pub seed: u64,
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Leases that machines have, of both IP versions.
    pub leases: usize,
    /// How long two were active at once, each time that they were.
    pub splits: Vec<Duration>,
    /// How long one is silent before another takes over: `Active_Down_Interval` of the less important one.
    pub timer: Duration,
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// A machine that got its addresses.
struct Machine {
    _host: Host,
    leased: [String; 2],
}

/// Both clients of a machine.
fn ask(lab: &Lab, host: &Host, name: &str) -> Result<[Dhclient; 2]> {
    host.link_local("eth0")?;
    let setup = |words| Setup {
        words,
        cases: APPLY,
        ..Setup::default()
    };
    Ok([
        setup("-6 -N -D LL").start(lab, host, &format!("{name}6"))?,
        setup("-4").start(lab, host, &format!("{name}4"))?,
    ])
}

/// Does it.
///
/// # Errors
/// When a lease is lost or given twice, or the pair does not settle in the end.
pub fn run(name: &str, plan: Plan) -> Result<Seen> {
    let lab = Lab::new(name)?;
    let net = Pair::wire_synced(&lab)?;
    // Leases that nobody renews last to the end, and there are enough.
    let lan = LEASING
        .replace("_lifetime = 60", "_lifetime = 7200")
        .replace("_lifetime = 90", "_lifetime = 7200")
        .replace("lease_time = 90", "lease_time = 7200")
        .replace("::10ff", "::1fff")
        .replace("192.0.2.100", "192.0.2.10")
        .replace("192.0.2.199", "192.0.2.254");
    let settings = Settings {
        interval: plan.interval,
        lan,
        ..Settings::default()
    };
    let (high, low) = (200, 100);
    net.host.ok("ip addr flush dev eth0 scope global")?;
    net.one.start(&synced(&lab, 2, high, &settings))?;
    net.two.start(&synced(&lab, 3, low, &settings))?;
    net.settle("active", "backup")?;
    connected(&net.one, true)?;
    let pcap = lab.dir().join("adverts.pcap");
    let mut capture = net.host.spawn(&format!(
        "tcpdump -i eth0 -s 100 -w {} ip proto 112 or ip6 proto 112",
        pcap.display()
    ))?;
    // One that renews all the while, and one more each round.
    let clients = ask(&lab, &net.host, "first")?;
    let mut machines = Vec::new();
    let mut random = Random(plan.seed);
    for round in 0..plan.rounds {
        let victim = [&net.one, &net.two][random.below(2) as usize];
        std::thread::sleep(Duration::from_millis(random.below(4000)));
        let host = lab.host(&format!("m{round}"))?;
        lab.attach(&net.links[0], &host, "eth0")?;
        let asks = ask(&lab, &host, &format!("m{round}"))?;
        std::thread::sleep(Duration::from_millis(random.below(300)));
        victim.crash()?;
        std::thread::sleep(Duration::from_millis(random.below(2000)));
        victim.launch()?;
        let [six, four] = &asks;
        let leased = [six.told("new_ip6_address")?, four.told("new_ip_address")?];
        let who = if std::ptr::eq(victim, &net.one) {
            "one"
        } else {
            "two"
        };
        println!("    death {:>3} of {who}: {}", round + 1, leased.join(", "));
        machines.push(Machine {
            _host: host,
            leased,
        });
    }
    net.settle("active", "backup")?;
    connected(&net.one, true)?;
    capture.signal(nix::sys::signal::Signal::SIGINT)?;
    capture.wait(Duration::from_secs(5))?;
    let leases = check(&net, &clients, &machines)?;
    let split = adverts::read(&pcap)?;
    // Skew_Time and three intervals (RFC 9568 section 6.1).
    let timer = plan.every * 3 + plan.every * (256 - low as u32) / 256;
    Ok(Seen {
        leases,
        splits: adverts::splits(&split, timer)?,
        timer,
    })
}

/// Every lease that a machine was told is bound at both routers, once; the first machine was never told of another one.
fn check(net: &Pair, clients: &[Dhclient; 2], machines: &[Machine]) -> Result<usize> {
    let names = ["new_ip6_address", "new_ip_address"];
    let mut first = Vec::new();
    for (client, name) in clients.iter().zip(names) {
        for reason in ["EXPIRE6", "DEPREF6", "EXPIRE", "FAIL", "NBI"] {
            ensure!(!client.knows(&format!("reason={reason}")), "{reason}");
        }
        let told = client.all_told(name);
        ensure!(told.len() == 1, "{name} was {told:?} in turn");
        first.extend(told);
    }
    let mut given = BTreeSet::new();
    let all = machines.iter().flat_map(|machine| &machine.leased);
    for address in all.chain(&first) {
        ensure!(given.insert(address.clone()), "{address} was given twice");
    }
    wait_for(
        Duration::from_secs(60),
        "both to know the same leases",
        || {
            let (one, two) = (bound(&net.one).ok()?, bound(&net.two).ok()?);
            let all = given.iter().all(|address| one.contains_key(address));
            (all && one == two).then_some(())
        },
    )
    .with_context(|| {
        format!(
            "told: {given:?}\none: {:?}\ntwo: {:?}",
            bound(&net.one),
            bound(&net.two)
        )
    })?;
    Ok(given.len())
}

/// Who has each leased address, as a router knows.
fn bound(router: &Router) -> Result<BTreeMap<String, String>> {
    let shown = router.ctl("show leases")?;
    let all = shown.as_array().into_iter().flatten();
    let bound = all.filter(|lease| lease["state"] == "bound");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("").to_owned();
    Ok(bound
        .map(|lease| (text(&lease["resource"]), text(&lease["client"])))
        .collect())
}
