// SPDX-License-Identifier: Apache-2.0
// What is printed and how it looks; see output.hpp.
#include "cli/output.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cstdlib>

#include "os/files.hpp"
#include "wire/api/time.hpp"

namespace vmline::cli {
namespace {

std::string styled(std::string_view code, std::string_view text, Style style) {
  return style == Style::plain ? std::string(text) : fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

}  // namespace

Style style_of(int fd) {
  const char* term = std::getenv("TERM");
  const char* no_colour = std::getenv("NO_COLOR");
  bool plain = !::isatty(fd) || !term || std::string_view(term) == "dumb" || (no_colour && *no_colour);
  return plain ? Style::plain : Style::coloured;
}

std::string dim(std::string_view text, Style style) { return styled("2", text, style); }
std::string red(std::string_view text, Style style) { return styled("31", text, style); }

void print(std::string_view text) {
  // Whoever reads stdout may be gone or its disk full: there is nobody left to tell.
  (void)os::write_all(STDOUT_FILENO, text, "stdout");
}

void print_json(const boost::json::value& value) { print(boost::json::serialize(value) + "\n"); }

void complain(std::string_view sentence) {
  // Sentences quote what users and monitors gave: it is one line, and no terminal does what stands in it.
  std::string line = "vmline: ";
  for (char c : sentence) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f)
      line += fmt::format("\\x{:02x}", byte);
    else
      line += c;
  }
  (void)os::write_all(STDERR_FILENO, line + "\n", "stderr");
}

std::string age(std::string_view time) {
  auto then = api::parse_time(time);
  if (!then) return "";
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now() - *then).count();
  if (seconds < 120) return fmt::format("{}s", std::max<long>(seconds, 0));
  if (seconds < 120 * 60) return fmt::format("{}m", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{}h", seconds / 3600);
  return fmt::format("{}d", seconds / 86400);
}

std::string short_size(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> units = {"", "K", "M", "G", "T"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < units.size(); ++unit) value /= 1024;
  return unit == 0 ? fmt::format("{}", bytes) : fmt::format("{:.1f}{}", value, units[unit]);
}

}  // namespace vmline::cli
