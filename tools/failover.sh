#!/usr/bin/env bash
# Builds the router and measures how long a host notices that one of a pair fails.  ROUNDS=20 SESSIONS=10000 DEATHS=100 ONLY=kill,hang,...
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/env.sh

say "Building (a few minutes the first time)"
cargo build --release --bins
target=${CARGO_TARGET_DIR:-target}
run_as_root env ROUNDS="${ROUNDS:-}" SESSIONS="${SESSIONS:-}" DEATHS="${DEATHS:-}" ONLY="${ONLY:-}" "$target/release/hextet-failover"
