//! The `[router.interface.dhcp6_relay]` and `[router.interface.dhcp4_relay]` tables.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::fault::nearest;
use super::net;
use super::reader::{Table, Value};
use crate::model::{Dhcp4Relay, Dhcp6Relay};
use protocols::relay4::config::Existing;
use protocols::relay6::config::RemoteId;
use protocols::{relay4, relay6};

/// Servers on a site's links (RFC 8415 section 7.1).
const ALL_DHCP_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 1, 3);
/// Most bytes of an identifier.
const MAX_ID: usize = 255;

/// What the relays of one router have seen.
#[derive(Default)]
pub(super) struct RelaysSeen {
    /// Names of the router's interfaces, also of those that follow.
    pub(super) interfaces: Vec<String>,
    /// Interface-Ids, each with whose it is.
    ids: Vec<(Vec<u8>, String)>,
    /// giaddr and Circuit ID, each with whose they are.
    circuits: Vec<(Ipv4Addr, Option<Vec<u8>>, String)>,
}

/// Reads a DHCPv6 relay of the interface `name` with these addresses.
pub(super) fn read6(
    table: &Table<'_>,
    name: &str,
    addresses: &[IpNet],
    seen: &mut RelaysSeen,
) -> Dhcp6Relay {
    let upstream = table.get("upstream").and_then(|value| {
        let upstream = value.string()?;
        if !seen.interfaces.iter().any(|known| known == upstream) {
            let hint = nearest(upstream, seen.interfaces.iter().map(String::as_str));
            let hint = hint.map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
            value.fault(format_args!(
                "there is no interface \"{upstream}\" of this router{hint}"
            ));
            return None;
        }
        Some(upstream.to_owned())
    });
    let has_upstream = table.get("upstream").is_some();
    let servers = table
        .list("servers", |value| server6(value, has_upstream))
        .unwrap_or_default();
    let none = table.get("servers").is_none();
    if none && !has_upstream {
        table.require("servers");
    }
    let servers = match none {
        true => vec![ALL_DHCP_SERVERS],
        false => servers,
    };
    let global = addresses.iter().find_map(|net| match net.addr() {
        IpAddr::V6(address) => Some(address),
        IpAddr::V4(_) => None,
    });
    let address = |name| table.get(name).and_then(|value| global_v6(&value));
    let default = relay6::Config::default();
    let count = |name| {
        table
            .integer::<u32>(name, 1..=1_000_000)
            .map(|n| n as usize)
    };
    let interface_id = id(table, "interface_id").unwrap_or_else(|| name.into());
    if let Some((_, other)) = seen.ids.iter().find(|(id, _)| *id == interface_id) {
        let why = format!("the relay of \"{other}\" has the same: answers could not be told apart");
        table.fault("interface_id", why);
    }
    seen.ids.push((interface_id.clone(), name.to_owned()));
    let (remote, enterprise) = (id(table, "remote_id"), table.get("remote_enterprise"));
    let number = enterprise
        .as_ref()
        .and_then(|v| v.integer::<u32>(0..=u32::MAX.into()));
    if remote.is_none() && enterprise.is_some() {
        table.fault("remote_enterprise", "needs `remote_id`");
    }
    if remote.is_some() && enterprise.is_none() {
        table.fault("remote_id", "needs `remote_enterprise` (RFC 4649)");
    }
    Dhcp6Relay {
        servers,
        upstream,
        config: relay6::Config {
            link_address: address("link_address")
                .or(global)
                .unwrap_or(Ipv6Addr::UNSPECIFIED),
            source: address("source").or(global),
            interface_id,
            remote_id: remote
                .zip(number)
                .map(|(id, enterprise)| RemoteId { enterprise, id }),
            subscriber_id: id(table, "subscriber_id"),
            client_mac: table.boolean("client_mac").unwrap_or(default.client_mac),
            relays: relays6(table),
            routes: table.boolean("routes").unwrap_or(default.routes),
            max_prefixes: count("max_prefixes").unwrap_or(default.max_prefixes),
            max_prefixes_per_client: count("max_prefixes_per_client")
                .unwrap_or(default.max_prefixes_per_client),
            ..default
        },
    }
}

/// A server's address; where it cannot be routed to, an upstream interface must be named.
fn server6(value: &Value<'_>, has_upstream: bool) -> Option<Ipv6Addr> {
    let address: Ipv6Addr = value.parse("an IPv6 address")?;
    let on_link = address.is_multicast() || address.is_unicast_link_local();
    if address.is_unspecified() || address.is_loopback() {
        value.fault(format_args!("\"{address}\" is no address of a server"));
        return None;
    }
    if on_link && !has_upstream {
        value.fault(format_args!(
            "\"{address}\" needs `upstream`, the interface that it is on"
        ));
        return None;
    }
    Some(address)
}

fn global_v6(value: &Value<'_>) -> Option<Ipv6Addr> {
    let address = net::unicast_v6(value)?;
    if address.is_unicast_link_local() {
        value.fault(format_args!(
            "\"{address}\" is link-local: servers cannot answer to it"
        ));
        return None;
    }
    Some(address)
}

fn relays6(table: &Table<'_>) -> relay6::Relays {
    let Some(value) = table.get("relays") else {
        return relay6::Relays::None;
    };
    if is_any(&value) {
        return relay6::Relays::Any;
    }
    // An address stands for itself, so that a relay agent can be named without its length. Relays on the link have link-local
    // ones.
    let prefix = |value: &Value<'_>| {
        let text = value.string()?;
        if text.parse::<Ipv6Addr>().is_ok() {
            return net::unicast_v6(value).map(Ipv6Net::from);
        }
        let net = text.parse::<Ipv6Net>().ok();
        net.filter(|net| net.network().is_unicast_link_local() && *net == net.trunc())
            .or_else(|| net::prefix_v6(value))
    };
    relay6::Relays::From(table.list("relays", prefix).unwrap_or_default())
}

fn is_any(value: &Value<'_>) -> bool {
    matches!(value.value, toml::de::DeValue::String(word) if word.as_ref() == "any")
}

/// An identifier, its text octet by octet.
fn id(table: &Table<'_>, name: &'static str) -> Option<Vec<u8>> {
    let value = table.get(name)?;
    let text = value.string()?;
    if text.is_empty() || MAX_ID < text.len() {
        value.fault(format_args!(
            "has {} bytes; allowed: 1 to {MAX_ID}",
            text.len()
        ));
        return None;
    }
    Some(text.into())
}

/// Reads a DHCPv4 relay of the interface `name` with these addresses.
pub(super) fn read4(
    table: &Table<'_>,
    name: &str,
    addresses: &[IpNet],
    mtu: u16,
    seen: &mut RelaysSeen,
) -> Option<Dhcp4Relay> {
    let own = addresses.iter().find_map(|net| match net.addr() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    });
    let servers = table.list("servers", |value| v4(value));
    table.require("servers");
    let giaddr = table.get("giaddr").and_then(|value| v4(&value));
    let default = relay4::Config::default();
    let existing = [
        ("drop", Existing::Drop),
        ("keep", Existing::Keep),
        ("replace", Existing::Replace),
    ];
    let circuit_id = id(table, "circuit_id").unwrap_or_else(|| name.into());
    let link_selection = table.boolean("link_selection").unwrap_or(giaddr.is_some());
    let config = relay4::Config {
        servers: servers.unwrap_or_default(),
        address: own.unwrap_or(Ipv4Addr::UNSPECIFIED),
        giaddr: giaddr.or(own).unwrap_or(Ipv4Addr::UNSPECIFIED),
        agent_option: table
            .boolean("agent_option")
            .unwrap_or(default.agent_option),
        circuit_id: Some(circuit_id),
        remote_id: id(table, "remote_id"),
        link_selection: own.filter(|_| link_selection),
        server_override: table
            .boolean("server_override")
            .unwrap_or(default.server_override),
        flags: table.boolean("flags").unwrap_or(default.flags),
        existing: table.choice("existing", &existing).unwrap_or_default(),
        relays: relays4(table),
        hop_limit: table
            .integer("hop_limit", 1..=u64::from(relay4::config::MAX_HOPS))
            .unwrap_or(default.hop_limit),
        link_mtu: mtu,
        path_mtu: mtu,
    };
    if own.is_none() {
        table.fault(
            "giaddr",
            "needs an IPv4 address of the interface, from which clients are answered",
        );
        return None;
    }
    if config.servers.is_empty() {
        if table.get("servers").is_some() {
            table.fault("servers", "must name a server");
        }
        return None;
    }
    let same = |other: &&(Ipv4Addr, Option<Vec<u8>>, String)| {
        other.0 == config.giaddr && other.1 == config.circuit_id
    };
    if let Some((_, _, other)) = seen.circuits.iter().find(same) {
        let why = format!("the relay of \"{other}\" has the same, and the same giaddr");
        table.fault("circuit_id", why);
    }
    let circuit = config.circuit_id.clone();
    seen.circuits
        .push((config.giaddr, circuit, name.to_owned()));
    for fault in config.validate() {
        let field = match fault {
            // What two identifiers make together is too long for the option.
            relay4::ConfigError::Length { .. } => "remote_id",
            _ => "giaddr",
        };
        table.fault(field, fault);
    }
    Some(config)
}

fn v4(value: &Value<'_>) -> Option<Ipv4Addr> {
    match net::unicast(value)? {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(address) => {
            value.fault(format_args!("\"{address}\" is not an IPv4 address"));
            None
        }
    }
}

fn relays4(table: &Table<'_>) -> relay4::Relays {
    let Some(value) = table.get("relays") else {
        return relay4::Relays::None;
    };
    if is_any(&value) {
        return relay4::Relays::Any;
    }
    let prefix = |value: &Value<'_>| match value.string()?.parse::<Ipv4Addr>() {
        Ok(_) => v4(value).map(Ipv4Net::from),
        Err(_) => match net::prefix(value)? {
            IpNet::V4(prefix) => Some(prefix),
            IpNet::V6(prefix) => {
                value.fault(format_args!("\"{prefix}\" is not an IPv4 prefix"));
                None
            }
        },
    };
    relay4::Relays::From(table.list("relays", prefix).unwrap_or_default())
}

#[cfg(test)]
mod tests;
