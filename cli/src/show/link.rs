//! Devices, interfaces and addresses.

use std::fmt::Write as _;

use api::{
    AddressState, Device, DeviceState, FamilyCounters, Interface, InterfaceAddress, InterfaceState,
    Link, MulticastMode,
};

use super::{Facts, join};
use crate::paint::Paint;
use crate::table::{Cell, Table, cell};
use crate::units::{bytes, speed};

fn link(link: &Link) -> String {
    match (link.up, link.speed_mbps) {
        (false, _) => "down".to_owned(),
        (true, None) => "up".to_owned(),
        (true, Some(mbps)) => format!("up {}", speed(mbps)),
    }
}

/// All devices, one a row.
pub(crate) fn devices(devices: &[Device], paint: Paint) -> String {
    let mut table = Table::new([
        "device",
        "kind",
        "state",
        "link",
        ">mtu",
        "rx/tx queues",
        "mac",
        "multicast",
        ">rx packets",
        ">tx packets",
        ">errors",
    ]);
    for device in devices {
        let c = &device.counters;
        let errors = c.rx_errors + c.rx_missed + c.rx_no_mbuf + c.tx_errors;
        table.row([
            cell(&device.name),
            cell(device.kind),
            cell(device.state).bad_if(device.state != DeviceState::Running),
            Cell::from(link(&device.link)).bad_if(!device.link.up),
            cell(device.mtu),
            Cell::from(format!("{}/{}", device.rx_queues, device.tx_queues)),
            cell(device.mac),
            cell(device.multicast.mode).odd_if(device.multicast.refused.is_some()),
            cell(c.rx_packets),
            cell(c.tx_packets),
            cell(errors).odd_if(errors > 0),
        ]);
    }
    table.render(paint, "no devices")
}

/// One device in detail.
pub(crate) fn device(device: &Device, paint: Paint) -> String {
    let mut facts = Facts::default();
    facts
        .add("device", &device.name)
        .add(
            "kind",
            format!("{} ({}, port {})", device.kind, device.driver, device.port),
        )
        .add("state", device.state.to_string())
        .add("link", link(&device.link))
        .add("mac", device.mac.to_string())
        .add("mtu", device.mtu.to_string())
        .add(
            "queues",
            format!("{} rx, {} tx", device.rx_queues, device.tx_queues),
        )
        .add(
            "offloads",
            join(
                device
                    .offloads
                    .iter()
                    .map(|o| format!("{} {}", o.name, o.place)),
                ", ",
            ),
        );
    let multicast = &device.multicast;
    let mode = match (&multicast.refused, multicast.mode) {
        (Some(refused), mode) => {
            paint.odd(&format!("{mode}, since filtering was refused: {refused}"))
        }
        (None, MulticastMode::Filter) => "filter".to_owned(),
        (None, mode) => mode.to_string(),
    };
    facts
        .add("multicast", mode)
        .add("groups", join(&multicast.macs, " "));
    let mut out = facts.render(0);
    let c = &device.counters;
    let mut table = Table::new(["", ">packets", ">bytes", ">errors", ">missed", ">no mbuf"]);
    table.row([
        Cell::from("received"),
        cell(c.rx_packets),
        Cell::from(bytes(c.rx_bytes)),
        cell(c.rx_errors).odd_if(c.rx_errors > 0),
        cell(c.rx_missed).odd_if(c.rx_missed > 0),
        cell(c.rx_no_mbuf).odd_if(c.rx_no_mbuf > 0),
    ]);
    table.row([
        Cell::from("sent"),
        cell(c.tx_packets),
        Cell::from(bytes(c.tx_bytes)),
        cell(c.tx_errors).odd_if(c.tx_errors > 0),
        Cell::from("-"),
        Cell::from("-"),
    ]);
    let _ = write!(out, "\n{}", table.render(paint, ""));
    out
}

/// All interfaces, a row for each family.
pub(crate) fn interfaces(interfaces: &[Interface], paint: Paint) -> String {
    let mut table = Table::new([
        "interface",
        "router",
        "on",
        "vlan",
        "state",
        ">mtu",
        "mac",
        "family",
        ">rx packets",
        ">rx bytes",
        ">tx packets",
        ">tx bytes",
    ]);
    for i in interfaces {
        let FamilyCounters {
            rx_packets,
            rx_bytes,
            tx_packets,
            tx_bytes,
        } = i.counters.ipv6;
        table.row([
            cell(&i.name),
            cell(&i.router),
            cell(i.network.as_ref().or(i.vtep.as_ref()).unwrap_or(&i.device)),
            Cell::from(join(&i.vlans, ".")),
            cell(i.state).bad_if(i.state != InterfaceState::Up),
            cell(i.mtu),
            cell(i.mac),
            Cell::from("ipv6"),
            cell(rx_packets),
            Cell::from(bytes(rx_bytes)),
            cell(tx_packets),
            Cell::from(bytes(tx_bytes)),
        ]);
        let FamilyCounters {
            rx_packets,
            rx_bytes,
            tx_packets,
            tx_bytes,
        } = i.counters.ipv4;
        table.row([
            Cell::default(),
            Cell::default(),
            Cell::default(),
            Cell::default(),
            Cell::default(),
            Cell::default(),
            Cell::default(),
            Cell::from("ipv4"),
            cell(rx_packets),
            Cell::from(bytes(rx_bytes)),
            cell(tx_packets),
            Cell::from(bytes(tx_bytes)),
        ]);
    }
    table.render(paint, "no interfaces")
}

/// All addresses, own and virtual.
pub(crate) fn addresses(addresses: &[InterfaceAddress], paint: Paint) -> String {
    let mut table = Table::new(["interface", "router", "address", "origin", "state", "note"]);
    for InterfaceAddress {
        interface,
        router,
        address,
    } in addresses
    {
        let note = match (address.state, address.anycast, address.vrid) {
            (AddressState::Duplicate, ..) => {
                "somebody else on the link has it: not used".to_owned()
            }
            (AddressState::Backup, _, Some(vrid)) => format!("vrid {vrid}: another router has it"),
            (_, _, Some(vrid)) => format!("vrid {vrid}"),
            (_, true, None) => "anycast".to_owned(),
            _ => String::new(),
        };
        table.row([
            cell(interface),
            cell(router),
            cell(address.address),
            cell(address.origin),
            cell(address.state)
                .odd_if(address.state == AddressState::Tentative)
                .bad_if(address.state == AddressState::Duplicate),
            Cell::from(note),
        ]);
    }
    table.render(paint, "no addresses")
}
