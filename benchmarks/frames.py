"""How long a message takes as bytes alone: read as a frame, unmasked, checked, and written again, without sockets or a loop.

    python benchmarks/frames.py                          every subject
    python benchmarks/frames.py penstock websockets      these only

`penstock` is the reader and the writer of `request_sockets`; `websockets` and `wsproto` are the parts of these libraries that
know no input and output. picows has no such part: it reads frames inside its own listener and client alone.

A text is decoded by penstock and wsproto, as an application wants it; `websockets` hands on its bytes. On a machine that does
nothing else the smallest of the rounds can be compared: it is the one that was disturbed least.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from penstock.intake.frame_transport import BINARY, TEXT
from penstock.request_sockets.frame_writing import encode_frame
from penstock.request_sockets.frames import FrameReader

MASK = b"\x37\xfa\x21\x3d"
LARGEST = 16 * 1024 * 1024

# What is sent: its name, a whole frame of a client, and how many of them come in one read.
CASES: dict[str, tuple[bytes, int]] = {
    "32 B of text": (encode_frame(TEXT, b"Hello, this is a message of 32 B", mask=MASK), 1),
    "the same, 32 in a read": (encode_frame(TEXT, b"Hello, this is a message of 32 B", mask=MASK), 32),
    "16 KiB of bytes": (encode_frame(BINARY, os.urandom(16384), mask=MASK), 1),
    "16 KiB of text": (encode_frame(TEXT, b"x" * 16384, mask=MASK), 1),
}

Echo = Callable[[bytes], None]


class Echoing:
    """A sink that answers each message with itself."""

    __slots__ = ("sent",)

    def __init__(self) -> None:
        self.sent = b""

    def take_message(self, data: str | bytes) -> None:
        self.sent = encode_frame(TEXT, data.encode()) if isinstance(data, str) else encode_frame(BINARY, data)

    def take_part(self, opcode: int, data: bytes, is_end: bool) -> None:  # noqa: FBT001 - as FrameSink
        raise AssertionError("every frame of these is whole")

    def take_close(self, code: int, reason: str) -> None:
        raise AssertionError("nobody closes")

    def take_ping(self, payload: bytes) -> None:
        raise AssertionError("nobody pings")

    take_pong = take_ping

    def fail(self, code: int, reason: str) -> None:
        raise AssertionError(reason)

    def lose(self, error: Exception | None) -> None:
        raise AssertionError("there is no connection")

    def resume_sending(self) -> None:
        raise AssertionError("there is no connection")


def of_penstock() -> Echo:
    return FrameReader(Echoing(), max_message_size=LARGEST).feed


def of_websockets() -> Echo:
    from websockets.frames import Frame
    from websockets.protocol import State
    from websockets.server import ServerProtocol

    protocol = ServerProtocol(state=State.OPEN, max_size=LARGEST)

    def echo(data: bytes) -> None:
        protocol.receive_data(data)
        for frame in protocol.events_received():
            assert isinstance(frame, Frame)
            if frame.opcode == TEXT:
                protocol.send_text(frame.data)
            else:
                protocol.send_binary(frame.data)
        b"".join(protocol.data_to_send())

    return echo


def of_wsproto() -> Echo:
    from wsproto import ConnectionType
    from wsproto.connection import Connection
    from wsproto.events import BytesMessage, TextMessage

    connection = Connection(ConnectionType.SERVER)

    def echo(data: bytes) -> None:
        connection.receive_data(data)
        for event in connection.events():
            if isinstance(event, TextMessage):
                connection.send(TextMessage(data=event.data))
            elif isinstance(event, BytesMessage):
                connection.send(BytesMessage(data=event.data))

    return echo


SUBJECTS: dict[str, Callable[[], Echo]] = {
    "penstock": of_penstock,
    "websockets": of_websockets,
    "wsproto": of_wsproto,
}


def time_messages(echo: Echo, frame: bytes, *, in_a_read: int, seconds: float, rounds: int) -> float:
    """The processor's microseconds for a message, of the quickest round."""
    data = frame * in_a_read
    reads = 1
    best = float("inf")
    for _ in range(rounds + 1):
        began = time.process_time()
        for _ in range(reads):
            echo(data)
        spent = time.process_time() - began
        best = min(best, spent / reads)
        reads = max(reads, int(seconds / best))
    return best / in_a_read * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument("--seconds", type=float, default=0.1, help="of a round (0.1)")
    parser.add_argument("--rounds", type=int, default=10, help="of each case (10)")
    options = parser.parse_args()
    if unknown := [name for name in options.subjects if name not in SUBJECTS]:
        parser.error(f"no such subject: {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    chosen = {name: make for name, make in SUBJECTS.items() if not options.subjects or name in options.subjects}
    for case, (frame, in_a_read) in CASES.items():
        print(case)
        for name, make in chosen.items():
            spent = time_messages(make(), frame, in_a_read=in_a_read, seconds=options.seconds, rounds=options.rounds)
            print(f"    {name:<16}{spent:8.2f} µs", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
