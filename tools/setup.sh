#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing of tools/packages.txt: `tools/setup.sh [GROUP…]`, all groups without arguments. Asks dpkg before it asks the
# network, so that it takes no time when everything is there. For tests and demo it also fetches the guests' kernel (tools/guest-kernel).
set -euo pipefail
cd "$(dirname "$0")/.."

groups=("$@")
[[ $# -gt 0 ]] || groups=(build test demo lint fuzz)

wanted=()
for group in "${groups[@]}"; do
  mapfile -t some < <(awk -v group="$group" '!/^#/ && $2 == group { print $1 }' tools/packages.txt)
  [[ ${#some[@]} -gt 0 ]] || { echo "tools/setup.sh: no group \"$group\" in tools/packages.txt" >&2; exit 2; }
  wanted+=("${some[@]}")
done
mapfile -t wanted < <(printf '%s\n' "${wanted[@]}" | sort -u)

missing=()
for package in "${wanted[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done

as_root() {
  if [[ $(id -u) -eq 0 ]]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else
    echo "tools/setup.sh: not root and no sudo here: install as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
}

if [[ ${#missing[@]} -gt 0 ]]; then
  echo "Installing: ${missing[*]}"
  apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  as_root "${apt[@]}" update
  as_root "${apt[@]}" install --no-install-recommends "${missing[@]}"
fi

for group in "${groups[@]}"; do
  if [[ $group == test || $group == demo ]]; then
    tools/guest-kernel --fetch >/dev/null
    break
  fi
done
