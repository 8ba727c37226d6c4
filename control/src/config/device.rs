//! The `[[device]]` tables.

use std::path::PathBuf;

use dataplane::ports::{
    AfPacket, AfXdp, DeviceKind, Memif, MemifRole, Null, Pcap, Pci, Ring, Tap, VhostUser,
    VirtioUser,
};
use tables::id::PortId;

use super::document::Names;
use super::net;
use super::reader::{Table, Value};
use super::schema::{self, DEVICE, Section};
use crate::model::Device;

/// What the tap driver's buffers hold.
const MAX_TAP_MTU: u16 = 1504;

/// Reads the options of a kind; `None` after a fault.
type ReadKind = fn(&Table<'_>) -> Option<DeviceKind>;

const KINDS: &[(&str, (&Section, ReadKind))] = &[
    ("pci", (&schema::PCI, pci)),
    ("af_packet", (&schema::AF_PACKET, af_packet)),
    ("tap", (&schema::TAP, tap)),
    ("af_xdp", (&schema::AF_XDP, af_xdp)),
    ("memif", (&schema::MEMIF, memif)),
    ("vhost_user", (&schema::VHOST_USER, vhost_user)),
    ("virtio_user", (&schema::VIRTIO_USER, virtio_user)),
    ("pcap", (&schema::PCAP, pcap)),
    ("ring", (&schema::RING, |_| Some(Ring.into()))),
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
    let kind = kind.and_then(|(_, read)| read(&table));
    if let Some(DeviceKind::Tap(_)) = kind
        && mtu > MAX_TAP_MTU
    {
        table.fault(
            "mtu",
            format_args!("a tap device carries at most {MAX_TAP_MTU} bytes"),
        );
    }
    let descriptors = |name| table.integer(name, 32..=32_768).unwrap_or(512);
    let (rx_desc, tx_desc) = (descriptors("rx_desc"), descriptors("tx_desc"));
    Some(Device {
        id,
        name: name?,
        kind: kind?,
        queues,
        mtu,
        mac,
        rx_desc,
        tx_desc,
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
fn path(table: &Table<'_>, key: &'static str) -> Option<PathBuf> {
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

fn pci(table: &Table<'_>) -> Option<DeviceKind> {
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
    let option = |value: &Value<'_>| {
        let text = value.string()?;
        if !text.contains('=') || text.contains(',') {
            value.fault(format_args!(
                "\"{text}\" is not a driver option, `key=value`"
            ));
            return None;
        }
        Some(text.to_owned())
    };
    let options = table.list("options", option).unwrap_or_default();
    Some(
        Pci {
            address: address?,
            options,
        }
        .into(),
    )
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

fn af_packet(table: &Table<'_>) -> Option<DeviceKind> {
    let qdisc_bypass = table.boolean("qdisc_bypass").unwrap_or(true);
    Some(
        AfPacket {
            interface: kernel_interface(table)?,
            qdisc_bypass,
        }
        .into(),
    )
}

fn tap(table: &Table<'_>) -> Option<DeviceKind> {
    let persist = table.boolean("persist").unwrap_or(false);
    Some(
        Tap {
            interface: kernel_interface(table)?,
            persist,
        }
        .into(),
    )
}

fn af_xdp(table: &Table<'_>) -> Option<DeviceKind> {
    let start_queue = table.integer("start_queue", 0..=255).unwrap_or(0);
    let force_copy = table.boolean("force_copy").unwrap_or(false);
    let busy_budget = table.integer("busy_budget", 0..=64);
    let interface = kernel_interface(table)?;
    Some(
        AfXdp {
            interface,
            start_queue,
            busy_budget,
            force_copy,
        }
        .into(),
    )
}

fn memif(table: &Table<'_>) -> Option<DeviceKind> {
    let role = table
        .choice(
            "role",
            &[("server", MemifRole::Server), ("client", MemifRole::Client)],
        )
        .unwrap_or_default();
    let id = table.integer("id", 0..=u64::from(u32::MAX)).unwrap_or(0);
    let zero_copy = table.boolean("zero_copy").unwrap_or(false);
    if zero_copy && role == MemifRole::Server {
        table.fault("zero_copy", "only the client can share its packet buffers");
    }
    let secret = table.string("secret").map(str::to_owned);
    if secret
        .as_ref()
        .is_some_and(|secret| secret.len() > 24 || secret.contains([',', '=']))
    {
        table.fault("secret", "must be at most 24 bytes without `,` and `=`");
    }
    let socket = socket(table)?;
    Some(
        Memif {
            socket,
            id,
            role,
            zero_copy,
            secret,
        }
        .into(),
    )
}

/// The key `socket`: a UNIX socket's path is limited to 107 bytes (`sun_path`).
fn socket(table: &Table<'_>) -> Option<PathBuf> {
    table.require("socket")?;
    let socket = path(table, "socket")?;
    if socket.as_os_str().len() > 107 {
        table.fault("socket", "must be a path of 1 to 107 bytes");
        return None;
    }
    Some(socket)
}

fn vhost_user(table: &Table<'_>) -> Option<DeviceKind> {
    let client = table.boolean("client").unwrap_or(false);
    let iommu_support = table.boolean("iommu").unwrap_or(false);
    let postcopy_support = table.boolean("postcopy").unwrap_or(false);
    let tso = table.boolean("tso").unwrap_or(false);
    let socket = socket(table)?;
    Some(
        VhostUser {
            socket,
            client,
            iommu_support,
            postcopy_support,
            tso,
        }
        .into(),
    )
}

fn virtio_user(table: &Table<'_>) -> Option<DeviceKind> {
    let server = table.boolean("server").unwrap_or(false);
    let packed_vq = table.boolean("packed").unwrap_or(false);
    Some(
        VirtioUser {
            path: socket(table)?,
            server,
            packed_vq,
        }
        .into(),
    )
}

fn pcap(table: &Table<'_>) -> Option<DeviceKind> {
    let (rx, tx) = (path(table, "rx"), path(table, "tx"));
    let infinite = table.boolean("infinite").unwrap_or(false);
    let given = |key| table.get(key).is_some();
    if !given("rx") && (infinite || !given("tx")) {
        table.fault("rx", "a pcap device needs `rx` (or `tx` alone)");
    }
    Some(Pcap { rx, tx, infinite }.into())
}

fn null(table: &Table<'_>) -> Option<DeviceKind> {
    let frame_len = table.integer("frame_size", 64..=9600).unwrap_or(64);
    let no_rx = table.boolean("no_rx").unwrap_or(true);
    Some(Null { frame_len, no_rx }.into())
}
