//! Whatever happens.

use proptest::prelude::*;

use super::super::MacHold;
use super::*;

/// What may happen, by small numbers.
#[derive(Clone, Debug)]
enum Step {
    Heard(u8, u8, u8, bool),
    Leased(u8, u8, u16),
    Released(u8),
    Registered(u8, u8, u16),
    Unregistered(u8),
    Known(u8, u8, u8, u16),
    Delegated(u8, u8, u16),
    Configure(u8),
    Refused(u8),
    Touch(u8, u8),
    Pass(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..4_u8, 0..4_u8, 0..8_u8, any::<bool>()).prop_map(|(a, m, n, p)| Step::Heard(a, m, n, p)),
        2 => (0..8_u8, 0..4_u8, 0..2000_u16).prop_map(|(n, m, t)| Step::Leased(n, m, t)),
        1 => (0..8_u8).prop_map(Step::Released),
        2 => (0..8_u8, 0..4_u8, 0..2000_u16).prop_map(|(n, m, t)| Step::Registered(n, m, t)),
        1 => (0..8_u8).prop_map(Step::Unregistered),
        2 => (0..4_u8, 0..8_u8, 0..4_u8, 0..2000_u16).prop_map(|(a, n, m, t)| Step::Known(a, n, m, t)),
        1 => (0..3_u8, 0..4_u8, 0..2000_u16).prop_map(|(n, m, t)| Step::Delegated(n, m, t)),
        1 => any::<u8>().prop_map(Step::Configure),
        1 => (0..8_u8).prop_map(Step::Refused),
        4 => (0..4_u8, 0..8_u8).prop_map(|(a, n)| Step::Touch(a, n)),
        4 => (0..400_000_u32).prop_map(Step::Pass),
    ]
}

fn address(n: u8) -> String {
    match n {
        0 => "fe80::1".into(),
        1..5 => format!("2001:db8::{n}"),
        _ => format!("192.0.2.{n}"),
    }
}

fn of_bits(bits: u8) -> Configuration {
    let mut all = configuration(bits & 1 != 0);
    if bits & 2 != 0 {
        all.anchors.get_mut(&A).unwrap().macs.clear();
    }
    if bits & 4 != 0 {
        all.anchors.remove(&B);
    }
    if bits & 8 != 0 {
        let a = all.anchors.get_mut(&A).unwrap();
        a.fixed.insert(ip("2001:db8::2"), Some(MAC_A));
        a.shared.insert(ip("192.0.2.6"), Some(MAC_A));
    }
    if let Some(b) = all.anchors.get_mut(&B) {
        b.learns = bits & 16 == 0;
        if bits & 32 != 0 {
            b.fixed.insert(ip("2001:db8::2"), Some(MAC_B));
            b.shared.insert(ip("192.0.2.6"), Some(MAC_B));
        }
        if bits & 64 != 0 {
            b.macs.clear();
        }
    }
    all
}

proptest! {
    /// Whatever happens, what is bound is its holder's, and limits hold. (That each action changes something is looked at by `act`.)
    #[test]
    fn an_address_has_one_holder(steps in proptest::collection::vec(step(), 1..120)) {
        let mut world = World::new(true);
        for step in steps {
            let mac = |m: u8| [MAC_A, MAC_B, STRANGER, OURS][usize::from(m)];
            match step {
                Step::Heard(a, m, n, p) => world.hear(AnchorId(a.into()), mac(m), &address(n), p),
                Step::Leased(n, m, t) => {
                    let until = (t > 0).then(|| world.now + Millis::from(t) * 1000);
                    world.leased(&address(n), mac(m), until);
                }
                Step::Released(n) => world.event(Event::Released { link: LAN, address: ip(&address(n)) }),
                Step::Registered(n, m, t) => {
                    let until = (t > 0).then(|| world.now + Millis::from(t) * 1000);
                    let address = ip(&address(n));
                    world.event(Event::Registered { link: LAN, address, mac: mac(m), until });
                }
                Step::Unregistered(n) => world.event(Event::Unregistered { link: LAN, address: ip(&address(n)) }),
                Step::Known(a, n, m, t) => {
                    let (link, anchor, address) = (LAN, AnchorId(a.into()), ip(&address(n)));
                    let (mac, until) = (mac(m), world.now + Millis::from(t) * 1000);
                    world.event(Event::Known { link, anchor, address, mac, until });
                    let asks = |said: &Action| matches!(said, Action::Ask { .. });
                    prop_assert!(!world.said.iter().any(asks), "{:?}", world.said);
                }
                Step::Delegated(n, m, t) => {
                    let until = (t > 0).then(|| world.now + Millis::from(t) * 1000);
                    let prefix = prefix(&format!("2001:db8:{n}::/56"));
                    world.event(Event::Delegated { link: LAN, prefix, mac: mac(m), until });
                }
                Step::Configure(bits) => world.event(Event::Configure(of_bits(bits))),
                Step::Refused(n) => world.event(Event::Refused { link: LAN, address: ip(&address(n)) }),
                Step::Touch(a, n) => world.touch(AnchorId(a.into()), &address(n)),
                Step::Pass(millis) => world.pass(millis.into()),
            }
            let machine = &world.machine;
            for (&(anchor, address), &mac) in &world.bound {
                let port = machine.ports.get(&anchor);
                prop_assert!(port.is_some_and(|port| port.config.link == LAN));
                let held = world.held.get(&(LAN, address));
                let is_shared = machine.configured.contains_key(&(anchor, address));
                prop_assert!(is_shared || held == Some(&(Some(anchor), false)), "{address} {held:?}");
                let port = port.unwrap();
                prop_assert!(port.config.macs.is_empty() || port.config.macs.contains(&mac));
            }
            for (_, learned, _) in machine.ports() {
                prop_assert!(learned.iter().all(|&n| n <= 3));
            }
            prop_assert_eq!(world.held.len(), machine.held.len());
            let macs = machine.macs.iter().map(|(&key, &MacHold { anchor, .. })| (key, anchor));
            prop_assert_eq!(&world.macs, &macs.collect());
            let timers = machine.held.values().filter(|held| held.due.is_some()).count();
            let leases = machine.leases.values().chain(machine.delegations.values());
            let timed = leases.filter(|lease| lease.until.is_some()).count();
            prop_assert_eq!(machine.due.len(), timers + timed);
        }
    }
}
