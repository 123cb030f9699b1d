// SPDX-License-Identifier: Apache-2.0
// What went wrong, as one sentence built outward: the callee names the object it failed on, each caller adds why it wanted it:
// `start web1: open log /var/x/serial0.log: Permission denied`. A function logs an error or returns it, never both.
#pragma once
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace vmline {

/// What kind of failure it is, for exit codes and HTTP status codes.
enum class ErrorKind {
  failed,     ///< exit code 1, HTTP 500
  usage,      ///< the request makes no sense: exit code 2, HTTP 400
  not_found,  ///< no such VM, line, …: exit code 3, HTTP 404
  timed_out,  ///< exit code 4, HTTP 504
  conflict,   ///< not in this state (already running, …): exit code 1, HTTP 409
};

class Error {
 public:
  explicit Error(std::string sentence, ErrorKind kind = ErrorKind::failed) : sentence_(std::move(sentence)), kind_(kind) {}

  /// `what` failed with this errno: "open /x: No such file or directory".
  static Error system(std::string_view what, int error_number);

  [[nodiscard]] const std::string& sentence() const { return sentence_; }
  [[nodiscard]] ErrorKind kind() const { return kind_; }
  /// The errno it came from, or 0.
  [[nodiscard]] int number() const { return number_; }

  /// The same failure as its caller sees it: `why` goes in front of the sentence.
  [[nodiscard]] Error because(std::string_view why) const;
  [[nodiscard]] Error as(ErrorKind kind) const;

 private:
  std::string sentence_;
  ErrorKind kind_;
  int number_ = 0;
};

template <class T = void>
using Result = std::expected<T, Error>;

/// `return fail("no kernel at {}", path)`: short for an unexpected Error.
[[nodiscard]] inline std::unexpected<Error> fail(std::string sentence, ErrorKind kind = ErrorKind::failed) {
  return std::unexpected(Error(std::move(sentence), kind));
}
/// `return fail_errno("open " + path)`: the same with the current errno.
[[nodiscard]] std::unexpected<Error> fail_errno(std::string_view what);

}  // namespace vmline

/// Hands an error on to the caller, or goes on: `TRY(write_all(...));`
#define TRY(expression)                                             \
  do {                                                              \
    if (auto try_result_ = (expression); !try_result_) [[unlikely]] \
      return std::unexpected(std::move(try_result_).error());       \
  } while (false)

#define VMLINE_JOIN_(a, b) a##b
#define VMLINE_JOIN(a, b) VMLINE_JOIN_(a, b)
/// Hands an error on, or takes the value: `TRY_ASSIGN(auto file, open_file(...));`
#define TRY_ASSIGN(target, expression) VMLINE_TRY_ASSIGN_(target, expression, VMLINE_JOIN(try_value_, __LINE__))
#define VMLINE_TRY_ASSIGN_(target, expression, name) \
  auto name = (expression);                          \
  if (!name) [[unlikely]]                            \
    return std::unexpected(std::move(name).error()); \
  target = std::move(name).value()
