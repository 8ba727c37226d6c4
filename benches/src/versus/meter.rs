//! The meter: on-CPU time of one thread, the TSC's rate, packets from a DPDK telemetry socket.

use anyhow::{Context, Result, bail};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// On-CPU nanoseconds of a thread, from the scheduler's own accounting.
///
/// # Errors
/// When the thread is gone.
pub fn cpu_ns(pid: u32, tid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/task/{tid}/schedstat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    text.split_whitespace()
        .next()
        .and_then(|n| n.parse().ok())
        .with_context(|| format!("{path}: {text}"))
}

/// The thread of a process whose name is `name`, or begins so if that ends with a colon.
///
/// # Errors
/// When there is none.
pub fn thread_named(pid: u32, name: &str) -> Result<u32> {
    for entry in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let tid = entry?.file_name().to_string_lossy().parse::<u32>()?;
        let comm =
            std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/comm")).unwrap_or_default();
        let comm = comm.trim_end();
        if comm == name || name.ends_with(':') && comm.starts_with(name) {
            return Ok(tid);
        }
    }
    bail!("process {pid} has no thread named {name}")
}

/// TSC cycles per nanosecond, measured against the monotonic clock over 200 ms.
pub fn tsc_ghz() -> f64 {
    let (began, first) = (Instant::now(), tsc());
    std::thread::sleep(Duration::from_millis(200));
    let (elapsed, last) = (began.elapsed(), tsc());
    (last - first) as f64 / elapsed.as_nanos() as f64
}

/// The processor, as the kernel names it.
pub fn cpu_model() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(": "))
            .map_or("?", |(_, value)| value)
    };
    format!(
        "{} (family {}, model {})",
        field("model name"),
        field("cpu family"),
        // "model name" begins so too.
        field("model\t")
    )
}

/// The load average of the last minute.
pub fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_owned()
}

/// The time-stamp counter.
#[allow(unsafe_code)]
#[inline]
pub fn tsc() -> u64 {
    // SAFETY: RDTSC reads a counter and has no other effect.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::x86_64::_rdtsc()
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        0
    }
}

/// `(resident, huge pages)` of a process, in bytes.
pub fn memory(pid: u32) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    (
        kilobytes(&status, "VmRSS:") << 10,
        kilobytes(&status, "HugetlbPages:") << 10,
    )
}

fn kilobytes(status: &str, field: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// `(received, sent)` of a port from a DPDK process's telemetry socket.
///
/// # Errors
/// When the socket does not answer as DPDK does.
pub fn telemetry_packets(socket: &Path, port: usize) -> Result<(u64, u64)> {
    use nix::sys::socket::{
        AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, send,
    };
    let fd = nix::sys::socket::socket(
        AddressFamily::Unix,
        SockType::SeqPacket,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    connect(fd.as_raw_fd(), &UnixAddr::new(socket)?)
        .with_context(|| format!("connecting to {}", socket.display()))?;
    let mut buffer = [0; 16_384];
    recv(fd.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
    send(
        fd.as_raw_fd(),
        format!("/ethdev/stats,{port}").as_bytes(),
        MsgFlags::empty(),
    )?;
    let n = recv(fd.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
    let answer: serde_json::Value = serde_json::from_slice(&buffer[..n])?;
    let stats = &answer["/ethdev/stats"];
    match (stats["ipackets"].as_u64(), stats["opackets"].as_u64()) {
        (Some(rx), Some(tx)) => Ok((rx, tx)),
        _ => bail!("no packet counters in {answer}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_kernels_words() {
        let status = "Name:\tx\nVmRSS:\t    2048 kB\nHugetlbPages:\t  4096 kB\n";
        assert_eq!(kilobytes(status, "VmRSS:"), 2048);
        assert_eq!(kilobytes(status, "HugetlbPages:"), 4096);
        assert_eq!(kilobytes(status, "VmSwap:"), 0);
    }
}
