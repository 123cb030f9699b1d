// SPDX-License-Identifier: Apache-2.0
// Everything that a guest, a client or a file can make grow has its limit here, with its reason. Libc alone.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace vmline::limits {

inline constexpr std::size_t socket_path = 107;              ///< sun_path less its NUL: what connect and bind take, in bytes
inline constexpr std::size_t vm_name = 64;                   ///< bytes; leaves room for RUN and a socket's name in 107
inline constexpr std::size_t line_name = 16;                 ///< bytes; a held descriptor's name carries it
inline constexpr std::size_t lines_per_vm = 16;              ///< serial, console and debug devices: no monitor has more
inline constexpr std::uint64_t spool_min = 256u << 10;       ///< bytes; below it a replay is less than a screenful of boot
inline constexpr std::uint64_t spool_max = 1u << 30;         ///< bytes; it is memory of the host
inline constexpr std::uint64_t spool_default = 1u << 20;     ///< bytes
inline constexpr std::uint64_t backlog_default = 32u << 20;  ///< bytes the spool may grow by while the journal lags
inline constexpr std::size_t raw_clients = 4096;             ///< per VM; each costs two descriptors in holder and keeper
inline constexpr std::size_t api_clients = 1024;             ///< per VM; each costs some 10 kB of buffers in the keeper
inline constexpr std::size_t history_window = 256u << 10;    ///< bytes paged back into the spool at a time
inline constexpr std::size_t history_windows = 64;           ///< at a time in all: 16 MiB
inline constexpr std::size_t index_record = 4096;            ///< bytes of one record of a line's index; a torn one is at most that long
inline constexpr std::size_t index_pending = 1u << 20;       ///< bytes of records that wait for room on the disk
inline constexpr std::size_t journal_boots = 65536;          ///< newest boots known by number; a guest can reboot 50 times a second
inline constexpr std::size_t journal_pieces = 65536;         ///< stretches of a log told apart; older ones become one gap
inline constexpr std::size_t journal_write = 256u
                                             << 10;  ///< bytes per write to the log: large enough for the disk, small for readers who wait
inline constexpr std::uint64_t journal_reserve = 64u << 20;  ///< offsets reserved ahead at a time: one fdatasync for each so many bytes
inline constexpr std::size_t input_queue = 64u << 10;        ///< bytes typed and not yet taken by the monitor, per line
inline constexpr std::size_t http_body = 1u << 20;           ///< bytes of a request's body
inline constexpr std::size_t http_header = 16u << 10;        ///< bytes of a request's header
inline constexpr std::size_t api_answer = 64u << 20;         ///< bytes of a keeper's answer: the boots of a VM that never stood still
inline constexpr std::size_t start_report_line = 64u << 10;  ///< bytes of one line that a starting keeper reports
inline constexpr std::size_t websocket_message = 64u << 10;  ///< bytes of one message from a client
inline constexpr std::size_t spec_file = 1u << 20;           ///< bytes of a spec's JSON
inline constexpr std::size_t path = 4095;                    ///< bytes: PATH_MAX less its NUL
inline constexpr std::size_t argument = 65535;               ///< bytes of one argument or a kernel's command line; the kernel takes 131071
inline constexpr std::size_t monitor_args = 256;             ///< arguments handed on to a monitor
inline constexpr std::size_t command_args = 1024;            ///< arguments of an exec driver's command
inline constexpr std::size_t disks_per_vm = 64;              ///< PCI slots run out before
inline constexpr std::size_t networks_per_vm = 16;           ///< with disks and shares they have the slots of one PCI bus
inline constexpr std::size_t shares_per_vm = 16;             ///< each has a process of its own
inline constexpr std::size_t share_tag = 36;                 ///< bytes; what virtio-fs has room for
inline constexpr std::size_t interface_name = 15;            ///< bytes; IFNAMSIZ less its NUL
inline constexpr std::size_t cloud_init_text = 256u << 10;   ///< bytes of each of the seed's texts; a spec's JSON has room for them
inline constexpr std::size_t monitor_config = 64u << 10;     ///< bytes of JSON handed on to a monitor
inline constexpr std::size_t matches_per_vm = 32;            ///< rules tried on every line of text that a guest says
inline constexpr std::size_t match_name = 32;                ///< bytes; it stands in events
inline constexpr std::size_t match_text = 256;               ///< bytes of a rule's text or expression, and of the ready marker
inline constexpr std::size_t host_file = 1u << 20;           ///< bytes of the host's defaults and limits
inline constexpr std::uint32_t cpus_max = 1024;              ///< what the monitors take
inline constexpr std::uint64_t memory_min = 1u << 20;        ///< bytes; a bare-metal guest runs in that
inline constexpr std::uint64_t memory_max = std::uint64_t{1} << 44;       ///< bytes; 16 TiB, far from any overflow
inline constexpr std::uint64_t backlog_max = std::uint64_t{16} << 30;     ///< bytes; it is memory of the host
inline constexpr std::chrono::milliseconds duration_max{7 * 86'400'000};  ///< a week: a longer wait is a mistake
inline constexpr std::size_t events_kept = 4096;                          ///< events that can be asked for again
inline constexpr std::size_t events_bytes = 512u << 10;    ///< bytes of them in memory; their file may be twice that before it is rewritten
inline constexpr std::size_t event_bytes = 16u << 10;      ///< bytes of one event's JSON; what is beyond goes without its details
inline constexpr std::size_t target_parts = 16;            ///< parts of a request's path, and parameters of its query
inline constexpr std::size_t api_refusals = 32;            ///< connections beyond api_clients that are told so; the rest is closed at once
inline constexpr std::size_t api_bodies = 16u << 20;       ///< bytes of all requests' bodies at a time: not 1 MiB for each of 1,024 clients
inline constexpr std::size_t api_commands = 64;            ///< commands (stop, …) under way at a time: they outlive the client that asked
inline constexpr std::size_t our_log = 1u << 20;           ///< bytes of vmline.log before it becomes vmline.log.1
inline constexpr std::size_t our_log_message = 2048;       ///< bytes of one message; what is beyond is cut off
inline constexpr std::size_t our_log_waiting = 64u << 10;  ///< bytes of lines that wait for a disk
inline constexpr std::size_t monitor_answer = 4u << 20;    ///< bytes of one answer or event of a monitor
inline constexpr std::size_t monitor_event = 64u << 10;    ///< bytes of one event of Cloud Hypervisor's; they have some 200
inline constexpr std::size_t monitor_words = 1000;         ///< bytes of a monitor's own words that go into an error or event of ours
inline constexpr std::chrono::milliseconds monitor_answer_time{5000};  ///< for a monitor to answer a request; a reboot can delay it
inline constexpr std::chrono::milliseconds monitor_start_time{60000};  ///< to create and to boot: large memories are filled then
inline constexpr std::size_t program_answer = 4096;                    ///< bytes of what a program says to --version
inline constexpr std::chrono::milliseconds program_answer_time{2000};  ///< for it to say that; they take 2 to 20 ms
inline constexpr std::size_t monitor_log = 4u << 20;                   ///< bytes of monitor.log before it becomes monitor.log.1

}  // namespace vmline::limits
