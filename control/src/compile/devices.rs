//! Devices and process options of the model in the dataplane's terms.

use dataplane::ports::{DeviceKind, DeviceSpec};
use dataplane::{DataplaneOptions, EalOptions, Idle};

use crate::model::{self, Device, Model, Workers};

/// How the dataplane starts.
pub fn options(model: &Model) -> DataplaneOptions {
    let system = &model.system;
    let specs: Vec<DeviceSpec> = model.devices.iter().map(Device::spec).collect();
    let data_room = specs
        .iter()
        .map(DeviceSpec::min_data_room)
        .max()
        .unwrap_or(0);
    let defaults = DataplaneOptions::default();
    let pci: Vec<String> = model
        .devices
        .iter()
        .filter_map(|device| match &device.kind {
            DeviceKind::Pci(pci) => Some(pci.address.clone()),
            _ => None,
        })
        .collect();
    DataplaneOptions {
        eal: EalOptions {
            // One per process, so that several routers of a machine do not meet.
            file_prefix: format!("hextet-{}", std::process::id()),
            memory_mib: system.memory,
            hugepages: match system.hugepages {
                model::Hugepages::Auto => dataplane::Hugepages::Auto,
                model::Hugepages::Never => dataplane::Hugepages::Never,
                model::Hugepages::Always => dataplane::Hugepages::Always,
            },
            pci: if pci.is_empty() {
                dataplane::Pci::Off
            } else {
                dataplane::Pci::Allow(pci)
            },
            ..EalOptions::default()
        },
        workers: worker_cpus(&system.workers),
        idle: match system.idle {
            model::Idle::Poll => Idle::Poll,
            model::Idle::Adaptive => Idle::Adaptive,
        },
        buffers: system.mbufs,
        buffer_size: system
            .mbuf_size
            .unwrap_or(data_room.max(defaults.buffer_size)),
        // A reload gives what is new ids that what is gone had not.
        max_vrfs: 2 * usize::from(system.max_routers),
        max_interfaces: 2 * usize::from(system.max_interfaces) + 1,
        max_networks: 2 * usize::from(system.max_networks) + 1,
        max_tunnels: 2 * usize::from(system.max_vteps) + 1,
        max_stations: system.max_stations as usize,
        max_bindings: system.max_stations as usize,
        max_anchors: 2 * usize::from(model.security.max_ports) + 1,
        max_rules: 2 * model.security.max_rules as usize + 1,
        max_flows: model.security.max_flows as usize,
        max_peer_flows: model
            .pair
            .as_ref()
            .map_or(0, |pair| pair.max_flows as usize),
        ..defaults
    }
}

/// The CPU of each worker; `None` leaves the choice to the kernel.
pub fn worker_cpus(workers: &Workers) -> Vec<Option<usize>> {
    match workers {
        Workers::Count(count) => vec![None; usize::from(*count)],
        Workers::Cpus(cpus) => cpus.iter().map(|cpu| Some(usize::from(*cpu))).collect(),
    }
}
