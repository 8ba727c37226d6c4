//! Any number of clients in any order: nothing is given twice, and what is promised is stored.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Discover(u8),
    Take(u8),
    Renew(u8),
    Release(u8),
    Decline(u8),
    Conflict(u8),
    Fail,
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let n = || 1u8..7;
    prop_oneof![
        4 => n().prop_map(Step::Discover),
        4 => n().prop_map(Step::Take),
        2 => n().prop_map(Step::Renew),
        1 => n().prop_map(Step::Release),
        1 => n().prop_map(Step::Decline),
        1 => n().prop_map(Step::Conflict),
        1 => Just(Step::Fail),
        2 => (0u16..2000).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn no_address_is_two_clients_at_once(steps in prop::collection::vec(step(), 1..80), probe: bool) {
        let mut config = config(4);
        config.subnets[0].lifetimes.lease = Duration::from_secs(900);
        config.quarantine = Duration::from_secs(600);
        config.probe = probe.then_some(Duration::from_millis(500));
        let mut bench = Bench::new(config);
        // What each client was offered, and what it holds until when.
        let mut offered: HashMap<u8, Ipv4Addr> = HashMap::new();
        let mut held: HashMap<u8, (Ipv4Addr, Instant)> = HashMap::new();
        for step in steps {
            let server = DhcpOption::ServerIdentifier(SERVER);
            let begun = bench.now;
            let actions = match step {
                Step::Discover(n) => {
                    let mut actions = bench.broadcast(n, &message(Type::Discover, n, []));
                    actions.extend(bench.pass(Duration::from_millis(500)));
                    actions
                }
                Step::Take(n) => match offered.get(&n) {
                    Some(address) => bench.broadcast(n, &selecting(n, *address)),
                    None => continue,
                },
                Step::Renew(n) => match held.get(&n) {
                    Some((address, _)) => bench.renew(n, *address),
                    None => continue,
                },
                Step::Release(n) => match held.remove(&n) {
                    Some((address, _)) => {
                        let release = with_address(Type::Release, n, address, [server]);
                        bench.send(n, address, SERVER, &bytes(&release))
                    }
                    None => continue,
                },
                Step::Decline(n) => match held.remove(&n) {
                    Some((address, _)) => {
                        let asked = DhcpOption::RequestedIpAddress(address);
                        let decline = message(Type::Decline, n, [server, asked]);
                        bench.broadcast(n, &decline)
                    }
                    None => continue,
                },
                Step::Conflict(n) => {
                    let address = Ipv4Addr::new(192, 0, 2, 9 + n);
                    let by = mac(66);
                    bench.event(Event::ProbeResult { iface: IFACE, address, by })
                }
                Step::Fail => bench.event(Event::StoreFailed { writes: Vec::new() }),
                Step::Wait(seconds) => bench.seconds(seconds.into()),
            };
            for action in &actions {
                let Action::Send { payload, after_commit, .. } = action else { continue };
                let answer = Message::decode(&mut Decoder::new(payload)).unwrap();
                // Who has waited for a probe is answered in another's step.
                let client = answer.chaddr()[5];
                match kind(&answer) {
                    Type::Offer => drop(offered.insert(client, answer.yiaddr())),
                    Type::Ack => {
                        prop_assert!(*after_commit);
                        prop_assert!(!writes(&actions).is_empty());
                        // A probe may have ended at any time of the step.
                        let until = begun + Duration::from_secs(900);
                        held.insert(client, (answer.yiaddr(), until));
                    }
                    Type::Nak => drop(held.remove(&client)),
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            held.retain(|_, (_, until)| bench.now < *until);
            let mut addresses: Vec<_> = held.values().map(|(address, _)| *address).collect();
            addresses.sort();
            let all = addresses.len();
            addresses.dedup();
            prop_assert_eq!(addresses.len(), all, "{:?}", held);
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400), options in prop::collection::vec(any::<u8>(), 0..100)) {
        let mut bench = Bench::new(Config { relays: Relays::Any, ..config(4) });
        bench.send(1, ANY, Ipv4Addr::BROADCAST, &bytes);
        let mut message = super::bytes(&message(Type::Discover, 1, []));
        let end = message.iter().rposition(|b| *b == 255).unwrap();
        message.truncate(end);
        message.extend(options);
        for action in bench.send(1, ANY, Ipv4Addr::BROADCAST, &message) {
            if let Action::Send { payload, .. } = action {
                Message::decode(&mut Decoder::new(&payload)).unwrap();
            }
        }
    }
}
