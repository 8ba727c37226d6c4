//! DHCPv6 exchanges beside Kea: how many a second, and how long each takes.
//!
//! ```text
//!   clients of Kea ──── veth ──── kea-dhcp6        clients of Hextet ──── veth ──── hextetd
//! ```
//!
//! Each server has a namespace, a wire, and the same load at the other end (`lab::dhcp6`): virtual clients with a DUID each,
//! of which a fixed number has an exchange under way. They take turns, beginning with the other one every round. Every
//! exchange ends with a lease in the server's file on the same disk. Hextet has it there for good (`fdatasync`) before the
//! Reply leaves; Kea's memfile writes it and leaves the rest to the kernel, which is less work. Both have leases of all
//! rounds; neither logs. What a client was given is checked: no address or prefix twice.
//!
//! The load is a program of ours and not perfdhcp, because that tells averages only, and sends at a rate instead of in answer.

use super::report::{Outcome, Ratio, median};
use super::scenario::Bench;
use super::{meter, stop};
use anyhow::{Context, Result, bail, ensure};
use lab::dhcp6::{Clients, Granted, Plan, Tally, Watch, What};
use lab::{Daemon, Host, Lab, Router, wait_for};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::collections::HashSet;
use std::fmt;
use std::net::Ipv6Addr;
use std::time::Duration;

/// What the clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// Solicit, Advertise, Request, Reply for an address; each client is new.
    Address,
    /// The same for a prefix.
    Prefix,
    /// Renew, Reply of an address.
    Renew,
}

/// The scenarios.
pub const SCENARIOS: [(&str, Exchange); 3] = [
    ("dhcp6/exchange", Exchange::Address),
    ("dhcp6/prefix", Exchange::Prefix),
    ("dhcp6/renew", Exchange::Renew),
];

/// Exchanges under way when it is asked how many a second there can be.
const MANY: usize = 256;
/// Exchanges under way when it is asked how long one takes.
const FEW: usize = 16;
/// More lost exchanges than this share, and a server's rate is void.
const LOST: f64 = 0.01;
/// Leases that are renewed.
const RENEWED: u32 = 20_000;
/// How long an exchange may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// A server and the clients at the other end of its wire.
struct Contestant {
    name: &'static str,
    clients: Clients,
    /// What clients hold.
    granted: Vec<Granted>,
    given: HashSet<(Ipv6Addr, u8)>,
    /// The next new client.
    next: u32,
    rates: Vec<f64>,
    lost: f64,
    /// Medians and 99 % of exchanges, microseconds, with many under way and with few.
    many: [Vec<f64>; 2],
    few: [Vec<f64>; 2],
}

/// Runs one.
///
/// # Errors
/// When this program was asked to stop, or the wires cannot be made. What goes wrong with a server is in the outcome.
pub fn run(name: &str, exchange: Exchange, bench: &Bench<'_>) -> Result<Outcome> {
    println!("\n{name}: {MANY} exchanges under way, then {FEW}");
    let load_average = meter::load_average();
    let _everywhere = Everywhere::begin()?;
    let lab = Lab::new("versus")?;
    let mut outcome = Outcome {
        scenario: name.to_owned(),
        load_average,
        ..Outcome::default()
    };
    let p99 = format!("{name}/p99");
    let kea_host = lab.host("kea")?;
    let kea = match bench.options.peers.wants("kea") {
        true => Kea::start(&lab, &kea_host),
        false => return Ok(outcome),
    };
    let ours = start_hextet(&lab);
    let (mut ours, _router, _host) = match ours {
        Ok(ours) => ours,
        Err(error) => {
            outcome.failed = Some(format!("{error:#}"));
            return Ok(outcome);
        }
    };
    let mut kea = match kea {
        Ok(kea) => kea,
        Err(error) => {
            let why = format!("{error:#}");
            outcome.ratios = vec![
                Ratio::not_run(name, "kea", &why),
                Ratio::not_run(&p99, "kea", &why),
            ];
            return Ok(outcome);
        }
    };
    let (rounds, length) = bench.options.rounds();
    let length = length * 3;
    let (mut rates, mut delays) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let both = [&mut kea.contestant, &mut ours];
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for i in order {
            stop::check()?;
            if let Err(error) = both[i].round(exchange, length) {
                let why = format!("{}: {error:#}", both[i].name);
                match i {
                    0 => bail!(why),
                    _ => {
                        outcome.failed = Some(why);
                        return Ok(outcome);
                    }
                }
            }
        }
        let last = |figures: &[f64]| figures.last().copied().unwrap_or_default();
        rates.push(last(&both[1].rates) / last(&both[0].rates).max(1.0));
        delays.push(last(&both[0].few[1]) / last(&both[1].few[1]).max(1.0));
    }
    outcome.ratios = match kea.contestant.lost <= LOST {
        true => vec![
            Ratio::of(name, "kea", &rates),
            Ratio::of(&p99, "kea", &delays),
        ],
        false => {
            let why = format!("Kea lost {:.1} % of exchanges", kea.contestant.lost * 100.0);
            vec![
                Ratio::not_run(name, "kea", &why),
                Ratio::not_run(&p99, "kea", &why),
            ]
        }
    };
    if LOST < ours.lost {
        outcome.failed = Some(format!("{:.1} % of exchanges were lost", ours.lost * 100.0));
    }
    for contestant in [&kea.contestant, &ours] {
        println!("{contestant}");
        outcome.notes.push(contestant.to_string());
    }
    Ok(outcome)
}

impl Contestant {
    fn new(name: &'static str, clients: Clients) -> Self {
        Self {
            name,
            clients,
            granted: Vec::new(),
            given: HashSet::new(),
            next: 0,
            rates: Vec::new(),
            lost: 0.0,
            many: [Vec::new(), Vec::new()],
            few: [Vec::new(), Vec::new()],
        }
    }

    /// One turn: many exchanges at a time, then few.
    fn round(&mut self, exchange: Exchange, length: Duration) -> Result<()> {
        if exchange == Exchange::Renew && self.granted.is_empty() {
            let plan = Plan {
                count: RENEWED,
                length: Duration::from_secs(60),
                ..self.plan(Exchange::Address, MANY, length)
            };
            self.granted = self.clients.run(&plan, &Watch::default())?.granted;
        }
        // The first tenth of a second is not looked at.
        self.turn(exchange, MANY, Duration::from_millis(100))?;
        let many = self.turn(exchange, MANY, length)?;
        let few = self.turn(exchange, FEW, length)?;
        self.rates.push(many.rate());
        self.lost = self.lost.max(many.lost_share()).max(few.lost_share());
        for (tally, figures) in [(&many, &mut self.many), (&few, &mut self.few)] {
            for (share, figures) in [0.5, 0.99].into_iter().zip(figures) {
                figures.push(tally.quantile(share).as_secs_f64() * 1e6);
            }
        }
        Ok(())
    }

    fn turn(&mut self, exchange: Exchange, window: usize, length: Duration) -> Result<Tally> {
        let renewed = match exchange {
            Exchange::Renew => std::mem::take(&mut self.granted),
            _ => Vec::new(),
        };
        let plan = Plan {
            renew: &renewed,
            ..self.plan(exchange, window, length)
        };
        let tally = self.clients.run(&plan, &Watch::default())?;
        ensure!(
            !tally.granted.is_empty(),
            "no lease was given: {} exchanges were lost, {} refused",
            tally.lost,
            tally.refused
        );
        ensure!(
            tally.refused == 0,
            "{} exchanges were refused",
            tally.refused
        );
        match exchange {
            Exchange::Renew => self.granted = renewed,
            _ => {
                self.next += tally.begun;
                for granted in &tally.granted {
                    ensure!(
                        self.given.insert((granted.address, granted.len)),
                        "{}/{} was given twice",
                        granted.address,
                        granted.len
                    );
                }
            }
        }
        Ok(tally)
    }

    fn plan(&self, exchange: Exchange, window: usize, length: Duration) -> Plan<'static> {
        Plan {
            what: match exchange {
                Exchange::Prefix => What::Prefix,
                Exchange::Address | Exchange::Renew => What::Address,
            },
            renew: &[],
            first: self.next,
            count: u32::MAX,
            window,
            length,
            patience: PATIENCE,
        }
    }
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |figures: &[f64]| median(figures) / 1e3;
        write!(
            f,
            "  {:<8} {:>7.0} a second; {MANY} under way: median {:.2} ms, 99 % {:.2} ms; {FEW}: {:.2}, {:.2}; lost {:.2} %",
            self.name,
            median(&self.rates),
            ms(&self.many[0]),
            ms(&self.many[1]),
            ms(&self.few[0]),
            ms(&self.few[1]),
            self.lost * 100.0
        )
    }
}

/// Kea with its leases in a file, on all CPUs.
struct Kea {
    contestant: Contestant,
    _clients: Host,
    _daemon: Daemon,
}

impl Kea {
    fn start(lab: &Lab, server: &Host) -> Result<Self> {
        let clients = lab.host("keaclients")?;
        lab.link(&clients, "eth0", server, "eth0")?;
        server.address("eth0", "2001:db8:1::1/64")?;
        server.link_local("eth0")?;
        let dir = lab.dir().join("kea");
        std::fs::create_dir(&dir)?;
        let config = dir.join("kea.json");
        std::fs::write(&config, kea_configuration(&dir.display().to_string()))?;
        let dir = dir.display();
        let mut daemon = server.spawn(&format!(
            "env KEA_PIDFILE_DIR={dir} KEA_LOCKFILE_DIR={dir} kea-dhcp6 -c {}",
            config.display()
        ))?;
        let clients_socket = Clients::on(&clients, "eth0")?;
        let mut contestant = Contestant::new("kea", clients_socket);
        let answers = wait_for(Duration::from_secs(20), "Kea to answer", || {
            if !daemon.is_running() {
                return Some(false);
            }
            let one = Duration::from_millis(100);
            contestant
                .turn(Exchange::Address, 1, one)
                .ok()
                .map(|_| true)
        });
        if !answers.with_context(|| daemon.log())? {
            bail!("kea-dhcp6 ended: {}", daemon.log());
        }
        Ok(Self {
            contestant,
            _clients: clients,
            _daemon: daemon,
        })
    }
}

fn kea_configuration(dir: &str) -> String {
    format!(
        r#"{{ "Dhcp6": {{
  "interfaces-config": {{ "interfaces": ["eth0"] }},
  "lease-database": {{ "type": "memfile", "persist": true, "name": "{dir}/leases.csv", "lfc-interval": 0 }},
  "server-id": {{ "type": "LLT", "persist": false }},
  "multi-threading": {{ "enable-multi-threading": true, "thread-pool-size": 2, "packet-queue-size": 1024 }},
  "preferred-lifetime": 3600, "valid-lifetime": 7200,
  "option-data": [{{ "name": "dns-servers", "data": "2001:db8::53" }}],
  "subnet6": [{{ "subnet": "2001:db8:1::/64", "interface": "eth0",
    "pools": [{{ "pool": "2001:db8:1::1:0:0-2001:db8:1::ffff:ffff:ffff" }}],
    "pd-pools": [{{ "prefix": "3000::", "prefix-len": 28, "delegated-len": 56 }}] }}],
  "loggers": [{{ "name": "kea-dhcp6", "severity": "ERROR", "output_options": [{{ "output": "stderr" }}] }}]
}} }}
"#
    )
}

fn start_hextet(lab: &Lab) -> Result<(Contestant, Router, Host)> {
    let (clients, router) = (lab.host("clients")?, lab.router("r")?);
    lab.link(&clients, "eth0", &router, "va")?;
    router.start(HEXTET)?;
    let mut contestant = Contestant::new("hextet", Clients::on(&clients, "eth0")?);
    wait_for(Duration::from_secs(20), "Hextet to answer", || {
        let one = Duration::from_millis(100);
        contestant.turn(Exchange::Address, 1, one).ok()
    })
    .with_context(|| router.log())?;
    Ok((contestant, router, clients))
}

/// One device has all the load there is, so it may have all the server's time.
pub(super) const HEXTET: &str = r#"
[forwarding]
dhcp_per_device = 10000000
dhcp_per_device_burst = 4096
[[device]]
name = "lan"
kind = "af_packet"
interface = "va"
[[router]]
name = "main"
[[router.interface]]
name = "lan0"
device = "lan"
addresses = ["2001:db8:1::1/64"]
[[router.interface.subnet]]
prefix = "2001:db8:1::/64"
ra_mode = "dhcpv6-stateful"
address_mode = "dhcpv6-stateful"
dns_servers = ["2001:db8::53"]
pools = [{ start = "2001:db8:1::1:0:0", end = "2001:db8:1::ffff:ffff:ffff" }]
[[router.interface.dhcp6.prefix_pool]]
prefix = "3000::/28"
length = 56
"#;

/// This thread, and what it starts, may use every CPU; until it is dropped.
struct Everywhere(CpuSet);

impl Everywhere {
    fn begin() -> Result<Self> {
        let before = sched_getaffinity(Pid::from_raw(0))?;
        let mut all = CpuSet::new();
        for cpu in 0..std::thread::available_parallelism()?.get().max(2) {
            all.set(cpu)?;
        }
        sched_setaffinity(Pid::from_raw(0), &all)?;
        Ok(Self(before))
    }
}

impl Drop for Everywhere {
    fn drop(&mut self) {
        let _ = sched_setaffinity(Pid::from_raw(0), &self.0);
    }
}
