// SPDX-License-Identifier: Apache-2.0
// TAPs by ioctl and rtnetlink; see tap.hpp.
#include "os/tap.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "os/files.hpp"
#include "os/netns.hpp"

namespace vmline::os {
namespace {

constexpr std::size_t alias_most = IFALIASZ - 1;
constexpr std::uint32_t mtu_most = 65535 - 14;  // of a TAP, with its Ethernet header

bool is_tap(const Link& link) { return link.kind == "tun" && link.tun_type == IFF_TAP; }

std::string kind_of(const Link& link) {
  if (link.kind.empty()) return "a network device of the host";
  return link.kind == "tun" ? "a TUN" : "a network device of kind " + link.kind;
}

std::string place(const std::string& netns) { return netns.empty() ? "" : " in network namespace " + netns; }

Result<> check_name(std::string_view what, std::string_view name) {
  const bool right = !name.empty() && name.size() < IFNAMSIZ && name != "." && name != ".." &&
                     name.find_first_of(std::string_view("/:% \t\n\v\f\r\0", 10)) == std::string_view::npos;
  if (right) return {};
  return fail(
      fmt::format("{} {:?}: a network device's name has 1 to {} bytes, without '/', ':', '%' or white space", what, name, IFNAMSIZ - 1),
      ErrorKind::usage);
}

/// The error of a step, with the way out where it is one of rights.
std::unexpected<Error> step_failed(std::string_view step, int number) {
  const char* way_out = number == EPERM ? " (it takes CAP_NET_ADMIN: run vmline as root, or give it a TAP that is there already)" : "";
  return fail(Error::system(step, number).sentence() + way_out);
}
std::unexpected<Error> step_failed(std::string_view step, const Error& error) {
  if (error.number() == EPERM) return step_failed(step, EPERM);
  return std::unexpected(error.because(step));
}

Result<std::optional<Link>> find_tap(Netlink& netlink, const std::string& name) {
  TRY_ASSIGN(auto link, netlink.link(name));
  if (link && !is_tap(*link)) return fail(fmt::format("{} is no TAP but {}", name, kind_of(*link)), ErrorKind::conflict);
  return link;
}

/// What a bridge asks of its ports.
Result<Link> find_bridge(Netlink& netlink, const std::string& name, const std::string& netns) {
  TRY_ASSIGN(auto bridge, netlink.link(name));
  if (!bridge) return fail(fmt::format("there is no bridge {}{}", name, place(netns)), ErrorKind::not_found);
  if (bridge->kind != "bridge") return fail(fmt::format("{} is no bridge but {}", name, kind_of(*bridge)), ErrorKind::usage);
  return std::move(*bridge);
}

/// A TAP that lives as long as this descriptor; in the thread's namespace.
Result<UniqueFd> attach_new(const TapRequest& request) {
  TRY_ASSIGN(UniqueFd tun, open_file("device", "/dev/net/tun", O_RDWR | O_NONBLOCK));
  ifreq wish{};
  std::memcpy(wish.ifr_name, request.name.data(), request.name.size());
  wish.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL);
  if (::ioctl(tun.get(), TUNSETIFF, &wish) != 0) {
    if (errno == EBUSY) return fail("it is there already", ErrorKind::conflict);
    return step_failed("make it", errno);
  }
  // One without an owner could be opened by everybody on this host.
  auto owner = request.owner;
  if (!owner && !request.group) owner = ::geteuid();
  if (owner && ::ioctl(tun.get(), TUNSETOWNER, static_cast<unsigned long>(*owner)) != 0) return step_failed("give it to its owner", errno);
  if (request.group && ::ioctl(tun.get(), TUNSETGROUP, static_cast<unsigned long>(*request.group)) != 0)
    return step_failed("give it to its group", errno);
  return tun;
}

Result<> make_here(const TapRequest& request) {
  TRY_ASSIGN(Netlink netlink, Netlink::open());
  TRY_ASSIGN(auto there, find_tap(netlink, request.name));
  if (there) return fail("it is there already", ErrorKind::conflict);
  std::optional<Link> bridge;
  if (!request.bridge.empty()) {
    TRY_ASSIGN(bridge, find_bridge(netlink, request.bridge, request.netns));
  }
  TRY_ASSIGN(UniqueFd tun, attach_new(request));
  TRY_ASSIGN(auto link, find_tap(netlink, request.name));
  if (!link) return fail("it has been removed or renamed by somebody else meanwhile", ErrorKind::conflict);

  LinkChange change{.alias = request.alias, .address = request.address};
  if (bridge) {
    // A bridge takes the smallest MTU and the smallest address of its ports for its own, unless told otherwise: leave it both.
    if (bridge->mtu != 0) change.mtu = std::min(bridge->mtu, mtu_most);
    if (!change.address) {
      change.address = link->address;
      (*change.address)[0] = 0xfe;
    }
  }
  if (auto done = netlink.change(link->index, change); !done) return step_failed("give it its alias, address and MTU", done.error());
  if (bridge) {
    if (auto done = netlink.change(link->index, {.master = bridge->index}); !done)
      return step_failed("put it on bridge " + request.bridge, done.error());
  }
  if (auto done = netlink.change(link->index, {.up = true}); !done) return step_failed("bring it up", done.error());
  if (::ioctl(tun.get(), TUNSETPERSIST, 1UL) != 0) return step_failed("make it persistent", errno);
  return {};
}

Result<> remove_here(const std::string& name, std::string_view alias) {
  TRY_ASSIGN(Netlink netlink, Netlink::open());
  TRY_ASSIGN(auto link, find_tap(netlink, name));
  // By another of its names it is somebody else's, as it is by another alias.
  if (!link || link->name != name || (!alias.empty() && link->alias != alias)) return {};
  if (auto removed = netlink.remove(link->index); !removed) return step_failed("remove it", removed.error());
  return {};
}

}  // namespace

std::string tap_alias(std::string_view root, std::string_view vm) {
  constexpr std::string_view mark = "vmline:";
  std::string place = fmt::format("{}/{}", root, vm);
  if (place.size() > alias_most - mark.size()) place.erase(0, place.size() - (alias_most - mark.size()));
  return std::string(mark) + place;
}

Result<> check_tap_name(std::string_view name) { return check_name("TAP", name); }

Result<bool> tap_exists(const std::string& name, const std::string& netns) {
  TRY(check_tap_name(name));
  Result<std::optional<Link>> found;
  TRY(in_netns(netns, [&] {
    auto netlink = Netlink::open();
    found = netlink ? find_tap(*netlink, name) : std::unexpected(netlink.error());
  }));
  if (!found) return std::unexpected(found.error());
  return found->has_value();
}

Result<> make_tap(const TapRequest& request) {
  TRY(check_tap_name(request.name));
  if (!request.bridge.empty()) TRY(check_name("bridge", request.bridge));
  const std::string what = "TAP " + request.name + place(request.netns);
  if (request.alias.size() > alias_most)
    return fail(fmt::format("{}: its alias has more than {} bytes", what, alias_most), ErrorKind::usage);
  Result<> made;
  TRY(in_netns(request.netns, [&] { made = make_here(request); }));
  if (!made) return std::unexpected(made.error().because(what));
  return {};
}

Result<> remove_tap(const std::string& name, const std::string& netns, std::string_view alias) {
  TRY(check_tap_name(name));
  Result<> removed;
  TRY(in_netns(netns, [&] { removed = remove_here(name, alias); }));
  if (!removed) return std::unexpected(removed.error().because("TAP " + name + place(netns)));
  return {};
}

Result<std::vector<Tap>> list_taps(const std::string& netns) {
  Result<std::vector<Link>> links;
  TRY(in_netns(netns, [&] {
    auto netlink = Netlink::open();
    links = netlink ? netlink->links() : std::unexpected(netlink.error());
  }));
  if (!links) return std::unexpected(links.error());
  std::vector<Tap> taps;
  for (const Link& link : *links) {
    if (is_tap(link)) taps.push_back({.name = link.name, .alias = link.alias, .opened = link.carrier});
  }
  return taps;
}

}  // namespace vmline::os
