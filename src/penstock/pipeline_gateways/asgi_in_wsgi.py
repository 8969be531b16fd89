"""An ASGI 3 application, called as a WSGI application is: it runs on one loop for the process, its caller's thread waits.

The thread does for it what only a thread may: it reads `wsgi.input`, and takes one piece of the answer at a time, so that a
slow client holds the application back. WebSockets cannot come this way, and neither can anything that goes both ways at
once, or word of a client that leaves before the answer has ended (middleware section 15.4).
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterator, MutableMapping
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, ClassVar, Final

from penstock.errors import ContractError
from penstock.http.status import REASONS
from penstock.pipeline_gateways.loop_thread import begin_on_loop, keep, the_loop
from penstock.pipeline_gateways.wsgi_answer import Environ, StartResponse

logger = logging.getLogger("penstock")

Message = MutableMapping[str, Any]

_PIECE: Final = 64 * 1024
# Seconds that an application may go on behind its answer.
LAST_WORDS: Final = 10.0
_LIFESPAN: Final[dict[str, Any]] = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}


class AsgiInWsgi:
    """The adapter. The application's lifespan begins with the first request, on the same loop, and ends with the process."""

    __slots__ = ("__wrapped_app__", "_begun", "_state")

    __gateway__: ClassVar[str] = "wsgi"
    __signature_id__: ClassVar[str] = "asgi3"

    def __init__(self, application: Any) -> None:
        self.__wrapped_app__ = application
        self._state: dict[str, Any] = {}
        self._begun: Future[Any] = begin_on_loop(self._start())

    def __call__(self, environ: Environ, start_response: StartResponse) -> Any:
        """One request. Raises what the application raised behind the beginning of its answer."""
        self._begun.result()
        scope = scope_of(environ)
        if self._state:
            scope["state"] = self._state.copy()
        call = _Call(environ, start_response)
        return call.begin(self.__wrapped_app__, scope)

    async def _start(self) -> None:
        started = asyncio.get_running_loop().create_future()
        keep(asyncio.ensure_future(self._live(started)))
        await started

    async def _live(self, started: asyncio.Future[None]) -> None:
        asked = False

        async def receive() -> Message:
            nonlocal asked
            if asked:
                await asyncio.get_running_loop().create_future()  # it ends with the process
            asked = True
            return {"type": "lifespan.startup"}

        async def send(message: Message) -> None:
            if not message["type"].startswith("lifespan."):
                raise ContractError(f"{message['type']!r} is no message of the lifespan protocol")
            if message["type"] == "lifespan.startup.failed":
                logger.error("an ASGI application behind WSGI failed to start: %s", message.get("message", ""))
            if not started.done():
                started.set_result(None)

        try:
            await self.__wrapped_app__({**_LIFESPAN, "state": self._state}, receive, send)
        except Exception as error:
            logger.debug("an ASGI application behind WSGI has no lifespan: %r", error)
        finally:
            if not started.done():
                started.set_result(None)


class _Call:
    """One request: what the loop and the thread say to one another."""

    def __init__(self, environ: Environ, start_response: StartResponse) -> None:
        self._loop = the_loop()
        self._events: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._input = environ.get("wsgi.input")
        self._left = _length_of(environ)
        self._start_response = start_response
        self._start: Message | None = None
        self._has_begun = False
        self._is_last_taken = False
        self._is_read = False
        self._ended = asyncio.Event()
        self._taken: asyncio.Future[None] | None = None
        self._task: Future[Any] | None = None

    # -- in the thread -------------------------------------------------------------------------------------------------------

    def begin(self, application: Any, scope: dict[str, Any]) -> Any:
        """Let it run up to the first piece of its answer. What the caller iterates over."""
        self._task = begin_on_loop(self._run(application, scope))
        first = self.take()
        if self._is_last_taken or first is None:
            self.close()
            return [] if first is None else [first]
        return _Pieces(self, first)

    def take(self) -> bytes | None:
        """The next piece, None behind the last."""
        if self._is_last_taken:
            return None
        if self._taken is not None:
            self._loop.call_soon_threadsafe(_resolve, self._taken)
            self._taken = None
        while True:
            kind, value = self._events.get()
            if kind == "read":
                self._loop.call_soon_threadsafe(_resolve_with, value, self._read())
            elif kind == "body":
                body, more, self._taken = value
                self._begin_answer()
                self._is_last_taken = not more
                piece: bytes = body
                return piece
            else:
                self._is_last_taken = True
                return self._end(value)

    def _end(self, error: BaseException | None) -> bytes | None:
        if error is None:
            error = ContractError("the ASGI application returned without completing its answer")
        if self._has_begun:
            raise error
        self._has_begun = True
        logger.error("an ASGI application behind WSGI failed", exc_info=error)
        try:
            raise error
        except BaseException:
            # PEP 3333: so that whoever is around may show it
            self._start_response(
                "500 Internal Server Error", [("content-type", "text/plain; charset=utf-8")], sys.exc_info()
            )
        return b"500 Internal Server Error\n"

    def _begin_answer(self) -> None:
        start = self._start
        if self._has_begun or start is None:
            return
        self._has_begun = True
        status: int = start["status"]
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start.get("headers", ())]
        self._start_response(f"{status} {REASONS.get(status, 'Unknown')}", headers)

    def _read(self) -> tuple[bytes, bool] | BaseException:
        try:
            size = _PIECE if self._left < 0 else min(_PIECE, self._left)
            piece: bytes = self._input.read(size) if self._input is not None and size else b""
        except BaseException as error:
            return error
        if self._left > 0:
            self._left -= len(piece)
        return piece, bool(piece) and self._left != 0

    def close(self) -> None:
        """The caller wants no more: the application is told, and has some seconds to end."""
        self._loop.call_soon_threadsafe(self._disconnect)

    # -- on the loop ---------------------------------------------------------------------------------------------------------

    def _disconnect(self) -> None:
        self._ended.set()
        if self._taken is not None:
            _resolve(self._taken)
        if self._task is not None:
            self._loop.call_later(LAST_WORDS, self._task.cancel)

    async def _run(self, application: Any, scope: dict[str, Any]) -> None:
        try:
            await application(scope, self._receive, self._send)
        except BaseException as error:
            self._events.put(("end", error))
            if self._is_last_taken and isinstance(error, Exception) and not self._ended.is_set():
                logger.error("an ASGI application failed behind its answer", exc_info=error)
            if not isinstance(error, Exception):
                raise
        else:
            self._events.put(("end", None))

    async def _receive(self) -> Message:
        if self._is_read or self._ended.is_set():
            await self._ended.wait()
            return {"type": "http.disconnect"}
        if self._left == 0:
            self._is_read = True
            return {"type": "http.request", "body": b"", "more_body": False}
        waiting: asyncio.Future[Any] = self._loop.create_future()
        self._events.put(("read", waiting))
        body, more = await waiting
        self._is_read = not more
        return {"type": "http.request", "body": body, "more_body": more}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if self._ended.is_set():
            raise OSError("the client left")
        if kind == "http.response.start":
            if self._start is not None:
                raise ContractError("http.response.start was sent twice")
            self._start = message
        elif kind == "http.response.body":
            if self._start is None:
                raise ContractError("http.response.body before http.response.start")
            more = bool(message.get("more_body"))
            waiting: asyncio.Future[None] | None = self._loop.create_future() if more else None
            self._events.put(("body", (bytes(message.get("body", b"")), more, waiting)))
            if waiting is not None:
                await waiting
        else:
            raise ContractError(f"{kind!r} cannot be sent through WSGI")


class _Pieces:
    """The iterable of an answer that comes in pieces."""

    def __init__(self, call: _Call, first: bytes) -> None:
        self._call = call
        self._first: bytes | None = first

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        first, self._first = self._first, None
        piece = first if first is not None else self._call.take()
        if piece is None:
            raise StopIteration
        return piece

    def close(self) -> None:
        """PEP 3333: always called."""
        self._call.close()


def scope_of(environ: Environ) -> dict[str, Any]:
    """The scope of a request, from its environ: text is re-read, the path has its root in front."""
    root = environ.get("SCRIPT_NAME", "").encode("latin-1").decode("utf-8", "replace")
    path = root + environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")
    known: dict[str, Any] = dict(environ.get("asgi.scope") or {})
    headers = [
        (key[5:].replace("_", "-").lower().encode("latin-1"), value.encode("latin-1"))
        for key, value in environ.items()
        if key.startswith("HTTP_") and isinstance(value, str)
    ]
    headers += [
        (name, environ[key].encode("latin-1"))
        for key, name in (("CONTENT_TYPE", b"content-type"), ("CONTENT_LENGTH", b"content-length"))
        if environ.get(key)
    ]
    scope = {
        **{key: value for key, value in known.items() if key != "raw_path"},
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": environ.get("SERVER_PROTOCOL", "HTTP/1.1").partition("/")[2],
        "method": environ["REQUEST_METHOD"],
        "scheme": environ.get("wsgi.url_scheme", "http"),
        "path": path or "/",
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1"),
        "root_path": root,
        "headers": headers,
        "client": (environ["REMOTE_ADDR"], int(environ.get("REMOTE_PORT") or 0))
        if environ.get("REMOTE_ADDR")
        else None,
        "server": (environ.get("SERVER_NAME", ""), int(environ.get("SERVER_PORT") or 80)),
        "extensions": {},
    }
    if known.get("path") == path and "raw_path" in known:
        scope["raw_path"] = known["raw_path"]
    if environ.get("REMOTE_USER") and "user" not in scope:
        scope["user"] = environ["REMOTE_USER"]
    return scope


def _length_of(environ: Environ) -> int:
    """Bytes of the body; -1: until its end (middleware 15.4: none when neither is said)."""
    text = str(environ.get("CONTENT_LENGTH") or "")
    if text.isdecimal():
        return int(text)
    return -1 if environ.get("wsgi.input_terminated") else 0


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _resolve_with(future: asyncio.Future[Any], value: Any) -> None:
    if future.done():
        return
    if isinstance(value, BaseException):
        future.set_exception(value)
    else:
        future.set_result(value)
