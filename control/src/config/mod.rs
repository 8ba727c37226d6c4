//! TOML file to [`Model`]: what does the person at the keyboard want, and what is wrong with how it was said?
//!
//! ```text
//!   text ──toml──► spanned tree ──reader──► sections (system, pair, device, vtep, network, interface, nd, ra, route, security, port) ──► Model
//!                        └───────── faults: file:line:column, field path, sentence ◄──────┘
//! ```
//!
//! All faults are found in one go: syntax errors are recovered from, and each section reads on past a wrong value.
//! A file with one fault gives no model, so a bad reload changes nothing. Warnings name what is legal and doubtful.
//! The keys stand in [`schema`], from which `docs/configuration.md` is generated.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use thiserror::Error;
use toml::de::DeTable;

use crate::model::Model;

mod bfd;
mod delegated;
mod device;
mod dhcp4;
mod dhcp6;
mod dhcp6_client;
#[cfg(test)]
mod doc;
mod document;
mod fault;
mod forwarding;
mod interface;
mod leak;
mod nd;
mod net;
mod network;
mod pair;
mod port;
mod ra;
mod reader;
mod relay;
mod route;
pub mod schema;
mod security;
mod subnet;
mod subnet4;
mod system;
mod tenant_port;
mod time;
mod vrrp;
mod vtep;

pub use fault::{Fault, Faults};

use reader::{Context, Place, Table};

/// A valid file.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// What it says.
    pub model: Model,
    /// What is doubtful in it.
    pub warnings: Vec<Fault>,
}

/// Why a file gave no model.
#[derive(Debug, Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is wrong.
    #[error(transparent)]
    Faults(#[from] Faults),
}

/// Reads and validates the file at `path`.
pub fn load(path: &Path) -> Result<Loaded, LoadError> {
    let text = std::fs::read_to_string(path).map_err(|source| LoadError::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok(parse(path, &text)?)
}

/// Validates `text`; `file` only names it in faults.
pub fn parse(file: &Path, text: &str) -> Result<Loaded, Faults> {
    let cx = Context::new(file, text);
    let (tree, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let at = Place {
            path: String::new(),
            span: error.span().unwrap_or_default(),
        };
        cx.fault(&at, error.message().replace('\n', "; "));
    }
    let at = Place {
        path: String::new(),
        span: 0..0,
    };
    let model = document::read(Table::new(&cx, at, tree.get_ref()));
    let (mut faults, warnings) = cx.finish();
    drop_echoes(&mut faults);
    if faults.is_empty() {
        Ok(Loaded { model, warnings })
    } else {
        Err(Faults(faults))
    }
}

/// Leaves one fault of syntax (it has no field path) on a line, and no other: what recovery put there is not what was
/// meant. LIMIT: behind a key without a value the parser gives up on the rest of its table.
fn drop_echoes(faults: &mut Vec<Fault>) {
    let is_syntax = |fault: &Fault| fault.path.is_empty();
    let broken: HashSet<usize> = faults
        .iter()
        .filter(|fault| is_syntax(fault))
        .map(|fault| fault.line)
        .collect();
    let mut told = HashSet::new();
    faults.retain(|fault| match is_syntax(fault) {
        true => told.insert(fault.line),
        false => !broken.contains(&fault.line),
    });
}

#[cfg(test)]
mod tests;
