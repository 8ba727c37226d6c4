#!/usr/bin/env bash
# The 22 rows: runs the tests under lab/tests/rows and prints one line a row.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/env.sh

cargo build --bins
run_as_root cargo run -q -p lab --bin hextet-conformance
