//! keepalived that speaks VRRP version 2 beside ours. Version 3, and FRR: row 22.

use lab::beside::Bed;
use lab::keepalived::{Keepalived, Other, Told};
use lab::pair::{Settings, config};
use lab::{Lab, Result};

#[test]
fn keepalived_of_version_2_is_understood() -> Result<()> {
    let lab = Lab::new("ha-keepalived2")?;
    let mut bed = Bed::wire(&lab)?;
    bed.servers = &["198.51.100.80"];
    let settings = Settings {
        interval: "1s",
        keys: "accept = true\nversion = 2\n".into(),
        ..Settings::default()
    };
    let told = Told {
        priority: 100,
        version: 2,
        interval: "1",
    };
    let mut other = Other {
        keepalived: Keepalived::wire(&lab, &bed.links, "keepalived", 9)?,
        told,
    };
    bed.both_roles(&only_ipv4(&config(2, 200, &settings)), &mut other)
}

/// A configuration without its IPv6 virtual routers.
fn only_ipv4(text: &str) -> String {
    let mut tables = text.split("[[router.interface.vrrp]]");
    let first = tables.next().unwrap_or_default().to_owned();
    tables.fold(first, |text, table| {
        match table.contains("2001:db8") && !table.contains("[[router.interface]]") {
            true => text,
            false => match table.split_once("[[router.interface]]") {
                Some((group, rest)) if group.contains("2001:db8") => {
                    text + "[[router.interface]]" + rest
                }
                _ => text + "[[router.interface.vrrp]]" + table,
            },
        }
    })
}
