// SPDX-License-Identifier: Apache-2.0
// Network devices by rtnetlink: looked at, changed, removed. The kernel answers within the call, so nothing here waits for anybody.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace vmline::os {

using HardwareAddress = std::array<std::uint8_t, 6>;

/// A network device.
struct Link {
  int index = 0;
  std::string name;
  std::string kind;           ///< "bridge", "tun", "veth"; empty: a device of hardware, or lo
  std::string alias;          ///< what somebody wrote beside it (IFLA_IFALIAS)
  std::uint8_t tun_type = 0;  ///< of a "tun": IFF_TUN or IFF_TAP
  std::uint32_t mtu = 0;
  int master = 0;  ///< the index of its bridge; 0: none
  bool up = false;
  bool carrier = false;  ///< of a TAP: somebody has it open
  HardwareAddress address{};
};

/// What is to be changed about a device, in one request: all of it or, as far as the kernel looks before it leaps, nothing.
struct LinkChange {
  std::optional<std::string> alias{};
  std::optional<HardwareAddress> address{};
  std::optional<std::uint32_t> mtu{};
  std::optional<int> master{};
  bool up = false;  ///< true: bring it up; false: leave it as it is
};

/// The links in `message`, the bytes of one datagram from the kernel; what is no link, or is cut short, is left out.
std::vector<Link> parse_links(std::span<const std::byte> message);

class Netlink {
 public:
  /// Of the calling thread's network namespace, for as long as it lives.
  static Result<Netlink> open();

  Result<std::optional<Link>> link(std::string_view name);
  Result<std::vector<Link>> links();
  Result<> change(int index, const LinkChange& change);
  /// One that is gone already is fine.
  Result<> remove(int index);

 private:
  explicit Netlink(UniqueFd socket) : socket_(std::move(socket)) {}
  UniqueFd socket_;
  std::uint32_t sequence_ = 0;
  class Message;
  /// Sends it and gathers the answer's links until the kernel says that this was all.
  Result<std::vector<Link>> ask(Message message);
};

}  // namespace vmline::os
