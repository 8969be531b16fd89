"""A client of raw bytes with a strict reader: what it accepts, every client accepts."""

import re
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Self

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*)")
_FIELD = re.compile(
    rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[ \t]*"
)
_LENGTH = re.compile(rb"0|[1-9][0-9]{0,17}")
_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,16}")


class BadAnswer(AssertionError):
    """The server sent something that is not an HTTP/1.1 answer."""


class NoAnswer(AssertionError):
    """The connection ended, or the time was over, before an answer began."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, final or interim (1xx)."""

    status: int
    reason: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    framing: str = "none"  # "length", "chunked", "close" or "none"
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)

    def find(self, name: bytes) -> bytes | None:
        return next((value for known, value in self.headers if known == name), None)


class RawClient:
    """One connection. Every wait ends after `seconds`, whatever happens."""

    def __init__(self, address: tuple[str, int], *, seconds: float = 5.0, receive_buffer: int = 0) -> None:
        self.seconds = seconds
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, receive_buffer)
        self.socket.settimeout(seconds)
        self.socket.connect(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.buffer = bytearray()
        self.is_at_end = False  # the server closed, or reset, its side
        self.is_cut = False  # sending failed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send_until_stopped(self, piece: bytes, *, at_most: int, seconds: float) -> int:
        """Send `piece` again and again, reading nothing, until the server takes no more for `seconds`; the bytes sent."""
        sent = 0
        while sent < at_most and self._wait(select.POLLOUT, seconds=seconds):
            try:
                sent += self.socket.send(piece)
            except BlockingIOError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                break
        return sent

    def reset(self) -> None:
        """End the connection with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # -- sending -----------------------------------------------------------------------------------------------------

    def send(self, pieces: Iterable[bytes], between: Callable[[], object] | None = None) -> None:
        """One write per piece, receiving meanwhile. Stops quietly when the server no longer takes anything.

        `between` is called behind each piece: where it lets the server take its turn, pieces do not melt into one read.
        """
        for piece in pieces:
            rest = memoryview(piece)
            while rest and not self.is_cut:
                rest = rest[self._send_some(rest) :]
            if self.is_cut:
                return
            if between is not None:
                between()
            self._receive_some()

    def send_end(self) -> None:
        """Half-close: nothing more will be sent."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.is_cut = True

    def _send_some(self, rest: memoryview) -> int:
        try:
            return self.socket.send(rest)
        except BlockingIOError:
            # An answer nobody reads would stop the server from reading what we send.
            if not self._wait(select.POLLIN | select.POLLOUT if not self.is_at_end else select.POLLOUT):
                raise NoAnswer(f"the server took nothing for {self.seconds} s") from None
            self._receive_some()
            return 0
        except (BrokenPipeError, ConnectionResetError):
            self.is_cut = True
            return 0

    # -- receiving ---------------------------------------------------------------------------------------------------

    def _wait(self, events: int, *, seconds: float | None = None) -> bool:
        poll = select.poll()
        poll.register(self.socket, events)
        return bool(poll.poll(1000 * (self.seconds if seconds is None else seconds)))

    def _receive_some(self) -> None:
        if self.is_at_end:
            return
        try:
            data = self.socket.recv(262_144)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        self.buffer += data
        self.is_at_end = not data

    def _receive(self, deadline: float, what: str) -> None:
        """Wait for more bytes. Raises BadAnswer when there will be none."""
        if self.is_at_end:
            raise BadAnswer(f"the connection ended within {what}: {bytes(self.buffer[:200])!r}")
        if not self._wait(select.POLLIN, seconds=max(0.0, deadline - time.monotonic())):
            raise BadAnswer(f"no more bytes within {what} after {self.seconds} s: {bytes(self.buffer[:200])!r}")
        self._receive_some()

    def _read_until(self, mark: bytes, deadline: float, what: str) -> bytes:
        searched = 0
        while (end := self.buffer.find(mark, searched)) < 0:
            searched = max(0, len(self.buffer) - len(mark))
            self._receive(deadline, what)
        return self._take(end + len(mark))[: -len(mark)]

    def _read_exactly(self, count: int, deadline: float, what: str) -> bytes:
        while len(self.buffer) < count:
            self._receive(deadline, what)
        return self._take(count)

    def _take(self, count: int) -> bytes:
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    def has_answer(self) -> bool:
        """Wait until an answer begins (True) or the connection ends without one (False)."""
        deadline = time.monotonic() + self.seconds
        while not self.buffer and not self.is_at_end:
            if not self._wait(select.POLLIN, seconds=max(0.0, deadline - time.monotonic())):
                raise NoAnswer(f"neither an answer nor an end within {self.seconds} s")
            self._receive_some()
        return bool(self.buffer)

    def read_answer(self, method: str = "GET") -> Answer:
        """The next answer to a request with `method`, interim answers included."""
        if not self.has_answer():
            raise NoAnswer("the connection ended without an answer")
        deadline = time.monotonic() + self.seconds
        head = self._read_until(b"\r\n\r\n", deadline, "the head of an answer")
        status_line, *lines = head.split(b"\r\n")
        matched = _STATUS_LINE.fullmatch(status_line)
        if matched is None:
            raise BadAnswer(f"malformed status line {status_line!r}")
        status, headers = int(matched[1]), [_read_field(line) for line in lines]
        framing, length = _framing(status, method, headers)
        trailers: list[tuple[bytes, bytes]] = []
        if framing == "length":
            body = self._read_exactly(length, deadline, "a body with Content-Length")
        elif framing == "chunked":
            body, trailers = self._read_chunks(deadline)
        elif framing == "close":
            body = self.read_end()
        else:
            body = b""
        return Answer(status, matched[2], headers, body, framing, trailers)

    def read_final_answer(self, method: str = "GET") -> tuple[Answer, int]:
        """The next final answer, and how many interim ones came before it."""
        interim = 0
        while (answer := self.read_answer(method)).status < 200:
            interim += 1
        return answer, interim

    def _read_chunks(self, deadline: float) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        pieces = []
        while True:
            size_line = self._read_until(b"\r\n", deadline, "a chunk size")
            if _CHUNK_SIZE.fullmatch(size_line) is None:
                raise BadAnswer(f"malformed chunk size {size_line!r}")
            if not (size := int(size_line, 16)):
                break
            pieces.append(self._read_exactly(size, deadline, "a chunk"))
            if (end := self._read_exactly(2, deadline, "the end of a chunk")) != b"\r\n":
                raise BadAnswer(f"a chunk ends with {end!r}")
        trailers = []
        while line := self._read_until(b"\r\n", deadline, "the trailers"):
            trailers.append(_read_field(line))
        return b"".join(pieces), trailers

    def read_end(self) -> bytes:
        """What is left until the server closes. Raises BadAnswer when it does not close in time."""
        deadline = time.monotonic() + self.seconds
        while not self.is_at_end:
            self._receive(deadline, "the end of the connection")
        return self._take(len(self.buffer))


def _read_field(line: bytes) -> tuple[bytes, bytes]:
    matched = _FIELD.fullmatch(line)
    if matched is None:
        raise BadAnswer(f"malformed field {line!r}")
    return matched[1].lower(), matched[2]


def _framing(status: int, method: str, headers: list[tuple[bytes, bytes]]) -> tuple[str, int]:
    """How the body of an answer ends (RFC 9112 section 6.3), and its length where it is told."""
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if len(lengths) + len(codings) > 1:
        raise BadAnswer(f"an answer with more than one length: {lengths} {codings}")
    if lengths and _LENGTH.fullmatch(lengths[0]) is None:
        raise BadAnswer(f"malformed Content-Length {lengths[0]!r}")
    if (status < 200 or status == 204) and (lengths or codings):
        raise BadAnswer(f"an answer {status} with a length (RFC 9110 section 8.6, RFC 9112 section 6.1)")
    if method == "HEAD" or status < 200 or status in (204, 304):
        return "none", 0
    if codings:
        if codings[0].lower() != b"chunked":
            raise BadAnswer(f"an answer with Transfer-Encoding {codings[0]!r}")
        return "chunked", 0
    return ("length", int(lengths[0])) if lengths else ("close", 0)
