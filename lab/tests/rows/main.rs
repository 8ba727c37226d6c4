//! The rows of the IPv6 gap analysis, one file a row; `make conformance` runs them and says which are closed.
//!
//! A row that has no file here is open. A file proves *every* sentence of its row, but for those that `make conformance` names as
//! still open.

mod row_01;
mod row_02;
mod row_03;
mod row_04;
mod row_05;
mod row_06;
mod row_07;
mod row_08;
mod row_13;
mod row_15;
mod row_16;
mod row_17;
mod row_18;
mod row_19;
mod row_21;
mod row_22;

use std::fmt::Write as _;

/// A router's configuration in pieces: devices and networks first, then one router with interfaces.
#[derive(Default)]
struct Config {
    devices: String,
    interfaces: String,
}

impl Config {
    /// A device on the router's veth `dev`.
    fn device(mut self, dev: &str) -> Self {
        let _ = write!(
            self.devices,
            "[[device]]\nname = \"{dev}\"\nkind = \"af_packet\"\ninterface = \"{dev}\"\n"
        );
        self
    }

    /// A device on the router's veth `dev` with one interface that advertises each /64 among its addresses.
    fn interface(self, dev: &str, addresses: &[&str]) -> Self {
        self.device(dev)
            .on(&format!("device = \"{dev}\""), dev, addresses)
    }

    /// A network of one segment, with an interface as [`Config::interface`] makes it.
    fn network(mut self, name: &str, segment: &str, addresses: &[&str]) -> Self {
        let _ = write!(
            self.devices,
            "[[network]]\nname = \"{name}\"\nsegments = [{{ {segment} }}]\n"
        );
        self.on(&format!("network = \"{name}\""), name, addresses)
    }

    /// A peer of VXLAN tunnels over IPv6.
    fn vtep(mut self, name: &str, local: &str, remote: &str) -> Self {
        let _ = write!(
            self.devices,
            "[[vtep]]\nname = \"{name}\"\nkind = \"vxlan\"\nrouter = \"main\"\nlocal = \"{local}\"\n\
             remote = \"{remote}\"\n"
        );
        self
    }

    fn on(mut self, place: &str, name: &str, addresses: &[&str]) -> Self {
        let quoted: Vec<String> = addresses.iter().map(|a| format!("\"{a}\"")).collect();
        let _ = write!(
            self.interfaces,
            "[[router.interface]]\nname = \"{name}-if\"\n{place}\naddresses = [{}]\n\
             [router.interface.ra]\nenabled = true\n",
            quoted.join(", ")
        );
        for prefix in addresses.iter().filter_map(|a| a.strip_suffix("::1/64")) {
            let _ = write!(
                self.interfaces,
                "[[router.interface.ra.prefix]]\nprefix = \"{prefix}::/64\"\n"
            );
        }
        self
    }

    fn text(&self) -> String {
        format!(
            "{}[[router]]\nname = \"main\"\n{}",
            self.devices, self.interfaces
        )
    }
}

/// A host's NICs `vx0`, `vx1` and on: VXLAN devices over its underlay on `eth0`, VNI 10 and on.
fn vxlan_nics(host: &lab::Host, local: &str, remote: &str, count: u32) -> lab::Result<()> {
    host.address("eth0", &format!("{local}/64"))?;
    for number in 0..count {
        lab::vxlan::Vxlan {
            dev: &format!("vx{number}"),
            vni: 10 + number,
            local: local.parse()?,
            remote: remote.parse()?,
            checksum: true,
            mtu: 1430,
        }
        .create(host)?;
    }
    Ok(())
}
