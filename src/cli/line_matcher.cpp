// SPDX-License-Identifier: Apache-2.0
// Looks for a regular expression in a guest's output; see line_matcher.hpp.
#include "cli/line_matcher.hpp"

#include <fmt/format.h>
#include <re2/re2.h>

namespace vmline::cli {

Result<LineMatcher> LineMatcher::create(std::string_view pattern) {
  RE2::Options options;
  options.set_log_errors(false);
  auto compiled = std::make_unique<RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!compiled->ok()) return fail(fmt::format("'{}' is no regular expression: {}", pattern, compiled->error()), ErrorKind::usage);
  return LineMatcher(std::move(compiled));
}

LineMatcher::LineMatcher(std::unique_ptr<RE2> pattern) : pattern_(std::move(pattern)) {}
LineMatcher::LineMatcher(LineMatcher&&) noexcept = default;
LineMatcher& LineMatcher::operator=(LineMatcher&&) noexcept = default;
LineMatcher::~LineMatcher() = default;

std::optional<std::string> LineMatcher::feed(std::string_view data) {
  std::string plain;
  text_.feed(data, plain);
  std::string_view rest = plain;
  while (!rest.empty()) {
    std::size_t end = rest.find('\n');
    std::string_view piece = rest.substr(0, std::min(end, longest_line - line_.size()));
    line_ += piece;
    rest.remove_prefix(piece.size());
    bool ended = !rest.empty() && rest.front() == '\n';
    if (!ended && line_.size() < longest_line) break;
    if (ended) rest.remove_prefix(1);
    std::string line = std::exchange(line_, {});
    if (RE2::PartialMatch(line, *pattern_)) return line;
  }
  return std::nullopt;
}

std::optional<std::string> LineMatcher::quiet() const {
  if (line_.empty() || !RE2::PartialMatch(line_, *pattern_)) return std::nullopt;
  return line_;
}

}  // namespace vmline::cli
