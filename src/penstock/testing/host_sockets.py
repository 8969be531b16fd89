"""What `check_host` has in its hands when it tries a WebSocket: the client's bytes, the transport, and a sink for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol, Self

from penstock.http.messages import ResponseHead
from penstock.intake.frame_transport import FrameTransport, UpgradeTerms
from penstock.intake.worker_request import Capability
from penstock.testing.both_ends import Asked, RequestUnderTest
from penstock.testing.findings import Findings
from penstock.testing.recording_sink import RecordingSink

KEY: Final = b"dGhlIHNhbXBsZSBub25jZQ=="
MASK: Final = b"\x37\xfa\x21\x3d"
SHORT: Final = 0.05  # seconds in which nothing happens
_HANDSHAKE: Final = Asked(
    headers=(
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", KEY.decode()),
    )
)
_BESIDE: Final = ("send_bytes", "receive_bytes")


class UpgradeUnderTest(RequestUnderTest, Protocol):
    """What a `RequestUnderTest` must have beside its own when its host can upgrade. `receive` ends with the head of a 101."""

    def send_bytes(self, sent: bytes) -> None:
        """The client sends bytes behind its handshake, at once."""

    async def receive_bytes(self) -> bytes:
        """What comes next behind the 101, at least one byte; b"" when the connection has ended. Until then nothing is read."""


class OpenedSocket(NamedTuple):
    """A handshake that was answered with 101, seen from both ends."""

    under_test: UpgradeUnderTest
    transport: FrameTransport
    sink: RecordingSink

    @classmethod
    def open(cls, under_test: UpgradeUnderTest, findings: Findings, **terms: Any) -> Self | None:
        """Upgrade, and attach a sink. None, and a finding, when the host gives no transport."""
        agreed = UpgradeTerms(KEY, keepalive_interval=0, **terms)
        transport = under_test.worker_request.upgrade(ResponseHead(101, []), agreed)
        if transport is None:
            findings.add("upgrade() gave None although the client is there")
            return None
        sink = RecordingSink()
        transport.attach(sink)
        return cls(under_test, transport, sink)

    async def read(self, size: int = 1 << 62) -> bytes:
        """So many bytes of what comes behind the 101, or fewer when the connection ends."""
        received = bytearray()
        while len(received) < size and (piece := await self.under_test.receive_bytes()):
            received += piece
        return bytes(received)


UpgradeProbe = Callable[[UpgradeUnderTest, Findings], Awaitable[None]]
SocketProbe = Callable[[OpenedSocket, Findings], Awaitable[None]]
Row = tuple[str, Asked, Callable[[Any, Findings], Awaitable[None]]]


def upgrade_probes(before: Mapping[str, UpgradeProbe], behind: Mapping[str, SocketProbe]) -> list[Row]:
    """What is tried with a handshake, and with one that was accepted; nothing where the host promises no upgrades."""
    probes = {**before, **{name: _opening(probe) for name, probe in behind.items()}}
    return [(name, _HANDSHAKE, _when_able(probe)) for name, probe in probes.items()]


def _opening(probe: SocketProbe) -> UpgradeProbe:
    async def run(under_test: UpgradeUnderTest, findings: Findings) -> None:
        opened = OpenedSocket.open(under_test, findings)
        if opened is not None:
            await probe(opened, findings)

    return run


def _when_able(probe: UpgradeProbe) -> UpgradeProbe:
    async def run(under_test: UpgradeUnderTest, findings: Findings) -> None:
        if Capability.UPGRADE not in under_test.worker_request.capabilities:
            return
        missing = [name for name in _BESIDE if not hasattr(under_test, name)]
        if missing:
            lacks = " and no ".join(missing)
            findings.add(f"its capabilities promise upgrades, and what check_host is given has no {lacks}")
            return
        await probe(under_test, findings)

    return run
