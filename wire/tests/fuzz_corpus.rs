//! Replays the fuzzers' seeds and past findings, and a few thousand mutations of them, without a
//! fuzzer.
//!
//! A finding is kept as `fuzz/regressions/<target>/<name>`: nothing else is to be done for this
//! test to know it.

use std::fs;
use std::path::{Path, PathBuf};

use wire::fuzzing::{TARGETS, Target};

const MUTATIONS_PER_TARGET: usize = 4000;

/// Targets of other crates, which replay their own.
const ELSEWHERE: [&str; 10] = [
    "bfd",
    "dhcp4",
    "dhcp6",
    "dhcp6_client",
    "groups",
    "guard",
    "pair",
    "relay4",
    "relay6",
    "vrrp",
];

fn folder(kind: &str, target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz")
        .join(kind)
        .join(target)
}

/// The files of a folder in the order of their names; none when there is no such folder.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.display().to_string(), fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// Runs a target, and says which bytes it was when it panics.
fn replay(name: &str, target: Target, origin: &str, data: &[u8]) {
    let outcome = std::panic::catch_unwind(|| target(data));
    assert!(
        outcome.is_ok(),
        "target {name} panicked on {origin}: {}",
        data.escape_ascii()
    );
}

#[test]
fn seeds_and_regressions_hold() {
    for (name, target) in TARGETS {
        let seeds = files(&folder("seeds", name));
        assert!(!seeds.is_empty(), "target {name} has no seeds");
        for (origin, data) in seeds.into_iter().chain(files(&folder("regressions", name))) {
            replay(name, target, &origin, &data);
        }
    }
}

#[test]
fn every_target_has_a_fuzzer_and_every_folder_a_target() {
    let is_target =
        |name: &str| ELSEWHERE.contains(&name) || TARGETS.iter().any(|(target, _)| *target == name);
    for kind in ["seeds", "regressions"] {
        let Ok(entries) = fs::read_dir(folder(kind, "")) else {
            continue;
        };
        for entry in entries {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            assert!(
                is_target(&name) || !entry.path().is_dir(),
                "fuzz/{kind}/{name} has no target"
            );
        }
    }
    let manifest = fs::read_to_string(folder(".", "Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        assert!(
            folder("fuzz_targets", &format!("{name}.rs")).is_file(),
            "no fuzzer for {name}"
        );
        assert!(
            manifest.contains(&format!("name = \"{name}\"")),
            "{name} is not in Cargo.toml"
        );
    }
}

#[test]
fn mutated_seeds_hold() {
    for (name, target) in TARGETS {
        let mut corpus = files(&folder("seeds", name));
        corpus.extend(files(&folder("regressions", name)));
        let mut random = SplitMix(0x6865_7874_6574);
        for round in 0..MUTATIONS_PER_TARGET {
            let (origin, data) = &corpus[random.below(corpus.len())];
            let mut data = data.clone();
            for _ in 0..=random.below(4) {
                mutate(&mut data, &mut random, &corpus);
            }
            replay(
                name,
                target,
                &format!("mutation {round} of {origin}"),
                &data,
            );
        }
    }
}

/// One change: a bit, a byte, a length-like value, a cut, a repetition, or the tail of another
/// file.
fn mutate(data: &mut Vec<u8>, random: &mut SplitMix, corpus: &[(String, Vec<u8>)]) {
    let at = random.below(data.len().max(1));
    match random.below(6) {
        0 if !data.is_empty() => data[at] ^= 1 << random.below(8),
        1 if !data.is_empty() => data[at] = random.next() as u8,
        2 if !data.is_empty() => data[at] = [0, 1, 2, 0x7f, 0x80, 0xff, 44, 58][random.below(8)],
        3 => data.truncate(at),
        4 => {
            let piece = data[at..(at + random.below(40)).min(data.len())].to_vec();
            data.splice(at..at, piece);
        }
        _ => {
            let other = &corpus[random.below(corpus.len())].1;
            let from = random.below(other.len().max(1));
            data.truncate(at);
            data.extend(&other[from.min(other.len())..]);
        }
    }
}

/// A small generator that gives the same numbers each time (splitmix64).
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}
