"""Answers, checked: a case whose server answers anything else is not measured."""

import http.client
import ssl
import time

from benchmarks.bench.model import BenchError, Exchange
from benchmarks.bench.plain_socket import PlainSocket
from benchmarks.bench.processes import RunningServer

PATIENCE = 20.0  # seconds for a server to start
PAUSE = 0.001  # seconds between attempts to connect
EXCERPT = 60


def check(exchange: Exchange, server: RunningServer) -> None:
    """Asks once and compares status and body, byte by byte. Raises BenchError or OSError."""
    if exchange.opcode:
        return check_message(exchange, server)
    connection = connect(exchange, server.port)
    try:
        connection.request(exchange.method, exchange.path, exchange.body or None, dict(exchange.headers))
        response = connection.getresponse()
        body = response.read(len(exchange.expected))
        more = b"" if exchange.endless else response.read()
        compare(response.status, body + more, expected=exchange.expected, command=server.command)
    except http.client.HTTPException as error:
        raise BenchError(f"{server.command}: {error!r}{log_end(server)}") from error
    finally:
        connection.close()
    return None


def check_message(exchange: Exchange, server: RunningServer) -> None:
    """Opens a WebSocket, sends one message and compares what comes."""
    opened = PlainSocket(server.port, exchange.path)
    try:
        opened.send(exchange.opcode, exchange.body)
        opcode, message = opened.receive()
    finally:
        opened.close()
    if opcode != exchange.opcode:
        raise BenchError(f"{server.command}: wrong answer: opcode {opcode}; expected {exchange.opcode}")
    compare(200, message, expected=exchange.expected, command=server.command)


def connect(exchange: Exchange, port: int) -> http.client.HTTPConnection:
    if not exchange.tls:
        return http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    context = ssl.create_default_context()
    context.check_hostname = False  # the certificate was made a moment ago
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)


def compare(status: int, body: bytes, *, expected: bytes, command: str) -> None:
    if status == 200 and body == expected:
        return
    raise BenchError(
        f"{command}: wrong answer: status {status}, {len(body)} bytes {body[:EXCERPT]!r}; "
        f"expected 200, {len(expected)} bytes {expected[:EXCERPT]!r}"
    )


def wait_first_answer(exchange: Exchange, server: RunningServer) -> float:
    """Waits until the server answers rightly; returns the seconds since it was started."""
    deadline = server.began + PATIENCE
    while server.find_end() is None and time.perf_counter() < deadline:
        try:
            check(exchange, server)
        except ConnectionError:  # it does not listen yet
            time.sleep(PAUSE)
        except OSError as error:
            raise BenchError(f"{server.command}: {error!r}{log_end(server)}") from error
        else:
            return time.perf_counter() - server.began
    raise BenchError(f"{server.command}: did not start{log_end(server)}")


def log_end(server: RunningServer) -> str:
    """The last lines a server wrote, for an error message."""
    lines = server.log.read_text(errors="replace").splitlines()[-12:]
    return "".join(f"\n    | {line}" for line in lines)
