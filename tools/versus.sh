#!/usr/bin/env bash
# Cycles per packet of the whole program beside real routers, and per lookup beside other tables, on one core, in one run.
#   QUICK=1      fewer and shorter rounds, for work
#   ONLY=a,b     only scenarios with one of these in their name; PEERS=a,b the same for peers
#   TABLE=FILE   more scenarios with the routes of a file: a prefix a line, # comments
#   L3FWD=FILE   l3fwd as compiled by an earlier run; if there is no such file it is left there
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/env.sh

say "Building (release)"
cargo build --release -p control -p cli -p benches --bins
target=${CARGO_TARGET_DIR:-target}
run_as_root env QUICK="${QUICK:-}" ONLY="${ONLY:-}" PEERS="${PEERS:-}" TABLE="${TABLE:-}" L3FWD="${L3FWD:-}" \
  "$target/release/versus"
