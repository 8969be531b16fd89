"""The head of a request as a pool gets it: what the client sent, and signed metadata of what only the front can see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from penstock.intake.metadata import FIELD, TARGET, Metadata, MetadataSigner, User, pack_fields
from penstock.pipeline.principal import ANONYMOUS

if TYPE_CHECKING:
    from penstock.http.messages import RequestLine
    from penstock.intake.worker_request import WorkerRequest
    from penstock.pipeline.context import Context
    from penstock.pipeline.principal import Principal

_REMEMBERED: Final = 1024
_HANDSHAKE: Final = b"connection: Upgrade\r\nupgrade: websocket\r\n"


class PoolRequestWriter:
    """Writes the heads of requests for one application in a pool; what is the same for many is written once."""

    __slots__ = ("_fields", "_lines", "_mount", "_signer")

    def __init__(self, signer: MetadataSigner, mount: str) -> None:
        """`mount` is where the application stands."""
        self._signer = signer
        self._mount = mount
        self._lines: dict[RequestLine, bytes] = {}
        self._fields: dict[object, bytes] = {}

    def write(self, context: Context, worker_request: WorkerRequest, *, is_handshake: bool = False) -> bytes:
        """Request line and fields; without those of the body, and the empty line."""
        head = worker_request.head
        line = self._lines.get(head.line) or self._write_line(head.line)
        known = context.known
        user, trace_id = None, ""
        if known is not None:
            trace_id = known.trace_id or ""
            if known.principal is not ANONYMOUS:
                user = _user_of(known.principal)
        if not head.block or trace_id or is_handshake:
            # An empty block says nothing: other heads have one, too.
            fields = self._write_fields(worker_request, user, trace_id)
            return line + _HANDSHAKE + fields if is_handshake else line + fields
        key = (head.block, worker_request.client, worker_request.server, worker_request.scheme, user)
        fields = self._fields.get(key, b"")
        if not fields:
            fields = self._write_fields(worker_request, user, "")
            if len(self._fields) >= _REMEMBERED:
                self._fields.clear()
            self._fields[key] = fields
        return line + fields

    def _write_line(self, line: RequestLine) -> bytes:
        target = line.raw_path + (b"?" + line.query if line.query or line.target.endswith(b"?") else b"")
        written = b"%b %b HTTP/%b\r\n" % (line.method.encode("ascii"), target, line.version.encode("ascii"))
        if line.is_1_0:
            written += b"connection: keep-alive\r\n"
        if target != line.target:
            written += b"%b: %b\r\n" % (TARGET, line.target)
        if len(self._lines) >= _REMEMBERED:
            self._lines.clear()
        self._lines[line] = written
        return written

    def _write_fields(self, worker_request: WorkerRequest, user: User | None, trace_id: str) -> bytes:
        head = worker_request.head
        metadata = Metadata(
            user,
            worker_request.client,
            worker_request.server,
            worker_request.scheme,
            head.authority,
            self._mount,
            trace_id,
        )
        value = self._signer.sign(metadata)
        host = b"host: %b\r\n" % head.authority if head.authority or not head.line.is_1_0 else b""
        return b"%b%b: %b\r\n%b" % (host, FIELD, value, pack_fields(head.headers))


def _user_of(principal: Principal) -> User:
    return User(principal.name, tuple(sorted(principal.roles)), principal.is_authenticated)
