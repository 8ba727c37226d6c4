//! What a DHCPv6 client was told is true: after kill -9 of the router, with a full disk, and with a damaged store.
//!
//! `HEXTET_KILLS=50` for more kills than the few of an ordinary run.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv6Addr;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, ensure};
use lab::dhcp6::{Clients, Granted, Plan, Tally, Watch, What, duid};
use lab::topology::TwoNetworks;
use lab::{Lab, Result, wait_for};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

const SECONDS: Duration = Duration::from_secs(30);

/// Two networks: the first with leases alone, the second with SLAAC.
const CONFIG: &str = r#"
[[device]]
name = "lan"
kind = "af_packet"
interface = "va"

[[device]]
name = "wan"
kind = "af_packet"
interface = "vb"

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
pools = [{ start = "2001:db8:1::1:0:0", end = "2001:db8:1::1:ffff:ffff" }]

[[router.interface]]
name = "wan0"
device = "wan"
addresses = ["2001:db8:2::1/64"]
[router.interface.ra]
enabled = true
[[router.interface.ra.prefix]]
prefix = "2001:db8:2::/64"
"#;

/// New clients that ask until they are stopped.
fn plan(first: u32) -> Plan<'static> {
    Plan {
        what: What::Address,
        renew: &[],
        first,
        count: u32::MAX,
        window: 128,
        length: SECONDS,
        patience: Duration::from_secs(1),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The holder of each address, as the router shows it.
fn holders(net: &TwoNetworks) -> Result<HashMap<Ipv6Addr, String>> {
    let leases = net.r.ctl("show leases --limit 100000000")?;
    let mut holders = HashMap::new();
    for lease in leases.as_array().into_iter().flatten() {
        let (resource, client) = (lease["resource"].as_str(), lease["client"].as_str());
        let (Some(resource), Some(client)) = (resource, client) else {
            anyhow::bail!("no lease: {lease}")
        };
        if lease["state"] == "bound" {
            holders.insert(resource.parse()?, client.to_owned());
        }
    }
    Ok(holders)
}

/// What was acknowledged: address to client. An address has one client for ever: nothing is released here.
#[derive(Default)]
struct Acknowledged(BTreeMap<Ipv6Addr, u32>);

impl Acknowledged {
    fn add(&mut self, granted: &[Granted]) -> Result<()> {
        for new in granted {
            let before = self.0.insert(new.address, new.client);
            ensure!(
                before.is_none_or(|client| client == new.client),
                "{} was given to clients {before:?} and {}",
                new.address,
                new.client
            );
        }
        Ok(())
    }

    fn all_known_to(&self, net: &TwoNetworks) -> Result<()> {
        let holders = holders(net)?;
        for (address, client) in &self.0 {
            let holder = holders.get(address);
            ensure!(
                holder == Some(&hex(&duid(*client))),
                "{address} was acknowledged to client {client}, and its holder is {holder:?}"
            );
        }
        Ok(())
    }
}

#[test]
fn kill_9_loses_no_acknowledged_lease_and_gives_none_twice() -> Result<()> {
    let kills: u32 = match std::env::var("HEXTET_KILLS") {
        Ok(kills) => kills.parse().context("HEXTET_KILLS")?,
        Err(_) => 8,
    };
    let lab = Lab::new("dhcp6crash")?;
    let net = TwoNetworks::wire(&lab)?;
    net.r.start(CONFIG)?;
    let mut clients = Clients::on(&net.a, "eth0")?;
    let mut acknowledged = Acknowledged::default();
    let mut first = 0;
    for kill in 0..kills {
        let watch = Watch::default();
        let tally = std::thread::scope(|scope| -> Result<Tally> {
            let load = scope.spawn(|| clients.run(&plan(first), &watch));
            // Somewhere in the load, elsewhere each time.
            let enough = 100 + kill * 997 % 3000;
            let load_is_on = wait_for(SECONDS, "leases to be acknowledged", || {
                (enough <= watch.granted.load(Ordering::Relaxed)).then_some(())
            });
            net.r.crash()?;
            watch.stop.store(true, Ordering::Relaxed);
            load_is_on?;
            load.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
        ensure!(
            !tally.granted.is_empty() && 0 < tally.lost,
            "kill {kill} was not in the midst of anything: {} acknowledged, {} lost",
            tally.granted.len(),
            tally.lost
        );
        first += tally.begun;
        acknowledged.add(&tally.granted)?;
        net.r.restart()?;
        acknowledged.all_known_to(&net)?;
    }
    // And each client may keep what it has.
    let held: Vec<Granted> = acknowledged
        .0
        .iter()
        .map(|(&address, &client)| Granted {
            client,
            address,
            len: 128,
        })
        .collect();
    let renewal = Plan {
        renew: &held,
        count: u32::try_from(held.len().min(20_000))?,
        ..plan(0)
    };
    let renewed = clients.run(&renewal, &Watch::default())?;
    assert_eq!(renewed.refused, 0);
    assert!(!renewed.granted.is_empty());
    acknowledged.add(&renewed.granted)?;
    eprintln!(
        "{kills} kills, {} leases acknowledged, all there; {} renewed",
        acknowledged.0.len(),
        renewed.granted.len()
    );
    net.r.assert_balanced()
}

/// The routers' state directory lies on a file system of this many bytes, seen by this test alone.
fn small_disk(dir: &Path, size: u32) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    std::fs::create_dir_all(dir)?;
    let size = format!("size={size}");
    mount(
        Some("none"),
        dir,
        Some("tmpfs"),
        MsFlags::empty(),
        Some(size.as_str()),
    )?;
    Ok(())
}

/// Fills what is left of a file system.
fn fill(path: &Path) -> Result<()> {
    use std::io::Write as _;
    let mut file = std::fs::File::create(path)?;
    loop {
        match file.write_all(&[0; 4096]) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// A host that comes now gets its address by SLAAC, and both sides reach each other through the router.
fn slaac_and_forwarding_go_on(net: &TwoNetworks) -> Result<()> {
    net.b.ok("ip link set eth0 down")?;
    net.b.ok("ip link set eth0 up")?;
    let b = net.b.wait_slaac("eth0", "2001:db8:2:")?;
    assert_eq!(net.b.ping("2001:db8:1::42", 3)?, 3, "from {b}");
    Ok(())
}

/// Host a has an address and a route of its own making: it is the virtual clients that ask for leases.
fn wire(lab: &Lab) -> Result<TwoNetworks> {
    let net = TwoNetworks::wire(lab)?;
    net.a.address("eth0", "2001:db8:1::42/64")?;
    net.a.route("2001:db8:2::/64 via 2001:db8:1::1")?;
    Ok(net)
}

/// Some clients ask; they had better not wait long.
fn some(clients: &mut Clients, first: &mut u32) -> Result<Tally> {
    let few = Plan {
        count: 50,
        window: 10,
        patience: Duration::from_millis(500),
        ..plan(*first)
    };
    *first += few.count;
    clients.run(&few, &Watch::default())
}

#[test]
fn a_full_disk_stops_leases_and_nothing_else() -> Result<()> {
    let lab = Lab::new("dhcp6full")?;
    let state = lab.dir().join("r/state");
    small_disk(&state, 16 << 20)?;
    let net = wire(&lab)?;
    net.r.start(CONFIG)?;
    let (mut clients, mut first) = (Clients::on(&net.a, "eth0")?, 0);
    let mut acknowledged = Acknowledged::default();
    let served = some(&mut clients, &mut first)?;
    assert_eq!(
        (served.granted.len(), served.lost, served.refused),
        (50, 0, 0)
    );
    acknowledged.add(&served.granted)?;

    let ballast = state.join("ballast");
    fill(&ballast)?;
    // Offers promise nothing; what could not be stored is never acknowledged. What is left of a page may hold a few.
    wait_for(SECONDS, "the disk to be full", || {
        let tally = some(&mut clients, &mut first).ok()?;
        acknowledged.add(&tally.granted).ok()?;
        (tally.granted.is_empty() && tally.refused == 0).then_some(())
    })?;
    let log = net.r.log();
    assert!(
        log.contains("the disk is full") && log.contains("DHCPv6 refuses service"),
        "{log}"
    );
    slaac_and_forwarding_go_on(&net)?;

    std::fs::remove_file(&ballast)?;
    wait_for(SECONDS, "service to be resumed", || {
        let tally = some(&mut clients, &mut first).ok()?;
        acknowledged.add(&tally.granted).ok()?;
        (tally.granted.len() == 50).then_some(())
    })?;
    acknowledged.all_known_to(&net)?;
    net.r.crash()?;
    net.r.restart()?;
    acknowledged.all_known_to(&net)?;
    net.r.assert_balanced()
}

#[test]
fn a_damaged_store_stops_leases_and_nothing_else() -> Result<()> {
    let lab = Lab::new("dhcp6damage")?;
    let net = wire(&lab)?;
    net.r.start(CONFIG)?;
    let (mut clients, mut first) = (Clients::on(&net.a, "eth0")?, 0);
    assert_eq!(some(&mut clients, &mut first)?.granted.len(), 50);
    net.r.stop()?;
    let path = net.r.dir().join("state/leases.redb");
    let whole = std::fs::read(&path)?;
    let mut damaged = whole.clone();
    damaged.fill(0xa5);
    std::fs::write(&path, &damaged)?;
    net.r.restart()?;
    let refused = some(&mut clients, &mut first)?;
    assert_eq!((refused.granted.len(), refused.lost), (0, 50));
    let log = net.r.log();
    assert!(
        log.contains("no DHCP leases are given") && log.contains("is damaged"),
        "{log}"
    );
    slaac_and_forwarding_go_on(&net)?;
    // What is left of it is not touched: somebody may know how to save it.
    assert!(
        std::fs::read(&path)? == damaged,
        "the damaged file was changed"
    );

    net.r.stop()?;
    std::fs::write(&path, &whole)?;
    net.r.restart()?;
    assert_eq!(some(&mut clients, &mut first)?.granted.len(), 50);
    assert_eq!(holders(&net)?.len(), 100);
    net.r.assert_balanced()
}
