//! The `[system]` table.

use std::collections::HashSet;
use std::net::SocketAddr;

use super::document::MAX_ITEMS;
use super::reader::Table;
use super::schema::SYSTEM;
use crate::model::{Hugepages, Idle, System, Workers};

/// Highest CPU number that a pinned worker may have.
const MAX_CPU: u64 = 1023;

pub(super) fn read(table: Option<Table<'_>>) -> System {
    let default = System::default();
    let Some(mut table) = table else {
        return default;
    };
    table.check_keys(&[&SYSTEM]);
    System {
        name: table.string("name").map_or(default.name, str::to_owned),
        workers: workers(&table),
        idle: table
            .choice(
                "idle",
                &[("adaptive", Idle::Adaptive), ("poll", Idle::Poll)],
            )
            .unwrap_or(default.idle),
        memory: table
            .integer("memory", 16..=1 << 20)
            .unwrap_or(default.memory),
        hugepages: table
            .choice(
                "hugepages",
                &[
                    ("auto", Hugepages::Auto),
                    ("never", Hugepages::Never),
                    ("always", Hugepages::Always),
                ],
            )
            .unwrap_or(default.hugepages),
        mbufs: table
            .integer("mbufs", 1024..=(1 << 24) - 1)
            .unwrap_or(default.mbufs),
        mbuf_size: table.integer("mbuf_size", 128..=16384),
        max_routers: table
            .integer("max_routers", 1..=MAX_ITEMS as u64)
            .unwrap_or(default.max_routers),
        max_interfaces: table
            .integer("max_interfaces", 1..=MAX_ITEMS as u64)
            .unwrap_or(default.max_interfaces),
        max_networks: table
            .integer("max_networks", 0..=MAX_ITEMS as u64)
            .unwrap_or(default.max_networks),
        max_vteps: table
            .integer("max_vteps", 0..=MAX_ITEMS as u64)
            .unwrap_or(default.max_vteps),
        max_stations: table
            .integer("max_stations", 16..=1 << 24)
            .unwrap_or(default.max_stations),
        state_dir: table
            .string("state_dir")
            .map_or(default.state_dir, Into::into),
        api_socket: api_socket(&table).map_or(default.api_socket, Into::into),
        metrics: table.parse::<SocketAddr>(
            "metrics",
            "an address and port, such as \"[::1]:9461\" or \"127.0.0.1:9461\"",
        ),
        log: log(&table).map_or(default.log, str::to_owned),
    }
}

fn log<'a>(table: &Table<'a>) -> Option<&'a str> {
    let filter = table.string("log")?;
    if let Err(error) = crate::log::parse(filter) {
        table.fault("log", error.to_string());
    }
    Some(filter)
}

fn workers(table: &Table<'_>) -> Workers {
    let count: Option<u16> = table.integer("workers", 1..=64);
    let Some(cpus) = table.list("cpus", |cpu| cpu.integer::<u16>(0..=MAX_CPU)) else {
        return Workers::Count(count.unwrap_or(1));
    };
    if table.get("workers").is_some() {
        table.fault("workers", "give either `workers` or `cpus`, not both");
    }
    if cpus.is_empty() {
        table.fault("cpus", "must name at least one CPU");
    }
    if cpus.iter().collect::<HashSet<_>>().len() != cpus.len() {
        table.fault(
            "cpus",
            "names a CPU twice; each polling thread needs its own",
        );
    }
    Workers::Cpus(cpus)
}

/// The socket's path: a UNIX socket's is limited to 107 bytes (`sun_path`).
fn api_socket<'a>(table: &Table<'a>) -> Option<&'a str> {
    let path = table.string("api_socket")?;
    if path.is_empty() || path.len() > 107 {
        table.fault("api_socket", "must be a path of 1 to 107 bytes");
        return None;
    }
    Some(path)
}
