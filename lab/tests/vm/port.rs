//! The port is a router's interface: two queues, TCP segmentation, the router listens. All as docs/virtual-machines.md has
//! it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use lab::vm::{Nic, Vm};
use lab::{Host, Lab, Result, Router, wait_for};

use crate::judge::Judge;
use crate::{Ends, MAC, dhclient, offload};

#[test]
fn a_virtual_machine_lives_on_a_port_of_the_router() -> Result<()> {
    let lab = Lab::new("vmport")?;
    let (b, r) = (lab.host("b")?, lab.router("r")?);
    lab.link(&b, "eth0", &r, "eth1")?;
    b.address("eth0", "198.51.100.2/24")?;
    b.route("default via 198.51.100.1")?;
    let socket = r.dir().join("guest.sock");
    r.configure(&page_config()?.replace(PAGE_SOCKET, &socket.display().to_string()))?;
    let text = std::fs::read_to_string(r.config_path())?;
    let text = text.replacen("idle =", "workers = 2\nidle =", 1);
    std::fs::write(r.config_path(), text)?;
    r.restart()?;
    let nic = Nic {
        socket,
        listens: false,
        queues: 2,
        mac: MAC,
    };
    let vm = lab.vm("vm", nic)?;
    let ends = configured(&lab, &vm, &b)?;
    for router in [
        "2001:db8:1::1",
        "2001:db8:3::1",
        "192.0.2.1",
        "fe80::5448:4fff:fe53:5400%eth0",
    ] {
        assert_eq!(vm.ping(router, 2)?, 2, "{router}");
    }
    ends.talk()?;
    offloads_are_right(&ends, &r)?;
    both_queues_carry(&ends)?;

    ends.sessions_outlive(&r)?;
    ends.talk()?;

    // The virtual machine dies and another comes to the socket.
    vm.kill()?;
    wait_for(Duration::from_secs(10), "the link to be down", || {
        up(&r, false)
    })?;
    vm.boot()?;
    wait_for(Duration::from_secs(10), "the link to be up", || {
        up(&r, true)
    })?;
    let ends = configured(&lab, &vm, &b)?;
    ends.talk()?;
    ends.transfers()?;
    ends.no_wrong_checksums()?;
    r.assert_balanced()
}

const PAGE_SOCKET: &str = "/run/hextet/guest.sock";

fn page() -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/virtual-machines.md");
    Ok(std::fs::read_to_string(path)?)
}

/// The configuration on the page.
fn page_config() -> Result<String> {
    let page = page()?;
    let config = page
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    config
        .map(str::to_owned)
        .context("a configuration on the page")
}

/// The command line on the page gives QEMU the NIC that these tests give it.
#[test]
fn the_page_shows_what_is_tested() -> Result<()> {
    let page = page()?;
    let command = page
        .split("```sh\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let words = |text: &str| -> Vec<String> {
        text.split_whitespace()
            .filter(|word| *word != "\\")
            .map(str::to_owned)
            .collect()
    };
    let command = words(command.context("a command on the page")?).join(" ");
    let nic = Nic {
        socket: PAGE_SOCKET.into(),
        listens: false,
        queues: 2,
        mac: MAC,
    };
    for options in [
        nic.options(),
        "memory-backend-memfd,id=memory,".into(),
        "memory-backend=memory".into(),
    ] {
        let options = words(&options).join(" ");
        assert!(
            command.contains(&options),
            "`{options}` is not in `{command}`"
        );
    }
    Ok(())
}

/// Sets the guest's NIC up, as a distribution would; addresses come by router advertisement and both kinds of DHCP.
fn configured<'a>(lab: &'a Lab, vm: &'a Vm, b: &'a Host) -> Result<Ends<'a>> {
    vm.ok("ip link set eth0 up")?;
    let slaac = vm.wait_address("2001:db8:1:")?;
    dhclient(vm, "-4")?;
    dhclient(vm, "-6 -D LL")?;
    vm.wait_address("2001:db8:3:")?;
    let host = b.wait_slaac("eth0", "2001:db8:2:")?.to_string();
    Ok(Ends {
        lab,
        vm,
        at: [slaac, vm.wait_address("192.0.2.")?],
        host: b,
        host_at: [host, "198.51.100.2".to_owned()],
    })
}

/// With offloads the guest leaves checksums open and hands over batches of segments; the wire shows neither.
fn offloads_are_right(ends: &Ends<'_>, r: &Router) -> Result<()> {
    let judge = Judge::start(ends.host, "eth0", 1500)?;
    for on in [true, false] {
        assert_eq!(offload(ends.vm, on)?, [on, on]);
        let before = originated(r)?;
        ends.transfers().with_context(|| {
            format!("offloads {}: {}", if on { "on" } else { "off" }, losses(r))
        })?;
        // UDP, of which nobody awaits an answer.
        for to in &ends.host_at {
            ends.vm
                .run(&format!("timeout 1 nslookup example.com {to}"))?;
        }
        // Segments that the router has cut count as originated.
        let cut = originated(r)? - before;
        assert_eq!(100 < cut, on, "{cut} packets originated");
    }
    let right = [
        "TCP over IPv4 right",
        "TCP over IPv6 right",
        "UDP over IPv4 right",
        "UDP over IPv6 right",
    ];
    assert_eq!(judge.seen(), right);
    assert_eq!(r.dropped("tx_unfit")?, 0);
    ends.no_wrong_checksums()
}

/// Packets of the guest's NIC by queue: what it has received, what it has sent.
fn by_queue(vm: &Vm) -> Result<[u64; 4]> {
    let text = vm.ok("ethtool -S eth0")?;
    let names = [
        "rx_queue_0_packets:",
        "rx_queue_1_packets:",
        "tx_queue_0_packets:",
        "tx_queue_1_packets:",
    ];
    let mut counts = [0; 4];
    for (count, name) in counts.iter_mut().zip(names) {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
        *count = line
            .with_context(|| format!("no {name} in\n{text}"))?
            .trim()
            .parse()?;
    }
    Ok(counts)
}

/// The guest sends by the queue of the processor that a program runs on; the router by that of the worker that has received.
fn both_queues_carry(ends: &Ends<'_>) -> Result<()> {
    let before = by_queue(ends.vm)?;
    for processor in ["1", "2"] {
        for to in &ends.host_at {
            let said = ends
                .vm
                .ok(&format!("taskset {processor} ping -c 3 -i 0.2 -W 2 {to}"))?;
            ensure!(said.contains(" 3 packets received"), "{said}");
        }
    }
    wait_for(Duration::from_secs(30), "traffic on every queue", || {
        // Another port, perhaps another worker.
        ends.host
            .run(&format!(
                "timeout 2 socat -u /dev/null TCP4:{}:9",
                ends.at[1]
            ))
            .ok()?;
        let now = by_queue(ends.vm).ok()?;
        now.iter()
            .zip(before)
            .all(|(now, before)| before < *now)
            .then_some(())
    })
}

fn originated(r: &Router) -> Result<u64> {
    let workers = r.ctl("show accounting")?;
    let workers = workers.as_array().context("workers")?;
    Ok(workers
        .iter()
        .filter_map(|w| w["originated"].as_u64())
        .sum())
}

/// What the router has dropped, as text.
fn losses(r: &Router) -> String {
    let drops = r.ctl("show drops").unwrap_or_default();
    let lost = drops.as_array().into_iter().flatten();
    let lost = lost.filter(|drop| drop["total"] != 0);
    let words = lost.map(|drop| format!("{} {}", drop["reason"], drop["total"]));
    words.collect::<Vec<_>>().join(", ")
}

/// Whether the router says so of the guest's link.
fn up(r: &Router, up: bool) -> Option<()> {
    let devices = r.ctl("show devices").ok()?;
    let guest = devices
        .as_array()?
        .iter()
        .find(|d| d["name"] == "guest")?
        .clone();
    (guest["link"]["up"] == up).then_some(())
}
