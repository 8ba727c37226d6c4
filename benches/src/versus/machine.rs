//! Where and with what a run was made: for its report.

use super::meter;
use serde_json::{Value, json};
use std::process::Command;

/// Machine, date and versions.
pub fn describe(tsc_ghz: f64) -> Value {
    let hextetd = std::env::current_exe()
        .ok()
        .map(|path| path.with_file_name("hextetd"));
    let hextetd = hextetd.and_then(|path| said(&path.to_string_lossy(), &["--version"]));
    json!({
        "cpu": meter::cpu_model(),
        "cpus": std::thread::available_parallelism().map_or(0, usize::from),
        "tsc_ghz": tsc_ghz,
        "kernel": said("uname", &["-sr"]),
        "date": said("date", &["--utc", "+%Y-%m-%dT%H:%M:%SZ"]),
        "load_average": meter::load_average(),
        "versions": {
            "hextetd": hextetd,
            "commit": said("git", &["describe", "--always", "--dirty"]),
            "dpdk": said("pkg-config", &["--modversion", "libdpdk"]),
            "openvswitch": said("ovs-vsctl", &["--version"]),
        },
    })
}

/// The first line a command prints.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next()?.trim();
    output.status.success().then(|| line.to_owned())
}
