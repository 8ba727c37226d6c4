//! VRRP advertisements written by scapy, an independent encoder: what the machine makes of them; and thousands of mutations of them, at
//! which it must keep its invariants.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use protocols::Random;
use protocols::vrrp::fuzzing;

const MUTATIONS: usize = 20_000;

fn seeds() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/vrrp");
    let files = fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    });
    files.collect()
}

#[test]
fn what_scapy_writes_is_believed_or_not() {
    for (name, steps) in seeds() {
        let believed = match name.as_str() {
            "higher" | "lower" | "two_addresses" => 1,
            "stops" => 2,
            "conversation" => 3,
            "hop_limit" | "unknown_vrid" | "truncated" | "type" => 0,
            other => panic!("what of {other}?"),
        };
        assert_eq!(fuzzing::drive(&steps), believed, "{name}");
    }
}

#[test]
fn mutations_break_no_invariant() {
    let seeds: Vec<_> = seeds().into_values().collect();
    let mut random = Random::new(1);
    let mut below = |n: usize| (random.next_u64() % n.max(1) as u64) as usize;
    let mut believed = 0;
    for n in 0..MUTATIONS {
        let mut steps = seeds[n % seeds.len()].clone();
        steps.extend(&seeds[below(seeds.len())]);
        for _ in 0..=below(4) {
            let at = below(steps.len());
            match below(8) {
                0 => steps.truncate(at),
                1 => steps.insert(at, below(256) as u8),
                _ => {
                    if let Some(octet) = steps.get_mut(at) {
                        *octet = below(256) as u8;
                    }
                }
            }
        }
        believed += fuzzing::drive(&steps);
    }
    assert!(MUTATIONS as u64 / 4 < believed, "{believed} of {MUTATIONS}");
}
