//! Any way to cut a packet and any order of its pieces, against what `mod.rs` states.

use proptest::prelude::*;

use super::tests::{Bench, data, echo6, piece6};
use super::*;

/// Cuts the upper layer at these places, in units of eight octets.
fn cut(upper: &[u8], places: &[usize]) -> Vec<(usize, usize)> {
    let mut cuts: Vec<_> = places
        .iter()
        .map(|place| place * 8)
        .filter(|place| (1..upper.len()).contains(place))
        .collect();
    cuts.extend([0, upper.len()]);
    cuts.sort_unstable();
    cuts.dedup();
    cuts.windows(2).map(|pair| (pair[0], pair[1])).collect()
}

fn pieces(upper: &[u8], spans: &[(usize, usize)]) -> Vec<Vec<u8>> {
    let piece =
        |&(start, end): &(usize, usize)| piece6(5, start, end < upper.len(), &upper[start..end]);
    spans.iter().map(piece).collect()
}

proptest! {
    #[test]
    fn any_split_in_any_order_is_made_whole_once(
        len in 1usize..5000,
        places in proptest::collection::vec(0usize..620, 1..40),
        order: u64,
        repeated: prop::sample::Index,
    ) {
        let request = echo6(false, len);
        let upper = &request[40..];
        let spans = cut(upper, &places);
        prop_assume!(1 < spans.len());
        let mut pieces = pieces(upper, &spans);
        let mut random = crate::Random::new(order);
        for n in (1..pieces.len()).rev() {
            pieces.swap(n, random.next_u64() as usize % (n + 1));
        }
        let mut bench = Bench::new();
        let (last, before) = pieces.split_last().expect("two at least");
        for piece in before {
            prop_assert_eq!(bench.whole(std::slice::from_ref(piece)), None);
        }
        prop_assert_eq!(bench.whole(std::slice::from_ref(repeated.get(before))), None);
        let whole = bench.whole(std::slice::from_ref(last));
        prop_assert_eq!(whole.as_deref(), Some(&request[..]));
        prop_assert!(bench.machine.waiting.is_empty() && bench.machine.timers.is_empty());
    }

    #[test]
    fn one_overlapping_piece_and_nothing_is_made_whole(
        len in 100usize..3000,
        places in proptest::collection::vec(1usize..370, 1..20),
        start in 0usize..370,
        units in 1usize..100,
        order: u64,
    ) {
        let request = echo6(false, len);
        let upper = &request[40..];
        let spans = cut(upper, &places);
        let start = start * 8;
        let end = start + units * 8;
        prop_assume!(1 < spans.len() && end < upper.len() && spans.iter().all(|span| span.0 != start));
        let mut pieces = pieces(upper, &spans);
        pieces.push(piece6(5, start, true, &data(end - start)));
        let mut random = crate::Random::new(order);
        // It begins inside another piece, so that the two cannot both be there; and it comes before the last one.
        let overlapping = random.next_u64() as usize % (pieces.len() - 1);
        let forged = pieces.pop().expect("pushed above");
        pieces.insert(overlapping, forged);
        let mut bench = Bench::new();
        for piece in &pieces {
            prop_assert_eq!(bench.feed(piece), Vec::<Vec<u8>>::new());
        }
        prop_assert_eq!(bench.machine.counters().overlapping, 1);
        prop_assert_eq!(bench.machine.counters().reassembled, 0);
    }

    #[test]
    fn no_bytes_break_it(packets in proptest::collection::vec(
        proptest::collection::vec(any::<u8>(), 0..120), 1..20,
    ), version in prop::sample::select(vec![0x45u8, 0x60])) {
        let mut bench = Bench::new();
        for mut packet in packets {
            if let Some(first) = packet.first_mut() {
                *first = version;
            }
            let mut out = Vec::new();
            let event = Event::Packet { from: super::tests::FROM, packet: &packet, identification: 1 };
            bench.machine.on_event(bench.now, event, &mut out);
            prop_assert!(bench.machine.waiting.len() <= MAX_DATAGRAMS);
            prop_assert_eq!(bench.machine.waiting.len(), bench.machine.timers.len());
        }
    }
}
