//! Finds DPDK with pkg-config, binds the functions named below with bindgen, compiles the shim.
//!
//! There is no stub: without DPDK the build ends with one message that says what to install.
#![allow(unsafe_code)] // one call of `env::set_var`, before any thread is started

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

/// The oldest DPDK whose names we use (Debian 12). 24.11 (Debian 13) has the same names.
const OLDEST: &str = "22.11";

/// What Rust may call. Static inlines among them get a C wrapper of one call each.
const FUNCTIONS: &[&str] = &[
    "rte_eal_(init|cleanup|get_runtime_dir|hotplug_add|hotplug_remove)",
    "rte_dev_name",
    "rte_thread_(register|unregister)",
    "rte_(strerror|version|openlog_stream)",
    "rte_mempool_(free|avail_count|in_use_count)",
    "rte_pktmbuf_(pool_create|alloc|alloc_bulk|free|free_bulk|copy)",
    "rte_eth_(rx|tx)_burst",
    "rte_eth_tx_prepare",
    "rte_eth_(rx|tx)_queue_setup",
    "rte_eth_dev_(configure|adjust_nb_rx_tx_desc|start|stop|close|info_get|set_mtu|get_mtu|is_removed)",
    "rte_eth_dev_(get_port_by_name|get_name_by_port|count_avail|socket_id)",
    "rte_eth_dev_(callback_register|callback_unregister)",
    "rte_eth_dev_(default_mac_addr_set|mac_addr_add|mac_addr_remove|set_mc_addr_list)",
    "rte_eth_macaddr_get",
    "rte_eth_(promiscuous|allmulticast)_(enable|disable|get)",
    "rte_eth_stats_(get|reset)",
    "rte_eth_xstats_(get|get_names)",
    "hextet_.*",
];

/// And with the feature `peers`: lookups to measure ours beside.
const PEERS: &[&str] = &[
    "rte_(fib6?|lpm6?)_(free|add)",
    "rte_fib6?_(lookup_bulk|select_lookup)",
    "rte_lpm6?_(create|lookup_bulk_func)",
    "rte_(zmalloc|free)",
];

const VARS: &[&str] = &[
    "HEXTET_.*",
    "RTE_ETH_EVENT_.*",
    "RTE_ETH_MQ_(RX|TX)_.*",
    "RTE_ETH_SPEED_.*",
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for file in [
        "wrapper.h",
        "shim.h",
        "shim.c",
        "testing.c",
        "peers.h",
        "peers.c",
    ] {
        println!("cargo::rerun-if-changed=csrc/{file}");
    }
    println!("cargo::rerun-if-env-changed=LIBCLANG_PATH");

    let lib = match pkg_config::Config::new()
        .atleast_version(OLDEST)
        .probe("libdpdk")
    {
        Ok(lib) => lib,
        Err(error) => give_up(&short(&error)),
    };
    println!("cargo::metadata=VERSION={}", lib.version);
    pair_libclang_with_clang();

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let static_fns = out.join("static_fns.c");
    let mut flags = cflags();
    let with_peers = env::var_os("CARGO_FEATURE_PEERS").is_some();
    if with_peers {
        flags.push("-DHEXTET_PEERS".to_owned());
    }

    let mut builder = bindgen::Builder::default()
        .header("csrc/wrapper.h")
        .clang_args(&flags)
        .wrap_static_fns(true)
        .wrap_static_fns_path(&static_fns)
        // Thread-local in C, a plain static to bindgen: it links, then reads the wrong memory.
        .blocklist_item("per_lcore_.*")
        // Anonymous unions and bit-fields differ between releases: bound by hand in `mbuf.rs`.
        .blocklist_type("rte_mbuf")
        .raw_line("use crate::mbuf::rte_mbuf;")
        .opaque_type("rte_mempool")
        .opaque_type("rte_eth_dev_portconf")
        .opaque_type("rte_lpm")
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .derive_default(false)
        .generate_comments(false)
        .layout_tests(true);
    let peers = if with_peers { PEERS } else { &[] };
    for function in FUNCTIONS.iter().chain(peers) {
        builder = builder.allowlist_function(function);
    }
    for var in VARS
        .iter()
        .chain(with_peers.then_some(&"RTE_LPM_LOOKUP_SUCCESS"))
    {
        builder = builder.allowlist_var(var);
    }
    let bindings = match builder.generate() {
        Ok(bindings) => bindings,
        Err(error) => give_up(&format!("bindgen cannot read DPDK's headers: {error}")),
    };
    bindings
        .write_to_file(out.join("dpdk.rs"))
        .expect("OUT_DIR is writable");

    let mut cc = cc::Build::new();
    for flag in &flags {
        cc.flag(flag);
    }
    cc.file(&static_fns)
        .file("csrc/shim.c")
        .file("csrc/testing.c");
    if with_peers {
        cc.file("csrc/peers.c");
    }
    cc.include(".")
        .opt_level(3)
        .warnings(false)
        .compile("hextet_dpdk_shim");
}

/// The compiler flags of DPDK, all of them. The pkg-config crate keeps only `-I` and `-D`, but
/// `-include rte_config.h` and `-march=` decide what the headers' inline functions are.
fn cflags() -> Vec<String> {
    let tool = env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    let output = match Command::new(tool).args(["--cflags", "libdpdk"]).output() {
        Ok(output) if output.status.success() => output,
        Ok(output) => give_up(&String::from_utf8_lossy(&output.stderr)),
        Err(error) => give_up(&error.to_string()),
    };
    String::from_utf8_lossy(&output.stdout)
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

/// With two LLVM releases installed, libclang of one and the headers of the other do not fit
/// ("invalid conversion between vector type"). Take the libclang of the `clang` in PATH.
fn pair_libclang_with_clang() {
    if env::var_os("LIBCLANG_PATH").is_some() || env::var_os("CLANG_PATH").is_some() {
        return; // the builder has chosen
    }
    let Ok(output) = Command::new("clang").arg("-print-resource-dir").output() else {
        return; // no clang: bindgen finds the only libclang by itself
    };
    // /usr/lib/llvm-14/lib/clang/14.0.6 -> /usr/lib/llvm-14/lib
    let resource_dir = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let Some(lib) = Path::new(&resource_dir).parent().and_then(Path::parent) else {
        return;
    };
    let has_libclang = lib.read_dir().is_ok_and(|mut entries| {
        entries.any(|e| e.is_ok_and(|e| is_libclang(&e.file_name().to_string_lossy())))
    });
    if has_libclang {
        // SAFETY: the build script has one thread.
        unsafe { env::set_var("LIBCLANG_PATH", lib) };
    }
}

/// `libclang.so`, `libclang.so.1`, `libclang-14.so.1`; not `libclang-cpp.so`.
fn is_libclang(file: &str) -> bool {
    file.strip_prefix("libclang").is_some_and(|rest| {
        rest.contains(".so")
            && (rest.starts_with('.') || rest[1..].starts_with(|c: char| c.is_ascii_digit()))
    })
}

/// pkg-config tells the same several times over; the first of its complaints is enough.
fn short(error: &pkg_config::Error) -> String {
    let text = error.to_string();
    let complaint = text.lines().map(str::trim).find(|line| {
        line.starts_with("Package") || line.starts_with("Requested") || line.contains("not be run")
    });
    complaint
        .or(text.lines().next())
        .unwrap_or_default()
        .to_owned()
}

fn give_up(why: &str) -> ! {
    eprintln!(
        "\nHextet needs DPDK {OLDEST} or newer and could not use it. On Debian, install it with\n\n\
         \x20   apt-get install libdpdk-dev pkg-config clang libclang-dev\n\n\
         (reason: {})\n",
        why.trim()
    );
    exit(1);
}
