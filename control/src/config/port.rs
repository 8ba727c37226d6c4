//! The `[[router.interface.port]]` tables.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use ipnet::IpNet;
use wire::ether::MacAddr;

use super::net;
use super::reader::{Table, Value};
use super::schema::{OPTION, PORT};
use crate::model::{Port, PortOption, broadcast};

/// Bytes of a DUID: a type and what the type says (RFC 8415 section 11.1).
const DUID: std::ops::RangeInclusive<usize> = 3..=130;
/// Longest data of an option that fits in any message.
const MAX_OPTION: usize = 4096;

/// Reads the ports of an interface that has `addresses` of its own, or of a remote link with these prefixes.
pub(super) fn read(table: &Table<'_>, addresses: &[IpNet]) -> Vec<Port> {
    let mut seen = Seen::default();
    let mut ports = Vec::new();
    for entry in table.tables("port", &PORT) {
        let name = name(&entry, &mut seen);
        let mac = entry.get("mac").and_then(|value| net::mac(&value));
        let duid = entry.get("duid").and_then(|value| duid(&value));
        let client_id = entry.get("client_id").and_then(|value| client_id(&value));
        if ["mac", "duid", "client_id"]
            .iter()
            .all(|key| entry.get(key).is_none())
        {
            entry.fault("mac", "a port is told by `mac`, `duid` or `client_id`");
        }
        if let Some(id) = &client_id
            && !seen.client_ids.insert(id.clone())
        {
            entry.fault("client_id", "is another port's");
        }
        if mac.is_some_and(|mac| !seen.macs.insert(mac)) {
            entry.fault("mac", "is another port's");
        }
        if let Some(duid) = &duid
            && !seen.duids.insert(duid.clone())
        {
            entry.fault("duid", "is another port's");
        }
        let own = port_addresses(&entry, addresses, &mut seen);
        let options = options(&entry);
        if let Some(name) = name {
            ports.push(Port {
                name,
                mac,
                duid,
                client_id,
                addresses: own,
                options,
            });
        }
    }
    ports
}

/// What earlier ports have.
#[derive(Default)]
struct Seen {
    names: HashSet<String>,
    macs: HashSet<MacAddr>,
    duids: HashSet<Vec<u8>>,
    client_ids: HashSet<Vec<u8>>,
    addresses: HashMap<IpAddr, String>,
}

fn name(table: &Table<'_>, seen: &mut Seen) -> Option<String> {
    let value = table.require("name")?;
    let name = value.string()?;
    if name.is_empty() || name.len() > 255 || name.chars().any(char::is_control) {
        value.fault("must have 1 to 255 bytes, none of them a control character");
        return None;
    }
    if !seen.names.insert(name.to_owned()) {
        value.fault(format_args!("\"{name}\" is another port's name"));
        return None;
    }
    Some(name.to_owned())
}

fn duid(value: &Value<'_>) -> Option<Vec<u8>> {
    let bytes = hex(value)?;
    if !DUID.contains(&bytes.len()) {
        let (least, most) = (DUID.start(), DUID.end());
        value.fault(format_args!(
            "has {} bytes; a DUID has {least} to {most} (RFC 8415 section 11.1)",
            bytes.len()
        ));
        return None;
    }
    Some(bytes)
}

/// Bytes of a DHCPv4 client identifier: a type and at least one more (RFC 2132 section 9.14).
fn client_id(value: &Value<'_>) -> Option<Vec<u8>> {
    let bytes = hex(value)?;
    if !(2..=255).contains(&bytes.len()) {
        let len = bytes.len();
        value.fault(format_args!(
            "has {len} bytes; a client identifier has 2 to 255 (RFC 2132 section 9.14)"
        ));
        return None;
    }
    Some(bytes)
}

/// Bytes as hex digits, in pairs that may be set apart by colons.
fn hex(value: &Value<'_>) -> Option<Vec<u8>> {
    let text = value.string()?;
    let digits: Vec<char> = text.chars().filter(|c| *c != ':').collect();
    let pair = |pair: &[char]| match pair {
        [high, low] => Some((high.to_digit(16)? << 4 | low.to_digit(16)?) as u8),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(pair).collect();
    if bytes.is_none() {
        value.fault(format_args!(
            "\"{text}\" is not pairs of hex digits, such as \"00:03:00:01\""
        ));
    }
    bytes
}

fn port_addresses(table: &Table<'_>, own: &[IpNet], seen: &mut Seen) -> Vec<IpAddr> {
    let at = table.at.path.clone();
    let mut addresses = Vec::new();
    let items = table
        .get("addresses")
        .and_then(|value| value.items())
        .unwrap_or_default();
    for item in &items {
        let Some(address) = net::unicast(item) else {
            continue;
        };
        let subnet = own.iter().find(|net| net.contains(&address));
        if let Some(net) = subnet {
            if let Some(why) = not_a_hosts(net, address) {
                item.fault(format_args!("{address} {why} of {}", net.trunc()));
            } else if own.iter().any(|net| net.addr() == address) {
                item.fault(format_args!("{address} is the interface's own"));
            }
        } else {
            item.fault(format_args!("{address} is on no subnet of the interface"));
        }
        if let Some(other) = seen.addresses.get(&address) {
            item.fault(format_args!("{address} is an address of {other} already"));
            continue;
        }
        seen.addresses.insert(address, at.clone());
        addresses.push(address);
    }
    addresses
}

/// Why no host can have an address of a subnet.
fn not_a_hosts(net: &IpNet, address: IpAddr) -> Option<&'static str> {
    match (net, address) {
        (IpNet::V6(net), IpAddr::V6(address)) => (net.prefix_len() < 127
            && address == net.network())
        .then_some("is the subnet-router anycast address"),
        (IpNet::V4(net), IpAddr::V4(address)) if net.prefix_len() < 31 => {
            if address == net.network() {
                Some("is the network address")
            } else {
                (broadcast(net) == Some(address)).then_some("is the broadcast address")
            }
        }
        _ => None,
    }
}

pub(super) fn options(table: &Table<'_>) -> Vec<PortOption> {
    let mut options: Vec<PortOption> = Vec::new();
    for entry in table.tables("options", &OPTION) {
        let version: u8 = entry.integer("ip_version", 4..=6).unwrap_or(6);
        if version == 5 {
            entry.fault("ip_version", "must be 4 or 6");
        }
        let ipv6 = version != 4;
        let most = if ipv6 { u16::MAX.into() } else { 254 };
        let code = entry
            .require("code")
            .and_then(|value| value.integer(1..=most));
        let data = data(&entry, ipv6);
        let always = entry.boolean("always").unwrap_or(false);
        let (Some(code), Some(data)) = (code, data) else {
            continue;
        };
        if options
            .iter()
            .any(|other| (other.ipv6, other.code) == (ipv6, code))
        {
            entry.fault("code", format_args!("{code} stands in an earlier entry"));
        }
        options.push(PortOption {
            ipv6,
            code,
            data,
            always,
        });
    }
    options
}

/// The data of an option, by the one key that gives it.
fn data(table: &Table<'_>, ipv6: bool) -> Option<Vec<u8>> {
    let keys = ["hex", "text", "addresses", "domains"];
    let given = keys.iter().filter(|key| table.get(key).is_some()).count();
    if given != 1 {
        let why = "needs exactly one of `hex`, `text`, `addresses` and `domains`";
        table.fault("code", why);
    }
    let before = table.fault_count();
    let hex = table.get("hex").and_then(|value| hex(&value));
    let text = table.string("text").map(|text| text.as_bytes().to_vec());
    let address = |value: &Value<'_>| {
        let address = net::unicast(value)?;
        if address.is_ipv6() != ipv6 {
            value.fault(format_args!("{address} is of the other IP version"));
        }
        Some(match address {
            IpAddr::V6(address) => address.octets().to_vec(),
            IpAddr::V4(address) => address.octets().to_vec(),
        })
    };
    let addresses = table.list("addresses", address).map(|list| list.concat());
    let domains = table
        .list("domains", net::domain)
        .map(|list| list.iter().flat_map(|name| dns_name(name)).collect());
    if before != table.fault_count() || given != 1 {
        return None;
    }
    let data = hex.or(text).or(addresses).or(domains)?;
    // The length of a DHCPv4 option is one byte; a longer one would have to be split (RFC 3396).
    let most = if ipv6 { MAX_OPTION } else { 255 };
    if data.len() > most {
        table.fault(
            "code",
            format_args!("has {} bytes of data; at most {most}", data.len()),
        );
        return None;
    }
    Some(data)
}

/// A name in the encoding of DNS (RFC 1035 section 3.1).
fn dns_name(name: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len() + 2);
    for label in name.strip_suffix('.').unwrap_or(name).split('.') {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

#[cfg(test)]
mod tests;
