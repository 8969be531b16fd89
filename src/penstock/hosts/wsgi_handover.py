"""The bounded hand-over of an answer from the loop's thread to the WSGI server's, which does in between what it is asked to."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from penstock.errors import ClientGone
from penstock.intake.answer_pieces import read_at

if TYPE_CHECKING:
    from penstock.hosts.wsgi_request import WsgiRequest

Environ = dict[str, Any]
# PEP 3333: it is given the status, the headers, and what has failed.
StartResponse = Callable[..., Any]

# So much of a body is read, and of a file sent, at a time.
_PIECE: Final = 64 * 1024
# Seconds after which a thread that waits looks whether anybody is left to say something.
_LOOK: Final = 1.0
_FAILED: Final = "500 Internal Server Error"


class Head:
    """What the server is to be told first. `whole`: the body, when it is all there is."""

    __slots__ = ("fields", "status", "whole")

    def __init__(self, status: str, fields: list[tuple[str, str]], whole: bytes | FilePart | None) -> None:
        self.status = status
        self.fields = fields
        self.whole = whole


class FilePart:
    """A part of a file that is to be sent. The descriptor is its own, and is closed with it, whatever becomes of the answer."""

    __slots__ = ("count", "descriptor", "is_to_the_end", "offset")

    def __init__(self, descriptor: int, offset: int, count: int, *, is_to_the_end: bool) -> None:
        """`descriptor` is none that others have a place in; `is_to_the_end`: nothing of the file follows the part."""
        self.descriptor = descriptor
        self.offset = offset
        self.count = count
        self.is_to_the_end = is_to_the_end

    def read(self) -> bytes:
        """The next piece; b"" when the part has been read. Raises ClientGone for a file that has become shorter."""
        if not self.count:
            return b""
        piece = read_at(self.descriptor, min(self.count, _PIECE), self.offset)
        if not piece:
            raise ClientGone("the file became shorter while it was sent")
        self.offset += len(piece)
        self.count -= len(piece)
        return piece

    def open(self) -> BinaryIO:
        """A file that begins with the part, for `wsgi.file_wrapper`; closing it closes the descriptor."""
        file = os.fdopen(self.descriptor, "rb", buffering=0)
        self.descriptor = -1
        file.seek(self.offset)
        return file

    def close(self) -> None:
        """Close the descriptor, if nobody has."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()


class Read:
    """The application wants at most so many bytes of the request's body."""

    __slots__ = ("count",)

    def __init__(self, count: int) -> None:
        self.count = count


class End:
    """Nothing follows: all has been said, or `is_cut_off`."""

    __slots__ = ("is_cut_off",)

    def __init__(self, is_cut_off: bool) -> None:
        self.is_cut_off = is_cut_off


Item = Head | FilePart | Read | End | bytes


class Handover:
    """What one request says to the server's thread: the iterable that the server iterates, and what runs before it.

    `put` is called in the loop's thread, everything else in the server's.
    """

    __slots__ = (
        "_environ",
        "_file",
        "_handed",
        "_is_over",
        "_items",
        "_loop",
        "_request",
        "_start_response",
    )

    def __init__(
        self, request: WsgiRequest, environ: Environ, start_response: StartResponse, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._request = request
        self._environ = environ
        self._start_response = start_response
        self._loop = loop
        self._items: SimpleQueue[Item] = SimpleQueue()
        self._file: FilePart | None = None
        self._handed = 0  # bytes that the server has been given and has not come back from
        self._is_over = False

    def put(self, item: Item) -> None:
        """Say something to the server's thread."""
        self._items.put(item)

    def begin(self) -> Sequence[bytes] | Any:
        """Wait for the head, and what there is with it; returns the iterable for the server."""
        try:
            item = self._next_item()
            if isinstance(item, Head):
                return self._answer(item)
            return self._fail()
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Handover:
        return self

    def __next__(self) -> bytes:
        """The next piece for the server, which has sent the one before."""
        if self._handed:
            handed, self._handed = self._handed, 0
            self._call(self._request.take_back, handed)
        try:
            piece = self._next_piece()
        except BaseException:
            self.close()
            raise
        if piece is None:
            self._is_over = True
            raise StopIteration
        self._handed = len(piece)
        return piece

    def close(self) -> None:
        """The server has done with the answer. When that is not over, the client has left."""
        self._close_file()
        if not self._is_over:
            self._is_over = True
            self._call(self._request.lose)

    def _answer(self, head: Head) -> Sequence[bytes] | Any:
        self._start_response(head.status, head.fields)
        whole = head.whole
        if whole is None:
            return self
        if isinstance(whole, FilePart):
            return self._answer_file(whole)
        self._is_over = True
        return [whole] if whole else []

    def _answer_file(self, part: FilePart) -> Any:
        wrapper = self._environ.get("wsgi.file_wrapper")
        if wrapper is None or not part.is_to_the_end:
            # A wrapper sends to the end of the file.
            self._file = part
            self.put(End(is_cut_off=False))
            return self
        self._is_over = True
        return wrapper(part.open(), _PIECE)

    def _next_piece(self) -> bytes | None:
        if self._file is not None:
            piece = self._file.read()
            if piece:
                return piece
            self._close_file()
        item = self._next_item()
        if isinstance(item, bytes):
            return item
        if isinstance(item, FilePart):
            self._file = item
            return self._next_piece()
        if isinstance(item, End) and item.is_cut_off:
            self._fail()
        return None

    def _next_item(self) -> Item:
        """What is said next; reading for the application is done here, where the server's input may be used."""
        while True:
            try:
                item = self._items.get(timeout=_LOOK)
            except Empty:
                if self._loop.is_closed():  # the site was stopped in the very moment in which this was handed to it
                    return End(is_cut_off=True)
                continue
            if not isinstance(item, Read):
                return item
            self._read(item.count)

    def _read(self, count: int) -> None:
        try:
            piece = bytes(self._environ["wsgi.input"].read(count))
            if len(piece) > count:
                raise ValueError(f"wsgi.input gave {len(piece)} bytes when it was asked for {count}")
        except Exception as error:
            self._call(self._request.fail_body, error)
        else:
            self._call(self._request.feed, piece)

    def _fail(self) -> list[bytes]:
        """Answer with 500 while no byte has left; behind that raise, so that the server cuts the connection (PEP 3333)."""
        self._is_over = True
        try:
            raise ClientGone("the answer was cut off")
        except ClientGone:
            fields = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "0")]
            self._start_response(_FAILED, fields, sys.exc_info())
        return []

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # the loop is closed: the process is about to end
            self._is_over = True

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
