#!/usr/bin/env bash
# What CI refuses: unformatted code, clippy's warnings, rte_ names outside ffi/.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/env.sh

say "Format"; cargo fmt --all -- --check
say "Clippy"; cargo clippy --workspace --all-targets -- -D warnings
say "House rules"
if git grep -nE '\brte_[a-z]' -- '*.rs' ':!ffi/*' ':!benches/*' | grep -vE ':[0-9]+:\s*//'; then
  echo "rte_ is said only in ffi/" >&2; exit 1
fi
if command -v cargo-deny >/dev/null; then say "Licences and sources"; cargo deny check licenses sources bans; fi
