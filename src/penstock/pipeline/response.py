"""Response: what is going to be answered, changeable until its head has left, which happens once."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from penstock.errors import ContractError, ResponseCompleted
from penstock.http.status import is_bodiless
from penstock.pipeline import sending
from penstock.pipeline.answer_file import open_answer_file
from penstock.pipeline.changeable_head import ChangeableHead
from penstock.pipeline.response_headers import BYTES, TEXT, add_charset, add_defaults, drop_fields
from penstock.pipeline.signatures import check_callable

if TYPE_CHECKING:
    from penstock.intake.worker_request import WorkerRequest
    from penstock.pipeline.context import Context
    from penstock.pipeline.filters import Filter

# RFC 3986: what may stand in a Location as it is; the rest is percent-encoded.
_LOCATION_SAFE: Final = "/#%[]=:;$&()+,!?*@'~"
_OF_A_BODY: Final = (b"content-length", b"content-encoding", b"content-type")
_TEXT_TYPE: Final = "text/plain; charset=utf-8"


class Response(ChangeableHead):
    """The answer to one request; made by the pipeline for each, or by a handler that returns its own.

    Everything is held back until the stages have passed, unless the handler flushes (pipeline O-01). For the pipeline itself
    there are the bare `status_code`, `content` and `raw_headers` (byte pairs, lower-case names), which nothing guards.
    """

    __slots__ = ("content",)

    def __init__(
        self,
        body: bytes | str = b"",
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
        content_type: str | None = None,
    ) -> None:
        """`body` as bytes or text (sent as UTF-8). Raises ValueError for a status or headers that HTTP does not allow."""
        super().__init__()
        self.content = b""
        self.status = status
        for name, value in (headers or {}).items():
            self.headers.add(name, value)
        if content_type is not None:
            self.headers.setdefault("content-type", content_type)
        if isinstance(body, str):
            self.headers.setdefault("content-type", _TEXT_TYPE)
            add_charset(self.raw_headers)
            self.content = body.encode()
        else:
            self.content = _checked(body)

    # -- the head --------------------------------------------------------------------------------------------------------

    def redirect(self, location: str, status: int = 303) -> None:
        """Answer with a redirect to `location`; the body is emptied, cookies and headers stay (pipeline T-02).

        Raises ValueError for CR or LF in the location and for a status that is no redirect.
        """
        self.check_not_started()
        if status not in (301, 302, 303, 307, 308):
            raise ValueError(f"{status} is no redirect: 301, 302, 303, 307 or 308")
        if "\r" in location or "\n" in location:
            raise ValueError(f"a location holds no line break: {location!r}")
        from urllib.parse import quote  # imported when used: it costs start-up time

        self._empty()
        self.status = status
        # They spoke of the body that is gone.
        drop_fields(self.raw_headers, _OF_A_BODY)
        self.headers["location"] = quote(location, safe=_LOCATION_SAFE)

    # -- the body --------------------------------------------------------------------------------------------------------

    @property
    def body(self) -> bytes:
        """The buffered body. Setting it raises ResponseSealed behind filters and error answers: see `replace`."""
        return self.content

    @body.setter
    def body(self, body: bytes) -> None:
        if self.is_special:
            self._begin_writing()
        self.content = _checked(body)

    def write(self, text: bytes | str) -> None:
        """Append to the buffered body; `str` is sent as UTF-8.

        Raises ResponseSealed behind filters and error answers (pipeline X-09, X-10), ResponseCompleted behind the end.
        """
        if self.is_special:
            self._begin_writing()
        if isinstance(text, str):
            self.need_extras().is_text = True
            self.content += text.encode()
        else:
            self.content += _checked(text)

    def replace(self, body: bytes | str, *, content_type: str | None = None) -> None:
        """Put `body` in place of what is there, even if that is an error answer or has passed filters (pipeline X-10).

        Filters that have run already are taken back with their headers. Raises ResponseStarted when the head has left.
        """
        self.check_not_started()
        self._empty()
        drop_fields(self.raw_headers, (b"content-encoding",))
        if content_type is not None:
            self.headers["content-type"] = content_type
        if isinstance(body, str):
            self.headers.setdefault("content-type", _TEXT_TYPE)
            add_charset(self.raw_headers)
            body = body.encode()
        self.content = _checked(body)

    def clear(self) -> None:
        """Forget the body, and nothing else (pipeline O-07). Raises ResponseStarted when the head has left."""
        self.check_not_started()
        self._empty()

    def send_file(self, file: int | str | os.PathLike[str], offset: int = 0, count: int | None = None) -> None:
        """Answer with `count` bytes (default: all) of a file from `offset`, sent by the host without buffering them.

        `file` is a path, or an open descriptor that then belongs to the response. Raises OSError when it cannot be opened,
        ValueError when it is shorter than that.
        """
        self.check_not_started()
        if self.is_special:
            self._begin_writing()
        opened = open_answer_file(file, offset, count)
        self.need_extras().file = opened
        self.is_special = True
        self.content = b""
        self.headers["content-length"] = str(opened.count)

    @property
    def has_file(self) -> bool:
        """Whether a file is what will be answered."""
        return self.extras is not None and self.extras.file is not None

    @property
    def suppress_content(self) -> bool:
        """Whether the body is left out when it is sent, whatever there is of it (pipeline O-05); for HEAD it always is."""
        return self.extras is not None and self.extras.is_suppressed

    @suppress_content.setter
    def suppress_content(self, is_suppressed: bool) -> None:
        self.check_not_started()
        self.need_extras().is_suppressed = is_suppressed
        self.is_special = True

    def add_filter(self, added: Filter) -> None:
        """Let the body pass `added` on its way out, behind the filters that are there already (pipeline O-08).

        Raises ResponseStarted when the head has left, ResponseSealed when the filters have run, TypeError for no filter.
        """
        self.check_not_started()
        extras = self.need_extras()
        extras.check_open()
        extras.need_filters().add(added)
        self.is_special = True

    # -- on its way ------------------------------------------------------------------------------------------------------

    def on_sending_headers(self, callback: Callable[[Response], None]) -> None:
        """Call `callback(response)` once, just before the head leaves; the last registered comes first.

        It may change status, headers and cookies, not the body. Raises ResponseStarted when the head has left, TypeError for
        what cannot be called.
        """
        self.check_not_started()
        check_callable("on_sending_headers", callback)
        extras = self.extras or self.need_extras()
        if extras.callbacks is None:
            extras.callbacks = [callback]
        else:
            extras.callbacks.append(callback)
        self.is_special = True

    async def flush(self) -> None:
        """Send what is buffered, head first. From now on the answer streams; waits while the client reads slowly.

        The head gets the fields of a handler's answer by default (pipeline H-10). Behind filters that have finished, an error
        answer, or a file, nothing happens: that leaves at the end. Raises ResponseCompleted when the answer has ended.
        """
        if not self.is_started and not is_bodiless(self.status_code):
            self.add_written_defaults()
        pending = self.send_buffered()
        if pending is not None:
            await pending

    def early_hints(self, fields: Mapping[str, str | Sequence[str]]) -> None:
        """Send 103 (Early Hints) with `fields` now, where host and protocol can (RFC 8297); the answer follows later.

        Raises ResponseStarted when the head has left, ValueError for fields that HTTP does not allow.
        """
        self.check_not_started()
        sending.inform(self.need_worker_request(), fields)

    def trailers(self, fields: Mapping[str, str]) -> None:
        """Let `fields` follow the body, where the protocol carries them (RFC 9110 section 6.5); may be called until the end.

        The answer is then sent in chunks. Raises ValueError for fields that cannot be trailers, ResponseCompleted.
        """
        self._check_not_completed()
        self.need_extras().add_trailers(fields)
        self.is_special = True

    # -- used by the pipeline --------------------------------------------------------------------------------------------

    def send_buffered(self) -> Awaitable[None] | None:
        """As `flush`, with the head as it is; None, or what to wait for."""
        self._check_not_completed()
        if self.status_code == 101:
            raise ContractError("this request was accepted as a WebSocket: nothing is sent in front of the handshake")
        extras = self.extras
        if extras is not None:
            extras.check_not_calling("flushes")
            if extras.sealed or extras.file is not None:
                return None
        if self.is_started and not self.content:
            return None
        if not self.is_started:
            self.need_extras().sent_by = self.place()
        body, self.content = self.content, b""
        return sending.send_piece(self, self.need_worker_request(), body)

    @property
    def is_changing_pieces(self) -> bool:
        """Whether what is streamed does not leave as it comes: there are filters, or the body is suppressed."""
        return self.extras is not None and self.extras.changes_pieces

    def add_trailers(self, fields: list[tuple[bytes, bytes]]) -> None:
        """As `trailers`, for fields that have been judged."""
        extras = self.need_extras()
        extras.trailers = [*(extras.trailers or ()), *fields]
        self.is_special = True

    def add_written_defaults(self) -> None:
        """Add the fields that a handler's own body gets by default, by what was written: text or bytes (pipeline H-10)."""
        extras = self.extras
        if extras is not None and extras.is_text:
            add_charset(self.raw_headers)
            add_defaults(self.raw_headers, TEXT)
        else:
            add_defaults(self.raw_headers, BYTES)

    def replace_with(self, other: Response) -> None:
        """Become `other`, which an error hook returned; cookies and callbacks stay. Raises ResponseStarted."""
        self.check_not_started()
        if other is not self:
            self.begin_error_answer()
            self._take(other)
            self.raw_headers[:] = [pair for pair in self.raw_headers if pair[0] == b"set-cookie"] + other.raw_headers
        self.seal("an error was answered")

    def merge(self, other: Response) -> None:
        """Take status, body and headers of `other`, a handler's answer, beside the headers that modules have set."""
        self.check_not_started()
        if other is self:
            return
        self._take(other)
        if not self.raw_headers:
            self.raw_headers.extend(other.raw_headers)
            return
        names = {name for name, _ in other.raw_headers if name != b"set-cookie"}
        self.raw_headers[:] = [pair for pair in self.raw_headers if pair[0] not in names] + other.raw_headers

    def begin_error_answer(self) -> None:
        """Make room for the answer to an error: body and filters go, with what they have changed in the head (pipeline X-09)."""
        try:
            if self.extras is not None:
                self.extras.sealed = ""
                self.extras.drop_filters(self.raw_headers)
            self._empty()
        except (TypeError, ValueError):
            # Compiled, what is no pair of bytes cannot even be looked at; none of it may harm the answer to the error.
            self.raw_headers.clear()

    def seal(self, reason: str) -> None:
        """From now on the body takes nothing more but a `replace` (pipeline X-09, X-10)."""
        self.need_extras().sealed = reason
        self.is_special = True

    def run_filters(self) -> None:
        """Let the body pass its filters to their end, and seal it; a file passes them when it is sent."""
        if self.extras is not None and self.extras.filters is not None:
            sending.run_filters(self, self.extras)

    def send_piece(self, piece: bytes) -> Awaitable[None] | None:
        """Send a piece of an answer that streams, the head with the first one; through the filters if there are any."""
        return sending.send_piece(self, self.need_worker_request(), piece)

    def finish(self) -> Awaitable[None] | None:
        """Send what has not left yet, to the last byte."""
        if self.extras is not None:
            return sending.finish(self, self.extras)
        worker_request = self.need_worker_request()
        return worker_request.send(None if self.is_started else sending.take_head(self), self.content, False)

    def reopen(self) -> None:
        """The head did not leave after all, for the host refused it."""
        self.is_special = True
        self.is_started = False

    def release(self) -> None:
        """The request has left; let go of it, and of a file that was never sent."""
        self.context = None
        self.is_started = self.is_special = True
        if self.extras is not None:
            self.extras.drop_file()

    def need_worker_request(self) -> WorkerRequest:
        """The host's side. Raises ContractError when there is none, ResponseCompleted when there is none any more."""
        self._check_not_completed()
        if self.context is None:
            raise ContractError(
                "this response belongs to no request: return it from a handler, or use context.response"
            )
        return self.context.worker_request

    def _check_not_completed(self) -> None:
        if self.is_started and self.context is None:
            raise ResponseCompleted("the answer has ended; nothing more can be sent")

    def _begin_writing(self) -> None:
        self._check_not_completed()
        if self.extras is not None:
            self.extras.check_open()
            if self.extras.file is not None:
                self._empty()

    def _empty(self) -> None:
        extras = self.extras
        if extras is not None:
            extras.check_not_calling("changes the body")
            extras.drop_file()
            if extras.filters is not None and extras.filters.is_begun:
                extras.drop_filters(self.raw_headers)
        self.content = b""
        drop_fields(self.raw_headers, (b"content-length",))

    def _take(self, other: Response) -> None:
        self.set_status(other.status_code)
        self.reason_phrase, self.content = other.reason_phrase, other.content
        self.is_special = self.is_special or other.is_special
        if self.extras is not None:
            self.extras.drop_file()
        if other.extras is not None:
            self.need_extras().take(other.extras)


def _checked(body: object) -> bytes:
    if not isinstance(body, bytes):
        raise TypeError(f"a body is bytes, or text that is written or returned, not {type(body).__name__!r}")
    return body


class ContextResponse(Response):
    """The response of a request that is inside; made by the pipeline."""

    __slots__ = ()

    def __init__(self, context: Context) -> None:
        self.status_code = 200
        self.reason_phrase = b""
        self.content = b""
        self.raw_headers = []
        self.is_started = False
        self.is_special = False
        self.context = context
        self.extras = None
