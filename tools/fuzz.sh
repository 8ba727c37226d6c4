#!/usr/bin/env bash
# Runs fuzzers one after the other, niced, and tells how far each came. See fuzz/README.md.
#   tools/fuzz.sh [SECONDS [TARGET...]]     30 minutes each, of all whose name begins with dhcp or relay
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/env.sh
seconds=${1:-1800}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for file in fuzz/fuzz_targets/{dhcp,relay}*.rs; do
    [ -e "$file" ] && targets+=("$(basename "$file" .rs)")
  done
fi

# What is in the packet path needs libdpdk.
features=()
case " ${targets[*]} " in *" guard "* | *" groups "*) features=(--features dataplane) ;; esac

# What cargo-fuzz would say, so that it need not be there; --target keeps the flags from build scripts.
host=$(rustc -vV | sed -n 's/^host: //p')
target=${CARGO_TARGET_DIR:-target}/fuzz
say "Building ${targets[*]}"
RUSTC_BOOTSTRAP=1 RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
 -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Zsanitizer=address" \
  cargo build --release --target "$host" --target-dir "$target" --manifest-path fuzz/Cargo.toml \
  "${features[@]}" "${targets[@]/#/--bin=}"

failed=()
for name in "${targets[@]}"; do
  mkdir -p "fuzz/corpus/$name" "fuzz/artifacts/$name"
  say "$name for $seconds s"
  log=$(mktemp)
  seeds=("fuzz/corpus/$name")
  [ -d "fuzz/seeds/$name" ] && seeds+=("fuzz/seeds/$name")
  if nice -n 19 "$target/$host/release/$name" "${seeds[@]}" -max_total_time="$seconds" \
    -artifact_prefix="fuzz/artifacts/$name/" -print_final_stats=1 >"$log" 2>&1; then
    grep -E 'number_of_executed_units|new_units_added|peak_rss' "$log"
  else
    failed+=("$name")
    tail -40 "$log"
  fi
  rm -f "$log"
done
[ ${#failed[@]} -eq 0 ] || { echo "findings: ${failed[*]} (fuzz/artifacts/)" >&2; exit 1; }
