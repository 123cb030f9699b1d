// SPDX-License-Identifier: Apache-2.0
// See seed.hpp. ISO 9660 with Rock Ridge, and the same files again as Joliet: "user-data" is no name of plain ISO 9660, and Linux reads the
// one, Windows the other. One folder of one sector, three files; by ECMA-119, RRIP 1.09 and the Joliet specification.
#include "vmm/seed.hpp"

#include <boost/json.hpp>
#include <cstdint>
#include <string_view>
#include <vector>

#include "os/files.hpp"

namespace vmline::vmm {
namespace {

constexpr std::size_t sector = 2048;
// Sectors, in their order; the files' contents follow.
enum Place : std::uint32_t {
  primary = 16,
  joliet,
  terminator,
  primary_path_l,
  primary_path_m,
  joliet_path_l,
  joliet_path_m,
  primary_root,
  joliet_root,
  contents
};

struct File {
  std::string_view name, iso_name;
  std::string content;
  std::uint32_t at = 0;  ///< sector
};

std::string little(std::uint32_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}
std::string big(std::uint32_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i));
  return out;
}
std::string both(std::uint32_t value, int bytes) { return little(value, bytes) + big(value, bytes); }

/// ASCII as UCS-2, big-endian.
std::string wide(std::string_view text) {
  std::string out;
  for (char c : text) out += {'\0', c};
  return out;
}
std::string padded(std::string text, std::size_t size, const std::string& with) {
  while (text.size() < size) text += with;
  text.resize(size);
  return text;
}

std::uint32_t sectors(std::size_t size) { return static_cast<std::uint32_t>((size + sector - 1) / sector); }

std::string record(std::string_view id, std::uint32_t at, std::size_t size, bool folder, std::string_view rock_ridge) {
  std::string out(1, '\0');  // no extended attributes
  out += both(at, 4) + both(static_cast<std::uint32_t>(size), 4);
  out += std::string{80, 1, 1, 0, 0, 0, 0};   // 1980-01-01
  out += {folder ? '\2' : '\0', '\0', '\0'};  // flags, not interleaved
  out += both(1, 2);                          // of the first volume
  out += static_cast<char>(id.size());
  out += id;
  if (id.size() % 2 == 0) out += '\0';
  out += rock_ridge;
  if (out.size() % 2 == 0) out += '\0';  // with the length byte, an even number
  return static_cast<char>(out.size() + 1) + out;
}

std::string rock_ridge_mode(std::uint32_t mode, std::uint32_t links) {
  return std::string("PX\x24\x01", 4) + both(mode, 4) + both(links, 4) + both(0, 4) + both(0, 4);
}
std::string rock_ridge_name(std::string_view name) {
  return std::string("NM") + static_cast<char>(name.size() + 5) + std::string("\x01\x00", 2) + std::string(name);
}
/// On the root itself: Rock Ridge is there, from each record's end on.
std::string rock_ridge_mark() {
  const std::string_view id = "RRIP_1991A";
  return std::string("SP\x07\x01\xbe\xef\x00", 7) + "ER" + static_cast<char>(id.size() + 8) + '\x01' + static_cast<char>(id.size()) +
         std::string("\x00\x00\x01", 3) + std::string(id);
}

const std::string self(1, '\0'), parent(1, '\1');

std::string primary_folder(const std::vector<File>& files) {
  const std::string mode = rock_ridge_mode(040555, 2);
  std::string out = record(self, primary_root, sector, true, rock_ridge_mark() + mode) + record(parent, primary_root, sector, true, mode);
  for (const File& file : files) {
    out += record(file.iso_name, file.at, file.content.size(), false, rock_ridge_mode(0100444, 1) + rock_ridge_name(file.name));
  }
  return out;
}

std::string joliet_folder(const std::vector<File>& files) {
  std::string out = record(self, joliet_root, sector, true, "") + record(parent, joliet_root, sector, true, "");
  for (const File& file : files) out += record(wide(file.name), file.at, file.content.size(), false, "");
  return out;
}

/// Of the root alone, whose parent is itself, the first; in the byte order of `number`.
std::string path_table(std::uint32_t root, std::string (*number)(std::uint32_t, int)) {
  return std::string("\x01\x00", 2) + number(root, 4) + number(1, 2) + std::string(2, '\0');
}

std::string descriptor(Place place, std::uint32_t volume_sectors) {
  const bool is_joliet = place == joliet;
  const std::string space = is_joliet ? std::string("\0 ", 2) : " ";
  auto text = [&](std::string_view words, std::size_t size) { return padded(is_joliet ? wide(words) : std::string(words), size, space); };
  const std::string no_date = std::string(16, '0') + '\0';
  std::string out = std::string(1, is_joliet ? '\2' : '\1') + "CD001" + std::string("\x01\x00", 2);
  out += text("", 32) + text("CIDATA", 32) + std::string(8, '\0') + both(volume_sectors, 4);
  out += padded(is_joliet ? "%/E" : "", 32, std::string(1, '\0'));  // UCS-2, level 3
  out += both(1, 2) + both(1, 2) + both(sector, 2) + both(10, 4);   // one volume; the path table's 10 bytes
  out +=
      little(is_joliet ? joliet_path_l : primary_path_l, 4) + little(0, 4) + big(is_joliet ? joliet_path_m : primary_path_m, 4) + big(0, 4);
  out += record(self, is_joliet ? joliet_root : primary_root, sector, true, "");
  out += text("", 128) + text("", 128) + text("", 128) + text("VMLINE", 128) + text("", 37) + text("", 37) + text("", 37);
  out += no_date + no_date + no_date + no_date + '\1';
  return out;
}

std::string default_meta_data(const std::string& machine_id, const std::string& name) {
  // As YAML reads JSON's strings: a VM named "yes" or "007" stays what it is.
  return "instance-id: " + boost::json::serialize(boost::json::string(machine_id.empty() ? name : machine_id)) +
         "\nlocal-hostname: " + boost::json::serialize(boost::json::string(name)) + "\n";
}

}  // namespace

std::string seed_image(const api::CloudInit& texts, const std::string& machine_id, const std::string& name) {
  std::vector<File> files;  // in the order of both kinds of names
  files.push_back({"meta-data", "META_DAT.;1", texts.meta_data.empty() ? default_meta_data(machine_id, name) : texts.meta_data});
  if (!texts.network_config.empty()) files.push_back({"network-config", "NETWORK_.;1", texts.network_config});
  files.push_back({"user-data", "USER_DAT.;1", texts.user_data});
  std::uint32_t end = contents;
  for (File& file : files) {
    file.at = end;
    end += sectors(file.content.size());
  }
  std::string image(std::size_t{end} * sector, '\0');
  auto put = [&image](std::uint32_t at, const std::string& bytes) { image.replace(std::size_t{at} * sector, bytes.size(), bytes); };
  put(primary, descriptor(primary, end));
  put(joliet, descriptor(joliet, end));
  put(terminator,
      "\xff"
      "CD001\x01");
  put(primary_path_l, path_table(primary_root, little));
  put(primary_path_m, path_table(primary_root, big));
  put(joliet_path_l, path_table(joliet_root, little));
  put(joliet_path_m, path_table(joliet_root, big));
  put(primary_root, primary_folder(files));
  put(joliet_root, joliet_folder(files));
  for (const File& file : files) put(file.at, file.content);
  return image;
}

Result<> write_seed(const std::string& path, const api::CloudInit& texts, const std::string& machine_id, const std::string& name) {
  auto written = os::write_file(path, seed_image(texts, machine_id, name));
  if (!written) return std::unexpected(written.error().because("seed"));
  return {};
}

}  // namespace vmline::vmm
