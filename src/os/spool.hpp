// SPDX-License-Identifier: Apache-2.0
// The spool of a line: one sparse file on tmpfs in which a byte's position is its offset. Its size is the line's head, kept by the kernel:
// splice moves bytes and count in one call. Never overwritten and never truncated; what is old is punched out by whole pages, because
// bytes queued in a client's socket are references to these very pages.
#pragma once
#include <cstddef>
#include <span>
#include <string>

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "base/units.hpp"

namespace vmline::os {

inline constexpr Offset page = 4096;

class Spool {
 public:
  /// Where a line's spool and note lie.
  static std::string path(const std::string& memory_dir, const std::string& line) { return memory_dir + "/" + line + ".spool"; }
  static std::string note_path(const std::string& memory_dir, const std::string& line) { return memory_dir + "/" + line + ".note"; }

  /// A new spool, a hole up to `base`, or the one that is there already (its head may be ahead of `base`).
  static Result<Spool> open(const std::string& memory_dir, const std::string& line, Offset base);
  static bool exists(const std::string& memory_dir, const std::string& line);

  /// The line's lock, on this process's own open of the spool: one pump, one sender, never two. False: somebody has it still.
  Result<bool> try_lock();

  [[nodiscard]] Offset head() const;
  [[nodiscard]] Offset low() const { return low_; }
  [[nodiscard]] int fd() const { return file_.get(); }
  [[nodiscard]] int note_fd() const { return note_.get(); }
  [[nodiscard]] const std::string& file_path() const { return path_; }

  /// Moves at most `most` bytes from a pipe to the spool's end in one call. Returns how many; 0: the pipe is empty (or has no writer);
  /// errors are ENOSPC (a full tmpfs) and what nobody expects.
  Result<std::size_t> pump(int pipe, std::size_t most);

  /// Says that nothing below `low` is kept any more: first in the note, for whoever comes after a SIGKILL here.
  void raise_low(Offset low);
  /// Gives whole pages inside `range` back.
  void punch(Range range);

  /// A description of its own on the spool, for one client: its position is the client's offset.
  [[nodiscard]] Result<UniqueFd> cursor(Offset at) const;

  /// Reads at an offset; only what is known to be filled may be asked for (a hole reads as NUL).
  Result<std::size_t> read(Offset at, std::span<std::byte> out) const;

 private:
  Spool(UniqueFd file, UniqueFd note, std::string path, Offset low)
      : file_(std::move(file)), note_(std::move(note)), path_(std::move(path)), low_(low) {}
  UniqueFd file_;
  UniqueFd note_;
  std::string path_;
  Offset low_;
};

}  // namespace vmline::os
