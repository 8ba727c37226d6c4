//! The rules of the house that a machine can check: direction of dependence, and who may say `rte_`.

use lab::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who may depend on whom (normal dependencies; tests and benches may look anywhere).
const MAY: &[(&str, &[&str])] = &[
    ("dpdk-sys", &[]),
    ("dpdk", &["dpdk-sys"]),
    ("wire", &[]),
    ("tables", &[]),
    ("dataplane", &["dpdk", "tables", "wire"]),
    ("api", &[]),
    ("lease", &["wire"]),
    ("protocols", &["lease", "tables", "wire"]),
    ("pair", &[]),
    (
        "control",
        &[
            "api",
            "dataplane",
            "lease",
            "pair",
            "protocols",
            "tables",
            "wire",
        ],
    ),
    ("cli", &["api"]),
    ("lab", &[]),
    (
        "benches",
        &["dataplane", "dpdk", "lab", "lease", "tables", "wire"],
    ),
];

/// What the crates below the packet path must not know.
const NEVER: &[(&str, &[&str])] = &[
    ("wire", &["tokio", "dpdk", "dpdk-sys", "libc"]),
    ("tables", &["tokio", "dpdk", "dpdk-sys"]),
    ("dataplane", &["tokio"]),
    ("lease", &["tokio", "dpdk", "dpdk-sys"]),
    ("protocols", &["tokio", "dpdk", "dpdk-sys", "libc", "nix"]),
    ("pair", &["dpdk", "dpdk-sys", "libc", "nix"]),
    ("cli", &["control", "dataplane", "dpdk"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_owned)
        .unwrap_or_default()
}

#[test]
fn dependence_points_down_only() -> Result<()> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(root())
        .output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default().to_owned();
        let normal = package["dependencies"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|d| d["kind"].is_null())
            .filter_map(|d| d["name"].as_str().map(str::to_owned))
            .collect();
        edges.insert(name, normal);
    }
    let ours: BTreeSet<&str> = MAY.iter().map(|(name, _)| *name).collect();
    let found: BTreeSet<&str> = edges.keys().map(String::as_str).collect();
    assert_eq!(found, ours, "a crate is not in this test's list");
    for (name, allowed) in MAY {
        for to in edges[*name].iter().filter(|to| ours.contains(to.as_str())) {
            assert!(
                allowed.contains(&to.as_str()),
                "{name} may not depend on {to}"
            );
        }
    }
    for (name, forbidden) in NEVER {
        for to in *forbidden {
            assert!(!edges[*name].contains(*to), "{name} may not depend on {to}");
        }
    }
    Ok(())
}

#[test]
fn rte_is_said_only_in_ffi() -> Result<()> {
    let mut said = Vec::new();
    for file in rust_files()? {
        if file.starts_with("ffi") || file.starts_with("benches") || file.ends_with("house.rs") {
            continue;
        }
        for (number, line) in std::fs::read_to_string(root().join(&file))?
            .lines()
            .enumerate()
        {
            if line.contains("rte_") && !line.trim_start().starts_with("//") {
                said.push(format!("{}:{}: {line}", file.display(), number + 1));
            }
        }
    }
    assert!(said.is_empty(), "{said:#?}");
    Ok(())
}

#[test]
fn rooms_do_not_know_each_other() -> Result<()> {
    let mut rooms = Vec::new();
    for entry in std::fs::read_dir(root().join("protocols/src"))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            rooms.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    assert!(rooms.len() >= 5, "{rooms:?}");
    let mut wrong = Vec::new();
    for file in rust_files()? {
        let Ok(inside) = file.strip_prefix("protocols/src") else {
            continue;
        };
        let Some(room) = inside
            .iter()
            .next()
            .and_then(|r| r.to_str())
            .filter(|r| !r.ends_with(".rs"))
        else {
            continue;
        };
        let text = std::fs::read_to_string(root().join(&file))?;
        for other in rooms.iter().filter(|other| other.as_str() != room) {
            if text.contains(&format!("crate::{other}::"))
                || text.contains(&format!("super::super::{other}"))
            {
                wrong.push(format!("{} knows {other}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

/// The Rust files that git tracks, relative to the root.
fn rust_files() -> Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .args(["-c", "safe.directory=*", "ls-files", "*.rs"])
        .current_dir(root())
        .output()?;
    let files: Vec<PathBuf> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(PathBuf::from)
        .collect();
    assert!(
        !files.is_empty(),
        "git lists no files: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(files)
}
