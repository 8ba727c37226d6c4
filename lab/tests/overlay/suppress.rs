//! ARP and neighbour discovery that are answered from bindings, with the kernel's VXLAN as the far peer: who hears a question, who
//! does not, and what only the owner may answer.

use std::time::Duration;

use lab::vxlan::Vxlan;
use lab::{Daemon, Host, Lab, Result, wait_for};

use crate::{CONFIG, Outer, Site, count, mac, peer_host};

/// Says which addresses a device's groups are asked for: one line for each question that comes in.
const LISTEN: &str = r#"
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("vx0", 3))
print("listening", flush=True)
while True:
    frame, who = s.recvfrom(65535)
    if who[2] == 4 or not frame[0] & 1: continue
    # An announcement asks nothing: who speaks and who is asked for are one.
    if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\1" and frame[28:32] != frame[38:42]:
        target = socket.inet_ntop(socket.AF_INET, frame[38:42])
    elif frame[12:14] == b"\x86\xdd" and frame[20] == 58 and frame[54] == 135:
        target = socket.inet_ntop(socket.AF_INET6, frame[62:78])
    else: continue
    print("asked for", target, flush=True)
"#;

const B6: &str = "2001:db8:1::b";
const B4: &str = "10.1.0.11";

/// Site, host b behind the tunnel, and what b is asked. The LAN is a switch, so that b can move to it.
struct Suppressed {
    site: Site,
    c: Host,
    b: Host,
    asked: Daemon,
    /// Hosts lose their devices with it.
    _lan: Host,
}

impl Suppressed {
    fn start(lab: &Lab, outer: Outer) -> Result<Self> {
        let (a, c, far) = (lab.host("a")?, lab.host("c")?, lab.host("far")?);
        let (r, under, lan) = (lab.router("r")?, lab.segment("under")?, lab.segment("lan")?);
        lab.attach(&under, &r, "vu")?;
        lab.attach(&lan, &r, "vl")?;
        lab.attach(&lan, &a, "eth0")?;
        lab.attach(&lan, &c, "eth0")?;
        lab.link(&far, "eth0", &r, "vw")?;
        a.address("eth0", "10.1.0.10/24")?;
        a.address("eth0", "2001:db8:1::a/64")?;
        let site = Site { a, far, r, under };
        let b = peer_host(lab, &site, "b")?;
        let blue = crate::blue("vxlan", outer, "").replace(
            "name = \"blue\"\n",
            "name = \"blue\"\narp_nd_suppression = true\n",
        );
        site.r.start(&format!("{CONFIG}{blue}"))?;
        Vxlan {
            dev: "vx0",
            vni: 77,
            local: outer.peer().parse()?,
            remote: outer.ours().parse()?,
            checksum: true,
            mtu: 1430,
        }
        .create(&b)?;
        b.address("vx0", &format!("{B4}/24"))?;
        b.address("vx0", &format!("{B6}/64"))?;
        site.a.wait_slaac("eth0", "2001:db8:1:0:")?;
        // What it hears and says passes the tunnel from now on. (The addresses above are written with `::`.)
        b.wait_slaac("vx0", "2001:db8:1:0:")?;
        let asked = b.python(LISTEN, "")?;
        wait_for(Duration::from_secs(5), "a capture", || {
            asked.log().contains("listening").then_some(())
        })?;
        Ok(Self {
            site,
            c,
            b,
            asked,
            _lan: lan,
        })
    }

    /// How often b was asked for an address.
    fn asked_for(&self, address: &str) -> usize {
        let log = self.asked.log();
        let line = format!("asked for {address}");
        log.lines().filter(|l| **l == line).count()
    }

    /// A host forgets its neighbours and pings: whether it is answered.
    fn asks_anew(&self, host: &Host, address: &str) -> Result<bool> {
        host.ok("ip neigh flush dev eth0")?;
        Ok(host.ping(address, 3)? == 3)
    }

    fn answered(&self) -> Result<u64> {
        let networks = self.site.r.ctl("show networks")?;
        Ok(count(&networks[0]["counters"], "answered_frames"))
    }

    /// Who has an address, as the router has it.
    fn owner(&self, address: &str) -> Result<Option<String>> {
        let bindings = self
            .site
            .r
            .ctl(&format!("show bindings --network blue {address}"))?;
        let binding = &bindings[0];
        let used = binding["in_use"] == true;
        Ok(binding["mac"].as_str().filter(|_| used).map(str::to_owned))
    }

    fn wait_owner(&self, address: &str, mac: &str) -> Result<()> {
        wait_for(Duration::from_secs(5), "a binding", || {
            (self.owner(address).ok()?.as_deref() == Some(mac)).then_some(())
        })
    }
}

#[test]
fn a_question_is_answered_without_a_second_flood_over_ipv6() -> Result<()> {
    second_question(Outer::V6)
}

#[test]
fn a_question_is_answered_without_a_second_flood_over_ipv4() -> Result<()> {
    second_question(Outer::V4)
}

fn second_question(outer: Outer) -> Result<()> {
    let lab = Lab::new("suppress")?;
    let net = Suppressed::start(&lab, outer)?;
    let owner = mac(&net.b, "vx0")?;
    for address in [B6, B4] {
        assert!(net.asks_anew(&net.site.a, address)?, "{address}");
        assert!(1 <= net.asked_for(address), "the first question is flooded");
        net.wait_owner(address, &owner)?;
        let (before, asked) = (net.answered()?, net.asked_for(address));
        for asker in [&net.site.a, &net.site.a] {
            assert!(net.asks_anew(asker, address)?, "{address}");
        }
        assert!(before + 2 <= net.answered()?, "{address}");
        assert_eq!(
            net.asked_for(address),
            asked,
            "{address} was asked for again"
        );
        let neighbour = net.site.a.ok(&format!("ip neigh show {address}"))?;
        assert!(neighbour.contains(&owner), "{neighbour}");
    }
    // What is ours is asked for at the router alone.
    for ours in ["2001:db8:1::1", "10.1.0.1"] {
        assert!(net.asks_anew(&net.site.a, ours)?);
        assert_eq!(net.asked_for(ours), 0, "{ours}");
    }
    let text = net.site.r.hextetctl("show bindings")?;
    assert!(text.contains(B6) && text.contains("own"), "{text}");
    net.site.r.assert_balanced()
}

#[test]
fn duplicates_are_found_and_a_station_that_moves_is_too() -> Result<()> {
    let lab = Lab::new("supp-dad")?;
    let net = Suppressed::start(&lab, Outer::V6)?;
    let owner = mac(&net.b, "vx0")?;
    for address in [B6, B4] {
        assert!(net.asks_anew(&net.site.a, address)?);
        net.wait_owner(address, &owner)?;
    }
    // c wants b's address: b itself hears of it, and defends it.
    let before = net.asked_for(B6);
    net.c.ok(&format!("ip addr add {B6}/64 dev eth0"))?;
    wait_for(Duration::from_secs(5), "a duplicate to be found", || {
        let addresses = net.c.ok("ip addr show dev eth0").ok()?;
        addresses.contains("dadfailed").then_some(())
    })?;
    assert!(before < net.asked_for(B6));
    net.c.ok(&format!("ip addr del {B6}/64 dev eth0"))?;
    assert!(net.asks_anew(&net.site.a, B6)?);
    // b moves to the LAN with all it has, and says so as stations do.
    net.b.ok("ip link set vx0 down")?;
    net.c.ok(&format!("ip link set eth0 address {owner}"))?;
    for address in [format!("{B4}/24"), format!("{B6}/64")] {
        net.c.address("eth0", &address)?;
    }
    assert_eq!(net.c.ping("10.1.0.1", 2)?, 2);
    for address in [B6, B4] {
        assert!(net.asks_anew(&net.site.a, address)?, "{address}");
    }
    // Another station has its addresses now.
    let other = "02:00:00:00:0c:0c";
    net.c.ok("ip link set eth0 down")?;
    net.c.ok(&format!("ip link set eth0 address {other}"))?;
    net.c.ok("ip link set eth0 up")?;
    net.c
        .ok(&format!("ip addr replace {B6}/64 dev eth0 nodad"))?;
    assert_eq!(net.c.ping("10.1.0.1", 2)?, 2);
    net.wait_owner(B4, other)?;
    for address in [B4, B6] {
        assert!(net.asks_anew(&net.site.a, address)?, "{address}");
    }
    net.site.r.assert_balanced()
}
