#!/usr/bin/env bash
# Makes the lab's guest: a kernel and a small initramfs for QEMU, out of Debian's packages and this machine's own tools.
#   tools/guest.sh DIR      DIR/vmlinuz and DIR/initramfs; does nothing if they are there and this script is no newer
# The guest has a console on ttyS0 and a shell, without echo and prompt, on ttyS1.
set -euo pipefail
out=${1:?where to?}
self=$(readlink -f "$0")
mkdir -p "$out"
exec 9>"$out/.lock"
flock 9
[ "$out/initramfs" -nt "$self" ] && exit 0

# What the guest runs besides busybox: of its applets `ip` knows too little, and a DHCPv6 client is missing.
tools=(ip ethtool dhclient)
modules=(virtio_pci virtio_net)

for needed in apt-get dpkg-deb busybox cpio "${tools[@]}"; do
  command -v "$needed" >/dev/null || { echo "$needed is missing: run tools/setup.sh vm" >&2; exit 1; }
done
work=$(mktemp -d "$out/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The kernel of Debian's cloud flavour: the smallest that has virtio. Unpacked, not installed.
fetch() {
  local package
  package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ { print $2; exit }')
  [ -n "$package" ] && (cd "$work" && apt-get download -q "$package")
}
# Lists of some age may name a kernel that has been replaced.
fetch >"$work/log" 2>&1 || { apt-get update -q && fetch; } >"$work/log" 2>&1 ||
  { cat "$work/log" >&2; echo "apt has no linux-image-cloud-amd64" >&2; exit 1; }
dpkg-deb --fsys-tarfile "$work"/*.deb | tar -x -C "$work" --wildcards './boot/vmlinuz-*' '*/virtio*' '*/*failover.ko*'

root=$work/root
mkdir -p "$root"/{bin,dev,etc,proc,run,sys,tmp,usr/bin,lib/modules,var/lib/dhcp}
cp "$(command -v busybox)" "$root/bin/busybox"

# One program or library, with what it is linked to, at the place where its loader looks for it.
with_libraries() {
  ldd "$1" | awk '/=> \// { print $3 } /^\t\// { print $1 }' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -Lu "$library" "$root$library"
  done
}
for tool in "${tools[@]}"; do
  path=$(command -v "$tool")
  cp -L "$path" "$root/usr/bin/$tool"
  with_libraries "$path"
done

# Modules, in the order in which they are to be loaded: what each depends on first.
declare -A listed
list() {
  local name=${1//-/_} file dependency
  [ -z "${listed[$name]:-}" ] || return 0
  listed[$name]=1
  file=$(find "$work" -regex ".*/${name//_/[-_]}\.ko\(\.xz\)?" -print -quit)
  [ -n "$file" ] || return 0 # built in
  [ "${file%.xz}" = "$file" ] || { xz -d "$file"; file=${file%.xz}; }
  for dependency in $(modinfo -F depends "$file" | tr ',' ' '); do list "$dependency"; done
  cp "$file" "$root/lib/modules/"
  basename "$file" >>"$root/etc/modules"
}
for module in "${modules[@]}"; do list "$module"; done

cat >"$root/init" <<'INIT'
#!/bin/busybox sh
export PATH=/usr/bin:/bin HOME=/
/bin/busybox --install -s /bin
rm -f /bin/ip
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
while read -r module; do insmod "/lib/modules/$module"; done </etc/modules
ip link set lo up
echo 0 >/proc/sys/net/ipv6/conf/default/use_tempaddr
exec <>/dev/ttyS1 >&0 2>&1
stty raw -echo
echo GUEST-UP >/dev/console
# Line by line: a shell whose input is a terminal would prompt and edit. A function goes before busybox's own `ip`.
printf 'ip() { /usr/bin/ip "$@"; }\n' >/etc/shell
while :; do sh -c '. /etc/shell; while IFS= read -r line; do eval "$line"; done'; done
INIT
chmod 755 "$root/init"

(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc --quiet) >"$work/initramfs"
mv "$work"/boot/vmlinuz-* "$out/vmlinuz"
mv "$work/initramfs" "$out/initramfs"
