//! The `[pair]` table.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::reader::Table;
use super::schema::PAIR;
use crate::model::Pair;
use crate::model::security::Security;

/// What an address is.
const SOCKET: &str = "an address and port, such as \"[fd00::1]:9462\" or \"10.0.0.1:9462\"";

pub(super) fn read(table: Option<Table<'_>>, security: &Security) -> Option<Pair> {
    let mut table = table?;
    table.check_keys(&[&PAIR]);
    let local = address(&table, "local");
    let peer = address(&table, "peer");
    if let (Some(local), Some(peer)) = (local, peer) {
        if local.is_ipv6() != peer.is_ipv6() {
            table.fault("peer", "must be of the IP version of `local`");
        } else if local.ip() == peer.ip() && local.port() == peer.port() {
            table.fault("peer", "must be another router's: it is that of `local`");
        }
    }
    let key_file = table.require("key_file").and_then(|value| value.string());
    if key_file.is_some_and(str::is_empty) {
        table.fault("key_file", "must be a path");
    }
    let rate = table.integer("rate", 1000..=10_000_000);
    let max_flows = table.integer("max_flows", 1024..=1 << 26);
    Some(Pair {
        local: local?,
        peer: peer?,
        key_file: PathBuf::from(key_file?),
        rate: rate.unwrap_or(Pair::RATE),
        max_flows: max_flows.unwrap_or(security.max_flows),
    })
}

fn address(table: &Table<'_>, name: &'static str) -> Option<SocketAddr> {
    let address: SocketAddr = table.require(name)?.parse(SOCKET)?;
    if address.ip().is_unspecified() || address.ip().is_multicast() || address.port() == 0 {
        table.fault(name, "must be one router's address and a port");
        return None;
    }
    Some(address)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::parse;

    fn faults(text: &str) -> Vec<String> {
        let loaded = parse(Path::new("f"), text);
        loaded
            .err()
            .map(|faults| faults.0.iter().map(ToString::to_string).collect())
            .unwrap_or_default()
    }

    #[test]
    fn a_pair_has_two_addresses_and_a_key() {
        let text = "[pair]\nlocal = \"[fd00::1]:9462\"\npeer = \"[fd00::2]:9462\"\nkey_file = \"/etc/hextet/pair.key\"\n";
        let pair = parse(Path::new("f"), text).unwrap().model.pair.unwrap();
        assert_eq!(pair.local.to_string(), "[fd00::1]:9462");
        assert_eq!((pair.rate, pair.max_flows), (250_000, 1 << 20));
        assert_eq!(parse(Path::new("f"), "").unwrap().model.pair, None);
        for (from, to, says) in [
            ("peer = \"[fd00::2]:9462\"\n", "", "pair.peer"),
            ("fd00::2", "fd00::1", "pair.peer: must be another router's"),
            (
                "[fd00::2]",
                "10.0.0.1",
                "pair.peer: must be of the IP version",
            ),
            (
                "[fd00::1]:9462",
                "[::]:9462",
                "pair.local: must be one router's",
            ),
            (
                "[fd00::1]:9462",
                "[fd00::1]:0",
                "pair.local: must be one router's",
            ),
            ("[fd00::1]:9462", "fd00::1", "pair.local"),
            ("/etc/hextet/pair.key", "", "pair.key_file: must be a path"),
            ("key_file", "keyfile", "pair.key"),
        ] {
            let all = faults(&text.replacen(from, to, 1));
            assert!(
                all.iter().any(|fault| fault.contains(says)),
                "{says}: {all:?}"
            );
        }
        let all = faults(&format!("{text}rate = 10\nmax_flows = 1\n"));
        assert_eq!(all.len(), 2, "{all:?}");
    }

    #[test]
    fn the_examples_are_two_routers_of_one_pair() {
        let load = |name: &str| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../configs")
                .join(name);
            let loaded = crate::config::load(&path).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(loaded.warnings, [], "{name}");
            loaded.model
        };
        let models = [load("pair-one.toml"), load("pair-two.toml")];
        let [one, two] = &models;
        let (of_one, of_two) = (one.pair.clone().unwrap(), two.pair.clone().unwrap());
        assert_eq!((of_one.local, of_one.peer), (of_two.peer, of_two.local));
        assert_eq!(of_one.key_file, of_two.key_file);
        let [ones, twos] = [one, two].map(|of| of.interfaces().collect::<Vec<_>>());
        assert_eq!(ones.len(), twos.len());
        for ((_, one), (_, two)) in ones.iter().zip(&twos) {
            assert_eq!(one.name, two.name);
            assert_ne!(one.addresses, two.addresses, "each has its own");
            assert_eq!((&one.subnets, &one.subnets4), (&two.subnets, &two.subnets4));
            assert_eq!((one.vrrp.len(), two.vrrp.len()), (2, 2), "both IP versions");
            for (one, two) in one.vrrp.iter().zip(&two.vrrp) {
                assert_eq!((one.vrid, one.addresses()), (two.vrid, two.addresses()));
                let (high, low) = (one.config.priority, two.config.priority);
                assert!(
                    low < high && high - 20 < low,
                    "one is better, unless a link is down"
                );
            }
        }
    }
}
