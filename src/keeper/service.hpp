// SPDX-License-Identifier: Apache-2.0
// What the control server asks of the keeper: the VM with its commands and events, and each line as a stream that can be read from any
// offset and typed into. The server knows HTTP and WebSocket and none of what is behind these interfaces; the keeper the other way round.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "base/units.hpp"

namespace vmline::keeper {

namespace asio = boost::asio;
namespace json = boost::json;

/// Something that happened, numbered without holes for the life of the VM.
struct Event {
  std::uint64_t sequence = 0;
  Time time;
  std::string type;  ///< "state", "boot", "gap", "writer", "stop-step", …
  json::object details;
};

class EventSource {
 public:
  virtual ~EventSource() = default;
  /// Events from `sequence` on that are still kept, at most `most`; empty when there is none yet.
  virtual std::vector<Event> since(std::uint64_t sequence, std::size_t most) const = 0;
  virtual std::uint64_t next_sequence() const = 0;
  /// Returns when there is an event with a number of at least `sequence`, or false when the keeper closes.
  virtual asio::awaitable<bool> wait(std::uint64_t sequence) = 0;
};

// What a stream hands out, in order.
struct Bytes {
  Offset offset = 0;
  std::span<const std::byte> data;  ///< valid until the next call of next()
};
struct Opened {
  Offset offset = 0;  ///< of the first byte that follows
  Offset head = 0;
  std::uint64_t boot = 0;  ///< the boot that `offset` lies in
};
struct ReplayEnded {
  Offset offset = 0;  ///< the head as it was when the stream was opened; live from here on
};
struct Gap {
  Range range;
  std::string cause;
};
struct BootBegan {
  std::uint64_t number = 0;
  Offset offset = 0;
  Time time;
  std::string cause;
};
struct WriterChanged {
  std::string writer;  ///< empty: nobody
  bool you = false;
};
struct Closing {
  std::string reason;
};
using StreamItem = std::variant<Opened, Bytes, ReplayEnded, Gap, BootBegan, WriterChanged, Closing>;

/// One API client's place on a line. Destroying it lets the lease go.
class Stream {
 public:
  virtual ~Stream() = default;
  /// The next item; waits for one. After Closing there is none. Cancelled by asio's (terminal) cancellation, then it throws.
  virtual asio::awaitable<StreamItem> next() = 0;
  /// Types into the guest, in order; waits while the guest does not take it. `conflict` when somebody else has the lease. Runs beside
  /// next(), in another coroutine; cancelled by asio's (terminal) cancellation, then it throws or returns an error.
  virtual asio::awaitable<Result<>> type(std::span<const std::byte> data) = 0;
  /// Takes the lease from whoever has it.
  virtual Result<> take() = 0;
};

struct StreamRequest {
  enum class From { tail, start, offset, back, boot, boot_back };
  From from = From::tail;  ///< tail: live only; start: the oldest byte kept
  std::uint64_t value =
      0;  ///< the offset; for back: bytes before the head; for boot: its number; for boot_back: 1 is the newest, 2 the one before
  bool read_only = false;
  bool take = false;
  std::string who;  ///< shown in the writer's name, e.g. "api:pid=42,uid=1000"
};

class LineService {
 public:
  virtual ~LineService() = default;
  virtual json::object info() const = 0;
  /// Every boot that is known, oldest first: {"boot","offset","time","cause"}.
  virtual json::array boots() const = 0;
  virtual Result<std::unique_ptr<Stream>> open(const StreamRequest& request) = 0;
};

class VmService {
 public:
  virtual ~VmService() = default;
  virtual json::object info() const = 0;
  virtual json::object spec() const = 0;
  virtual EventSource& events() = 0;
  /// `not_found` with the names there are.
  virtual Result<LineService*> line(std::string_view name) = 0;
  /// stop, kill, reboot, reset, quit. Returns when it is done, with what happened.
  virtual asio::awaitable<Result<json::object>> command(std::string name, json::object arguments) = 0;
};

}  // namespace vmline::keeper
