//! Settings besides addresses: what is requested is sent, byte for byte.

use super::*;
use crate::dhcp6::config::{INFINITE, NtpServer, RawOption, Settings, VendorOptions};

fn all() -> Settings {
    Settings {
        dns_servers: vec![ip("2001:db8::53"), ip("2001:db8::54")],
        domain_search: vec!["example.org".into(), "b.example.org.".into()],
        ntp_servers: vec![
            NtpServer::Address(ip("2001:db8::123")),
            NtpServer::Multicast(ip("ff05::101")),
            NtpServer::Name("ntp.example.org".into()),
        ],
        bootfile_url: Some("tftp://[2001:db8::1]/x".into()),
        bootfile_params: vec!["a".into(), "bc".into()],
        vendor: vec![
            VendorOptions {
                enterprise: 9,
                options: vec![(1, vec![1, 2])],
            },
            VendorOptions {
                enterprise: 3561,
                options: vec![(2, vec![])],
            },
        ],
        information_refresh_time: Some(Duration::from_secs(7200)),
        sol_max_rt: Some(Duration::from_secs(100)),
        inf_max_rt: Some(Duration::from_secs(200)),
        address_registration: false,
        fqdn_domain: Some("example.org".into()),
        extra: vec![
            RawOption {
                code: 64,
                data: vec![0],
                always: false,
            },
            RawOption {
                code: 103,
                data: b"http://portal".to_vec(),
                always: true,
            },
        ],
    }
}

const REQUESTED: [u16; 10] = [23, 24, 56, 59, 60, 17, 32, 82, 83, 64];

fn bench() -> Bench {
    Bench::new(Config {
        settings: all(),
        ..config()
    })
}

#[test]
fn information_request() {
    let mut bench = bench();
    let reply = bench.ask(1, &message(Type::InformationRequest, 1, [oro(&REQUESTED)]));
    let opts = reply.opts();
    let dns = DhcpOption::DomainNameServers(vec![ip("2001:db8::53"), ip("2001:db8::54")]);
    assert_eq!(opts.get(OptionCode::DomainNameServers), Some(&dns));
    let Some(DhcpOption::DomainSearchList(names)) = opts.get(OptionCode::DomainSearchList) else {
        panic!("{reply:?}");
    };
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["example.org.", "b.example.org."]);
    let Some(DhcpOption::NtpServer(ntp)) = opts.get(OptionCode::NtpServer) else {
        panic!("{reply:?}");
    };
    assert!(matches!(&ntp[..], [
        v6::NtpSuboption::ServerAddress(a),
        v6::NtpSuboption::MulticastAddress(m),
        v6::NtpSuboption::FQDN(name),
    ] if *a == ip("2001:db8::123") && *m == ip("ff05::101") && name.to_string() == "ntp.example.org."));
    assert_eq!(data(opts, 59).unwrap(), b"tftp://[2001:db8::1]/x");
    assert_eq!(data(opts, 60).unwrap(), [0, 1, b'a', 0, 2, b'b', b'c']);
    assert_eq!(
        opts.get_all(OptionCode::VendorOpts).map(<[_]>::len),
        Some(2)
    );
    assert_eq!(data(opts, 32).unwrap(), 7200u32.to_be_bytes());
    assert_eq!(data(opts, 82).unwrap(), 100u32.to_be_bytes());
    assert_eq!(data(opts, 83).unwrap(), 200u32.to_be_bytes());
    assert_eq!(data(opts, 64).unwrap(), [0]);
    assert_eq!(data(opts, 103).unwrap(), b"http://portal");
    assert!(bench.machine.book().is_empty());
}

#[test]
fn names_are_not_compressed() {
    let mut bench = bench();
    let ask = message(Type::InformationRequest, 1, [oro(&[24])]);
    let actions = bench.send(1, &bytes(&ask));
    let Action::Send {
        payload,
        after_commit,
        ..
    } = &actions[0]
    else {
        panic!("{actions:?}");
    };
    let wire = b"\x07example\x03org\x00\x01b\x07example\x03org\x00";
    assert!(payload.windows(wire.len()).any(|window| window == wire));
    assert!(!after_commit);
}

#[test]
fn what_is_not_requested_is_not_sent() {
    let mut bench = bench();
    let reply = bench.ask(1, &message(Type::InformationRequest, 1, []));
    let codes: Vec<_> = reply
        .opts()
        .iter()
        .map(|o| u16::from(OptionCode::from(o)))
        .collect();
    assert_eq!(codes, [1, 2, 103], "identifiers, and what is always sent");
    let reply = bench.ask(
        1,
        &to_server(Type::Request, 1, [na(1, &[]), oro(&REQUESTED)]),
    );
    assert_eq!(data(reply.opts(), 32), None, "no matter of leases");
    assert!(reply.opts().get(OptionCode::DomainNameServers).is_some());
    assert_eq!(data(reply.opts(), 82).unwrap(), 100u32.to_be_bytes());
}

#[test]
fn a_nameless_client_gets_settings() {
    let mut nameless = message(Type::InformationRequest, 1, [oro(&[23])]);
    nameless.opts_mut().remove(OptionCode::ClientId);
    let reply = bench().ask(1, &nameless);
    assert!(reply.opts().get(OptionCode::DomainNameServers).is_some());
}

#[test]
fn a_stateless_link_gives_settings_and_says_that_it_has_no_addresses() {
    let subnets = vec![Subnet {
        stateful: false,
        pools: vec![],
        ..subnet(1)
    }];
    let mut bench = Bench::new(Config {
        subnets,
        settings: all(),
        ..Config::default()
    });
    let advertise = bench.ask(1, &message(Type::Solicit, 1, [na(1, &[]), oro(&[23])]));
    assert_eq!(status(&nas(&advertise)[0].opts), Some(Status::NoAddrsAvail));
    assert!(
        advertise
            .opts()
            .get(OptionCode::DomainNameServers)
            .is_some()
    );
}

#[test]
fn a_client_that_names_its_vendor_gets_only_its_options() {
    let class = DhcpOption::Unknown(UnknownOption::new(16.into(), vec![0, 0, 0x0d, 0xe9]));
    let reply = bench().ask(
        1,
        &message(Type::InformationRequest, 1, [class, oro(&[17])]),
    );
    let vendors: Vec<_> = reply
        .opts()
        .get_all(OptionCode::VendorOpts)
        .unwrap()
        .iter()
        .collect();
    assert!(
        matches!(vendors[..], [DhcpOption::VendorOpts(v)] if v.num == 3561),
        "{vendors:?}"
    );
}

#[test]
fn a_ports_options_hold_before_the_links() {
    let own = |code, data: &[u8]| RawOption {
        code,
        data: data.to_vec(),
        always: code == 59,
    };
    let mut bench = Bench::new(Config {
        settings: all(),
        reservations: vec![Reservation {
            mac: Some(mac(1)),
            options: vec![
                own(23, &ip("2001:db8::99").octets()),
                own(59, b"tftp://own"),
                own(103, b"mine"),
            ],
            ..Reservation::default()
        }],
        ..config()
    });
    let ask = |n| message(Type::InformationRequest, n, [oro(&[23, 24])]);
    let mine = bench.ask(1, &ask(1));
    let dns = DhcpOption::DomainNameServers(vec![ip("2001:db8::99")]);
    assert_eq!(
        mine.opts().get_all(OptionCode::DomainNameServers),
        Some(&[dns][..])
    );
    assert_eq!(data(mine.opts(), 59).unwrap(), b"tftp://own", "sent always");
    assert_eq!(
        data(mine.opts(), 103),
        None,
        "not requested, and the link's does not stand in"
    );
    assert!(mine.opts().get(OptionCode::DomainSearchList).is_some());
    let others = bench.ask(2, &ask(2));
    assert_eq!(data(others.opts(), 59), None);
}

#[test]
fn client_fqdn() {
    let mut bench = bench();
    let fqdn = |flags: u8, name: &[u8]| raw(39, &[&[flags][..], name].concat());
    for (sent, expected) in [
        (
            fqdn(1, b"\x02Ab"),
            [&[6][..], b"\x02Ab\x07example\x03org\x00"].concat(),
        ),
        (
            fqdn(0, b"\x02ab\x01c\x00"),
            [&[4][..], b"\x02ab\x01c\x00"].concat(),
        ),
        (fqdn(4, b""), vec![4]),
    ] {
        let reply = bench.ask(
            1,
            &to_server(Type::Request, 1, [na(1, &[]), sent, oro(&[39])]),
        );
        assert_eq!(data(reply.opts(), 39), Some(expected));
    }
    let ask = to_server(Type::Request, 1, [na(1, &[]), fqdn(1, b"\x02Ab")]);
    let silent = bench.ask(1, &ask);
    assert_eq!(data(silent.opts(), 39), None, "not requested");
    let lease = bench.machine.book().iter().next().unwrap();
    assert_eq!(lease.hostname.as_deref(), Some("ab.example.org"));
}

#[test]
fn preference_and_a_second_server() {
    let mut bench = Bench::new(Config {
        preference: 255,
        respond_after: Duration::from_secs(3),
        ..config()
    });
    let mut solicit = message(Type::Solicit, 1, [na(1, &[])]);
    assert_eq!(bench.send(1, &bytes(&solicit)), []);
    assert_eq!(bench.counters().left_to_others, 1);
    solicit.opts_mut().remove(OptionCode::ElapsedTime);
    solicit.opts_mut().insert(DhcpOption::ElapsedTime(300));
    let advertise = bench.ask(1, &solicit);
    let preference = DhcpOption::Preference(255);
    assert_eq!(
        advertise.opts().get(OptionCode::Preference),
        Some(&preference)
    );
    let reply = bench.ask(1, &to_server(Type::Request, 1, [na(1, &[])]));
    assert_eq!(reply.opts().get(OptionCode::Preference), None);
}

#[test]
fn lifetimes_infinite_deprecated_and_running_out() {
    let mut forever = subnet(16);
    forever.lifetimes.preferred = INFINITE;
    forever.lifetimes.valid = INFINITE;
    let with = |subnet: Subnet| Config {
        subnets: vec![subnet],
        ..config()
    };
    let mut bench = Bench::new(with(forever.clone()));
    let reply = bench.ask(1, &to_server(Type::Request, 1, [na(1, &[])]));
    let [(address, u32::MAX, u32::MAX)] = leases(&nas(&reply)[0].opts)[..] else {
        panic!("{reply:?}");
    };
    assert_eq!((nas(&reply)[0].t1, nas(&reply)[0].t2), (u32::MAX, u32::MAX));
    assert_eq!(bench.machine.next_deadline(), None);

    let mut ending = forever.clone();
    ending.lifetimes.expiry = Some(crate::dhcp6::config::Expiry {
        preferred: bench.wall + Duration::from_secs(100),
        valid: bench.wall + Duration::from_secs(300),
    });
    bench.configure(LINK, with(ending));
    let renew = to_server(Type::Renew, 1, [na(1, &[address])]);
    assert_eq!(
        leases(&nas(&bench.ask(1, &renew))[0].opts),
        [(address, 100, 300)]
    );
    bench.pass(200);
    let reply = bench.ask(1, &renew);
    assert_eq!(
        leases(&nas(&reply)[0].opts),
        [(address, 0, 100)],
        "deprecated, not cut"
    );
    assert_eq!((nas(&reply)[0].t1, nas(&reply)[0].t2), (50, 80));
    let new = bench.ask(2, &message(Type::Solicit, 2, [na(1, &[])]));
    assert_eq!(
        status(&nas(&new)[0].opts),
        Some(Status::NoAddrsAvail),
        "nothing new from it"
    );
    bench.pass(100);
    assert_eq!(
        leases(&nas(&bench.ask(1, &renew))[0].opts),
        [(address, 0, 0)]
    );
}

#[test]
fn configured_times_hold_within_reason() {
    let mut own = subnet(16);
    own.lifetimes.t1 = Some(Duration::from_secs(60));
    own.lifetimes.t2 = Some(Duration::from_secs(90));
    let mut bench = Bench::new(Config {
        subnets: vec![own],
        ..config()
    });
    let reply = bench.ask(1, &to_server(Type::Request, 1, [na(1, &[]), pd(1, &[])]));
    assert_eq!((nas(&reply)[0].t1, nas(&reply)[0].t2), (60, 90));
    assert_eq!((pds(&reply)[0].t1, pds(&reply)[0].t2), (60, 90));
}
