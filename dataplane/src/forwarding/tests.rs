use super::network::Local;
use super::*;

#[test]
fn a_snapshot_of_the_same_places_has_other_interfaces_and_copies_nothing() {
    let interface = |mtu| Interface {
        mtu,
        ..Interface::new(
            IfaceId(1),
            PortId(0),
            Tags::Vlan(4),
            [2, 0, 0, 0, 0, 1],
            VrfId(0),
        )
    };
    let mut before = Forwarding::new();
    before.insert(interface(1500));
    let place = Local {
        network: NetworkId(3),
        port: PortId(0),
        tags: Tags::Vlan(5),
        anchor: AnchorId(0),
    };
    let there = before.attach(7, place);
    let mut after = before.places();
    assert_eq!(after.interfaces().count(), 0);
    after.insert(interface(1400));
    after.observe(PortId(0), true);
    let [of_before, of_after] = [&before, &after].map(|of| of.port(PortId(0)).unwrap());
    assert_eq!(
        of_after.tags.select([4, 0], 1),
        Selected::Interface(IfaceId(1))
    );
    assert_eq!(of_after.tags.select([5, 0], 1), Selected::Attachment(there));
    assert_eq!(after.networks.local(7), Some(&place));
    assert!(std::ptr::eq(&*of_before.tags, &*of_after.tags));
    assert!(std::ptr::eq(&*before.networks, &*after.networks));
    let mtus = [&before, &after].map(|of| of.interface(IfaceId(1)).unwrap().mtu);
    assert_eq!(mtus, [1500, 1400]);
    assert!(of_after.observed && !of_before.observed);
}
