"""Channel: how supervisor and worker talk, over one end of a socket pair on an event loop."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final, Generic, TypeVar, cast

from penstock.supervisor.messages import ChannelError, Message, Start, decode_to_worker, encode

logger = logging.getLogger("penstock")

M = TypeVar("M")

# Bytes of one line: the settings of a big site and the stacks of a busy worker are far below.
MOST_BYTES: Final = 64 * 1024 * 1024
_READ: Final = 65536


class Channel(asyncio.Protocol, Generic[M]):
    """One end. What comes is decoded and given to `receive`; `lost` is called once, when the other side has gone."""

    def __init__(self, decode: Callable[[bytes], M], *, receive: Callable[[M], None], lost: Callable[[], None]) -> None:
        self._decode = decode
        self._receive = receive
        self._lost = lost
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    async def open(self, end: socket.socket) -> None:
        """Begin to read from `end`, which belongs to the channel from now on."""
        end.setblocking(False)
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=end)

    def send(self, message: Message) -> None:
        """Send, or forget it when the other side has gone: whoever waits for an answer is told by `lost`."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode(message))

    def close(self) -> None:
        """Say no more; what was said is still sent."""
        if self._transport is not None:
            self._transport.close()

    # -- asyncio.Protocol ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        buffer = self._buffer
        buffer += data
        if b"\n" not in data:
            if len(buffer) > MOST_BYTES:
                self._abort(f"a line of more than {MOST_BYTES} bytes")
            return
        *lines, rest = bytes(buffer).split(b"\n")
        buffer[:] = rest
        for line in lines:
            self._take(line)

    def eof_received(self) -> bool:
        """Called by the loop: the other side has gone, and `connection_lost` follows."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the loop."""
        self._transport = None
        self._lost()

    def _take(self, line: bytes) -> None:
        try:
            message = self._decode(line)
        except ChannelError as error:
            # Half a line that an upgrade of the supervisor has cut is nobody's fault, and no reason to give a worker up.
            logger.warning("a message between supervisor and worker is passed over: %s", error)
            return
        self._receive(message)

    def _abort(self, reason: str) -> None:
        logger.error("a channel between supervisor and worker is cut: %s", reason)
        if self._transport is not None:
            self._transport.abort()


def read_start(end: socket.socket) -> Start:
    """The first message to a worker, read before it has a loop. Raises ChannelError when it is none, or the supervisor has gone."""
    end.setblocking(True)
    line = bytearray()
    while b"\n" not in line:
        piece = end.recv(_READ, socket.MSG_PEEK)
        if not piece:
            raise ChannelError("the supervisor has gone")
        # What comes behind the line is for the channel.
        line += end.recv(piece.find(b"\n") + 1 or len(piece))
    message = decode_to_worker(bytes(line[:-1]))
    if not isinstance(message, Start):
        raise ChannelError(f"the first message is {type(message).__name__}, not Start")
    return message
