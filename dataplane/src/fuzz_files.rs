//! What fuzzers begin with and what they have found, for tests that replay it: `fuzz/seeds`, `fuzz/regressions`.

use std::fs;
use std::path::Path;

/// The files of a target, by name, in order: seeds first. A folder need not be there.
pub fn of(target: &str) -> Vec<(String, Vec<u8>)> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let mut all = Vec::new();
    for kind in ["seeds", "regressions"] {
        let folder = fs::read_dir(fuzz.join(kind).join(target));
        let paths = folder
            .into_iter()
            .flatten()
            .map(|file| file.unwrap().path());
        let mut files: Vec<_> = paths
            .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
            .collect();
        files.sort();
        all.append(&mut files);
    }
    all
}

/// Runs a target on all of them, and says which one it was if it panics.
pub fn replay(target: &str, mut run: impl FnMut(&[u8])) {
    let files = of(target);
    assert!(!files.is_empty(), "{target} has no files");
    for (name, bytes) in files {
        let run = std::panic::AssertUnwindSafe(|| run(&bytes));
        let outcome = std::panic::catch_unwind(run);
        assert!(outcome.is_ok(), "{name}: {}", bytes.escape_ascii());
    }
}
