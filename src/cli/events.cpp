// SPDX-License-Identifier: Apache-2.0
// `vmline events`: what happened to VMs, one line each, and what happens from now on.
#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/serialize.hpp>
#include <list>

#include "cli/commands.hpp"
#include "cli/event_stream.hpp"
#include "cli/fields.hpp"
#include "cli/output.hpp"

namespace vmline::cli {
namespace {

using namespace std::chrono_literals;

void print_event(const std::string& name, json::object event, Format format) {
  if (format == Format::json) {
    event["vm"] = name;
    return print_json(event);
  }
  std::string text = fmt::format("{} {} {}", text_field(event, "time"), name, text_field(event, "type"));
  for (const auto& field : event) {
    std::string_view key(field.key().data(), field.key().size());
    if (key != "time" && key != "type" && key != "sequence") text += fmt::format(" {}={}", key, json::serialize(field.value()));
  }
  print(text + "\n");
}

/// What is kept from `from` on; returns the number of the next one.
Result<std::uint64_t> print_past(const Context& context, const std::string& name, Format format) {
  std::uint64_t next = 1;
  while (true) {
    TRY_ASSIGN(json::value answer, context.finder.client(name).get(fmt::format("/v1/events?from={}", next), 30s));
    if (!answer.is_object()) return next;
    std::vector<json::object> events = objects_field(answer.get_object(), "events");
    next = number_field(answer.get_object(), "next");
    if (events.empty()) return next;
    for (json::object& event : events) print_event(name, std::move(event), format);
  }
}

asio::awaitable<Result<>> follow(EventStream& stream, const std::string& name, Format format) {
  while (true) {
    auto event = co_await stream.next();
    if (!event) co_return std::unexpected(event.error());
    if (!*event) co_return Result<>();
    print_event(name, **std::move(event), format);
  }
}

}  // namespace

Result<int> events(const Context& context, const EventsOptions& options) {
  std::vector<std::string> names{options.name};
  if (options.name.empty()) {
    TRY_ASSIGN(names, context.places.names());
  }
  asio::io_context loop(1);
  std::list<EventStream> streams;
  Result<> result;
  for (const std::string& name : names) {
    TRY_ASSIGN(FoundVm found, context.finder.find(name));
    if (!found.running()) {
      // Its keeper had its events; what is left is how it ended.
      print_event(name,
                  {{"time", text_field(found.vm, "since")},
                   {"type", "state"},
                   {"state", text_field(found.vm, "state")},
                   {"reason", text_field(found.vm, "reason")}},
                  options.format);
      continue;
    }
    TRY_ASSIGN(std::uint64_t next, print_past(context, name, options.format));
    if (!options.follow) continue;
    EventStream& stream = streams.emplace_back(loop, context.finder, name, next);
    asio::co_spawn(loop, follow(stream, name, options.format), [&result](std::exception_ptr, Result<> done) {
      if (!done) result = std::move(done);
    });
  }
  loop.run();
  TRY(result);
  return 0;
}

}  // namespace vmline::cli
