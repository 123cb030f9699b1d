// SPDX-License-Identifier: Apache-2.0
// Which control sequences a terminal answers by typing. From ECMA-48, DEC STD 070, xterm's ctlseqs, and the pages of kitty, iTerm2 and
// urxvt on theirs. Pure; query_filter.hpp cuts the stream into the sequences that are asked about here.
#pragma once
#include <string_view>

namespace vmline::line {

/// CSI: `parameters` are the bytes 0x20 to 0x3f before `final` (parameters, private prefix, intermediates).
[[nodiscard]] bool csi_is_query(std::string_view parameters, char final);

/// OSC: what stands between introducer and terminator.
[[nodiscard]] bool osc_is_query(std::string_view body);

/// OSC of a kind that can carry much (a title, a link, an image) and is no query however long it becomes.
[[nodiscard]] bool osc_may_be_long(std::string_view beginning);

/// DCS: `header` are the bytes 0x20 to 0x3f before `final`.
[[nodiscard]] bool dcs_is_query(std::string_view header, char final);

/// What a kitty graphics command (APC G) asks, by its keys ("a=q,i=31").
enum class GraphicsCommand { silent, answered, continued };  ///< continued: another piece of the image before it
[[nodiscard]] GraphicsCommand graphics_command(std::string_view keys);

}  // namespace vmline::line
