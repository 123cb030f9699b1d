#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make-initramfs.sh OUT: packs busybox and init into an initramfs for Debian's cloud kernel, and prints the path of the kernel that it
# goes with. Needs that kernel (tools/guest-kernel says where, installed or only unpacked), busybox-static, cpio; no root.
# KERNEL=VERSION chooses among several kernels.
set -eu
[ $# = 1 ] || { echo "usage: $0 OUT" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
out=$(realpath -m "$1")
root=$("$here/../../../tools/guest-kernel") || exit 1
root=${root%/}
version=${KERNEL:-$(ls "$root/boot" | sed -n 's/^vmlinuz-\(.*-cloud-amd64\)$/\1/p' | sort -V | tail -1)}
kernel=$root/boot/vmlinuz-$version
fail() { echo "make-initramfs: $1" >&2; exit 1; }
[ -n "$version" ] && [ -r "$kernel" ] || fail "no readable kernel $kernel: make setup fetches one"
command -v cpio >/dev/null || fail "no cpio: install cpio"
busybox=$(command -v busybox) || fail "no busybox: install busybox-static"
! ldd "$busybox" >/dev/null 2>&1 || fail "$busybox needs shared libraries: install busybox-static"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/tree/bin" "$work/tree/modules" "$work/tree/etc/acpi/PWRF"
cp "$busybox" "$work/tree/bin/busybox"
install -m 755 "$here/init" "$work/tree/init"
for module in acpi/button input/evdev; do # what tells of the power button; built in, in some kernels
  file=$root/lib/modules/$version/kernel/drivers/$module.ko
  [ ! -e "$file" ] || cp "$file" "$work/tree/modules/"
done
printf '#!/bin/sh\necho "guest: powering off" >/dev/ttyS0\nexec busybox poweroff -f\n' > "$work/tree/etc/acpi/PWRF/00000080"
chmod 755 "$work/tree/etc/acpi/PWRF/00000080"
cat > "$work/tree/etc/shrc" <<'END'
# Process 1 only waits for the shell: what it would be asked for is done here.
reboot() { echo "guest: rebooting"; busybox reboot -f; }
poweroff() { echo "guest: powering off"; busybox poweroff -f; }
END
find "$work/tree" -exec touch -d @0 {} +
(cd "$work/tree" && find . | LC_ALL=C sort | cpio -o -H newc -R +0:+0 --reproducible --quiet) > "$work/archive"
mkdir -p "$(dirname "$out")"
gzip -n1 < "$work/archive" > "$work/archive.gz"
mv "$work/archive.gz" "$out"
echo "$kernel"
