//! Generated pages under test.

use std::fs;
use std::path::Path;

/// Panics unless the file holds `text`; with `HEXTET_BLESS=1` in the environment, writes it.
pub(crate) fn compare(path: &Path, text: &str) {
    if std::env::var_os("HEXTET_BLESS").is_some() {
        return fs::write(path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    let differ = found
        .lines()
        .zip(text.lines())
        .find(|(found, made)| found != made);
    assert!(
        found == text,
        "{} is not what the code makes; HEXTET_BLESS=1 writes it anew. First difference: {differ:#?}",
        path.display()
    );
}
