# SPDX-License-Identifier: Apache-2.0
"""The checker must take what the guest may send, in pieces of any size, and nothing else."""
import random
import re

import pytest

from lines import ALL_BYTES, QUERIES, Checker, LineError, expected, expected_lines


BANNER = re.compile(rb'BOOT \d.*\r\n')
LINE = re.compile(rb'B\d{4} L.*\n')


def banner(number, identity=None, cmdline=b'flood '):
    return b'BOOT %d %sid=%016x\r\n' % (number, cmdline, number if identity is None else identity)


def boot(number, lines, identity=None, ending=b'REBOOT'):
    return banner(number, identity) + expected_lines(number, 1, lines) + b'%s lines=%d\r\n' % (ending, lines)


STREAM = (boot(1, 40) + banner(2, cmdline=b'') + b'READY\r\n' + expected_lines(2, 1, 2) + b'ECHO a b\r\n' +
          b'QUERIES ' + QUERIES + b'\r\n' + expected(2, 3) + b'BYTES ' + ALL_BYTES + b'\r\n' +
          b'STATUS boot=2 monitor=qemu button=yes flood=off lines=3\r\n' + expected(2, 4) + b'STOPPED lines=4\r\n' +
          b'BUTTON\r\nOFF lines=4\r\n' + boot(1, 3, 99))


def check(stream, size=1 << 20, **how):
    checker = Checker(**how)
    for at in range(0, len(stream), size):
        checker.feed(stream[at:at + size])
    return checker.finish()


def wrong(stream, kind=None, **how):
    found = set()
    for size in (1, 7, 1 << 20):
        with pytest.raises(LineError) as failure:
            check(stream, size, **how)
        assert kind is None or failure.value.kind == kind, str(failure.value)
        found.add(failure.value.offset)
    assert len(found) == 1, 'the place must not depend on how the stream was cut into pieces'
    return failure.value


def test_a_line_follows_from_boot_and_number():
    assert expected(1, 1) == b'B0001 L00000001 89abcdefghijklmnopqrstuvwxyz0123456789abcdef\n'
    assert expected_lines(3, 5, 5000) == b''.join(expected(3, 5 + i) for i in range(5000))
    assert expected_lines(12345, 10**8 - 20, 50) == b''.join(expected(12345, 10**8 - 20 + i) for i in range(50))


@pytest.mark.parametrize('size', [1, 2, 60, 61, 62, 1000, 1 << 20])
def test_takes_what_the_guest_sends_in_pieces_of_any_size(size):
    checker = check(STREAM, size)
    assert (checker.boots, checker.lines, checker.offset) == (3, 47, len(STREAM))


def test_takes_a_stream_cut_in_two_anywhere_and_ended_anywhere():
    for at in range(len(STREAM)):
        checker = Checker()
        checker.feed(STREAM[:at])
        checker.finish()
        checker.feed(STREAM[at:])
        assert checker.finish().lines == 47


def test_finds_each_single_byte_lost_doubled_or_changed():
    unknown = set(range(STREAM.index(b'ECHO ') + 4, STREAM.index(b'\r\nQUERIES')))  # texts that the checker cannot know beforehand
    for begin in (0, STREAM.index(b'BOOT 2'), STREAM.index(b'BOOT 1', 1)):
        unknown |= set(range(begin, STREAM.index(b'\r', begin)))
    unknown |= set(range(STREAM.index(b'monitor='), STREAM.index(b' button=')))
    for at in set(range(len(STREAM) - 2)) - unknown:
        for kind, bad in (('lost', STREAM[:at] + STREAM[at + 1:]), ('doubled', STREAM[:at + 1] + STREAM[at:]),
                          ('changed', STREAM[:at] + b'\0' + STREAM[at + 1:])):
            if bad == STREAM:
                continue  # the NUL among all bytes
            try:
                check(bad)
            except LineError:
                continue
            pytest.fail(f'byte {at} {kind} was not noticed: {bad[at - 20:at]!r} {bad[at:at + 20]!r}')


def test_names_the_lines_that_are_missing():
    stream = banner(1) + expected_lines(1, 1, 2000) + expected_lines(1, 2003, 500)
    failure = wrong(stream, 'missing')
    assert failure.offset == len(banner(1)) + 2000 * 61
    assert 'lines 2001 to 2002 are not here' in str(failure)


def test_names_a_doubled_line():
    failure = wrong(banner(1) + expected_lines(1, 1, 2000) + expected_lines(1, 2000, 500), 'doubled')
    assert 'line 2000 again, expected line 2001' in str(failure)


def test_names_lines_in_the_wrong_order():
    stream = banner(1) + expected_lines(1, 1, 10) + expected(1, 12) + expected(1, 11) + expected(1, 13)
    with pytest.raises(LineError) as failure:
        check(stream)
    assert failure.value.kind == 'reordered'
    wrong(stream)


def test_names_the_byte_from_which_a_line_is_torn():
    stream = banner(1) + expected_lines(1, 1, 10) + expected(1, 11)[:20] + expected(1, 11)[21:] + expected(1, 12)
    assert wrong(stream, 'torn').offset == len(banner(1)) + 610 + 20


def test_a_nul_hole_is_torn():
    wrong(banner(1) + expected_lines(1, 1, 10) + bytes(4096) + expected(1, 11), 'torn')


def test_a_lost_tail_is_missing_even_at_a_reboot():
    wrong(banner(1) + expected_lines(1, 1, 9) + b'REBOOT lines=10\r\n' + boot(2, 1), 'missing')
    wrong(banner(1) + expected_lines(1, 1, 9) + boot(2, 1), 'boot')


def test_a_lost_boot_is_missing_where_boots_are_counted():
    wrong(boot(1, 3) + boot(3, 3), 'missing')


def test_a_boot_that_comes_twice_is_doubled():
    wrong(boot(1, 3, 7) + boot(1, 3, 7), 'doubled')
    assert check(boot(1, 3, 7) + boot(1, 3, 8)).boots == 2
    wrong(boot(1, 3) + boot(2, 3) + boot(2, 3, 50), 'doubled')


def test_a_boot_may_be_cut_off_anywhere_only_where_the_test_says_so():
    first, second = STREAM, boot(1, 20, 1234) + boot(2, 5, 5)
    for at in range(1, len(first)):
        for size in (1, 1 << 20):
            checker = check(first[:at] + second, size, cut=True)
            assert checker.boots == 2 + len(BANNER.findall(first[:at])) and checker.lines == 25 + len(LINE.findall(first[:at]))
    wrong(first[:-20] + second)


def test_cut_off_boots_hide_nothing_else():
    with pytest.raises(LineError):
        check(banner(1) + expected_lines(1, 1, 5)[:-1] + expected_lines(1, 7, 5) + boot(2, 5), cut=True)


def test_a_stream_may_begin_anywhere_only_where_the_test_says_so():
    for at in range(1, len(STREAM) - 300):
        for size in (1, 17, 1 << 20):
            checker = check(STREAM[at:], size, midstream=True, offset=at)
            assert checker.offset == len(STREAM)
    wrong(STREAM[30:])


def test_the_first_line_of_a_midstream_view_must_go_on_in_the_second():
    stream = expected(1, 4)[30:-3] + b'\n' + expected_lines(1, 5, 9)
    wrong(stream, 'torn', midstream=True)
    wrong(expected(1, 3)[30:] + expected_lines(1, 5, 9), 'torn', midstream=True)
    assert check(expected(1, 4)[30:] + expected_lines(1, 5, 9), midstream=True).lines == 9


def test_random_cuts_in_a_long_stream_are_found_exactly():
    dice = random.Random(1)
    stream = banner(1) + expected_lines(1, 1, 20000)
    for _ in range(50):
        at = dice.randrange(len(banner(1)), len(stream) - 5000)
        lost = dice.randrange(1, 4000)
        with pytest.raises(LineError) as failure:
            check(stream[:at] + stream[at + lost:], dice.choice([1000, 4096, 65536]))
        assert at - 61 < failure.value.offset <= at + 8


def test_tells_what_was_said_and_where():
    said = []
    check(STREAM, 100, on_talk=lambda offset, text: said.append((offset, text)))
    assert all(STREAM[offset:offset + len(text)] == text for offset, text in said)
    assert [text[:4] for _, text in said[:4]] == [b'BOOT', b'REBO', b'BOOT', b'READ']
