//! Prefix delegation: hints, lengths, exclusion, routes, reservations.

use super::*;
use crate::dhcp6::config::ExcludedPrefix;

fn pool(min_len: u8, delegated_len: u8, max_len: u8) -> PrefixPool {
    PrefixPool {
        min_len,
        max_len,
        ..PrefixPool::new(net("2001:db8:8000::/40"), delegated_len)
    }
}

fn with_pools(prefix_pools: Vec<PrefixPool>) -> Config {
    Config {
        prefix_pools,
        ..config()
    }
}

fn route(actions: &[Action]) -> Vec<&Action> {
    let is_route = |a: &&Action| matches!(a, Action::RouteUp { .. } | Action::RouteDown { .. });
    actions.iter().filter(is_route).collect()
}

#[test]
fn the_life_of_a_delegation_and_its_route() {
    let mut bench = Bench::new(config());
    let actions = bench.send(1, &bytes(&to_server(Type::Request, 1, [pd(5, &[])])));
    let reply = answer(&actions).unwrap();
    let prefix = prefixes_of(&reply)[0];
    assert_eq!(prefix.prefix_len(), 56);
    assert!(net("2001:db8:8000::/40").contains(&prefix));
    let up = |bench: &Bench| Action::RouteUp {
        prefix,
        vrf: VrfId(0),
        next_hop: NextHop {
            iface: "lan".into(),
            address: link_local(1),
        },
        until: Wall::from(bench.wall).after(86_400),
    };
    assert_eq!(route(&actions), [&up(&bench)]);
    assert!(matches!(actions[0], Action::Write(_)), "after the write");

    bench.pass(1000);
    let renew = bytes(&to_server(Type::Renew, 1, [pd(5, &[prefix])]));
    assert_eq!(route(&bench.send(1, &renew)), [&up(&bench)]);

    let down = Action::RouteDown {
        prefix,
        vrf: VrfId(0),
    };
    let release = bytes(&to_server(Type::Release, 1, [pd(5, &[prefix])]));
    assert_eq!(route(&bench.send(1, &release)), [&down]);

    assert_eq!(bench.delegate(1, 5, &[]), prefix);
    assert_eq!(route(&bench.pass(86_400)), [&down], "and when it runs out");
}

#[test]
fn hints_of_prefix_and_of_length() {
    let mut bench = Bench::new(with_pools(vec![pool(48, 56, 60)]));
    let wish = net("2001:db8:8011::/48");
    assert_eq!(bench.delegate(1, 5, &[wish]), wish);
    assert_ne!(bench.delegate(2, 5, &[wish]), wish);
    for (n, (hint, len)) in [
        ("::/60", 60),
        ("::/48", 48),
        ("::/40", 48),
        ("::/64", 60),
        ("2001:db9::/52", 52),
        ("::/0", 48),
    ]
    .into_iter()
    .enumerate()
    {
        let got = bench.delegate(10 + n as u8, 5, &[net(hint)]);
        assert_eq!(got.prefix_len(), len, "{hint}");
    }
    assert_eq!(bench.delegate(30, 5, &[]).prefix_len(), 56);
}

#[test]
fn the_next_pool_when_the_first_is_used_up() {
    let first = PrefixPool::new(net("2001:db8:9000::/56"), 56);
    let second = PrefixPool::new(net("2001:db8:a000::/51"), 56);
    let mut bench = Bench::new(with_pools(vec![first.clone(), second.clone()]));
    assert_eq!(bench.delegate(1, 5, &[]), first.prefix);
    let spilled = bench.delegate(2, 5, &[]);
    assert!(second.prefix.contains(&spilled));
    bench.ask(1, &to_server(Type::Release, 1, [pd(5, &[first.prefix])]));
    let reply = bench.ask(2, &to_server(Type::Renew, 2, [pd(5, &[spilled])]));
    assert_eq!(prefixes_of(&reply), [spilled], "who has one keeps it");
    bench.delegate(3, 5, &[]);
    let mut served = 0;
    for n in 4..=40 {
        let reply = bench.ask(n, &to_server(Type::Request, n, [pd(5, &[])]));
        match prefixes_of(&reply).len() {
            0 => assert_eq!(status(&pds(&reply)[0].opts), Some(Status::NoPrefixAvail)),
            got => served += got,
        }
    }
    assert_eq!(served, 31, "one and 32, less the two in use");
}

#[test]
fn the_prefix_exclude_option_when_asked_for() {
    let excluded = |subnet_id, len| PrefixPool {
        excluded_prefix: Some(ExcludedPrefix { len, subnet_id }),
        ..pool(56, 56, 56)
    };
    for (pool, expected) in [
        (excluded(0xff, 64), vec![64, 0xff]),
        (excluded(1, 60), vec![60, 0x10]),
        (excluded(0x123, 68), vec![68, 0x12, 0x30]),
    ] {
        let mut bench = Bench::new(with_pools(vec![pool]));
        let inner = |reply: &v6::Message| match pds(reply)[0].opts.get(OptionCode::IAPrefix) {
            Some(DhcpOption::IAPrefix(prefix)) => data(&prefix.opts, 67),
            _ => panic!("{reply:?}"),
        };
        let silent = bench.ask(1, &to_server(Type::Request, 1, [pd(5, &[])]));
        assert_eq!(inner(&silent), None);
        let asked = bench.ask(1, &to_server(Type::Request, 1, [pd(5, &[]), oro(&[67])]));
        assert_eq!(inner(&asked), Some(expected));
    }
}

#[test]
fn reserved_prefixes_of_a_client() {
    let mine = [net("2001:db8:8000::/48"), net("2001:db8:80ff::/48")];
    let mut bench = Bench::new(Config {
        reservations: vec![Reservation {
            mac: Some(mac(1)),
            prefixes: mine.to_vec(),
            ..Reservation::default()
        }],
        ..with_pools(vec![pool(48, 48, 48)])
    });
    for n in 2..=255 {
        let reply = bench.ask(n, &to_server(Type::Request, n, [pd(5, &[mine[0]])]));
        assert!(prefixes_of(&reply).iter().all(|p| !mine.contains(p)));
    }
    let reply = bench.ask(1, &to_server(Type::Request, 1, [pd(5, &[])]));
    assert_eq!(prefixes_of(&reply), mine);
    let mut fits = Bench::new(with_pools(vec![pool(48, 48, 48)]));
    assert_eq!(
        prefixes_of(&fits.ask(1, &to_server(Type::Request, 1, [pd(5, &[])]))).len(),
        1
    );
}

#[test]
fn a_prefix_reserved_while_a_part_of_it_is_in_use() {
    let mut bench = Bench::new(with_pools(vec![pool(48, 56, 64)]));
    let taken = net("2001:db8:8000:100::/56");
    assert_eq!(bench.delegate(2, 5, &[taken]), taken);
    let whole = net("2001:db8:8000::/48");
    let later = Config {
        reservations: vec![Reservation {
            mac: Some(mac(1)),
            prefixes: vec![whole],
            ..Reservation::default()
        }],
        ..with_pools(vec![pool(48, 56, 64)])
    };
    bench.configure(LINK, later);
    let meanwhile = bench.delegate(1, 5, &[]);
    assert!(!whole.contains(&meanwhile), "{meanwhile}");
    let reply = bench.ask(2, &to_server(Type::Renew, 2, [pd(5, &[taken])]));
    let got = delegations(&pds(&reply)[0].opts);
    assert!(got.contains(&(taken, 0, 0)), "{got:?}");
    let reply = bench.ask(1, &to_server(Type::Renew, 1, [pd(5, &[meanwhile])]));
    assert_eq!(prefixes_of(&reply), [whole]);
    let got = delegations(&pds(&reply)[0].opts);
    assert!(got.contains(&(meanwhile, 0, 0)), "{got:?}");
}

#[test]
fn decline_is_no_matter_of_prefixes() {
    let mut bench = Bench::new(config());
    let prefix = bench.delegate(1, 5, &[]);
    bench.ask(1, &to_server(Type::Decline, 1, [pd(5, &[prefix])]));
    assert_eq!(bench.state(Resource::Prefix(prefix)), Some(State::Bound));
}

#[test]
fn no_pool_no_prefix() {
    let mut bench = Bench::new(with_pools(vec![]));
    let reply = bench.ask(1, &message(Type::Solicit, 1, [pd(5, &[])]));
    assert_eq!(status(&pds(&reply)[0].opts), Some(Status::NoPrefixAvail));
    assert_eq!(bench.counters().no_prefix_avail, 1);
}
