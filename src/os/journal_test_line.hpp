// SPDX-License-Identifier: Apache-2.0
// For tests of the journal: a line with a real spool on tmpfs, whose every eight bytes say their own offset, and a check of what a journal
// holds against them.
#pragma once
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "os/journal.hpp"
#include "os/spool.hpp"

namespace vmline::os {

/// The byte that the guest sends at this offset; never NUL.
inline char sent(Offset offset) {
  unsigned digit = offset % 8;
  return digit == 7 ? '\n' : "0123456789abcdef"[offset / 8 >> (24 - 4 * digit) & 15];
}

inline std::string sent(Range range) {
  Offset first = range.begin / 8 * 8;
  std::string bytes((range.end + 7) / 8 * 8 - first, ' ');
  std::string word;
  for (Offset offset = first; offset < first + 8; ++offset) word.push_back(sent(offset));
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    bytes.replace(at, 8, word);
    int digit = 6;
    for (; digit >= 0 && word[digit] == 'f'; --digit) word[digit] = '0';
    if (digit >= 0) word[digit] = word[digit] == '9' ? 'a' : static_cast<char>(word[digit] + 1);
  }
  return bytes.substr(range.begin - first, range.length());
}

class TestLine {
 public:
  static std::string any_disk() { return std::filesystem::temp_directory_path().string(); }

  /// The journal lies in a new folder below `below`.
  explicit TestLine(const std::string& below = any_disk()) {
    std::string memory = "/dev/shm/vmline-journal-test-XXXXXX";
    std::string disk = below + "/vmline-journal-test-XXXXXX";
    memory_ = ::mkdtemp(memory.data());
    disk_ = ::mkdtemp(disk.data());
    options = {disk_ + "/serial0.log", disk_ + "/serial0.idx", Spool::note_path(memory_, "serial0"), Spool::path(memory_, "serial0")};
    options.path_check = std::chrono::milliseconds(0);
    new_spool(0);
  }
  ~TestLine() {
    std::error_code ignored;
    std::filesystem::remove_all(memory_, ignored);
    std::filesystem::remove_all(disk_, ignored);
  }
  TestLine(const TestLine&) = delete;
  TestLine& operator=(const TestLine&) = delete;

  void new_spool(Offset base) {
    std::filesystem::remove(options.spool_path);
    spool_.emplace(Spool::open(memory_, "serial0", base).value());
    low = base;
  }
  /// The guest sends.
  void send(std::uint64_t bytes) {
    Offset head = spool_->head();
    auto data = sent(Range{head, head + bytes});
    ASSERT_EQ(::pwrite(spool_->fd(), data.data(), data.size(), static_cast<off_t>(head)), static_cast<ssize_t>(bytes));
  }
  void give_up_below(Offset to) {
    low = to;
    spool_->raise_low(to);
    spool_->punch({0, to});
  }
  [[nodiscard]] Offset head() const { return spool_->head(); }
  [[nodiscard]] const std::string& disk() const { return disk_; }
  [[nodiscard]] std::string log() const { return file(options.log_path); }
  static std::string file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  Journal::Options options;
  std::atomic<Offset> low{0};

 private:
  std::string memory_;
  std::string disk_;
  std::optional<Spool> spool_;
};

inline Result<Offset> append_all(Journal& journal, Offset upto, const std::atomic<Offset>& low) {
  while (journal.journaled() < upto) TRY(journal.append(upto, low));
  return journal.journaled();
}

struct Held {
  std::uint64_t kept = 0;
  std::uint64_t lost = 0;
};
/// Reads all of it: each offset is either there, as it was sent, or told to be lost.
template <class AnyJournal>
Held check_all(const AnyJournal& journal, Offset end) {
  Held held;
  std::vector<std::byte> buffer(100000);
  Offset offset = 0;
  while (offset < end) {
    auto result = journal.read(offset, buffer);
    EXPECT_TRUE(result) << result.error().sentence();
    if (!result) return held;
    if (auto* bytes = std::get_if<ReadBytes>(&*result)) {
      std::string_view got(reinterpret_cast<const char*>(buffer.data()), bytes->length);
      if (got != sent(Range{offset, offset + bytes->length})) {
        ADD_FAILURE() << "wrong bytes between " << offset << " and " << offset + bytes->length;
        return held;
      }
      held.kept += bytes->length;
      offset += bytes->length;
    } else if (auto* lost = std::get_if<line::Lost>(&*result)) {
      EXPECT_TRUE(lost->range.begin <= offset && lost->range.end > offset);
      held.lost += std::min(lost->range.end, end) - offset;
      offset = lost->range.end;
    } else {
      ADD_FAILURE() << "not yet at " << offset << " of " << end;
      return held;
    }
  }
  return held;
}

}  // namespace vmline::os
