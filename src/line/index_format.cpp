// SPDX-License-Identifier: Apache-2.0
// LINE.idx, in and out; see index_format.hpp. A record: crc32c (4) of what follows, its whole size (2), type (2), payload; little-endian.
#include "line/index_format.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string_view>

#include "base/check.hpp"
#include "base/limits.hpp"
#include "line/crc32c.hpp"

namespace vmline::line {

namespace {

constexpr std::string_view magic{"vmline index\n\0\0\0", 16};
constexpr std::uint16_t version_major = 1;
constexpr std::uint16_t version_minor = 0;
constexpr std::size_t record_header = 8;

enum Type : std::uint16_t { boot = 1, gap = 2, run = 3, end = 4, ceiling = 5 };

class Writer {
 public:
  explicit Writer(std::uint16_t type) {
    put<std::uint32_t>(0);
    put<std::uint16_t>(0);
    put<std::uint16_t>(type);
  }
  template <class T>
  void put(T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) bytes_.push_back(static_cast<char>(value >> (8 * i)));
  }
  void number(std::uint64_t value) { put(value); }
  void time(Time value) { put(static_cast<std::uint64_t>(value.time_since_epoch().count())); }
  void text(std::string_view value) {
    value = value.substr(0, limits::index_record - bytes_.size() - sizeof(std::uint16_t));
    put(static_cast<std::uint16_t>(value.size()));
    bytes_.append(value);
  }
  std::string done() {
    CHECK(bytes_.size() <= limits::index_record);
    std::uint64_t size = bytes_.size();
    for (std::size_t i = 0; i < 2; ++i) bytes_[4 + i] = static_cast<char>(size >> (8 * i));
    std::uint32_t crc = crc32c(std::as_bytes(std::span(bytes_)).subspan(4));
    for (std::size_t i = 0; i < 4; ++i) bytes_[i] = static_cast<char>(crc >> (8 * i));
    return std::move(bytes_);
  }

 private:
  std::string bytes_;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> data) : data_(data) {}
  template <class T>
  T get() {
    if (data_.size() < sizeof(T)) {
      sound_ = false;
      return {};
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) value |= std::uint64_t{static_cast<std::uint8_t>(data_[i])} << (8 * i);
    data_ = data_.subspan(sizeof(T));
    return static_cast<T>(value);
  }
  /// Offsets and positions are what the kernel can have as a file's size, so that sums of two do not overflow.
  std::uint64_t offset() {
    auto value = get<std::uint64_t>();
    if (value > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) sound_ = false;
    return value;
  }
  Time time() { return Time(std::chrono::nanoseconds(static_cast<std::int64_t>(get<std::uint64_t>()))); }
  std::string text() {
    auto size = get<std::uint16_t>();
    if (data_.size() < size) {
      sound_ = false;
      return {};
    }
    std::string value(reinterpret_cast<const char*>(data_.data()), size);
    data_ = data_.subspan(size);
    return value;
  }
  void expect(bool condition) { sound_ = sound_ && condition; }
  [[nodiscard]] bool sound() const { return sound_; }

 private:
  std::span<const std::byte> data_;
  bool sound_ = true;
};

std::optional<Record> decode(std::uint16_t type, std::span<const std::byte> payload) {
  Reader in(payload);
  Record record;
  switch (type) {
    case Type::boot: {
      Boot value;
      value.number = in.offset();
      value.offset = in.offset();
      value.offset_low = in.offset();
      value.time = in.time();
      value.cause = in.text();
      in.expect(value.offset_low <= value.offset);
      record = std::move(value);
      break;
    }
    case Type::gap: {
      Gap value;
      value.range.begin = in.offset();
      value.range.end = in.offset();
      value.time = in.time();
      value.cause = in.text();
      in.expect(value.range.begin <= value.range.end);
      record = std::move(value);
      break;
    }
    case Type::run: {
      Run value;
      value.position = in.offset();
      value.before = in.offset();
      value.offset = in.offset();
      value.inode = in.get<std::uint64_t>();
      value.time = in.time();
      in.expect(value.before <= value.position);
      record = value;
      break;
    }
    case Type::end: {
      End value;
      value.offset = in.offset();
      value.time = in.time();
      record = value;
      break;
    }
    case Type::ceiling: record = Ceiling{in.offset()}; break;
    default: return std::nullopt;
  }
  if (!in.sound()) return std::nullopt;
  return record;
}

struct Encoder {
  std::string operator()(const Boot& value) const {
    Writer out(Type::boot);
    out.number(value.number);
    out.number(value.offset);
    out.number(value.offset_low);
    out.time(value.time);
    out.text(value.cause);
    return out.done();
  }
  std::string operator()(const Gap& value) const {
    Writer out(Type::gap);
    out.number(value.range.begin);
    out.number(value.range.end);
    out.time(value.time);
    out.text(value.cause);
    return out.done();
  }
  std::string operator()(const Run& value) const {
    Writer out(Type::run);
    out.number(value.position);
    out.number(value.before);
    out.number(value.offset);
    out.number(value.inode);
    out.time(value.time);
    return out.done();
  }
  std::string operator()(const End& value) const {
    Writer out(Type::end);
    out.number(value.offset);
    out.time(value.time);
    return out.done();
  }
  std::string operator()(const Ceiling& value) const {
    Writer out(Type::ceiling);
    out.number(value.offset);
    return out.done();
  }
};

}  // namespace

std::string index_header() {
  std::string header(magic);
  auto put = [&](std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i) header.push_back(static_cast<char>(value >> (8 * i)));
  };
  put(version_major, 2);
  put(version_minor, 2);
  put(index_header_size, 4);
  put(0, 4);
  put(crc32c(std::as_bytes(std::span(header))), 4);
  CHECK(header.size() == index_header_size);
  return header;
}

Result<> check_index_header(std::span<const std::byte> data) {
  if (data.size() < index_header_size) return fail("too short for an index");
  data = data.first(index_header_size);
  std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
  if (!text.starts_with(magic)) return fail("no index of vmline");
  Reader in(data.subspan(magic.size()));
  auto major = in.get<std::uint16_t>();
  auto minor = in.get<std::uint16_t>();
  auto size = in.get<std::uint32_t>();
  in.get<std::uint32_t>();
  if (in.get<std::uint32_t>() != crc32c(data.first(index_header_size - 4))) return fail("an index with a damaged header");
  if (major != version_major || size != index_header_size) {
    return fail(fmt::format("an index of version {}.{}, which only another version of vmline reads", major, minor), ErrorKind::conflict);
  }
  return {};
}

std::string encode_record(const Record& record) { return std::visit(Encoder{}, record); }

Parsed parse_records(std::span<const std::byte> data, const std::function<void(Record)>& found) {
  Parsed parsed;
  while (true) {
    auto rest = data.subspan(parsed.valid);
    if (rest.size() < record_header) return parsed;
    Reader in(rest);
    auto crc = in.get<std::uint32_t>();
    auto size = in.get<std::uint16_t>();
    auto type = in.get<std::uint16_t>();
    if (size < record_header || size > limits::index_record) {
      parsed.damaged = true;
      return parsed;
    }
    if (rest.size() < size) return parsed;
    if (crc32c(rest.subspan(4, size - std::size_t{4})) != crc) {
      parsed.damaged = true;
      return parsed;
    }
    if (auto record = decode(type, rest.subspan(record_header, size - record_header))) found(std::move(*record));
    parsed.valid += size;
  }
}

}  // namespace vmline::line
