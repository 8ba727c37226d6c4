//! Path MTU: Packet Too Big with the right size, jumbo frames, IPv4 fragmentation.

use lab::topology::TwoNetworks;
use lab::{Lab, LinkOptions, Result};

/// Three hops of different MTU: 9000 at a, 1500 between the routers' ends, 1280 at b.
#[test]
fn path_mtu_is_discovered_9000_1500_1280() -> Result<()> {
    let lab = Lab::new("pmtu")?;
    let (a, b) = (lab.host("a")?, lab.host("b")?);
    let (r1, r2) = (lab.router("r1")?, lab.router("r2")?);
    let wire = |mtu| LinkOptions { mtu };
    lab.link_with(&a, "eth0", &r1, "va", wire(9000))?;
    lab.link_with(&r1, "vm", &r2, "vm", wire(1500))?;
    lab.link_with(&b, "eth0", &r2, "vb", wire(1500))?;
    r1.start(&edge(
        "va",
        9000,
        "2001:db8:1::1/64",
        "2001:db8:12::1/64",
        "2001:db8:2::/64",
        "2001:db8:12::2",
        1500,
    ))?;
    r2.start(&edge(
        "vb",
        1280,
        "2001:db8:2::1/64",
        "2001:db8:12::2/64",
        "2001:db8:1::/64",
        "2001:db8:12::1",
        1500,
    ))?;
    a.address("eth0", "2001:db8:1::a/64")?;
    b.address("eth0", "2001:db8:2::b/64")?;
    a.route("default via 2001:db8:1::1")?;
    b.route("default via 2001:db8:2::1")?;

    // To the far router's near end the path is 1500 wide, to b only 1280.
    a.run("ping -n -c 2 -i 0.2 -W 2 -s 8900 -M do 2001:db8:12::2")?;
    assert_eq!(learned_mtu(&a, "2001:db8:12::2")?, Some(1500));
    a.run("ping -n -c 1 -W 2 -s 8900 -M do 2001:db8:2::b")?;
    assert_eq!(learned_mtu(&a, "2001:db8:2::b")?, Some(1500));
    a.run("ping -n -c 1 -W 2 -s 1452 -M do 2001:db8:2::b")?;
    assert_eq!(learned_mtu(&a, "2001:db8:2::b")?, Some(1280));
    // A TCP transfer over the same path must not stall.
    let got = transfer(&a, &b, "2001:db8:2::b")?;
    assert_eq!(got, 3_000_000);
    assert!(1 <= r1.dropped("ip6_packet_too_big")?);
    assert!(1 <= r2.dropped("ip6_packet_too_big")?);
    r1.assert_balanced()?;
    r2.assert_balanced()
}

#[test]
fn jumbo_frames_pass_whole() -> Result<()> {
    let lab = Lab::new("jumbo")?;
    let jumbo = LinkOptions { mtu: 9000 };
    let net = TwoNetworks::wire_with(&lab, jumbo, jumbo)?;
    net.r.start(
        &lab::topology::TWO_NETWORKS.replace("\ninterface = ", "\nmtu = 9000\ninterface = "),
    )?;
    net.a.wait_slaac("eth0", "2001:db8:1:")?;
    net.b.wait_slaac("eth0", "2001:db8:2:")?;
    let b = net.b_ipv6()?;
    assert_eq!(
        lab_received(
            &net.a,
            &format!("ping -n -c 3 -i 0.2 -W 2 -s 8952 -M do {b}")
        )?,
        3
    );
    assert_eq!(
        lab_received(
            &net.a,
            "ping -n -c 3 -i 0.2 -W 2 -s 8972 -M do 198.51.100.2"
        )?,
        3
    );
    // The router's own echo is as long.
    assert_eq!(
        lab_received(
            &net.a,
            "ping -n -c 3 -i 0.2 -W 2 -s 8952 -M do 2001:db8:1::1"
        )?,
        3
    );
    net.r.assert_balanced()
}

#[test]
fn ipv4_is_fragmented_without_df_and_refused_with_it() -> Result<()> {
    let lab = Lab::new("frag4")?;
    let net = TwoNetworks::wire(&lab)?;
    let config = lab::topology::TWO_NETWORKS.replace(
        "name = \"wan0\"\ndevice = \"wan\"",
        "name = \"wan0\"\ndevice = \"wan\"\nmtu = 1280",
    );
    net.r.start(&config)?;
    net.a.wait_slaac("eth0", "2001:db8:1:")?;
    assert_eq!(
        lab_received(
            &net.a,
            "ping -n -c 3 -i 0.2 -W 2 -s 1400 -M dont 198.51.100.2"
        )?,
        3
    );
    let refused = net
        .a
        .run("ping -n -c 2 -i 0.2 -W 2 -s 1400 -M do 198.51.100.2")?
        .stdout;
    assert!(
        refused.contains("mtu = 1280") || refused.contains("mtu=1280"),
        "{refused}"
    );
    assert!(1 <= net.r.dropped("ip4_fragmentation_needed")?);
    net.r.assert_balanced()
}

fn edge(
    dev: &str,
    mtu: u32,
    inside: &str,
    link: &str,
    far: &str,
    via: &str,
    core_mtu: u32,
) -> String {
    format!(
        r#"
[[device]]
name = "edge"
kind = "af_packet"
interface = "{dev}"
mtu = {}

[[device]]
name = "core"
kind = "af_packet"
interface = "vm"
mtu = {core_mtu}

[[router]]
name = "main"
[[router.interface]]
name = "edge0"
device = "edge"
mtu = {mtu}
addresses = ["{inside}"]
[[router.interface]]
name = "core0"
device = "core"
addresses = ["{link}"]
[[router.route]]
prefix = "{far}"
via = "{via}"
"#,
        mtu.max(1500)
    )
}

fn learned_mtu(host: &lab::Host, to: &str) -> Result<Option<u32>> {
    let route: serde_json::Value =
        serde_json::from_str(&host.ok(&format!("ip -j -6 route get {to}"))?)?;
    let mtu = route[0]["metrics"]
        .as_array()
        .into_iter()
        .flatten()
        .find_map(|m| m["mtu"].as_u64());
    Ok(mtu.and_then(|mtu| u32::try_from(mtu).ok()))
}

fn transfer(from: &lab::Host, to: &lab::Host, address: &str) -> Result<u64> {
    let mut sink = to.spawn("socat -u TCP6-LISTEN:7000,reuseaddr SYSTEM:'wc -c'")?;
    lab::wait_for(std::time::Duration::from_secs(5), "socat to listen", || {
        to.ok("ss -ltn").ok()?.contains(":7000").then_some(())
    })?;
    from.ok(&format!(
        "sh -c 'head -c 3000000 /dev/zero | timeout 20 socat -u STDIN TCP6:[{address}]:7000'"
    ))?;
    sink.wait(std::time::Duration::from_secs(10))?;
    Ok(sink.log().trim().parse()?)
}

fn lab_received(host: &lab::Host, ping: &str) -> Result<u32> {
    Ok(lab::ping_received(&host.run(ping)?.stdout))
}
