//! Ports of tenants' machines, security groups, flows, and what did not pass.

use std::fmt::Write as _;

use api::{Denied, Flow, GuardMode, Port, PortBinding, SecurityGroup, SecurityRule};

use super::{Facts, few, join};
use crate::paint::Paint;
use crate::table::{Cell, Table, cell};
use crate::units::bytes;

/// Where a port is plugged: `lan.100`.
fn place(port: &Port) -> String {
    let tags = port.vlans.iter().map(|vid| format!(".{vid}"));
    port.device.clone() + &tags.collect::<String>()
}

/// What is optional, or a dash.
fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// Ports, one a row.
pub(crate) fn ports(ports: &[Port], paint: Paint) -> String {
    let mut table = Table::new([
        "port",
        "at",
        "link",
        "mac",
        "addresses",
        "learned",
        "groups",
        "guard",
        ">flows",
        ">egress packets",
        ">egress bytes",
        ">ingress packets",
        ">ingress bytes",
        ">dropped",
    ]);
    for p in ports {
        let c = &p.counters;
        let dropped: u64 = p.drops.values().sum();
        let pairs = p.allowed_address_pairs.iter();
        let pairs = pairs.map(|pair| match pair.ip_address {
            net if net.prefix_len() == net.max_prefix_len() => net.addr().to_string(),
            net => net.to_string(),
        });
        let fixed = p.fixed_ips.iter().map(ToString::to_string);
        let addresses: Vec<String> = fixed.chain(pairs).collect();
        table.row([
            cell(&p.name),
            Cell::from(place(p)),
            cell(&p.link),
            Cell::from(or_dash(p.mac_address)),
            Cell::from(few(&addresses)),
            Cell::from(few(&p.learned_ips)),
            Cell::from(few(&p.security_groups)),
            cell(p.guard).odd_if(p.guard != GuardMode::Enforce),
            Cell::from(format!("{}/{}", p.flows, p.max_flows)).odd_if(p.max_flows <= p.flows),
            cell(c.egress_packets),
            Cell::from(bytes(c.egress_bytes)),
            cell(c.ingress_packets),
            Cell::from(bytes(c.ingress_bytes)),
            cell(dropped).odd_if(0 < dropped),
        ]);
    }
    table.render(paint, "no ports")
}

/// What each port's guard and groups dropped and observed, a reason a row.
pub(crate) fn guards(ports: &[Port], paint: Paint) -> String {
    let mut table = Table::new([
        "port",
        "guard",
        "trusted",
        ">learned",
        "reason",
        ">dropped",
        ">observed",
    ]);
    for p in ports {
        let mut reasons: Vec<&String> = p.drops.keys().chain(p.observed.keys()).collect();
        reasons.sort_unstable();
        reasons.dedup();
        let head = || {
            [
                cell(&p.name),
                cell(p.guard).odd_if(p.guard != GuardMode::Enforce),
                Cell::from(join(&p.trusted, ", ")),
                Cell::from(format!("{}/{}", p.learned_ips.len(), p.max_addresses)),
            ]
        };
        let rows = reasons.iter().map(|reason| {
            let of = |counts: &std::collections::BTreeMap<String, u64>| {
                counts.get(*reason).copied().unwrap_or_default()
            };
            (reason.as_str(), of(&p.drops), of(&p.observed))
        });
        let rows: Vec<_> = match reasons.is_empty() {
            true => vec![("-", 0, 0)],
            false => rows.collect(),
        };
        for (reason, dropped, observed) in rows {
            let [name, guard, trusted, learned] = head();
            table.row([
                name,
                guard,
                trusted,
                learned,
                cell(reason),
                cell(dropped).odd_if(0 < dropped),
                cell(observed).odd_if(0 < observed),
            ]);
        }
    }
    table.render(paint, "no ports")
}

/// Addresses of links with ports, one a row.
pub(crate) fn bindings(bindings: &[PortBinding], paint: Paint) -> String {
    let mut table = Table::new([
        "link", "address", "port", "mac", "origin", "state", ">age", ">left",
    ]);
    for b in bindings {
        let seconds = |value: Option<u32>| or_dash(value.map(|value| format!("{value} s")));
        table.row([
            cell(&b.link),
            cell(b.address),
            Cell::from(or_dash(b.port.as_ref())),
            Cell::from(
                b.mac
                    .map_or_else(|| "any".to_owned(), |mac| mac.to_string()),
            ),
            cell(&b.origin),
            cell(&b.state).odd_if(b.state != "valid"),
            Cell::from(seconds(b.age_seconds)),
            Cell::from(seconds(b.left_seconds)),
        ]);
    }
    table.render(paint, "no bindings")
}

/// Groups, each with its rules.
pub(crate) fn groups(groups: &[SecurityGroup], paint: Paint) -> String {
    if groups.is_empty() {
        return "no security groups\n".to_owned();
    }
    let mut out = String::new();
    for group in groups {
        let kind = if group.stateful {
            "stateful"
        } else {
            "stateless"
        };
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = writeln!(
            out,
            "{}: {kind}, ports: {}, member addresses: {}",
            group.name, group.ports, group.members
        );
        let mut table = Table::new([
            ">rule",
            "direction",
            "ethertype",
            "protocol",
            "ports",
            "remote",
            ">packets",
            ">bytes",
        ]);
        for rule in &group.rules {
            table.row([
                cell(rule.id),
                cell(rule.direction),
                cell(&rule.ethertype),
                cell(&rule.protocol),
                Cell::from(range(rule)),
                Cell::from(remote(rule)),
                cell(rule.packets),
                Cell::from(bytes(rule.bytes)),
            ]);
        }
        out += &table.render(paint, "no rules: nothing passes");
    }
    out
}

/// The ports of a rule, or its type and code.
fn range(rule: &SecurityRule) -> String {
    let is_icmp = rule.protocol.starts_with("icmp");
    match (rule.port_range_min, rule.port_range_max) {
        (None, _) => "-".to_owned(),
        (Some(kind), None) => format!("type {kind}"),
        (Some(kind), Some(code)) if is_icmp => format!("type {kind} code {code}"),
        (Some(low), Some(high)) if low == high => low.to_string(),
        (Some(low), Some(high)) => format!("{low}-{high}"),
    }
}

/// The other end of a rule.
fn remote(rule: &SecurityRule) -> String {
    let prefix = rule.remote_ip_prefix.map(|prefix| prefix.to_string());
    let group = rule.remote_group.as_ref();
    let group = group.map(|name| format!("group {name}"));
    let addresses = rule.remote_address_group.as_ref();
    let addresses = addresses.map(|name| format!("address group {name}"));
    prefix
        .or(group)
        .or(addresses)
        .unwrap_or_else(|| "any".to_owned())
}

/// Flows, one a row.
pub(crate) fn flows(flows: &[Flow], paint: Paint) -> String {
    let mut table = Table::new([
        "port",
        "opened",
        "protocol",
        "local",
        "remote",
        "state",
        ">age",
        ">idle",
        ">left",
        ">rule",
        ">egress packets",
        ">egress bytes",
        ">ingress packets",
        ">ingress bytes",
    ]);
    for f in flows {
        let end = |address: std::net::IpAddr, port| match address {
            std::net::IpAddr::V6(v6) => format!("[{v6}]:{port}"),
            std::net::IpAddr::V4(v4) => format!("{v4}:{port}"),
        };
        let state = match f.stale {
            true => format!("{} (to be judged anew)", f.state),
            false => f.state.clone(),
        };
        table.row([
            cell(&f.port),
            cell(f.opened),
            cell(&f.protocol),
            Cell::from(end(f.local, f.local_port)),
            Cell::from(end(f.remote, f.remote_port)),
            Cell::from(state).odd_if(f.stale),
            Cell::from(format!("{} s", f.age_seconds)),
            Cell::from(format!("{} s", f.idle_seconds)),
            Cell::from(format!("{} s", f.left_seconds)),
            cell(f.rule),
            cell(f.counters.egress_packets),
            Cell::from(bytes(f.counters.egress_bytes)),
            cell(f.counters.ingress_packets),
            Cell::from(bytes(f.counters.ingress_bytes)),
        ]);
    }
    table.render(paint, "no flows")
}

/// Packets that did not pass, the newest first, each with why and what would let it pass.
pub(crate) fn denied(denied: &[Denied], _: Paint) -> String {
    if denied.is_empty() {
        return "nothing was dropped\n".to_owned();
    }
    let mut out = String::new();
    for d in denied {
        let fate = if d.observed {
            "passed, only observed"
        } else {
            "dropped"
        };
        let _ = writeln!(
            out,
            "{} s ago, {}: {}",
            d.age_seconds, d.direction, d.packet
        );
        let mut facts = Facts::default();
        facts
            .add(
                "frame",
                format!("{} > {}, {} bytes", d.source, d.destination, d.bytes),
            )
            .add(fate, format!("{}, {}", d.reason, d.about));
        if let Some(rule) = d.rule {
            facts.add("once allowed by", format!("rule {rule}"));
        }
        facts.add("would pass with", d.remedy.as_str());
        out += &facts.render(2);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::sample;

    #[test]
    fn ports_and_guards_are_in_words() {
        let shown = ports(&sample::ports(), Paint::new(false));
        assert!(shown.contains("lan.100"), "{shown}");
        assert!(
            shown.contains("2001:db8:1::10, 2001:db8:99::/64"),
            "{shown}"
        );
        let shown = guards(&sample::ports(), Paint::new(false));
        let row = |word: &str| shown.lines().find(|line| line.contains(word)).unwrap();
        let words: Vec<&str> = row("ra_guard").split_whitespace().collect();
        assert_eq!(words, ["vm1", "enforce", "-", "1/16", "ra_guard", "3", "0"]);
        let words: Vec<&str> = row("nd_spoofed").split_whitespace().collect();
        assert_eq!(
            words,
            ["vm2", "observe", "ra", "0/16", "nd_spoofed", "0", "2"]
        );
        let shown = bindings(&sample::port_bindings(), Paint::new(false));
        assert!(shown.contains("testing_rival"), "{shown}");
    }

    #[test]
    fn rules_flows_and_remedies_are_in_words() {
        let shown = groups(&sample::security_groups(), Paint::new(false));
        assert!(
            shown.starts_with("web: stateful, ports: 1, member addresses: 3\n"),
            "{shown}"
        );
        assert!(shown.contains("80-443"), "{shown}");
        assert!(shown.contains("group clients"), "{shown}");
        let icmp = SecurityRule {
            protocol: "icmpv6".into(),
            port_range_min: Some(128),
            port_range_max: None,
            ..sample::security_groups()[0].rules[0].clone()
        };
        assert_eq!(range(&icmp), "type 128");
        let shown = flows(&sample::flows(), Paint::new(false));
        assert!(shown.contains("[2001:db8:1::10]:443"), "{shown}");
        let shown = denied(&sample::denied(), Paint::new(false));
        assert!(
            shown.contains("4 s ago, ingress: 2001:db8:9::42 >"),
            "{shown}"
        );
        assert!(
            shown.contains("would pass with:  a rule: ingress, ipv6, tcp 22, from 2001:db8:9::42"),
            "{shown}"
        );
        assert_eq!(denied(&[], Paint::new(false)), "nothing was dropped\n");
    }
}
