"""ErrorPages: what a location shows in place of the built-in error answer, by status (pipeline X-07)."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from penstock.errors import ConfigurationError, ContractError, Problem
from penstock.http.encodings import choose_type
from penstock.http.messages import PLAIN, RequestHead, RequestLine
from penstock.pipeline.signatures import called

if TYPE_CHECKING:
    from penstock.pipeline.context import Context
    from penstock.pipeline.target import Target

Execute = Callable[["Context"], Any]
# Gives what answers GET of a path, and the values of its template.
FindTarget = Callable[[str], "tuple[Target, dict[str, Any] | None]"]

_MEDIA_TYPES: Final = {
    ".htm": b"text/html; charset=utf-8",
    ".html": b"text/html; charset=utf-8",
    ".json": b"application/json",
    ".svg": b"image/svg+xml",
    ".txt": b"text/plain; charset=utf-8",
    ".xhtml": b"application/xhtml+xml",
    ".xml": b"application/xml",
}
# They are about what was asked for first; a page is shown whole (RFC 9110 sections 13 and 14).
_OF_ANOTHER: Final = frozenset(
    (b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range", b"range")
)


class ErrorPage:
    """One page: the bytes of a file, or what `execute`, a step as of stage EXECUTE, makes. `name` is for the log."""

    __slots__ = ("body", "content_type", "execute", "map_handler", "name", "path", "route_values")

    def __init__(
        self, name: str, *, execute: Execute | None = None, content_type: bytes = b"", body: bytes = b"", path: str = ""
    ) -> None:
        """`path`, when given, is what the page is asked for; the site then says what `execute` is, by `connect`."""
        self.name = name
        self.execute = execute
        self.map_handler: Execute | None = None
        self.content_type = content_type
        self.body = body
        self.path = path
        self.route_values: dict[str, Any] | None = None

    def answer(self, context: Context) -> Awaitable[None] | None:
        """Make the page the response's body. Raises what a function raises, and ContractError for a step that parks."""
        if self.content_type:
            context.response.body = self.body
            context.response.raw_headers.append((b"content-type", self.content_type))
            return None
        return _answer_in_place(context, self) if self.path else _call(context, self)

    def connect(self, target: Target, values: dict[str, Any] | None) -> None:
        """Used by the site: `target` answers GET of its path. Raises ConfigurationError when it cannot be shown in place."""
        if target.finish is not None:
            raise ConfigurationError(
                [
                    Problem(
                        f"{self.name} leads to {target.name}: an error page is made by a function, a handler or a file of "
                        "the site, for an application cannot be called in the middle of another request"
                    )
                ]
            )
        self.execute = target.execute
        self.map_handler = target.map_handler
        self.route_values = values


class PageRule(NamedTuple):
    """`page` is for the statuses of `statuses`, one set for each status or range that was written; smaller ones win."""

    statuses: Sequence[frozenset[int]]
    page: ErrorPage


class ErrorPages:
    """The pages that hold for a location: nearest location first, there the most specific status."""

    __slots__ = ("_by_status", "pages")

    def __init__(self, levels: Sequence[Sequence[PageRule]]) -> None:
        """`levels` are the rules of the locations that cover this one, parents first."""
        self.pages = tuple(dict.fromkeys(rule.page for rules in levels for rule in rules))
        self._by_status: dict[int, tuple[ErrorPage, ...]] = {}
        for rules in reversed(levels):
            for status in range(400, 600):
                pages = _most_specific(rules, status)
                if pages:
                    self._by_status.setdefault(status, pages)

    def find(self, status: int) -> tuple[ErrorPage, ...]:
        """The pages for a status; more than one only if all are files, between which the client chooses."""
        return self._by_status.get(status, ())

    def connect(self, find_target: FindTarget) -> None:
        """Used by the site: find what answers those pages that are paths. Raises ConfigurationError for all that fail."""
        problems: list[Problem] = []
        for page in self.pages:
            if page.path:
                try:
                    page.connect(*find_target(page.path))
                except ConfigurationError as error:
                    problems += error.problems
        if problems:
            raise ConfigurationError(problems)


def file_page(path: str) -> ErrorPage:
    """The page that is a file, read now and kept. Raises ConfigurationError when it cannot be read or has another ending."""
    ending = os.path.splitext(path)[1].lower()
    if ending not in _MEDIA_TYPES:
        known = ", ".join(_MEDIA_TYPES)
        raise ConfigurationError([Problem(f"error page {path}: its type is told by its ending, one of {known}")])
    try:
        with open(path, "rb") as file:
            body = file.read()
    except OSError as error:
        failure = ConfigurationError([Problem(f"error page {path} cannot be read: {error.strerror}")])
        failure.__cause__ = error
        raise failure from error
    return ErrorPage(f"error page {path}", content_type=_MEDIA_TYPES[ending], body=body)


def function_page(name: str, execute: Execute) -> ErrorPage:
    """The page that a function makes; `execute` calls it, as a step of stage EXECUTE, and `name` names it."""
    return ErrorPage(f"error page {name}", execute=execute)


def path_page(path: str) -> ErrorPage:
    """The page that answers GET of `path`, decoded, on the same site; the address the client sees stays what it was."""
    return ErrorPage(f"error page {path}", path=path)


def choose_page(pages: Sequence[ErrorPage], accept: bytes) -> ErrorPage:
    """The one of several files that the client weighs most, else the first."""
    if len(pages) == 1:
        return pages[0]
    return pages[choose_type(accept, [page.content_type.partition(b";")[0] for page in pages])]


def _most_specific(rules: Sequence[PageRule], status: int) -> tuple[ErrorPage, ...]:
    found: list[ErrorPage] = []
    smallest = 0
    for rule in rules:
        size = min((len(each) for each in rule.statuses if status in each), default=0)
        if size and (not found or size < smallest):
            found, smallest = [rule.page], size
        elif size and size == smallest and rule.page.content_type and found[0].content_type:
            found.append(rule.page)
    return tuple(found)


def _call(context: Context, page: ErrorPage) -> Awaitable[None] | None:
    if page.map_handler is not None:
        mapped = page.map_handler(context)
        if mapped is not None:
            return _call_mapped(context, page, mapped)
    return _execute(context, page)


async def _call_mapped(context: Context, page: ErrorPage, mapped: Awaitable[None]) -> None:
    await mapped
    pending = called(_execute, context, page)
    if pending is not None:
        await pending


def _execute(context: Context, page: ErrorPage) -> Awaitable[None] | None:
    assert page.execute is not None
    pending = page.execute(context)
    if pending is None or hasattr(pending, "__await__"):
        answer: Awaitable[None] | None = pending
        return answer
    raise ContractError(f"{page.name} hands the request on to somebody else ({pending!r}), which only EXECUTE can")


# -- a path, answered in place -------------------------------------------------------------------------------------------


class _Asked:
    """What was asked for, put aside while a page is made, which sees GET of its own path."""

    __slots__ = ("_context", "_handler", "_head", "_request", "_values")

    def __init__(self, context: Context, page: ErrorPage) -> None:
        self._context = context
        self._head = context.worker_request.head
        self._request = context.rest.request
        self._handler = context.rest.handler
        self._values = context.route_values
        context.worker_request.head = _head_of(self._head, page.path)
        context.rest.request = None
        context.route_values = None if page.route_values is None else dict(page.route_values)

    def restore(self) -> None:
        context = self._context
        context.worker_request.head = self._head
        context.rest.request = self._request
        context.rest.handler = self._handler
        context.route_values = self._values


def _answer_in_place(context: Context, page: ErrorPage) -> Awaitable[None] | None:
    asked = _Asked(context, page)
    try:
        pending = _call(context, page)
    except BaseException:
        asked.restore()
        raise
    if pending is None:
        asked.restore()
        return None
    return _wait_in_place(pending, asked)


async def _wait_in_place(pending: Awaitable[None], asked: _Asked) -> None:
    try:
        await pending
    finally:
        asked.restore()


def _head_of(head: RequestHead, path: str) -> RequestHead:
    from urllib.parse import quote  # imported when used: it costs start-up time

    raw_path = quote(path).encode("ascii")
    line = RequestLine("GET", raw_path, raw_path, path, query=b"", version=head.version)
    # What the host may send does not change: nothing behind the head of an answer to HEAD.
    line.is_head = head.line.is_head
    headers = [pair for pair in head.headers if pair[0] not in _OF_ANOTHER]
    return RequestHead(line, headers, head.authority, head.host, PLAIN)
