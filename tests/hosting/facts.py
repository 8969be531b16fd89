"""This file is what hosts differ in, found out by asking one: a fact is a line of the table in docs/hosting.md."""

import json
from collections.abc import Callable
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.hosting.answers import HOST, ask, request_bytes
from tests.hosting.exchanges import Exchange
from tests.wire.listener_subject import eventually
from tests.wire.raw_client import BadAnswer, NoAnswer, RawClient

Address = tuple[str, int]
YES, NO = "yes", "no"
# Seconds for what some hosts never do.
PATIENCE = 1.5
HALF = 100_000  # bytes


def _yes(is_so: object) -> str:
    return YES if is_so else NO


def open_socket(address: Address, path: str, **options: Any) -> ClientConnection:
    opened: ClientConnection = connect(f"ws://{address[0]}:{address[1]}{path}", **options)
    return opened


def _get(target: str) -> bytes:
    return request_bytes(Exchange("GET", target, 200))


def _has_received(client: RawClient, text: bytes) -> bool:
    client._receive_some()
    return text in client.buffer


def streams_at_once(address: Address) -> str:
    with RawClient(address) as client:
        client.send([_get("/begun")])
        has_come = eventually(lambda: _has_received(client, b"one,"), seconds=PATIENCE)
        ask(address, Exchange("GET", "/gate", 200))
        assert client.read_answer().body == b"one,two"
    return _yes(has_come)


def reads_while_it_comes(address: Address) -> str:
    """Of a body that is worth it: small ones may be waited for."""
    head = f"POST /first-piece HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\ncontent-length: {2 * HALF}\r\n\r\n".encode()
    with RawClient(address) as client:
        client.send([head + bytes(HALF)])
        try:
            client.seconds = PATIENCE
            return _yes(client.read_answer().status == 200)
        except NoAnswer:
            client.seconds = 15
            client.send([bytes(HALF)])
            assert client.read_answer().status == 200
            return NO


def notices_that_clients_leave(address: Address) -> str:
    def told() -> list[str]:
        found: list[str] = json.loads(ask(address, Exchange("GET", "/told", 200)).body)
        return found

    with RawClient(address) as client:
        client.send([_get("/watching")])
        assert eventually(lambda: "watching" in told())
    has_noticed = eventually(lambda: "noticed" in told(), seconds=PATIENCE)
    ask(address, Exchange("GET", "/gate", 200))
    return _yes(has_noticed)


def early_hints(address: Address) -> str:
    with RawClient(address) as client:
        client.send([_get("/extras")])
        return _yes(client.read_final_answer()[1])


def trailers(address: Address) -> str:
    with RawClient(address) as client:
        client.send([_get("/extras").replace(b"connection: close", b"te: trailers\r\nconnection: close, te")])
        return _yes(client.read_final_answer()[0].trailers)


def reason(address: Address) -> str:
    with RawClient(address) as client:
        client.send([_get("/reason")])
        return _yes(client.read_answer().reason == b"Nobody Home")


def websockets(address: Address) -> str:
    try:
        with open_socket(address, "/echo") as socket:
            socket.send("ü")
            assert socket.recv(10) == "ü"
            socket.send(bytes(100_000))
            assert socket.recv(10) == bytes(100_000)
    except InvalidStatus as refused:
        gives_reason = b"carries no WebSockets" in refused.response.body
        return f"no: {refused.response.status_code}{'' if gives_reason else ' without the reason'}"
    with open_socket(address, "/api/echo") as socket:
        socket.send("FastAPI")
        assert socket.recv(10) == "FastAPI"
    return YES


def subprotocols(address: Address) -> str:
    offered = [Subprotocol("chat.v1"), Subprotocol("chat.v2")]
    try:
        with open_socket(address, "/chat", subprotocols=offered) as socket:
            return _yes(socket.subprotocol == "chat.v2")
    except InvalidStatus as refused:
        return f"no: {refused.response.status_code}"


def fields_of_an_accept(address: Address) -> str:
    try:
        with open_socket(address, "/fields") as socket:
            assert socket.response is not None
            return _yes("x-style" in socket.response.headers)
    except InvalidStatus as refused:
        return f"no: {refused.response.status_code}"


def refused_handshake(address: Address) -> str:
    try:
        open_socket(address, "/refused").close()
    except InvalidStatus as refused:
        answer = refused.response
        is_whole = answer.body == b"not today" and answer.headers.get("x-refused") == "yes"
        return f"{answer.status_code}, {'whole' if is_whole else 'without its body'}"
    return "accepted"


def code_of_a_close(address: Address) -> str:
    """The server's code at the client."""
    try:
        with open_socket(address, "/closing") as socket:
            socket.send("close")
            socket.recv(10)
    except InvalidStatus:
        return NO
    except ConnectionClosed as closed:
        return _yes(closed.rcvd is not None and (closed.rcvd.code, closed.rcvd.reason) == (4001, "enough"))
    return NO


def code_of_the_client(address: Address) -> str:
    """The client's code at the endpoint."""
    try:
        with open_socket(address, "/echo") as socket:
            socket.close(3001, "enough")
    except InvalidStatus:
        return NO
    asked = Exchange("GET", "/told", 200)
    return _yes(eventually(lambda: b"closed with 3001" in ask(address, asked).body, seconds=PATIENCE))


FACTS: dict[str, Callable[[Address], str]] = {
    "pieces of a stream leave at once": streams_at_once,
    "a body is read while it comes": reads_while_it_comes,
    "a client that leaves is noticed": notices_that_clients_leave,
    "early hints (103)": early_hints,
    "trailers": trailers,
    "a reason phrase of one's own": reason,
    "WebSockets": websockets,
    "sub-protocols": subprotocols,
    "header fields of a 101": fields_of_an_accept,
    "a refused handshake": refused_handshake,
    "the client is told our close code": code_of_a_close,
    "we are told the client's close code": code_of_the_client,
}


def facts_of(address: Address) -> dict[str, str]:
    """Every fact about the host at `address`."""
    found = {}
    for name, find in FACTS.items():
        try:
            found[name] = find(address)
        except (BadAnswer, NoAnswer) as error:
            raise AssertionError(f"{name}: {error}") from error
    return found
