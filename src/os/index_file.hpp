// SPDX-License-Identifier: Apache-2.0
// LINE.idx as a file: read whole at the start, its torn tail cut off, then appended to. Records wait in memory while the disk is full.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "line/index_format.hpp"

namespace vmline::os {

class IndexFile {
 public:
  using Found = std::function<void(line::Record)>;

  /// Makes it where it is missing. What is there and no index is moved to PATH.bad; one of another major version is an error.
  static Result<IndexFile> open(std::string path, const Found& found);
  /// Reads only: an absent one is an error with number() ENOENT.
  static Result<> read(const std::string& path, const Found& found);

  /// To be written by the next flush.
  void add(const line::Record& record) { waiting_ += line::encode_record(record); }
  /// So many records wait already that no more should be added.
  [[nodiscard]] bool crowded() const;
  /// Writes what waits. Where somebody truncated or deleted the index, it is written anew from what `all` returns, which is to say what
  /// waits too.
  using All = std::function<std::vector<line::Record>()>;
  Result<> flush(const All& all);
  /// fdatasync; the first time the folder too, so that a new index is found after a power loss.
  Result<> sync();

 private:
  IndexFile(UniqueFd file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}
  Result<> begin_anew(const All& all);

  UniqueFd file_;
  std::string path_;
  std::string waiting_;
  std::uint64_t size_ = 0;
  bool folder_synced_ = false;
};

}  // namespace vmline::os
