//! How an attack is begun.

use super::table::Attack;
use lab::{Daemon, Host, Result};
use std::path::Path;

/// The router's MAC on the network.
pub const ROUTER_MAC: &str = "02:00:00:00:01:01";
/// Its link-local address there.
pub const ROUTER_LL: &str = "fe80::ff:fe00:101";
/// The victim's address.
pub const VICTIM: &str = "2001:db8:1::a";
/// An address behind the router.
pub const UPLINK: &str = "2001:db8:2::2";

/// What programs of ours begin with.
const PRELUDE: &str = "import sys, warnings\nwarnings.filterwarnings('ignore')\nfrom scapy.all import *\n\
    me = get_if_hwaddr('eth0')\n\
    def out(*frames):\n    for f in frames:\n        f.src = me\n    sendp(list(frames), iface='eth0', count=5, inter=0.05, verbose=False)\n";

/// Starts an attack; it ends by itself, or when its time is over.
pub fn launch(attacker: &Host, dir: &Path, attack: &Attack) -> Result<Daemon> {
    let own = attacker.link_local("eth0")?.to_string();
    let command = attack
        .command
        .replace("{victim}", VICTIM)
        .replace("{router_ll}", ROUTER_LL)
        .replace("{router_mac}", ROUTER_MAC)
        .replace("{uplink}", UPLINK)
        .replace("{own_ll}", &own);
    let seconds = attack.seconds;
    let program = match attack.program {
        Some(program) => {
            let file = dir.join("attack.py");
            std::fs::write(&file, format!("{PRELUDE}{program}"))?;
            format!("/usr/bin/python3 {} {command}", file.display())
        }
        None => command,
    };
    attacker.spawn(&format!("timeout -k 1 {seconds} {program}"))
}
