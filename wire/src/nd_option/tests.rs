//! Options as other stacks write them, both ways, and each that cannot be.

use super::*;
use crate::error::EmitError;

fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// Reads the one option in `bytes`, and writes it again to the same bytes.
#[track_caller]
fn both_ways(bytes: &[u8], option: NdOption<'_>) {
    assert_eq!(Options::new(bytes).collect::<Vec<_>>(), [Ok(option)]);
    let mut buf = [0xee; 256];
    let len = option.write(&mut buf).unwrap();
    assert_eq!(&buf[..len], bytes);
    assert_eq!(option.kind(), bytes[0]);
    let need = EmitError::NoRoom {
        need: len,
        have: len - 1,
    };
    assert_eq!(option.write(&mut buf[..len - 1]), Err(need));
}

#[test]
fn link_layer_addresses_and_mtu() {
    let mac = MacAddr([2, 0, 0, 0, 0, 1]);
    both_ways(&[1, 1, 2, 0, 0, 0, 0, 1], NdOption::SourceLinkLayer(mac));
    both_ways(&[2, 1, 2, 0, 0, 0, 0, 1], NdOption::TargetLinkLayer(mac));
    both_ways(&[5, 1, 0, 0, 0, 0, 5, 0xdc], NdOption::Mtu(1500));
    both_ways(
        &[14, 1, 1, 2, 3, 4, 5, 6],
        NdOption::Nonce(&[1, 2, 3, 4, 5, 6]),
    );
    both_ways(
        &[26, 1, 0, 0, 0, 0, 0, 1],
        NdOption::RaFlags([0, 0, 0, 0, 0, 1]),
    );
    both_ways(
        &[200, 1, 1, 2, 3, 4, 5, 6],
        NdOption::Unknown {
            kind: 200,
            data: &[1, 2, 3, 4, 5, 6],
        },
    );
    let quoted = [0x60, 0, 0, 0, 0, 0, 59, 64];
    let bytes = [&[4, 2, 0, 0, 0, 0, 0, 0][..], &quoted].concat();
    both_ways(&bytes, NdOption::RedirectedHeader(&quoted));
}

#[test]
fn prefix_information() {
    #[rustfmt::skip]
    let bytes = [
        3, 4, 64, 0xf0, 0, 1, 0x51, 0x80, 0, 0, 0x38, 0x40, 0, 0, 0, 0,
        0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9,
    ];
    let option = PrefixInformation {
        prefix_len: 64,
        on_link: true,
        autonomous: true,
        router_address: true,
        dhcpv6_pd_preferred: true,
        valid_lifetime: 86400,
        preferred_lifetime: 14400,
        // With R the whole address is there: it is kept.
        prefix: ip("2001:db8:1::9"),
    };
    both_ways(&bytes, NdOption::PrefixInformation(option));
}

#[test]
fn route_information_in_its_three_sizes() {
    let route = |prefix_len, preference, prefix: &str| {
        let prefix = ip(prefix);
        NdOption::RouteInformation(RouteInformation {
            prefix_len,
            preference,
            lifetime: 600,
            prefix,
        })
    };
    both_ways(
        &[24, 1, 0, 0x08, 0, 0, 2, 0x58],
        route(0, Preference::High, "::"),
    );
    #[rustfmt::skip]
    let bytes = [24, 2, 48, 0x18, 0, 0, 2, 0x58, 0x20, 1, 0xd, 0xb8, 0, 2, 0, 0];
    both_ways(&bytes, route(48, Preference::Low, "2001:db8:2::"));
    #[rustfmt::skip]
    let bytes = [
        24, 3, 128, 0, 0, 0, 2, 0x58,
        0x20, 1, 0xd, 0xb8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
    ];
    both_ways(&bytes, route(128, Preference::Medium, "2001:db8:2::1"));
    // Bits beyond the prefix are not its.
    let mut stray = [24, 2, 32, 0, 0, 0, 2, 0x58, 0x20, 1, 0xd, 0xb8, 0, 2, 0, 0];
    stray[13] = 0xff;
    let read = Options::new(&stray).next().unwrap().unwrap();
    assert_eq!(read, route(32, Preference::Medium, "2001:db8::"));
}

#[test]
fn dns_servers() {
    #[rustfmt::skip]
    let bytes = [
        25, 5, 0, 0, 0, 0, 0x0e, 0x10,
        0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x53,
        0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x54,
    ];
    let servers = [ip("2001:db8::53"), ip("2001:db8::54")];
    both_ways(
        &bytes,
        NdOption::Rdnss {
            lifetime: 3600,
            servers: AddressList::from(&servers[..]),
        },
    );
}

#[test]
fn dns_search_list() {
    let bytes = [
        &[31, 5, 0, 0, 0, 0, 0x0e, 0x10][..],
        b"\x07example\x03org\x00\x03lab\x07example\x03com\x00",
        &[0; 2],
    ]
    .concat();
    let names = ["example.org".to_string(), "lab.example.com.".to_string()];
    both_ways(
        &bytes,
        NdOption::Dnssl {
            lifetime: 3600,
            domains: DomainList::from(&names[..]),
        },
    );
    let Some(Ok(NdOption::Dnssl { domains, .. })) = Options::new(&bytes).next() else {
        panic!("not read")
    };
    let read: Vec<_> = domains.iter().map(|name| name.to_string()).collect();
    assert_eq!(read, ["example.org", "lab.example.com"]);
}

#[test]
fn nat64_prefix() {
    #[rustfmt::skip]
    let bytes = [38, 2, 0x07, 0x08, 0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];
    let pref64 = Pref64 {
        lifetime: 1800,
        prefix_len: 96,
        prefix: ip("64:ff9b::"),
    };
    both_ways(&bytes, NdOption::Pref64(pref64));
    // Lengths by code, and lifetimes rounded up to what the 13 bits hold.
    for (code, prefix_len) in [(0, 96), (1, 64), (2, 56), (3, 48), (4, 40), (5, 32)] {
        let mut buf = [0; 16];
        let pref64 = Pref64 {
            lifetime: 1801,
            prefix_len,
            prefix: ip("2001:db8::"),
        };
        NdOption::Pref64(pref64).write(&mut buf).unwrap();
        assert_eq!(u16::from_be_bytes([buf[2], buf[3]]), 1808 | code);
    }
    let longest = Pref64 {
        lifetime: u16::MAX,
        ..pref64
    };
    let mut buf = [0; 16];
    NdOption::Pref64(longest).write(&mut buf).unwrap();
    assert_eq!(buf[2..4], [0xff, 0xf8]);
}

#[test]
fn captive_portal() {
    let bytes = [&[37, 3][..], b"https://example.org/a", &[0]].concat();
    both_ways(&bytes, NdOption::CaptivePortal("https://example.org/a"));
}

#[test]
fn what_makes_the_message_invalid() {
    let errors = |bytes: &[u8]| {
        Options::new(bytes)
            .filter_map(Result::err)
            .collect::<Vec<_>>()
    };
    // The good option before the fault is read; nothing after it is.
    let zero = [
        5, 1, 0, 0, 0, 0, 5, 0xdc, 1, 0, 2, 0, 0, 0, 0, 1, 5, 1, 0, 0, 0, 0, 5, 0xdc,
    ];
    assert_eq!(errors(&zero), [OptionError::ZeroLength { at: 8 }]);
    assert_eq!(Options::new(&zero).readable().count(), 1);
    assert_eq!(
        errors(&[1, 2, 2, 0, 0, 0, 0, 1]),
        [OptionError::Truncated { at: 0 }]
    );
    assert_eq!(
        errors(&[5, 1, 0, 0, 0, 0, 5, 0xdc, 1]),
        [OptionError::Truncated { at: 8 }]
    );
    assert!(Options::new(&zero).check().is_err());
}

#[test]
fn what_makes_one_option_unreadable() {
    let mut pio = [0u8; 32];
    pio[..3].copy_from_slice(&[3, 4, 129]);
    let compressed = *b"\x1f\x02\0\0\0\0\0\x01\x03lab\xc0\x00\0\0";
    let length = |kind, len| OptionError::BadLength { at: 0, kind, len };
    let value = |kind, field| OptionError::BadValue { at: 0, kind, field };
    let cases: [(&[u8], OptionError); 14] = [
        (
            &[1, 2, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
            length(1, 16),
        ),
        (
            &[5, 2, 0, 0, 0, 0, 5, 0xdc, 0, 0, 0, 0, 0, 0, 0, 0],
            length(5, 16),
        ),
        (&[3, 1, 64, 0, 0, 0, 0, 0], length(3, 8)),
        (&pio, value(3, "prefix length")),
        (&[24, 1, 1, 0, 0, 0, 0, 0], value(24, "prefix length")),
        (
            &[24, 2, 65, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            value(24, "prefix length"),
        ),
        (&[24, 1, 0, 0x10, 0, 0, 0, 0], value(24, "preference")),
        (&[25, 1, 0, 0, 0, 0, 0, 0], length(25, 8)),
        (
            &[25, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            length(25, 16),
        ),
        (&[31, 1, 0, 0, 0, 0, 0, 0], length(31, 8)),
        (
            &[31, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            value(31, "domain names"),
        ),
        (&compressed, value(31, "domain names")),
        (&[37, 1, 0, 0, 0, 0, 0, 0], value(37, "URI")),
        (
            &[38, 2, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            value(38, "prefix length code"),
        ),
    ];
    for (bytes, wanted) in cases {
        assert_eq!(Options::new(bytes).collect::<Vec<_>>(), [Err(wanted)]);
        assert!(!wanted.is_fatal() && Options::new(bytes).check().is_ok());
        assert!(Options::new(bytes).has(bytes[0]));
    }
}

#[test]
fn what_cannot_be_written() {
    let mut buf = [0; 4096];
    let mut write = |option: NdOption<'_>| option.write(&mut buf).unwrap_err();
    let names = |name: &str| ["ok.example".to_string(), name.to_string()];
    for bad in [
        "",
        "..",
        "a..b",
        &"x".repeat(64),
        &"abc.".repeat(64),
        "späce.org",
        "a b.org",
    ] {
        let names = names(bad);
        let option = NdOption::Dnssl {
            lifetime: 1,
            domains: DomainList::from(&names[..]),
        };
        assert_eq!(write(option), EmitError::DomainName { index: 1 }, "{bad}");
    }
    let pref64 = Pref64 {
        lifetime: 0,
        prefix_len: 60,
        prefix: ip("::"),
    };
    let wrong = |field, value| EmitError::Value { field, value };
    assert_eq!(write(NdOption::Pref64(pref64)), wrong("prefix length", 60));
    let none: &[Ipv6Addr] = &[];
    let rdnss = NdOption::Rdnss {
        lifetime: 1,
        servers: AddressList::from(none),
    };
    assert_eq!(write(rdnss), wrong("server count", 0));
    assert_eq!(write(NdOption::CaptivePortal("")), wrong("URI length", 0));
    // One option holds up to 2040 bytes.
    assert_eq!(
        write(NdOption::RedirectedHeader(&[0; 2040])),
        wrong("option length", 2048)
    );
}
