//! Groups and their rules: what the model holds, and every fault with its place.

use std::path::Path;

use tables::classifier::{Protocol, SetId};
use tables::flow::Direction;
use tables::id::RuleId;

use crate::config::parse;
use crate::model::Model;
use crate::model::security::{RuleRemote, Said};

const GROUP: &str = "[[security_group]]\nname = \"web\"\n[[security_group.rule]]\n";

fn model(text: &str) -> Model {
    let loaded = parse(Path::new("t.toml"), text);
    let loaded = loaded.unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(loaded.warnings, [], "{text}");
    loaded.model
}

/// Path and message of each fault and warning.
fn told(text: &str) -> Vec<String> {
    let told = match parse(Path::new("t.toml"), text) {
        Ok(loaded) => loaded.warnings,
        Err(faults) => faults.0,
    };
    told.iter()
        .map(|fault| format!("{}: {}", fault.path, fault.message))
        .collect()
}

/// What the one rule with these lines says.
fn said(lines: &str) -> Said {
    let model = model(&format!("{GROUP}{lines}"));
    model.security_groups[0].rules[0].says
}

#[test]
fn the_default_group_exists_in_any_case() {
    let implied = model("");
    let [default] = &implied.security_groups[..] else {
        panic!("{:?}", implied.security_groups);
    };
    assert_eq!((default.name.as_str(), default.stateful), ("default", true));
    let says: Vec<_> = default
        .rules
        .iter()
        .map(|rule| (rule.says.direction, rule.says.v6, rule.says.remote))
        .collect();
    assert_eq!(
        says,
        [
            (Direction::Egress, true, RuleRemote::Any),
            (Direction::Egress, false, RuleRemote::Any),
            (Direction::Ingress, true, RuleRemote::Group(default.id)),
            (Direction::Ingress, false, RuleRemote::Group(default.id)),
        ]
    );
    let said = model("[[security_group]]\nname = \"default\"\n");
    assert_eq!(said.security_groups.len(), 1);
    assert_eq!(said.security_groups[0].rules, []);
}

#[test]
fn groups_name_each_other_and_have_ids() {
    let model = model(&format!(
        "[[address_group]]\nname = \"office\"\naddresses = [\"2001:db8:f::/48\", \"198.51.100.7\"]\n{GROUP}\
         direction = \"ingress\"\nethertype = \"ipv6\"\nprotocol = \"tcp\"\nport_range_min = 80\n\
         port_range_max = 443\nremote_group = \"late\"\n[[security_group.rule]]\ndirection = \"egress\"\n\
         ethertype = \"ipv4\"\nremote_address_group = \"office\"\n[[security_group]]\nname = \"late\"\nstateful = false\n"
    ));
    let [web, late, default] = &model.security_groups[..] else {
        panic!("{:?}", model.security_groups);
    };
    let office = &model.address_groups[0];
    let ids = [web.id, late.id, default.id, office.id];
    assert_eq!(ids, [1, 2, 3, 4].map(SetId));
    assert_eq!((web.stateful, late.stateful), (true, false));
    let addresses: Vec<_> = office.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["2001:db8:f::/48", "198.51.100.7/32"]);
    assert_eq!(
        web.rules[0].says,
        Said {
            direction: Direction::Ingress,
            v6: true,
            protocol: Protocol::Number(6),
            ports: Some((80, 443)),
            remote: RuleRemote::Group(late.id),
        }
    );
    assert_eq!(web.rules[1].says.remote, RuleRemote::Addresses(office.id));
    let ids: Vec<_> = model.rules().map(|(_, rule)| rule.id).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6].map(RuleId));
}

#[test]
fn a_rule_is_kept_in_the_words_of_the_packet_path() {
    let of = |v6: u8, more: &str| {
        said(&format!(
            "direction = \"ingress\"\nethertype = \"ipv{v6}\"\n{more}"
        ))
    };
    for (lines, v6, protocol) in [
        ("", 6, Protocol::Any),
        ("protocol = \"any\"", 6, Protocol::Any),
        ("protocol = \"icmp\"", 4, Protocol::Number(1)),
        ("protocol = \"icmp\"", 6, Protocol::Number(58)),
        ("protocol = \"icmpv6\"", 6, Protocol::Number(58)),
        ("protocol = \"ipv6-icmp\"", 6, Protocol::Number(58)),
        ("protocol = 1", 6, Protocol::Number(58)),
        ("protocol = \"132\"", 4, Protocol::Number(132)),
        ("protocol = 255", 4, Protocol::Number(255)),
    ] {
        assert_eq!(of(v6, lines).protocol, protocol, "{lines} {v6}");
    }
    for (lines, ports) in [
        ("protocol = \"icmpv6\"", None),
        (
            "protocol = \"icmpv6\"\nport_range_min = 128",
            Some((0x8000, 0x80ff)),
        ),
        (
            "protocol = \"icmp\"\nport_range_min = 1\nport_range_max = 4",
            Some((0x0104, 0x0104)),
        ),
        (
            "protocol = \"icmp\"\nport_range_min = 0\nport_range_max = 0",
            Some((0, 0)),
        ),
        (
            "protocol = \"udplite\"\nport_range_min = 7\nport_range_max = 7",
            Some((7, 7)),
        ),
    ] {
        assert_eq!(of(6, lines).ports, ports, "{lines}");
    }
    for (v6, text, remote) in [
        (6, "::/0", RuleRemote::Any),
        (4, "0.0.0.0/0", RuleRemote::Any),
        (
            6,
            "2001:db8::7",
            RuleRemote::Prefix("2001:db8::7/128".parse().unwrap()),
        ),
        (
            4,
            "192.0.2.0/24",
            RuleRemote::Prefix("192.0.2.0/24".parse().unwrap()),
        ),
    ] {
        let says = of(v6, &format!("remote_ip_prefix = \"{text}\""));
        assert_eq!(says.remote, remote, "{text}");
    }
}

#[test]
fn each_wrong_rule_is_told_by_its_field() {
    let rule = "security_group[0].rule[0]";
    for (v6, lines, field, why) in [
        (4, "protocol = \"icmpv6\"", "protocol", "of IPv6 alone"),
        (4, "protocol = 58", "protocol", "of IPv6 alone"),
        (4, "protocol = \"ipv6-frag\"", "protocol", "of IPv6 alone"),
        (
            6,
            "protocol = \"tcpp\"",
            "protocol",
            "did you mean \"tcp\"?",
        ),
        (6, "protocol = 256", "protocol", "allowed: 0 to 255"),
        (6, "protocol = \"256\"", "protocol", "or its number"),
        (
            6,
            "protocol = \"tcp\"\nport_range_min = 80",
            "port_range_min",
            "both ends",
        ),
        (
            6,
            "protocol = \"tcp\"\nport_range_max = 80",
            "port_range_max",
            "both ends",
        ),
        (
            6,
            "protocol = \"tcp\"\nport_range_min = 80\nport_range_max = 79",
            "port_range_max",
            "79 is below `port_range_min`, 80",
        ),
        (
            6,
            "protocol = \"tcp\"\nport_range_min = 0\nport_range_max = 79",
            "port_range_min",
            "allowed: 1 to 65535",
        ),
        (
            6,
            "port_range_min = 1\nport_range_max = 79",
            "port_range_min",
            "only tcp, udp, udplite, sctp and dccp",
        ),
        (
            6,
            "protocol = \"gre\"\nport_range_min = 1\nport_range_max = 79",
            "port_range_min",
            "only tcp, udp, udplite, sctp and dccp",
        ),
        (
            6,
            "protocol = \"icmp\"\nport_range_min = 256",
            "port_range_min",
            "allowed: 0 to 255",
        ),
        (
            6,
            "protocol = \"icmp\"\nport_range_max = 0",
            "port_range_max",
            "the code needs its type",
        ),
        (
            6,
            "remote_ip_prefix = \"192.0.2.0/24\"",
            "remote_ip_prefix",
            "not of the family of `ethertype`",
        ),
        (
            6,
            "remote_ip_prefix = \"2001:db8::1/64\"",
            "remote_ip_prefix",
            "host bits",
        ),
        (
            6,
            "remote_ip_prefix = \"2001:db8::/64\"\nremote_group = \"web\"",
            "remote_group",
            "`remote_ip_prefix` says already",
        ),
        (
            6,
            "remote_group = \"wep\"",
            "remote_group",
            "there is no security group \"wep\"; did you mean \"web\"?",
        ),
        (
            6,
            "remote_address_group = \"office\"",
            "remote_address_group",
            "there is no address group \"office\"; the file defines none",
        ),
    ] {
        let text = format!("{GROUP}direction = \"ingress\"\nethertype = \"ipv{v6}\"\n{lines}\n");
        let told = told(&text);
        let [one] = &told[..] else {
            panic!("{lines}: {told:?}");
        };
        assert!(one.starts_with(&format!("{rule}.{field}: ")), "{one}");
        assert!(one.contains(why), "{one}");
    }
    assert_eq!(
        told(GROUP),
        [
            format!("{rule}.direction: `direction` is missing and has no default"),
            format!("{rule}.ethertype: `ethertype` is missing and has no default"),
        ]
    );
    let warned = told(&format!(
        "{GROUP}direction = \"ingress\"\nethertype = \"ipv6\"\nprotocol = \"ipv6-frag\"\n"
    ));
    assert!(
        warned[0].contains("44 is an extension header"),
        "{warned:?}"
    );
}

#[test]
fn nothing_is_said_twice() {
    let rule = "direction = \"ingress\"\nethertype = \"ipv6\"\n";
    let twice = format!(
        "{GROUP}{rule}[[security_group.rule]]\n{rule}protocol = \"any\"\nremote_ip_prefix = \"::/0\"\n"
    );
    assert_eq!(
        told(&twice),
        ["security_group[0].rule[1]: says what security_group[0].rule[0] says already"]
    );
    let named = "[[security_group]]\nname = \"a\"\n[[security_group]]\nname = \"a\"\n\
                 [[address_group]]\nname = \"a\"\naddresses = [\"192.0.2.1\", \"192.0.2.1/32\"]\n\
                 [[address_group]]\nname = \"a\"\naddresses = []\n";
    assert_eq!(
        told(named),
        [
            "security_group[1].name: security_group[0] is already the security group named \"a\"",
            "address_group[0].addresses[1]: 192.0.2.1/32 stands in the group already",
            "address_group[1].name: address_group[0] is already the address group named \"a\"",
        ]
    );
}

#[test]
fn rules_are_counted() {
    let mut text = "[security]\nmax_rules = 16\n".to_owned() + GROUP;
    text += "direction = \"ingress\"\nethertype = \"ipv6\"\n";
    for port in 1..=11 {
        text += "[[security_group.rule]]\ndirection = \"ingress\"\nethertype = \"ipv6\"\nprotocol = \"tcp\"\n";
        text += &format!("port_range_min = {port}\nport_range_max = {port}\n");
    }
    // Four are the default group's.
    assert_eq!(model(&text).rules().count(), 16);
    text += "[[security_group.rule]]\ndirection = \"egress\"\nethertype = \"ipv6\"\n";
    assert_eq!(
        told(&text),
        ["security_group: 17 rules are more than `security.max_rules`, 16"]
    );
    assert_eq!(
        model("[security]\nmax_flows = 1025\n").security.max_flows,
        2048
    );
}

#[test]
fn a_reload_keeps_what_says_the_same() {
    let rule = |port: u16| {
        format!(
            "[[security_group.rule]]\ndirection = \"ingress\"\nethertype = \"ipv6\"\nprotocol = \"tcp\"\n\
             port_range_min = {port}\nport_range_max = {port}\nremote_group = \"b\"\n"
        )
    };
    let group = |name: &str| format!("[[security_group]]\nname = \"{name}\"\n");
    let old = model(&(group("a") + &rule(1) + &rule(2) + &group("b")));
    // Another group and another rule come first, one rule goes.
    let mut new = model(&(group("c") + &rule(2) + &group("b") + &group("a") + &rule(3) + &rule(2)));
    new.keep_ids(&old);
    let id = |model: &Model, name: &str| {
        let mut groups = model.security_groups.iter();
        groups.find(|group| group.name == name).unwrap().id
    };
    for name in ["a", "b", "default"] {
        assert_eq!(id(&old, name), id(&new, name), "{name}");
    }
    assert_eq!(id(&new, "c"), SetId(4));
    let of = |model: &Model, port: u16, name: &str| {
        let mut rules = model.rules();
        let found =
            rules.find(|(group, rule)| group.name == name && rule.says.ports == Some((port, port)));
        found.map(|(_, rule)| (rule.id, rule.says.remote))
    };
    assert_eq!(of(&new, 2, "a"), of(&old, 2, "a"));
    let used: Vec<_> = old.rules().map(|(_, rule)| rule.id).collect();
    for (port, name) in [(3, "a"), (2, "c")] {
        let (new, _) = of(&new, port, name).unwrap();
        assert!(!used.contains(&new), "a new rule takes no id of another");
    }
}
