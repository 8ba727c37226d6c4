use super::*;

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn good() -> Config {
    let subnet = Subnet {
        pools: vec![Range {
            start: ip("192.0.2.10"),
            end: ip("192.0.2.20"),
        }],
        routers: vec![ip("192.0.2.1")],
        ..Subnet::new("192.0.2.0/24".parse().unwrap())
    };
    Config {
        own: vec![ip("192.0.2.1")],
        subnets: vec![subnet],
        reservations: vec![Reservation {
            mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
            addresses: vec![ip("192.0.2.200")],
            ..Reservation::default()
        }],
        ..Config::default()
    }
}

/// The faults that a change makes.
fn faults(change: impl FnOnce(&mut Config)) -> Vec<String> {
    let mut config = good();
    change(&mut config);
    config.validate().iter().map(ToString::to_string).collect()
}

#[test]
fn a_good_one_has_no_fault() {
    assert_eq!(faults(|_| {}), [""; 0]);
    assert_eq!(Config::default().validate(), []);
}

#[test]
fn each_fault_names_its_field() {
    let one = |change: fn(&mut Config)| {
        let faults = faults(change);
        assert_eq!(faults.len(), 1, "{faults:?}");
        faults[0].clone()
    };
    let own = one(|c| c.own.push(ip("224.0.0.1")));
    assert_eq!(own, "own[1]: 224.0.0.1 is not a unicast address");
    let name = one(|c| c.subnets[0].name.clear());
    assert_eq!(name, "subnets[0].name: \"\" must have 1 to 255 bytes");
    let range = one(|c| c.subnets[0].pools[0].end = ip("192.0.3.1"));
    assert_eq!(
        range,
        "subnets[0].pools[0].end: 192.0.3.1 is not in the subnet"
    );
    let back = one(|c| c.subnets[0].pools[0].end = ip("192.0.2.5"));
    assert_eq!(
        back,
        "subnets[0].pools[0].end: 192.0.2.5 comes before the start of its range"
    );
    let t1 = one(|c| c.subnets[0].lifetimes.t1 = Some(Duration::from_secs(90_000)));
    assert_eq!(
        t1,
        "subnets[0].lifetimes.t1: 90000 is not within 0 to 86400"
    );
    let lease = one(|c| c.subnets[0].lifetimes.lease = Duration::ZERO);
    assert!(lease.starts_with("subnets[0].lifetimes.lease: 0 is not within 1 to"));
    let reserved = one(|c| c.reservations[0].addresses = vec![ip("198.51.100.1")]);
    assert_eq!(
        reserved,
        "reservations[0].addresses[0]: 198.51.100.1 is in no subnet of the link"
    );
    let edge = one(|c| c.reservations[0].addresses = vec![ip("192.0.2.255")]);
    assert!(edge.contains("is the network's or the broadcast address"));
    let nobody = one(|c| c.reservations[0].mac = None);
    assert!(nobody.starts_with("reservations[0]: a reservation is known by"));
    let twice = one(|c| {
        let addresses = Vec::new();
        let again = c.reservations[0].clone();
        c.reservations.push(Reservation { addresses, ..again });
    });
    assert_eq!(
        twice,
        "reservations[1].mac: is the same as reservations[0].mac"
    );
    let file = one(|c| c.settings.boot_file = Some(String::new()));
    assert!(file.starts_with("settings.boot_file: \"\" must have"));
    let mtu = one(|c| c.link_mtu = 60);
    assert_eq!(mtu, "link_mtu: 60 is not within 68 to 65535");
    let mtu = one(|c| c.settings.mtu = Some(60));
    assert_eq!(mtu, "settings.mtu: 60 is not within 68 to 65535");
    let wait = one(|c| c.settings.ipv6_only_wait = Some(Duration::from_secs(1)));
    assert!(wait.starts_with("settings.ipv6_only_wait: 1 is not within 300 to"));
    let domain = one(|c| c.settings.domain = Some("a..b".into()));
    assert!(domain.starts_with("settings.domain: \"a..b\" is not a domain name"));
    let quarantine = one(|c| c.quarantine = Duration::ZERO);
    assert!(quarantine.starts_with("quarantine: 0 is not within"));
    let probe = one(|c| c.probe = Some(Duration::from_secs(60)));
    assert!(probe.starts_with("probe: 60 is not within"));
    let raw = one(|c| {
        c.settings.extra.push(RawOption {
            code: code::SERVER_ID,
            data: vec![1],
            always: false,
        });
    });
    assert!(raw.starts_with("settings.extra[0].code: \"54\" is an option that"));
    let relay = one(|c| c.relays = Relays::From(vec!["10.0.0.1/8".parse().unwrap()]));
    assert!(relay.starts_with("relays[0]: 10.0.0.1/8 has bits set"));
    let route = one(|c| {
        c.subnets[0].routes.push(Route {
            destination: "10.1.0.0/8".parse().unwrap(),
            gateway: Ipv4Addr::UNSPECIFIED,
        });
    });
    assert!(route.starts_with("subnets[0].routes[0].destination: 10.1.0.0/8 has bits set"));
}

#[test]
fn subnets_of_a_link_do_not_overlap() {
    let faults = faults(|c| {
        c.subnets.push(Subnet::new("192.0.0.0/16".parse().unwrap()));
        c.subnets.push(Subnet::new("192.0.2.1/32".parse().unwrap()));
    });
    assert_eq!(
        faults,
        [
            "subnets[1].prefix: overlaps subnets[0].prefix",
            "subnets[2].prefix: 32 is not within 1 to 30",
            "subnets[2].prefix: overlaps subnets[0].prefix",
        ]
    );
}
