// SPDX-License-Identifier: Apache-2.0
// What the keeper is still to be told, and in which order. Nothing waits in a queue that could grow: what is held and what runs is marked
// told or not in its own table, and only answers to requests stand in a ring; while that is full no request is read.
#pragma once
#include "holder/held_table.hpp"
#include "holder/keeper.hpp"
#include "holder/passing.hpp"
#include "holder/processes.hpp"

namespace vmline::holder {

class Outbox {
 public:
  static constexpr int ring = 192;  ///< answers that wait for room in the socket
  static constexpr int messages_per_wake_up = 512;
  static constexpr Milliseconds pause{10};  ///< after ETOOMANYREFS

  Outbox(HeldTable& held, Processes& processes) : held_(held), processes_(processes) {}

  /// A keeper begins that knows nothing: everything is told, then `ready`.
  void begin(std::uint64_t keeper);
  /// A keeper goes on that knows everything.
  void go_on(std::uint64_t keeper);
  /// A keeper has died: nobody waits for an answer.
  void stop();

  void done(std::uint32_t id, int number) { answer(wire::Type::done, id, number, 0, nullptr); }
  void pong(std::uint32_t id) { answer(wire::Type::pong, id, 0, 0, nullptr); }
  void started(const StartResult& result);
  void are_you_there() { ask_ = true; }
  /// Whether another request may be read: its answer has a place, beside those to every start that can be under way.
  [[nodiscard]] bool room() const { return count_ + static_cast<int>(Processes::size) < ring; }

  /// Sends what the socket takes. False: the other side is gone.
  bool flush(int socket, Moment now);
  /// Whether it waits for POLLOUT; else `again` tells when to go on (never: when there is something new).
  [[nodiscard]] bool wants_room() const { return wants_room_; }
  [[nodiscard]] Moment again() const { return again_; }

 private:
  struct Answer {
    wire::Message message;
    Process* process;  ///< whose pidfd goes with it, if it is that one still
  };
  enum class Kind { answer, held, process, end, ready, ask };
  struct Next {
    wire::Message message;
    int fd = -1;
    Kind kind{};
    HeldTable::Index index = 0;
    Process* process = nullptr;
  };

  void answer(wire::Type type, std::uint32_t id, std::int64_t a, std::int64_t b, Process* process);
  bool next(Next& next);
  bool next_answer(Next& next);
  bool next_held(Next& next, wire::Type type);
  bool next_process(Next& next);
  bool next_end(Next& next);
  void sent(const Next& next);

  HeldTable& held_;
  Processes& processes_;
  std::uint64_t keeper_ = 0;
  bool active_ = false;
  bool ready_told_ = false;
  bool ask_ = false;
  std::uint32_t questions_ = 0;
  Answer answers_[ring];
  int first_ = 0;
  int count_ = 0;
  bool wants_room_ = false;
  Moment again_ = never;
};

}  // namespace vmline::holder
