#!/usr/bin/env bash
# Everything, from a fresh clone: builds, then runs all tests. The lab needs root for its namespaces.
#   tools/test.sh [nextest arguments]     only these, e.g. -p lab --test forward
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/env.sh

say "Building"
cargo build --workspace --bins
if [ $# -gt 0 ]; then
  run_as_root cargo nextest run "$@"
  exit
fi
# The lab last and alone: its hosts and routers want the cores for themselves.
say "Unit and property tests"
run_as_root cargo nextest run --workspace -E 'not package(lab)'
say "The lab: real hosts, one topology at a time"
run_as_root cargo nextest run -p lab
