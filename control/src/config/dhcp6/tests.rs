//! Input: `dhcp6` and `remote_link` tables; output: what the server is to do, or every fault.

use std::path::Path;

use super::*;
use crate::config::parse;
use crate::model::Model;

const BASE: &str = r#"
[[device]]
name = "lan"
kind = "null"
[[router]]
name = "main"
[[router.interface]]
name = "lan0"
device = "lan"
addresses = ["2001:db8:1::1/64"]
"#;

fn model(text: &str) -> Model {
    let loaded = parse(Path::new("t.toml"), &format!("{BASE}{text}"));
    loaded.unwrap_or_else(|faults| panic!("{faults}")).model
}

fn config(keys: &str) -> Config {
    let mut model = model(&format!("[router.interface.dhcp6]\n{keys}\n"));
    let interface = model.routers.remove(0).interfaces.remove(0);
    assert!(interface.serves_dhcp6());
    interface.dhcp6.unwrap()
}

/// Each fault as `path: message`.
fn faults(text: &str) -> Vec<String> {
    let all = parse(Path::new("t.toml"), &format!("{BASE}{text}"));
    let all = all.expect_err("a bad file was accepted");
    let short = |path: &str| path.replace("router[0].interface[0].", "");
    all.0
        .iter()
        .map(|f| format!("{}: {}", short(&f.path), f.message))
        .collect()
}

#[test]
fn an_empty_table_is_a_server_by_default() {
    let config = config("");
    let mut default = Config::default();
    default.settings.address_registration = true;
    assert_eq!(config, default);
    assert_eq!(config.validate(), []);
    assert!(!model("").routers[0].interfaces[0].serves_dhcp6());
}

#[test]
fn settings_are_read() {
    let config = config(
        "preference = 255\naddress_registration = false\nrapid_commit = true\nreconfigure = true\nrespond_after = 5\nquarantine = \"1h\"\n\
        relays = [\"2001:db8:9::/48\", \"fe80::5\"]\nlink_addresses = [\"2001:db8:7::/64\"]\n\
        dns_servers = [\"2001:db8::53\"]\ndomain_search = [\"a.example\"]\n\
        ntp_servers = [\"2001:db8::7b\", \"ff05::101\", \"ntp.example\"]\n\
        boot_file = \"tftp://[2001:db8::1]/x\"\nboot_parameters = [\"a\", \"b\"]\ndomain = \"b.example\"\n\
        information_refresh_time = \"1d\"\nsol_max_rt = 600\ninf_max_rt = 700\n\
        options = [{ code = 60000, text = \"x\" }]\n\
        vendor = [{ enterprise = 4491, options = [{ code = 1, hex = \"0102\" }] }]",
    );
    assert_eq!(config.validate(), []);
    assert_eq!(
        (config.preference, config.rapid_commit, config.reconfigure),
        (255, true, true)
    );
    assert_eq!(
        (config.respond_after, config.quarantine),
        (5 * SECOND, 3600 * SECOND)
    );
    let Relays::From(relays) = &config.relays else {
        panic!("{:?}", config.relays);
    };
    let relays: Vec<_> = relays.iter().map(ToString::to_string).collect();
    assert_eq!(relays, ["2001:db8:9::/48", "fe80::5/128"]);
    let settings = &config.settings;
    assert!(!settings.address_registration);
    assert_eq!(settings.ntp_servers.len(), 3);
    assert!(matches!(settings.ntp_servers[1], NtpServer::Multicast(_)));
    assert_eq!(
        settings.ntp_servers[2],
        NtpServer::Name("ntp.example".into())
    );
    assert_eq!(settings.bootfile_params, ["a", "b"]);
    assert_eq!(settings.information_refresh_time, Some(86_400 * SECOND));
    assert_eq!(
        (settings.sol_max_rt, settings.inf_max_rt),
        (Some(600 * SECOND), Some(700 * SECOND))
    );
    assert_eq!(settings.vendor[0].options, [(1, vec![1, 2])]);
    assert_eq!(settings.extra[0].code, 60000);
    assert_eq!(super::tests::config("relays = \"any\"").relays, Relays::Any);
}

#[test]
fn wrong_settings_are_named() {
    let table = |key: &str| format!("[router.interface.dhcp6]\n{key}\n");
    for (key, why) in [
        ("preference = 256", "dhcp6.preference: 256 is out of range"),
        ("relays = \"all\"", "dhcp6.relays: must be an array"),
        (
            "relays = [\"ff02::1\"]",
            "dhcp6.relays[0]: \"ff02::1\" is not a unicast address",
        ),
        ("boot_file = \"x\"", "dhcp6.boot_file: \"x\" is not a URL"),
        ("sol_max_rt = 59", "dhcp6.sol_max_rt: 59s is out of range"),
        (
            "information_refresh_time = 599",
            "dhcp6.information_refresh_time: 599s is out of range",
        ),
        (
            "options = [{ code = 5, hex = \"00\", ip_version = 4 }]",
            "dhcp6.options: ip_version must be 6",
        ),
        (
            "dns_servers = [\"192.0.2.1\"]",
            "dhcp6.dns_servers[0]: \"192.0.2.1\" is not an IPv6 address",
        ),
        (
            "vendor = [{ enterprise = 1 }]",
            "dhcp6.vendor[0].options: `options` is missing",
        ),
    ] {
        let told = faults(&table(key));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with(why), "{told:?}");
    }
}

#[test]
fn prefix_pools_are_read_and_checked() {
    let pool = |keys: &str| format!("[[router.interface.dhcp6.prefix_pool]]\n{keys}\n");
    let good = "prefix = \"2001:db8:8000::/36\"\nlength = 56\nmin_length = 48\nmax_length = 60\n\
        exclude = [\"2001:db8:8000::/48\"]\nexcluded_length = 64\nexcluded_subnet_id = 15\n\
        valid_lifetime = \"2h\"\npreferred_lifetime = \"1h\"\nt1 = 600\nallocation = \"random\"";
    let found = model(&pool(good))
        .routers
        .remove(0)
        .interfaces
        .remove(0)
        .dhcp6
        .unwrap();
    assert_eq!(found.validate(), []);
    let [found] = &found.prefix_pools[..] else {
        panic!("{found:#?}");
    };
    assert_eq!(
        (found.min_len, found.delegated_len, found.max_len),
        (48, 56, 60)
    );
    let excluded = found.excluded_prefix.unwrap();
    assert_eq!((excluded.len, excluded.subnet_id), (64, 15));
    assert_eq!(found.lifetimes.valid, 7200 * SECOND);
    for (bad, why) in [
        (
            "length = 56",
            "dhcp6.prefix_pool[0].prefix: `prefix` is missing",
        ),
        (
            "prefix = \"2001:db8::/36\"",
            "dhcp6.prefix_pool[0].length: `length` is missing",
        ),
        (
            "prefix = \"2001:db8::/36\"\nlength = 35",
            "dhcp6.prefix_pool[0].length: 35 is out of range; allowed: 36 to 128",
        ),
        (
            "prefix = \"2001:db8::/36\"\nlength = 56\nmin_length = 57",
            "dhcp6.prefix_pool[0].min_length: 57 is out of range; allowed: 36 to 56",
        ),
        (
            "prefix = \"2001:db8::/36\"\nlength = 56\nexclude = [\"2001:db9::/64\"]",
            "dhcp6.prefix_pool[0].exclude[0]: \"2001:db9::/64\" is not in the pool",
        ),
        (
            "prefix = \"2001:db8::/36\"\nlength = 56\nexcluded_length = 56",
            "dhcp6.prefix_pool[0].excluded_length: 56 is out of range; allowed: 57 to 120",
        ),
        (
            "prefix = \"2001:db8::/36\"\nlength = 56\nexcluded_length = 60\nexcluded_subnet_id = 16",
            "dhcp6.prefix_pool[0].excluded_subnet_id: 16 is no number of a /60 in a /56",
        ),
        (
            "prefix = \"2001:db8::/36\"\nlength = 56\nexcluded_subnet_id = 1",
            "dhcp6.prefix_pool[0].excluded_subnet_id: needs `excluded_length`",
        ),
    ] {
        let told = faults(&pool(bad));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with(why), "{told:?}");
    }
}

#[test]
fn a_remote_link_is_read_and_advertises_nothing() {
    let text = "[[router.remote_link]]\nname = \"far\"\n\
        [[router.remote_link.subnet]]\nprefix = \"2001:db8:7::/64\"\naddress_mode = \"dhcpv6-stateful\"\n\
        [[router.remote_link.port]]\nname = \"vm\"\nmac = \"02:00:00:00:00:01\"\naddresses = [\"2001:db8:7::9\"]\n\
        [router.remote_link.dhcp6]\nlink_addresses = [\"2001:db8:70::/64\"]\n";
    let model = model(text);
    let [(router, far)] = &model.remote_links().collect::<Vec<_>>()[..] else {
        panic!("{model:#?}");
    };
    assert_eq!((router.name.as_str(), far.name.as_str()), ("main", "far"));
    assert_eq!((far.subnets.len(), far.ports.len()), (1, 1));
    assert_eq!(
        faults(&text.replace("address_mode", "ra_mode")),
        [
            "router[0].remote_link[0].subnet[0].ra_mode: a link that is not ours hears no advertisements from us"
        ]
    );
    let told = faults(&text.replace("\"far\"", "\"lan0\""));
    assert!(
        told[0].contains("is already the interface or remote link named"),
        "{told:?}"
    );
    let told = faults(&text.replace("2001:db8:7::9", "2001:db8:7::"));
    assert!(
        told[0].contains("is the subnet-router anycast address"),
        "{told:?}"
    );
}

#[test]
fn nothing_is_leased_out_twice() {
    let stateful = "[[router.interface.subnet]]\nprefix = \"2001:db8:1::/64\"\naddress_mode = \"dhcpv6-stateful\"\n";
    let pool = |keys: &str| {
        format!(
            "[[router.interface.dhcp6.prefix_pool]]\nprefix = \"2001:db8::/32\"\nlength = 56\n{keys}\n"
        )
    };
    let told = faults(&format!("{stateful}{}", pool("")));
    assert_eq!(
        told,
        [
            "dhcp6: 2001:db8::/32 of router[0].interface[0].dhcp6.prefix_pool[0] overlaps 2001:db8:1::/64 of router[0].interface[0].subnet[0]: nothing is leased out twice"
        ]
    );
    model(&format!(
        "{stateful}{}",
        pool("exclude = [\"2001:db8:1::/48\"]")
    ));
    let far = "[[router.remote_link]]\nname = \"far\"\n[[router.remote_link.subnet]]\nprefix = \"2001:db8:1:0:8000::/65\"\n\
        address_mode = \"dhcpv6-stateful\"\n";
    let told = faults(&format!("{stateful}{far}"));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("nothing is leased out twice"), "{told:?}");
    // Another router has the same addresses, and they are others.
    let other = "[[router]]\nname = \"blue\"\n[[router.interface]]\nname = \"blue0\"\ndevice = \"lan\"\nvlan = 5\n\
        addresses = [\"2001:db8:1::1/64\"]\n";
    model(&format!("{stateful}{other}{stateful}"));
    let told = faults(&format!("{stateful}{other}{stateful}{far}"));
    assert_eq!(told.len(), 1, "{told:?}");
}
