//! Every rule of a configuration, by its fault.

use wire::MacAddr;

use super::*;

#[test]
fn the_default_and_a_usual_link_are_valid() {
    assert_eq!(Config::default().validate(), []);
    let mut subnet = Subnet::new("2001:db8::/64".parse().unwrap());
    subnet.pools.push(Range {
        start: "2001:db8::1000".parse().unwrap(),
        end: "2001:db8::1fff".parse().unwrap(),
    });
    let config = Config {
        subnets: vec![subnet],
        prefix_pools: vec![PrefixPool {
            min_len: 48,
            max_len: 64,
            excluded_prefix: Some(ExcludedPrefix {
                len: 72,
                subnet_id: 255,
            }),
            ..PrefixPool::new("2001:db8:8000::/36".parse().unwrap(), 56)
        }],
        reservations: vec![Reservation {
            mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
            addresses: vec!["2001:db8::5".parse().unwrap()],
            prefixes: vec!["2001:db8:8000::/48".parse().unwrap()],
            ..Reservation::default()
        }],
        ..Config::default()
    };
    assert_eq!(config.validate(), []);
}

#[test]
fn every_fault_is_named() {
    let range = |start: &str, end: &str| Range {
        start: start.parse().unwrap(),
        end: end.parse().unwrap(),
    };
    let mut subnet = Subnet::new("2001:db8::/64".parse().unwrap());
    subnet.pools = vec![
        range("2001:db8::9", "2001:db8::1"),
        range("2001:db8:1::", "2001:db8::ffff"),
    ];
    subnet.lifetimes.preferred = Duration::from_secs(90_000);
    subnet.lifetimes.t1 = Some(Duration::from_secs(50_000));
    subnet.lifetimes.t2 = Some(Duration::from_secs(40_000));
    let stateless = Subnet {
        stateful: false,
        ..Subnet::new("2001:db8::1/48".parse().unwrap())
    };
    let mut pool = PrefixPool::new("fe80::/32".parse().unwrap(), 20);
    pool.exclude = vec!["2001:db8::/64".parse().unwrap()];
    pool.excluded_prefix = Some(ExcludedPrefix {
        len: 20,
        subnet_id: 1,
    });
    let same = Reservation {
        duid: Some(vec![0, 1]),
        addresses: vec!["2001:db9::".parse().unwrap()],
        prefixes: vec!["2001:db9::/64".parse().unwrap()],
        options: vec![RawOption {
            code: 3,
            data: vec![],
            always: false,
        }],
        ..Reservation::default()
    };
    let config = Config {
        subnets: vec![subnet, stateless],
        prefix_pools: vec![pool],
        reservations: vec![same.clone(), same, Reservation::default()],
        settings: Settings {
            dns_servers: vec!["ff02::1".parse().unwrap()],
            domain_search: vec!["a..b".into()],
            ntp_servers: vec![NtpServer::Multicast("2001:db8::1".parse().unwrap())],
            bootfile_url: Some("a b".into()),
            information_refresh_time: Some(Duration::from_secs(599)),
            sol_max_rt: Some(Duration::from_secs(59)),
            inf_max_rt: Some(Duration::from_secs(86_401)),
            fqdn_domain: Some(".".into()),
            ..Settings::default()
        },
        respond_after: Duration::from_secs(656),
        quarantine: Duration::ZERO,
        relays: Relays::From(vec!["2001:db8::1/64".parse().unwrap()]),
        link_addresses: vec!["2001:db8::1/64".parse().unwrap()],
        ..Config::default()
    };
    let faults: Vec<_> = config.validate().iter().map(ToString::to_string).collect();
    let fields = [
        "subnets[0].lifetimes.preferred",
        "subnets[0].pools[0].end",
        "subnets[0].pools[1].start",
        "subnets[0].pools[1].end",
        "subnets[1].prefix",
        "subnets[1].prefix",
        "prefix_pools[0].prefix",
        "prefix_pools[0].min_len",
        "prefix_pools[0].exclude[0]",
        "prefix_pools[0].excluded_prefix.len",
        "prefix_pools[0].excluded_prefix.subnet_id",
        "reservations[0].duid",
        "reservations[0].addresses[0]",
        "reservations[0].prefixes[0]",
        "reservations[0].options[0].code",
        "reservations[1].duid",
        "reservations[1].duid",
        "reservations[1].addresses[0]",
        "reservations[1].addresses[0]",
        "reservations[1].prefixes[0]",
        "reservations[1].prefixes[0]",
        "reservations[1].options[0].code",
        "reservations[2]",
        "settings.domain_search[0]",
        "settings.dns_servers[0]",
        "settings.ntp_servers[0]",
        "settings.bootfile_url",
        "settings.information_refresh_time",
        "settings.sol_max_rt",
        "settings.inf_max_rt",
        "settings.fqdn_domain",
        "respond_after",
        "quarantine",
        "relays[0]",
        "link_addresses[0]",
    ];
    let told: Vec<_> = faults
        .iter()
        .map(|fault| fault.split(':').next().unwrap())
        .collect();
    let missing: Vec<_> = fields.iter().filter(|f| !told.contains(f)).collect();
    assert!(missing.is_empty(), "{missing:?} not in {faults:#?}");
}
