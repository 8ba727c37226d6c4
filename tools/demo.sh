#!/usr/bin/env bash
# Builds the router and shows it at work between namespaced hosts.  KEEP=1 leaves it up to play with.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/env.sh

say "Building (a few minutes the first time)"
cargo build --bins
target=${CARGO_TARGET_DIR:-target}
run_as_root env KEEP="${KEEP:-}" "$target/debug/hextet-demo"
