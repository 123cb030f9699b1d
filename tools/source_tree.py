# SPDX-License-Identifier: Apache-2.0
# What the checks of this folder ask of the repository: which files it has, and what a C++ source includes.
import pathlib
import re
import subprocess

INCLUDE = re.compile(r'^\s*#\s*include\s+(<[^>]+>|"[^"]+")')


def files(root, *suffixes):
    """The repository's files, those not yet added too, without what .gitignore names; all, or those that end so."""
    listed = subprocess.run(["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            check=True, capture_output=True, text=True).stdout.split("\0")
    found = sorted({name for name in listed if name and (pathlib.Path(root) / name).is_file()})
    return [name for name in found if not suffixes or name.endswith(suffixes)]


def includes(path):
    """(line number, '<x>' or '"x"') of each #include."""
    found = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            match = INCLUDE.match(line)
            if match:
                found.append((number, match.group(1)))
    return found


def own_headers(root, name, seen=None):
    """The repository's headers that this source includes, directly or not, as paths from `root`."""
    seen = set() if seen is None else seen
    for _, target in includes(pathlib.Path(root) / name):
        header = "src/" + target.strip('"')
        if target[0] == '"' and header not in seen and (pathlib.Path(root) / header).is_file():
            seen.add(header)
            own_headers(root, header, seen)
    return seen
