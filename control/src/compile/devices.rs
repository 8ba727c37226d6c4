//! Devices and process options of the model in the dataplane's terms.

use dataplane::ports::{self, DeviceSpec};
use dataplane::{DataplaneOptions, EalOptions, Idle};

use crate::model::{self, Device, DeviceKind, MemifRole, Model, Workers};

/// How the dataplane opens a device.
pub fn spec(device: &Device) -> DeviceSpec {
    DeviceSpec {
        queues: device.queues,
        mtu: device.mtu,
        mac: device.mac.map(|mac| mac.octets()),
        ..DeviceSpec::new(device.name.clone(), kind(&device.kind))
    }
}

fn kind(kind: &DeviceKind) -> ports::DeviceKind {
    match kind.clone() {
        DeviceKind::Pci { address, options } => {
            let options = options
                .iter()
                .flat_map(|o| o.split(','))
                .map(str::to_owned)
                .collect();
            ports::Pci { address, options }.into()
        }
        DeviceKind::AfPacket {
            interface,
            qdisc_bypass,
            ..
        } => ports::AfPacket {
            interface,
            qdisc_bypass,
        }
        .into(),
        DeviceKind::Tap { interface, persist } => ports::Tap { interface, persist }.into(),
        DeviceKind::AfXdp {
            interface,
            start_queue,
            force_copy,
            busy_budget,
        } => ports::AfXdp {
            interface,
            start_queue,
            busy_budget: Some(busy_budget),
            force_copy,
        }
        .into(),
        DeviceKind::Memif {
            role,
            socket,
            id,
            zero_copy,
            secret,
            ..
        } => {
            let role = match role {
                MemifRole::Server => ports::MemifRole::Server,
                MemifRole::Client => ports::MemifRole::Client,
            };
            ports::Memif {
                socket,
                id,
                role,
                zero_copy,
                secret,
            }
            .into()
        }
        DeviceKind::VhostUser {
            socket,
            client,
            iommu,
            tso,
        } => ports::VhostUser {
            socket,
            client,
            iommu_support: iommu,
            tso,
            ..Default::default()
        }
        .into(),
        DeviceKind::VirtioUser { socket, server, .. } => ports::VirtioUser {
            path: socket,
            server,
            ..Default::default()
        }
        .into(),
        DeviceKind::Pcap { rx, tx, infinite } => ports::Pcap { rx, tx, infinite }.into(),
        DeviceKind::Ring => ports::Ring.into(),
        DeviceKind::Null {
            packet_size, no_rx, ..
        } => ports::Null {
            frame_len: packet_size,
            no_rx,
        }
        .into(),
    }
}

/// How the dataplane starts.
pub fn options(model: &Model) -> DataplaneOptions {
    let system = &model.system;
    let specs: Vec<DeviceSpec> = model.devices.iter().map(spec).collect();
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
            DeviceKind::Pci { address, .. } => Some(address.clone()),
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
        buffer_size: data_room.max(defaults.buffer_size),
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
