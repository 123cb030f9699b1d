// SPDX-License-Identifier: Apache-2.0
// Network devices by rtnetlink; see netlink.hpp.
#include "os/netlink.hpp"

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace vmline::os {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t aligned(std::size_t size) { return (size + 3) & ~std::size_t{3}; }

template <class T>
std::optional<T> value_of(Bytes bytes) {
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

std::string text_of(Bytes bytes) {
  const auto* first = reinterpret_cast<const char*>(bytes.data());
  return {first, ::strnlen(first, bytes.size())};
}

/// Calls `each(type, payload)` for every whole attribute.
template <class Each>
void for_attributes(Bytes bytes, Each each) {
  while (auto header = value_of<rtattr>(bytes)) {
    if (header->rta_len < sizeof(rtattr) || header->rta_len > bytes.size()) return;
    each(header->rta_type & NLA_TYPE_MASK, bytes.subspan(sizeof(rtattr), header->rta_len - sizeof(rtattr)));
    bytes = bytes.subspan(std::min(aligned(header->rta_len), bytes.size()));
  }
}

/// Calls `each(header, payload)` for every whole message of a datagram.
template <class Each>
void for_messages(Bytes bytes, Each each) {
  while (auto header = value_of<nlmsghdr>(bytes)) {
    if (header->nlmsg_len < sizeof(nlmsghdr) || header->nlmsg_len > bytes.size()) return;
    each(*header, bytes.subspan(sizeof(nlmsghdr), header->nlmsg_len - sizeof(nlmsghdr)));
    bytes = bytes.subspan(std::min(aligned(header->nlmsg_len), bytes.size()));
  }
}

Link link_of(const ifinfomsg& info, Bytes attributes) {
  Link link;
  link.index = info.ifi_index;
  link.up = (info.ifi_flags & IFF_UP) != 0;
  for_attributes(attributes, [&link](int type, Bytes value) {
    switch (type) {
      case IFLA_IFNAME: link.name = text_of(value); break;
      case IFLA_IFALIAS: link.alias = text_of(value); break;
      case IFLA_MTU: link.mtu = value_of<std::uint32_t>(value).value_or(0); break;
      case IFLA_MASTER: link.master = value_of<int>(value).value_or(0); break;
      case IFLA_CARRIER: link.carrier = value_of<std::uint8_t>(value).value_or(0) != 0; break;
      case IFLA_ADDRESS: link.address = value_of<HardwareAddress>(value).value_or(HardwareAddress{}); break;
      case IFLA_LINKINFO:
        for_attributes(value, [&link](int detail, Bytes inner) {
          if (detail == IFLA_INFO_KIND) link.kind = text_of(inner);
          if (detail != IFLA_INFO_DATA || link.kind != "tun") return;  // the kind comes first
          for_attributes(inner, [&link](int of_tun, Bytes tun_value) {
            if (of_tun == IFLA_TUN_TYPE) link.tun_type = value_of<std::uint8_t>(tun_value).value_or(0);
          });
        });
        break;
      default: break;
    }
  });
  return link;
}

/// How the kernel answered: an errno, and, where it has any, its own words for it.
struct Verdict {
  int error = 0;
  std::string words;
};

Verdict verdict_of(const nlmsghdr& header, Bytes payload) {
  Verdict verdict{.error = -value_of<int>(payload).value_or(-EBADMSG), .words = {}};
  if ((header.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return verdict;
  // What was asked stands between the two, whole unless the answer is capped.
  std::size_t before = sizeof(nlmsgerr);
  if (auto error = value_of<nlmsgerr>(payload); error && (header.nlmsg_flags & NLM_F_CAPPED) == 0)
    before += aligned(error->msg.nlmsg_len) - sizeof(nlmsghdr);
  if (before > payload.size()) return verdict;
  for_attributes(payload.subspan(before), [&verdict](int type, Bytes value) {
    if (type == NLMSGERR_ATTR_MSG) verdict.words = text_of(value);
  });
  return verdict;
}

}  // namespace

std::vector<Link> parse_links(Bytes message) {
  std::vector<Link> links;
  for_messages(message, [&links](const nlmsghdr& header, Bytes payload) {
    auto info = value_of<ifinfomsg>(payload);
    if (header.nlmsg_type != RTM_NEWLINK || !info) return;
    links.push_back(link_of(*info, payload.subspan(std::min(aligned(sizeof(ifinfomsg)), payload.size()))));
  });
  return links;
}

/// A request about one link, or about all of them.
class Netlink::Message {
 public:
  Message(std::uint16_t type, std::uint16_t flags, int index = 0, unsigned change_flags = 0) {
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    put(&header, sizeof header);
    ifinfomsg info{};
    info.ifi_family = AF_UNSPEC;
    info.ifi_index = index;
    info.ifi_flags = info.ifi_change = change_flags;
    put(&info, sizeof info);
  }
  void add(std::uint16_t type, const void* value, std::size_t size) {
    rtattr header{static_cast<std::uint16_t>(sizeof(rtattr) + size), type};
    put(&header, sizeof header);
    put(value, size);
  }
  template <class T>
  void add(std::uint16_t type, const T& value) {
    add(type, &value, sizeof value);
  }
  Bytes bytes(std::uint32_t sequence) {
    nlmsghdr header;
    std::memcpy(&header, data_.data(), sizeof header);
    header.nlmsg_len = static_cast<std::uint32_t>(data_.size());
    header.nlmsg_seq = sequence;
    std::memcpy(data_.data(), &header, sizeof header);
    return data_;
  }

 private:
  void put(const void* value, std::size_t size) {
    const auto* first = static_cast<const std::byte*>(value);
    data_.insert(data_.end(), first, first + size);
    data_.resize(aligned(data_.size()));
  }
  std::vector<std::byte> data_;
};

Result<Netlink> Netlink::open() {
  UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket) return fail_errno("open a netlink socket");
  const int on = 1;
  // The kernel's own words for an error, and no copy of the request beside it. Old kernels have neither, and need neither.
  (void)::setsockopt(socket.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  (void)::setsockopt(socket.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  // The answer is there when send returns; should that ever be untrue, this is an error and no silence.
  const timeval limit{.tv_sec = 5, .tv_usec = 0};
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0)
    return fail_errno("set a netlink socket's time limit");
  return Netlink(std::move(socket));
}

Result<std::vector<Link>> Netlink::ask(Message message) {
  const std::uint32_t sequence = ++sequence_;
  const Bytes request = message.bytes(sequence);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (::sendto(socket_.get(), request.data(), request.size(), 0, reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) < 0)
    return fail_errno("ask the kernel by netlink");
  std::vector<Link> links;
  std::vector<std::byte> buffer(64u << 10);  // the kernel fills 32 KiB at the most
  std::optional<Verdict> verdict;
  while (!verdict) {
    const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail_errno("read the kernel's answer by netlink");
    const Bytes datagram(buffer.data(), static_cast<std::size_t>(size));
    bool ours = false;
    for_messages(datagram, [&](const nlmsghdr& header, Bytes payload) {
      if (header.nlmsg_seq != sequence) return;
      ours = true;
      if (header.nlmsg_type == NLMSG_ERROR || header.nlmsg_type == NLMSG_DONE) verdict = verdict_of(header, payload);
    });
    if (ours) std::ranges::move(parse_links(datagram), std::back_inserter(links));
  }
  if (verdict->error == 0) return links;
  const Error error = Error::system(verdict->words.empty() ? "the kernel refuses" : verdict->words, verdict->error);
  return std::unexpected(verdict->error == ENODEV ? error.as(ErrorKind::not_found) : error);
}

Result<std::optional<Link>> Netlink::link(std::string_view name) {
  Message message(RTM_GETLINK, NLM_F_ACK);
  std::string text(name);
  message.add(IFLA_IFNAME, text.c_str(), text.size() + 1);
  auto found = ask(std::move(message));
  if (!found && found.error().kind() == ErrorKind::not_found) return std::optional<Link>{};
  if (!found) return std::unexpected(found.error().because("look for network device " + text));
  if (found->empty()) return std::optional<Link>{};
  return std::move(found->front());
}

Result<std::vector<Link>> Netlink::links() {
  auto found = ask(Message(RTM_GETLINK, NLM_F_DUMP));
  if (!found) return std::unexpected(found.error().because("list the network devices"));
  return found;
}

Result<> Netlink::change(int index, const LinkChange& change) {
  Message message(RTM_NEWLINK, NLM_F_ACK, index, change.up ? IFF_UP : 0);
  if (change.alias) message.add(IFLA_IFALIAS, change.alias->data(), change.alias->size());
  if (change.address) message.add(IFLA_ADDRESS, *change.address);
  if (change.mtu) message.add(IFLA_MTU, *change.mtu);
  if (change.master) message.add(IFLA_MASTER, *change.master);
  TRY(ask(std::move(message)));
  return {};
}

Result<> Netlink::remove(int index) {
  auto removed = ask(Message(RTM_DELLINK, NLM_F_ACK, index));
  if (!removed && removed.error().kind() != ErrorKind::not_found) return std::unexpected(removed.error());
  return {};
}

}  // namespace vmline::os
