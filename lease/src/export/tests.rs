//! There and back, and each fault with its place.

use proptest::prelude::*;

use super::*;
use crate::testing::{any_lease, in_realm, lan, lease, realm};

fn exported(format: Format, leases: &[Lease]) -> String {
    let mut out = Vec::new();
    let router = |of| (of == realm()).then_some("main");
    let name = |scope| (scope == lan()).then_some("lan");
    export(format, leases.iter(), router, name, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn faults(format: Format, text: &str) -> Vec<String> {
    let error = import(format, text).unwrap_err();
    error.faults.iter().map(Fault::to_string).collect()
}

const CSV: &str = "resource,kind,client,iaid,state,scope,starts,preferred_until,ends,mac\n\
    2001:db8::1,ia_na,000300010200,7,bound,lan,2026-08-22T10:00:00Z,2026-08-22T11:00:00Z,never,\n";

#[test]
fn the_csv_form() {
    let mut named = lease("2001:db8::1", 7, 1_787_392_800);
    named.hostname = Some("a \"b\", c".into());
    named.mac = Some(MacAddr([2, 0, 0, 0, 0, 1]));
    named.relay = RelayInfo {
        interface_id: RelayId::new(b"eth7"),
        ..RelayInfo::default()
    }
    .into_option();
    let text = exported(Format::Csv, &[named, lease("192.0.2.1", 8, 2000)]);
    let lines: Vec<&str> = text.split("\r\n").collect();
    let expected = [
        "2001:db8::1,main,ia_na,00030001020000000007,7,bound,lan,1970-01-01T00:16:40Z",
        "2026-08-22T10:00:00Z,2026-08-22T10:00:00Z,02:00:00:00:00:01",
        r#""a ""b"", c",,,65746837,,"#,
    ];
    assert_eq!(lines[1], expected.join(","));
    assert_eq!(lines.len(), 4);
}

#[test]
fn the_json_form() {
    assert_eq!(exported(Format::Json, &[]), "[]\n");
    let text = exported(
        Format::Json,
        &[lease("2001:db8::1", 7, 2000), lease("192.0.2.1", 8, 2000)],
    );
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(
        lines[1],
        r#"{"resource":"2001:db8::1","router":"main","kind":"ia_na","client":"00030001020000000007","iaid":7,"state":"bound","scope":"lan","starts":"1970-01-01T00:16:40Z","preferred_until":"1970-01-01T00:33:20Z","ends":"1970-01-01T00:33:20Z"},"#
    );
}

#[test]
fn an_address_may_stand_in_two_routers() {
    let mut ours = lease("192.0.2.1", 8, 2000);
    ours.holder.kind = Kind::V4;
    let theirs = in_realm("other", ours.clone());
    let unknown = Lease {
        scope: ScopeId {
            realm: RealmId::UNKNOWN,
            ..ours.scope
        },
        ..ours.clone()
    };
    let leases = [ours, theirs, unknown];
    for format in [Format::Csv, Format::Json] {
        let text = exported(format, &leases);
        // A router that is not configured has its id.
        assert!(text.contains(&RealmId::of("other").to_string()), "{text}");
        let back = import(format, &text).unwrap();
        let back: Vec<Lease> = back.into_iter().map(|(_, lease)| lease).collect();
        assert_eq!(back, leases);
        let named = text.replace(&RealmId::of("other").to_string(), "other");
        assert_eq!(import(format, &named).unwrap()[1].1, leases[1]);
        let twice = text.replace(&RealmId::of("other").to_string(), "main");
        let why = ["line 3, resource: 192.0.2.1 stands in line 2 already"];
        assert_eq!(faults(format, &twice), why);
    }
}

#[test]
fn secrets_and_offers_stay_here() {
    let secret = Lease {
        reconfigure_key: Some(Box::new([0x5a; 16])),
        ..lease("2001:db8::1", 1, 2000)
    };
    let offer = Lease {
        state: State::Offered,
        ..lease("2001:db8::2", 2, 2000)
    };
    for format in [Format::Csv, Format::Json] {
        let text = exported(format, &[secret.clone(), offer.clone()]);
        assert!(
            !text.contains("5a5a") && !text.contains("2001:db8::2"),
            "{text}"
        );
        assert_eq!(Format::of(&text), format);
        let back = import(format, &text).unwrap();
        assert_eq!(back, [(2, lease("2001:db8::1", 1, 2000))]);
    }
}

#[test]
fn columns_in_any_order_and_a_mark_before_them() {
    let text = "\u{feff}ends,resource,kind,client,iaid,state,scope,starts,preferred_until\r\n\
        \r\nnever,192.0.2.1,ipv4,01,0,released,\"a,b\",1970-01-01T00:00:00Z,never";
    let leases = import(Format::Csv, text).unwrap();
    assert_eq!(leases.len(), 1);
    let (line, lease) = &leases[0];
    assert_eq!(
        (*line, lease.scope),
        (3, ScopeId::of(RealmId::UNKNOWN, "a,b"))
    );
    assert_eq!(lease.ends, Wall::NEVER);
}

#[test]
fn each_fault_of_a_csv_has_its_line_and_field() {
    let check = |from: &str, to: &str, expected: &[&str]| {
        assert!(CSV.contains(from));
        assert_eq!(faults(Format::Csv, &CSV.replace(from, to)), expected);
    };
    check(
        "2001:db8::1",
        "2001:db8::g",
        &[
            "line 2, resource: neither an IPv6 address, an IPv4 address nor an IPv6 prefix without host bits",
        ],
    );
    check(
        "ia_na",
        "na",
        &["line 2, kind: it is one of ia_na, ia_ta, ia_pd, ipv4"],
    );
    check(
        "ia_na",
        "ia_pd",
        &["line 2, kind: 2001:db8::1 cannot be in an ia_pd"],
    );
    check(
        ",7,",
        ",-7,",
        &["line 2, iaid: invalid digit found in string"],
    );
    check(",7,", ",,", &["line 2, iaid: it is empty"]);
    check("bound", "offered", &["line 2, state: an offer is not kept"]);
    check(
        "bound",
        "registered",
        &["line 2, state: a registration is its host's to make"],
    );
    check(
        "never",
        "2026-08-22T10:30:00Z",
        &["line 2, preferred_until: it is after the end"],
    );
    check(
        "never",
        "soon",
        &[
            "line 2, ends: a time is UTC as 2026-08-22T10:00:00Z, from 1970 to 2106, or the word never",
        ],
    );
    check("never,", "never", &["line 2: 9 fields under 10 columns"]);
    check(
        "lan",
        "\"lan",
        &["line 2: a quote is opened and not closed"],
    );
    check(
        "lan",
        "\"lan\"x",
        &["line 2: something stands beside a quoted field"],
    );
    check(",mac", ",make", &["line 1, make: no such column is known"]);
    check(",mac", ",ends", &["line 1, ends: it is there twice"]);
    check(",iaid", "", &["line 1, iaid: this column is missing"]);
    check(
        "0003",
        "03g",
        &[
            "line 2, client: a client identifier is written as pairs of hexadecimal digits, as 00030001020000000001",
        ],
    );
    check(
        "2001:db8::1,ia_na",
        "x,y",
        &[
            "line 2, resource: neither an IPv6 address, an IPv4 address nor an IPv6 prefix without host bits",
            "line 2, kind: it is one of ia_na, ia_ta, ia_pd, ipv4",
        ],
    );
    assert_eq!(
        faults(Format::Csv, ""),
        ["line 1: the file is empty; it begins with the names of its columns"]
    );
}

#[test]
fn leases_that_do_not_go_together() {
    let leases = [
        lease("2001:db8::1", 1, 2000),
        lease("2001:db8:1::/48", 2, 2000),
        lease("2001:db8:1:200::/56", 3, 2000),
        lease("2001:db8:2::/48", 4, 2000),
        lease("2001:db8::1", 5, 2000),
    ]
    .map(|mut l| {
        if matches!(l.resource, Resource::Prefix(_)) {
            l.holder.kind = Kind::Pd;
        }
        l
    });
    let expected = [
        "line 4, resource: 2001:db8:1:200::/56 is in 2001:db8:1::/48 of line 3",
        "line 6, resource: 2001:db8::1 stands in line 2 already",
    ];
    for format in [Format::Csv, Format::Json] {
        assert_eq!(faults(format, &exported(format, &leases)), expected);
    }
    let error = import(Format::Csv, &exported(Format::Csv, &leases)).unwrap_err();
    assert_eq!(error.to_string(), expected.join("; "));
}

#[test]
fn next_hops_and_names_that_cannot_be() {
    let hop = |iface: &str, address: &str| {
        Some(Box::new(NextHop {
            iface: iface.into(),
            address: address.parse().unwrap(),
        }))
    };
    let mut leases = [
        ("2001:db8:1::/48", hop("", "2001:db8::7")),
        ("2001:db8:2::/48", hop("", "fe80::7")),
        ("2001:db8::1", hop("lan0", "fe80::7")),
        ("2001:db8::2", None),
    ]
    .map(|(text, next_hop)| {
        let mut l = lease(text, 1, 2000);
        if matches!(l.resource, Resource::Prefix(_)) {
            l.holder.kind = Kind::Pd;
        }
        Lease { next_hop, ..l }
    });
    leases[3].hostname = Some("a".repeat(256).into());
    for format in [Format::Csv, Format::Json] {
        let back = import(format, &exported(format, &leases[..1])).unwrap();
        assert_eq!(back[0].1, leases[0], "looked up in the routing table");
        assert_eq!(
            faults(format, &exported(format, &leases)),
            [
                "line 3, next_hop_interface: fe80::7 is link-local: it needs its interface",
                "line 4, next_hop_address: only a prefix has a next hop",
                "line 5, hostname: a name has 255 octets at most",
            ]
        );
    }
    let half = CSV
        .replace(",mac", ",next_hop_interface")
        .replace("never,", "never,lan0");
    let expected = ["line 2, next_hop_address: it is missing"];
    assert_eq!(faults(Format::Csv, &half), expected);
}

#[test]
fn each_fault_of_a_json_has_its_line_and_field() {
    let good = exported(
        Format::Json,
        &[lease("2001:db8::1", 1, 2000), lease("2001:db8::2", 2, 2000)],
    );
    let check = |from: &str, to: &str, expected: &[&str]| {
        assert!(good.contains(from));
        assert_eq!(faults(Format::Json, &good.replace(from, to)), expected);
    };
    check(
        "2001:db8::2",
        "here",
        &[
            "line 3, resource: neither an IPv6 address, an IPv4 address nor an IPv6 prefix without host bits",
        ],
    );
    check(
        "\"bound\"",
        "\"gone\"",
        &[
            "line 2, state: it is one of bound, declined, released, offered, registered",
            "line 3, state: it is one of bound, declined, released, offered, registered",
        ],
    );
    check(
        "\"iaid\":1",
        "\"iaid\":-1",
        &["line 2, iaid: invalid value: integer `-1`, expected u32"],
    );
    check("\"iaid\":1,", "", &["line 2: missing field `iaid`"]);
    check(
        "\"iaid\":2",
        "\n\"iaid\":2,\n\"x\":1",
        &[
            "line 5, x: unknown field `x`, expected one of `resource`, `router`, `kind`, `client`, `iaid`, `state`, `scope`, `starts`, \
         `preferred_until`, `ends`, `mac`, `hostname`, `next_hop_interface`, `next_hop_address`, \
         `relay_interface_id`, `relay_remote_id`, `relay_subscriber_id`",
        ],
    );
    check(
        "},",
        "}",
        &["line 3: between two leases stands a comma, and ] at the end"],
    );
    check("[\n", "\n", &["line 2: an array of leases begins with ["]);
    check("]", "] []", &["line 4: something follows the array"]);
    check(
        "]",
        "",
        &["line 5: between two leases stands a comma, and ] at the end"],
    );
    let cut = &good[..good.len() / 2];
    assert_eq!(import(Format::Json, cut).unwrap_err().faults.len(), 1);
}

#[test]
fn faults_are_told_up_to_a_number() {
    let line = CSV.lines().nth(1).unwrap().replace("2001:db8::1", "x");
    let text = CSV.to_owned() + &format!("{line}\n").repeat(1000);
    assert_eq!(faults(Format::Csv, &text).len(), FAULTS);
}

proptest! {
    #[test]
    fn there_and_back(leases in prop::collection::vec(any_lease(), 0..8)) {
        let mut leases: Vec<Lease> = leases
            .into_iter()
            .map(|lease| {
                let kind = match lease.resource {
                    Resource::V6(_) => Kind::Na,
                    Resource::Prefix(_) => Kind::Pd,
                    Resource::V4(_) => Kind::V4,
                };
                Lease {
                    holder: Holder { kind, ..lease.holder },
                    preferred_until: lease.preferred_until.min(lease.ends),
                    reconfigure_key: None,
                    stamp: Stamp::NONE,
                    // An empty name is none in a CSV.
                    hostname: lease.hostname.filter(|name| !name.is_empty()),
                    next_hop: lease.next_hop.filter(|_| kind == Kind::Pd),
                    ..lease
                }
            })
            .collect();
        leases.sort_by_key(|lease| lease.resource);
        leases.dedup_by(|a, b| a.resource == b.resource || is_around(b.resource, a.resource));
        for format in [Format::Csv, Format::Json] {
            let back = import(format, &exported(format, &leases));
            let lines: Vec<_> = (2..).zip(leases.iter().cloned()).collect();
            prop_assert_eq!(back, Ok(lines));
        }
    }

    #[test]
    fn any_text_is_survived(text in "\\PC{0,200}", csv in "[a,\"\r\n]{0,60}") {
        let _ = import(Format::Json, &text);
        let _ = import(Format::Csv, &(CSV.to_owned() + &csv));
        prop_assert!(import(Format::Csv, &text).is_err());
    }
}
