# SPDX-License-Identifier: Apache-2.0
"""A command for `vmline keep NAME -- …` that says what the bare guest says, hundreds of times as fast: a banner, then for each number that is
typed so many more numbered lines and `STOPPED lines=K`. For tests that need more bytes than an emulated UART can send."""
import os
import sys

from lines import expected_lines


def main():
    def say(data):
        while data:
            data = data[os.write(1, data):]

    say(b'BOOT 1 spout id=%016x\r\n' % os.getpid())
    sent = 0
    for words in sys.stdin:
        for left in range(int(words), 0, -1000):
            count = min(left, 1000)
            say(expected_lines(1, sent + 1, count))
            sent += count
        say(b'STOPPED lines=%d\r\n' % sent)


main()
