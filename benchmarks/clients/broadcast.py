"""One WebSocket that speaks and many that hear it: broadcast.py port sockets size seconds.

What is said comes to everybody; when the speaker has its own copy, it says the next. Prints a line when it is warm, waits for
a line, then counts for so many seconds what has come to all.
"""

import json
import select
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.bench.plain_socket import TEXT, PlainSocket, as_frame, text_message

WARM_UP = 0.5  # seconds
PAUSE = 0.02  # seconds
UNDER_WAY = 2  # messages: the server has the next one when it is done with this one
PATIENCE = 60  # seconds for everything but the counting


class Hearing:
    """One socket, and how much of what was said has come to it."""

    __slots__ = ("bytes_in", "expected", "opened")

    def __init__(self, port: int, expected: bytes) -> None:
        self.opened = PlainSocket(port)
        self.opened.socket.setblocking(False)
        self.expected = expected
        self.bytes_in = 0

    def read(self) -> int:
        """Take what has come; returns how many messages are whole by now. Raises OSError for anything else."""
        try:
            received = self.opened.socket.recv(1 << 16)
        except BlockingIOError:
            return self.count
        size = len(self.expected)
        at = self.bytes_in % size
        self.bytes_in += len(received)
        if not received or received != (self.expected * (len(received) // size + 2))[at : at + len(received)]:
            raise OSError(f"something else than what was said: {received[:60]!r}")
        return self.count

    @property
    def count(self) -> int:
        return self.bytes_in // len(self.expected)


class Broadcast:
    """The speaker, the last one that the server gets to know and so the last to have its copy, and the others."""

    def __init__(self, port: int, sockets: int, message: bytes) -> None:
        expected = as_frame(TEXT, message)
        self.message = message
        self.everybody = [Hearing(port, expected) for _ in range(sockets)]
        self.speaker = self.everybody[-1]
        self.said = 0

    def run(self, *, seconds: float, until_line: bool = False) -> None:
        """Speak for so long, or until there is a line to be read.

        Everybody is read now and then, as in events.py: waking up for each message would cost more than the server
        spends on it. The speaker is read as soon as it has heard.
        """
        heard = [self.speaker.opened.socket, *([sys.stdin] if until_line else [])]
        deadline, sweep = time.perf_counter() + seconds, 0.0
        while (now := time.perf_counter()) < deadline:
            if now >= sweep:
                for hearing in self.everybody:
                    hearing.read()
                sweep = time.perf_counter() + PAUSE
            while self.said < self.speaker.read() + UNDER_WAY:
                self.speaker.opened.send(TEXT, self.message)
                self.said += 1
            if sys.stdin in select.select(heard, [], [], max(0.0, sweep - time.perf_counter()))[0]:
                return

    def measure(self, seconds: float) -> dict[str, object]:
        before = [hearing.read() for hearing in self.everybody]
        began, used = time.perf_counter(), time.process_time()
        self.run(seconds=seconds)
        counts = [hearing.read() - earlier for hearing, earlier in zip(self.everybody, before, strict=True)]
        return {
            "seconds": time.perf_counter() - began,
            "cpu": time.process_time() - used,
            "messages": sum(counts),
            "least": min(counts),
            "most": max(counts),
        }


def main() -> None:
    port, sockets, size, seconds = sys.argv[1:]
    signal.alarm(PATIENCE + round(float(seconds)))
    broadcast = Broadcast(int(port), int(sockets), text_message(int(size)))
    broadcast.run(seconds=WARM_UP)
    print("warm", flush=True)
    broadcast.run(seconds=PATIENCE, until_line=True)
    print(json.dumps(broadcast.measure(float(seconds))), flush=True)


main()
