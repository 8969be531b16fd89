"""Opens many WebSockets with one message each, sent and come back, and leaves them idle: idle_sockets.py port sockets.

Prints how many were answered, waits until its standard input ends, then prints how many are still open.
"""

import resource
import socket
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.bench.plain_socket import BINARY, CLOSE, PlainSocket, binary_message

MESSAGE = binary_message(32)
RESET = struct.pack("ii", 1, 0)  # closed without TIME_WAIT, or ports would run out
SPARE = 100  # descriptors


def raise_limit(sockets: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, sockets + SPARE), hard), hard))


def find_answered(port: int) -> PlainSocket | None:
    """A socket on which a message has come back."""
    held = PlainSocket(port)
    held.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    held.send(BINARY, MESSAGE)
    return held if held.receive()[1] == MESSAGE else None


def is_open(held: PlainSocket) -> bool:
    """Whether there is anything but its end, or a Close, to be read: pings there may be."""
    held.socket.setblocking(False)
    try:
        while held.receive()[0] != CLOSE:
            pass
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def hold(port: int, sockets: int) -> None:
    raise_limit(sockets)
    held = [answered for _ in range(sockets) if (answered := find_answered(port)) is not None]
    print(len(held), flush=True)
    sys.stdin.read()
    print(sum(map(is_open, held)), flush=True)


hold(int(sys.argv[1]), int(sys.argv[2]))
