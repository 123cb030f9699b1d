#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The main job, shown: one client stays on a Linux guest's console while the guest reboots and every process of vmline is killed, and has every
# byte. `make demo` runs it; VMLINE_BIN names the folder of the programs, VMLINE_GUESTS that of the guests. Whatever it claims it has checked:
# it ends with 1 at the first claim that is not so. Needs no root and takes less than a minute.
set -u
HERE=$(dirname "$(readlink -f "$0")")
: "${VMLINE_BIN:=$HERE/../build/bin}" "${VMLINE_GUESTS:=$HERE/../build/guests}"
. "$HERE/stage.sh"
set_stage
BEGUN=$(milliseconds)

title "vmline: a console that stays"
say "A Linux guest boots on QEMU. One client attaches to its serial line, once, and stays on it while the guest" \
  "reboots and while vmline's own processes are killed. In the end it must have every byte that the guest sent."
KERNEL=$(cat "$VMLINE_GUESTS/linux-kernel.path")
command_line "vmline run $VM --driver qemu --kernel ${KERNEL##*/} --initramfs linux-initramfs.gz …"
RUN=$(vmline run $VM --driver qemu --kernel "$KERNEL" --initramfs "$VMLINE_GUESTS/linux-initramfs.gz" \
  --cmdline "console=ttyS0 quiet panic=-1" --memory 256M 2>&1) || die "$RUN"
say "$RUN"
note_memory
QEMU=$(pid_of monitor)

mkfifo "$FOLDER/keys"
vmline attach $VM --from start <"$FOLDER/keys" >"$RECORDING" 2>"$FOLDER/client.err" &
CLIENT=$!
CLIENTS+=($CLIENT)
exec {KEYS}>"$FOLDER/keys"
command_line "vmline attach $VM --from start <keys >recording"
say "This is the client, process $CLIENT. What stands behind the bar is what it got, as it got it:"
space
socat -u UNIX-CONNECT:"$VMLINE_ROOT/run/$VM/serial0.sock" CREATE:"$FOLDER/raw" {KEYS}>&- 2>"$FOLDER/socat.err" &
SOCAT=$!
CLIENTS+=($SOCAT)
show_until "guest# "

title "It types, and the guest answers"
space
type_keys 'uname -srm\r'
show_until "x86_64" && show_until "guest# "

title "The guest reboots, and vmline's keeper is killed while it is down"
say "With a plain console socket the client is cut off here, and what the next boot says until it is back is lost."
space
FROM=$(size_of "$RECORDING")
type_keys 'reboot\r'
show_until "Restarting system" "$FROM"
kill_one keeper
show_until "guest# " "$FROM"
claim "the next boot is all there, and the client is still process $CLIENT" runs $CLIENT

title "The guest counts as fast as it can, and vmline's processes are killed one by one"
say "The keeper moves the bytes, the holder keeps every descriptor; each brings the other back. The kernel does the" \
  "counting of bytes: the next process goes on at the very byte where the last one was cut off."
space
FROM=$(size_of "$RECORDING")
type_keys 'seq 1 1000000000\r'
within 20 counted_beyond 2000 || die "the guest does not count"
for WHO in keeper holder keeper; do
  AT=$(counted)
  kill_one $WHO
  claim "the count went on: $(thousands "$AT") before, $(thousands "$(goes_on && counted)") now" counted_beyond "$AT"
done
claim "socat, a client that knows nothing of vmline, was not cut off either" runs $SOCAT

title "Both are killed at once: nothing of vmline is left but its client"
KEEPER=$(pid_of keeper) HOLDER=$(pid_of holder) AT=$(counted)
kill -STOP "$KEEPER" "$HOLDER"  # so that neither sees the other die
kill -KILL "$KEEPER" "$HOLDER"
within 10 gone "$KEEPER" && within 10 gone "$HOLDER"
claim "keeper $KEEPER and holder $HOLDER are dead; QEMU, process $QEMU, runs on" runs "$QEMU"
say "QEMU holds the line's pipe open at both ends, so nothing breaks: the guest only waits. The next vmline command" \
  "that looks brings both back. Attached clients look at once; so does \`ps\`:"
command_line "vmline ps"
vmline ps >"$FOLDER/ps" 2>&1 || die "$(cat "$FOLDER/ps")"
sed 's/^/  /' "$FOLDER/ps"
space
claim "keeper $(pid_of keeper) and holder $(pid_of holder) have taken up the same QEMU" [ "$(pid_of monitor)" = "$QEMU" ]
claim "the count went on: $(thousands "$AT") before, $(thousands "$(goes_on && counted)") now" counted_beyond "$AT"

MARK=$(size_of "$RECORDING")
type_keys '\003'
within 20 recorded "$MARK" "guest# " || die "the guest did not obey Ctrl-C"
COUNTED=$(tail -c +$((FROM + 1)) "$RECORDING" | tr -d '\r' | awk '
  /^[0-9]+$/ { if ($1 != last + 1) { print "after " last " came " $1; exit } last = $1 }
  END { print last }')
claim "Ctrl-C reached the guest. It had counted to $(thousands "$COUNTED"): each number came once, in order" [ "$COUNTED" -gt "$AT" ]
skip_shown

title "The guest reboots once more, on the line that was taken up"
space
FROM=$(size_of "$RECORDING")
type_keys 'reboot\r'
show_until "guest# " "$FROM"

title "The books"
complete() { [ "$(size_of "$RECORDING")" = "$(size_of "$LOG")" ] && vmline inspect $VM | grep -q "^serial0 *$(size_of "$LOG") bytes so far,.* up to $(size_of "$LOG")$"; }
LOG=$VMLINE_ROOT/vms/$VM/lines/serial0.log
within 10 complete || die "the client got $(size_of "$RECORDING") bytes, the log has $(size_of "$LOG")"
BYTES=$(thousands "$(size_of "$LOG")")
vmline logs $VM --raw >"$FOLDER/logs" || die "vmline logs failed"
claim "the client's recording: $BYTES bytes over 3 boots, the same as the log's, byte for byte" cmp -s "$RECORDING" "$LOG"
claim "\`vmline logs $VM\` gives them too" cmp -s "$RECORDING" "$FOLDER/logs"
RAW=$(size_of "$FOLDER/raw")
claim "socat was on the line until both were killed: its $(thousands "$RAW") bytes are the log's first ones" cmp -s -n "$RAW" "$FOLDER/raw" "$LOG"
claim "the client is still process $CLIENT, and had nothing to complain of" [ ! -s "$FOLDER/client.err" ]
command_line "vmline events $VM"
vmline events $VM >"$FOLDER/events" || die "vmline events failed"
grep -E ' (boot|(keeper|holder)-started) ' "$FOLDER/events" | sed -E 's/^[^T]*T/  /; s/ (offset_low|line|keeper)=[^ ]*//g'
BOOTS=$(grep -c ' boot cause=' "$FOLDER/events")
space
claim "three boots are told, each with the offset of its first byte" [ "$BOOTS" = 3 ]
command_line "vmline inspect $VM"
vmline inspect $VM | grep -v '^spec' | sed 's/^/  /'
space
say "That took $((($(milliseconds) - BEGUN) / 1000)) s."

exec {KEYS}>&-
kill $CLIENT
if [ -t 0 ] && [ -t 1 ]; then
  title "Now it is yours"
  say "You are on the guest's console: type \`uname -a\`, or \`reboot\`. Ctrl-] leaves; the guest is then stopped and removed."
space
  vmline attach $VM --from boot:-1
fi
command_line "vmline stop $VM"
STOPPED=$(vmline stop $VM 2>&1) || die "$STOPPED"
say "$STOPPED"
