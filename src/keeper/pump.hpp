// SPDX-License-Identifier: Apache-2.0
// Moves a line's bytes from its upstream into the spool, lets go of what is old, and holds the guest up or gives bytes up where the journal
// lags (line/flow.hpp decides).
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "keeper/journal_thread.hpp"
#include "keeper/upstream.hpp"
#include "line/flow.hpp"
#include "os/spool.hpp"

namespace vmline::keeper {

class Pump {
 public:
  std::function<void(Offset head)> on_head;
  /// A spell in which the journal could not keep up has ended: it lacks these bytes.
  std::function<void(Range given_up)> on_gap;
  /// The spool cannot be written; told once per spell.
  std::function<void(const std::string& sentence)> on_trouble;

  /// `journal` may be null: the spool is all there is.
  Pump(boost::asio::io_context& loop, os::Spool& spool, JournalThread* journal, line::FlowSettings settings);

  /// Reads from this upstream from now on.
  void connect(std::unique_ptr<Upstream> upstream);
  [[nodiscard]] Upstream* upstream() const { return upstream_.get(); }

  /// Moves what is there. Called when the upstream is readable, the journal has made progress, or a stall has lasted long enough.
  void run();
  /// Moves everything that is there now, without pausing, as far as there is room; whether the upstream is empty.
  bool drain();
  [[nodiscard]] bool stalled() const { return stalled_; }

 private:
  enum class Moved { nothing, some, no_room };
  Moved step(std::size_t& bytes);
  void apply(const line::Flow::Decision& decision);
  std::optional<std::uint64_t> room();
  Moved full(const Error& error);
  void stall(std::optional<line::Flow::Clock> until);
  void wait(std::size_t bytes);
  void note_gap_end();

  boost::asio::io_context& loop_;
  os::Spool& spool_;
  JournalThread* journal_;
  line::Flow flow_;
  std::unique_ptr<Upstream> upstream_;
  boost::asio::steady_timer timer_;
  Range given_up_;
  bool stalled_ = false;
  bool in_trouble_ = false;
  // The adaptive pause: a UART sends byte by byte, and a wake-up for each would cost the guest more than its bytes.
  unsigned quick_ = 0;
  bool pausing_ = false;
  bool scheduled_ = false;
  std::chrono::steady_clock::time_point last_run_;
};

}  // namespace vmline::keeper
