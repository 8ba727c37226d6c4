use super::*;

#[test]
fn pci_addresses_are_told_from_names() {
    for yes in ["0000:03:00.0", "03:00.1", "10000:ff:1f.7"] {
        assert!(is_pci_address(yes), "{yes}");
    }
    for no in [
        "net_tap0",
        "0000:03:00",
        "03:00.10",
        "::.",
        "0:0:0:0.0",
        "net:03:00.0",
    ] {
        assert!(!is_pci_address(no), "{no}");
    }
}

#[test]
fn options_become_arguments() {
    let options = EalOptions {
        file_prefix: "t".to_owned(),
        memory_mib: 64,
        main_core: Some(3),
        vdevs: vec!["net_null0".to_owned()],
        ..EalOptions::default()
    };
    assert_eq!(
        arguments(&options, false).join(" "),
        "hextet --lcores=0@3 --file-prefix=t --log-level=5 --force-max-simd-bitwidth=512 -m 64 \
         --no-huge --no-shconf --no-telemetry --no-pci --vdev=net_null0"
    );
    let options = EalOptions {
        pci: Pci::Allow(vec!["0000:03:00.0".to_owned()]),
        ..options
    };
    let text = arguments(&options, true).join(" ");
    assert!(text.contains("--in-memory --single-file-segments --no-telemetry -a 0000:03:00.0"));
    let options = EalOptions {
        pci: Pci::Allow(Vec::new()),
        ..options
    };
    let text = arguments(&options, true).join(" ");
    assert!(
        text.contains("-a ffff:ff:1f.7"),
        "an empty list allows nothing, not everything"
    );
}

#[test]
fn harmless_lines_are_for_developers() {
    assert_eq!(
        level_of(4, "eth_dev_tap_create(): Disabling rte flow support"),
        LogLevel::Debug
    );
    assert_eq!(
        level_of(4, "eth_dev_tap_create(): Unable to create"),
        LogLevel::Error
    );
    assert_eq!(level_of(5, "something else"), LogLevel::Warning);
}
