# Sourced by the other tools: small words they share.
say() { printf '\033[1m==>\033[0m %s\n' "$*"; }

# The toolchain of the calling user, also under sudo.
run_as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo --preserve-env=PATH,HOME,CARGO_HOME,CARGO_TARGET_DIR,HEXTET_BIN_DIR "$@"; fi
}

case ":$PATH:" in *":$HOME/.cargo/bin:"*) ;; *) PATH="$PATH:$HOME/.cargo/bin" ;; esac
export PATH
