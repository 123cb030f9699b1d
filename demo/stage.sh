# SPDX-License-Identifier: Apache-2.0
# The demo's stage, read by demo.sh: a folder of its own, how it speaks, how it checks what it says, and how it leaves nothing behind.

VM=web1
FOLDER=            # all of the demo's files, VMLINE_ROOT too
MEMORY=            # the folder on tmpfs that vmline made for it
CLIENTS=()         # processes that this script started
SHOWN=0            # how many bytes of the recording have been shown
BOLD='' DIM='' GREEN='' RED='' PLAIN=''
PAUSE=0

if [ -t 1 ]; then
  PAUSE=1  # seconds, for somebody who reads along
  if [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    BOLD=$'\e[1m' DIM=$'\e[2m' GREEN=$'\e[32m' RED=$'\e[31m' PLAIN=$'\e[0m'
  fi
fi

title() { sleep "$PAUSE"; printf '\n%s%s%s\n' "$BOLD" "$1" "$PLAIN"; }
say() { printf '  %s\n' "$@"; }
space() { printf '\n'; }
command_line() { printf '\n  %s$ %s%s\n' "$BOLD" "$1" "$PLAIN"; }

die() {
  printf '  %s✗ %s%s\n' "$RED" "$1" "$PLAIN"
  if [ -n "$FOLDER" ]; then
    for log in "$FOLDER/root/vms/$VM"/{vmline,monitor}.log "$FOLDER/client.err"; do
      [ -s "$log" ] && printf '    the end of %s:\n' "$log" && tail -n 15 "$log" | sed 's/^/    | /'
    done
  fi
  exit 1
}

# claim SENTENCE COMMAND…: says what COMMAND has shown to be so, or ends the demo.
claim() {
  local sentence=$1
  shift
  "$@" || die "this is not so: $sentence"
  printf '  %s✓%s %s\n' "$GREEN" "$PLAIN" "$sentence"
}

milliseconds() { local now=${EPOCHREALTIME//[.,]/}; echo $((now / 1000)); }
size_of() { stat -c %s "$1"; }
runs() { [ -e "/proc/$1/exe" ]; }  # a zombie has none
gone() { ! runs "$1"; }
vmline() { "$VMLINE_BIN/vmline" "$@"; }
pid_of() { vmline inspect "$VM" | awk -v who="$1" '$1 == who { print $3 + 0 }'; }
thousands() { LC_ALL=C sed -E ':a; s/^([0-9]+)([0-9]{3})/\1,\2/; ta' <<<"$1"; }

# within SECONDS COMMAND…: until it succeeds.
within() {
  local end=$(($(milliseconds) + $1 * 1000))
  shift
  until "$@"; do
    [ "$(milliseconds)" -lt "$end" ] || return 1
    sleep 0.02
  done
}

# Shows what the client has recorded since the last time, whole lines of it, without what only a terminal understands.
show() {
  local LC_ALL=C text line
  shopt -s extglob
  text=$(tail -c +$((SHOWN + 1)) "$RECORDING"; printf .)
  text=${text%.}
  [[ $text == *$'\n'* ]] || return 0
  text=${text%$'\n'*}
  SHOWN=$((SHOWN + ${#text} + 1))
  while IFS= read -r line; do
    line=${line//$'\e['*([0-9;?])[A-Za-z]/}
    printf '  %s│%s %s\n' "$DIM" "$PLAIN" "${line//[[:cntrl:]]/}"
  done <<<"$text"
}
skip_shown() { SHOWN=$(($(size_of "$RECORDING") - $(tail -n 1 "$RECORDING" | wc -c))); }  # up to the prompt

recorded() { tail -c +$(($1 + 1)) "$RECORDING" | grep -aqF -- "$2"; }
show_and_look() { show; recorded "$1" "$2"; }

# show_until TEXT [FROM]: shows the console as it comes, until TEXT has come behind offset FROM of the recording.
show_until() {
  within 30 show_and_look "${2:-$SHOWN}" "$1" || die "the guest did not say \"$1\" within 30 s"
  show
}

type_keys() { printf '%b' "$1" >&"$KEYS"; }

# What the guest has counted to, as far as the client knows.
counted() { tail -c 64 "$RECORDING" | tr -d '\r' | sed '1d;$d' | tail -n 1; }
counted_beyond() { local count; count=$(counted); [[ $count =~ ^[0-9]+$ ]] && [ "$count" -gt "$1" ]; }
goes_on() { within 20 counted_beyond $(($(counted) + 5000)); }

another_than() { local pid; pid=$(pid_of "$1"); [ -n "$pid" ] && [ "$pid" != "$2" ]; }

# Kills one of vmline's processes and says who came for it.
kill_one() {
  local before begun
  before=$(pid_of "$1")
  begun=$(milliseconds)
  kill -KILL "$before"
  within 10 another_than "$1" "$before" || die "no other $1 came for $before within 10 s"
  claim "$1 $before killed; $(($(milliseconds) - begun)) ms later $1 $(pid_of "$1") is there" gone "$before"
}

leave() {
  trap '' INT TERM HUP PIPE
  local pid
  for pid in "${CLIENTS[@]}"; do kill "$pid" 2>/dev/null; done
  if [ -n "$FOLDER" ]; then
    vmline rm --force "$VM" >"$FOLDER/rm.out" 2>&1 || { [ -d "$FOLDER/root/vms/$VM" ] && cat "$FOLDER/rm.out"; }
    rm -rf "$FOLDER"
  fi
  [ -n "$MEMORY" ] && rmdir "$MEMORY" 2>/dev/null
  wait 2>/dev/null
}

set_stage() {
  for program in qemu-system-x86_64 socat; do
    command -v $program >/dev/null || die "$program is not installed; \`make setup\` installs it"
  done
  for file in "$VMLINE_BIN"/vmline{,-holder,-keeper} "$VMLINE_GUESTS"/linux-{initramfs.gz,kernel.path}; do
    [ -e "$file" ] || die "$file is missing; \`make demo\` builds it"
  done
  trap leave EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 141' PIPE
  trap 'exit 143' TERM
  FOLDER=$(mktemp -d "${TMPDIR:-/tmp}/vmline-demo.XXXXXX") || die "no folder for the demo's files"
  RECORDING=$FOLDER/recording
  export VMLINE_ROOT=$FOLDER/root
}

# vmline keeps what is newest of a line on a tmpfs; an empty folder of ours there is to be removed at the end.
note_memory() {
  local spool
  spool=$(readlink "/proc/$(pid_of keeper)"/fd/* 2>/dev/null | grep -m 1 '^/dev/shm/vmline-.*/'"$VM"/)
  [ -n "$spool" ] && MEMORY=${spool%"/$VM/"*}
}
