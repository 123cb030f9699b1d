// SPDX-License-Identifier: Apache-2.0
// The journal's part of LINE.note; see journal_note.hpp.
#include "os/journal_note.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "os/files.hpp"

namespace vmline::os {

using wire::holder::JournalNote;
using wire::holder::LineNote;

Result<JournalNoteFile> JournalNoteFile::open_locked(const std::string& path) {
  TRY_ASSIGN(UniqueFd file, open_file("note", path, O_RDWR | O_NOFOLLOW));
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  while (::fcntl(file.get(), F_OFD_SETLKW, &lock) != 0) {
    if (errno != EINTR) return fail_errno("lock " + path);
  }
  return JournalNoteFile(std::move(file), path);
}

Result<LineNote> JournalNoteFile::read() const {
  LineNote note;
  ssize_t n = ::pread(file_.get(), &note, sizeof note, 0);
  if (n < 0) return fail_errno("read note " + path_);
  if (n != static_cast<ssize_t>(sizeof note) || note.magic != wire::holder::note_magic)
    return fail("note " + path_ + " is not one of ours");
  return note;
}

Result<> JournalNoteFile::write(const JournalNote& note) {
  ssize_t n = ::pwrite(file_.get(), &note, sizeof note, offsetof(LineNote, journal));
  if (n != static_cast<ssize_t>(sizeof note)) return fail_errno("write note " + path_);
  return {};
}

}  // namespace vmline::os
