//! `make conformance`: which of the 22 rows of the IPv6 gap analysis are closed, shown by running their tests.

use lab::Result;
use std::process::Command;

/// What closes each row, in a few words.
const ROWS: [&str; 22] = [
    "all topologies in a multi-tenant environment, overlays on IPv4 and IPv6 transport",
    "IPv6-only hosts, within a network and between networks",
    "an external VLAN straight to a port",
    "tenants routed to an external IPv6 network, several routers",
    "IPv4 and IPv6 on a NIC: one NIC with two subnets, two NICs on two networks",
    "SLAAC, DHCPv6 stateless, DHCPv6 stateful",
    "a chosen address on a stateful port",
    "a fixed address on a SLAAC or stateless subnet",
    "floating IPv6, and every mix of IPv4 and IPv6",
    "SR-IOV parity",
    "IPsec, anycast, multicast",
    "metadata for IPv6-only VMs",
    "security groups match IPv6, ICMPv6, TCP, UDP",
    "address management chosen by REST, CLI, web",
    "anti-spoofing of source IPv6 and MAC",
    "rogue RA protection",
    "several IPv6 addresses on an interface, router's and host's, all used at once",
    "a host on several IPv4, IPv6 and dual networks at once",
    "prefix delegation",
    "distributed routing for IPv6",
    "first-hop security, ND spoofing",
    "HA with VRRP for IPv6",
];

/// What is still open of rows whose tests show the rest.
const STILL_OPEN: [(usize, &str); 0] = [];

fn main() -> Result<()> {
    let (mut pass, mut fail, mut open) = (0, 0, 0);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let listed = Command::new(&cargo)
        .args(["test", "-q", "-p", "lab", "--test", "rows", "--", "--list"])
        .output()?;
    anyhow::ensure!(
        listed.status.success(),
        "{}",
        String::from_utf8_lossy(&listed.stderr)
    );
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    for (row, what) in (1..).zip(ROWS) {
        let module = format!("row_{row:02}::");
        if !listed.contains(&module) {
            open += 1;
            println!("row {row:02} open  {what}");
            continue;
        }
        let run = Command::new(&cargo)
            .args([
                "test",
                "-q",
                "-p",
                "lab",
                "--test",
                "rows",
                "--",
                "--test-threads=1",
                &module,
            ])
            .output()?;
        let still_open = STILL_OPEN.iter().find(|(of, _)| *of == row);
        if run.status.success() {
            match still_open {
                None => {
                    pass += 1;
                    println!("row {row:02} pass  {what}");
                }
                Some((_, missing)) => {
                    open += 1;
                    println!("row {row:02} half  {what}; open: {missing}");
                }
            }
        } else {
            fail += 1;
            println!("row {row:02} fail  {what}");
            eprintln!(
                "{}{}",
                String::from_utf8_lossy(&run.stdout),
                String::from_utf8_lossy(&run.stderr)
            );
        }
    }
    println!("conformance: {pass} pass, {fail} fail, {open} open");
    anyhow::ensure!(fail == 0, "{fail} rows failed");
    Ok(())
}
