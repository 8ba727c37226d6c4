//! Row 17: several IPv6 addresses on an interface, router's and VM's. Router interface with many prefixes; host with
//! many; all used at once.

use super::Config;
use lab::{Lab, Result};

const N: usize = 8;

#[test]
fn row_17_many_prefixes_on_the_router_and_the_host_all_used_at_once() -> Result<()> {
    let lab = Lab::new("row17")?;
    let (host, far, r) = (lab.host("host")?, lab.host("far")?, lab.router("r")?);
    lab.link(&host, "eth0", &r, "v1")?;
    lab.link(&far, "eth0", &r, "v2")?;
    let prefixes: Vec<String> = (1..=N).map(|i| format!("2001:db8:{i:x}::1/64")).collect();
    let many: Vec<&str> = prefixes.iter().map(String::as_str).collect();
    r.start(
        &Config::default()
            .interface("v1", &many)
            .interface("v2", &["2001:db8:f00::1/64"])
            .text(),
    )?;
    let far_address = far.wait_slaac("eth0", "2001:db8:f00:")?;
    let mut addresses = Vec::new();
    for i in 1..=N {
        addresses.push(host.wait_slaac("eth0", &format!("2001:db8:{i:x}:"))?);
    }
    assert_eq!(addresses.len(), N);
    // The router answers at each of its addresses.
    for i in 1..=N {
        assert_eq!(host.ping(&format!("2001:db8:{i:x}::1"), 1)?, 1);
    }
    // The far host is known before all call for it at once: a neighbour's queue is shorter than the calls are many.
    assert_eq!(host.ping(&far_address.to_string(), 1)?, 1);
    // All of the host's at once, as sources and as destinations.
    let flows: Vec<_> = addresses
        .iter()
        .map(|from| {
            host.spawn(&format!(
                "ping -n -c 10 -i 0.1 -W 2 -I {from} {far_address}"
            ))
        })
        .collect::<Result<_>>()?;
    let back: Vec<_> = addresses
        .iter()
        .map(|to| far.spawn(&format!("ping -n -c 10 -i 0.1 -W 2 {to}")))
        .collect::<Result<_>>()?;
    for mut flow in flows.into_iter().chain(back) {
        flow.wait(std::time::Duration::from_secs(15))?;
        assert_eq!(lab::ping_received(&flow.log()), 10, "{}", flow.log());
    }
    r.assert_balanced()
}
