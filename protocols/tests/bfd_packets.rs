//! BFD packets written by scapy, an independent encoder: what the machine makes of them; and thousands of mutations of them, at
//! which it must keep its invariants.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use protocols::Random;
use protocols::bfd::{Counters, fuzzing};

const MUTATIONS: usize = 20_000;

fn files(kind: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let files = fs::read_dir(folder.join(kind).join("bfd"))
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        });
    files.collect()
}

/// How many packets were believed, and by which names the others were dropped.
fn words(counters: &Counters) -> (u64, Vec<&'static str>) {
    let invalid = counters.invalid.keys().copied();
    (counters.received, invalid.collect())
}

#[test]
fn what_scapy_writes_is_believed_or_dropped_by_name() {
    for (name, steps) in files("seeds") {
        let [plain, keyed] = fuzzing::drive(&steps);
        let (plain, keyed) = (words(&plain), words(&keyed));
        // What the session without a key says, and the one with a key.
        let missing = &["auth_missing"][..];
        let (received, why, with_key): (u64, &[&str], &[&str]) = match name.as_str() {
            "down" | "admin_down" => (1, &[], missing),
            // They name a discriminator that is not ours.
            "init" | "up_poll" | "up_final" | "demand" => {
                (0, &["unknown_session"], &["unknown_session"])
            }
            "multipoint" => (0, &["multipoint"], &["multipoint"]),
            "version_0" => (0, &["version"], &["version"]),
            "mult_0" => (0, &["detect_mult"], &["detect_mult"]),
            "my_0" => (0, &["my_discriminator"], &["my_discriminator"]),
            "your_0_up" => (0, &["your_discriminator"], &["your_discriminator"]),
            "poll_final" => (0, &["poll_and_final"], &["poll_and_final"]),
            "truncated" => (0, &["short_packet"], &["short_packet"]),
            "long_length" | "sha1_cut" => (0, &["length"], &["length"]),
            "sha1_meticulous" => (0, &["auth_unexpected"], &[]),
            "sha1_keyed" => (0, &["auth_unexpected"], &["auth_type"]),
            "sha1_wrong_key" => (0, &["auth_unexpected"], &["auth_digest"]),
            "conversation" => (5, &[], missing),
            "conversation_changes" => (4, &[], missing),
            // What came while there was no session is nobody's, and the first session's counters went with it.
            "conversation_removed" => {
                let missing = &["auth_missing", "unknown_session"];
                (1, &["unknown_session"], missing)
            }
            other => panic!("what of {other}?"),
        };
        let received_with_key = u64::from(with_key.is_empty());
        assert_eq!(plain, (received, why.to_vec()), "{name}");
        assert_eq!(keyed, (received_with_key, with_key.to_vec()), "{name}");
    }
}

#[test]
fn a_conversation_comes_up() {
    let [plain, _] = fuzzing::drive(&files("seeds")["conversation"]);
    assert_eq!((plain.ups, plain.failures), (1, 1));
    assert_eq!((plain.polls_ended, plain.finals_sent), (1, 1));
}

#[test]
fn what_once_broke_something_does_not_any_more() {
    for (name, steps) in files("regressions") {
        let outcome = std::panic::catch_unwind(|| fuzzing::drive(&steps));
        assert!(outcome.is_ok(), "{name}");
    }
}

#[test]
fn mutations_break_no_invariant() {
    let seeds: Vec<_> = files("seeds").into_values().collect();
    let mut random = Random::new(1);
    let mut below = |n: usize| (random.next_u64() % n.max(1) as u64) as usize;
    let mut received = 0;
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
        received += fuzzing::drive(&steps)[0].received;
    }
    assert!(
        MUTATIONS as u64 / 10 < received,
        "{received} of {MUTATIONS}"
    );
}
