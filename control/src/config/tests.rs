//! Good files and bad ones: what the model holds, and every fault with its place.

use std::path::Path;

use super::*;

/// The smallest file with a device, an interface and room for more.
const BASE: &str = r#"
[[device]]
name = "lan"
kind = "af_packet"
interface = "va"

[[router]]
name = "main"
[[router.interface]]
name = "lan0"
device = "lan"
addresses = ["2001:db8:1::1/64", "192.0.2.1/24"]
"#;

fn good(text: &str) -> Loaded {
    parse(Path::new("t.toml"), text).unwrap_or_else(|faults| panic!("{faults}"))
}

/// Each fault as `line path: message`.
fn faults(text: &str) -> Vec<String> {
    let faults = parse(Path::new("t.toml"), text).expect_err("a bad file was accepted");
    faults
        .0
        .iter()
        .map(|f| format!("{} {}: {}", f.line, f.path, f.message))
        .collect()
}

fn warnings(text: &str) -> Vec<String> {
    let loaded = good(text);
    loaded
        .warnings
        .iter()
        .map(|f| format!("{} {}: {}", f.line, f.path, f.message))
        .collect()
}

#[test]
fn the_base_is_good_and_has_the_defaults() {
    let loaded = good(BASE);
    assert_eq!(loaded.warnings, []);
    let model = loaded.model;
    assert_eq!(model.system, crate::model::System::default());
    let interface = &model.routers[0].interfaces[0];
    assert_eq!(interface.id.0, 1);
    assert_eq!(interface.mtu, 1500);
    assert!(!interface.ra.send_advertisements);
    assert_eq!(interface.addresses.len(), 2);
}

#[test]
fn all_faults_are_found_at_once_with_file_line_and_path() {
    let text = BASE
        .replace("192.0.2.1/24", "192.0.2.1/42")
        .replace("mtu", "mut")
        + "mtu = 1000\n[[router.interface]]\nname = \"lan1\"\ndevice = \"lann\"\nvlanid = 3\n";
    let found = faults(&text);
    assert_eq!(
        found,
        [
            "12 router[0].interface[0].addresses[1]: \"192.0.2.1/42\" is not an address with its prefix length, such as \"2001:db8::1/64\"",
            "13 router[0].interface[0].mtu: 1000 is too small for IPv6, which needs at least 1280",
            "16 router[0].interface[1].device: there is no device \"lann\"; did you mean \"lan\"?",
            "17 router[0].interface[1].vlanid: unknown key `vlanid`; did you mean `vlan`?",
        ]
    );
    let faults = parse(Path::new("dir/t.toml"), &text).unwrap_err();
    assert!(
        faults
            .to_string()
            .starts_with("dir/t.toml:12:34: router[0].interface[0].addresses[1]: ")
    );
}

#[test]
fn a_device_that_no_interface_is_on_is_doubtful() {
    let text = format!("{BASE}[[device]]\nname = \"spare\"\nkind = \"ring\"\n");
    assert_eq!(
        warnings(&text),
        ["14 device[1].name: device \"spare\" has no interface"]
    );
}
