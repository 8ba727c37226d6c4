#!/usr/bin/env bash
# Builds the router and measures how long a host notices that one of a pair fails.  ROUNDS=20 ONLY=kill,hang,link,power,stop,keepalived
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/env.sh

say "Building (a few minutes the first time)"
cargo build --release --bins
target=${CARGO_TARGET_DIR:-target}
run_as_root env ROUNDS="${ROUNDS:-20}" ONLY="${ONLY:-}" "$target/release/hextet-failover"
