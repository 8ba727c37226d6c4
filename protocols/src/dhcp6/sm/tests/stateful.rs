//! Addresses: the life of a lease, identity associations, reservations.

use super::*;

#[test]
fn the_life_of_an_address() {
    let mut bench = Bench::new(config());
    let address = bench.lease(1, 5);
    assert!(config().subnets[0].pools[0].contains(address));
    let stored = bench
        .machine
        .book()
        .get(REALM, Resource::V6(address))
        .unwrap();
    assert_eq!((stored.state, stored.mac), (State::Bound, Some(mac(1))));
    assert_eq!(stored.ends.left(bench.wall.into()), 86_400);

    bench.pass(43_200);
    let reply = bench.ask(1, &to_server(Type::Renew, 1, [na(5, &[address])]));
    assert_eq!(leases(&nas(&reply)[0].opts), [(address, 43_200, 86_400)]);
    assert_eq!((nas(&reply)[0].t1, nas(&reply)[0].t2), (21_600, 34_560));

    bench.pass(80_000);
    let reply = bench.ask(1, &message(Type::Rebind, 1, [na(5, &[address])]));
    assert_eq!(leases(&nas(&reply)[0].opts), [(address, 43_200, 86_400)]);

    let reply = bench.ask(1, &to_server(Type::Release, 1, [na(5, &[address])]));
    assert_eq!(status(reply.opts()), Some(Status::Success));
    assert_eq!(nas(&reply).len(), 0);
    assert_eq!(bench.state(Resource::V6(address)), Some(State::Released));

    let counters = bench.counters();
    assert_eq!(
        (
            counters.leases_given,
            counters.leases_renewed,
            counters.leases_released
        ),
        (1, 2, 1)
    );
    assert_eq!((counters.advertises, counters.replies), (1, 4));
}

#[test]
fn an_advertise_promises_nothing_and_a_reply_waits_for_the_disk() {
    let mut bench = Bench::new(config());
    let solicit = bench.send(1, &bytes(&message(Type::Solicit, 1, [na(5, &[])])));
    assert_eq!(writes(&solicit), []);
    assert!(matches!(
        solicit[..],
        [Action::Send {
            after_commit: false,
            ..
        }]
    ));
    assert!(bench.machine.book().is_empty());
    let request = bench.send(1, &bytes(&to_server(Type::Request, 1, [na(5, &[])])));
    assert!(
        matches!(
            request[..],
            [
                Action::Write(_),
                Action::Send {
                    after_commit: true,
                    ..
                }
            ]
        ),
        "{request:?}"
    );
    let Action::Send {
        via,
        src,
        dst,
        dst_port,
        ..
    } = &request[1]
    else {
        panic!("{request:?}");
    };
    let neighbour = Via::Link {
        iface: IFACE,
        mac: Some(mac(1)),
    };
    assert_eq!(
        (*via, *src, *dst, *dst_port),
        (neighbour, None, link_local(1), 546)
    );
}

#[test]
fn a_retransmitted_request_gets_the_same_address() {
    let mut bench = Bench::new(config());
    let address = bench.lease(1, 5);
    for _ in 0..3 {
        let reply = bench.ask(1, &to_server(Type::Request, 1, [na(5, &[])]));
        assert_eq!(addresses(&reply), [address]);
    }
    assert_eq!(bench.machine.book().len(), 1);
}

#[test]
fn hints_are_followed_when_free_and_in_the_pool() {
    let mut bench = Bench::new(config());
    let wish = ip("2001:db8::1234");
    let advertise = bench.ask(1, &message(Type::Solicit, 1, [na(5, &[wish])]));
    assert_eq!(addresses(&advertise), [wish]);
    bench.ask(1, &to_server(Type::Request, 1, [na(5, &[wish])]));
    for taken in [wish, ip("2001:db8::1"), ip("2001:db8:1::1")] {
        let advertise = bench.ask(2, &message(Type::Solicit, 2, [na(5, &[taken])]));
        assert_eq!(addresses(&advertise).len(), 1);
        assert_ne!(addresses(&advertise), [taken]);
    }
}

#[test]
fn a_released_or_expired_address_comes_back_to_its_holder() {
    let mut bench = Bench::new(Config {
        subnets: vec![Subnet {
            allocation: crate::dhcp6::config::Allocation::Random,
            ..subnet(0x1000)
        }],
        ..config()
    });
    let address = bench.lease(1, 5);
    bench.ask(1, &to_server(Type::Release, 1, [na(5, &[address])]));
    assert_eq!(bench.lease(1, 5), address);
    let expired = bench.pass(86_400);
    assert_eq!(writes(&expired).len(), 1);
    assert_eq!(bench.counters().leases_expired, 1);
    assert_eq!(bench.state(Resource::V6(address)), Some(State::Released));
    assert_eq!(bench.lease(1, 5), address);
}

#[test]
fn deterministic_addresses_survive_the_loss_of_the_store() {
    let first = Bench::new(config()).lease(1, 5);
    assert_eq!(Bench::new(config()).lease(1, 5), first);
    assert_ne!(Bench::new(config()).lease(1, 6), first);
}

#[test]
fn a_full_pool_says_so_once_and_serves_again() {
    let mut bench = Bench::new(Config {
        subnets: vec![subnet(2)],
        ..config()
    });
    let address = bench.lease(1, 5);
    bench.lease(2, 5);
    let solicit = bytes(&message(Type::Solicit, 3, [na(5, &[])]));
    let actions = bench.send(3, &solicit);
    let name = "2001:db8::/64".to_owned();
    assert!(actions.contains(&Action::Notice(Notice::PoolUsedUp { name })));
    let advertise = answer(&actions).unwrap();
    assert_eq!(status(&nas(&advertise)[0].opts), Some(Status::NoAddrsAvail));
    assert_eq!((nas(&advertise)[0].t1, nas(&advertise)[0].t2), (0, 0));
    assert_eq!(bench.send(3, &solicit).len(), 1, "said once");
    assert_eq!(bench.counters().no_addrs_avail, 2);
    bench.ask(1, &to_server(Type::Release, 1, [na(5, &[address])]));
    assert_eq!(bench.lease(3, 5), address);
}

#[test]
fn no_more_leases_than_allowed() {
    let mut bench = Bench::new(Config {
        subnets: vec![Subnet {
            max_leases: 2,
            ..subnet(0x1000)
        }],
        ..config()
    });
    bench.lease(1, 5);
    bench.lease(2, 5);
    let reply = bench.ask(3, &to_server(Type::Request, 3, [na(5, &[])]));
    assert_eq!(status(&nas(&reply)[0].opts), Some(Status::NoAddrsAvail));
}

#[test]
fn several_associations_of_all_kinds_in_one_exchange() {
    let mut bench = Bench::new(config());
    let asks = || [na(1, &[]), na(2, &[]), ta(1, &[]), pd(1, &[]), pd(2, &[])];
    let advertise = bench.ask(1, &message(Type::Solicit, 1, asks()));
    assert!(bench.machine.book().is_empty(), "offers are forgotten");
    let reply = bench.ask(1, &to_server(Type::Request, 1, asks()));
    for answer in [advertise, reply] {
        let mut all = addresses(&answer);
        let temporary = answer.opts().iter().find_map(|option| match option {
            DhcpOption::IATA(ta) => Some(leases(&ta.opts)[0].0),
            _ => None,
        });
        all.push(temporary.unwrap());
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 3, "{all:?}");
        let mut prefixes = prefixes_of(&answer);
        prefixes.dedup();
        assert_eq!(prefixes.len(), 2);
        let ids: Vec<_> = nas(&answer).iter().map(|na| na.id).collect();
        assert_eq!(ids.len(), 2);
        let times: Vec<_> = nas(&answer).iter().map(|na| (na.t1, na.t2)).collect();
        assert!(times.iter().all(|t| *t == (21_600, 34_560)), "{times:?}");
        assert!(
            pds(&answer)
                .iter()
                .all(|pd| (pd.t1, pd.t2) == (21_600, 34_560))
        );
    }
    assert_eq!(bench.machine.book().len(), 5);
}

#[test]
fn the_last_address_is_not_offered_to_two_associations() {
    let mut bench = Bench::new(Config {
        subnets: vec![subnet(1)],
        ..config()
    });
    let advertise = bench.ask(1, &message(Type::Solicit, 1, [na(1, &[]), na(2, &[])]));
    let statuses: Vec<_> = nas(&advertise).iter().map(|na| status(&na.opts)).collect();
    assert_eq!(addresses(&advertise).len(), 1);
    assert!(
        statuses.contains(&Some(Status::NoAddrsAvail)),
        "{statuses:?}"
    );
}

#[test]
fn an_association_gets_an_address_of_each_subnet() {
    let second = Subnet {
        pools: vec![Range {
            start: ip("fd00::1000"),
            end: ip("fd00::1fff"),
        }],
        ..Subnet::new(net("fd00::/64"))
    };
    let mut shorter = second.clone();
    shorter.lifetimes.preferred = Duration::from_secs(1000);
    let mut bench = Bench::new(Config {
        subnets: vec![subnet(16), shorter],
        ..config()
    });
    let reply = bench.ask(1, &to_server(Type::Request, 1, [na(5, &[])]));
    let got = leases(&nas(&reply)[0].opts);
    assert_eq!(got.len(), 2);
    assert_eq!(
        (nas(&reply)[0].t1, nas(&reply)[0].t2),
        (500, 800),
        "of the shortest"
    );
    assert_eq!(
        got.iter().filter(|l| second.prefix.contains(&l.0)).count(),
        1
    );
    let reply = bench.ask(
        1,
        &to_server(Type::Renew, 1, [na(5, &[got[0].0, got[1].0])]),
    );
    assert_eq!(leases(&nas(&reply)[0].opts), got);
}

#[test]
fn wrong_addresses_get_lifetimes_of_zero() {
    let mut bench = Bench::new(config());
    let (mine, others) = (bench.lease(1, 5), bench.lease(2, 5));
    let elsewhere = ip("2001:db8:1::1");
    let reply = bench.ask(
        1,
        &to_server(Type::Renew, 1, [na(5, &[mine, others, elsewhere])]),
    );
    let mut got = leases(&nas(&reply)[0].opts);
    got.sort();
    let mut expected = vec![(mine, 43_200, 86_400), (others, 0, 0), (elsewhere, 0, 0)];
    expected.sort();
    assert_eq!(got, expected);
}

#[test]
fn renew_of_an_unknown_lease() {
    let known = ip("2001:db8::1234");
    let renew = to_server(Type::Renew, 1, [na(5, &[known])]);
    let mut bench = Bench::new(config());
    let reply = bench.ask(1, &renew);
    assert_eq!(
        leases(&nas(&reply)[0].opts),
        [(known, 43_200, 86_400)],
        "it is free: made anew"
    );
    let mut bench = Bench::new(Config {
        create_on_renew: false,
        ..config()
    });
    let reply = bench.ask(1, &renew);
    assert_eq!(status(&nas(&reply)[0].opts), Some(Status::NoBinding));
    assert_eq!(bench.counters().no_binding, 1);
    let elsewhere = ip("2001:db8:1::1");
    let reply = bench.ask(1, &to_server(Type::Renew, 1, [na(5, &[elsewhere])]));
    assert_eq!(leases(&nas(&reply)[0].opts), [(elsewhere, 0, 0)]);
    assert!(bench.machine.book().is_empty());
}

#[test]
fn rebind_of_an_unknown_lease() {
    let (known, elsewhere) = (ip("2001:db8::1234"), ip("2001:db8:1::1"));
    let rebind = message(Type::Rebind, 1, [na(5, &[known])]);
    let mut bench = Bench::new(config());
    assert_eq!(
        status(&nas(&bench.ask(1, &rebind))[0].opts),
        Some(Status::NoBinding)
    );
    let moved = message(Type::Rebind, 1, [na(5, &[elsewhere])]);
    assert_eq!(
        leases(&nas(&bench.ask(1, &moved))[0].opts),
        [(elsewhere, 0, 0)]
    );
    let mut bench = Bench::new(Config {
        rapid_commit: true,
        ..config()
    });
    assert_eq!(addresses(&bench.ask(1, &rebind)), [known]);
    let mut bench = Bench::new(Config {
        respond_after: Duration::from_secs(3),
        ..config()
    });
    assert_eq!(
        bench.send(1, &bytes(&rebind)),
        [],
        "left to the first server"
    );
    assert_eq!(bench.counters().unanswered, 1);
}

#[test]
fn request_from_another_link() {
    let mut bench = Bench::new(config());
    let reply = bench.ask(
        1,
        &to_server(Type::Request, 1, [na(5, &[ip("2001:db8:1::1")])]),
    );
    assert_eq!(status(&nas(&reply)[0].opts), Some(Status::NotOnLink));
    assert_eq!(addresses(&reply), NO_ADDRESSES);
    assert_eq!(bench.counters().not_on_link, 1);
    assert!(bench.machine.book().is_empty());
}

#[test]
fn confirm_tells_the_link() {
    let mut bench = Bench::new(config());
    let (here, there) = (ip("2001:db8::77"), ip("2001:db8:1::77"));
    for (asked, expected) in [
        (vec![here], Status::Success),
        (vec![there], Status::NotOnLink),
        (vec![here, there], Status::NotOnLink),
    ] {
        let reply = bench.ask(1, &message(Type::Confirm, 1, [na(5, &asked)]));
        assert_eq!(status(reply.opts()), Some(expected), "{asked:?}");
    }
    let empty = bytes(&message(Type::Confirm, 1, [na(5, &[])]));
    assert_eq!(bench.send(1, &empty), []);
    let mut bare = Bench::new(Config::default());
    assert_eq!(
        bare.send(1, &bytes(&message(Type::Confirm, 1, [na(5, &[here])]))),
        []
    );
    assert_eq!(
        (bench.counters().unanswered, bare.counters().unanswered),
        (1, 1)
    );
}

#[test]
fn release_of_what_is_not_held() {
    let mut bench = Bench::new(config());
    let (mine, others) = (bench.lease(1, 5), bench.lease(2, 5));
    let reply = bench.ask(
        1,
        &to_server(Type::Release, 1, [na(5, &[others]), na(6, &[mine])]),
    );
    assert_eq!(status(reply.opts()), Some(Status::Success));
    let unknown: Vec<_> = nas(&reply)
        .iter()
        .map(|na| (na.id, status(&na.opts)))
        .collect();
    assert_eq!(unknown, [(6, Some(Status::NoBinding))]);
    assert_eq!(bench.state(Resource::V6(mine)), Some(State::Bound));
    assert_eq!(bench.state(Resource::V6(others)), Some(State::Bound));
}

#[test]
fn a_declined_address_is_given_to_nobody_for_a_while() {
    let mut bench = Bench::new(Config {
        subnets: vec![subnet(1)],
        quarantine: Duration::from_secs(600),
        ..config()
    });
    let address = bench.lease(1, 5);
    let actions = bench.send(1, &bytes(&to_server(Type::Decline, 1, [na(5, &[address])])));
    assert_eq!(
        status(answer(&actions).unwrap().opts()),
        Some(Status::Success)
    );
    let client = ClientId::new(&duid(1)).unwrap();
    assert!(actions.contains(&Action::Notice(Notice::Declined { address, client })));
    assert_eq!(bench.state(Resource::V6(address)), Some(State::Declined));
    let solicit = message(Type::Solicit, 1, [na(5, &[address])]);
    assert_eq!(addresses(&bench.ask(1, &solicit)), NO_ADDRESSES);
    bench.pass(600);
    assert_eq!(bench.lease(2, 5), address);
}

#[test]
fn rapid_commit() {
    let solicit = message(Type::Solicit, 1, [na(5, &[]), DhcpOption::RapidCommit]);
    let mut bench = Bench::new(config());
    assert_eq!(
        bench.ask(1, &solicit).msg_type(),
        Type::Advertise,
        "not configured"
    );
    let mut bench = Bench::new(Config {
        rapid_commit: true,
        ..config()
    });
    let reply = bench.ask(1, &solicit);
    assert_eq!(reply.msg_type(), Type::Reply);
    assert!(reply.opts().get(OptionCode::RapidCommit).is_some());
    assert_eq!(
        bench.state(Resource::V6(addresses(&reply)[0])),
        Some(State::Bound)
    );
}

#[test]
fn temporary_addresses_only_where_allowed() {
    let mut bench = Bench::new(Config {
        subnets: vec![Subnet {
            temporary: false,
            ..subnet(16)
        }],
        ..config()
    });
    let reply = bench.ask(1, &to_server(Type::Request, 1, [ta(5, &[])]));
    let Some(DhcpOption::IATA(ta)) = reply.opts().get(OptionCode::IATA) else {
        panic!("{reply:?}");
    };
    assert_eq!(status(&ta.opts), Some(Status::NoAddrsAvail));
}

fn reserved(n: u8, addresses: &[&str]) -> Reservation {
    Reservation {
        name: format!("port {n}"),
        mac: Some(mac(n)),
        addresses: addresses.iter().map(|a| ip(a)).collect(),
        ..Reservation::default()
    }
}

#[test]
fn a_port_gets_its_addresses_and_nobody_else_does() {
    let fixed = ip("2001:db8::1000");
    let mut bench = Bench::new(Config {
        subnets: vec![subnet(2)],
        reservations: vec![reserved(1, &["2001:db8::1000"])],
        ..config()
    });
    let asks = |n| message(Type::Solicit, n, [na(5, &[fixed])]);
    assert_eq!(addresses(&bench.ask(2, &asks(2))), [ip("2001:db8::1001")]);
    bench.lease(2, 5);
    assert_eq!(
        addresses(&bench.ask(3, &asks(3))),
        NO_ADDRESSES,
        "the pool is full, but for the port's"
    );
    assert_eq!(bench.lease(1, 5), fixed);
    bench.pass(200_000);
    assert_eq!(bench.lease(3, 5), ip("2001:db8::1001"));
    assert_eq!(
        addresses(&bench.ask(2, &asks(2))),
        NO_ADDRESSES,
        "also after it ran out"
    );
}

#[test]
fn a_port_with_several_addresses_and_one_outside_of_the_pool() {
    let mut bench = Bench::new(Config {
        reservations: vec![reserved(1, &["2001:db8::5", "2001:db8::1010"])],
        ..config()
    });
    let reply = bench.ask(1, &to_server(Type::Request, 1, [na(5, &[])]));
    assert_eq!(addresses(&reply), [ip("2001:db8::5"), ip("2001:db8::1010")]);
    let both = to_server(Type::Request, 1, [na(5, &[]), na(6, &[])]);
    let reply = bench.ask(1, &both);
    let counts: Vec<_> = nas(&reply)
        .iter()
        .map(|na| leases(&na.opts).len())
        .collect();
    assert_eq!(
        counts.iter().sum::<usize>(),
        3,
        "the second association gets one of the pool"
    );
}

#[test]
fn a_machine_installed_anew_keeps_its_port() {
    let fixed = ip("2001:db8::5");
    let mut bench = Bench::new(Config {
        reservations: vec![reserved(1, &["2001:db8::5"])],
        ..config()
    });
    assert_eq!(bench.lease(1, 5), fixed);
    let reply = bench.ask(1, &to_server(Type::Request, 1, [na(77, &[])]));
    assert_eq!(addresses(&reply), [fixed], "another IAID");
    let mut other = to_server(Type::Request, 1, [na(5, &[])]);
    other.opts_mut().remove(OptionCode::ClientId);
    let uuid = [&[0, 4][..], &[9; 16]].concat();
    other.opts_mut().insert(DhcpOption::ClientId(uuid));
    assert_eq!(addresses(&bench.ask(1, &other)), [fixed], "another DUID");
    assert_eq!(bench.machine.book().len(), 1);
}

#[test]
fn reservations_by_duid_and_what_comes_first() {
    let by_duid = Reservation {
        duid: Some(duid(1)),
        addresses: vec![ip("2001:db8::6")],
        ..Reservation::default()
    };
    let mut bench = Bench::new(Config {
        reservations: vec![by_duid, reserved(2, &["2001:db8::5"])],
        ..config()
    });
    assert_eq!(bench.lease(1, 5), ip("2001:db8::6"));
    // A second interface of the machine with DUID 1 has a port of its own: the frame tells.
    let request = bytes(&to_server(Type::Request, 1, [na(9, &[])]));
    let reply = answer(&bench.send(2, &request)).unwrap();
    assert_eq!(addresses(&reply), [ip("2001:db8::5")]);
}

#[test]
fn an_address_that_is_reserved_later_is_taken_back() {
    let mut bench = Bench::new(config());
    let address = bench.lease(1, 5);
    let text = address.to_string();
    let later = Config {
        reservations: vec![reserved(2, &[&text])],
        ..config()
    };
    bench.configure(LINK, later);
    let meanwhile = bench.lease(2, 5);
    assert_ne!(meanwhile, address, "the other has it still");
    let reply = bench.ask(1, &to_server(Type::Renew, 1, [na(5, &[address])]));
    let got = leases(&nas(&reply)[0].opts);
    assert!(got.contains(&(address, 0, 0)), "{got:?}");
    assert_eq!(got.len(), 2, "and another instead");
    let reply = bench.ask(2, &to_server(Type::Renew, 2, [na(5, &[meanwhile])]));
    let got = leases(&nas(&reply)[0].opts);
    assert!(
        got.contains(&(address, 43_200, 86_400)) && got.contains(&(meanwhile, 0, 0)),
        "{got:?}"
    );
}

#[test]
fn one_duid_with_two_macs_is_noticed() {
    let mut bench = Bench::new(config());
    bench.lease(1, 5);
    let renew = bytes(&to_server(Type::Renew, 1, [na(5, &[])]));
    assert!(answer(&bench.send(9, &renew)).is_some());
    assert_eq!(bench.counters().mac_changed, 1);
}
