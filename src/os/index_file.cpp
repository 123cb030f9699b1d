// SPDX-License-Identifier: Apache-2.0
// LINE.idx as a file; see index_file.hpp.
#include "os/index_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "os/files.hpp"
#include "os/log_file.hpp"

namespace vmline::os {

namespace {

Result<std::uint64_t> size_of(int fd, const std::string& path) {
  struct stat st{};
  if (::fstat(fd, &st) != 0) return fail_errno("look at index " + path);
  if (!S_ISREG(st.st_mode)) return fail("index " + path + " is no plain file");
  return static_cast<std::uint64_t>(st.st_size);
}

/// How many bytes from the start are sound; 0 where not even the header is complete (it is about to be written, or was cut short).
Result<std::uint64_t> scan(int fd, const std::string& path, const IndexFile::Found& found) {
  std::vector<std::byte> buffer(64 * limits::index_record);
  TRY_ASSIGN(std::size_t n, read_at(fd, buffer, 0, "index " + path));
  std::string header = line::index_header();
  if (n < header.size() && header.starts_with(std::string_view(reinterpret_cast<const char*>(buffer.data()), n))) return 0;
  if (auto sound = line::check_index_header(std::span(buffer).first(n)); !sound) return std::unexpected(sound.error().because(path));
  std::uint64_t valid = line::index_header_size;
  while (true) {
    TRY_ASSIGN(n, read_at(fd, buffer, valid, "index " + path));
    auto parsed = line::parse_records(std::span(buffer).first(n), found);
    valid += parsed.valid;
    if (parsed.damaged || parsed.valid == 0) return valid;
  }
}

}  // namespace

Result<IndexFile> IndexFile::open(std::string path, const Found& found) {
  for (bool moved = false;; moved = true) {
    TRY_ASSIGN(UniqueFd file, open_file("index", path, O_RDWR | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY));
    IndexFile index(std::move(file), path);
    TRY_ASSIGN(index.size_, size_of(index.file_.get(), path));
    auto valid = scan(index.file_.get(), path, found);
    if (!valid) {
      if (moved || valid.error().number() != 0 || valid.error().kind() == ErrorKind::conflict) return std::unexpected(valid.error());
      std::string aside = path + ".bad";
      if (::rename(path.c_str(), aside.c_str()) != 0) return fail_errno("move " + path + " to " + aside);
      continue;
    }
    // A record that a crash tore. (What follows damage cannot be trusted to say where it stands.)
    if (*valid < index.size_ && ::ftruncate(index.file_.get(), static_cast<off_t>(*valid)) != 0) return fail_errno("cut index " + path);
    index.size_ = *valid;
    if (*valid == 0) index.waiting_ = line::index_header();
    TRY(index.flush([] { return std::vector<line::Record>{}; }));
    return index;
  }
}

Result<> IndexFile::read(const std::string& path, const Found& found) {
  TRY_ASSIGN(UniqueFd file, open_file("index", path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  TRY(size_of(file.get(), path));
  TRY(scan(file.get(), path, found));
  return {};
}

bool IndexFile::crowded() const { return waiting_.size() > limits::index_pending; }

Result<> IndexFile::flush(const All& all) {
  if (waiting_.empty()) return {};
  struct stat st{};
  if (::fstat(file_.get(), &st) != 0) return fail_errno("look at index " + path_);
  if (st.st_nlink == 0 || static_cast<std::uint64_t>(st.st_size) != size_) TRY(begin_anew(all));
  while (!waiting_.empty()) {
    ssize_t n = ::write(file_.get(), waiting_.data(), waiting_.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("write index " + path_);
    size_ += static_cast<std::uint64_t>(n);
    waiting_.erase(0, static_cast<std::size_t>(n));
  }
  return {};
}

Result<> IndexFile::begin_anew(const All& all) {
  TRY_ASSIGN(file_, open_file("index", path_, O_RDWR | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY));
  TRY(size_of(file_.get(), path_));
  if (::ftruncate(file_.get(), 0) != 0) return fail_errno("cut index " + path_);
  size_ = 0;
  folder_synced_ = false;
  waiting_ = line::index_header();
  for (const auto& record : all()) waiting_ += line::encode_record(record);
  return {};
}

Result<> IndexFile::sync() {
  if (::fdatasync(file_.get()) != 0) return fail_errno("sync index " + path_);
  if (folder_synced_) return {};
  std::string folder = std::filesystem::path(path_).parent_path().string();
  TRY_ASSIGN(UniqueFd directory, open_file("folder", folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY));
  if (::fsync(directory.get()) != 0) return fail_errno("sync folder " + folder);
  folder_synced_ = true;
  return {};
}

}  // namespace vmline::os
