//! Reconfigure messages: negotiation, digest, retransmission, success.

use hmac::{Hmac, KeyInit, Mac};

use super::*;

fn accepting() -> Config {
    Config {
        reconfigure: true,
        ..config()
    }
}

fn auth(message: &v6::Message) -> Option<&v6::Authentication> {
    match message.opts().get(OptionCode::Authentication) {
        Some(DhcpOption::Authentication(auth)) => Some(auth),
        _ => None,
    }
}

/// A client that has an address, and its key.
fn client(bench: &mut Bench, n: u8) -> (Ipv6Addr, Vec<u8>, u64) {
    let request = to_server(Type::Request, n, [na(5, &[]), DhcpOption::ReconfAccept]);
    let reply = bench.ask(n, &request);
    assert!(reply.opts().get(OptionCode::ReconfAccept).is_some());
    let auth = auth(&reply).unwrap();
    assert_eq!(
        (auth.proto, auth.algo, auth.rdm, auth.info[0]),
        (3, 1, 0, 1)
    );
    (
        addresses(&reply)[0],
        auth.info[1..].to_vec(),
        auth.replay_detection,
    )
}

fn ask(bench: &mut Bench, whom: Whom, with: MessageType) -> Vec<Action> {
    bench.event(Event::Reconfigure { whom, with })
}

fn one(n: u8) -> Whom {
    Whom::Client(ClientId::new(&duid(n)).unwrap())
}

/// What RFC 8415 section 20.4.3 has the client do.
fn verify(payload: &[u8], key: &[u8]) -> bool {
    let at = payload.len() - 16;
    let mut zeroed = payload.to_vec();
    zeroed[at..].fill(0);
    let mut mac = Hmac::<md5::Md5>::new_from_slice(key).unwrap();
    mac.update(&zeroed);
    mac.verify_slice(&payload[at..]).is_ok()
}

#[test]
fn a_signed_message_and_a_client_that_comes() {
    let mut bench = Bench::new(accepting());
    let (address, key, replay) = client(&mut bench, 1);
    let actions = ask(&mut bench, one(1), MessageType::Renew);
    let [
        Action::Send {
            via,
            dst,
            dst_port,
            payload,
            ..
        },
    ] = &actions[..]
    else {
        panic!("{actions:?}");
    };
    let neighbour = Via::Link {
        iface: IFACE,
        mac: Some(mac(1)),
    };
    assert_eq!((*via, *dst, *dst_port), (neighbour, link_local(1), 546));
    let message = answer(&actions).unwrap();
    assert_eq!(
        (message.msg_type(), message.xid()),
        (Type::Reconfigure, [0; 3])
    );
    let with = DhcpOption::ReconfMsg(Type::Renew);
    assert_eq!(message.opts().get(OptionCode::ReconfMsg), Some(&with));
    assert_eq!(
        message.opts().iter().count(),
        4,
        "identifiers, what to do, authentication"
    );
    assert!(auth(&message).unwrap().replay_detection > replay);
    assert!(verify(payload, &key));
    assert_eq!(bench.machine.reconfigures().count(), 1);

    let wrong = message_of(Type::InformationRequest);
    bench.ask(1, &wrong);
    assert_eq!(
        bench.machine.reconfigures().count(),
        1,
        "that is not what it was asked"
    );
    bench.ask(1, &to_server(Type::Renew, 1, [na(5, &[address])]));
    assert_eq!(bench.machine.reconfigures().count(), 0);
    assert_eq!(bench.counters().reconfigures_followed, 1);
    assert_eq!(bench.pass(100), []);
}

fn message_of(kind: Type) -> v6::Message {
    message(kind, 1, [])
}

#[test]
fn retransmission_doubles_and_ends() {
    let mut bench = Bench::new(accepting());
    let (_, key, _) = client(&mut bench, 1);
    let begin = bench.now;
    let mut sent = vec![(0, ask(&mut bench, one(1), MessageType::Rebind))];
    let mut notices = Vec::new();
    while let Some(due) = bench
        .machine
        .next_deadline()
        .filter(|due| *due < begin + Duration::from_secs(2000))
    {
        bench.advance(due);
        let actions = bench.event(Event::Timer);
        match &actions[..] {
            [Action::Notice(notice)] => notices.push(((due - begin).as_secs(), notice.clone())),
            _ => sent.push(((due - begin).as_secs(), actions)),
        }
    }
    let times: Vec<_> = sent.iter().map(|s| s.0).collect();
    assert_eq!(
        times,
        [0, 2, 6, 14, 30, 62, 126, 254],
        "RFC 8415 section 18.3.11"
    );
    let client = ClientId::new(&duid(1)).unwrap();
    assert_eq!(notices, [(510, Notice::ReconfigureFailed { client })]);
    assert_eq!(bench.counters().reconfigures, 8);
    assert_eq!(bench.counters().reconfigures_given_up, 1);
    let replays: Vec<_> = sent
        .iter()
        .map(|(_, actions)| {
            let [Action::Send { payload, .. }] = &actions[..] else {
                panic!("{actions:?}")
            };
            assert!(verify(payload, &key));
            auth(&answer(actions).unwrap()).unwrap().replay_detection
        })
        .collect();
    assert!(replays.is_sorted_by(|a, b| a < b), "{replays:?}");
}

#[test]
fn only_clients_that_accept_and_only_when_configured() {
    let mut bench = Bench::new(accepting());
    bench.lease(1, 5);
    assert_eq!(
        ask(&mut bench, Whom::All, MessageType::Renew),
        [],
        "it never accepted"
    );
    let mut bench = Bench::new(config());
    let request = to_server(Type::Request, 1, [na(5, &[]), DhcpOption::ReconfAccept]);
    let reply = bench.ask(1, &request);
    assert_eq!(
        (auth(&reply), reply.opts().get(OptionCode::ReconfAccept)),
        (None, None)
    );
    assert_eq!(ask(&mut bench, Whom::All, MessageType::Renew), []);
}

#[test]
fn the_key_comes_with_what_begins_an_exchange() {
    let mut bench = Bench::new(Config {
        rapid_commit: true,
        ..accepting()
    });
    let accept = DhcpOption::ReconfAccept;
    let advertise = bench.ask(1, &message(Type::Solicit, 1, [na(5, &[]), accept.clone()]));
    assert!(advertise.opts().get(OptionCode::ReconfAccept).is_some() && auth(&advertise).is_none());
    let rapid = [na(5, &[]), accept.clone(), DhcpOption::RapidCommit];
    let reply = bench.ask(1, &message(Type::Solicit, 1, rapid));
    let first = auth(&reply).unwrap().info.clone();
    let renew = bench.ask(1, &to_server(Type::Renew, 1, [na(5, &[]), accept.clone()]));
    assert!(auth(&renew).is_none());
    let settings = bench.ask(1, &message(Type::InformationRequest, 1, [accept]));
    assert_eq!(auth(&settings).unwrap().info, first, "a client has one key");
}

#[test]
fn a_link_at_a_time_paced() {
    let mut bench = Bench::new(accepting());
    for n in 1..=5 {
        client(&mut bench, n);
    }
    let nobody = ask(
        &mut bench,
        Whom::Link(LinkId::Remote(1)),
        MessageType::InformationRequest,
    );
    assert_eq!(nobody, []);
    let now = ask(
        &mut bench,
        Whom::Link(LINK),
        MessageType::InformationRequest,
    );
    assert_eq!(now.len(), 1, "the others follow");
    assert_eq!(bench.pass(1).len(), 4);
    assert_eq!(bench.machine.reconfigures().count(), 5);
}

#[test]
fn after_a_restart_at_the_leased_address_with_the_same_key() {
    let mut bench = Bench::new(accepting());
    let (address, key, replay) = client(&mut bench, 1);
    let leases: Vec<_> = bench.machine.book().iter().cloned().collect();
    assert_eq!(
        leases[0].reconfigure_key.as_deref().map(|k| k.to_vec()),
        Some(key.clone())
    );
    let mut bench = Bench::with(accepting(), leases);
    bench.wall += Duration::from_secs(1);
    let actions = ask(&mut bench, Whom::All, MessageType::Renew);
    let [
        Action::Send {
            via, dst, payload, ..
        },
    ] = &actions[..]
    else {
        panic!("{actions:?}");
    };
    assert_eq!((*via, *dst), (Via::Routed { vrf: VrfId(0) }, address));
    assert!(verify(payload, &key));
    assert!(auth(&answer(&actions).unwrap()).unwrap().replay_detection > replay);
}

#[test]
fn through_the_relay() {
    let mut bench = Bench::new(Config {
        relays: Relays::Any,
        ..accepting()
    });
    let request = bytes(&to_server(
        Type::Request,
        1,
        [na(5, &[]), DhcpOption::ReconfAccept],
    ));
    let mut payload = vec![12, 0];
    payload.extend(ip("2001:db8::fe").octets());
    payload.extend(ip("fe80::1").octets());
    payload.extend([0, 18, 0, 1, 7, 0, 9]);
    payload.extend((request.len() as u16).to_be_bytes());
    payload.extend(&request);
    assert_eq!(bench.send(0xee, &payload).len(), 2);
    let actions = ask(&mut bench, one(1), MessageType::Renew);
    let [
        Action::Send {
            dst,
            dst_port,
            payload,
            ..
        },
    ] = &actions[..]
    else {
        panic!("{actions:?}");
    };
    assert_eq!((*dst, *dst_port), (link_local(0xee), 547));
    assert_eq!((payload[0], &payload[34..39]), (13, &[0, 18, 0, 1, 7][..]));
    let inner = &payload[43..];
    assert_eq!(inner[0], 10);
    assert!(verify(inner, &Secret([7; 32]).key(&duid(1))));
}
