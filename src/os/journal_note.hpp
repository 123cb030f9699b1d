// SPDX-License-Identifier: Apache-2.0
// The journal's part of LINE.note (wire/holder/line_note.hpp), and its lock: whoever has this file open and locked journals the line.
#pragma once
#include <string>

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "wire/holder/line_note.hpp"

namespace vmline::os {

class JournalNoteFile {
 public:
  /// Opens the note and waits, without a limit, until nobody else journals the line.
  static Result<JournalNoteFile> open_locked(const std::string& path);

  [[nodiscard]] Result<wire::holder::LineNote> read() const;
  Result<> write(const wire::holder::JournalNote& note);

 private:
  JournalNoteFile(UniqueFd file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}
  UniqueFd file_;
  std::string path_;
};

}  // namespace vmline::os
