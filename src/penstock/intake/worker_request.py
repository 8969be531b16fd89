"""The one shape every host must give a request: the narrow waist between hosts and pipeline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import IntFlag
from typing import Protocol

from penstock.http.messages import RequestHead, ResponseHead
from penstock.intake.frame_transport import FrameTransport, UpgradeTerms

Address = tuple[str, int | None]


def client_name(client: Address | None) -> str:
    """The address of a client, for a line of the log."""
    return "an unknown client" if client is None else client[0]


class Capability(IntFlag):
    """What a host can do beyond a buffered or streamed answer. `BARE_UPGRADE`: its answer to a handshake has neither a
    sub-protocol nor fields of ours.
    """

    NONE = 0
    SEND_FILE = 1
    INFORM = 2
    TRAILERS = 4
    UPGRADE = 8
    BARE_UPGRADE = 16


class WorkerRequest(Protocol):
    """One request on loan from its host; the only thing that knows the transport.

    Call order: `take`/`wait_body` any number of times; `inform` before the head; then `send` or `send_file` with the head in
    the first call and `more=False` in the last. All calls are made on the host's loop.
    """

    head: RequestHead
    scheme: str
    # What was sent of the body so far, in bytes, for the access record.
    bytes_sent: int
    is_disconnected: bool
    # When it was taken in, in seconds of the loop's clock; 0.0 when nobody asked for it.
    started: float

    @property
    def client(self) -> Address | None:
        """Who asks: address and port; None when the host cannot know, as on a Unix socket."""

    @property
    def server(self) -> Address | None:
        """Where they asked: host and port, or the path of a Unix socket and None."""

    @property
    def capabilities(self) -> Capability:
        """What this host can do beyond the ordinary."""

    @property
    def has_sent_all(self) -> bool:
        """Whether the answer was handed over to its last byte, or given up."""

    def limit_body(self, limit: int) -> None:
        """Accept at most `limit` bytes of body. Raises RequestRejected (413) when the client announced more."""

    def take(self) -> bytes | None:
        """The next piece of the body now: b"" at its end, None when one must wait.

        Raises RequestRejected (400, 408, 413) when the body cannot be accepted, ClientGone when the rest will not come.
        """

    async def wait_body(self) -> None:
        """Wait until `take` has something to say."""

    def send(self, head: ResponseHead | None, body: bytes, more: bool) -> Awaitable[None] | None:
        """Send a piece of the answer, the head with the first one. An awaitable means: wait, the client reads slowly.

        Raises ContractError, and sends nothing, for a head that HTTP does not allow or a body that breaks the
        Content-Length. What is written to a client who has left is dropped.
        """

    async def send_file(self, head: ResponseHead | None, descriptor: int, offset: int, count: int, more: bool) -> None:
        """Send `count` bytes of an open file from `offset`, without taking them through Python where the host can.

        The descriptor stays the caller's. Raises ClientGone when the client leaves, ContractError as `send`.
        """

    def inform(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Send an interim response, such as 103 Early Hints (RFC 9110 section 15.2)."""

    def trailers(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Set the trailer fields that follow the last piece (RFC 9110 section 6.5)."""

    def upgrade(self, head: ResponseHead, terms: UpgradeTerms) -> FrameTransport | None:
        """Answer a WebSocket handshake with 101; from now on the connection carries frames (RFC 6455 section 4.2.2).

        The fields of the handshake are the host's, those of `head` are added. None: the client has left. Only with
        `Capability.UPGRADE`. Raises ContractError for fields that HTTP does not allow.
        """

    def abort(self) -> None:
        """Cut the connection: the client can tell that the answer is not whole."""

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, soon, when the client leaves; at once when it has."""
