"""Reads server-sent events on many connections and counts them: events.py port clients seconds."""

import json
import socket
import sys
import time

REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"
PAUSE = 0.02  # seconds
END = b"\n\n"  # of an event; neither a head nor the framing of chunks holds it


class Stream:
    """One connection."""

    __slots__ = ("events", "last", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.sendall(REQUEST)
        self.socket.setblocking(False)
        self.events = 0
        self.last = b""

    def read(self) -> bool:
        """Counts what has arrived; false at the end of the stream."""
        try:
            received = self.socket.recv(1 << 20)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.events += received.count(END) + (self.last == b"\n" and received[:1] == b"\n")
        self.last = received[-1:]
        return bool(received)


def read_until(streams: list[Stream], deadline: float) -> list[Stream]:
    """Reads everything now and then, as waking up for each event would cost more than the server spends on it.

    Returns the streams that are still open.
    """
    while time.perf_counter() < deadline:
        time.sleep(PAUSE)
        streams = [stream for stream in streams if stream.read()]
    return streams


def count(port: int, clients: int, *, seconds: float) -> dict[str, float]:
    streams = [Stream(port) for _ in range(clients)]
    began = time.perf_counter()
    held = read_until(streams, began + seconds)
    elapsed = time.perf_counter() - began
    counts = [stream.events for stream in streams]
    return {"events": sum(counts), "seconds": elapsed, "open": len(held), "least": min(counts), "most": max(counts)}


print(json.dumps(count(int(sys.argv[1]), int(sys.argv[2]), seconds=float(sys.argv[3]))))
