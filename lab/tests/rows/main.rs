//! The rows of the IPv6 gap analysis, one file a row; `make conformance` runs them and says which are closed.
//!
//! A row that has no file here is open. A file proves *every* sentence of its row, or it does not stand here.

mod row_05;
mod row_06;
mod row_07;
mod row_08;
mod row_17;
mod row_18;
mod row_19;

use std::fmt::Write as _;

/// A router's configuration in pieces: devices first, then one router with interfaces.
#[derive(Default)]
struct Config {
    devices: String,
    interfaces: String,
}

impl Config {
    /// A device on the router's veth `dev` with one interface that advertises each /64 among its addresses.
    fn interface(mut self, dev: &str, addresses: &[&str]) -> Self {
        let quoted: Vec<String> = addresses.iter().map(|a| format!("\"{a}\"")).collect();
        let _ = write!(
            self.devices,
            "[[device]]\nname = \"{dev}\"\nkind = \"af_packet\"\ninterface = \"{dev}\"\n"
        );
        let _ = write!(
            self.interfaces,
            "[[router.interface]]\nname = \"{dev}-if\"\ndevice = \"{dev}\"\naddresses = [{}]\n\
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
