//! Addresses that their machines register (RFC 9686): claims as any other, that need not be repeated.

use super::*;

const FORMED: &str = "2001:db8::f0";

impl World {
    fn register(&mut self, mac: MacAddr, address: &str, seconds: u64) {
        let until = Some(self.now + seconds * 1000);
        self.event(Event::Registered {
            link: LAN,
            address: ip(address),
            mac,
            until,
        });
    }

    fn has(&self, anchor: AnchorId, address: &str) -> bool {
        self.bound.contains_key(&(anchor, ip(address)))
    }
}

#[test]
fn a_registered_address_is_bound_and_not_asked_for_before_its_time() {
    let mut world = World::new(false);
    world.register(MAC_A, FORMED, 3600);
    assert!(world.has(A, FORMED));
    world.pass(3_500_000);
    assert!(world.has(A, FORMED), "nothing was heard, and nobody asked");
    assert_eq!(world.said, []);
    // Then it is asked for as others are, and nobody answers.
    world.pass(110_000);
    assert!(!world.has(A, FORMED));
    let learned = world.machine.ports().find(|(id, ..)| *id == A).unwrap();
    assert_eq!((learned.1, learned.2.registered), ([0, 0], 1));
}

#[test]
fn what_is_taken_back_ends_as_what_was_only_used() {
    let mut world = World::new(false);
    world.register(MAC_A, FORMED, 1_000_000);
    world.pass(200_000);
    world.event(Event::Unregistered {
        link: LAN,
        address: ip(FORMED),
    });
    assert!(world.has(A, FORMED));
    world.pass(110_000);
    assert!(!world.has(A, FORMED));
}

#[test]
fn nobody_elses_address_is_ones_own_by_registration() {
    let mut world = World::new(false);
    world.event(Event::Heard {
        link: LAN,
        anchor: Some(A),
        mac: MAC_A,
        address: ip(FORMED),
        probes: true,
    });
    world.register(MAC_B, FORMED, 3600);
    // The router's own, and one of which the machine is not known.
    world.register(MAC_B, "fe80::1", 3600);
    world.register(STRANGER, "2001:db8::f1", 3600);
    assert!(world.has(A, FORMED) && !world.has(B, FORMED));
    assert!(!world.has(B, "fe80::1"));
    assert_eq!(world.bound.len(), 1);
    let b = world.machine.ports().find(|(id, ..)| *id == B).unwrap();
    assert_eq!((b.2.registered, b.2.contested), (0, 2));
}

#[test]
fn the_limit_of_a_port_holds_for_what_it_registers() {
    let mut world = World::new(false);
    for n in 1..=5 {
        world.register(MAC_A, &format!("2001:db8::f{n}"), 3600);
    }
    assert_eq!(world.bound.len(), 3);
    let a = world.machine.ports().find(|(id, ..)| *id == A).unwrap();
    assert_eq!((a.1, a.2.registered, a.2.limited), ([3, 0], 3, 2));
}

#[test]
fn a_port_that_learns_nothing_registers_nothing() {
    let mut world = World::new(false);
    let mut fixed = configuration(false);
    fixed.anchors.get_mut(&A).unwrap().learns = false;
    world.event(Event::Configure(fixed));
    world.register(MAC_A, FORMED, 3600);
    assert_eq!(world.bound, BTreeMap::new());
}

#[test]
fn what_another_router_has_found_is_taken_unasked_if_nobody_has_it() {
    let known = |anchor, mac, until| Event::Known {
        link: LAN,
        anchor,
        address: ip(FORMED),
        mac,
        until,
    };
    // With strangers on the link somebody who claims an address is waited for; here nobody is asked.
    let mut world = World::new(true);
    let until = world.now + 300_000;
    world.event(known(B, MAC_A, until));
    assert!(!world.has(B, FORMED), "not with the MAC of another port");
    world.event(known(A, MAC_A, until));
    assert!(world.has(A, FORMED));
    assert_eq!(world.said, []);
    world.event(known(B, MAC_B, until));
    assert!(world.has(A, FORMED) && !world.has(B, FORMED));
    // Said again, it stays.
    world.pass(200_000);
    let until = world.now + 300_000;
    world.event(known(A, MAC_A, until));
    world.pass(290_000);
    assert!(world.has(A, FORMED));
    assert_eq!(world.said, []);
    world.pass(110_000);
    assert!(!world.has(A, FORMED));
}
