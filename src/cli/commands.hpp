// SPDX-License-Identifier: Apache-2.0
// The commands, one function each, with the options that each takes. What they return is the exit code; an error becomes one by its kind.
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "cli/context.hpp"
#include "wire/api/spec.hpp"

namespace vmline::cli {

enum class Format { text, json };

/// What `run` and `keep` share once there is a spec.
struct LaunchOptions {
  bool foreground = false;
  Format format = Format::text;
};

struct VmOptions {
  std::string name;
  Format format = Format::text;
};
struct StopOptions : VmOptions {
  std::optional<std::chrono::milliseconds> timeout;
};
struct RemoveOptions : VmOptions {
  bool force = false;
};
struct ListOptions {
  bool names_only = false;
  Format format = Format::text;
};
struct AttachOptions {
  std::string line;  ///< NAME or NAME/LINE
  bool read_only = false;
  bool take = false;
  std::optional<std::string> from;
  std::optional<char> escape = '\x1d';
  std::chrono::milliseconds wait{1000};
};
struct SendOptions {
  std::string line;
  std::vector<std::string> words;
  bool enter = true;
  bool take = false;
  bool send_break = false;
  std::string sysrq;  ///< one key, typed right behind a break
  std::optional<std::chrono::milliseconds> timeout;
};
struct LogsOptions {
  std::string line;
  bool follow = false;
  std::optional<std::int64_t> boot;
  std::optional<std::string> from;
  bool raw = false;
};
struct WaitOptions {
  std::string line;
  std::string condition;  ///< running, ready, stopped, line:REGEX
  std::optional<std::string> from;
  std::optional<std::chrono::milliseconds> timeout;
  Format format = Format::text;
};
struct EventsOptions {
  std::string name;  ///< empty: every VM
  bool follow = false;
  Format format = Format::text;
};

Result<int> run(const Context& context, const api::Spec& spec, const LaunchOptions& options);
/// Prints what `run` would do, and does nothing of it.
Result<int> dry_run(const Context& context, const api::Spec& spec, Format format);
Result<int> start(const Context& context, const VmOptions& options, bool foreground);
Result<int> stop(const Context& context, const StopOptions& options);
Result<int> kill(const Context& context, const VmOptions& options);
Result<int> reboot(const Context& context, const StopOptions& options);
Result<int> reset(const Context& context, const VmOptions& options);
Result<int> pause(const Context& context, const VmOptions& options, bool pause);
Result<int> nmi(const Context& context, const VmOptions& options);
Result<int> remove(const Context& context, const RemoveOptions& options);
Result<int> list(const Context& context, const ListOptions& options);
Result<int> inspect(const Context& context, const VmOptions& options);
Result<int> doctor(const Context& context, Format format);
Result<int> attach(const Context& context, const AttachOptions& options);
Result<int> send(const Context& context, const SendOptions& options);
Result<int> logs(const Context& context, const LogsOptions& options);
Result<int> wait(const Context& context, const WaitOptions& options);
Result<int> events(const Context& context, const EventsOptions& options);

}  // namespace vmline::cli
