//! Row 6: SLAAC, DHCPv6 stateless, DHCPv6 stateful. The kernel, dhcpcd, ISC dhclient, dibbler and systemd-networkd get
//! address, DNS servers and routes as the mode says; all legal pairs of modes work, the rest are refused with the reason.

use lab::dhcp_client::{Client, Kind, Want};
use lab::{Host, Lab, Result, Router, binary};

/// A network with the router on `v1`; its DHCPv6 server tells one DNS server more than advertisements do.
fn config(subnet: &str) -> String {
    format!(
        r#"
[[device]]
name = "lan"
kind = "af_packet"
interface = "v1"
[[router]]
name = "main"
[[router.interface]]
name = "lan0"
device = "lan"
addresses = ["2001:db8:6::1/64"]
[[router.interface.subnet]]
prefix = "2001:db8:6::/64"
dns_servers = ["2001:db8::53"]
{subnet}
"#
    )
}

fn modes(ra: &str, address: &str) -> String {
    let key = |name: &str, mode: &str| match mode {
        "" => String::new(),
        mode => format!("{name} = \"{mode}\"\n"),
    };
    let dhcp = if address.starts_with("dhcpv6") {
        "[router.interface.dhcp6]\ndns_servers = [\"2001:db8::54\"]\n"
    } else {
        ""
    };
    key("ra_mode", ra) + &key("address_mode", address) + dhcp
}

/// One host for the kernel and one for each client, on one segment with the router.
struct Hosts {
    segment: Host,
    kernel: Host,
    clients: Vec<(Kind, Host)>,
    r: Router,
}

fn wire(lab: &Lab) -> Result<Hosts> {
    let (segment, kernel, r) = (lab.segment("lan")?, lab.host("kernel")?, lab.router("r")?);
    lab.attach(&segment, &r, "v1")?;
    lab.attach(&segment, &kernel, "eth0")?;
    let mut clients = Vec::new();
    for kind in Kind::ALL {
        let host = lab.host(kind.label())?;
        lab.attach(&segment, &host, "eth0")?;
        clients.push((kind, host));
    }
    Ok(Hosts {
        segment,
        kernel,
        clients,
        r,
    })
}

impl Hosts {
    /// What a host sees of the router's flags.
    fn advert(&self) -> Result<String> {
        self.kernel.link_local("eth0")?;
        self.kernel.ok("rdisc6 -1 -r 3 -w 2000 eth0")
    }

    fn leases(&self) -> Result<usize> {
        let leases = self.r.ctl("show leases")?;
        let all = leases.as_array().cloned().unwrap_or_default();
        Ok(all.iter().filter(|lease| lease["state"] == "bound").count())
    }

    /// Every client's host reaches the router from its address, and has its default route through it.
    fn reach(&self, kind: Kind, host: &Host, from: std::net::Ipv6Addr) -> Result<()> {
        let received = host.ping(&format!("-I {from} 2001:db8:6::1"), 3)?;
        assert_eq!(received, 3, "{} from {from}", kind.label());
        let routes = host.ok("ip -6 route show default")?;
        assert!(routes.contains("via fe80::"), "{}: {routes}", kind.label());
        Ok(())
    }
}

fn has(flag: &str, yes: bool) -> String {
    let word = if yes { "Yes" } else { " No" };
    format!("{flag:<26}:          {word}")
}

#[test]
fn row_06_slaac() -> Result<()> {
    let lab = Lab::new("row06slaac")?;
    let hosts = wire(&lab)?;
    hosts.r.start(&config(&modes("slaac", "slaac")))?;
    let address = hosts.kernel.wait_slaac("eth0", "2001:db8:6:")?;
    hosts.reach(Kind::Dhclient, &hosts.kernel, address)?;
    let advert = hosts.advert()?;
    assert!(
        advert.contains(&has("Stateful address conf.", false)),
        "{advert}"
    );
    assert!(
        advert.contains(&has("Stateful other conf.", false)),
        "{advert}"
    );
    assert!(
        advert.contains("Recursive DNS server     : 2001:db8::53"),
        "{advert}"
    );
    for (kind, host) in &hosts.clients {
        // Those that follow advertisements get all of it from there; the others have the kernel's address.
        let client = match kind {
            Kind::Dhcpcd | Kind::Networkd => {
                let client = Client::start(&lab, host, "slaac", *kind, Want::Address)?;
                client.wait_told("2001:db8::53")?;
                Some(client)
            }
            Kind::Dhclient | Kind::Dibbler => None,
        };
        let address = match &client {
            Some(client) => client.wait_address(host, "eth0", "2001:db8:6:")?,
            None => host.wait_slaac("eth0", "2001:db8:6:")?,
        };
        hosts.reach(*kind, host, address)?;
    }
    assert_eq!(hosts.leases()?, 0);
    hosts.r.assert_balanced()?;
    drop(hosts.segment);
    Ok(())
}

#[test]
fn row_06_dhcpv6_stateless() -> Result<()> {
    let lab = Lab::new("row06stateless")?;
    let hosts = wire(&lab)?;
    let mode = "dhcpv6-stateless";
    hosts.r.start(&config(&modes(mode, mode)))?;
    let address = hosts.kernel.wait_slaac("eth0", "2001:db8:6:")?;
    hosts.reach(Kind::Dhclient, &hosts.kernel, address)?;
    let advert = hosts.advert()?;
    assert!(
        advert.contains(&has("Stateful address conf.", false)),
        "{advert}"
    );
    assert!(
        advert.contains(&has("Stateful other conf.", true)),
        "{advert}"
    );
    for (kind, host) in &hosts.clients {
        let client = Client::start(&lab, host, "stateless", *kind, Want::Settings)?;
        // Only DHCPv6 tells of this one.
        match kind {
            // It takes the answer, and its state file names none of it.
            Kind::Networkd => client.wait_log("DHCPv6 client: Processed Reply message")?,
            _ => client.wait_told("2001:db8::54")?,
        }
        let address = client.wait_address(host, "eth0", "2001:db8:6:")?;
        hosts.reach(*kind, host, address)?;
    }
    assert_eq!(hosts.leases()?, 0, "settings make no lease");
    hosts.r.assert_balanced()
}

#[test]
fn row_06_dhcpv6_stateful() -> Result<()> {
    let lab = Lab::new("row06stateful")?;
    let hosts = wire(&lab)?;
    let mode = "dhcpv6-stateful";
    let pool = "pools = [{ start = \"2001:db8:6::1000\", end = \"2001:db8:6::1fff\" }]\n";
    hosts
        .r
        .start(&config(&(pool.to_owned() + &modes(mode, mode))))?;
    let advert = hosts.advert()?;
    assert!(
        advert.contains(&has("Stateful address conf.", true)),
        "{advert}"
    );
    assert!(
        !advert.contains("Autonomous address conf. :          Yes"),
        "{advert}"
    );
    let (mut addresses, mut clients) = (Vec::new(), Vec::new());
    for (kind, host) in &hosts.clients {
        let client = Client::start(&lab, host, "stateful", *kind, Want::Address)?;
        client.wait_told("2001:db8::54")?;
        let address = client.wait_address(host, "eth0", "2001:db8:6::1")?;
        hosts.reach(*kind, host, address)?;
        // Nobody formed an address beside it.
        assert_eq!(host.global_ipv6("eth0")?, [address], "{}", kind.label());
        addresses.push(address);
        // One that ends gives its lease back.
        clients.push(client);
    }
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(
        addresses.len(),
        hosts.clients.len(),
        "each its own: {addresses:?}"
    );
    assert_eq!(hosts.leases()?, hosts.clients.len());
    // The kernel alone speaks no DHCPv6, and forms nothing here.
    assert!(hosts.kernel.global_ipv6("eth0")?.is_empty());
    hosts.r.assert_balanced()
}

/// Asks a server for an address and for settings, as any client; prints the message types of the answers.
const ASK: &str = r#"
from scapy.all import *
conf.verb = 0
mac = get_if_hwaddr("eth0")
def ask(message):
    p = Ether(src=mac, dst="33:33:00:01:00:02")/IPv6(src=LINK_LOCAL, dst="ff02::1:2")/UDP(sport=546, dport=547)/message
    p = p/DHCP6OptClientId(duid=DUID_LL(lladdr=mac))/DHCP6OptElapsedTime()/DHCP6OptOptReq(reqopts=[23])
    if isinstance(message, DHCP6_Solicit):
        p = p/DHCP6OptIA_NA(iaid=7)
    sniffer = AsyncSniffer(iface="eth0", timeout=2, count=1, lfilter=lambda got: UDP in got and got[UDP].dport == 546)
    sniffer.start()
    time.sleep(0.3)
    sendp(p, iface="eth0")
    sniffer.join()
    got = sniffer.results[0] if sniffer.results else None
    if got is None: return "silence"
    address = DHCP6OptIAAddress in got or b"\x00\x05\x00\x18" in bytes(got)
    dns = b"\x00\x17\x00\x20" in bytes(got)
    return ("address " if address else "") + ("dns" if dns else "")
print(ask(DHCP6_Solicit(trid=5)).strip(), "|", ask(DHCP6_InfoRequest(trid=6)).strip())
"#;

#[test]
fn row_06_every_legal_pair_works_and_the_rest_is_refused() -> Result<()> {
    const MODES: [&str; 4] = ["", "slaac", "dhcpv6-stateless", "dhcpv6-stateful"];
    let lab = Lab::new("row06pairs")?;
    let (host, r) = (lab.host("host")?, lab.router("r")?);
    lab.link(&host, "eth0", &r, "v1")?;
    // Without the kernel's own solicitations the host forms addresses only from what this test waits for.
    let script = lab.dir().join("ask.py");
    let link_local = host.link_local("eth0")?.to_string();
    std::fs::write(
        &script,
        ASK.replace("LINK_LOCAL", &format!("\"{link_local}\"")),
    )?;
    for ra in MODES {
        for address in MODES {
            let text = config(&modes(ra, address));
            if !(ra.is_empty() || address.is_empty() || ra == address) {
                r.configure(&text)?;
                let check = lab::run(&format!(
                    "{} check {}",
                    binary("hextetd")?.display(),
                    r.config_path().display()
                ))?;
                assert!(!check.status.success(), "{ra} with {address}");
                let why = format!("ra_mode \"{ra}\" with address_mode \"{address}\" is not valid");
                let said = check.stdout + &check.stderr;
                assert!(said.contains(&why), "{said}");
                continue;
            }
            r.start(&text)?;
            let case = format!("ra_mode \"{ra}\", address_mode \"{address}\"");
            // What is advertised is what `ra_mode` says, and nothing when it says nothing.
            let advert = host.run("rdisc6 -1 -r 2 -w 1500 eth0")?.stdout;
            assert_eq!(
                advert.contains("from fe80::"),
                !ra.is_empty(),
                "{case}: {advert}"
            );
            if !ra.is_empty() {
                let (m, o) = (ra == "dhcpv6-stateful", ra == "dhcpv6-stateless");
                assert!(
                    advert.contains(&has("Stateful address conf.", m)),
                    "{case}: {advert}"
                );
                assert!(
                    advert.contains(&has("Stateful other conf.", o)),
                    "{case}: {advert}"
                );
                let formed = advert.contains(&has("  Autonomous address conf.", true));
                assert_eq!(formed, !m, "{case}: {advert}");
                assert!(advert.contains("2001:db8:6::/64"), "{case}: {advert}");
            }
            // What is answered is what `address_mode` says.
            let answers = host.ok(&format!("/usr/bin/python3 {}", script.display()))?;
            let expected = match address {
                "dhcpv6-stateful" => "address dns | dns",
                "dhcpv6-stateless" => "dns | dns",
                _ => "silence | silence",
            };
            assert_eq!(answers.trim(), expected, "{case}");
            r.assert_balanced()?;
            r.stop()?;
        }
    }
    // The other refusals, each with its field.
    for (keys, why) in [
        (
            "ra_mode = \"slaac\"\nenable_dhcp = false\n",
            "enable_dhcp: ra_mode and address_mode cannot be set when enable_dhcp is false",
        ),
        (
            "address_mode = \"dhcpv6-stateful\"\nt1 = 100\nt2 = 50\n",
            "t2: 50s is before t1",
        ),
    ] {
        r.configure(&config(keys))?;
        let check = lab::run(&format!(
            "{} check {}",
            binary("hextetd")?.display(),
            r.config_path().display()
        ))?;
        let said = check.stdout + &check.stderr;
        assert!(!check.status.success() && said.contains(why), "{said}");
    }
    Ok(())
}
