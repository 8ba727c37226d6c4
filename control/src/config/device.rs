//! The `[[device]]` tables.

use tables::id::PortId;

use super::document::Names;
use super::net;
use super::reader::Table;
use super::schema::{self, DEVICE, Section};
use crate::model::{Device, DeviceKind, MemifRole};

/// Reads the options of a kind; `None` after a fault.
type ReadKind = fn(&Table<'_>, mtu: u16) -> Option<DeviceKind>;

const KINDS: &[(&str, (&Section, ReadKind))] = &[
    ("pci", (&schema::PCI, pci)),
    ("af_packet", (&schema::AF_PACKET, af_packet)),
    ("tap", (&schema::TAP, tap)),
    ("af_xdp", (&schema::AF_XDP, af_xdp)),
    ("memif", (&schema::MEMIF, memif)),
    ("vhost_user", (&schema::VHOST_USER, vhost_user)),
    ("virtio_user", (&schema::VIRTIO_USER, virtio_user)),
    ("pcap", (&schema::PCAP, pcap)),
    ("ring", (&schema::RING, |_, _| Some(DeviceKind::Ring))),
    ("null", (&schema::NULL, null)),
];

/// Reads a device. One that is named and otherwise wrong still counts as named, so that references to it are not
/// faulted too.
pub(super) fn read(mut table: Table<'_>, id: PortId, names: &mut Names) -> Option<Device> {
    let kind = table.require("kind").and_then(|value| value.choice(KINDS));
    match kind {
        Some((section, _)) => table.check_keys(&[&DEVICE, section]),
        // Which keys are allowed cannot be told.
        None => table.assume_keys(&[&DEVICE]),
    }
    let name = names.take(&table, "device");
    let queues = table.integer("queues", 1..=64).unwrap_or(1);
    let mtu = table.integer("mtu", 68..=9600).unwrap_or(1500);
    let mac = table.get("mac").and_then(|value| net::mac(&value));
    let kind = kind.and_then(|(_, read)| read(&table, mtu));
    if let Some(DeviceKind::Tap { .. }) = kind
        && mtu > 1500
    {
        table.fault("mtu", "a tap device carries at most 1500 bytes");
    }
    Some(Device {
        id,
        name: name?,
        kind: kind?,
        queues,
        mtu,
        mac,
    })
}

/// A name of a network interface of the kernel (`IFNAMSIZ` is 16, with the final zero).
fn kernel_interface(table: &Table<'_>) -> Option<String> {
    let value = table.require("interface")?;
    let name = value.string()?;
    let good = |c: char| c.is_ascii_graphic() && !"/:,=".contains(c);
    if name.is_empty() || name.len() > 15 || !name.chars().all(good) {
        value.fault(format_args!(
            "\"{name}\" is not a kernel interface: 1 to 15 printable characters without / : , ="
        ));
        return None;
    }
    Some(name.to_owned())
}

/// A path without the characters that part a driver's options.
fn path(table: &Table<'_>, key: &'static str) -> Option<std::path::PathBuf> {
    let text = table.string(key)?;
    if text.is_empty() || text.contains([',', '=']) {
        table.fault(
            key,
            format_args!("\"{text}\" must be a path without `,` and `=`"),
        );
        return None;
    }
    Some(text.into())
}

fn required_path(table: &Table<'_>, key: &'static str) -> Option<std::path::PathBuf> {
    table.require(key)?;
    path(table, key)
}

fn pci(table: &Table<'_>, _: u16) -> Option<DeviceKind> {
    let address = table.require("address").and_then(|value| {
        let text = value.string()?;
        if !is_pci_address(text) {
            value.fault(format_args!(
                "\"{text}\" is not a PCI address such as \"0000:03:00.1\""
            ));
            return None;
        }
        Some(text.to_owned())
    });
    let options = table.string("options").map(str::to_owned);
    Some(DeviceKind::Pci {
        address: address?,
        options,
    })
}

/// Whether `text` is `domain:bus:device.function`.
fn is_pci_address(text: &str) -> bool {
    let hex = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|b| b.is_ascii_hexdigit())
    };
    let parts: Vec<&str> = text.split([':', '.']).collect();
    let [domain, bus, device, function] = parts[..] else {
        return false;
    };
    let form = format!("{domain}:{bus}:{device}.{function}");
    form == text && hex(domain, 4) && hex(bus, 2) && hex(device, 2) && hex(function, 1)
}

fn af_packet(table: &Table<'_>, mtu: u16) -> Option<DeviceKind> {
    let interface = kernel_interface(table);
    let block_size: Option<u32> = table.integer("block_size", 4096..=1 << 24);
    let frame_size: Option<u32> = table.integer("frame_size", 512..=1 << 16);
    let frame_count = table.integer("frame_count", 16..=1 << 16).unwrap_or(512);
    let qdisc_bypass = table.boolean("qdisc_bypass").unwrap_or(true);
    if let Some(frame) = frame_size {
        // The ring frame holds the kernel's header (at most 82 bytes here), Ethernet and two tags.
        let needed = u32::from(mtu) + 104;
        if !frame.is_multiple_of(16) || frame < needed {
            table.fault(
                "frame_size",
                format_args!("must be a multiple of 16, and at least {needed} for mtu {mtu}"),
            );
        }
    }
    if let Some(block) = block_size {
        let frame = frame_size.unwrap_or(2048);
        if !block.is_multiple_of(4096) || !block.is_multiple_of(frame) {
            table.fault(
                "block_size",
                format_args!("must be a multiple of 4096 and of frame_size ({frame})"),
            );
        }
    }
    Some(DeviceKind::AfPacket {
        interface: interface?,
        block_size,
        frame_size,
        frame_count,
        qdisc_bypass,
    })
}

fn tap(table: &Table<'_>, _: u16) -> Option<DeviceKind> {
    let persist = table.boolean("persist").unwrap_or(false);
    Some(DeviceKind::Tap {
        interface: kernel_interface(table)?,
        persist,
    })
}

fn af_xdp(table: &Table<'_>, _: u16) -> Option<DeviceKind> {
    let start_queue = table.integer("start_queue", 0..=255).unwrap_or(0);
    let force_copy = table.boolean("force_copy").unwrap_or(false);
    let busy_budget = table.integer("busy_budget", 0..=64).unwrap_or(64);
    let interface = kernel_interface(table)?;
    Some(DeviceKind::AfXdp {
        interface,
        start_queue,
        force_copy,
        busy_budget,
    })
}

fn memif(table: &Table<'_>, _: u16) -> Option<DeviceKind> {
    let role = table
        .choice(
            "role",
            &[("server", MemifRole::Server), ("client", MemifRole::Client)],
        )
        .unwrap_or(MemifRole::Server);
    let id = table.integer("id", 0..=u64::from(u32::MAX)).unwrap_or(0);
    let ring_size = table.integer("ring_size", 1..=14).unwrap_or(10);
    let zero_copy = table.boolean("zero_copy").unwrap_or(false);
    if zero_copy && role == MemifRole::Server {
        table.fault("zero_copy", "only the client can share its packet buffers");
    }
    let secret = table.string("secret").map(str::to_owned);
    if secret
        .as_ref()
        .is_some_and(|secret| secret.len() > 24 || secret.contains([',', '=']))
    {
        table.fault(
            "secret",
            "must be at most 24 characters without `,` and `=`",
        );
    }
    let socket = required_path(table, "socket")?;
    Some(DeviceKind::Memif {
        role,
        socket,
        id,
        ring_size,
        zero_copy,
        secret,
    })
}

fn vhost_user(table: &Table<'_>, _: u16) -> Option<DeviceKind> {
    let client = table.boolean("client").unwrap_or(false);
    let iommu = table.boolean("iommu").unwrap_or(false);
    let tso = table.boolean("tso").unwrap_or(false);
    Some(DeviceKind::VhostUser {
        socket: required_path(table, "socket")?,
        client,
        iommu,
        tso,
    })
}

fn virtio_user(table: &Table<'_>, _: u16) -> Option<DeviceKind> {
    let server = table.boolean("server").unwrap_or(false);
    let queue_size: u16 = table.integer("queue_size", 64..=32768).unwrap_or(256);
    if !queue_size.is_power_of_two() {
        table.fault(
            "queue_size",
            format_args!("{queue_size} is not a power of two"),
        );
    }
    Some(DeviceKind::VirtioUser {
        socket: required_path(table, "socket")?,
        server,
        queue_size,
    })
}

fn pcap(table: &Table<'_>, _: u16) -> Option<DeviceKind> {
    let rx = path(table, "rx");
    let tx = path(table, "tx");
    let infinite = table.boolean("infinite").unwrap_or(false);
    if table.get("rx").is_none() && (infinite || table.get("tx").is_none()) {
        table.fault("rx", "a pcap device needs `rx` (or `tx` alone)");
    }
    Some(DeviceKind::Pcap { rx, tx, infinite })
}

fn null(table: &Table<'_>, _: u16) -> Option<DeviceKind> {
    Some(DeviceKind::Null {
        packet_size: table.integer("packet_size", 64..=9600).unwrap_or(64),
        copy: table.boolean("copy").unwrap_or(false),
        no_rx: table.boolean("no_rx").unwrap_or(true),
    })
}
