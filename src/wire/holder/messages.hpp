// SPDX-License-Identifier: Apache-2.0
// The messages between holder and keeper: one fixed layout over a SEQPACKET pair, at most one descriptor with each.
// docs/holder-protocol.md says who sends what when, and how each side fails. Libc alone.
#pragma once
#include <cstddef>
#include <cstdint>

namespace vmline::wire::holder {

/// A holder and a keeper understand each other when the major parts agree; a message type that one does not know is ignored.
inline constexpr std::uint16_t version_major = 1;
inline constexpr std::uint16_t version_minor = 0;

inline constexpr std::size_t name_size = 48;               ///< with its NUL
inline constexpr std::size_t held_max = 16384;             ///< descriptors held at a time; the holder's table is that long
inline constexpr std::size_t processes_max = 64;           ///< processes watched at a time
inline constexpr std::size_t pumps_max = 16;               ///< lines the holder can pump: limits::lines_per_vm
inline constexpr std::size_t start_record_max = 1u << 20;  ///< bytes of a start record
inline constexpr int keeper_socket = 3;  ///< the keeper's end of the pair, at its birth; the new holder's end with --succeed

// Names that mean something to the holder; every other name is the keeper's own affair.
inline constexpr char listener_prefix[] = "listen:";    ///< listen:LINE, Kind listener
inline constexpr char client_prefix[] = "client:";      ///< client:LINE:NUMBER, Kind client
inline constexpr char cursor_prefix[] = "cursor:";      ///< cursor:LINE:NUMBER: counted, so that every client still has room for its own
inline constexpr char fifo_prefix[] = "fifo:";          ///< fifo:LINE: a carried line's output; what the holder pumps from
inline constexpr char upstream_prefix[] = "upstream:";  ///< upstream:LINE: a dialled line's socket
inline constexpr char pipe_in_prefix[] = "pipe-in:";    ///< pipe-in:LINE: write end of the pipe between upstream and spool
inline constexpr char pipe_out_prefix[] = "pipe-out:";  ///< pipe-out:LINE: its read end
inline constexpr char spool_prefix[] = "spool:";        ///< spool:LINE
inline constexpr char note_prefix[] = "note:";          ///< note:LINE (line_note.hpp)
inline constexpr char report_name[] = "report";         ///< the descriptor of --report

/// What the holder does with a descriptor besides keeping it.
enum class Kind : std::uint32_t {
  plain = 0,
  listener = 1,  ///< accepts raw clients of a line on it: name is "listen:LINE"
  client = 2,    ///< a raw client's connection: name is "client:LINE:NUMBER"; refused ones are told a sentence
};

enum class Type : std::uint16_t {
  // keeper → holder
  hold = 1,          ///< keep this descriptor as `name`, of Kind `a` (one of that name already there is closed); answered by `done`
  drop = 2,          ///< close what is held as `name`; not answered; unknown names are ignored
  start = 3,         ///< start a process named `name` as the memfd with this message says (start_record.hpp); answered by `started`
  watch = 4,         ///< watch a process that is not this holder's child: `name`, pid `a`, its pidfd with this message; answered by `done`
  ping = 5,          ///< answered by `pong`
  pump = 6,          ///< line `name` may be pumped by the holder when no keeper is there: backlog `a` bytes, stall limit `b` ms; done
  release_pump = 7,  ///< stop pumping line `name` and let its lock go; answered by `done`
  settings = 8,      ///< kill a keeper that has not answered for `a` ms (0: never); at most `b` raw clients; answered by `done`
  refuse = 9,        ///< the keeper cannot serve client `name`: tell it a sentence and close it
  keeper = 10,   ///< (to a new holder, with --succeed) the keeper is pid `a`, its pidfd with this message; clients are numbered from `b`
  succeed = 11,  ///< (with --succeed) all has been handed over: take up work; `b` keepers came before this one; answered by `done`
  quit = 12,     ///< the VM has ended: close everything and exit 0
  forget = 13,   ///< stop watching the process named `name`; unknown names are ignored
  // holder → keeper
  held = 64,  ///< what is held, one message each, when a keeper starts: `name`, Kind `a`, the descriptor
  process =
      65,      ///< one message each, when a keeper starts: process `name`, pid `a`, pidfd; `b` is 1 when it has ended, and `ended` follows
  ready = 66,  ///< the list is complete; `a` is the pid of the holder, `b` how many keepers there have been before this one
  accepted = 67,  ///< a new raw client, held as `name` already: its connection
  done = 68,      ///< answer to request `id`; `a` is 0 or an errno
  started = 69,  ///< answer to start `id`: pid `a`, pidfd; or no descriptor, errno `b` and in `a` what failed (start_record.hpp: StartStep)
  ended = 70,    ///< process `name`, pid `a` has ended; `b` is its wait status, or -1 where the holder was not its parent
  pong = 71,     ///< answer to ping `id`
  are_you_there = 72,  ///< the holder asks; answered by `here`
  // keeper → holder
  here = 73,  ///< answer to are_you_there `id`
};

struct Message {
  std::uint16_t major = version_major;
  std::uint16_t minor = version_minor;
  Type type{};
  std::uint16_t reserved = 0;
  std::uint32_t id = 0;  ///< of the request; its answer carries the same
  std::uint32_t reserved2 = 0;
  std::int64_t a = 0;
  std::int64_t b = 0;
  char name[name_size] = {};  ///< NUL-terminated
};
static_assert(sizeof(Message) == 80);

}  // namespace vmline::wire::holder
