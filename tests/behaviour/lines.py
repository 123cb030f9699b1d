# SPDX-License-Identifier: Apache-2.0
"""Checks what the bare-metal guest (tests/guests/bare) sent: each numbered line exactly once, whole, in order, over any number of boots.

Every byte of a numbered line follows from its boot and its number, so the checker compares with what it generates itself. A boot begins
with a banner and ends with a word (`REBOOT lines=K`, `OFF lines=K`) that tells how many lines it had: a lost tail is noticed too.
"""
import functools
import re
import sys

LINE_SIZE = 61
QUERIES = b'\x1b[c\x1b[>c\x1b[5n\x1b[6n\x1b]11;?\x07\x1b]11;?\x1b\\'  # what the guest's command `x` sends
ALL_BYTES = bytes(range(256))                                          # what its command `g` sends

_LETTERS = b'0123456789abcdefghijklmnopqrstuvwxyz'
_PAYLOADS = [(_LETTERS * 3)[i:i + 44] for i in range(36)]
_NUMBERED = re.compile(rb'B(\d{4}) L(\d{8}) [0-9a-z]{44}\n')
_BANNER = re.compile(rb'BOOT (\d+) (?:([^\r\n]*) )?id=([0-9a-f]{16})\r\n')
_BANNER_BEGINS = re.compile(rb'BOOT \d')
_BANNER_UNFINISHED = re.compile(rb'(?:BO{0,2}|BOOT(?: [^\n]*)?)\Z')
_ENDED = re.compile(rb'(REBOOT|OFF) lines=(\d+)\r\n')
_COUNTED = re.compile(rb'(STOPPED|STATUS boot=(\d+) monitor=[a-z-]+ button=(?:yes|no) flood=(?:on|off)) lines=(\d+)\r\n')
_BYTES = b'BYTES ' + ALL_BYTES + b'\r\n'
# All that the guest says besides: each is one line that ends with CR LF and holds none.
_TALK = re.compile(rb'(?:READY|BUTTON|ECHO [^\r\n]*|QUERIES %b|\[    1\.234567\] [^\r\n]*panic[^\r\n]*)\r\n' % re.escape(QUERIES))
_TALK_ONLY = re.compile(b'(?:%b|%b|%b|%b)*' % (_ENDED.pattern, _COUNTED.pattern, _TALK.pattern, re.escape(_BYTES)))
_TALK_STARTS = (b'BOOT ', b'REBOOT lines=', b'OFF lines=', b'STOPPED lines=', b'BYTES ', b'READY\r\n', b'BUTTON\r\n',
                b'ECHO ', b'STATUS ', b'QUERIES ', b'[    1.234567] ')
_TALK_MOST = 2048   # bytes; the guest's longest line is a banner with its command line
_BATCH = 36 * 32    # lines compared at once


def payload(boot, line):
    return _PAYLOADS[(line + 7 * (boot % 10000)) % 36]


def expected(boot, line):
    """The numbered line `line` (from 1) of boot `boot`, with its newline."""
    return b'B%04d L%08d %s\n' % (boot % 10000, line % 10**8, payload(boot, line))


def expected_lines(boot, first, count):
    """`count` numbered lines from `first` on, as one run of bytes."""
    if first + count > 10**8:  # the eight digits begin again
        return b''.join(expected(boot, first + i) for i in range(count))
    shape = _shape(boot % 10000, first % 36)
    runs = ((start, min(_BATCH, count - start)) for start in range(0, count, _BATCH))
    return b''.join(shape[:run * _SHAPE_SIZE] % tuple(range(first + start, first + start + run)) for start, run in runs)


_SHAPE_SIZE = LINE_SIZE - 4  # `%08d` is four bytes shorter than the digits


@functools.lru_cache(128)
def _shape(boot, phase):
    """A batch of lines with their numbers still to be filled in."""
    return b''.join(b'B%04d L%%08d %s\n' % (boot, payload(boot, phase + i)) for i in range(36)) * (_BATCH // 36)


class LineError(AssertionError):
    """The stream is not what the guest sent. `kind` is missing, doubled, reordered, torn, boot or end; `offset` is where, in bytes."""

    def __init__(self, kind, offset, sentence):
        super().__init__(f'{kind} at offset {offset}: {sentence}')
        self.kind, self.offset = kind, offset


class Boot:
    """One boot as it was seen."""

    def __init__(self, number, identity, cmdline, offset):
        self.number, self.identity, self.cmdline, self.offset = number, identity, cmdline, offset
        self.lines = 0        # numbered lines seen
        self.ended_by = None  # REBOOT or OFF once the guest has said so

    def __repr__(self):
        return f'Boot({self.number}, lines={self.lines}, ended_by={self.ended_by!r})'


class Checker:
    """Feed it the stream in pieces of any size; it raises LineError at the first wrong byte.

    cut:      boots may end anywhere, without a word: the test resets or kills the monitor from outside.
    midstream: the stream may begin anywhere, inside a line or a banner too: a client that attached late.
    offset:   the offset of the first byte, for messages.
    on_talk:  called with (offset, bytes) for each line that is not numbered: READY, ECHO …, banners too.
    """

    def __init__(self, *, cut=False, midstream=False, offset=0, on_talk=None):
        self.cut, self.on_talk = cut, on_talk
        self.offset = offset     # of the first byte not yet judged
        self.boots = 0           # banners seen
        self.lines = 0           # whole numbered lines seen, of all boots
        self.boot = None         # the Boot that goes on
        self.next_line = 1
        self._pending = bytearray()
        self._syncing = midstream
        self._identities = set()

    def feed(self, data):
        self._pending += data
        if self._syncing and not self._synchronise():
            return
        if len(self._pending) >= LINE_SIZE or self._pending[-1:] == b'\n':
            self._judge()

    def finish(self):
        """The stream has ended here: what is left must be the beginning of something that may come next. Returns self."""
        if self._syncing:
            self._fail('end', 'the stream ended before a line began')
        self._judge()
        rest = bytes(self._pending)
        if rest and not self._may_come(rest):
            self._torn()
        return self

    @property
    def unjudged(self):
        """How many bytes at the end are still the beginning of something."""
        return len(self._pending)

    # -- what may come next

    def _judge(self):
        while self._pending:
            if not (self._numbered() or self._talk()):
                return

    def _expecting_lines(self):
        return self.boot is not None and self.boot.ended_by is None

    def _numbered(self):
        """Takes the numbered lines at the front; True when it took any."""
        if not self._expecting_lines():
            return False
        took = False
        while (count := min(len(self._pending) // LINE_SIZE, _BATCH)) > 0:
            want = expected_lines(self.boot.number, self.next_line, count)
            while count and not self._pending.startswith(want):
                count //= 2  # the last step finds the exact line
                want = want[:count * LINE_SIZE]
            if not count:
                break
            self._take(count * LINE_SIZE)
            self.next_line += count
            self.boot.lines += count
            self.lines += count
            took = True
        return took

    def _talk(self):
        """Takes one line that is not numbered; True when it took one. Raises on what cannot be the beginning of any."""
        front = bytes(self._pending[:_TALK_MOST])
        if front.startswith(_BYTES):
            return self._took_talk(len(_BYTES))
        if match := _BANNER.match(front):
            return self._banner(match)
        if match := _ENDED.match(front):
            return self._ended(match)
        if match := _COUNTED.match(front):
            self._count_is(int(match[3]), match[1].decode())
            if match[2] and int(match[2]) != self.boot.number:
                self._fail('boot', f'boot {self.boot.number} says {match[0]!r}')
            return self._took_talk(match.end())
        cut_off = _BANNER_BEGINS.search(front, 1) if self.cut else None
        match = _TALK.match(front)
        if match and not (cut_off and cut_off.start() < match.end()):
            if not self._expecting_lines():
                self._fail('boot', f'{match[0]!r} outside of any boot')
            if b'---[ end Kernel panic' in match[0]:
                self.boot.ended_by = 'PANIC'
            return self._took_talk(match.end())
        if cut_off and self._may_come(front[:cut_off.start()]):
            self._take(cut_off.start())
            return True
        if self._may_come(front):
            if len(front) < _TALK_MOST:
                return False
        elif len(front) < LINE_SIZE and b'\n' not in front:
            return False  # wrong, and better told when the whole line is there
        elif self.cut and (begun := _BANNER_UNFINISHED.search(front, 1)) and self._may_come(front[:begun.start()]):
            return False
        self._torn()

    def _may_come(self, front):
        if self._expecting_lines() and expected(self.boot.number, self.next_line).startswith(front):
            return True
        if _BYTES.startswith(front):
            return True
        if any(start.startswith(front) for start in _TALK_STARTS):
            return True
        newline = front.find(b'\n')
        return newline < 0 and any(front.startswith(start) for start in _TALK_STARTS)

    # -- what was seen

    def _banner(self, match):
        number, identity = int(match[1]), match[3]
        if self.cut and (again := _BANNER_BEGINS.search(match[0], 1)):  # the banner itself was cut off
            self._take(again.start())
            return True
        if self.boot is not None:
            if self.boot.ended_by is None and not self.cut:
                self._fail('boot', f'boot {number} begins though boot {self.boot.number} has not said that it ends: its tail after line '
                                   f'{self.next_line - 1} is missing, or it was reset from outside')
            if number not in (1, self.boot.number + 1):
                self._fail('missing' if number > self.boot.number else 'doubled', f'boot {number} follows boot {self.boot.number}')
        if (number, identity) in self._identities:
            self._fail('doubled', f'boot {number} id={identity.decode()} begins for the second time')
        self._identities.add((number, identity))
        self.boot = Boot(number, identity, match[2] or b'', self.offset)
        self.boots += 1
        self.next_line = 1
        return self._took_talk(match.end())

    def _ended(self, match):
        if not self._expecting_lines():
            self._fail('boot', f'{match[0]!r} outside of any boot')
        self._count_is(int(match[2]), match[1].decode())
        self.boot.ended_by = match[1].decode()
        return self._took_talk(match.end())

    def _count_is(self, count, word):
        if not self._expecting_lines():
            self._fail('boot', f'{word} outside of any boot')
        if count != self.next_line - 1:
            self._fail('missing' if count >= self.next_line else 'doubled',
                       f'boot {self.boot.number} says {word} after {count} lines, {self.next_line - 1} were seen')

    def _took_talk(self, size):
        if self.on_talk:
            self.on_talk(self.offset, bytes(self._pending[:size]))
        self._take(size)
        return True

    def _take(self, size):
        del self._pending[:size]
        self.offset += size

    def _synchronise(self):
        """Finds the first place from which boot and line are known, and holds what is before it to them."""
        for at in [0] + [newline.end() for newline in re.finditer(rb'\n', self._pending)]:
            if match := _NUMBERED.match(self._pending, at):
                boot, line = int(match[1]), int(match[2])
                self._ends_rightly(bytes(self._pending[:at]), expected(boot, line - 1) if line > 1 else b'')
                self.boot, self.next_line = Boot(boot, None, b'', self.offset + at), line
                break
            if _BANNER.match(self._pending, at):
                break
        else:
            if len(self._pending) > 2 * _TALK_MOST:
                self._fail('torn', f'no line begins in the first {len(self._pending)} bytes: {bytes(self._pending[:200])!r}')
            return False
        self._take(at)
        self._syncing = False
        return True

    def _ends_rightly(self, before, line_before):
        """`before` is the rest of a line that began earlier, and what the guest said after it."""
        cut = before.find(ALL_BYTES[-1:] + b'\r\n') + 3
        if cut < 3 or not _BYTES.endswith(before[:cut]):
            cut = before.find(b'\n') + 1
        rest, talk = before[:cut], before[cut:]
        known = rest not in (b'', b'\n') and not rest.endswith(b'\r\n')  # it can only be the end of the line before
        if known and not line_before.endswith(rest) or not _TALK_ONLY.fullmatch(talk):
            self._fail('torn', f'{before[-200:]!r} does not go on with the line that begins after it')

    # -- what is wrong

    def _torn(self):
        """Says what stands in place of what was expected."""
        front = bytes(self._pending[:LINE_SIZE])
        if not self._expecting_lines():
            where = 'before the first boot' if self.boot is None else f'after boot {self.boot.number} said {self.boot.ended_by}'
            self._fail('torn', f'{where} comes {front!r}')
        boot, line = self.boot.number, self.next_line
        want = expected(boot, line)
        match = _NUMBERED.match(front)
        if match and match[0] == expected(int(match[1]), int(match[2])):
            other_boot, other = int(match[1]), int(match[2])
            if other_boot != boot % 10000:
                self._fail('boot', f'expected boot {boot} line {line}, got boot {other_boot} line {other}')
            if other < line:
                self._fail('doubled', f'boot {boot} line {other} again, expected line {line}')
            kind = 'reordered' if want in self._pending else 'missing'
            self._fail(kind, f'boot {boot} lines {line} to {other - 1} are not here: line {other} follows line {line - 1}')
        same = next((i for i, (a, b) in enumerate(zip(front, want)) if a != b), min(len(front), len(want)))
        self._fail('torn', f'boot {boot} line {line} differs from its byte {same} on: expected {want[same:]!r}, got {front[same:]!r}', same)

    def _fail(self, kind, sentence, further=0):
        raise LineError(kind, self.offset + further, f'{sentence}\n  from offset {self.offset}: {bytes(self._pending[:200])!r}\n  '
                                                     f'{self.boots} boots and {self.lines} lines were right before')


def check_file(path, **how):
    """Checks a whole file, such as a journal; returns its Checker."""
    checker = Checker(**how)
    with open(path, 'rb') as file:
        while data := file.read(1 << 18):
            checker.feed(data)
    return checker.finish()


if __name__ == '__main__':
    seen = check_file(sys.argv[1], cut='--cut' in sys.argv, midstream='--midstream' in sys.argv)
    print(f'{seen.boots} boots, {seen.lines} lines, {seen.offset} bytes judged, {seen.unjudged} left: right')
