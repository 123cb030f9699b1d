// SPDX-License-Identifier: Apache-2.0
// What happened to the VM, numbered from 1 without holes. The last limits::events_kept of them can be asked for again; they are kept as
// lines of JSON in a file in RUN (a tmpfs: writing it waits for no disk) as well, so that the next keeper goes on numbering.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "base/unique_fd.hpp"
#include "keeper/service.hpp"

namespace vmline::keeper {

class EventLog : public EventSource {
 public:
  /// Reads what an earlier keeper left at `path`. A line that it was killed in is cut off.
  static Result<std::unique_ptr<EventLog>> open(asio::io_context& loop, std::string path);

  /// It happened at `time`, or now. `details` as in docs/control-api.md. An event is kept in memory even where the file cannot be
  /// written (a full tmpfs); the file is brought up to date by the next one that fits.
  void add(std::string type, json::object details, std::optional<Time> time = {});

  /// Ends every wait() with false, now and later. Events can still be added and read.
  void close();

  /// Why the file is behind, if it is.
  [[nodiscard]] const std::optional<Error>& trouble() const { return trouble_; }

  std::vector<Event> since(std::uint64_t sequence, std::size_t most) const override;
  [[nodiscard]] std::uint64_t next_sequence() const override { return first_ + kept_.size(); }
  asio::awaitable<bool> wait(std::uint64_t sequence) override;

 private:
  EventLog(asio::io_context& loop, std::string path);
  Result<> load();
  void keep(std::string line);
  Result<> append_unwritten();
  Result<> rewrite();

  std::string path_;
  UniqueFd file_;
  std::uint64_t size_ = 0;        ///< of the file, bytes of whole lines
  std::deque<std::string> kept_;  ///< their JSON without the line's end: text takes a third of what parsed objects do
  std::size_t kept_bytes_ = 0;
  std::uint64_t first_ = 1;      ///< the number of kept_.front(), or of the next event
  std::uint64_t unwritten_ = 1;  ///< the first number that is not in the file
  std::optional<Error> trouble_;
  bool closed_ = false;
  asio::steady_timer added_;  ///< never expires; cancelled whenever there is a new event
};

}  // namespace vmline::keeper
