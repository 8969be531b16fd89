"""Response: what is going to be answered, changeable until its head has left, which happens once."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from stat import S_ISREG
from typing import TYPE_CHECKING, Final

from penstock.errors import ContractError, ResponseStarted
from penstock.http.headers import Headers, encode_field
from penstock.http.messages import ResponseHead
from penstock.http.status import is_bodiless

if TYPE_CHECKING:
    from penstock.intake.worker_request import WorkerRequest
    from penstock.pipeline.context import Context

# RFC 3986: what may stand in a Location as it is; the rest is percent-encoded.
_LOCATION_SAFE: Final = "/#%[]=:;$&()+,!?*@'~"
_OF_A_BODY: Final = (b"content-length", b"content-encoding", b"content-type")

# What a browser must not take for everybody's is nobody else's, unless the handler says otherwise (pipeline H-10).
PRIVATE: Final = (b"cache-control", b"private")
BYTES: Final = ((b"content-type", b"application/octet-stream"), PRIVATE)


def add_defaults(headers: list[tuple[bytes, bytes]], defaults: tuple[tuple[bytes, bytes], ...]) -> None:
    """Add those of `defaults` whose names are not among `headers`."""
    if not headers:
        headers += defaults
        return
    names = {name for name, _ in headers}
    headers += [pair for pair in defaults if pair[0] not in names]


class Response(ResponseHead):
    """The answer to one request; made by the pipeline for each, or by a handler that returns its own.

    `status` is 200 to 599, `body` the buffered bytes, `raw_headers` the fields as byte pairs with lower-case names.
    Everything is held back until the stages have passed, unless the handler flushes (pipeline O-01).
    """

    __slots__ = ("_callbacks", "_context", "_file", "body", "is_special", "is_started")

    def __init__(
        self,
        body: bytes | str = b"",
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
        content_type: str | None = None,
    ) -> None:
        """`body` as bytes or text (sent as UTF-8). Raises ValueError for headers that HTTP does not allow."""
        super().__init__(status, [])
        self.is_started = False
        self._callbacks: list[Callable[[Response], None]] | None = None
        self._context: Context | None = None
        self.is_special = False
        self._file: tuple[int, int, int] | None = None
        if isinstance(body, str):
            content_type = content_type or "text/plain; charset=utf-8"
            self.body = body.encode()
        else:
            self.body = body
        for name, value in (headers or {}).items():
            self.raw_headers.append(encode_field(name, value))
        if content_type is not None:
            self.headers.setdefault("content-type", content_type)

    @property
    def status(self) -> int:
        """The status, 200 to 599. Raises ResponseStarted when it is set behind the head (pipeline O-02), ValueError."""
        return self.status_code

    @status.setter
    def status(self, status: int) -> None:
        self._check_not_started()
        if not 200 <= status <= 599:
            raise ValueError(f"a response has a status from 200 to 599, not {status}")
        self.status_code = int(status)
        self.reason_phrase = b""

    @property
    def has_file(self) -> bool:
        """Whether a file is what will be answered."""
        return self._file is not None

    @property
    def headers(self) -> Headers:
        """The header fields; a view that writes through."""
        return SentHeaders(self.raw_headers) if self.is_started else Headers(self.raw_headers)

    def on_sending_headers(self, callback: Callable[[Response], None]) -> None:
        """Call `callback(response)` once, just before the head leaves; the last registered comes first.

        It may change status, headers and cookies. Raises ResponseStarted when the head has left.
        """
        self._check_not_started()
        if self._callbacks is None:
            self._callbacks = []
        self._callbacks.append(callback)
        self.is_special = True

    def write(self, text: bytes | str) -> None:
        """Append to the buffered body; `str` is sent as UTF-8."""
        self._take_file_back()
        self.body += text.encode() if isinstance(text, str) else text

    async def flush(self) -> None:
        """Send what is buffered, head first. From now on the answer streams; waits while the client reads slowly.

        The head gets the fields of a handler's answer by default: application/octet-stream, private (pipeline H-10).
        """
        if not self.is_started and not is_bodiless(self.status):
            add_defaults(self.raw_headers, BYTES)
        pending = self.send_buffered()
        if pending is not None:
            await pending

    def send_buffered(self) -> Awaitable[None] | None:
        """Used by handlers of our own: as `flush`, with the head as it is; None, or what to wait for."""
        worker_request = self._need_worker_request()
        body, self.body = self.body, b""
        return self._send_more(body) if self.is_started else self._send_first(worker_request, body)

    def redirect(self, location: str, status: int = 303) -> None:
        """Answer with a redirect to `location`; the body is emptied, cookies and headers stay (pipeline T-02).

        Raises ValueError for CR or LF in the location and for a status that is no redirect.
        """
        self._check_not_started()
        if status not in (301, 302, 303, 307, 308):
            raise ValueError(f"{status} is no redirect: 301, 302, 303, 307 or 308")
        from urllib.parse import quote  # imported when used: it costs start-up time

        if "\r" in location or "\n" in location:
            raise ValueError(f"a location holds no line break: {location!r}")
        self.status = status
        self.body = b""
        self._drop_file()
        # They spoke of the body that is gone.
        self.raw_headers[:] = [pair for pair in self.raw_headers if pair[0] not in _OF_A_BODY]
        self.headers["location"] = quote(location, safe=_LOCATION_SAFE)

    def set_cookie(self, name: str, value: str, **attributes: str | int | bool) -> None:
        """Set a cookie; `attributes` as in http.cookies (path, domain, max_age, secure, httponly, samesite).

        Raises ValueError for a name or value that a cookie cannot hold (RFC 6265 section 4.1.1).
        """
        self._check_not_started()
        from http.cookies import CookieError, Morsel  # imported when used: it costs start-up time
        from urllib.parse import quote

        morsel: Morsel[str] = Morsel()
        try:
            morsel.set(name, value, quote(value, safe="!#$%&'()*+-./:<=>?@[]^_`{|}~"))
            for attribute, setting in ({"path": "/"} | attributes).items():
                morsel[attribute.replace("_", "-")] = setting if isinstance(setting, bool) else str(setting)
        except CookieError as error:
            raise ValueError(f"cookie {name!r}: {error}") from None
        self.headers.add("set-cookie", morsel.OutputString())

    def send_file(self, file: int | str | os.PathLike[str], offset: int = 0, count: int | None = None) -> None:
        """Answer with `count` bytes (default: all) of a file from `offset`, sent by the host without buffering them.

        `file` is a path, or an open descriptor that then belongs to the response. Raises OSError when it cannot be opened.
        """
        self._check_not_started()
        self._drop_file()
        descriptor = file if isinstance(file, int) else _open(file)
        if count is None:
            count = os.fstat(descriptor).st_size - offset
        self.is_special = True
        self._file = (descriptor, offset, count)
        self.body = b""
        self.headers["content-length"] = str(count)

    def replace_with(self, other: Response) -> None:
        """Become `other`, a response that a handler or an error hook returned; callbacks stay. Raises ResponseStarted."""
        self._check_not_started()
        if other is self:
            return
        self._drop_file()
        self.status_code, self.body, self._file = other.status_code, other.body, other._file
        self.is_special = self.is_special or other.is_special
        self.raw_headers[:] = [pair for pair in self.raw_headers if pair[0] == b"set-cookie"] + other.raw_headers
        other._file = None

    def merge(self, other: Response) -> None:
        """Take status, body and headers of `other`, a handler's answer, beside the headers that modules have set."""
        self._check_not_started()
        self.status_code, self.body, self._file = other.status_code, other.body, other._file
        self.is_special = self.is_special or other.is_special
        other._file = None
        if not self.raw_headers:
            self.raw_headers.extend(other.raw_headers)
            return
        names = {name for name, _ in other.raw_headers if name != b"set-cookie"}
        self.raw_headers[:] = [pair for pair in self.raw_headers if pair[0] not in names] + other.raw_headers

    def clear(self) -> None:
        """Forget status, headers, body and file, as before an error answer (pipeline O-07). Raises ResponseStarted."""
        self._check_not_started()
        self._drop_file()
        self.status = 200
        self.body = b""
        self.raw_headers.clear()

    def take_head(self) -> ResponseHead:
        """Used by the pipeline: run the callbacks and hand the head over. Raises ResponseStarted the second time."""
        if self.is_started:
            self._check_not_started()
        if self._callbacks is not None:
            callbacks, self._callbacks = self._callbacks, None
            for callback in reversed(callbacks):
                callback(self)
        self.is_started = True
        self.is_special = True
        if self._context is not None and self._context.plan.headers:
            self._set_headers_of_location(self._context.plan.headers)
        return self

    def finish(self) -> Awaitable[None] | None:
        """Used by the pipeline: send what has not left yet, to the last byte."""
        context = self._context
        if context is None:
            raise ContractError("this response has left already")
        worker_request = context.worker_request
        if self._file is not None:
            return self._finish_file(worker_request)
        return worker_request.send(None if self.is_started else self.take_head(), self.body, False)

    def reopen(self) -> None:
        """Used by the pipeline: the head did not leave after all, for the host refused it."""
        self.is_special = True
        self.is_started = False

    def release(self) -> None:
        """Used by the pipeline: the request has left; let go of it, and of a file that was never sent."""
        self._context = None
        if self._file is not None:
            self._drop_file()

    def _set_headers_of_location(self, headers: tuple[tuple[bytes, bytes], ...]) -> None:
        names = {name for name, _ in headers}
        self.raw_headers[:] = [pair for pair in self.raw_headers if pair[0] not in names]
        self.raw_headers.extend(headers)

    async def _finish_file(self, worker_request: WorkerRequest) -> None:
        assert self._file is not None
        descriptor, offset, count = self._file
        head = self.take_head()
        try:
            await worker_request.send_file(head, descriptor, offset, count, False)
        finally:
            self._drop_file()

    def _send_first(self, worker_request: WorkerRequest, body: bytes) -> Awaitable[None] | None:
        head = self.take_head()
        try:
            return worker_request.send(head, body, True)
        except ContractError:
            self.reopen()
            raise

    def _send_more(self, body: bytes) -> Awaitable[None] | None:
        return self._need_worker_request().send(None, body, True) if body else None

    def _take_file_back(self) -> None:
        if self._file is not None:
            self._drop_file()
            self.raw_headers[:] = [pair for pair in self.raw_headers if pair[0] != b"content-length"]

    def _drop_file(self) -> None:
        if self._file is not None:
            descriptor, self._file = self._file[0], None
            os.close(descriptor)

    def _check_not_started(self) -> None:
        if self.is_started:
            raise _head_has_left()

    def _need_worker_request(self) -> WorkerRequest:
        if self._context is None:
            raise ContractError(
                "this response belongs to no request: return it from a handler, or use context.response"
            )
        return self._context.worker_request


class SentHeaders(Headers):
    """The header fields of a response whose head has left: to be read only (pipeline O-02)."""

    __slots__ = ()

    def add(self, name: str, value: str) -> None:
        """Raises ResponseStarted."""
        raise _head_has_left()

    def __setitem__(self, name: str, value: str) -> None:
        raise _head_has_left()

    def __delitem__(self, name: str) -> None:
        raise _head_has_left()


def _head_has_left() -> ResponseStarted:
    return ResponseStarted("the head of the response has left; it can no longer be changed")


def _open(path: str | os.PathLike[str]) -> int:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    if not S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{os.fspath(path)!r} is no regular file")
    return descriptor


class ContextResponse(Response):
    """The response of a request that is inside; made by the pipeline."""

    __slots__ = ()

    def __init__(self, context: Context) -> None:
        self.status_code = 200
        self.reason_phrase = b""
        self.body = b""
        self.raw_headers = []
        self.is_started = False
        # Whether more is to be done than to send it whole: callbacks, a file, or a head that has left.
        self.is_special = False
        self._callbacks = None
        self._context = context
        self._file = None
