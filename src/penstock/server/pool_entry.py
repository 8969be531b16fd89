"""What lets requests into a pool: only those that the default pool has signed, as if they had come from their clients directly."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from penstock.errors import HTTPError, RequestRejected
from penstock.hosts.memory_host import MemoryRequest
from penstock.http.messages import RequestHead, RequestLine
from penstock.intake.metadata import FAILED, FIELD, TARGET, MetadataRefused, MetadataSigner, unpack_fields
from penstock.pipeline.error_report import error_id, status_of
from penstock.pipeline.principal import Principal
from penstock.pipeline.response import Response
from penstock.pipeline.stages import Stage

if TYPE_CHECKING:
    from penstock.intake.worker_request import Address
    from penstock.pipeline.context import Context
    from penstock.pipeline.module import Hooks

logger = logging.getLogger("penstock")

_REMEMBERED: Final = 1024


class _Known(NamedTuple):
    """What a head says, once it was judged."""

    headers: list[tuple[bytes, bytes]]
    client: Address | None
    server: Address | None
    scheme: str
    principal: Principal | None
    trace_id: str
    target: bytes | None


class PoolEntry:
    """A module for the first place of every site of a pool. Heads that come again are judged once."""

    __slots__ = ("_known", "_signer")

    def __init__(self, key: bytes, pool: str) -> None:
        """`key` is that of the pool called `pool`."""
        self._signer = MetadataSigner(key, pool)
        self._known: dict[bytes, _Known] = {}

    def attach(self, hooks: Hooks) -> None:
        """Subscribe to BEGIN, and to failures."""
        hooks.on(Stage.BEGIN, self.begin)
        hooks.on_error(self.tell)

    def begin(self, context: Context) -> None:
        """Give the request its client, its fields and its user. Raises RequestRejected (403) when nobody has signed it."""
        # Of the class Http1Request: a pool listens on nothing but its Unix socket.
        worker_request: Any = context.worker_request
        head = worker_request.head
        # No block: the head is long, or another one that ends alike may mean something else.
        known = self._known.get(head.block) if head.block else None
        if known is None:
            if isinstance(worker_request, MemoryRequest):
                return  # this process asks itself, to be warm
            known = self._judge(head)
        line = head.line
        if known.target is not None:
            line = RequestLine(
                line.method, known.target, line.raw_path, line.path, query=line.query, version=line.version
            )
        # A head of its own: the next one of this connection is compared with what came, and shares its fields.
        worker_request.head = RequestHead(
            line, known.headers, head.authority, head.host, head.framing, block=head.block
        )
        worker_request.scheme = known.scheme
        worker_request.come_from(known.client)
        worker_request.come_to(known.server)
        if known.principal is not None:
            context.principal = known.principal
        if known.trace_id:
            context.rest.trace_id = known.trace_id

    def tell(self, context: Context) -> Response | None:
        """Tell the front that the application has failed: what its clients see is decided there (pipeline X-07)."""
        rest, error = context.rest, context.error
        if error is None or rest.failed_stage is None or rest.failed_stage < Stage.EXECUTE:
            return None  # whoever was not let in is not the front
        if context.plan.is_development:
            return None  # with its traceback, which only this process has
        answer = Response(status=status_of(error))
        answer.raw_headers.append((FAILED, error_id(context).encode("ascii")))
        if isinstance(error, HTTPError):
            answer.raw_headers += error.headers
            answer.content = error.detail.encode("utf-8", "replace")
        return answer

    def _judge(self, head: RequestHead) -> _Known:
        values = [value for name, value in head.headers if name == FIELD]
        try:
            if len(values) != 1:
                raise MetadataRefused("no metadata" if not values else "metadata twice")
            metadata = self._signer.read(values[0])
            if metadata.authority != head.authority:
                raise MetadataRefused("metadata of another host")
        except MetadataRefused as error:
            logger.warning("a request that did not come from the front was refused: %s", error)
            raise RequestRejected(
                403,
                "this socket is for the server's own processes",
                reason=f"the front has not signed it: {error}",
            ) from error
        user = metadata.user
        principal = None
        if user is not None:
            principal = Principal(user.name, roles=frozenset(user.roles))
            principal.is_authenticated = user.is_authenticated
        known = _Known(
            unpack_fields(head.headers),
            metadata.client,
            metadata.server,
            metadata.scheme,
            principal,
            metadata.trace_id,
            head.find(TARGET),
        )
        if head.block:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[head.block] = known
        return known
