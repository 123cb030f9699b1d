// SPDX-License-Identifier: Apache-2.0
// Which control sequences a terminal answers by typing; see terminal_queries.hpp.
#include "line/terminal_queries.hpp"

#include <algorithm>
#include <array>

namespace vmline::line {
namespace {

/// Calls `each(field)` until it returns true; tells whether it did.
template <class Each>
bool any_field(std::string_view text, char separator, Each each) {
  while (true) {
    std::size_t end = text.find(separator);
    if (each(text.substr(0, end))) return true;
    if (end == std::string_view::npos) return false;
    text.remove_prefix(end + 1);
  }
}

/// The digits that a parameter list begins with, as a terminal reads them: leading zeros do not count.
std::string_view first_number(std::string_view parameters) {
  std::size_t end = std::min(parameters.find_first_not_of("0123456789"), parameters.size());
  std::string_view digits = parameters.substr(0, end);
  while (digits.size() > 1 && digits.starts_with('0')) digits.remove_prefix(1);
  return digits;
}

template <std::size_t N>
bool is_one_of(std::string_view text, const std::array<std::string_view, N>& choices) {
  return std::ranges::find(choices, text) != choices.end();
}

/// XTWINOPS that report: state, position, size in pixels and characters, screen, cell, icon label, title.
constexpr std::array<std::string_view, 8> window_reports = {"11", "13", "14", "15", "16", "18", "19", "20"};

/// OSC in which a '?' is text: titles, folder, link, notifications, shell marks.
constexpr std::array<std::string_view, 11> osc_of_text = {"0", "1", "2", "7", "8", "9", "133", "633", "777", "l", "L"};

constexpr std::array<std::string_view, 4> iterm_questions = {"ReportCellSize", "ReportVariable", "RequestUpload", "Capabilities"};

std::string_view osc_command(std::string_view body) {
  std::string_view command = body.substr(0, body.find(';'));
  std::string_view number = first_number(command);
  return number.empty() ? command : number;
}

}  // namespace

bool csi_is_query(std::string_view parameters, char final) {
  char prefix = !parameters.empty() && parameters.front() >= '<' ? parameters.front() : '\0';
  std::size_t last_parameter = parameters.find_last_not_of(" !\"#$%&'()*+,-./");
  std::string_view intermediates = parameters.substr(last_parameter == std::string_view::npos ? 0 : last_parameter + 1);
  if (intermediates.empty()) {
    switch (final) {
      case 'c': return prefix != '?';                    // DA1, DA2, DA3; with ? it is the Linux console's cursor shape
      case 'n': return prefix == '\0' || prefix == '?';  // DSR, CPR, DECXCPR, colour scheme; with > it is a setting of xterm
      case 'x': return prefix == '\0';                   // DECREQTPARM
      case 'q': return prefix == '>';                    // XTVERSION
      case 'u': return prefix == '?';                    // kitty: keyboard flags
      case 'm':                                          // XTQMODKEYS
      case 'g':                                          // XTQFMTKEYS
      case 'S': return prefix == '?';                    // XTSMGRAPHICS: sixel geometry and colours
      case 't': {
        std::string_view number = first_number(parameters);
        return prefix == '\0' && (is_one_of(number, window_reports) || number == "21");
      }
      default: return false;
    }
  }
  if (intermediates == "$") return final == 'p' || final == 'w' || final == 'u';  // DECRQM, DECRQPSR, DECRQTSR
  if (intermediates == "*") return final == 'y';                                  // DECRQCRA
  if (intermediates == "'") return final == '|';                                  // DECRQLP
  if (intermediates == "&") return final == 'u';                                  // DECRQUPSS
  if (intermediates == "\"") return final == 'v';                                 // DECRQDE
  if (intermediates == "+") return final == 'x';                                  // DECRQPKFM
  if (intermediates == ",") return final == 'u';                                  // DECRQKT
  if (intermediates == "#") return final == 'S' || final == 'R' || final == '|';  // XTTITLEPOS, XTREPORTCOLORS, XTREPORTSGR
  return false;
}

bool osc_is_query(std::string_view body) {
  std::string_view command = osc_command(body);
  // xterm: allowed and forbidden features. kitty: clipboard with types, whose "type=read" may be in base64'd keys.
  if (command == "60" || command == "61" || command == "5522") return true;
  std::size_t rest = body.find(';');
  if (rest == std::string_view::npos) return false;
  std::string_view fields = body.substr(rest + 1);
  if (command == "1337") {
    return std::ranges::any_of(iterm_questions, [&](std::string_view question) { return fields.starts_with(question); });
  }
  bool text = is_one_of(command, osc_of_text);
  return any_field(fields, ';', [&](std::string_view field) {
    if (text) return field == "?";
    return field.starts_with('?') || field.find("=?") != std::string_view::npos;
  });
}

bool osc_may_be_long(std::string_view beginning) {
  std::string_view command = osc_command(beginning);
  if (command == "1337") return !osc_is_query(beginning);
  return is_one_of(command, osc_of_text);
}

bool dcs_is_query(std::string_view header, char final) {
  std::size_t last_parameter = header.find_last_not_of(" !\"#$%&'()*+,-./");
  std::string_view intermediates = header.substr(last_parameter == std::string_view::npos ? 0 : last_parameter + 1);
  if (intermediates == "$") return final == 'q';                  // DECRQSS
  if (intermediates == "+") return final == 'q' || final == 'Q';  // XTGETTCAP, XTGETXRES
  // ReGIS can ask within its drawing; "tmux;" wraps a sequence of any kind for the terminal around tmux.
  return intermediates.empty() && (final == 'p' || final == 't');
}

GraphicsCommand graphics_command(std::string_view keys) {
  bool asks = false;
  bool identified = false;
  bool quiet = false;
  bool only_more = true;
  any_field(keys, ',', [&](std::string_view key) {
    if (key == "a=q") asks = true;
    if (key.starts_with("i=") || key.starts_with("I=")) identified = true;
    if (key == "q=2") quiet = true;
    if (!key.starts_with("m=") && !key.starts_with("q=")) only_more = false;
    return false;
  });
  if (quiet) return only_more ? GraphicsCommand::continued : GraphicsCommand::silent;
  if (only_more) return GraphicsCommand::continued;
  return asks || identified ? GraphicsCommand::answered : GraphicsCommand::silent;
}

}  // namespace vmline::line
