// SPDX-License-Identifier: Apache-2.0
// For tests: the smallest kernel that shows a reboot. 32-bit code entered by a PVH note, as ELF64, which every monitor takes: says
// "hello\r\n" on COM1 at each boot, resets at an 'r', powers off at a 'q'.
#pragma once
#include <elf.h>

#include <array>
#include <cstring>
#include <string>
#include <string_view>

namespace vmline::vmm {

inline std::string tiny_guest() {
  constexpr std::array<unsigned char, 99> code = {
      0xbe, 0x5b, 0x00, 0x10, 0x00,                                // 00: mov $0x10005b, %esi      the text below
      0xac, 0x84, 0xc0, 0x74, 0x14,                                // 05: lods; test %al, %al; je 1e
      0x88, 0xc3,                                                  // 0a: mov %al, %bl
      0x66, 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x20,                    // 0c: in 0x3fd; test $0x20      waits for the transmitter
      0x74, 0xf7,                                                  // 13: je 0c
      0x66, 0xba, 0xf8, 0x03, 0x88, 0xd8, 0xee,                    // 15: out %bl, 0x3f8
      0xeb, 0xe7,                                                  // 1c: jmp 05
      0x66, 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01,                    // 1e: in 0x3fd; test $1         waits for a key
      0x74, 0xf7,                                                  // 25: je 1e
      0x66, 0xba, 0xf8, 0x03, 0xec,                                // 27: in 0x3f8
      0x3c, 'r',  0x75, 0x0d,                                      // 2c: 'r'?
      0xb0, 0xfe, 0xe6, 0x64,                                      // 30: out 0xfe, 0x64            resets by the keyboard controller
      0xc6, 0x05, 0x02, 0x02, 0xa0, 0xfe, 0x42,                    // 34: movb 0x42, 0xfea00202     reset of QEMU's microvm
      0xeb, 0xe1,                                                  // 3b: jmp 1e
      0x3c, 'q',  0x75, 0xdd,                                      // 3d: 'q'?
      0x66, 0xba, 0x00, 0x06, 0xb0, 0x34, 0xee,                    // 41: out 0x34, 0x600           power-off of Cloud Hypervisor
      0x66, 0xba, 0x04, 0x06, 0x66, 0xb8, 0x00, 0x20, 0x66, 0xef,  // 48: out 0x2000, 0x604: power-off of QEMU's q35
      0xc6, 0x05, 0x00, 0x02, 0xa0, 0xfe, 0x34,                    // 52: movb 0x34, 0xfea00200     power-off of QEMU's microvm
      0xeb, 0xc3,                                                  // 59: jmp 1e
      'h',  'e',  'l',  'l',  'o',  '\r', '\n', 0};
  constexpr std::uint32_t address = 0x100000;
  struct Note {
    std::uint32_t name_size = 4, size = 4, type = 18;  // XEN_ELFNOTE_PHYS32_ENTRY
    char name[4] = {'X', 'e', 'n', 0};
    std::uint32_t entry = address;
  } note;
  struct File {
    Elf64_Ehdr header{};
    Elf64_Phdr load{}, note{};
  } file;
  std::memcpy(file.header.e_ident, ELFMAG, SELFMAG);
  file.header.e_ident[EI_CLASS] = ELFCLASS64;
  file.header.e_ident[EI_DATA] = ELFDATA2LSB;
  file.header.e_ident[EI_VERSION] = EV_CURRENT;
  file.header.e_type = ET_EXEC;
  file.header.e_machine = EM_X86_64;
  file.header.e_version = EV_CURRENT;
  file.header.e_entry = address;
  file.header.e_phoff = sizeof(Elf64_Ehdr);
  file.header.e_ehsize = sizeof(Elf64_Ehdr);
  file.header.e_phentsize = sizeof(Elf64_Phdr);
  file.header.e_phnum = 2;
  constexpr std::size_t code_at = 4096;
  file.load = {.p_type = PT_LOAD,
               .p_flags = PF_R | PF_W | PF_X,
               .p_offset = code_at,
               .p_vaddr = address,
               .p_paddr = address,
               .p_filesz = code.size(),
               .p_memsz = code.size(),
               .p_align = 4096};
  file.note = {.p_type = PT_NOTE,
               .p_flags = PF_R,
               .p_offset = sizeof file,
               .p_vaddr = 0,
               .p_paddr = 0,
               .p_filesz = sizeof note,
               .p_memsz = sizeof note,
               .p_align = 4};
  std::string out(reinterpret_cast<const char*>(&file), sizeof file);
  out.append(reinterpret_cast<const char*>(&note), sizeof note);
  out.resize(code_at);
  return out.append(reinterpret_cast<const char*>(code.data()), code.size());
}

}  // namespace vmline::vmm
