"""How long messages are inside: from the bytes of a frame to those of its echo, without sockets or a load generator.

    python benchmarks/inside_sockets.py                      every subject
    python benchmarks/inside_sockets.py native-32 asgi-32    these only

As inside.py, for before and after a change. The handshakes have gone the way of every request.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.bench.plain_socket import BINARY, TEXT, as_frame, binary_message, text_message
from benchmarks.inside import CROWD, BareRequest, application, site_file
from penstock.hosts.frame_connection import FrameConnection
from penstock.hosts.http1_service import ConnectionLimits
from penstock.http.head import read_head
from penstock.http.messages import RequestHead, ResponseHead
from penstock.intake.frame_transport import FrameTransport, UpgradeTerms
from penstock.intake.runtime import Runtime
from penstock.intake.worker_request import Capability
from penstock.server import build
from penstock.settings import ServerSettings, Settings

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
MASK = b"\x12\x34\x56\x78"
TOGETHER = (
    4  # messages that one turn of the loop finds; with many large ones it is the allocator that would be measured
)
SETTLE = 20  # turns of the loop: what was begun has ended then


class Silence(asyncio.Transport):
    """Counts what is written and keeps nothing of it."""

    def __init__(self) -> None:
        self.written = 0

    def write(self, data: object) -> None:
        self.written += 1

    def writelines(self, list_of_data: object) -> None:
        self.written += 1

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        pass


class Service:
    """What the connections share."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.loop = asyncio.get_running_loop()
        self.limits: ConnectionLimits = limits
        self.sockets: set[FrameConnection] = set()


class BareHandshake(BareRequest):
    """A worker request that becomes a connection of frames without a wire."""

    __slots__ = ("frames", "service")

    def __init__(self, head: RequestHead, service: Service) -> None:
        super().__init__(head, [1])
        self.service = service
        self.frames: FrameConnection | None = None

    @property
    def capabilities(self) -> Capability:
        return Capability.UPGRADE

    def upgrade(self, head: ResponseHead, terms: UpgradeTerms) -> FrameTransport | None:
        self.frames = FrameConnection(self.service, Silence(), terms, beginning=b"", on_lost=lambda: None)
        return self.frames


NATIVE, ASGI = site_file("echo_socket"), application("hello_asgi:echo_messages")
SUBJECTS: dict[str, tuple[Callable[[], Settings], int, bytes]] = {
    "native-32": (NATIVE, BINARY, binary_message(32)),
    "native-text": (NATIVE, TEXT, text_message(32)),
    "native-16k": (NATIVE, BINARY, binary_message(16_384)),
    "asgi-32": (ASGI, BINARY, binary_message(32)),
    "asgi-text": (ASGI, TEXT, text_message(32)),
    "asgi-16k": (ASGI, BINARY, binary_message(16_384)),
}


def masked(opcode: int, message: bytes) -> bytes:
    key = (MASK * (len(message) // 4 + 1))[: len(message)]
    return as_frame(opcode, bytes(one ^ other for one, other in zip(message, key, strict=True)), mask=MASK)


async def time_messages(settings: Settings, frame: bytes, *, messages: int, rounds: int) -> float:
    """The processor's microseconds for a message, of the quickest round. Raises RuntimeError when one did not come back."""
    runtime = Runtime(build(settings).sites)
    await runtime.start()
    limits = ServerSettings().limits
    service = Service(limits)
    handshakes = [BareHandshake(read_head(HANDSHAKE, limits), service) for _ in range(CROWD)]
    for handshake in handshakes:
        runtime.process(handshake)
    await settle()
    frames = [handshake.frames for handshake in handshakes if handshake.frames is not None]
    best = min([await time_round(frames, frame, messages=messages) for _ in range(rounds)])
    for one in frames:
        one.connection_lost(None)
    await settle()
    await runtime.drain(10)
    await runtime.stop()
    return best


async def time_round(frames: list[FrameConnection], frame: bytes, *, messages: int) -> float:
    crowds = max(1, messages // CROWD)
    before = written(frames)
    began = time.process_time()
    for _ in range(crowds):
        for first in range(0, CROWD, TOGETHER):
            for one in frames[first : first + TOGETHER]:
                one.data_received(frame)
            await asyncio.sleep(0)
    spent = time.process_time() - began
    await settle()
    if written(frames) - before != crowds * CROWD:
        raise RuntimeError(f"{written(frames) - before} of {crowds * CROWD} messages came back")
    return spent / (crowds * CROWD) * 1e6


def written(frames: list[FrameConnection]) -> int:
    return sum(cast("Silence", one.transport).written for one in frames)


async def settle() -> None:
    for _ in range(SETTLE):
        await asyncio.sleep(0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument("--messages", type=int, default=20_000, help="of a round (20000)")
    parser.add_argument("--rounds", type=int, default=7, help="of each subject (7)")
    options = parser.parse_args()
    if unknown := [name for name in options.subjects if name not in SUBJECTS]:
        parser.error(f"no such subject: {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    for name, (settings, opcode, message) in SUBJECTS.items():
        if options.subjects and name not in options.subjects:
            continue
        timing = time_messages(settings(), masked(opcode, message), messages=options.messages, rounds=options.rounds)
        print(f"{name:<20}{asyncio.run(timing):8.2f} µs", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
