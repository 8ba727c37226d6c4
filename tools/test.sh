#!/usr/bin/env bash
# Everything, from a fresh clone: builds the binaries, then runs all tests. The lab needs root for its namespaces.
#   tools/test.sh [nextest arguments, e.g. -E 'package(lab)']
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/env.sh

say "Building"
cargo build --bins
say "Testing"
run_as_root cargo nextest run "$@"
