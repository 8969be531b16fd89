"""How a file goes out: by `sendfile` on a duplicate of the socket's descriptor, else piece by piece.

uvloop does not implement `loop.sendfile`, and `add_writer` refuses a descriptor that a transport owns; a duplicate is ours.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING, Any, Final

from penstock.errors import ClientGone
from penstock.intake.answer_pieces import read_at

if TYPE_CHECKING:
    from penstock.hosts.connection import Connection

_PIECE: Final = 256 * 1024
# Bytes sent in one turn of the loop: a fast client may not keep the others waiting.
_TURN: Final = 4 * 1024 * 1024
# Windows has none.
_SENDFILE: Final[Any] = getattr(os, "sendfile", None)
_MORE: Final = int(getattr(socket, "MSG_MORE", 0))


class FileSender:
    """Sends files for all connections of a loop."""

    __slots__ = ("_loop",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    async def send(self, connection: Connection, text: bytes, descriptor: int, offset: int, count: int) -> None:
        """Send `text`, then `count` bytes from `offset`. Raises ClientGone when the client leaves.

        A file that turns out shorter than `count` is a broken promise: the connection is cut.
        """
        if _SENDFILE is None or connection.scheme == "https" or connection.is_lost:
            await self._send_pieces(connection, text, descriptor, offset, count)
            return
        await self._flush(connection)
        try:
            duplicate = socket.socket(fileno=os.dup(connection.transport.get_extra_info("socket").fileno()))
        except OSError as error:
            raise ClientGone("the client left") from error
        try:
            duplicate.setblocking(False)
            await self._send_text(connection, duplicate, text)
            await self._send_file(connection, duplicate, descriptor, offset, count)
        finally:
            duplicate.close()

    async def _flush(self, connection: Connection) -> None:
        """Wait until everything written before has left the transport's own buffer."""
        transport = connection.transport
        if not transport.get_write_buffer_size():
            return
        transport.set_write_buffer_limits(0)
        try:
            while transport.get_write_buffer_size() and not connection.is_lost:
                pending = connection.wait_writable()
                if pending is None:
                    await asyncio.sleep(0)
                else:
                    await pending
        finally:
            if not connection.is_lost:
                transport.set_write_buffer_limits()

    async def _send_text(self, connection: Connection, duplicate: socket.socket, text: bytes) -> None:
        while text:
            try:
                sent = duplicate.send(text, _MORE)
            except (BlockingIOError, InterruptedError):
                await self._writable(connection, duplicate)
                continue
            except OSError as error:
                raise ClientGone("the client left") from error
            text = text[sent:]

    async def _send_file(
        self, connection: Connection, duplicate: socket.socket, descriptor: int, offset: int, count: int
    ) -> None:
        target = duplicate.fileno()
        turn = _TURN
        while count:
            if turn <= 0:
                turn = _TURN
                await asyncio.sleep(0)
            try:
                sent: int = _SENDFILE(target, descriptor, offset, min(count, turn))
            except (BlockingIOError, InterruptedError):
                await self._writable(connection, duplicate)
                continue
            except OSError as error:
                raise ClientGone("the client left") from error
            if not sent:
                connection.transport.abort()
                raise ClientGone("the file became shorter while it was sent")
            offset += sent
            count -= sent
            turn -= sent

    async def _writable(self, connection: Connection, duplicate: socket.socket) -> None:
        if connection.is_lost:
            raise ClientGone("the client left")
        ready: asyncio.Future[None] = self._loop.create_future()
        connection.watch_file(ready)
        self._loop.add_writer(duplicate.fileno(), _set_ready, ready)
        try:
            await ready
        finally:
            self._loop.remove_writer(duplicate.fileno())
            connection.watch_file(None)

    async def _send_pieces(self, connection: Connection, text: bytes, descriptor: int, offset: int, count: int) -> None:
        connection.write(text)
        while count:
            piece = read_at(descriptor, min(_PIECE, count), offset)
            if not piece:
                connection.transport.abort()
                raise ClientGone("the file became shorter while it was sent")
            connection.write(piece)
            offset += len(piece)
            count -= len(piece)
            pending = connection.wait_writable()
            if pending is not None:
                await pending


def _set_ready(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
