// SPDX-License-Identifier: Apache-2.0
// The spool of a line; see spool.hpp.
#include "os/spool.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/check.hpp"
#include "os/files.hpp"
#include "os/lock.hpp"
#include "wire/holder/line_note.hpp"

namespace vmline::os {

using wire::holder::LineNote;

namespace {

/// The note is complete before the spool is there, and the spool has its size before it has its name: each by rename.
Result<> make(const std::string& path, const std::string& note_path, Offset base) {
  LineNote note;
  note.base = base;
  note.low = base;
  note.journal.journaled = base;
  TRY(write_file(note_path, {reinterpret_cast<const char*>(&note), sizeof note}));
  std::string temporary = path + ".new";
  TRY_ASSIGN(UniqueFd file, open_file("spool", temporary, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW));
  if (::ftruncate(file.get(), static_cast<off_t>(base)) != 0) return fail_errno("make spool " + temporary);
  if (::rename(temporary.c_str(), path.c_str()) != 0) return fail_errno("make spool " + path);
  return {};
}

}  // namespace

bool Spool::exists(const std::string& memory_dir, const std::string& line) { return ::access(path(memory_dir, line).c_str(), F_OK) == 0; }

Result<Spool> Spool::open(const std::string& memory_dir, const std::string& line, Offset base) {
  std::string file_path = path(memory_dir, line);
  std::string note_path = Spool::note_path(memory_dir, line);
  if (!exists(memory_dir, line)) TRY(make(file_path, note_path, base));
  TRY_ASSIGN(UniqueFd file, open_file("spool", file_path, O_RDWR | O_NOFOLLOW));
  TRY_ASSIGN(UniqueFd note, open_file("note", note_path, O_RDWR | O_NOFOLLOW));
  LineNote content;
  ssize_t n = ::pread(note.get(), &content, sizeof content, 0);
  if (n != static_cast<ssize_t>(sizeof content) || content.magic != wire::holder::note_magic)
    return fail("note " + note_path + " is not one of ours");
  return Spool(std::move(file), std::move(note), std::move(file_path), content.low);
}

Result<bool> Spool::try_lock() {
  auto taken = os::try_lock(file_.get());
  if (!taken) return std::unexpected(taken.error().because(path_));
  if (*taken) {
    // Whoever had it before may have raised it since we opened the note.
    CHECK(::pread(note_.get(), &low_, sizeof low_, offsetof(LineNote, low)) == sizeof low_);
  }
  return taken;
}

Offset Spool::head() const {
  struct stat st{};
  CHECK(::fstat(file_.get(), &st) == 0);
  return static_cast<Offset>(st.st_size);
}

Result<std::size_t> Spool::pump(int pipe, std::size_t most) {
  CHECK(::lseek(file_.get(), 0, SEEK_END) >= 0);
  while (true) {
    ssize_t n = ::splice(pipe, nullptr, file_.get(), nullptr, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return std::size_t{0};
    return fail_errno("splice into " + path_);
  }
}

void Spool::raise_low(Offset low) {
  if (low <= low_) return;
  low_ = low;
  CHECK(::pwrite(note_.get(), &low_, sizeof low_, offsetof(LineNote, low)) == sizeof low_);
}

void Spool::punch(Range range) {
  Offset begin = (range.begin + page - 1) / page * page;
  Offset end = range.end / page * page;
  if (begin >= end) return;
  // ENOMEM and EINTR leave the pages where they are: they go with the next punch, which begins no later.
  (void)::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(begin), static_cast<off_t>(end - begin));
}

Result<UniqueFd> Spool::cursor(Offset at) const {
  TRY_ASSIGN(UniqueFd file, open_file("cursor", path_, O_RDONLY | O_NOFOLLOW));
  if (::lseek(file.get(), static_cast<off_t>(at), SEEK_SET) < 0) return fail_errno("seek in " + path_);
  return file;
}

Result<std::size_t> Spool::read(Offset at, std::span<std::byte> out) const {
  ssize_t n = ::pread(file_.get(), out.data(), out.size(), static_cast<off_t>(at));
  if (n < 0) return fail_errno("read " + path_);
  return static_cast<std::size_t>(n);
}

}  // namespace vmline::os
