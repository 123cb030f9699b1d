// SPDX-License-Identifier: Apache-2.0
// Sentences for failures; see error.hpp.
#include "base/error.hpp"

#include <cerrno>
#include <cstring>

namespace vmline {

Error Error::system(std::string_view what, int error_number) {
  Error error{std::string(what) + ": " + strerrordesc_np(error_number)};
  error.number_ = error_number;
  return error;
}

Error Error::because(std::string_view why) const {
  Error outer = *this;
  outer.sentence_ = std::string(why) + ": " + sentence_;
  return outer;
}

Error Error::as(ErrorKind kind) const {
  Error other = *this;
  other.kind_ = kind;
  return other;
}

std::unexpected<Error> fail_errno(std::string_view what) { return std::unexpected(Error::system(what, errno)); }

}  // namespace vmline
