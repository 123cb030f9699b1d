// SPDX-License-Identifier: Apache-2.0
// `vmline send`: types text, or stdin as it is, into a VM's line.
#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "base/limits.hpp"
#include "cli/commands.hpp"
#include "cli/fields.hpp"

namespace vmline::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto typing_limit = 60s;  ///< for a guest to take one piece of what is typed

Result<> type(const Context& context, const LineName& name, const std::string& line, std::string_view bytes, const SendOptions& options) {
  std::string target = fmt::format("/v1/lines/{}/input{}", line, options.take ? "?take=1" : "");
  auto sent = context.finder.client(name.vm).post(target, bytes, options.timeout.value_or(typing_limit));
  if (!sent) return std::unexpected(sent.error().because(fmt::format("type into {}/{}", name.vm, line)));
  return {};
}

}  // namespace

Result<int> send(const Context& context, const SendOptions& options) {
  TRY_ASSIGN(LineName name, LineName::parse(options.line));
  TRY_ASSIGN(FoundVm found, context.finder.find(name.vm));
  if (!found.running())
    return fail(fmt::format("{} is {}; nobody is there to type to", name.vm, text_field(found.vm, "state")), ErrorKind::conflict);
  std::string line = line_of(name, found.vm);
  if (options.send_break || !options.sysrq.empty()) {
    if (options.sysrq.size() > 1) return fail(fmt::format("--sysrq '{}': one key is wanted", options.sysrq), ErrorKind::usage);
    auto sent = context.finder.client(name.vm).put(fmt::format("/v1/lines/{}/break", line), {}, typing_limit);
    if (!sent) return std::unexpected(sent.error().because(fmt::format("break on {}/{}", name.vm, line)));
    if (!options.sysrq.empty()) TRY(type(context, name, line, options.sysrq, options));
    return 0;
  }
  if (!options.words.empty()) {
    TRY(type(context, name, line, fmt::format("{}{}", fmt::join(options.words, " "), options.enter ? "\r" : ""), options));
    return 0;
  }
  std::array<char, limits::input_queue> buffer;
  while (true) {
    ssize_t size = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail_errno("read stdin");
    if (size == 0) return 0;
    TRY(type(context, name, line, {buffer.data(), static_cast<std::size_t>(size)}, options));
  }
}

}  // namespace vmline::cli
