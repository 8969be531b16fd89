"""ChangeableHead: the head of a response, guarded by the moment at which it leaves (pipeline O-02)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from penstock.errors import ResponseStarted
from penstock.http.cookies import cookie_identity, write_cookie
from penstock.http.grammar import is_field_value
from penstock.http.headers import Headers
from penstock.http.messages import ResponseHead
from penstock.http.response_head import LONGEST_REASON
from penstock.http.status import NO_CONTENT, REASONS
from penstock.pipeline.response_extras import Extras
from penstock.pipeline.response_headers import ResponseHeaders

if TYPE_CHECKING:
    from penstock.pipeline.context import Context


class ChangeableHead(ResponseHead):
    """Status, reason, headers and cookies of an answer. All of them raise ResponseStarted once the head has left.

    `is_special`: more is to be done than to send it whole, for there are callbacks, filters, a file, no body, or the head has
    left. `context` is None for a response that belongs to no request, or to one that has ended.
    """

    __slots__ = ("context", "extras", "is_special", "is_started")

    def __init__(self) -> None:
        super().__init__(200, [])
        self.is_started = False
        self.is_special = False
        self.context: Context | None = None
        self.extras: Extras | None = None

    @property
    def status(self) -> int:
        """The status, 200 to 599. Setting it raises ResponseStarted behind the head (pipeline O-02), else ValueError."""
        return self.status_code

    @status.setter
    def status(self, status: int) -> None:
        self.check_not_started()
        if not 200 <= status <= 599:
            raise ValueError(f"a response has a status from 200 to 599, not {status}")
        if status != self.status_code:
            self.set_status(int(status))

    @property
    def reason(self) -> str:
        """What stands behind the status over HTTP/1, at most 512 characters; setting a status takes it back."""
        return self.reason_phrase.decode("latin-1") or REASONS.get(self.status_code, "")

    @reason.setter
    def reason(self, reason: str) -> None:
        self.check_not_started()
        try:
            phrase = reason.encode("latin-1")
        except UnicodeEncodeError:
            raise ValueError(f"a reason is ISO 8859-1, got {reason!r} (RFC 9112 section 4)") from None
        if len(phrase) > LONGEST_REASON or not is_field_value(phrase):
            raise ValueError(
                f"a reason has at most {LONGEST_REASON} characters and no control character: {reason[:99]!r}"
            )
        self.reason_phrase = phrase
        self.is_special = True

    @property
    def substatus(self) -> int:
        """A finer status for the log, as in 404.7; never sent, and 0 again when the status changes (pipeline X-11)."""
        return 0 if self.extras is None else self.extras.substatus

    @substatus.setter
    def substatus(self, substatus: int) -> None:
        if not 0 <= substatus <= 999:
            raise ValueError(f"a substatus lies between 0 and 999, not {substatus}")
        extras = self.need_extras()
        extras.substatus = int(substatus)
        extras.substatus_by = self.place()
        self.is_special = True

    @property
    def log_status(self) -> str:
        """The status as a log shows it: "404", or "404.7 by Filtering@BEGIN" where a substatus was set (pipeline X-11)."""
        extras = self.extras
        if extras is None or not extras.substatus:
            return str(self.status_code)
        return f"{self.status_code}.{extras.substatus} by {extras.substatus_by}"

    @property
    def logged_headers(self) -> list[tuple[bytes, bytes]]:
        """The header fields as a log gets them: with `log_status` under ":status" behind them where there is a substatus."""
        if not self.substatus:
            return self.raw_headers
        return [*self.raw_headers, (b":status", self.log_status.encode("utf-8", "backslashreplace"))]

    @property
    def headers(self) -> Headers:
        """The header fields; a view that writes through. Changing it raises ResponseStarted when the head has left."""
        return ResponseHeaders(self)

    def set_cookie(
        self,
        name: str,
        value: str,
        *,
        max_age: int | timedelta | None = None,
        expires: datetime | int | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: str | None = None,
        partitioned: bool = False,
    ) -> None:
        """Set a cookie, in place of one of the same name, domain and path (pipeline O-09).

        `max_age` in seconds; `expires` with a time zone, or in seconds since 1970. Raises ValueError for what browsers drop.
        """
        self.check_not_started()
        line = write_cookie(
            name,
            value,
            max_age=max_age,
            expires=expires,
            path=path,
            domain=domain,
            secure=secure,
            httponly=httponly,
            samesite=samesite,
            partitioned=partitioned,
        )
        identity = cookie_identity(line)
        headers = self.raw_headers
        headers[:] = [pair for pair in headers if pair[0] != b"set-cookie" or cookie_identity(pair[1]) != identity]
        headers.append((b"set-cookie", line))

    def delete_cookie(
        self, name: str, *, path: str | None = "/", domain: str | None = None, partitioned: bool = False
    ) -> None:
        """Let the browser forget a cookie; `path`, `domain` and `partitioned` are those it was set with."""
        secure = partitioned or name.lower().startswith(("__secure-", "__host-"))
        self.set_cookie(
            name, "", max_age=0, expires=0, path=path, domain=domain, secure=secure, partitioned=partitioned
        )

    def clear_headers(self) -> None:
        """Forget status, reason, headers and cookies; the body stays, and what its filters say of it (pipeline O-07)."""
        self.check_not_started()
        self.set_status(200)
        chain = None if self.extras is None else self.extras.filters
        kept = frozenset[bytes]() if chain is None else chain.names
        self.raw_headers[:] = [pair for pair in self.raw_headers if pair[0] in kept]

    # -- used by the pipeline --------------------------------------------------------------------------------------------

    def need_extras(self) -> Extras:
        """What few responses need."""
        if self.extras is None:
            self.extras = Extras()
        return self.extras

    def check_not_started(self) -> None:
        """Raise ResponseStarted when the head has left, naming who has sent it (pipeline O-02)."""
        if self.is_started:
            by = "" if self.extras is None or not self.extras.sent_by else f", sent by {self.extras.sent_by}"
            raise ResponseStarted(f"the head of the response has left{by}; it can no longer be changed")

    def begin_head(self, status: int) -> None:
        """An application's head begins with `status`, which has been judged. Raises ResponseStarted when one has left already."""
        self.check_not_started()
        self.set_status(status)

    def set_status(self, status: int) -> None:
        """Set a status that has been judged; its reason and substatus are those of none."""
        self.status_code = status
        self.reason_phrase = b""
        if self.extras is not None:
            self.extras.substatus = 0
        if status in NO_CONTENT:
            self.is_special = True

    def switch_protocols(self) -> None:
        """The request goes on as a WebSocket, unless its status is set to another one until it leaves (websockets SW-21)."""
        self.set_status(101)
        self.is_special = True

    def place(self) -> str:
        """Who is at work, for messages: "Filtering@BEGIN"."""
        context = self.context
        if context is None:
            return "nobody"
        module, stage = context.module, context.stage.name
        return f"{module}@{stage}" if module else stage
