//! Addresses that hosts have formed and register (RFC 9686).

use super::*;
use crate::dhcp6::config::Settings;
use crate::dhcp6::register::MAX_OF_CLIENT;

const INFORM: Type = Type::Unknown(36);
const REPLY: Type = Type::Unknown(37);
const MINE: &str = "2001:db8::ff:1";

fn registering() -> Config {
    Config {
        settings: Settings {
            address_registration: true,
            ..Settings::default()
        },
        ..config()
    }
}

fn ia_addr(address: &str, preferred_life: u32, valid_life: u32) -> DhcpOption {
    DhcpOption::IAAddr(IAAddr {
        addr: ip(address),
        preferred_life,
        valid_life,
        opts: DhcpOptions::new(),
    })
}

/// An ADDR-REG-INFORM of client `n`, without Elapsed Time, which it does not have.
fn inform<const N: usize>(n: u8, options: [DhcpOption; N]) -> v6::Message {
    let mut message = message(INFORM, n, options);
    message.opts_mut().remove(OptionCode::ElapsedTime);
    message
}

impl Bench {
    fn from(&mut self, n: u8, src: &str, message: &v6::Message) -> Vec<Action> {
        self.event(Event::Packet(Datagram {
            iface: self.iface,
            src_mac: mac(n),
            src: ip(src),
            src_port: 546,
            dst: ip(GROUP),
            payload: &bytes(message),
        }))
    }

    fn register(&mut self, n: u8, address: &str, valid: u32) -> Vec<Action> {
        self.from(n, address, &inform(n, [ia_addr(address, valid / 2, valid)]))
    }

    fn registered(&self, address: &str) -> Option<&Lease> {
        let lease = self.machine.book().get(REALM, Resource::V6(ip(address)));
        lease.filter(|lease| lease.state == State::Registered)
    }
}

#[test]
fn who_asks_is_told_that_registrations_are_taken() {
    let mut bench = Bench::new(registering());
    for kind in [Type::InformationRequest, Type::Solicit] {
        let asked = bench.ask(1, &message(kind, 1, [oro(&[23, 148])]));
        assert_eq!(data(asked.opts(), 148), Some(vec![]), "{kind:?}");
        let silent = bench.ask(1, &message(kind, 1, [oro(&[23])]));
        assert_eq!(data(silent.opts(), 148), None, "{kind:?}");
    }
    let mut off = Bench::new(config());
    let answer = off.ask(1, &message(Type::InformationRequest, 1, [oro(&[148])]));
    assert_eq!(data(answer.opts(), 148), None);
    assert_eq!(off.register(1, MINE, 3600), []);
    assert_eq!(off.counters().registrations_disabled, 1);
}

#[test]
fn an_address_is_registered_renewed_and_runs_out() {
    let mut bench = Bench::new(registering());
    let actions = bench.register(1, MINE, 3600);
    let [
        Action::Write(_),
        Action::Send {
            dst,
            dst_port,
            after_commit,
            ..
        },
    ] = &actions[..]
    else {
        panic!("{actions:?}");
    };
    assert_eq!((*dst, *dst_port, *after_commit), (ip(MINE), 546, true));
    let reply = answer(&actions).unwrap();
    assert_eq!((reply.msg_type(), reply.xid()), (REPLY, [1, 2, 1]));
    let expected = ia_addr(MINE, 1800, 3600);
    assert_eq!(reply.opts().get(OptionCode::IAAddr), Some(&expected));
    let lease = bench.registered(MINE).unwrap();
    assert_eq!(
        (lease.mac, lease.holder.client.as_bytes()),
        (Some(mac(1)), &duid(1)[..])
    );

    bench.pass(3000);
    assert!(answer(&bench.register(1, MINE, 3600)).is_some());
    bench.pass(3000);
    assert!(bench.registered(MINE).is_some(), "renewed");
    let writes = writes(&bench.pass(601));
    assert_eq!(writes.len(), 1);
    assert_eq!(bench.state(Resource::V6(ip(MINE))), None, "nobody keeps it");
    let counters = bench.counters();
    assert_eq!(
        [
            counters.addr_reg_informs,
            counters.addr_reg_replies,
            counters.addresses_registered,
            counters.registrations_renewed,
            counters.registrations_expired
        ],
        [2, 2, 1, 1, 1]
    );
    assert_eq!(counters.leases_expired, 0);
}

#[test]
fn a_lifetime_of_zero_takes_back_ones_own_registration_alone() {
    let mut bench = Bench::new(registering());
    bench.register(1, MINE, 3600);
    let of_another = bench.register(2, MINE, 0);
    assert!(
        answer(&of_another).is_some(),
        "so that it does not ask again"
    );
    assert!(bench.registered(MINE).is_some());
    assert!(answer(&bench.register(1, MINE, 0)).is_some());
    assert!(bench.registered(MINE).is_none());
    assert_eq!(bench.counters().registrations_withdrawn, 1);
}

#[test]
fn what_the_rfc_has_discarded_is_discarded_by_name() {
    let mut bench = Bench::new(registering());
    let right = || ia_addr(MINE, 1, 2);
    let mut nameless = inform(1, [right()]);
    nameless.opts_mut().remove(OptionCode::ClientId);
    let mut twice = inform(1, [right()]);
    twice.opts_mut().insert(ia_addr("2001:db8::ff:2", 1, 2));
    let cases = [
        ("foreign_address", "2001:db8::ff:2", inform(1, [right()])),
        ("foreign_address", "fe80::1", inform(1, [right()])),
        ("no_address", MINE, inform(1, [])),
        ("no_client_id", MINE, nameless),
        ("duplicate_option", MINE, twice),
        (
            "unexpected_server_id",
            MINE,
            to_server(INFORM, 1, [right()]),
        ),
        ("unexpected_request", MINE, inform(1, [right(), oro(&[23])])),
        ("unexpected_ia", MINE, inform(1, [right(), na(1, &[])])),
        ("option_length", MINE, inform(1, [raw(5, &[0; 23])])),
        ("wrong_direction", MINE, message(REPLY, 1, [right()])),
    ];
    for (name, src, message) in cases {
        let count = |bench: &Bench| bench.counters().invalid.get(name).copied();
        let before = count(&bench).unwrap_or(0);
        assert_eq!(bench.from(1, src, &message), [], "{name}");
        assert_eq!(count(&bench), Some(before + 1), "{name}");
    }
    let unicast = Event::Packet(Datagram {
        iface: IFACE,
        src_mac: mac(1),
        src: ip(MINE),
        src_port: 546,
        dst: ip("fe80::ff"),
        payload: &bytes(&inform(1, [right()])),
    });
    assert_eq!(bench.event(unicast), []);
    assert!(bench.machine.book().is_empty());
}

#[test]
fn other_links_addresses_are_not_registered() {
    let mut bench = Bench::new(registering());
    for address in ["2001:db8:1::1", "fe80::1"] {
        assert_eq!(bench.register(1, address, 3600), []);
    }
    assert_eq!(bench.counters().registrations_not_on_link, 2);
}

#[test]
fn leases_reservations_and_quarantine_give_way_to_nobody() {
    let mut config = registering();
    config.reservations.push(Reservation {
        mac: Some(mac(7)),
        addresses: vec![ip("2001:db8::80")],
        ..Reservation::default()
    });
    let mut bench = Bench::new(config);
    let leased = bench.lease(1, 1);
    // Neither another's, nor, as RFC 9686 has it, one's own.
    for n in [1, 2] {
        assert_eq!(bench.register(n, &leased.to_string(), 3600), [], "{n}");
    }
    assert_eq!(bench.register(2, "2001:db8::80", 3600), []);
    let declined = bench.lease(3, 1);
    bench.ask(3, &to_server(Type::Decline, 3, [na(1, &[declined])]));
    assert_eq!(bench.register(2, &declined.to_string(), 3600), []);
    assert_eq!(bench.counters().registrations_refused, 4);
    assert_eq!(bench.state(Resource::V6(leased)), Some(State::Bound));
    assert!(answer(&bench.register(7, "2001:db8::80", 3600)).is_some());
    // Its owner is given it all the same.
    assert_eq!(bench.lease(7, 1), ip("2001:db8::80"));
}

#[test]
fn a_registered_address_is_given_to_nobody() {
    let mut all = registering();
    all.subnets = vec![subnet(1)];
    let mut bench = Bench::new(all);
    bench.register(1, "2001:db8::1000", 3600);
    let advertise = bench.ask(
        2,
        &message(Type::Solicit, 2, [na(1, &[ip("2001:db8::1000")])]),
    );
    assert_eq!(addresses(&advertise), NO_ADDRESSES);
    bench.pass(3601);
    assert_eq!(bench.lease(2, 1), ip("2001:db8::1000"));
}

#[test]
fn another_client_takes_a_registration_over_and_that_is_told() {
    let mut bench = Bench::new(registering());
    bench.register(1, MINE, 3600);
    let actions = bench.register(2, MINE, 3600);
    assert!(matches!(
        &actions[..],
        [
            Action::Notice(Notice::RegistrationMoved { .. }),
            Action::Write(_),
            Action::Send { .. }
        ]
    ));
    assert_eq!(bench.registered(MINE).unwrap().mac, Some(mac(2)));
    assert_eq!(bench.counters().registrations_moved, 1);
}

#[test]
fn registrations_are_bounded_and_take_no_room_of_leases() {
    let mut few = registering();
    few.subnets[0].max_leases = MAX_OF_CLIENT + 1;
    let mut bench = Bench::new(few);
    let address = |n: usize| format!("2001:db8::ff:{n:x}");
    for n in 0..MAX_OF_CLIENT {
        assert!(
            answer(&bench.register(1, &address(n), 3600)).is_some(),
            "{n}"
        );
    }
    assert_eq!(bench.register(1, &address(MAX_OF_CLIENT), 3600), []);
    assert!(
        answer(&bench.register(1, &address(3), 3600)).is_some(),
        "renewed"
    );
    assert!(answer(&bench.register(2, &address(100), 3600)).is_some());
    assert_eq!(bench.register(2, &address(101), 3600), [], "the subnet's");
    assert_eq!(bench.counters().registrations_limited, 2);
    bench.lease(3, 1);
}

#[test]
fn what_is_not_stored_is_not_registered() {
    let mut bench = Bench::new(registering());
    let writes = writes(&bench.register(1, MINE, 3600));
    bench.event(Event::StoreFailed { writes });
    assert!(bench.registered(MINE).is_none());
    assert_eq!(
        bench.register(1, MINE, 3600),
        [],
        "not before the store is tried again"
    );
    assert_eq!(bench.counters().not_stored, 1);
}

#[test]
fn through_a_relay_the_peer_address_is_the_hosts() {
    let mut config = registering();
    config.relays = Relays::Any;
    let mut bench = Bench::new(config);
    let relayed = |peer: &str| {
        let inner = bytes(&inform(1, [ia_addr(MINE, 1800, 3600)]));
        let header = [
            &[12, 0][..],
            &ip("2001:db8::1").octets(),
            &ip(peer).octets(),
        ]
        .concat();
        let len = (inner.len() as u16).to_be_bytes();
        [&header[..], &[0, 9], &len, &inner].concat()
    };
    assert_eq!(bench.send(9, &relayed("fe80::1")), []);
    let actions = bench.send(9, &relayed(MINE));
    let Some(Action::Send { payload, dst, .. }) = actions.last() else {
        panic!("{actions:?}");
    };
    assert_eq!((payload[0], *dst), (13, link_local(9)));
    assert_eq!(payload[18..34], ip(MINE).octets());
    assert_eq!(
        bench.registered(MINE).unwrap().mac,
        Some(mac(1)),
        "of its DUID"
    );
}
