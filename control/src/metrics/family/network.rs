//! Layer-2 networks and the peers of tunnels.

use super::{Family, counter, gauge, number, truth};

/// Families of networks and peers.
pub(super) const FAMILIES: &[Family] = &[
    // Networks
    gauge(
        "hextet_network_up",
        "1 when a device of the network has a link, or it is stretched over tunnels.",
        &["network"],
        |s, out| out.networks(s, |n| truth(n.up)),
    ),
    gauge(
        "hextet_network_stations",
        "Stations of the network, by how they are known.",
        &["network", "origin"],
        |s, out| {
            for n in &s.networks {
                out.add([&n.name, &"learned"], number(n.learned));
                out.add([&n.name, &"static"], number(n.statics));
            }
        },
    ),
    counter(
        "hextet_network_receive_frames_total",
        "Frames that came in from stations.",
        &["network"],
        |s, out| out.networks(s, |n| number(n.counters.rx_frames)),
    ),
    counter(
        "hextet_network_receive_bytes_total",
        "Bytes of frames that came in from stations, without tags.",
        &["network"],
        |s, out| out.networks(s, |n| number(n.counters.rx_bytes)),
    ),
    counter(
        "hextet_network_transmit_frames_total",
        "Frames that left for stations, copies among them.",
        &["network"],
        |s, out| out.networks(s, |n| number(n.counters.tx_frames)),
    ),
    counter(
        "hextet_network_transmit_bytes_total",
        "Bytes of frames that left for stations, copies among them, without tags.",
        &["network"],
        |s, out| out.networks(s, |n| number(n.counters.tx_bytes)),
    ),
    counter(
        "hextet_network_flooded_frames_total",
        "Frames that went everywhere, each counted once.",
        &["network"],
        |s, out| out.networks(s, |n| number(n.counters.flooded_frames)),
    ),
    counter(
        "hextet_network_flooded_bytes_total",
        "Bytes of frames that went everywhere, each counted once, without tags.",
        &["network"],
        |s, out| out.networks(s, |n| number(n.counters.flooded_bytes)),
    ),
    counter(
        "hextet_fdb_events_total",
        "What became of stations of a network; the event's name says what.",
        &["network", "event"],
        |s, out| {
            for n in &s.networks {
                for (event, count) in &n.events {
                    out.add([&n.name, event], number(*count));
                }
            }
        },
    ),
    gauge(
        "hextet_network_bindings",
        "Addresses of which the owner is known, where ARP and neighbour discovery are answered from them.",
        &["network"],
        |s, out| out.networks(s, |n| number(n.bindings)),
    ),
    counter(
        "hextet_network_suppressed_frames_total",
        "Questions for the owner of an address that were not flooded, but answered in its stead or sent to it alone.",
        &["network", "result"],
        |s, out| {
            for n in &s.networks {
                out.add([&n.name, &"answered"], number(n.counters.answered_frames));
                out.add([&n.name, &"directed"], number(n.counters.directed_frames));
            }
        },
    ),
    counter(
        "hextet_binding_events_total",
        "What became of addresses of a network; the event's name says what.",
        &["network", "event"],
        |s, out| {
            for n in &s.networks {
                for (event, count) in &n.binding_events {
                    out.add([&n.name, event], number(*count));
                }
            }
        },
    ),
    // Peers of tunnels
    counter(
        "hextet_vtep_receive_packets_total",
        "Outer packets of the peer that were unpacked.",
        &["vtep"],
        |s, out| out.vteps(s, |c| c.rx_packets),
    ),
    counter(
        "hextet_vtep_receive_bytes_total",
        "Bytes of outer packets that were unpacked.",
        &["vtep"],
        |s, out| out.vteps(s, |c| c.rx_bytes),
    ),
    counter(
        "hextet_vtep_transmit_packets_total",
        "Outer packets of the peer that were packed.",
        &["vtep"],
        |s, out| out.vteps(s, |c| c.tx_packets),
    ),
    counter(
        "hextet_vtep_transmit_bytes_total",
        "Bytes of outer packets that were packed.",
        &["vtep"],
        |s, out| out.vteps(s, |c| c.tx_bytes),
    ),
    counter(
        "hextet_vtep_too_big_packets_total",
        "Packets for the peer that did not fit the path, and were dropped.",
        &["vtep"],
        |s, out| out.vteps(s, |c| c.too_big),
    ),
    gauge(
        "hextet_vtep_path_mtu_bytes",
        "Longest outer packet that the path to the peer is known to carry.",
        &["vtep"],
        |s, out| {
            for v in &s.vteps {
                out.add([&v.name], number(v.path_mtu.unwrap_or(v.mtu).into()));
            }
        },
    ),
    counter(
        "hextet_vtep_path_mtu_events_total",
        "What became of words of a smaller path MTU; the event's name says what.",
        &["vtep", "event"],
        |s, out| {
            for v in &s.vteps {
                for (event, count) in &v.path_events {
                    out.add([&v.name, event], number(*count));
                }
            }
        },
    ),
];
