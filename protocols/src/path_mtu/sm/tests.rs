use super::*;

const WEST: TunnelId = TunnelId(1);
const OLD: TunnelId = TunnelId(2);

fn ends(is6: bool) -> [IpAddr; 2] {
    let ends = match is6 {
        true => ["fd66::1", "fd66::3"],
        false => ["192.0.2.1", "192.0.2.3"],
    };
    ends.map(|end| end.parse().unwrap())
}

fn machine() -> Machine {
    let mut machine = Machine::default();
    machine.configure([(WEST, ends(true), 1500), (OLD, ends(false), 1500)].into_iter());
    machine
}

fn mtu(machine: &Machine, id: TunnelId) -> Option<u16> {
    machine.learned(id).map(|learned| learned.mtu)
}

#[test]
fn a_path_mtu_is_lowered_and_never_raised_nor_below_the_least() {
    let (mut machine, now) = (machine(), Instant::now());
    assert!(!machine.told(now, WEST, 1500), "as much as is configured");
    assert!(!machine.told(now, WEST, 70_000));
    assert_eq!(mtu(&machine, WEST), None);
    assert!(machine.told(now, WEST, 1400));
    assert!(!machine.told(now, WEST, 1400));
    assert!(!machine.told(now, WEST, 1450));
    assert_eq!(mtu(&machine, WEST), Some(1400));
    assert!(machine.told(now, WEST, 68));
    assert_eq!(mtu(&machine, WEST), Some(1280));
    assert!(!machine.told(now, WEST, 0), "it is the least already");
    assert!(machine.told(now, OLD, 0));
    assert_eq!(mtu(&machine, OLD), Some(576));
    assert!(!machine.told(now, TunnelId(9), 1400));
    let counters = machine.counters(WEST).unwrap();
    assert_eq!((counters.lowered, counters.ignored), (2, 5));
    assert_eq!(counters.invalid["below_least"], 2);
}

#[test]
fn the_path_is_tried_anew_after_ten_minutes() {
    let (mut machine, now) = (machine(), Instant::now());
    machine.told(now, WEST, 1400);
    machine.told(now + AGE / 2, WEST, 1300);
    assert!(!machine.age(now + AGE), "it was lowered since");
    assert_eq!(mtu(&machine, WEST), Some(1300));
    assert!(machine.age(now + AGE / 2 + AGE));
    assert_eq!(mtu(&machine, WEST), None);
    assert!(!machine.age(now + AGE * 2));
    assert_eq!(machine.counters(WEST).unwrap().aged, 1);
    assert!(machine.told(now + AGE * 2, WEST, 1400));
}

#[test]
fn what_is_learned_outlives_a_reload_as_far_as_it_is_of_the_same_path() {
    let now = Instant::now();
    let cases = [
        (ends(true), 1600, Some(1400)),
        (ends(true), 1400, None),
        (
            ["fd66::1", "fd66::4"].map(|end| end.parse().unwrap()),
            1500,
            None,
        ),
    ];
    for (ends, configured, expected) in cases {
        let mut machine = machine();
        machine.told(now, WEST, 1400);
        machine.configure([(WEST, ends, configured)].into_iter());
        assert_eq!(mtu(&machine, WEST), expected, "{configured}");
        assert!(machine.counters(OLD).is_none());
    }
}
