// SPDX-License-Identifier: Apache-2.0
// An API client's place on a line: bytes, boots, gaps and the replay's end in order.
#pragma once
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <vector>

#include "keeper/line.hpp"

namespace vmline::keeper {

class LineStream : public Stream {
 public:
  LineStream(Line& line, const StreamRequest& request, Offset start);
  ~LineStream() override;

  asio::awaitable<StreamItem> next() override;
  asio::awaitable<Result<>> type(std::span<const std::byte> data) override;
  Result<> take() override;

  /// Something has changed: look again.
  void wake() { wake_.cancel(); }
  void writer_changed(const std::string& writer);
  /// The line is being destroyed.
  void detach() {
    line_ = nullptr;
    wake();
  }

 private:
  /// What comes next, or nothing when it is to be waited for.
  std::optional<StreamItem> look();
  std::optional<StreamItem> due_boot();
  std::optional<StreamItem> due_loss();
  /// The first loss that was not told yet; null where there is none.
  [[nodiscard]] const line::Gap* next_loss() const;

  Line* line_;
  std::string who_;
  bool read_only_;
  Offset position_;
  Offset replay_end_;
  Gap gap_;                  ///< found and not told yet: what joins on to it may be lost too
  std::uint64_t next_boot_;  ///< the first boot not told yet
  Offset losses_told_;       ///< those of unknown length before this offset
  bool replay_ended_ = false;
  bool closed_ = false;
  std::deque<StreamItem> items_;
  std::vector<std::byte> buffer_;
  asio::steady_timer wake_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace vmline::keeper
