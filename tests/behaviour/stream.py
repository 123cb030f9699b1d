# SPDX-License-Identifier: Apache-2.0
"""A client of a line's stream (`GET /v1/lines/LINE/stream`): WebSocket over the control socket, in plain Python, and the copy of the line that
is built by any number of such connections, one after the other."""
import base64
import json
import os
import socket
import struct
import time

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Refused(Exception):
    """The request was answered by something else than a WebSocket."""

    def __init__(self, status, detail):
        super().__init__(f'{status}: {detail}')
        self.status, self.detail = status, detail


class Cut(Exception):
    """The connection ended without a closing handshake."""


class Stream:
    """One connection. Its messages are ('bytes', data), ('event', object) and, at the end, ('close', (code, reason))."""

    def __init__(self, vm, query, line='serial0', subprotocol='vmline.v1', seconds=20):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(seconds)
        self.received = 0  # bytes of the connection
        self._buffer = bytearray()
        try:
            self.socket.connect(vm.run_dir + '/control.sock')
            key = base64.b64encode(os.urandom(16)).decode()
            self.socket.sendall(f'GET /v1/lines/{line}/stream?{query} HTTP/1.1\r\nHost: vm\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
                                f'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n'
                                f'Sec-WebSocket-Protocol: {subprotocol}\r\n\r\n'.encode())
            while (at := self._buffer.find(b'\r\n\r\n')) < 0:
                self._fill()
            head = bytes(self._buffer[:at]).decode()
            del self._buffer[:at + 4]
            status = int(head.split()[1])
            if status != 101:
                length = next(int(line.split(':')[1]) for line in head.split('\r\n') if line.lower().startswith('content-length:'))
                raise Refused(status, json.loads(self._exactly(length)).get('detail'))
            assert f'sec-websocket-protocol: {subprotocol}' in head.lower()
        except BaseException:
            self.socket.close()
            raise

    def _fill(self):
        try:
            data = self.socket.recv(1 << 16)
        except TimeoutError:
            raise
        except OSError as error:
            raise Cut(error.strerror) from error
        if not data:
            raise Cut('EOF')
        self.received += len(data)
        self._buffer += data

    def _exactly(self, size):
        while len(self._buffer) < size:
            self._fill()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def message(self, seconds=20):
        """The next message; None when none began within `seconds`."""
        while True:
            if not self._buffer:
                self.socket.settimeout(seconds)
                try:
                    self._fill()
                except TimeoutError:
                    return None
            self.socket.settimeout(20)  # it has begun: its rest is on its way
            first, second = self._exactly(2)
            assert first & 0x70 == 0 and second & 0x80 == 0, 'a reserved bit, or a masked frame'
            assert first & 0x80, 'a fragment: each message is one frame'
            length = second & 0x7f
            if length == 126:
                length = struct.unpack('>H', self._exactly(2))[0]
            elif length == 127:
                length = struct.unpack('>Q', self._exactly(8))[0]
            data = self._exactly(length)
            kind = first & 0x0f
            if kind == PING:
                self._send(PONG, data)
            elif kind == BINARY:
                return 'bytes', data
            elif kind == TEXT:
                return 'event', json.loads(data.decode())
            else:
                assert kind == CLOSE, f'frame of kind {kind}'
                self._send(CLOSE, data[:2])
                return 'close', (struct.unpack('>H', data[:2])[0] if data else 0, data[2:].decode())

    def _send(self, kind, data):
        mask = os.urandom(4)
        length = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0x80 | 126]) + struct.pack('>H', len(data))
        self.socket.sendall(bytes([0x80 | kind]) + length + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))

    def type(self, data):
        self._send(BINARY, data)

    def say(self, value):
        self._send(TEXT, json.dumps(value).encode())

    def wait_event(self, name, seconds=20):
        """The next event of this name; the rest is passed over."""
        deadline = time.monotonic() + seconds
        while (message := self.message(seconds)) and time.monotonic() < deadline:
            if message[0] == 'event' and message[1]['event'] == name:
                return message[1]
            assert message[0] != 'close', message
        raise AssertionError(f'no {name} within {seconds} s')

    def wait_bytes(self, what, seconds=20):
        """Until the guest has sent `what`; all its bytes since now."""
        data = b''
        while what not in data:
            message = self.message(seconds)
            assert message and message[0] != 'close', f'{what!r} did not come: {message}, after {data[-200:]!r}'
            data += message[1] if message[0] == 'bytes' else b''
        return data

    def close(self):
        """At once, whatever is on its way, as if the client had been killed."""
        self.socket.close()


class Copy:
    """What a client has of the line, over all its connections; it holds every message to what docs/control-api.md says of it."""

    def __init__(self):
        self.begin = None    # offset of its first byte
        self.position = None  # where it goes on
        self.pieces = []     # (offset, bytes)
        self.gaps = []       # (begin, end, cause)
        self.boots = {}      # number: (offset, cause)
        self.told = 0        # boots told, those told again after a resumption too
        self.opened = None   # of this connection
        self.live = False    # this connection has ended its replay

    def connect(self, vm, where=None):
        """Opens a stream where this copy ends; at `where` the first time."""
        stream = Stream(vm, f'from={where if self.position is None else self.position}')
        try:
            kind, opened = stream.message()
            assert kind == 'event' and opened['event'] == 'opened', opened
            if self.position is None:
                self.begin = self.position = opened['offset']
            assert opened['offset'] == self.position, (opened, self.position)
            assert opened['head'] >= self.position
        except BaseException:
            stream.close()
            raise
        self.opened, self.live, self._newest = opened, False, 0
        return stream

    def take(self, message):
        """Adds a message; what it was."""
        kind, value = message
        if kind == 'bytes':
            assert value, 'an empty message'
            if not self.live:
                assert self.position + len(value) <= self.opened['head'], 'live bytes before the replay has ended'
            self.pieces.append((self.position, value))
            self.position += len(value)
            return 'bytes'
        assert kind == 'event', message
        event = value['event']
        assert event != 'opened', 'opened twice'
        if event == 'boot':
            # One that begins in a gap is told behind it.
            lost = self.gaps and self.gaps[-1][0] < value['offset'] < self.gaps[-1][1] == self.position
            assert value['offset'] == self.position or lost, f'{value} told at offset {self.position}'
            assert value['boot'] > self._newest, f'{value} told behind boot {self._newest}'
            self._newest = value['boot']
            assert self.boots.setdefault(value['boot'], (value['offset'], value['cause'])) == (value['offset'], value['cause']), value
            self.told += 1
        elif event == 'replay-ended':
            assert not self.live, 'the replay ended twice'
            assert value['offset'] == self.position, (value, self.position)
            assert self.position >= self.opened['head'], 'the replay ended before its end'
            self.live = True
        elif event == 'gap':
            assert value['begin'] == self.position < value['end'], (value, self.position)
            self.gaps.append((value['begin'], value['end'], value['cause']))
            self.position = value['end']
        return event

    def bytes(self):
        return b''.join(data for _, data in self.pieces)

    def check(self, truth, offset=0):
        """Holds it to the line itself, whose first byte has this offset: every byte right, and a gap where one is missing."""
        for at, data in self.pieces:
            if truth[at - offset:at - offset + len(data)] != data:
                wrong = next(i for i, byte in enumerate(data) if truth[at - offset + i:at - offset + i + 1] != bytes([byte]))
                raise AssertionError(f'byte {at + wrong}: {data[wrong:wrong + 100]!r} instead of '
                                     f'{truth[at - offset + wrong:at - offset + wrong + 100]!r}')
        there = sum(len(data) for _, data in self.pieces) + sum(end - begin for begin, end, _ in self.gaps)
        assert there == self.position - self.begin
