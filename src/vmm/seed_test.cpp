// SPDX-License-Identifier: Apache-2.0
// Claims about the seed: what stands where in the image.
#include "vmm/seed.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>

#include "os/files.hpp"

namespace vmline::vmm {
namespace {

std::uint32_t number(const std::string& image, std::size_t at) {
  std::uint32_t out = 0;
  for (int i = 3; i >= 0; --i) out = out << 8 | static_cast<unsigned char>(image.at(at + static_cast<std::size_t>(i)));
  return out;
}

/// The records of the root folder that the descriptor in that sector names: identifier to content.
std::vector<std::pair<std::string, std::string>> files_in(const std::string& image, std::size_t descriptor_sector) {
  std::vector<std::pair<std::string, std::string>> out;
  std::size_t folder = number(image, descriptor_sector * 2048 + 156 + 2) * std::size_t{2048};
  for (std::size_t at = folder; image.at(at) != 0; at += static_cast<unsigned char>(image.at(at))) {
    std::string id = image.substr(at + 33, static_cast<unsigned char>(image.at(at + 32)));
    if (id.size() > 1) out.emplace_back(id, image.substr(number(image, at + 2) * std::size_t{2048}, number(image, at + 10)));
  }
  return out;
}

std::string wide(std::string_view text) {
  std::string out;
  for (char c : text) out += {'\0', c};
  return out;
}

TEST(Seed, HoldsTheFilesInBothTrees) {
  std::string long_text(5000, 'u');
  std::string image = seed_image({long_text, "m", "n"}, "id", "web1");
  EXPECT_EQ(image.size() % 2048, 0u);
  EXPECT_EQ(image.substr(16 * 2048, 7), std::string("\x01"
                                                    "CD001\x01"));
  EXPECT_EQ(image.substr(16 * 2048 + 40, 32), "CIDATA" + std::string(26, ' '));
  EXPECT_EQ(number(image, 16 * 2048 + 80) * 2048u, image.size());
  EXPECT_EQ(image.substr(18 * 2048, 7), std::string("\xff"
                                                    "CD001\x01"));
  using Files = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(files_in(image, 16), (Files{{"META_DAT.;1", "m"}, {"NETWORK_.;1", "n"}, {"USER_DAT.;1", long_text}}));
  EXPECT_EQ(files_in(image, 17), (Files{{wide("meta-data"), "m"}, {wide("network-config"), "n"}, {wide("user-data"), long_text}}));
}

TEST(Seed, MakesMetaDataWhereNoneIsGiven) {
  auto files = files_in(seed_image({"#cloud-config\n", "", ""}, "8f14e45f-ea0a-4c5b-9d1e-000000000001", "007"), 17);
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].second, "instance-id: \"8f14e45f-ea0a-4c5b-9d1e-000000000001\"\nlocal-hostname: \"007\"\n");
  EXPECT_EQ(files[1].second, "#cloud-config\n");
  files = files_in(seed_image({}, "", "web1"), 17);
  EXPECT_EQ(files[0].second, "instance-id: \"web1\"\nlocal-hostname: \"web1\"\n");
  EXPECT_EQ(files[1].second, "");
}

TEST(Seed, IsTheSameForTheSameInputAndForItsOwnerAlone) {
  std::string pattern = std::filesystem::temp_directory_path() / "vmline-seed-XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  std::string path = pattern + "/seed.iso";
  for (const char* text : {"old, and longer than the new one", "new"}) ASSERT_TRUE(write_seed(path, {text, "", ""}, "id", "web1"));
  EXPECT_EQ(os::read_file(path, 1 << 20).value(), seed_image({"new", "", ""}, "id", "web1"));
  struct stat st{};
  ASSERT_EQ(::stat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0600u);
  std::filesystem::remove_all(pattern);
  auto refused = write_seed(path, {}, "id", "web1");
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().sentence().starts_with("seed: ")) << refused.error().sentence();
  EXPECT_NE(refused.error().sentence().find(pattern), std::string::npos);
}

}  // namespace
}  // namespace vmline::vmm
