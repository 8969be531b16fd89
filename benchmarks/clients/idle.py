"""Opens many keep-alive connections with one request each and leaves them idle: idle.py port connections.

Prints how many were answered, waits until its standard input ends, then prints how many are still open.
"""

import resource
import socket
import struct
import sys

REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
RESET = struct.pack("ii", 1, 0)  # closed without TIME_WAIT, or ports would run out
SPARE = 100  # descriptors


def raise_limit(connections: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, connections + SPARE), hard), hard))


def find_answered(port: int) -> socket.socket | None:
    """A connection whose answer has begun to arrive."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.sendall(REQUEST)
    return connection if connection.recv(65536).startswith(b"HTTP/1.1 200") else None


def is_open(connection: socket.socket) -> bool:
    """Whether there is anything but its end to be read."""
    connection.setblocking(False)
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def hold(port: int, connections: int) -> None:
    raise_limit(connections)
    held = [connection for _ in range(connections) if (connection := find_answered(port)) is not None]
    print(len(held), flush=True)
    sys.stdin.read()
    print(sum(map(is_open, held)), flush=True)


hold(int(sys.argv[1]), int(sys.argv[2]))
