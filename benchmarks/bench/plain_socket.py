"""The client's side of one WebSocket, blocking and with nothing but the standard library: enough to ask and compare."""

import base64
import hashlib
import os
import random
import socket
import struct

TEXT, BINARY, CLOSE = 1, 2, 8  # RFC 6455 section 5.2
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
SHORT, LONG = 126, 127  # two or eight more bytes follow, and they say the length
FINAL = MASKED = 0x80


def binary_message(size: int) -> bytes:
    """A message that no text and no compression makes smaller, the same in every process."""
    return random.Random(size).randbytes(size)


def text_message(size: int) -> bytes:
    """Letters."""
    return (b"Hello, world! " * (size // 14 + 1))[:size]


def as_frame(opcode: int, message: bytes, *, mask: bytes = b"") -> bytes:
    """A message of up to 65 535 bytes in one frame; a mask of zeros leaves it as it is."""
    bit = MASKED if mask else 0
    if len(message) < SHORT:
        length = struct.pack("!B", bit | len(message))
    else:
        length = struct.pack("!BH", bit | SHORT, len(message))
    return bytes([FINAL | opcode]) + length + mask + message


class PlainSocket:
    """Open when it is made. Raises OSError where there is no connection or no WebSocket."""

    __slots__ = ("socket", "unread")

    def __init__(self, port: int, path: str = "/") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.unread = b""
        try:
            self.shake_hands(path)
        except BaseException:
            self.socket.close()
            raise

    def shake_hands(self, path: str) -> None:
        key = base64.b64encode(os.urandom(16))
        fields = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        self.socket.sendall(
            b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\n%bSec-WebSocket-Key: %b\r\n\r\n" % (path.encode(), fields, key)
        )
        while b"\r\n\r\n" not in self.unread:
            self.read()
        head, _, self.unread = self.unread.partition(b"\r\n\r\n")
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        if not head.startswith(b"HTTP/1.1 101") or accept not in head:
            raise OSError(f"no WebSocket: {head[:200]!r}")

    def read(self) -> None:
        received = self.socket.recv(65536)
        if not received:
            raise ConnectionResetError("the server closed the connection")
        self.unread += received

    def take(self, count: int) -> bytes:
        while len(self.unread) < count:
            self.read()
        taken, self.unread = self.unread[:count], self.unread[count:]
        return taken

    def send(self, opcode: int, message: bytes) -> None:
        """One frame."""
        self.socket.sendall(as_frame(opcode, message, mask=bytes(4)))

    def receive(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame. Raises OSError for one that is not the last of its message."""
        first, length = self.take(2)
        if not first & FINAL:
            raise OSError("a fragment of a message")
        if length == LONG:
            length = struct.unpack("!Q", self.take(8))[0]
        elif length == SHORT:
            length = struct.unpack("!H", self.take(2))[0]
        return first & ~FINAL, self.take(length)

    def close(self) -> None:
        self.socket.close()
