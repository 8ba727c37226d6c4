//! DPDK's environment: one per process.

use std::ffi::{CString, c_char};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::{fs, slice, thread};

use dpdk_sys as c;

use crate::errno::Errno;

/// An address that no machine has: allowing only it keeps the PCI bus usable for
/// [`Eal::plug`] while no device is taken at start.
const NO_PCI_DEVICE: &str = "ffff:ff:1f.7";

/// Where packet memory comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hugepages {
    /// Huge pages if enough are free, ordinary memory otherwise ([`Eal::hugepages`] tells which).
    #[default]
    Auto,
    /// Ordinary memory: needs nothing of the host; devices that need physical addresses
    /// without an IOMMU cannot work.
    Never,
    /// Huge pages, or fail.
    Always,
}

/// Which PCI devices may be taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Pci {
    /// None, ever: the bus is not even read.
    #[default]
    Off,
    /// These at start (may be none), and others later by [`Eal::plug`]. Never any other device
    /// of the machine.
    Allow(Vec<String>),
}

/// Severity of a line of DPDK's own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// The process or a device cannot go on.
    Error,
    /// Something was refused or degraded.
    Warning,
    /// Worth knowing.
    Info,
    /// For developers of drivers.
    Debug,
}

impl LogLevel {
    /// From `RTE_LOG_*`: 1 emergency ... 4 error, 5 warning, 6 notice, 7 info, 8 debug.
    fn from_rte(level: u32) -> Self {
        match level {
            0..=4 => LogLevel::Error,
            5 => LogLevel::Warning,
            6 | 7 => LogLevel::Info,
            _ => LogLevel::Debug,
        }
    }

    fn to_rte(self) -> u32 {
        match self {
            LogLevel::Error => 4,
            LogLevel::Warning => 5,
            LogLevel::Info => 7,
            LogLevel::Debug => 8,
        }
    }
}

/// Receives DPDK's log, a line (without its end) at a time, from any thread.
pub type LogSink = fn(LogLevel, &str);

/// How to start.
#[derive(Clone, Debug)]
pub struct EalOptions {
    /// Tells several DPDK processes of a machine apart.
    pub file_prefix: String,
    /// Packet memory in MiB. Without huge pages it is touched at start: ask for little.
    pub memory_mib: u32,
    /// Where the memory comes from.
    pub hugepages: Hugepages,
    /// The CPU that EAL's own main thread is bound to; `None`: the first this process may use.
    pub main_core: Option<u32>,
    /// PCI devices.
    pub pci: Pci,
    /// DPDK's telemetry socket.
    pub telemetry: bool,
    /// Widest vector registers that drivers may use, in bits (128, 256, 512).
    pub max_simd_bits: u16,
    /// Devices to make at start, as EAL strings (`net_null0,...`). [`Eal::plug`] is the usual way.
    pub vdevs: Vec<String>,
    /// Lines above this severity are dropped.
    pub log_level: LogLevel,
    /// Where the others go; `None`: standard error.
    pub log: Option<LogSink>,
}

impl Default for EalOptions {
    fn default() -> Self {
        EalOptions {
            file_prefix: "hextet".to_owned(),
            memory_mib: 256,
            hugepages: Hugepages::Auto,
            main_core: None,
            pci: Pci::Off,
            telemetry: false,
            max_simd_bits: 512,
            vdevs: Vec::new(),
            log_level: LogLevel::Warning,
            log: None,
        }
    }
}

/// EAL did not start.
#[derive(Debug, thiserror::Error)]
pub enum EalError {
    /// A process has one EAL in its life.
    #[error("DPDK was already started once by this process")]
    AlreadyStarted,
    /// An option holds a NUL byte.
    #[error("the DPDK option {0:?} contains a NUL byte")]
    Nul(String),
    /// `Always`, but there are not enough pages.
    #[error(
        "{wanted_mib} MiB of huge pages are asked for and {free_mib} MiB are free; \
         reserve some (sysctl vm.nr_hugepages=N) or allow ordinary memory"
    )]
    NoHugepages {
        /// Asked for.
        wanted_mib: u32,
        /// Free now.
        free_mib: u64,
    },
    /// DPDK refused; its log says more.
    #[error("DPDK did not start: {errno} (options: {options})")]
    Init {
        /// What it left in `rte_errno`.
        errno: Errno,
        /// What it was given.
        options: String,
    },
    /// No thread could be started for it.
    #[error("no thread could be started for DPDK")]
    Thread(#[source] std::io::Error),
}

/// A device could not be added or removed.
#[derive(Debug, thiserror::Error)]
pub enum PlugError {
    /// The string holds a NUL byte.
    #[error("the device {0:?} contains a NUL byte")]
    Nul(String),
    /// The driver or the bus refused it.
    #[error("DPDK could not add device {device:?}: {errno}")]
    Add {
        /// As given to [`Eal::plug`].
        device: String,
        /// Why.
        errno: Errno,
    },
    /// It cannot be taken out.
    #[error("DPDK could not remove device {device:?}: {errno}")]
    Remove {
        /// Its name.
        device: String,
        /// Why.
        errno: Errno,
    },
}

/// Keeps EAL up; cleaned up with the last holder.
pub(crate) struct EalHandle {
    hugepages: bool,
}

impl Drop for EalHandle {
    fn drop(&mut self) {
        // SAFETY: a constant string of EAL.
        let directory = unsafe { std::ffi::CStr::from_ptr(c::rte_eal_get_runtime_dir()) };
        let directory = directory.to_string_lossy().into_owned();
        // SAFETY: initialised once; every pool and port holds a handle, so none is left.
        unsafe { c::rte_eal_cleanup() };
        // EAL makes a directory for files that we have it not make. Not empty: not only ours.
        let _ = fs::remove_dir(directory);
    }
}

/// The running environment.
pub struct Eal(Arc<EalHandle>);

/// Set by the first [`Eal::init`] and never cleared: DPDK cannot start twice in a process.
static STARTED: AtomicBool = AtomicBool::new(false);

static LOG_SINK: OnceLock<Option<LogSink>> = OnceLock::new();

static MOST_VERBOSE: OnceLock<LogLevel> = OnceLock::new();

impl Eal {
    /// Starts DPDK, once per process. Runs on a thread of its own: DPDK binds the thread that
    /// calls it to one CPU, and every thread made from that one later would inherit it.
    pub fn init(options: &EalOptions) -> Result<Self, EalError> {
        let free_mib = free_hugepage_mib();
        let enough = free_mib >= options.memory_mib as u64;
        let hugepages = match options.hugepages {
            Hugepages::Auto => enough,
            Hugepages::Never => false,
            Hugepages::Always if enough => true,
            Hugepages::Always => {
                return Err(EalError::NoHugepages {
                    wanted_mib: options.memory_mib,
                    free_mib,
                });
            }
        };
        let arguments = arguments(options, hugepages);
        let c_arguments: Vec<CString> = arguments
            .iter()
            .map(|a| CString::new(a.as_str()).map_err(|_| EalError::Nul(a.clone())))
            .collect::<Result<_, _>>()?;
        if STARTED.swap(true, Ordering::SeqCst) {
            return Err(EalError::AlreadyStarted);
        }
        let first = MOST_VERBOSE.set(options.log_level).is_ok();
        if first && LOG_SINK.set(options.log).is_ok() {
            // SAFETY: `log_line` is callable from any thread for the life of the process.
            unsafe { c::hextet_log_to(Some(log_line)) };
        }
        let started = thread::Builder::new()
            .name("eal-main".to_owned())
            .spawn(move || {
                let mut argv: Vec<*mut c_char> =
                    c_arguments.iter().map(|a| a.as_ptr().cast_mut()).collect();
                // SAFETY: argv has argc NUL-terminated strings that outlive the call; EAL permutes
                // the array and keeps copies of the strings.
                let result = unsafe { c::rte_eal_init(argv.len() as i32, argv.as_mut_ptr()) };
                if result < 0 {
                    Err(Errno::last())
                } else {
                    Ok(())
                }
            })
            .map_err(EalError::Thread)?
            .join();
        match started {
            Ok(Ok(())) => Ok(Eal(Arc::new(EalHandle { hugepages }))),
            Ok(Err(errno)) => Err(EalError::Init {
                errno,
                options: arguments.join(" "),
            }),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Whether packet memory is in huge pages. Say so once if it is not: throughput suffers.
    pub fn hugepages(&self) -> bool {
        self.0.hugepages
    }

    /// DPDK's release, as `DPDK 22.11.11`.
    pub fn version(&self) -> String {
        // SAFETY: a constant string.
        let version = unsafe { std::ffi::CStr::from_ptr(c::rte_version()) };
        version.to_string_lossy().into_owned()
    }

    /// Makes the calling thread known to DPDK, so that pools keep a cache for it. Every thread
    /// that handles packets does this first.
    pub fn register_thread(&self) -> Result<ThreadGuard, Errno> {
        // SAFETY: EAL is up.
        if unsafe { c::rte_thread_register() } < 0 {
            return Err(Errno::last());
        }
        Ok(ThreadGuard {
            _eal: self.handle(),
            _not_send: PhantomData,
        })
    }

    /// Adds a device while running: `net_tap0,iface=tap0` (a virtual one) or `0000:03:00.0,...`
    /// (a PCI one; needs [`Pci::Allow`] at start). Its port is then found by
    /// [`Port::by_name`](crate::Port::by_name) with [`Device::name`].
    pub fn plug(&self, device: &str) -> Result<Device, PlugError> {
        let nul = |_| PlugError::Nul(device.to_owned());
        let (name, arguments) = device.split_once(',').unwrap_or((device, ""));
        let bus = if is_pci_address(name) {
            c"pci"
        } else {
            c"vdev"
        };
        let c_name = CString::new(name).map_err(nul)?;
        let c_arguments = CString::new(arguments).map_err(nul)?;
        // SAFETY: EAL is up; the strings outlive the call, which copies them.
        let result =
            unsafe { c::rte_eal_hotplug_add(bus.as_ptr(), c_name.as_ptr(), c_arguments.as_ptr()) };
        Errno::check(result).map_err(|errno| PlugError::Add {
            device: device.to_owned(),
            errno,
        })?;
        Ok(Device {
            eal: self.handle(),
            bus,
            name: name.to_owned(),
            c_name,
        })
    }

    pub(crate) fn handle(&self) -> Arc<EalHandle> {
        self.0.clone()
    }
}

/// A device that [`Eal::plug`] added. Dropping it leaves the device in place.
pub struct Device {
    eal: Arc<EalHandle>,
    bus: &'static std::ffi::CStr,
    name: String,
    c_name: CString,
}

impl Device {
    /// The name of its port.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes the device out. Close its [`Port`](crate::Port) before.
    pub fn unplug(self) -> Result<(), PlugError> {
        let _up = &self.eal;
        // SAFETY: EAL is up; the strings outlive the call.
        let result = unsafe { c::rte_eal_hotplug_remove(self.bus.as_ptr(), self.c_name.as_ptr()) };
        match Errno::check(result) {
            Ok(_) => Ok(()),
            Err(errno) => Err(PlugError::Remove {
                device: self.name,
                errno,
            }),
        }
    }
}

/// A registered thread; unregistered when dropped, by the same thread.
pub struct ThreadGuard {
    _eal: Arc<EalHandle>,
    _not_send: PhantomData<*const ()>,
}

impl ThreadGuard {
    /// DPDK's number of this thread.
    pub fn lcore_id(&self) -> u32 {
        // SAFETY: reads a thread-local.
        unsafe { c::hextet_lcore_id() }
    }
}

impl Drop for ThreadGuard {
    fn drop(&mut self) {
        // SAFETY: this thread was registered (the guard is not Send).
        unsafe { c::rte_thread_unregister() };
    }
}

/// `0000:03:00.0` or `03:00.0`.
pub(crate) fn is_pci_address(name: &str) -> bool {
    let hex = |s: &str, max: usize| {
        !s.is_empty() && s.len() <= max && s.bytes().all(|b| b.is_ascii_hexdigit())
    };
    let parts: Vec<&str> = name.split(':').collect();
    let (domain, bus, rest) = match parts[..] {
        [bus, rest] => ("0", bus, rest),
        [domain, bus, rest] => (domain, bus, rest),
        _ => return false,
    };
    let Some((slot, function)) = rest.split_once('.') else {
        return false;
    };
    hex(domain, 8) && hex(bus, 2) && hex(slot, 2) && hex(function, 1)
}

fn arguments(options: &EalOptions, hugepages: bool) -> Vec<String> {
    let core = options.main_core.unwrap_or_else(first_allowed_cpu);
    let mut a = vec![
        "hextet".to_owned(),
        format!("--lcores=0@{core}"),
        format!("--file-prefix={}", options.file_prefix),
        format!("--log-level={}", options.log_level.to_rte()),
        format!("--force-max-simd-bitwidth={}", options.max_simd_bits),
        "-m".to_owned(),
        options.memory_mib.to_string(),
    ];
    if hugepages {
        // No file is left behind; one file per memory segment is what vhost and memif can share.
        a.extend([
            "--in-memory".to_owned(),
            "--single-file-segments".to_owned(),
        ]);
    } else {
        a.extend(["--no-huge".to_owned(), "--no-shconf".to_owned()]);
    }
    if !options.telemetry {
        a.push("--no-telemetry".to_owned());
    }
    match &options.pci {
        Pci::Off => a.push("--no-pci".to_owned()),
        Pci::Allow(devices) if devices.is_empty() => {
            a.extend(["-a".to_owned(), NO_PCI_DEVICE.to_owned()]);
        }
        Pci::Allow(devices) => {
            a.extend(devices.iter().flat_map(|d| ["-a".to_owned(), d.clone()]));
        }
    }
    a.extend(options.vdevs.iter().map(|v| format!("--vdev={v}")));
    a
}

fn first_allowed_cpu() -> u32 {
    // SAFETY: an all-zero cpu_set_t is an empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is as large as said.
    let result = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) };
    if result != 0 {
        return 0;
    }
    // SAFETY: the index is below the set's size.
    (0..libc::CPU_SETSIZE as u32)
        .find(|&n| unsafe { libc::CPU_ISSET(n as usize, &set) })
        .unwrap_or(0)
}

/// Free huge pages of the size the kernel lists with the most free memory.
fn free_hugepage_mib() -> u64 {
    let Ok(sizes) = fs::read_dir("/sys/kernel/mm/hugepages") else {
        return 0;
    };
    sizes
        .flatten()
        .filter_map(|entry| {
            // hugepages-2048kB
            let name = entry.file_name().into_string().ok()?;
            let kib: u64 = name
                .strip_prefix("hugepages-")?
                .strip_suffix("kB")?
                .parse()
                .ok()?;
            let free = fs::read_to_string(entry.path().join("free_hugepages")).ok()?;
            Some(free.trim().parse::<u64>().ok()? * kib / 1024)
        })
        .max()
        .unwrap_or(0)
}

/// What is reported as an error although nothing is lost by it: one of several sizes of huge pages
/// is not reserved, no secondary process of DPDK ever attaches to a router, and nothing here uses
/// a tap's flow rules.
const HARMLESS: [&str; 6] = [
    "kB hugepages reported on node",
    "Failed to register mp action callback",
    "Failed to send start req to secondary",
    "Specified qdisc kind is unknown",
    "multiq qdisc",
    "Disabling rte flow support",
];

fn level_of(level: u32, line: &str) -> LogLevel {
    match HARMLESS.iter().any(|harmless| line.contains(harmless)) {
        true => LogLevel::Debug,
        false => LogLevel::from_rte(level),
    }
}

unsafe extern "C" fn log_line(level: u32, text: *const c_char, len: usize) {
    // SAFETY: C hands over `len` readable bytes for the time of the call.
    let bytes = unsafe { slice::from_raw_parts(text.cast::<u8>(), len) };
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let level = level_of(level, line);
        if level > MOST_VERBOSE.get().copied().unwrap_or(LogLevel::Warning) {
            continue;
        }
        match LOG_SINK.get() {
            Some(Some(sink)) => sink(level, line),
            _ => eprintln!("dpdk: {line}"),
        }
    }
}

#[cfg(test)]
mod tests;
