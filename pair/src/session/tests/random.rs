//! Whatever happens, the two agree in the end.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn after_cuts_restarts_and_slowness_each_has_what_the_other_has(
        steps in proptest::collection::vec((0..12_u8, 0..40_u8, any::<u8>()), 1..200),
    ) {
        let small = |name, boot| Config {
            queue: 4000,
            window: 2000,
            ..config(name, boot)
        };
        let mut net = Net::new([small("a", 1), small("b", 2)]);
        let mut boot = 3;
        for (what, which, value) in steps {
            let at = usize::from(value & 1);
            let now = net.now;
            match what {
                0..=5 => {
                    for n in 0..which {
                        let mac = (value % 5 != 0).then_some(value);
                        net.nodes[at].set(now, u128::from(n) << 8 | u128::from(which), mac);
                    }
                }
                6 => net.cut(),
                7 => net.nodes[at].slow = !net.nodes[at].slow,
                8 if value % 4 == 0 => net.reachable = !net.reachable,
                9 if value % 4 == 0 => {
                    let name = ["a", "b"][at];
                    boot += 1;
                    let own = std::mem::take(&mut net.nodes[at].own);
                    net.nodes[at] = Node::new(small(name, boot), now);
                    net.nodes[at].own = own;
                }
                10 if value % 8 == 0 => net.run(3000),
                _ => {}
            }
            net.run(u32::from(which));
            for at in 0..2 {
                let status = net.status(at);
                // A message that is longer than the window goes alone.
                prop_assert!(status.queued <= 4000 && status.outstanding <= 4000, "{:?}", status);
            }
        }
        net.reachable = true;
        net.nodes.iter_mut().for_each(|node| node.slow = false);
        net.run(15_000);
        prop_assert!(net.in_step(), "{:?} {:?}", net.status(0), net.status(1));
    }
}
