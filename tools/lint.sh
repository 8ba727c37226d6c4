#!/usr/bin/env bash
# What CI refuses besides failing tests: unformatted code and clippy's warnings; unknown licences and sources where
# cargo-deny is installed. (The rules of the house, who may depend on whom, are tests: lab/tests/house.rs.)
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/env.sh

say "Format"; cargo fmt --all -- --check
say "Clippy"; cargo clippy --workspace --all-targets -- -D warnings
say "Shell"; for script in tools/*.sh .ci/run; do bash -n "$script"; done
if command -v cargo-deny >/dev/null; then say "Licences and sources"; cargo deny check licenses sources bans; fi
