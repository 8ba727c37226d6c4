//! The `[[router.interface.delegated]]` tables.

use std::net::Ipv6Addr;
use std::time::Duration;

use ipnet::Ipv6Net;

use super::net;
use super::ra::prefers_delegation;
use super::reader::{Place, Table};
use super::schema::DELEGATED;
use super::subnet::{allocation, modes};
use super::time::{Unit, duration};
use crate::model::{Delegated, Interface, Mode, PREFERRED, Subnet, VALID};
use protocols::delegation::PlanError;
use protocols::ra::config::Lifetime;

const DAY: Duration = Duration::from_secs(86_400);

/// An entry, for the checks that need the other interfaces.
pub(super) struct Claim {
    interface: String,
    wish: Delegated,
    /// Of its uplink and of its number.
    at: [Place; 2],
}

/// Reads the entries of an interface; what they claim is told to `claims`.
pub(super) fn read(
    table: &Table<'_>,
    interface: Option<&str>,
    claims: &mut Vec<Claim>,
) -> Vec<Delegated> {
    let mut all: Vec<Delegated> = Vec::new();
    for entry in table.tables("delegated", &DELEGATED) {
        let Some(delegated) = one(&entry) else {
            continue;
        };
        if all.iter().any(|other| other.uplink == delegated.uplink) {
            let why = format_args!("\"{}\" stands in an earlier entry", delegated.uplink);
            entry.fault("uplink", why);
            continue;
        }
        if let Some(interface) = interface {
            claims.push(Claim {
                interface: interface.to_owned(),
                wish: delegated.clone(),
                at: [entry.place("uplink"), entry.place("subnet")],
            });
        }
        all.push(delegated);
    }
    all
}

/// Reads one; `None` when something it is known by is wrong.
fn one(table: &Table<'_>) -> Option<Delegated> {
    let uplink = table.require("uplink").and_then(|value| value.string());
    let length = match table.get("length") {
        Some(value) => value.integer::<u8>(16..=126),
        None => Some(64),
    };
    let number = table.integer("subnet", 0..=i64::MAX as u64);
    let interface_id = match table.get("interface_id") {
        Some(value) => value.parse::<Ipv6Addr>("an IPv6 address"),
        None => Some(Ipv6Addr::from_bits(1)),
    };
    let prefix = length.and_then(|length| Ipv6Net::new(Ipv6Addr::UNSPECIFIED, length).ok());
    let (ra_mode, address_mode) = modes(table, prefix.as_ref());
    let seconds = |name| duration(table, name, Unit::S, Duration::ZERO, 365 * DAY);
    let preferred = seconds("preferred_lifetime");
    let valid = seconds("valid_lifetime").unwrap_or(VALID.max(preferred.unwrap_or_default()));
    if preferred.is_some_and(|preferred| valid < preferred) {
        let why = "is longer than valid_lifetime (RFC 4861 section 6.2.1)";
        table.fault("preferred_lifetime", why);
    }
    let subnet = Subnet {
        ra_mode,
        address_mode,
        autonomous: table
            .boolean("autonomous")
            .unwrap_or(matches!(ra_mode, Some(Mode::Slaac | Mode::Stateless))),
        on_link: table.boolean("on_link").unwrap_or(true),
        prefer_delegation: prefers_delegation(
            table,
            ra_mode.is_some(),
            Lifetime::Fixed(preferred.unwrap_or(PREFERRED)),
        ),
        dns_servers: table
            .list("dns_servers", net::unicast_v6)
            .unwrap_or_default(),
        domain_search: table.list("domain_search", net::domain).unwrap_or_default(),
        allocation: allocation(table),
        ..Subnet::new(prefix.unwrap_or_default())
    };
    let delegated = Delegated {
        uplink: uplink?.to_owned(),
        number,
        interface_id: interface_id?,
        preferred: preferred.unwrap_or(PREFERRED).min(valid),
        valid,
        subnet,
    };
    prefix?;
    match delegated.wish("").validate() {
        Ok(()) => {}
        Err(fault @ PlanError::Length(_)) => table.fault("length", fault),
        Err(fault) => table.fault("interface_id", fault),
    }
    Some(delegated)
}

/// Faults what the interfaces of a router claim together.
pub(super) fn check(table: &Table<'_>, claims: &[Claim], interfaces: &[Interface]) {
    for (i, claim) in claims.iter().enumerate() {
        let [uplink_at, number_at] = &claim.at;
        let uplink = &claim.wish.uplink;
        if *uplink == claim.interface {
            let why = format_args!("\"{uplink}\" is this interface itself");
            table.cx.fault(uplink_at, why);
        } else {
            let why = match interfaces.iter().find(|other| other.name == *uplink) {
                None => format!("the router has no interface \"{uplink}\""),
                Some(other) if !asks_for_prefixes(other) => {
                    format!("\"{uplink}\" asks for no prefixes: its dhcp6_client table does")
                }
                Some(_) => String::new(),
            };
            if !why.is_empty() {
                table.cx.fault(uplink_at, why);
            }
        }
        let clash = |other: &&Claim| {
            other.wish.uplink == *uplink
                && other.interface != claim.interface
                && overlap(&other.wish, &claim.wish)
        };
        if let Some(other) = claims[..i].iter().find(clash) {
            let why = format_args!("the subnet is that of interface \"{}\"", other.interface);
            table.cx.fault(number_at, why);
        }
    }
}

fn asks_for_prefixes(interface: &Interface) -> bool {
    let client = interface.dhcp6_client.as_ref();
    client.is_some_and(|client| !client.prefixes.is_empty())
}

/// Whether both ask for the same part of every prefix.
fn overlap(a: &Delegated, b: &Delegated) -> bool {
    let (Some(x), Some(y)) = (a.number, b.number) else {
        return false;
    };
    let (short, long) = if a.subnet.prefix.prefix_len() <= b.subnet.prefix.prefix_len() {
        ((a, x), (b, y))
    } else {
        ((b, y), (a, x))
    };
    let bits = long.0.subnet.prefix.prefix_len() - short.0.subnet.prefix.prefix_len();
    long.1.checked_shr(bits.into()).unwrap_or(0) == short.1
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const BASE: &str = r#"
[[device]]
name = "d"
kind = "null"
[[router]]
name = "main"
[[router.interface]]
name = "wan"
device = "d"
[router.interface.dhcp6_client]
[[router.interface]]
name = "a"
device = "d"
vlan = 1
A
[[router.interface]]
name = "b"
device = "d"
vlan = 2
B
"#;

    fn text(a: &str, b: &str) -> String {
        let entry = |keys: &str| match keys {
            "" => String::new(),
            keys => format!(
                "[[router.interface.delegated]]\n{}",
                keys.replace("; ", "\n")
            ),
        };
        BASE.replace("\nA\n", &format!("\n{}\n", entry(a)))
            .replace("\nB\n", &format!("\n{}\n", entry(b)))
    }

    fn read(a: &str) -> Delegated {
        let loaded = crate::config::parse(Path::new("t.toml"), &text(a, ""));
        let mut model = loaded.unwrap_or_else(|faults| panic!("{faults}")).model;
        model.routers[0].interfaces[1].delegated.remove(0)
    }

    fn faults(a: &str, b: &str) -> Vec<String> {
        let loaded = crate::config::parse(Path::new("t.toml"), &text(a, b));
        let faults = loaded.expect_err("a bad file was accepted").0;
        let short = |path: &str| {
            path.replace("router[0].interface", "")
                .replace(".delegated[0]", "")
        };
        let word = |f: &crate::config::Fault| format!("{} {}", short(&f.path), f.message);
        faults.iter().map(word).collect()
    }

    #[test]
    fn an_entry_has_the_defaults_of_the_rfcs() {
        let read = read("uplink = \"wan\"; ra_mode = \"slaac\"");
        assert_eq!(read.wish("a"), protocols::delegation::Wish::new("a", "wan"));
        assert_eq!((read.preferred, read.valid), (PREFERRED, VALID));
        assert!(read.subnet.autonomous && read.subnet.advertise);
        assert!(!read.subnet.prefer_delegation);
    }

    #[test]
    fn every_key_is_read() {
        let read = read(
            "uplink = \"wan\"; subnet = 7; length = 80; interface_id = \"::53\"; ra_mode = \"dhcpv6-stateful\"; \
             address_mode = \"dhcpv6-stateful\"; preferred_lifetime = 60; valid_lifetime = 120; \
             dns_servers = [\"2001:db8::53\"]; domain_search = [\"lab\"]; on_link = false; prefer_delegation = true; allocation = \"random\"",
        );
        let wish = read.wish("a");
        assert_eq!((wish.subnet, wish.length), (Some(7), 80));
        assert_eq!(wish.interface_id.to_string(), "::53");
        assert_eq!((read.preferred.as_secs(), read.valid.as_secs()), (60, 120));
        assert_eq!(read.subnet.address_mode, Some(Mode::Stateful));
        assert!(!read.subnet.autonomous && !read.subnet.on_link);
        assert!(read.subnet.prefer_delegation);
        assert_eq!(read.subnet.dns_servers.len(), 1);
    }

    #[test]
    fn faults_name_the_field() {
        assert_eq!(
            faults("ra_mode = \"slaac\"; length = 60; uplink = \"wan\"", ""),
            [
                "[1].ra_mode slaac needs a /64: hosts form the second half of their address themselves"
            ]
        );
        assert_eq!(
            faults("subnet = 1", ""),
            ["[1].uplink `uplink` is missing and has no default"]
        );
        assert_eq!(
            faults("uplink = \"a\"", "uplink = \"dsl\""),
            [
                "[1].uplink \"a\" is this interface itself",
                "[2].uplink the router has no interface \"dsl\""
            ]
        );
        assert_eq!(
            faults("uplink = \"b\"", ""),
            ["[1].uplink \"b\" asks for no prefixes: its dhcp6_client table does"]
        );
        assert_eq!(
            faults(
                "uplink = \"wan\"; subnet = 3",
                "uplink = \"wan\"; subnet = 0; length = 62"
            ),
            ["[2].subnet the subnet is that of interface \"a\""]
        );
        assert_eq!(
            faults("uplink = \"wan\"; interface_id = \"0:0:0:1::\"", ""),
            ["[1].interface_id 0:0:0:1:: has bits set in the first 64, which are the prefix's"]
        );
        assert_eq!(
            faults(
                "uplink = \"wan\"; preferred_lifetime = 9; valid_lifetime = 8",
                ""
            ),
            ["[1].preferred_lifetime is longer than valid_lifetime (RFC 4861 section 6.2.1)"]
        );
        let twice = "uplink = \"wan\"; [[router.interface.delegated]]; uplink = \"wan\"";
        assert_eq!(
            faults(twice, ""),
            ["[1].delegated[1].uplink \"wan\" stands in an earlier entry"]
        );
    }

    #[test]
    fn a_prefix_longer_alone_lengthens_what_is_valid() {
        let read = read("uplink = \"wan\"; preferred_lifetime = 7200");
        assert_eq!(read.valid, read.preferred);
        let read = self::read("uplink = \"wan\"; valid_lifetime = 600");
        assert_eq!(read.preferred.as_secs(), 600);
    }
}
