use std::path::Path;
use std::time::Duration;

use crate::config::parse;
use crate::model::{Bfd, Watched};

/// A router with two interfaces, the first with these tables.
fn text(tables: &str) -> String {
    format!(
        r#"
[[device]]
name = "lan"
kind = "null"
[[device]]
name = "wan"
kind = "null"
[[router]]
name = "main"
[[router.interface]]
name = "lan0"
device = "lan"
addresses = ["2001:db8:1::1/64", "10.1.0.1/24"]
{tables}
[[router.interface]]
name = "wan0"
device = "wan"
addresses = ["2001:db8:2::1/64", "192.0.2.1/24"]
link_local = "fe80::1"
[[router.interface.bfd]]
peer = "fe80::2"
local = "fe80::1"
"#
    )
}

fn sessions(tables: &str) -> Vec<Bfd> {
    let loaded = parse(Path::new("t.toml"), &text(tables));
    let model = loaded.unwrap_or_else(|faults| panic!("{faults}")).model;
    model.routers[0].interfaces[0].bfd.clone()
}

/// The only fault.
fn fault(tables: &str) -> String {
    match parse(Path::new("t.toml"), &text(tables)) {
        Ok(loaded) => panic!("no faults: {:#?}", loaded.model),
        Err(faults) => {
            assert_eq!(faults.0.len(), 1, "{faults}");
            faults.0[0].to_string()
        }
    }
}

fn with(keys: &str) -> String {
    format!("[[router.interface.bfd]]\n{keys}\n")
}

#[test]
fn a_session_needs_only_its_peer() {
    let all = sessions(&(with("peer = \"fe80::2\"") + &with("peer = \"10.1.0.2\"")));
    let default = protocols::bfd::Config::default();
    for (session, peer) in all.iter().zip(["fe80::2", "10.1.0.2"]) {
        assert_eq!(session.peer.to_string(), peer);
        assert_eq!((session.local, &session.config), (None, &default));
        assert!(session.withdraw_routes);
    }
    assert_eq!(all.len(), 2);
}

#[test]
fn every_key_is_read() {
    let all = sessions(&with(
        "peer = \"2001:db8:1::2\"\nlocal = \"2001:db8:1::1\"\ntransmit_interval = 10\n\
         receive_interval = \"3300us\"\ndetect_multiplier = 5\npassive = true\nenabled = false\n\
         withdraw_routes = false\nauth = \"keyed-sha1\"\nkey = \"secret\"\nkey_id = 0",
    ));
    let [session] = &all[..] else {
        panic!("{all:?}")
    };
    assert_eq!(session.local, Some("2001:db8:1::1".parse().unwrap()));
    let config = &session.config;
    assert_eq!(config.desired_min_tx, Duration::from_millis(10));
    assert_eq!(config.required_min_rx, Duration::from_micros(3300));
    assert_eq!(config.detect_mult, 5);
    assert!(config.passive && config.admin_down && !session.withdraw_routes);
    let auth = config.auth.as_ref().unwrap();
    assert_eq!((auth.key_id, auth.meticulous), (0, false));
    assert!(!format!("{session:?}").contains("secret"));
}

#[test]
fn what_is_wrong_is_said() {
    for (keys, expected) in [
        ("", "is missing"),
        ("peer = \"2001:db8:9::2\"", "on a subnet of the interface"),
        ("peer = \"ff02::1\"", "unicast"),
        ("peer = \"10.1.0.1\"", "own address"),
        (
            "peer = \"fe80::2\"\nlocal = \"10.1.0.1\"",
            "another IP version",
        ),
        (
            "peer = \"fe80::2\"\nlocal = \"fe80::9\"",
            "none of the interface's",
        ),
        ("peer = \"fe80::2\"\ntransmit_interval = 3", "out of range"),
        (
            "peer = \"fe80::2\"\nreceive_interval = \"61s\"",
            "out of range",
        ),
        ("peer = \"fe80::2\"\ndetect_multiplier = 0", "1 to 255"),
        ("peer = \"fe80::2\"\nkey_id = 1", "without a `key`"),
        ("peer = \"fe80::2\"\nkey = \"\"", "1 to 20"),
        (
            "peer = \"fe80::2\"\nkey = \"123456789012345678901\"",
            "1 to 20",
        ),
        (
            "peer = \"fe80::2\"\nkey = \"k\"\nauth = \"md5\"",
            "keyed-sha1",
        ),
    ] {
        let told = fault(&with(keys));
        assert!(told.contains(expected), "{keys}: {told}");
        assert!(!told.contains("123456789"), "{told}");
    }
    let twice = with("peer = \"fe80::2\"");
    assert!(fault(&format!("{twice}{twice}")).contains("already"));
}

#[test]
fn virtual_routers_watch_sessions_of_their_router() {
    let track = |peer| {
        format!(
            "[[router.interface.vrrp]]\nvrid = 1\naddresses = [\"10.1.0.254\"]\n\
             [[router.interface.vrrp.track]]\nbfd = \"{peer}\"\ndecrement = 60\n"
        )
    };
    let loaded = parse(Path::new("t.toml"), &text(&track("fe80::2")));
    let model = loaded.unwrap_or_else(|faults| panic!("{faults}")).model;
    let watched = &model.routers[0].interfaces[0].vrrp[0].track[0].watched;
    assert_eq!(*watched, Watched::Bfd("fe80::2".parse().unwrap()));
    assert!(fault(&track("fe80::3")).contains("no interface of this router has a BFD session"));
}
