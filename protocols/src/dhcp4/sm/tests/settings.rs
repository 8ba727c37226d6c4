//! What clients are told besides their address.

use super::*;
use crate::dhcp4::config::{RawOption, Route, Settings};
use crate::dhcp4::option::Tlvs;

/// The options of the answer to a Discover that requests these codes, in order.
fn told(config: Config, codes: &[u8], max_size: Option<u16>) -> Vec<(u8, Vec<u8>)> {
    let (actions, _) = ask(config, codes, max_size);
    let Some(Action::Send { payload, .. }) = actions.last() else {
        panic!("{actions:?}");
    };
    options(&payload[240..])
}

fn options(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let options = Tlvs(bytes).map(Result::unwrap);
    options.map(|(code, data)| (code, data.to_vec())).collect()
}

fn ask(config: Config, codes: &[u8], max_size: Option<u16>) -> (Vec<Action>, Bench) {
    let mut bench = Bench::new(config);
    let codes = codes.iter().map(|code| OptionCode::from(*code)).collect();
    let mut discover = message(Type::Discover, 1, []);
    let opts = discover.opts_mut();
    opts.insert(DhcpOption::ParameterRequestList(codes));
    if let Some(size) = max_size {
        opts.insert(DhcpOption::MaxMessageSize(size));
    }
    (bench.broadcast(1, &discover), bench)
}

fn settings() -> Config {
    let mut config = config(3);
    config.settings = Settings {
        dns_servers: vec![ip("192.0.2.54")],
        domain: Some("example.org".into()),
        domain_search: vec!["example.org".into(), "a.b".into()],
        ntp_servers: vec![ip("192.0.2.123")],
        mtu: Some(1400),
        next_server: Some(ip("192.0.2.69")),
        boot_file: Some("pxe.0".into()),
        tftp_server: Some("tftp.example.org".into()),
        ..Settings::default()
    };
    config
}

fn codes(options: &[(u8, Vec<u8>)]) -> Vec<u8> {
    options.iter().map(|(code, _)| *code).collect()
}

#[test]
fn in_the_order_of_the_request() {
    let options = told(
        settings(),
        &[119, 26, 15, 42, 3, 6, 28, 66, 67, 200],
        Some(1500),
    );
    assert_eq!(
        codes(&options),
        [53, 54, 51, 58, 59, 1, 119, 26, 15, 42, 3, 6, 28, 66, 67]
    );
    let data = |code: u8| &options.iter().find(|(c, _)| *c == code).unwrap().1[..];
    assert_eq!(data(119), b"\x07example\x03org\0\x01a\x01b\0");
    assert_eq!(data(26), [5, 120]);
    assert_eq!(data(6), [192, 0, 2, 53], "the subnet's before the link's");
    assert_eq!(data(28), [192, 0, 2, 255]);
    assert_eq!(data(67), b"pxe.0");
}

#[test]
fn a_client_that_requests_nothing_gets_what_there_is() {
    let mut bench = Bench::new(settings());
    let mut discover = message(Type::Discover, 1, []);
    discover.opts_mut().remove(OptionCode::ParameterRequestList);
    let actions = bench.broadcast(1, &discover);
    let Some(Action::Send { payload, .. }) = actions.last() else {
        panic!("{actions:?}");
    };
    let codes = codes(&options(&payload[240..]));
    assert_eq!(
        codes,
        [53, 54, 51, 58, 59, 1, 3, 6, 15, 26, 42, 119, 66, 67]
    );
}

#[test]
fn the_boot_file_stands_in_its_field() {
    let (actions, _) = ask(settings(), &[1], None);
    let offer = answer(&actions).unwrap();
    assert_eq!(offer.siaddr(), ip("192.0.2.69"));
    assert_eq!(offer.fname(), Some(&b"pxe.0\0"[..]));
    // A port's own holds before it.
    let mut config = settings();
    config.reservations.push(Reservation {
        mac: Some(mac(1)),
        options: vec![RawOption {
            code: 67,
            data: b"own.0".to_vec(),
            always: false,
        }],
        ..Reservation::default()
    });
    let (actions, _) = ask(config, &[67], None);
    assert_eq!(answer(&actions).unwrap().fname(), Some(&b"own.0\0"[..]));
}

#[test]
fn routes_come_with_the_default_route_and_instead_of_the_routers() {
    let mut config = config(3);
    config.subnets[0].routes = vec![Route {
        destination: net("10.0.0.0/8"),
        gateway: ip("192.0.2.2"),
    }];
    let both = told(config.clone(), &[1, 3, 121], None);
    assert_eq!(codes(&both), [53, 54, 51, 58, 59, 1, 121]);
    assert_eq!(both[6].1, [8, 10, 192, 0, 2, 2, 0, 192, 0, 2, 1]);
    let routers = told(config.clone(), &[3], None);
    assert_eq!(codes(&routers), [53, 54, 51, 58, 59, 1, 3]);
    let old = told(config, &[3, 249], None);
    assert_eq!(codes(&old), [53, 54, 51, 58, 59, 1, 249]);
    let none = told(super::config(3), &[3, 121], None);
    assert_eq!(codes(&none), [53, 54, 51, 58, 59, 1, 3], "there are none");
}

#[test]
fn what_a_port_gets_holds_before_the_rest() {
    let mut config = settings();
    let raw = |code, data: &[u8], always| RawOption {
        code,
        data: data.to_vec(),
        always,
    };
    config.settings.extra = vec![raw(200, b"all", false), raw(201, b"x", true)];
    config.reservations.push(Reservation {
        mac: Some(mac(1)),
        options: vec![raw(6, &[192, 0, 2, 99], false), raw(200, b"one", false)],
        ..Reservation::default()
    });
    let options = told(config, &[6, 200], None);
    assert_eq!(codes(&options), [53, 54, 51, 58, 59, 1, 6, 200, 201]);
    assert_eq!(options[6].1, [192, 0, 2, 99]);
    assert_eq!(options[7].1, b"one");
}

#[test]
fn a_message_is_no_longer_than_the_client_takes() {
    let mut config = config(3);
    let long = |code| RawOption {
        code,
        data: vec![code; 200],
        always: true,
    };
    config.settings.extra = vec![long(200), long(201), long(202)];
    let length = |max_size| {
        let (actions, bench) = ask(config.clone(), &[1], max_size);
        let Some(Action::Send { payload, .. }) = actions.last() else {
            panic!("{actions:?}");
        };
        assert!(answer(&actions).is_some());
        (
            payload.len() <= usize::from(max_size.unwrap_or(576)) - 28,
            bench.counters().options_left_out,
        )
    };
    assert_eq!(length(None), (true, 2));
    assert_eq!(length(Some(800)), (true, 1));
    assert_eq!(length(Some(1500)), (true, 0));
    assert_eq!(length(Some(u16::MAX)), (true, 0));
}

#[test]
fn a_message_is_no_longer_than_the_link_carries() {
    let mut config = config(3);
    let long = |code| RawOption {
        code,
        data: vec![code; 200],
        always: true,
    };
    config.settings.extra = vec![long(200), long(201), long(202)];
    let mut told = |link_mtu| {
        config.link_mtu = link_mtu;
        let (actions, bench) = ask(config.clone(), &[1], Some(1500));
        let Some(Action::Send { payload, .. }) = actions.last() else {
            panic!("{actions:?}");
        };
        assert!(answer(&actions).is_some());
        let counters = bench.counters();
        let (left_out, fragmented) = (counters.options_left_out, counters.fragmented);
        (payload.len() + 28, left_out, fragmented)
    };
    for mtu in [9000, 1500] {
        assert_eq!((told(mtu).1, told(mtu).2), (0, 0), "{mtu}");
    }
    let (len, left_out, fragmented) = told(800);
    assert!(len <= 800, "{len}");
    assert_eq!((left_out, fragmented), (1, 0));
    // A message of BOOTP's least length stays whole in itself, not on the link.
    assert_eq!(told(328), (328, 3, 0));
    assert_eq!(told(327), (328, 3, 1));
}

#[test]
fn a_client_that_can_do_without_ipv4_is_asked_to() {
    let mut config = config(3);
    config.settings.ipv6_only_wait = Some(Duration::from_secs(1800));
    let (actions, bench) = ask(config.clone(), &[1, 108], None);
    let Some(Action::Send { payload, .. }) = actions.last() else {
        panic!("{actions:?}");
    };
    let options = options(&payload[240..]);
    assert!(options.contains(&(108, 1800u32.to_be_bytes().to_vec())));
    assert_eq!(bench.machine.book().len(), 0, "nothing is kept for it");
    let others = told(config, &[1], None);
    assert!(!codes(&others).contains(&108));
}
