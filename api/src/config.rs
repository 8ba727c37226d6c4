//! Reloading the configuration.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::word::words;

/// Asks to read the configuration file again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReloadRequest {
    /// Only tell what would change.
    #[serde(default)]
    pub dry_run: bool,
}

/// What a reload did. Status 200 when there was no fault, else 422 and nothing changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReloadResponse {
    /// Whether the file is in force now.
    pub applied: bool,
    /// The difference to what was in force before.
    pub changes: Vec<Change>,
    /// What is wrong with the file, all at once.
    pub faults: Vec<Fault>,
}

words! {
    /// What happened to a part of the configuration.
    ChangeKind {
        /// It is new.
        Added = "added",
        /// It is gone.
        Removed = "removed",
        /// It is different.
        Changed = "changed",
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// To what: `interface lan0`.
    pub what: String,
    /// How, in a few words; may be empty.
    #[serde(default)]
    pub detail: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.what)?;
        if self.detail.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.detail)
        }
    }
}

/// A fault of the configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The file.
    pub file: String,
    /// Line, from 1; absent when the fault is of the file as a whole.
    #[serde(default)]
    pub line: Option<u32>,
    /// Column, from 1.
    #[serde(default)]
    pub column: Option<u32>,
    /// The field, such as `interfaces.lan0.mtu`; empty when none is to blame.
    #[serde(default)]
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Fault {
    /// As compilers print it: `file:line:column: path: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_reads_like_a_compiler_error() {
        let mut fault = Fault {
            file: "hextetd.toml".into(),
            line: Some(12),
            column: Some(7),
            path: "interfaces.lan0.mtu".into(),
            message: "less than 1280".into(),
        };
        assert_eq!(
            fault.to_string(),
            "hextetd.toml:12:7: interfaces.lan0.mtu: less than 1280"
        );
        (fault.line, fault.column, fault.path) = (None, None, String::new());
        assert_eq!(fault.to_string(), "hextetd.toml: less than 1280");
    }
}
