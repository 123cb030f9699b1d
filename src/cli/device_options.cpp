// SPDX-License-Identifier: Apache-2.0
// Devices as the command line gives them; see device_options.hpp.
#include "cli/device_options.hpp"

#include <fmt/format.h>

#include <string>
#include <vector>

namespace vmline::cli {
namespace {

/// What stands between single commas.
std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != ',')
      parts.back() += text[i];
    else if (text.substr(i).starts_with(",,"))
      parts.back() += text[i++];
    else
      parts.emplace_back();
  }
  return parts;
}

}  // namespace

Result<api::Disk> parse_disk(std::string_view option, std::string_view text) {
  std::vector<std::string> parts = split(text);
  api::Disk disk;
  disk.path = parts.front();
  if (disk.path.empty()) return fail(fmt::format("{}: '{}' has no path", option, text), ErrorKind::usage);
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (parts[i] == "readonly")
      disk.readonly = true;
    else if (parts[i].starts_with("format="))
      disk.format = parts[i].substr(7);
    else
      return fail(fmt::format("{}: '{}' is neither format=FORMAT nor readonly; a comma in a path is written twice", option, parts[i]),
                  ErrorKind::usage);
  }
  return disk;
}

Result<api::Network> parse_network(std::string_view text) {
  api::Network network;
  if (text == "auto") return network;
  for (const std::string& part : split(text)) {
    if (part.empty()) continue;
    std::size_t equals = part.find('=');
    std::string key = part.substr(0, equals);
    std::string value = equals == std::string::npos ? "" : part.substr(equals + 1);
    if (key == "tap" && equals != std::string::npos)
      network.tap = value;
    else if (key == "mac" && equals != std::string::npos)
      network.mac = value;
    else if (key == "bridge" && equals != std::string::npos)
      network.bridge = value;
    else if (part == "ours=yes" || part == "ours=no")
      network.ours = value == "yes";
    else
      return fail(fmt::format("--net: '{}' is none of auto, tap=NAME, mac=MAC, bridge=BRIDGE, ours=yes, ours=no", part), ErrorKind::usage);
  }
  return network;
}

Result<api::Share> parse_share(std::string_view text) {
  std::vector<std::string> parts = split(text);
  std::size_t equals = parts.front().find('=');
  if (equals == std::string::npos || equals + 1 == parts.front().size())
    return fail(fmt::format("--share: '{}' is not TAG=PATH[,readonly]", text), ErrorKind::usage);
  api::Share share{.tag = parts.front().substr(0, equals), .path = parts.front().substr(equals + 1)};
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (parts[i] != "readonly")
      return fail(fmt::format("--share: '{}' is not readonly; a comma in a path is written twice", parts[i]), ErrorKind::usage);
    share.readonly = true;
  }
  return share;
}

Result<api::MatchRule> parse_match(std::string_view text) {
  std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals + 1 == text.size())
    return fail(fmt::format("--match: '{}' is not NAME=REGEX", text), ErrorKind::usage);
  api::MatchRule rule;
  rule.name = text.substr(0, equals);
  rule.regex = text.substr(equals + 1);
  return rule;
}

}  // namespace vmline::cli
