//! The `[security]`, `[[address_group]]` and `[[security_group]]` tables.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;
use tables::classifier::{Protocol, SetId};
use tables::flow::Direction;
use tables::id::RuleId;
use toml::de::DeValue;

use super::document::{MAX_ITEMS, Names};
use super::interface::hint;
use super::reader::{Table, Value};
use super::schema::{ADDRESS_GROUP, SECURITY, SECURITY_GROUP, SECURITY_RULE};
use crate::model::security::{
    AddressGroup, RuleRemote, Said, Security, SecurityGroup, SecurityRule,
};

/// The group that always exists.
pub(super) const DEFAULT: &str = "default";

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
/// Protocols with ports, as Neutron lists them.
const WITH_PORTS: [(&str, u8); 5] = [
    ("tcp", 6),
    ("udp", 17),
    ("udplite", 136),
    ("sctp", 132),
    ("dccp", 33),
];
/// The other names that Neutron knows.
const NAMES: [(&str, u8); 18] = [
    ("ah", 51),
    ("egp", 8),
    ("esp", 50),
    ("gre", 47),
    ("icmp", ICMP),
    ("icmpv6", ICMPV6),
    ("igmp", 2),
    ("ipip", 4),
    ("ipv6-encap", 41),
    ("ipv6-frag", 44),
    ("ipv6-icmp", ICMPV6),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("ipv6-route", 43),
    ("ospf", 89),
    ("pgm", 113),
    ("rsvp", 46),
    ("vrrp", 112),
];
/// IPv6 extension headers: they are looked through, and no packet's upper-layer protocol.
const EXTENSIONS: [u8; 5] = [0, 43, 44, 51, 60];
/// Protocols that IPv4 does not have.
const V6_ONLY: [u8; 5] = [43, 44, ICMPV6, 59, 60];

/// What was read of groups, for the ports.
#[derive(Default)]
pub(super) struct GroupsSeen {
    pub(super) security: Names,
    pub(super) addresses: Names,
    /// Ids of groups that are named.
    pub(super) ids: HashMap<String, SetId>,
    address_ids: HashMap<String, SetId>,
}

/// Reads what holds for all ports.
pub(super) fn read(table: Option<Table<'_>>) -> Security {
    let default = Security::default();
    let Some(mut table) = table else {
        return default;
    };
    table.check_keys(&[&SECURITY]);
    let max_flows: u32 = table
        .integer("max_flows", 1024..=1 << 26)
        .unwrap_or(default.max_flows);
    Security {
        max_flows: max_flows.next_power_of_two(),
        max_ports: table
            .integer("max_ports", 0..=MAX_ITEMS as u64)
            .unwrap_or(default.max_ports),
        max_rules: table
            .integer("max_rules", 16..=1 << 20)
            .unwrap_or(default.max_rules),
        tcp_window_checks: table
            .boolean("tcp_window_checks")
            .unwrap_or(default.tcp_window_checks),
    }
}

/// Reads all groups of both kinds. `default` is among them, said or not.
pub(super) fn read_groups(
    root: &Table<'_>,
    security: &Security,
    seen: &mut GroupsSeen,
) -> (Vec<AddressGroup>, Vec<SecurityGroup>) {
    let mut next = SetId(1);
    let mut take = || {
        let id = next;
        next.0 += 1;
        id
    };
    let tables = root.tables("security_group", &SECURITY_GROUP);
    // Rules name groups that come later too.
    let named: Vec<(Option<String>, SetId)> = tables
        .iter()
        .map(|table| {
            let name = seen.security.take(table, "security group");
            (name, take())
        })
        .collect();
    for (name, id) in &named {
        seen.ids
            .extend(name.as_ref().map(|name| (name.clone(), *id)));
    }
    let implied = !seen.ids.contains_key(DEFAULT);
    let default = take();
    if implied {
        seen.ids.insert(DEFAULT.to_owned(), default);
    }
    let address_groups = root.tables("address_group", &ADDRESS_GROUP);
    let address_groups: Vec<AddressGroup> = address_groups
        .iter()
        .filter_map(|table| address_group(table, take(), seen))
        .collect();
    let mut rules = 0;
    let mut groups = Vec::new();
    for (table, (name, id)) in tables.iter().zip(named) {
        let stateful = table.boolean("stateful").unwrap_or(true);
        let read = group_rules(table, &mut rules, seen);
        groups.extend(name.map(|name| SecurityGroup {
            id,
            name,
            stateful,
            rules: read,
        }));
    }
    if implied {
        groups.push(default_group(default, &mut rules));
    }
    if security.max_rules < rules {
        let most = security.max_rules;
        let why = format!("{rules} rules are more than `security.max_rules`, {most}");
        root.fault("security_group", why);
    }
    (address_groups, groups)
}

fn address_group(table: &Table<'_>, id: SetId, seen: &mut GroupsSeen) -> Option<AddressGroup> {
    let name = seen.addresses.take(table, "address group");
    let items = table.require("addresses").and_then(|value| value.items());
    let mut addresses: Vec<IpNet> = Vec::new();
    for item in items.unwrap_or_default() {
        let Some(net) = prefix(&item) else { continue };
        if addresses.contains(&net) {
            item.fault(format_args!("{net} stands in the group already"));
            continue;
        }
        addresses.push(net);
    }
    let name = name?;
    seen.address_ids.insert(name.clone(), id);
    Some(AddressGroup {
        id,
        name,
        addresses,
    })
}

/// Neutron's: everything may leave, and members may come.
fn default_group(id: SetId, rules: &mut u32) -> SecurityGroup {
    let kinds = [
        (Direction::Egress, true, RuleRemote::Any),
        (Direction::Egress, false, RuleRemote::Any),
        (Direction::Ingress, true, RuleRemote::Group(id)),
        (Direction::Ingress, false, RuleRemote::Group(id)),
    ];
    let rule = |(direction, v6, remote)| {
        *rules += 1;
        let says = Said {
            direction,
            v6,
            protocol: Protocol::Any,
            ports: None,
            remote,
        };
        SecurityRule {
            id: RuleId(*rules),
            says,
        }
    };
    SecurityGroup {
        id,
        name: DEFAULT.to_owned(),
        stateful: true,
        rules: kinds.into_iter().map(rule).collect(),
    }
}

fn group_rules(table: &Table<'_>, count: &mut u32, seen: &GroupsSeen) -> Vec<SecurityRule> {
    let mut rules = Vec::new();
    let mut said: HashMap<Said, String> = HashMap::new();
    for entry in table.tables("rule", &SECURITY_RULE) {
        *count = count.saturating_add(1);
        let Some(says) = rule(&entry, seen) else {
            continue;
        };
        if let Some(other) = said.get(&says) {
            entry
                .cx
                .fault(&entry.at, format_args!("says what {other} says already"));
            continue;
        }
        said.insert(says, entry.at.path.clone());
        rules.push(SecurityRule {
            id: RuleId(*count),
            says,
        });
    }
    rules
}

/// Reads a rule; `None` when it has a fault.
fn rule(table: &Table<'_>, seen: &GroupsSeen) -> Option<Said> {
    let before = table.fault_count();
    let direction = table.require("direction").and_then(|value| {
        value.choice(&[
            ("ingress", Direction::Ingress),
            ("egress", Direction::Egress),
        ])
    });
    let v6 = table
        .require("ethertype")
        .and_then(|value| value.choice(&[("ipv6", true), ("ipv4", false)]));
    let protocol = match table.get("protocol") {
        Some(value) => protocol(&value, v6),
        None => Some(Protocol::Any),
    };
    let ports = ports(table, protocol);
    let remote = remote(table, v6, seen);
    if before != table.fault_count() {
        return None;
    }
    Some(Said {
        direction: direction?,
        v6: v6?,
        protocol: protocol?,
        ports,
        remote: remote?,
    })
}

/// The protocol of a rule, as that of its IP version: ICMP of IPv6 is ICMPv6.
fn protocol(value: &Value<'_>, v6: Option<bool>) -> Option<Protocol> {
    let number = match value.value {
        DeValue::Integer(_) => value.integer::<u8>(0..=255)?,
        _ => {
            let word = value.string()?;
            if word == "any" {
                return Some(Protocol::Any);
            }
            let mut known = WITH_PORTS.iter().chain(&NAMES);
            let named = known.find(|(name, _)| *name == word);
            let number = named.map(|(_, number)| *number).or(word.parse().ok());
            let Some(number) = number else {
                let names = WITH_PORTS.iter().chain(&NAMES).map(|(name, _)| *name);
                let near = super::fault::nearest(word, names);
                let hint =
                    near.map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
                value.fault(format_args!(
                    "\"{word}\" is not \"any\", the name of a protocol, or its number, 0 to 255{hint}"
                ));
                return None;
            };
            number
        }
    };
    let number = match (v6, number) {
        (Some(true), ICMP) => ICMPV6,
        (_, number) => number,
    };
    if v6 == Some(false) && V6_ONLY.contains(&number) {
        value.fault(format_args!(
            "protocol {number} is of IPv6 alone, and `ethertype` is ipv4"
        ));
        return None;
    }
    if v6 == Some(true) && EXTENSIONS.contains(&number) {
        value.cx.warn(
            &value.at,
            format_args!(
                "{number} is an extension header: they are looked through, so that no packet matches"
            ),
        );
    }
    Some(Protocol::Number(number))
}

/// The destination ports, or the type and code, as the packet path compares them.
fn ports(table: &Table<'_>, protocol: Option<Protocol>) -> Option<(u16, u16)> {
    let [min, max] = ["port_range_min", "port_range_max"].map(|name| table.get(name).is_some());
    let number = match protocol? {
        Protocol::Number(number) => Some(number),
        Protocol::Any => None,
    };
    if matches!(number, Some(ICMP | ICMPV6)) {
        let kind: Option<u16> = table.integer("port_range_min", 0..=255);
        let code: Option<u16> = table.integer("port_range_max", 0..=255);
        if max && !min {
            table.fault(
                "port_range_max",
                "the code needs its type, `port_range_min`",
            );
        }
        let kind = kind? << 8;
        return match code {
            Some(code) => Some((kind | code, kind | code)),
            None => Some((kind, kind | 255)),
        };
    }
    let low: Option<u16> = table.integer("port_range_min", 1..=65_535);
    let high: Option<u16> = table.integer("port_range_max", 1..=65_535);
    if !min && !max {
        return None;
    }
    let name = if min {
        "port_range_min"
    } else {
        "port_range_max"
    };
    if !WITH_PORTS.iter().any(|(_, with)| Some(*with) == number) {
        table.fault(
            name,
            "only tcp, udp, udplite, sctp and dccp have ports, and icmp and icmpv6 types",
        );
        return None;
    }
    if min != max {
        table.fault(
            name,
            "a range has both ends, `port_range_min` and `port_range_max`",
        );
        return None;
    }
    let (low, high) = (low?, high?);
    if high < low {
        let why = format!("{high} is below `port_range_min`, {low}");
        table.fault("port_range_max", why);
        return None;
    }
    Some((low, high))
}

/// Who is at the other end; `None` when it is faulty.
fn remote(table: &Table<'_>, v6: Option<bool>, seen: &GroupsSeen) -> Option<RuleRemote> {
    let keys = ["remote_ip_prefix", "remote_group", "remote_address_group"];
    let [by_prefix, by_group, by_addresses] = keys.map(|name| table.get(name));
    let mut given = keys.into_iter().filter(|name| table.get(name).is_some());
    if let (Some(first), Some(second)) = (given.next(), given.next()) {
        let why = format!("`{first}` says already who is at the other end");
        table.fault(second, why);
        return None;
    }
    let set = |value: &Value<'_>, what: &str, ids: &HashMap<String, SetId>, names: &Names| {
        let name = value.string()?;
        let id = ids.get(name).copied();
        if id.is_none() && !names.contains(name) {
            let hint = hint(name, ids.keys().map(String::as_str));
            value.fault(format_args!("there is no {what} \"{name}\"{hint}"));
        }
        id
    };
    if let Some(value) = by_prefix {
        let net = prefix(&value)?;
        if v6.is_some_and(|v6| v6 != net.addr().is_ipv6()) {
            value.fault(format_args!("{net} is not of the family of `ethertype`"));
            return None;
        }
        // Every address of the family: no prefix at all.
        return Some(match net.prefix_len() {
            0 => RuleRemote::Any,
            _ => RuleRemote::Prefix(net),
        });
    }
    if let Some(value) = by_group {
        let id = set(&value, "security group", &seen.ids, &seen.security);
        return id.map(RuleRemote::Group);
    }
    if let Some(value) = by_addresses {
        let id = set(&value, "address group", &seen.address_ids, &seen.addresses);
        return id.map(RuleRemote::Addresses);
    }
    Some(RuleRemote::Any)
}

/// An address, or a prefix without host bits.
pub(super) fn prefix(value: &Value<'_>) -> Option<IpNet> {
    let text = value.string()?;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(IpNet::from(address));
    }
    let Ok(net) = text.parse::<IpNet>() else {
        value.fault(format_args!(
            "\"{text}\" is not an address or a prefix, such as \"2001:db8::/32\" or \"192.0.2.1\""
        ));
        return None;
    };
    if net.trunc() != net {
        value.fault(format_args!(
            "\"{net}\" has host bits set; the prefix is \"{}\"",
            net.trunc()
        ));
        return None;
    }
    Some(net)
}

#[cfg(test)]
mod tests;
