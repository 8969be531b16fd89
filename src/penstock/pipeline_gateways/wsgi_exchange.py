"""One request to a WSGI application that runs in a thread: what the thread does, and what the loop does for it.

Rule for editors: methods under «in the thread» touch no worker request, response or future; those under «on the loop» never
wait. Each field is written by one side only, and `post` makes the other side look.
"""

from __future__ import annotations

import logging
import os
from contextvars import Context as Variables
from typing import TYPE_CHECKING, Any, Final

from penstock.errors import ClientGone, RequestRejected
from penstock.pipeline.context import Context
from penstock.pipeline.error_report import describe
from penstock.pipeline.task import resume
from penstock.pipeline_gateways.file_wrapper import FileWrapper
from penstock.pipeline_gateways.wsgi_answer import Environ, WsgiAnswer, WsgiApplication, as_exception, close_result
from penstock.pipeline_gateways.wsgi_pull import BodyPull
from penstock.pipeline_gateways.wsgi_stream import WsgiStream

if TYPE_CHECKING:
    from penstock.pipeline_gateways.wsgi_threads import ThreadPool, Worker

logger: Final = logging.getLogger("penstock")


class WsgiExchange(WsgiAnswer):
    """An application's call and answer. `environ` is set before it is submitted to the pool."""

    __slots__ = (
        "_application",
        "_body",
        "_error",
        "_file",
        "_is_done",
        "_is_left",
        "_pool",
        "_pull",
        "_pulled",
        "_refusal",
        "_stream",
        "_variables",
        "_worker",
        "context",
        "environ",
    )

    def __init__(self, application: WsgiApplication, context: Context, pool: ThreadPool) -> None:
        self.status = 0
        self.content_length = -1
        self.is_started = False
        self.reason = b""
        self.context = context
        self.environ: Environ | None = None
        self._application = application
        self._pool = pool
        # The loop may be inside the request's own context variables while the thread runs: it gets a copy.
        self._variables: Variables = context.variables.copy()
        self._body = b""
        self._error: Exception | None = None
        self._refusal: RequestRejected | None = None
        self._file: tuple[int, int, int] | None = None
        self._stream: WsgiStream | None = None
        self._pull: BodyPull | None = None
        self._pulled: BodyPull | None = None  # the last one that the loop has seen
        self._worker: Worker | None = None  # whose thread has begun
        self._is_done = False
        self._is_left = False

    # -- in the thread -----------------------------------------------------------------------------------------------------

    def run(self, worker: Worker) -> None:
        """Call the application, hand its answer over, close what it returned. Never raises."""
        self._variables.run(self._run, worker)

    def _run(self, worker: Worker) -> None:
        environ, self.environ = self.environ, None
        self._worker = worker
        if self._is_left:
            worker.done += 1
            return  # its time was over before a thread was free: it has been answered
        if self.context.worker_request.is_disconnected:
            worker.done += 1
            self._end(ClientGone("the client left before a thread was free"))
            return
        result: Any = None
        try:
            assert environ is not None
            result = self._application(environ, self.start_response)
            kind = type(result)
            if (kind is list or kind is tuple) and not self.is_started and len(result) <= 1:
                # The commonest answer, and nothing to close: the thread is free as soon as the loop knows.
                self._body = self.check(result[0] if result else b"")
                worker.done += 1
                self._end(None)
                return
            self._answer(result)
            self._end(None)
        except BaseException as error:
            self._end(as_exception(error))
        try:
            close_result(result)
        except BaseException:
            logger.exception("close() of the WSGI answer to %s failed", describe(self.context))
        worker.done += 1

    def _answer(self, result: Any) -> None:
        if type(result) is FileWrapper and not self.is_started:
            self.check(b"")
            self._file = result.take_descriptor(self.content_length)
            if self._file is not None:
                return
        worker_request = self.context.worker_request
        is_head = worker_request.head.method == "HEAD"
        for chunk in result:
            self.check_piece(chunk)
            if worker_request.is_disconnected:
                raise ClientGone("the client left")
            if not chunk:
                continue
            if not self.is_started and len(chunk) == self.content_length:
                self._body = chunk
                return
            self._send(chunk)
            if is_head or self._is_whole():
                return  # PEP 3333: enough was sent
        self.check(b"")

    def write(self, chunk: bytes) -> None:
        """PEP 3333 `write`. Waits while the client reads slowly. Raises ClientGone when it has left."""
        if self.check(chunk):
            self._send(chunk)

    def pull(self) -> bytes:
        """As `BodySource.pull`."""
        pull = self._pull = BodyPull()
        self._pool.post(self)
        try:
            return pull.wait()
        except RequestRejected as error:
            self._refusal = error
            raise

    def _send(self, chunk: bytes) -> None:
        if self._stream is None:
            self.is_started = True
            self._stream = WsgiStream(self)
        self._stream.put(chunk, self._pool)

    def _is_whole(self) -> bool:
        return self._stream is not None and self._stream.count == self.content_length

    def _end(self, error: Exception | None) -> None:
        self._error = error
        self._is_done = True
        self._pool.post(self)

    # -- on the loop -------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Do what the thread has asked for since the last time; never raises."""
        is_done = self._is_done  # read first: once it is set, the thread changes nothing more
        if self._is_left:
            self._refuse_late()
        elif is_done and self._stream is None:
            self._leave()
        else:
            self._serve(is_done)

    def fail(self, error: Exception) -> None:
        """The answer cannot go on; the thread is told when it next sends."""
        if not self._is_left:
            self._error = error
            self._leave()

    def expire(self) -> None:
        """The time of this request is over, and it is being answered without the application (pipeline T-03).

        What the thread still does is ignored, but `close()` is called; a thread that works is left behind, and replaced.
        """
        if self._is_left:
            return
        self._is_left = True
        pull = self._pull or self._pulled
        is_waiting = pull is not None and pull.is_waiting
        self._refuse_late()
        if self._worker is not None and not self._is_done and not is_waiting:
            self._pool.replace(self._worker, describe(self.context), self.context.runtime.stuck)

    def _serve(self, is_done: bool) -> None:
        if self._pull is not None:
            pull, self._pull = self._pull, None
            self._pulled = pull
            pull.serve(self.context.worker_request, self.context.runtime)
        if self._stream is not None and self._stream.flush() and is_done:
            self._leave()

    def _leave(self) -> None:
        """The answer is complete, or has failed: the request goes on."""
        self._is_left = True
        context = self.context
        context.exchange = None
        if context.is_over:
            self._drop_file()
            return  # it was given up meanwhile, as at a hard stop
        if self._error is None and self._refusal is not None and self.status >= 500 and not self.is_started:
            # A framework that makes a 500 of everything has not answered for a body that was refused.
            self._error = self._refusal
        if self._error is None:
            self._fill_response()
        if self._error is not None:
            self._drop_file()
            context.fail(self._error)
        resume(context)

    def _fill_response(self) -> None:
        response = self.context.response
        if self._stream is not None:
            return
        try:
            self.apply(response)
            response.content = self._body
            if self._file is not None:
                (descriptor, offset, count), self._file = self._file, None
                response.send_file(descriptor, offset, count)
        except Exception as error:
            self._error = error

    def _refuse_late(self) -> None:
        # What a thread asks for, or hands over, behind the answer; it may have been left behind.
        pull, self._pull = self._pull or self._pulled, None
        if pull is not None and pull.is_waiting:
            pull.refuse(ClientGone("this request has been answered; the rest of its body is gone"))
        if self._stream is not None:
            self._stream.stop(ClientGone("this request has been answered already"))
        if self._is_done:
            self._drop_file()

    def _drop_file(self) -> None:
        if self._file is not None:
            os.close(self._file[0])
            self._file = None
