//! The process, its devices and its interfaces.

use api::{DeviceState, InterfaceState};

use super::{Family, counter, gauge, number, truth};

/// Families of the process, the devices and the interfaces.
pub(super) const FAMILIES: &[Family] = &[
    gauge(
        "hextet_build_info",
        "Always 1; the labels tell what runs.",
        &["version", "dpdk"],
        |s, out| {
            out.add([&s.status.version, &s.status.dpdk_version], 1.0);
        },
    ),
    gauge(
        "hextet_uptime_seconds",
        "Time since the start.",
        &[],
        |s, out| {
            out.add([], number(s.status.uptime_ms) / 1000.0);
        },
    ),
    gauge(
        "hextet_ready",
        "1 when the configuration is applied and every worker polls, else 0.",
        &[],
        |s, out| out.add([], truth(s.status.ready)),
    ),
    gauge(
        "hextet_warnings",
        "Things that work less well than they could; `hextetctl show status` names them.",
        &[],
        |s, out| out.add([], s.status.warnings.len() as f64),
    ),
    counter(
        "hextet_config_reloads_total",
        "Reloads of the configuration file; a refused one changed nothing.",
        &["result"],
        |s, out| {
            out.add([&"applied"], number(s.counters.reloads.applied));
            out.add([&"refused"], number(s.counters.reloads.refused));
        },
    ),
    // Devices
    gauge(
        "hextet_device_info",
        "Always 1; the labels tell what the device is.",
        &["device", "kind", "driver"],
        |s, out| {
            s.devices
                .iter()
                .for_each(|d| out.add([&d.name, &d.kind, &d.driver], 1.0))
        },
    ),
    gauge(
        "hextet_device_up",
        "1 when the device runs and its link is up.",
        &["device"],
        |s, out| {
            for d in &s.devices {
                out.add(
                    [&d.name],
                    truth(d.state == DeviceState::Running && d.link.up),
                );
            }
        },
    ),
    gauge(
        "hextet_device_multicast_fallback",
        "1 when the device refused to filter multicast and receives all of it.",
        &["device"],
        |s, out| {
            s.devices
                .iter()
                .for_each(|d| out.add([&d.name], truth(d.multicast.refused.is_some())));
        },
    ),
    counter(
        "hextet_device_receive_packets_total",
        "Frames received.",
        &["device"],
        |s, out| {
            out.devices(s, |c| c.rx_packets);
        },
    ),
    counter(
        "hextet_device_receive_bytes_total",
        "Bytes of frames received.",
        &["device"],
        |s, out| {
            out.devices(s, |c| c.rx_bytes);
        },
    ),
    counter(
        "hextet_device_receive_errors_total",
        "Frames received broken.",
        &["device"],
        |s, out| {
            out.devices(s, |c| c.rx_errors);
        },
    ),
    counter(
        "hextet_device_receive_missed_total",
        "Frames the device dropped because no worker took them in time.",
        &["device"],
        |s, out| out.devices(s, |c| c.rx_missed),
    ),
    counter(
        "hextet_device_receive_no_mbuf_total",
        "Frames dropped because no packet buffer was free.",
        &["device"],
        |s, out| out.devices(s, |c| c.rx_no_mbuf),
    ),
    counter(
        "hextet_device_transmit_packets_total",
        "Frames sent.",
        &["device"],
        |s, out| {
            out.devices(s, |c| c.tx_packets);
        },
    ),
    counter(
        "hextet_device_transmit_bytes_total",
        "Bytes of frames sent.",
        &["device"],
        |s, out| {
            out.devices(s, |c| c.tx_bytes);
        },
    ),
    counter(
        "hextet_device_transmit_errors_total",
        "Frames the device failed to send.",
        &["device"],
        |s, out| out.devices(s, |c| c.tx_errors),
    ),
    // Interfaces
    gauge(
        "hextet_interface_up",
        "1 when the interface carries packets.",
        &["interface", "router"],
        |s, out| {
            for i in &s.interfaces {
                out.add([&i.name, &i.router], truth(i.state == InterfaceState::Up));
            }
        },
    ),
    gauge(
        "hextet_interface_addresses",
        "Own addresses by state; `duplicate` means that somebody else has it.",
        &["interface", "router", "state"],
        |s, out| {
            for i in &s.interfaces {
                for state in api::AddressState::ALL {
                    let count = i.addresses.iter().filter(|a| a.state == *state).count();
                    out.add([&i.name, &i.router, state], count as f64);
                }
            }
        },
    ),
    counter(
        "hextet_interface_receive_packets_total",
        "Packets received.",
        &["interface", "router", "family"],
        |s, out| out.interfaces(s, |c| c.rx_packets),
    ),
    counter(
        "hextet_interface_receive_bytes_total",
        "Bytes of packets received, without the layer-2 header.",
        &["interface", "router", "family"],
        |s, out| out.interfaces(s, |c| c.rx_bytes),
    ),
    counter(
        "hextet_interface_transmit_packets_total",
        "Packets sent.",
        &["interface", "router", "family"],
        |s, out| out.interfaces(s, |c| c.tx_packets),
    ),
    counter(
        "hextet_interface_transmit_bytes_total",
        "Bytes of packets sent, without the layer-2 header.",
        &["interface", "router", "family"],
        |s, out| out.interfaces(s, |c| c.tx_bytes),
    ),
];
