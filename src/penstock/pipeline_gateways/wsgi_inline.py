"""WSGI applications that never wait, run on the loop itself: `threads = 0`.

The whole body is read first. The answer is stepped by the loop, one piece at a time, and rests while the client reads slowly.
There is no deadline, and an application that blocks holds everybody up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterator
from io import BytesIO
from typing import Any, Final

from penstock.pipeline.context import Context
from penstock.pipeline.error_report import describe
from penstock.pipeline.signatures import called
from penstock.pipeline_gateways.file_wrapper import FileWrapper
from penstock.pipeline_gateways.wsgi_answer import WsgiAnswer, WsgiApplication, close_result
from penstock.pipeline_gateways.wsgi_environ import EnvironMaker
from penstock.pipeline_gateways.wsgi_input import take_whole

logger: Final = logging.getLogger("penstock")

_END: Final = object()


class InlineRunner:
    """Runs one application on the loop."""

    __slots__ = ("_application", "_environs")

    def __init__(self, application: WsgiApplication, environs: EnvironMaker) -> None:
        self._application = application
        self._environs = environs

    def execute(self, context: Context) -> Awaitable[None] | None:
        """The step of stage EXECUTE: call the application."""
        worker_request = context.worker_request
        if not worker_request.head.framing.content_length:
            return self._call(context, b"")
        body, is_whole = take_whole(worker_request)
        return self._call(context, body) if is_whole else self._read_and_call(context, body)

    async def _read_and_call(self, context: Context, body: bytes) -> None:
        worker_request = context.worker_request
        pieces = [body]
        while (piece := worker_request.take()) != b"":
            if piece is None:
                await worker_request.wait_body()
            else:
                pieces.append(piece)
        pending = called(self._call, context, b"".join(pieces))
        if pending is not None:
            await pending

    def _call(self, context: Context, body: bytes) -> Awaitable[None] | None:
        answer = InlineAnswer(context)
        result: Any = self._application(self._environs.make(context, BytesIO(body)), answer.start_response)
        kind = type(result)
        if (kind is list or kind is tuple) and not answer.is_started and len(result) <= 1:
            context.response.content = answer.check(result[0] if result else b"")
            answer.apply(context.response)
            return None
        return answer.take(result)


class InlineAnswer(WsgiAnswer):
    """An answer made on the loop."""

    __slots__ = ("_context", "_pending", "_sent")

    def __init__(self, context: Context) -> None:
        self.status = 0
        self.content_length = -1
        self.is_started = False
        self.reason = b""
        self._context = context
        self._pending: Awaitable[None] | None = None
        self._sent = 0

    def write(self, chunk: bytes) -> None:
        """PEP 3333 `write`. It cannot wait: what a slow client has not read is kept in memory."""
        if self.check(chunk):
            self._send(chunk)

    def take(self, result: Any) -> Awaitable[None] | None:
        """Make what the application returned the answer: at once when its first piece is all, else step by step."""
        try:
            if self._take_file(result):
                self._close_soon(result)
                return None
            iterator: Iterator[Any] = iter(result)
            chunk: Any = next(iterator, _END)
            if not self.is_started and (chunk is _END or len(chunk) == self.content_length > 0):
                self._finish(b"" if chunk is _END else chunk)
                self._close_soon(result)
                return None
        except BaseException:
            self._close(result)
            raise
        return self._step_through(result, iterator, chunk)

    async def _step_through(self, result: Any, iterator: Iterator[Any], chunk: Any) -> None:
        is_head = self._context.worker_request.head.method == "HEAD"
        try:
            while chunk is not _END:
                if self.check_piece(chunk):
                    self._send(chunk)
                    if is_head or self._sent == self.content_length:
                        break  # PEP 3333: enough was sent
                pending, self._pending = self._pending, None
                await (asyncio.sleep(0) if pending is None else pending)
                chunk = next(iterator, _END)
            if not self.is_started:
                self._finish(b"")
        except BaseException:
            self._close(result)
            raise
        self._close_soon(result)

    def _send(self, chunk: bytes) -> None:
        context = self._context
        if self.is_started:
            self._pending = context.response.send_piece(chunk)
        else:
            self._pending = self.send_first(context, chunk)
            self.is_started = True
        self._sent += len(chunk)

    def _take_file(self, result: Any) -> bool:
        if type(result) is not FileWrapper or self.is_started:
            return False
        self.check(b"")
        file = result.take_descriptor(self.content_length)
        if file is None:
            return False
        self._finish(b"")
        self._context.response.send_file(*file)
        return True

    def _finish(self, body: bytes) -> None:
        body = self.check(body)
        self.apply(self._context.response)
        self._context.response.content = body

    def _close_soon(self, result: Any) -> None:
        # The answer leaves first: the rest of the plan runs before the loop comes to this.
        if hasattr(result, "close"):
            context = self._context
            context.runtime.loop.call_soon(self._close, result, context=context.variables.copy())

    def _close(self, result: Any) -> None:
        try:
            close_result(result)
        except BaseException:
            logger.exception("close() of the WSGI answer to %s failed", describe(self._context))
