"""Location: the rules for everything below a path prefix, inheritance already worked out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from penstock.request_sockets.options import SocketRules

if TYPE_CHECKING:
    from penstock.http.filtering import RequestFiltering
    from penstock.pipeline.error_pages import ErrorPages
    from penstock.pipeline.module import Hooks
    from penstock.pipeline.step import Call, Step


class Location:
    """The rules for everything below `at`.

    `headers` are set on every answer. `body_limit` and `form_memory` are in bytes, `form_fields` counts fields and files,
    `deadline` is in seconds to the head of the answer (0 for none). `access` holds the rights "read" (files) and "script"
    (whatever runs code); a target that needs another is answered with 403 (pipeline H-09). `error_format` is "negotiated",
    "html", "json", "problem" or "text"; `error_pages` come before what is built in (pipeline X-07). What `filtering` refuses
    is seen by no module before LOG (pipeline P-02, L-01).
    `sockets` are the rules for its WebSockets.
    `wraps` give what is called in place of each step, as for a trace; the last one is outermost.
    """

    __slots__ = (
        "access",
        "access_log",
        "at",
        "body_limit",
        "deadline",
        "error_format",
        "error_pages",
        "filtering",
        "form_fields",
        "form_memory",
        "headers",
        "modules",
        "sockets",
        "where",
        "wraps",
    )

    def __init__(
        self,
        at: str = "/",
        *,
        headers: Sequence[tuple[bytes, bytes]] = (),
        body_limit: int = 30_000_000,
        access_log: bool = True,
        modules: Sequence[Hooks] = (),
        where: str = "",
        deadline: float = 0.0,
        form_fields: int = 1000,
        form_memory: int = 81_920,
        access: Sequence[str] = ("read", "script"),
        error_format: str = "negotiated",
        error_pages: ErrorPages | None = None,
        filtering: RequestFiltering | None = None,
        wraps: Sequence[Callable[[Step, Call], Call]] = (),
        sockets: SocketRules | None = None,
    ) -> None:
        """`at` is its prefix, `headers` are lower-case pairs, `where` its place in the site file."""
        self.at = at
        self.headers = tuple(headers)
        self.body_limit = body_limit
        self.access_log = access_log
        self.modules = tuple(modules)
        self.where = where
        self.deadline = deadline
        self.form_fields = form_fields
        self.form_memory = form_memory
        self.access = tuple(access)
        self.error_format = error_format
        self.error_pages = error_pages
        self.filtering = filtering
        self.wraps = tuple(wraps)
        self.sockets = sockets or SocketRules()
