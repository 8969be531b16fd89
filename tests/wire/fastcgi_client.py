"""This file is a web server's half of FastCGI, written from the specification alone: records as bytes, and a blocking client."""

import socket
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR, DATA, GET_VALUES, VALUES, UNKNOWN = range(1, 12)
RESPONDER, AUTHORIZER, FILTER = 1, 2, 3
KEEP_CONN = 1


def record(kind: int, content: bytes = b"", *, number: int = 1, padding: int = 0, version: int = 1) -> bytes:
    """Section 3.3: version, type, request, length of content, length of padding, reserved; content; padding."""
    header = struct.pack(">BBHHBB", version, kind, number, len(content), padding, 0)
    return header + content + b"\0" * padding


def begin(*, number: int = 1, role: int = RESPONDER, flags: int = 0) -> bytes:
    """Section 5.1."""
    return record(BEGIN, struct.pack(">HB5x", role, flags), number=number)


def pairs(values: Mapping[str, str] | Iterable[tuple[str, str]]) -> bytes:
    """Section 3.4: each length in one byte, or in four with the first bit set."""
    listed = values.items() if isinstance(values, Mapping) else values
    parts = []
    for name, value in listed:
        sizes = [len(name.encode("latin-1")), len(value.encode("latin-1"))]
        parts += [struct.pack(">B", size) if size < 128 else struct.pack(">I", size | 1 << 31) for size in sizes]
        parts.append((name + value).encode("latin-1"))
    return b"".join(parts)


def stream(kind: int, content: bytes, *, number: int = 1, size: int = 65535) -> bytes:
    """A whole stream: its records, and the empty one at its end."""
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    return b"".join(record(kind, piece, number=number) for piece in [*pieces, b""])


def parameters(method: str = "GET", target: str = "/", **more: str) -> dict[str, str]:
    """What a web server tells of every request."""
    path, _, query = target.partition("?")
    told = {
        "REQUEST_METHOD": method,
        "REQUEST_URI": target,
        "SCRIPT_NAME": path,
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "example.org",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "192.0.2.7",
        "REMOTE_PORT": "4711",
        "HTTP_HOST": "example.org",
    }
    return told | more


def ask(told: Mapping[str, str], body: bytes = b"", *, number: int = 1, flags: int = 0) -> bytes:
    """A whole request."""
    if body and "CONTENT_LENGTH" not in told:
        told = {**told, "CONTENT_LENGTH": str(len(body))}
    start = begin(number=number, flags=flags) + stream(PARAMS, pairs(told), number=number)
    return start + stream(STDIN, body, number=number)


@dataclass
class Answer:
    """What came for one request. `ending` is the content of FCGI_END_REQUEST; None: it did not come."""

    output: bytes = b""
    sizes: list[int] = field(default_factory=list)
    ending: bytes | None = None

    @property
    def status(self) -> str:
        name, _, value = self.output.partition(b"\r\n")[0].partition(b": ")
        assert name == b"Status", self.output[:80]
        return value.decode()

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        lines = self.output.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
        return [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]

    @property
    def body(self) -> bytes:
        return self.output.partition(b"\r\n\r\n")[2]


class FastCgiClient:
    """One connection."""

    def __init__(self, address: tuple[str, int] | str) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(20)
        self.socket.connect(address)
        self.buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read_record(self) -> tuple[int, int, bytes] | None:
        """Type, request and content of the next record; None: the connection was closed."""
        header = self._read(8)
        if header is None:
            return None
        version, kind, number, length, padding, _ = struct.unpack(">BBHHBB", header)
        assert version == 1
        content = self._read(length + padding)
        return None if content is None else (kind, number, content[:length])

    def read_answer(self, number: int = 1) -> Answer:
        """All records of a request until it ends, or the connection does."""
        answer = Answer()
        while answer.ending is None:
            found = self.read_record()
            if found is None:
                return answer
            kind, its_number, content = found
            assert its_number == number, found
            if kind == STDOUT:
                answer.output += content
                answer.sizes.append(len(content))
            elif kind == END:
                answer.ending = content
        return answer

    def is_closed(self) -> bool:
        """Whether nothing more comes: waits for the end."""
        try:
            return self.buffer == b"" and self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def _read(self, count: int) -> bytes | None:
        while len(self.buffer) < count:
            try:
                received = self.socket.recv(1 << 16)
            except ConnectionError:
                return None
            if not received:
                return None
            self.buffer += received
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken
