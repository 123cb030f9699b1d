// SPDX-License-Identifier: Apache-2.0
// One line of a VM: joins upstream, spool, journal, raw clients, API streams and typing. Everything that counts bytes is the kernel's (the
// spool's size, the cursors' positions); this can be destroyed at any instruction and made anew by the next keeper.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "keeper/event_log.hpp"
#include "keeper/history.hpp"
#include "keeper/holder_link.hpp"
#include "keeper/input.hpp"
#include "keeper/journal_thread.hpp"
#include "keeper/our_log.hpp"
#include "keeper/pump.hpp"
#include "keeper/raw_clients.hpp"
#include "keeper/service.hpp"
#include "line/guest_words.hpp"
#include "wire/api/spec.hpp"

namespace vmline::keeper {

class LineStream;

class Line : public LineService {
 public:
  /// What all lines of a VM share; outlives them.
  struct Shared {
    asio::io_context& loop;
    DiskThreads& disks;
    HolderLink& holder;
    EventLog& events;
    Log& log;
  };
  struct Settings {
    api::LineSpec spec;
    std::string log_path, index_path, memory_dir, socket_path;
    line::GuestWords words;
    std::optional<Offset> words_from;  ///< up to here an earlier keeper has looked; unset: to be looked at from now on
  };

  /// The guest has said something of which somebody wants to be told.
  std::function<void(const line::WordMatch&)> on_words;

  Line(Shared shared, Settings settings, os::Spool spool);
  ~Line() override;

  /// Takes the line's lock: from now on this process pumps, sends and journals, and nobody else does. Waits for a predecessor to be gone.
  asio::awaitable<Result<>> take_lock();
  /// Opens the journal (in the background) and starts to serve. `kept_log` as the holder kept it; `last_boot` as the VM's state knows it.
  void start(UniqueFd kept_log, std::optional<line::Boot> last_boot);
  /// `changed` is called when the upstream's state is another.
  void connect(std::unique_ptr<Upstream> upstream, std::function<void()> changed = nullptr);
  [[nodiscard]] Upstream* upstream() const { return pump_.upstream(); }
  [[nodiscard]] bool upstream_is_open() const;

  void accept(const std::string& name, UniqueFd connection);
  void take_over(const std::string& name, UniqueFd connection, UniqueFd cursor);

  /// A boot began somewhere from `old_until` to what the upstream holds now.
  line::Boot begin_boot(std::uint64_t number, const std::string& cause, Time time, Offset old_until);
  /// Where the line stood at `time`, as far as it was noted: what was read later may have been sent later.
  [[nodiscard]] Offset head_at(Time time) const;
  /// The same for a line that is not there from the first boot on, or for the first one: exactly at the head.
  void record_boot(const line::Boot& boot);

  /// Bytes that never got an offset were lost here, nobody knows how many.
  void note_loss(std::string_view cause);
  /// Up to where what the guest says has been looked at, less the line of text that it has not ended.
  [[nodiscard]] Offset words_heard() const { return settings_.words.resume_at(); }
  [[nodiscard]] std::uint64_t boot_at(Offset offset) const;

  /// What the upstream holds now is counted by `head`.
  void catch_up() { pump_.drain(); }
  /// The monitor has ended: reads the upstream until it is empty.
  asio::awaitable<void> drain();
  /// The VM has ended, and its monitor is somebody else's: takes leave of it, and reads what it had sent for at most `limit`.
  asio::awaitable<void> take_leave(std::chrono::milliseconds limit);
  /// Ends the line: feeds clients for `feed` more, closes them, waits for the journal for at most `journal`; whether all is journaled.
  asio::awaitable<bool> finish(std::string reason, std::chrono::milliseconds feed, std::chrono::milliseconds journal);

  [[nodiscard]] const api::LineSpec& spec() const { return settings_.spec; }
  [[nodiscard]] Offset head() const { return spool_.head(); }
  [[nodiscard]] os::Spool& spool() { return spool_; }
  /// Why typing would be lost if everything of ours died; empty: it would not be.
  void set_typing_note(std::string note) { typing_note_ = std::move(note); }

  json::object info() const override;
  json::array boots() const override;
  Result<std::unique_ptr<Stream>> open(const StreamRequest& request) override;

 private:
  friend class LineStream;
  void head_moved(Offset head);
  void journal_opened();
  void wake_streams();
  void hear(Offset head);
  [[nodiscard]] Offset first_kept() const;

  Shared shared_;
  Settings settings_;
  os::Spool spool_;
  std::unique_ptr<JournalThread> journal_;
  History history_;
  Input input_;
  RawClients raw_;
  Pump pump_;
  std::vector<line::Boot> boots_;  ///< ordered by number
  std::vector<line::Gap> losses_;  ///< of unknown length, ordered by offset
  std::set<LineStream*> streams_;
  std::uint64_t streams_opened_ = 0;
  /// Heads at times, the newest last: where the line stood when an event happened that is handled later.
  std::vector<std::pair<Time, Offset>> marks_;
  std::string typing_note_;
  Offset heard_;         ///< up to here it has been looked for words
  std::string closing_;  ///< why, once it closes
};

}  // namespace vmline::keeper
