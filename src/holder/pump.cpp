// SPDX-License-Identifier: Apache-2.0
// Taking a line up, moving its bytes, and giving up the oldest when there is no room.
#include "holder/pump.hpp"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "wire/holder/line_note.hpp"

namespace vmline::holder {

namespace {

int held_for(const HeldTable& held, const char* prefix, const char* line) {
  char name[wire::name_size];
  if (::snprintf(name, sizeof(name), "%s%s", prefix, line) >= static_cast<int>(sizeof(name))) return -1;
  return held.fd_of(name);
}

/// An open file description of our own on a file that is held: flags, position and locks of the one held are shared with the keeper.
UniqueFd open_again(int fd, int flags) {
  char path[32];
  ::snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  return UniqueFd(fd < 0 ? -1 : ::open(path, flags | O_CLOEXEC));
}

bool take_lock(int fd) {
  struct flock whole{};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  return ::fcntl(fd, F_OFD_SETLK, &whole) == 0;
}

std::uint64_t page_size() { return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)); }
std::uint64_t page_floor(std::uint64_t offset) { return offset & ~(page_size() - 1); }

}  // namespace

void Pump::allow(const char* line, std::uint64_t backlog, Milliseconds stall_limit) {
  ::strncpy(line_, line, sizeof(line_) - 1);
  backlog_ = backlog;
  stall_limit_ = stall_limit;
}

bool Pump::is(const char* line) const { return ::strcmp(line_, line) == 0; }

bool Pump::open_all(const HeldTable& held) {
  UniqueFd spool = open_again(held_for(held, wire::spool_prefix, line_), O_RDWR);
  UniqueFd note = open_again(held_for(held, wire::note_prefix, line_), O_RDWR);
  UniqueFd fifo = open_again(held_for(held, wire::fifo_prefix, line_), O_RDWR | O_NONBLOCK);
  const bool dialled = held_for(held, wire::upstream_prefix, line_) >= 0 && held_for(held, wire::pipe_in_prefix, line_) >= 0 &&
                       held_for(held, wire::pipe_out_prefix, line_) >= 0;
  if (!spool || !note || (!fifo && !dialled)) return false;
  if (!take_lock(spool.get())) return false;
  // From here on nobody else moves the spool's end or the note's `low`.
  wire::LineNote there;
  if (::pread(note.get(), &there, sizeof(there), 0) != sizeof(there) || there.magic != wire::note_magic) {
    errno = EBADMSG;
    return false;
  }
  const off_t end = ::lseek(spool.get(), 0, SEEK_END);
  if (end < 0) return false;
  size_ = static_cast<std::uint64_t>(end);
  low_ = there.low < size_ ? there.low : size_;
  spool_ = static_cast<UniqueFd&&>(spool);
  note_ = static_cast<UniqueFd&&>(note);
  fifo_ = static_cast<UniqueFd&&>(fifo);
  return true;
}

void Pump::take(const HeldTable& held, Log& log, Moment now) {
  if (running() || now < again_) return;
  errno = ENOENT;
  if (!open_all(held)) {
    const bool taken = errno == EAGAIN || errno == EACCES;
    if (!taken) log.line("%s: cannot take the line up without a keeper: %s", line_, strerrordesc_np(errno));
    again_ = now + (taken ? lock_retry : 10 * retry);
    return;
  }
  limit_ = size_ - low_ + backlog_;
  if (limit_ < page_size()) limit_ = page_size();
  full_since_ = never;
  giving_up_ = false;
  upstream_ended_ = false;
  again_ = now;  // at once: what a dialled line's pipe still holds is announced by no socket
  log.line("%s: no keeper for a second: moving its bytes from offset %llu on", line_, static_cast<unsigned long long>(size_));
}

void Pump::release() {
  spool_.reset();
  fifo_.reset();
  note_.reset();
  again_ = Moment(0);
  slot_ = PollSet::none;
}

int Pump::source(const HeldTable& held) const { return fifo_ ? fifo_.get() : held_for(held, wire::upstream_prefix, line_); }

Pump::Moved Pump::splice(int from, int to, std::size_t most) {
  const ssize_t moved = ::splice(from, nullptr, to, nullptr, most, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
  if (moved > 0) {
    if (to == spool_.get()) size_ += moved;
    return Moved::some;
  }
  if (moved == 0 || errno == EAGAIN || errno == EINTR) {
    upstream_ended_ = upstream_ended_ || (moved == 0 && !fifo_ && to != spool_.get());
    return Moved::nothing;
  }
  return errno == ENOSPC || errno == ENOMEM || errno == EDQUOT ? Moved::no_room : Moved::broken;
}

Pump::Moved Pump::move(const HeldTable& held, std::size_t most) {
  if (fifo_) return splice(fifo_.get(), spool_.get(), most);
  // What is in the pipe came before what is in the socket.
  const int pipe_out = held_for(held, wire::pipe_out_prefix, line_);
  const Moved left = splice(pipe_out, spool_.get(), most);
  if (left != Moved::nothing || upstream_ended_) return left;
  const Moved arrived = splice(source(held), held_for(held, wire::pipe_in_prefix, line_), most);
  return arrived == Moved::some ? splice(pipe_out, spool_.get(), most) : arrived;
}

bool Pump::give_up_oldest() {
  std::uint64_t step = page_floor(limit_ / 8);
  if (step > piece) step = piece;
  if (step < page_size()) step = page_size();
  std::uint64_t low = page_floor(low_ + step);
  if (low > page_floor(size_)) low = page_floor(size_);
  if (low <= low_) return false;
  // First the note: whoever comes after a SIGKILL between the two must not take a hole for the guest's bytes.
  if (::pwrite(note_.get(), &low, sizeof(low), offsetof(wire::LineNote, low)) != sizeof(low)) return false;
  const std::uint64_t from = page_floor(low_);
  ::fallocate(spool_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(from), static_cast<off_t>(low - from));
  low_ = low;
  return true;
}

bool Pump::make_room(Moment now) {
  if (full_since_ == never) full_since_ = now;
  if (!giving_up_ && now - full_since_ < stall_limit_) return false;
  giving_up_ = true;
  return give_up_oldest();
}

void Pump::prepare(PollSet& set, const HeldTable& held, Moment now) {
  slot_ = PollSet::none;
  if (!running()) return;
  if (now < again_) {
    set.wake_at(again_);
  } else if (!upstream_ended_ && source(held) >= 0) {
    slot_ = set.add(source(held), POLLIN);
  }
}

void Pump::serve(const PollSet& set, const HeldTable& held, Log& log, Moment now) {
  if (!running() || now < again_ || (set.happened(slot_) == 0 && again_ == Moment(0))) return;
  again_ = Moment(0);
  for (int i = 0; i < pieces_per_wake_up; ++i) {
    const std::uint64_t room = low_ + limit_ > size_ ? low_ + limit_ - size_ : 0;
    const Moved moved = room == 0 ? Moved::no_room : move(held, room < piece ? room : piece);
    if (moved == Moved::nothing) return;
    if (moved == Moved::some) {
      full_since_ = never;
    } else if (moved == Moved::broken) {
      log.line("%s: moving its bytes at offset %llu: %s", line_, static_cast<unsigned long long>(size_), strerrordesc_np(errno));
      again_ = now + 10 * retry;
      return;
    } else if (!make_room(now)) {
      again_ = now + retry;
      if (!giving_up_ && full_since_ + stall_limit_ < again_) again_ = full_since_ + stall_limit_;
      return;
    }
  }
}

}  // namespace vmline::holder
