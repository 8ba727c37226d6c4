//! Namespaces and veths by the `ip` tool.

use crate::Result;
use crate::process::{self, Output};
use anyhow::Context;

/// Runs a command line (split at blanks, no shell) in a namespace and waits for its end.
pub fn exec(netns: &str, command: &str) -> Result<Output> {
    process::run(&format!("ip netns exec {netns} {command}"))
}

/// Makes a namespace with loopback up.
pub fn add(netns: &str) -> Result<()> {
    process::run(&format!("ip netns add {netns}"))?.ok()?;
    process::run(&format!("ip -n {netns} link set lo up"))?.ok()?;
    Ok(())
}

/// Does something in a namespace, in a thread of its own: sockets made there stay there.
pub fn within<T: Send>(netns: &str, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let file = std::fs::File::open(format!("/run/netns/{netns}"))?;
    std::thread::scope(|scope| {
        let enter = || {
            nix::sched::setns(&file, nix::sched::CloneFlags::CLONE_NEWNET)?;
            work()
        };
        let done = scope.spawn(enter).join();
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Removes a namespace and the veths in it; one that is gone already is no fault.
pub fn delete(netns: &str) {
    let _ = process::run(&format!("ip netns del {netns}"));
}

/// A veth pair, each end born in its namespace: nothing appears in the root namespace.
pub fn veth(a: (&str, &str), b: (&str, &str), mtu: u32) -> Result<()> {
    process::run(&format!(
        "ip link add {} mtu {mtu} netns {} type veth peer name {} mtu {mtu} netns {}",
        a.1, a.0, b.1, b.0
    ))?
    .ok()
    .with_context(|| format!("wiring {}:{} to {}:{}", a.0, a.1, b.0, b.1))?;
    Ok(())
}

/// Removes the namespaces of labs whose process is gone.
pub fn sweep_stale() -> Result<()> {
    let listed = process::run("ip netns list")
        .context("the lab needs the `ip` tool (iproute2)")?
        .ok()?;
    for line in listed.stdout.lines() {
        let Some(netns) = line.split_whitespace().next() else {
            continue;
        };
        let owner = netns
            .strip_prefix("hx")
            .and_then(|rest| rest.split('-').next());
        let Some(pid) = owner.and_then(|pid| pid.parse::<u32>().ok()) else {
            continue;
        };
        if !std::path::Path::new(&format!("/proc/{pid}")).exists() {
            end_members(netns);
            delete(netns);
        }
    }
    Ok(())
}

/// Ends what still runs in a namespace of ours: a crashed lab's daemons.
fn end_members(netns: &str) {
    let Ok(pids) = process::run(&format!("ip netns pids {netns}")) else {
        return;
    };
    for pid in pids
        .stdout
        .split_whitespace()
        .filter_map(|pid| pid.parse::<i32>().ok())
    {
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(pid),
            nix::sys::signal::Signal::SIGKILL,
        );
    }
}
