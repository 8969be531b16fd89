"""Reads server-sent events on many connections and counts them: events.py port clients seconds."""

import json
import selectors
import socket
import sys
import time

REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"
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
            received = self.socket.recv(65536)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.events += received.count(END) + (self.last == b"\n" and received[:1] == b"\n")
        self.last = received[-1:]
        return bool(received)


def read_until(selector: selectors.BaseSelector, deadline: float) -> None:
    while (left := deadline - time.perf_counter()) > 0:
        for key, _ in selector.select(left):
            stream: Stream = key.data
            if not stream.read():
                selector.unregister(stream.socket)


def count(port: int, clients: int, *, seconds: float) -> dict[str, float]:
    streams = [Stream(port) for _ in range(clients)]
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            selector.register(stream.socket, selectors.EVENT_READ, stream)
        began = time.perf_counter()
        read_until(selector, began + seconds)
        elapsed = time.perf_counter() - began
        held = len(selector.get_map())
    counts = [stream.events for stream in streams]
    return {"events": sum(counts), "seconds": elapsed, "open": held, "least": min(counts), "most": max(counts)}


print(json.dumps(count(int(sys.argv[1]), int(sys.argv[2]), seconds=float(sys.argv[3]))))
