"""The records of FastCGI 1.0, read and written: a header of eight bytes, content, padding; and the name-value pairs in some."""

from __future__ import annotations

from struct import Struct
from typing import Final

# FastCGI specification section 8: types of records, ...
BEGIN_REQUEST: Final = 1
ABORT_REQUEST: Final = 2
END_REQUEST: Final = 3
PARAMS: Final = 4
STDIN: Final = 5
STDOUT: Final = 6
STDERR: Final = 7
DATA: Final = 8
GET_VALUES: Final = 9
GET_VALUES_RESULT: Final = 10
UNKNOWN_TYPE: Final = 11
# ... roles, flags, and how a request ended.
RESPONDER: Final = 1
KEEP_CONN: Final = 1
REQUEST_COMPLETE: Final = 0
CANT_MPX_CONN: Final = 1
UNKNOWN_ROLE: Final = 3

_VERSION: Final = 1
_HEADER: Final = Struct(">BBHHBx")
_END_BODY: Final = Struct(">IB3x")
_HEADER_SIZE: Final = 8
# Section 3.3 allows 65535 bytes of content, and advises multiples of eight.
_LARGEST: Final = 65528
_LARGEST_VALUES: Final = 4096
_LONG: Final = 0x80  # section 3.4: a length of more than 127 has four bytes, and this bit in the first

# Type, request and content.
Record = tuple[int, int, bytes]


class FastCgiError(Exception):
    """What came is no FastCGI, or breaks its rules: nothing behind it can be understood."""


class RecordReader:
    """Takes bytes as they come, and gives whole records. Of one that is not whole it keeps 65.8 KB at the most."""

    __slots__ = ("_needed", "_rest")

    def __init__(self) -> None:
        self._rest = bytearray()
        self._needed = _HEADER_SIZE

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits for the rest of its record."""
        return not self._rest

    def feed(self, received: bytes) -> list[Record]:
        """The records that are whole by now. Raises FastCgiError for another version of the protocol, or no FastCGI at all."""
        if self._rest:
            self._rest += received
            if len(self._rest) < self._needed:
                return []
            received = bytes(self._rest)
            self._rest.clear()
        records: list[Record] = []
        position = 0
        size = len(received)
        self._needed = _HEADER_SIZE
        while size - position >= _HEADER_SIZE:
            if received[position] != _VERSION:
                raise FastCgiError(_explain_version(received[position : position + _HEADER_SIZE]))
            start = position + _HEADER_SIZE
            end = start + (received[position + 4] << 8) + received[position + 5]
            behind = end + received[position + 6]
            if behind > size:
                self._needed = behind - position
                break
            number = (received[position + 2] << 8) + received[position + 3]
            records.append((received[position + 1], number, received[start:end]))
            position = behind
        if position < size:
            self._rest += received[position:]
        return records


def read_pairs(content: bytes) -> list[tuple[bytes, bytes]]:
    """Name-value pairs, in order (section 3.4). Raises FastCgiError when they end in the middle of one."""
    pairs: list[tuple[bytes, bytes]] = []
    position = 0
    size = len(content)
    while position < size:
        name_length, position = _read_length(content, position)
        value_length, position = _read_length(content, position)
        middle = position + name_length
        end = middle + value_length
        if end > size:
            raise FastCgiError("name-value pairs end in the middle of one")
        pairs.append((content[position:middle], content[middle:end]))
        position = end
    return pairs


def write_pairs(pairs: list[tuple[bytes, bytes]]) -> bytes:
    """The content that says `pairs`."""
    parts: list[bytes] = []
    for name, value in pairs:
        parts += (_write_length(len(name)), _write_length(len(value)), name, value)
    return b"".join(parts)


def write_record(kind: int, number: int, content: bytes) -> bytes:
    """One record of request `number`, 0 for none, with at most 65535 bytes of content."""
    return _HEADER.pack(_VERSION, kind, number, len(content), 0) + content


def write_stream(kind: int, number: int, content: bytes) -> list[bytes]:
    """A piece of a stream in as many records as it takes; none for no bytes, which would end the stream (section 3.3)."""
    size = len(content)
    if size <= _LARGEST:
        return [_HEADER.pack(_VERSION, kind, number, size, 0), content] if size else []
    parts: list[bytes] = []
    for start in range(0, size, _LARGEST):
        piece = content[start : start + _LARGEST]
        parts += (_HEADER.pack(_VERSION, kind, number, len(piece), 0), piece)
    return parts


def write_end(number: int, status: int) -> bytes:
    """The record that ends a request, with the protocol's `status` (section 5.5)."""
    return write_record(END_REQUEST, number, _END_BODY.pack(0, status))


def write_values(asked: bytes, most: int) -> bytes:
    """The answer to FCGI_GET_VALUES (section 4.1): `most` requests, each on a connection of its own.

    Raises FastCgiError when what is asked is malformed, or unreasonably long.
    """
    if len(asked) > _LARGEST_VALUES:
        raise FastCgiError(f"FCGI_GET_VALUES asks with more than {_LARGEST_VALUES} bytes")
    known = {b"FCGI_MAX_CONNS": b"%d" % most, b"FCGI_MAX_REQS": b"%d" % most, b"FCGI_MPXS_CONNS": b"0"}
    names = {name for name, _ in read_pairs(asked)}
    return write_record(GET_VALUES_RESULT, 0, write_pairs([pair for pair in known.items() if pair[0] in names]))


def _read_length(content: bytes, position: int) -> tuple[int, int]:
    """A length, and where what follows it begins."""
    if position >= len(content):
        raise FastCgiError("name-value pairs end in the middle of one")
    length = content[position]
    if length < _LONG:
        return length, position + 1
    if position + 4 > len(content):
        raise FastCgiError("name-value pairs end in the middle of one")
    rest = int.from_bytes(content[position + 1 : position + 4], "big")
    return ((length - _LONG) << 24) + rest, position + 4


def _write_length(length: int) -> bytes:
    return bytes((length,)) if length < _LONG else (length | _LONG << 24).to_bytes(4, "big")


def _explain_version(header: bytes) -> str:
    if header[:1].isalpha():
        return f"it speaks another protocol, such as HTTP: {header.decode('latin-1')!a}"
    return f"it speaks version {header[0]} of FastCGI, or another protocol"
