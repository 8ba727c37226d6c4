//! The `[router.interface.dhcp6_client]` tables.

use std::net::Ipv6Addr;

use super::document::Seen;
use super::reader::{Table, Value};
use super::schema::{DHCP6_CLIENT, PREFIX_HINT};
use protocols::dhcp6_client::config::{MAX_PREFIXES, PREFIX_LENGTHS};
use protocols::dhcp6_client::{Config, PrefixHint};

/// Reads the table of an interface of this name, if there is one.
pub(super) fn read(table: &Table<'_>, name: Option<&str>, seen: &mut Seen) -> Option<Config> {
    let table = table.table("dhcp6_client", &DHCP6_CLIENT)?;
    let default = Config::default();
    let information_only = table.boolean("information_only").unwrap_or(false);
    if information_only {
        for key in ["address", "prefix"] {
            if table.get(key).is_some() {
                table.fault(key, "has no effect with information_only");
            }
        }
    }
    let boolean = |name, default| table.boolean(name).unwrap_or(default);
    let config = Config {
        iaid: table
            .integer("iaid", 0..=u32::MAX.into())
            .unwrap_or_else(|| iaid(name.unwrap_or_default())),
        address: boolean("address", default.address),
        prefixes: match table.get("prefix") {
            Some(_) => table
                .tables("prefix", &PREFIX_HINT)
                .iter()
                .map(hint)
                .collect(),
            None => default.prefixes.clone(),
        },
        information_only,
        rapid_commit: boolean("rapid_commit", default.rapid_commit),
        reconfigure: boolean("reconfigure", default.reconfigure),
        options: table.list("options", option).unwrap_or_default(),
        release_on_removal: boolean("release_on_removal", default.release_on_removal),
    };
    for fault in config.validate() {
        // Each names its field; those with an index were told by the readers of the values.
        let field = match fault.to_string().split_once(':') {
            Some(("options", _)) => "options",
            Some((field, _)) if field.starts_with("options[") => "options",
            _ => "prefix",
        };
        table.fault(field, fault);
    }
    claim(&table, name, &config, seen);
    Some(config)
}

fn hint(table: &Table<'_>) -> PrefixHint {
    let (least, most) = (*PREFIX_LENGTHS.start(), *PREFIX_LENGTHS.end());
    PrefixHint {
        prefix: table
            .get("prefix")
            .and_then(|value| value.parse::<Ipv6Addr>("an IPv6 address")),
        len: table.integer("length", least.into()..=most.into()),
    }
}

fn option(value: &Value<'_>) -> Option<u16> {
    value.integer(1..=u16::MAX.into())
}

/// Faults numbers of associations that another uplink has: all uplinks are one client (RFC 8415 section 12).
fn claim(table: &Table<'_>, name: Option<&str>, config: &Config, seen: &mut Seen) {
    let first = u64::from(config.iaid);
    let last = first + config.prefixes.len().saturating_sub(1) as u64;
    let clash = seen
        .iaids
        .iter()
        .find(|(range, _)| *range.start() <= last && first <= *range.end());
    if let Some((_, other)) = clash {
        let why = format_args!(
            "{first} is a number of interface \"{other}\"; each uplink needs its own, for all its prefixes"
        );
        table.fault("iaid", why);
    }
    let name = name.unwrap_or_default().to_owned();
    seen.iaids.push((first..=last, name));
}

/// A number that an interface of this name always has: FNV-1a, with room for the numbers of its prefixes.
fn iaid(name: &str) -> u32 {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    const { assert!(MAX_PREFIXES <= 16, "the low four bits count them") };
    hash & !0xf
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
A
[[router.interface]]
name = "wan2"
device = "d"
vlan = 2
B
"#;

    fn text(a: &str, b: &str) -> String {
        let table = |keys: &str| match keys {
            "" => String::new(),
            keys => format!(
                "[router.interface.dhcp6_client]\n{}",
                keys.replace("; ", "\n")
            ),
        };
        BASE.replace("\nA\n", &format!("\n{}\n", table(a)))
            .replace("\nB\n", &format!("\n{}\n", table(b)))
    }

    fn read(a: &str) -> Config {
        let loaded = crate::config::parse(Path::new("t.toml"), &text(a, ""));
        let mut model = loaded.unwrap_or_else(|faults| panic!("{faults}")).model;
        let config = model.routers[0].interfaces[0].dhcp6_client.take();
        config.expect("the table is read")
    }

    fn faults(a: &str, b: &str) -> Vec<String> {
        let loaded = crate::config::parse(Path::new("t.toml"), &text(a, b));
        let faults = loaded.expect_err("a bad file was accepted").0;
        let short = |path: &str| {
            path.replace("router[0].interface", "")
                .replace(".dhcp6_client", "")
        };
        let word = |f: &crate::config::Fault| format!("{} {}", short(&f.path), f.message);
        faults.iter().map(word).collect()
    }

    #[test]
    fn an_empty_table_asks_for_an_address_and_a_prefix() {
        let read = read("# nothing");
        assert_eq!(
            read,
            Config {
                iaid: iaid("wan"),
                ..Config::default()
            }
        );
        assert_ne!(iaid("wan"), iaid("wan2"));
    }

    #[test]
    fn every_key_is_read() {
        let read = read(
            "address = false; prefix = [{ length = 56 }, { prefix = \"2001:db8:77::\", length = 48 }, {}]; \
             rapid_commit = true; reconfigure = true; options = [64, 144]; release_on_removal = false; iaid = 7",
        );
        let hint = |prefix: Option<&str>, len| PrefixHint {
            prefix: prefix.map(|text| text.parse().unwrap()),
            len,
        };
        assert_eq!(
            read,
            Config {
                iaid: 7,
                address: false,
                prefixes: vec![
                    hint(None, Some(56)),
                    hint(Some("2001:db8:77::"), Some(48)),
                    hint(None, None)
                ],
                information_only: false,
                rapid_commit: true,
                reconfigure: true,
                options: vec![64, 144],
                release_on_removal: false,
            }
        );
        assert!(self::read("prefix = []").prefixes.is_empty());
        assert!(self::read("information_only = true").is_stateless());
    }

    #[test]
    fn faults_name_the_field() {
        assert_eq!(
            faults("information_only = true; address = true", ""),
            ["[0].address has no effect with information_only"]
        );
        assert_eq!(
            faults("prefix = [{ length = 65 }]", ""),
            ["[0].prefix[0].length 65 is out of range; allowed: 16 to 64"]
        );
        assert_eq!(
            faults("prefix = [{ prefix = \"fe80::\" }]", ""),
            ["[0].prefix prefix[0].prefix: fe80:: is no prefix that can be delegated"]
        );
        assert_eq!(
            faults("options = [25]", ""),
            ["[0].options options[0]: option 25 is of the protocol itself, or asked for anyway"]
        );
        assert_eq!(
            faults("iaid = 5; prefix = [{}, {}]", "iaid = 6"),
            [
                "[1].iaid 6 is a number of interface \"wan\"; each uplink needs its own, for all its prefixes"
            ]
        );
        let unknown = faults("adress = true", "");
        assert!(unknown[0].contains("adress"), "{unknown:?}");
    }
}
