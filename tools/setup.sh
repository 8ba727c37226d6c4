#!/usr/bin/env bash
# Installs what building, running and testing Hextet needs on Debian 12 or 13. Idempotent; says what it does.
#   tools/setup.sh [build|vm|test|bench|lint]      (each includes the ones before it)
set -euo pipefail
level=${1:-build}

build=(build-essential pkg-config libdpdk-dev clang libclang-dev iproute2 ethtool)
# Virtual machines of the lab: QEMU, and what tools/guest.sh makes the guest of.
vm=(qemu-system-x86 busybox-static cpio isc-dhcp-client kmod xz-utils)
test=(iputils-ping iperf3 socat ndisc6 radvd traceroute tcpdump python3-scapy nmap curl procps
  isc-dhcp-client dhcpcd-base isc-dhcp-relay dnsmasq-base kea-dhcp6-server kea-dhcp4-server
  dibbler-client wide-dhcpv6-client openvswitch-switch
  thc-ipv6 ipv6toolkit hping3
  keepalived frr bird2)
bench=(dpdk-dev dpdk dpdk-doc make openvswitch-switch-dpdk libpcap-dev valgrind)

case $level in
  build) packages=("${build[@]}") ;;
  vm) packages=("${build[@]}" "${vm[@]}") ;;
  test | lint) packages=("${build[@]}" "${vm[@]}" "${test[@]}") ;;
  bench) packages=("${build[@]}" "${vm[@]}" "${test[@]}" "${bench[@]}") ;;
  *) echo "usage: $0 [build|vm|test|bench|lint]" >&2; exit 2 ;;
esac

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }

# Debian 12's own QEMU emulates no network card with virtual functions. That of backports does, and comes from where this
# machine's other packages come from.
backports() {
  local own suite sources=/etc/apt/sources.list.d
  own=$(apt-cache policy qemu-system-x86 | awk '/Candidate:/ { print $2 }')
  [ -f $sources/debian.sources ] && dpkg --compare-versions "$own" lt 1:8 || return 0
  suite=$(. /etc/os-release && echo "$VERSION_CODENAME-backports")
  say "Adding $suite for QEMU"
  awk -v suite="$suite" 'NF == 0 { exit } /^Suites:/ { $0 = "Suites: " suite } 1' $sources/debian.sources |
    $sudo tee $sources/hextet-backports.sources >/dev/null
  if ! ($sudo apt-get update -q >/dev/null && quietly qemu-system-x86 -t "$suite"); then
    say "There is no QEMU of $suite to be had: this release's own will do, without such cards"
    $sudo rm -f $sources/hextet-backports.sources
    $sudo apt-get update -q >/dev/null
  fi
}

quietly() {
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q --no-install-recommends "$@" >/tmp/hextet-apt.log 2>&1 ||
    { tail -20 /tmp/hextet-apt.log >&2; exit 1; }
}

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || { echo "This set-up knows Debian's packages only; install: ${missing[*]}" >&2; exit 1; }
  sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
  say "Installing ${missing[*]}"
  # Peers such as radvd must not start on the machine's own network when they are installed.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null && $sudo chmod 755 $policy
    trap '$sudo rm -f $policy' EXIT
  fi
  $sudo apt-get update -q >/dev/null
  case " ${missing[*]} " in *" qemu-system-x86 "*) backports ;; esac
  quietly "${missing[@]}"
fi

if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then PATH="$HOME/.cargo/bin:$PATH"; fi
command -v cargo >/dev/null || {
  echo "Rust 1.90 or newer is needed: install rustup (Debian 13: apt install rustup && rustup default stable)" >&2
  exit 1
}
if [ "$level" = lint ] && ! command -v cargo-deny >/dev/null; then
  say "Installing cargo-deny"; cargo install -q --locked cargo-deny
fi
if [ "$level" = test ] && ! command -v cargo-nextest >/dev/null; then
  say "Installing cargo-nextest (once, a few minutes)"; cargo install -q --locked cargo-nextest
fi
say "Everything for '$level' is installed"
