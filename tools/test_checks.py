# SPDX-License-Identifier: Apache-2.0
# The checks find what they are for, and pass what is right: each test builds a small repository and runs a check on it.
import pathlib
import subprocess

import pytest

TOOLS = pathlib.Path(__file__).resolve().parent
TABLE = """
| folder | what it is | may use | from outside |
| --- | --- | --- | --- |
| `src/base` | errors | nothing | libc |
| `src/line` | decisions | base | fmt |
| `src/wire/holder` | layouts | base | libc |
| `src/os` | kernel | base line wire/holder | libc fmt |
| `src/holder` | a loop | base wire/holder os | libc |
| `apps` | mains | base holder | libc |
"""
HEAD = "// SPDX-License-Identifier: Apache-2.0\n// What it is for.\n"


@pytest.fixture
def repository(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    write("docs/architecture.md", TABLE)
    write("src/base/error.hpp", HEAD + "#include <string>\n#include <unistd.h>\n")
    write("src/wire/holder/messages.hpp", HEAD + "#include <cstdint>\n")
    return tmp_path, write


def complaints(check, root):
    """What the check says, one complaint a line; the exit code must agree."""
    done = subprocess.run([TOOLS / check, root], capture_output=True, text=True, timeout=30)
    lines = done.stderr.splitlines()
    assert done.returncode == (1 if lines else 0), done
    return lines


def test_arrows_that_the_table_allows_pass(repository):
    root, write = repository
    write("src/line/flow.cpp", HEAD + '#include <vector>\n#include <fmt/format.h>\n#include "base/error.hpp"\n#include "line/flow.hpp"\n')
    write("src/line/flow.hpp", HEAD)
    write("src/line/flow_test.cpp", HEAD + "#include <gtest/gtest.h>\n#include <unistd.h>\n")
    write("src/line/fake_disk.hpp", HEAD + "#include <gtest/gtest.h>\n")
    write("src/line/disk_test.cpp", HEAD + '#include "line/fake_disk.hpp"\n')
    write("src/holder/loop.cpp", HEAD + '#include <poll.h>\n#include "wire/holder/messages.hpp"\n')
    write("src/os/CMakeLists.txt", "vmline_folder(os USES base line wire_holder LINKS Threads::Threads)\n")
    assert complaints("check-arrows", root) == []


@pytest.mark.parametrize("name, text, complaint", [
    ("src/base/a.cpp", '#include "line/flow.hpp"', "src/base/a.cpp:3: #include \"line/flow.hpp\": base may not use line"),
    ("src/wire/holder/a.hpp", '#include "os/lock.hpp"', "wire/holder may not use os"),
    ("src/line/a.cpp", "#include <unistd.h>", "line may not use libc"),
    ("src/line/a.cpp", "#include <sys/stat.h>", "line may not use libc"),
    ("src/line/a.cpp", "#include <fstream>", "line is pure"),
    ("src/line/a.cpp", "auto t = std::chrono::steady_clock::now();", "line is pure: time is an argument"),
    ("src/base/a.cpp", "#include <boost/json.hpp>", "base may not use boost"),
    ("src/base/a.cpp", "#include <gtest/gtest.h>", "base may not use gtest"),
    ("src/base/a.cpp", '#include "base/clock_testing.hpp"', "it is for tests alone"),
    ("src/base/a.cpp", '#include "../base/error.hpp"', "not a path from src/"),
    ("src/news/a.cpp", "", "its folder is not in the table"),
    ("apps/vmline.cpp", '#include "os/lock.hpp"', "apps may not use os"),
    ("src/os/CMakeLists.txt", "vmline_folder(os USES base holder)", "os may not use holder"),
])
def test_an_arrow_that_the_table_lacks_is_told(repository, name, text, complaint):
    root, write = repository
    write(name, HEAD + text + "\n")
    told = complaints("check-arrows", root)
    assert len(told) == 1 and complaint in told[0]


def test_the_holder_reaches_no_library_through_a_header_either(repository):
    root, write = repository
    write("src/os/lock.hpp", HEAD + "#include <fmt/format.h>\n")
    write("src/os/file.hpp", HEAD + '#include "os/lock.hpp"\n')
    write("src/holder/loop.cpp", HEAD + '#include "os/file.hpp"\n')
    told = complaints("check-arrows", root)
    assert told == ["src/holder/loop.cpp: reaches <fmt/format.h> by src/os/lock.hpp:3: the holder depends on libc alone"]


def test_a_table_with_a_circle_is_told(repository):
    root, write = repository
    write("docs/architecture.md", TABLE.replace("| errors | nothing |", "| errors | os |"))
    assert complaints("check-arrows", root) == ["docs/architecture.md: base uses os, which does not stand above it"]


def test_files_as_they_should_be_pass(repository):
    root, write = repository
    write("tools/long-files.txt", "src/base/long.cpp a table of one idea\n")
    write("src/base/long.cpp", HEAD + "int x;\n" * 400)
    write("src/base/CMakeLists.txt", "# SPDX-License-Identifier: Apache-2.0\nvmline_folder(base)\n")
    write("run", "#!/bin/bash\n# SPDX-License-Identifier: Apache-2.0\n# Runs.\n")
    write("src/base/temp.cpp", HEAD + 'char path[] = "/tmp/x.XXXXXX";  // a framework/library, /network/x\n')
    assert complaints("check-files", root) == []


@pytest.mark.parametrize("name, text, complaint", [
    ("src/base/a.cpp", "// Only a comment.\n", "no SPDX line"),
    ("src/base/a.cpp", "// SPDX-License-Identifier: Apache-2.0\n#include <string>\n", "says what it is for"),
    ("run", "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\necho\n", "says what it is for"),
    ("src/base/a.cpp", HEAD + "int x;\n" * 400, "402 lines; split it"),
    ("apps/vmline.cpp", HEAD + "int x;\n" * 60, "62 lines; a main file"),
    ("src/base/string_utils.cpp", HEAD, "a name that says nothing"),
    ("src/common/a.cpp", HEAD, "a name that says nothing"),
    ("src/base/a.cpp", HEAD + "// TO" "DO: later\n", "unfinished"),
    ("README.md", "see /wo" "rk/main/x\n", "a path of one machine"),
    ("README.md", "see ../sha" "red/x\n", "a path of one machine"),
    ("tools/long-files.txt", "src/base/gone.cpp a reason\n", "there is no src/base/gone.cpp"),
])
def test_what_a_file_must_not_be_is_told(repository, name, text, complaint):
    root, write = repository
    write(name, text)
    told = complaints("check-files", root)
    assert len(told) == 1 and complaint in told[0]
