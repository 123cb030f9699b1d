// SPDX-License-Identifier: Apache-2.0
// QEMU's option strings: `key=value,key=value`, a comma in a value doubled. The one place where they are put together.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace vmline::vmm::qemu {

[[nodiscard]] std::string quoted(std::string_view value);

/// "pipe,id=x,path=/a,,b" of ("pipe", {{"id", "x"}, {"path", "/a,b"}}).
[[nodiscard]] std::string option(std::string_view first, std::initializer_list<std::pair<std::string_view, std::string_view>> values);

/// A file's name as -drive takes it: one such as "nbd:x" or "file:x" would be read as a protocol, unless a slash comes first.
[[nodiscard]] std::string file_name(std::string_view path);

}  // namespace vmline::vmm::qemu
