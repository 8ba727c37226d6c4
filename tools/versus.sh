#!/usr/bin/env bash
# Cycles per packet of the whole program beside real routers, on one core, in one run.
#   QUICK=1  fewer rounds     ONLY=pattern  only the scenarios that match
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/env.sh

say "Building (release)"
cargo build --release -p control -p cli -p benches --bins
target=${CARGO_TARGET_DIR:-target}
run_as_root env QUICK="${QUICK:-}" ONLY="${ONLY:-}" "$target/release/versus"
