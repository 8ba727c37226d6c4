//! What is asked for: by the environment, as `make versus` passes it on.

use super::table::RouteFile;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::time::Duration;

/// A run's options.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `QUICK=1`: fewer and shorter rounds, and no peer that needs a minute to start.
    pub quick: bool,
    /// `ONLY=…`: which scenarios.
    pub only: Only,
    /// `TABLE=FILE`: routes of the user's own, for more scenarios.
    pub table: Option<RouteFile>,
    /// `L3FWD=FILE`: an l3fwd compiled before is taken from here; otherwise it is compiled, and left here.
    pub l3fwd: Option<PathBuf>,
    /// `PEERS=…`: which peers run; the others are not listed.
    pub peers: Only,
    /// The TSC's rate in cycles per nanosecond.
    pub tsc_ghz: f64,
}

impl Options {
    /// From this process's environment; `tsc_ghz` is measured elsewhere.
    ///
    /// # Errors
    /// When the file of routes cannot be read.
    pub fn from_env() -> Result<Options> {
        let variable = |name| std::env::var(name).unwrap_or_default();
        let path = |name| {
            Some(variable(name))
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        };
        let table = path("TABLE").map(|file| {
            let text = std::fs::read_to_string(&file);
            let text = text.with_context(|| format!("reading {}", file.display()))?;
            RouteFile::parse(&text).with_context(|| file.display().to_string())
        });
        Ok(Options {
            quick: !matches!(variable("QUICK").as_str(), "" | "0"),
            only: Only::parse(&variable("ONLY")),
            table: table.transpose()?,
            l3fwd: path("L3FWD"),
            peers: Only::parse(&variable("PEERS")),
            tsc_ghz: 0.0,
        })
    }

    /// Rounds, and the length of a window in each.
    pub fn rounds(&self) -> (usize, Duration) {
        if self.quick {
            (3, Duration::from_millis(300))
        } else {
            (7, Duration::from_secs(1))
        }
    }
}

/// Names that contain one of some words; all names if there is no word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Only(Vec<String>);

impl Only {
    /// Words, with commas between.
    pub fn parse(words: &str) -> Only {
        let words = words.split(',').map(str::trim).filter(|w| !w.is_empty());
        Only(words.map(str::to_owned).collect())
    }

    /// Whether there is no word.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a name of several is wanted. A word that is a whole name is that name alone.
    pub fn wants_of(&self, name: &str, names: &[String]) -> bool {
        let whole = |word: &String| names.contains(word);
        let takes = |word: &String| {
            if whole(word) {
                word == name
            } else {
                name.contains(word.as_str())
            }
        };
        self.0.is_empty() || self.0.iter().any(takes)
    }

    /// Whether a name is wanted.
    pub fn wants(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|word| name.contains(word.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_is_a_list_of_parts_of_names() {
        let only = Only::parse("transit6/8/, zipf");
        assert!(only.wants("transit6/8/uniform"));
        assert!(only.wants("transit4/900k/zipf"));
        assert!(!only.wants("transit6/160k/uniform"));
        assert!(Only::parse(" ,").wants("anything"));
    }

    #[test]
    fn a_whole_name_is_that_name_alone() {
        let names = ["a/uniform".to_owned(), "a/uniform+churn".to_owned()];
        assert!(Only::parse("a/uniform").wants_of(&names[0], &names));
        assert!(!Only::parse("a/uniform").wants_of(&names[1], &names));
        assert!(Only::parse("a/uni").wants_of(&names[1], &names));
        assert!(!Only::parse("zipf").wants_of(&names[0], &names));
    }

    #[test]
    fn quick_is_shorter() {
        let long = Options::default();
        let quick = Options {
            quick: true,
            ..Options::default()
        };
        assert!(quick.rounds() < long.rounds());
    }
}
