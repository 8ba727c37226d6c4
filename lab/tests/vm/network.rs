//! The port belongs to a network that VXLAN stretches to a Linux host: what the guest leaves open is closed before it
//! goes into the tunnel. QEMU listens and the router comes.

use lab::vm::{Nic, Vm};
use lab::vxlan::Vxlan;
use lab::{Host, Lab, Result};

use crate::judge::Judge;
use crate::{Ends, MAC, dhclient, offload};

const CONFIG: &str = r#"
[[device]]
name = "guest"
kind = "vhost_user"
socket = "SOCKET"
client = true
tso = true

[[device]]
name = "up"
kind = "af_packet"
interface = "vu"

[[network]]
name = "blue"
segments = [{ kind = "flat", device = "guest" }, { kind = "vxlan", vni = 77, vteps = ["k"] }]

[[vtep]]
name = "k"
kind = "vxlan"
router = "underlay"
local = "fd66::1"
remote = "fd66::3"

[[router]]
name = "underlay"
[[router.interface]]
name = "up0"
device = "up"
addresses = ["fd66::1/64"]

[[router]]
name = "tenant"
[[router.interface]]
name = "blue0"
network = "blue"
addresses = ["2001:db8:1::1/64", "10.1.0.1/24"]
[router.interface.ra]
enabled = true
[[router.interface.ra.prefix]]
prefix = "2001:db8:1::/64"
[[router.interface.subnet]]
prefix = "10.1.0.0/24"
pools = [{ start = "10.1.0.50", end = "10.1.0.99" }]
"#;

/// 1500 less IPv6, UDP, VXLAN and Ethernet.
const INSIDE: u32 = 1430;

#[test]
fn a_virtual_machine_lives_in_a_network_that_a_tunnel_stretches() -> Result<()> {
    let lab = Lab::new("vmnet")?;
    let (k, r) = (lab.host("k")?, lab.router("r")?);
    lab.link(&k, "eth0", &r, "vu")?;
    k.address("eth0", "fd66::3/64")?;
    Vxlan {
        dev: "vx0",
        vni: 77,
        local: "fd66::3".parse()?,
        remote: "fd66::1".parse()?,
        checksum: true,
        mtu: INSIDE,
    }
    .create(&k)?;
    k.address("vx0", "10.1.0.11/24")?;
    let socket = lab.dir().join("guest.sock");
    r.start(&CONFIG.replace("SOCKET", &socket.display().to_string()))?;
    let nic = Nic {
        socket,
        listens: true,
        queues: 1,
        mac: MAC,
    };
    let vm = lab.vm("vm", nic)?;
    let ends = configured(&lab, &vm, &k)?;
    for router in ["2001:db8:1::1", "10.1.0.1"] {
        assert_eq!(vm.ping(router, 2)?, 2, "{router}");
    }
    ends.talk()?;
    let judges = [
        Judge::start(&k, "eth0", 1500)?,
        Judge::start(&k, "vx0", INSIDE)?,
    ];
    for on in [true, false] {
        assert_eq!(offload(&vm, on)?, [on, on]);
        ends.transfers()?;
    }
    let [outside, inside] = judges;
    assert_eq!(outside.seen(), ["UDP over IPv6 right"]);
    assert_eq!(
        inside.seen(),
        ["TCP over IPv4 right", "TCP over IPv6 right"]
    );
    assert_eq!(r.dropped("tx_unfit")?, 0);
    ends.no_wrong_checksums()?;

    ends.sessions_outlive(&r)?;

    vm.kill()?;
    vm.boot()?;
    let ends = configured(&lab, &vm, &k)?;
    ends.talk()?;
    ends.transfers()?;
    ends.no_wrong_checksums()?;
    r.assert_balanced()
}

/// Sets the guest's NIC up; its addresses come from the router, and so does the network's MTU.
fn configured<'a>(lab: &'a Lab, vm: &'a Vm, k: &'a Host) -> Result<Ends<'a>> {
    vm.ok("ip link set eth0 up")?;
    let slaac = vm.wait_address("2001:db8:1:")?;
    dhclient(vm, "-4")?;
    for file in [
        "/sys/class/net/eth0/mtu",
        "/proc/sys/net/ipv6/conf/eth0/mtu",
    ] {
        assert_eq!(
            vm.ok(&format!("cat {file}"))?.trim(),
            INSIDE.to_string(),
            "{file}"
        );
    }
    let host = k.wait_slaac("vx0", "2001:db8:1:")?.to_string();
    Ok(Ends {
        lab,
        vm,
        at: [slaac, vm.wait_address("10.1.0.")?],
        host: k,
        host_at: [host, "10.1.0.11".to_owned()],
    })
}
