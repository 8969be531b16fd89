"""This file is the in-memory client with the acceptance site: a program that prints its answers and facts as JSON."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

from penstock.errors import WebSocketDisconnect
from penstock.server import open_client
from penstock.settings.loader import load
from penstock.testing import Client, WebSocketRefused
from tests.hosting.answers import HOST, Comparable, comparable, packed
from tests.hosting.exchanges import EXCHANGES, Exchange
from tests.hosting.facts import NO, YES


async def ask(client: Client, exchange: Exchange) -> Comparable:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(exchange.body), exchange.chunk):
            yield exchange.body[at : at + exchange.chunk]

    headers = [("host", HOST), *exchange.headers]
    body = pieces() if exchange.chunk else exchange.body
    answer = await client.request(exchange.method, exchange.target, headers=headers, body=body)
    fields = [(name, value) for name, value in answer.headers.items()]
    return comparable(answer.status, fields, answer.body)


async def facts_of_requests(client: Client) -> dict[str, str]:
    begun = client.open("GET", "/begun")
    await eventually(lambda: bool(begun.pieces))
    has_come = not begun.has_sent_all
    await client.get("/gate")
    await begun.wait_finished()
    uploading = client.open("POST", "/first-piece", body=_half())
    await uploading.wait_finished()
    watching = client.open("GET", "/watching")
    await client.get("/told")  # its turn has come
    watching.disconnect()
    await watching.wait_finished()
    extras = await client.get("/extras", headers={"te": "trailers"})
    return {
        "pieces of a stream leave at once": _yes(has_come),
        "a body is read while it comes": YES,
        "a client that leaves is noticed": _yes(b"noticed" in (await client.get("/told")).body),
        "early hints (103)": _yes(extras.informed),
        "trailers": _yes(extras.trailers.get("server-timing")),
        "a reason phrase of one's own": "no status line",
    }


async def facts_of_sockets(client: Client) -> dict[str, str]:
    async with client.websocket("/echo") as socket:
        await socket.send("ü")
        assert await socket.receive() == "ü"
        await socket.close(3001, "enough")
    async with client.websocket("/chat", subprotocols=["chat.v1", "chat.v2"]) as socket:
        subprotocol = socket.subprotocol
    async with client.websocket("/fields") as socket:
        style = socket.response_headers.get("x-style")
    try:
        async with client.websocket("/refused"):
            refused = "accepted"
    except WebSocketRefused as error:
        answer = error.response
        refused = f"{answer.status}, {'whole' if answer.body == b'not today' else 'without its body'}"
    code: int | None = None
    async with client.websocket("/closing") as socket:
        await socket.send("close")
        try:
            await socket.receive()
        except WebSocketDisconnect as error:
            code = error.code
    return {
        "WebSockets": YES,
        "sub-protocols": _yes(subprotocol == "chat.v2"),
        "header fields of a 101": _yes(style),
        "a refused handshake": refused,
        "the client is told our close code": _yes(code == 4001),
        "we are told the client's close code": _yes(b"closed with 3001" in (await client.get("/told")).body),
    }


def _yes(is_so: object) -> str:
    return YES if is_so else NO


async def eventually(is_so: Callable[[], bool]) -> None:
    """Let the loop turn until `is_so`; asked in vain, the test fails."""
    for _ in range(100_000):
        if is_so():
            return
        await asyncio.sleep(0)
    raise AssertionError("it has never come")


async def _half() -> AsyncIterator[bytes]:
    yield bytes(50)
    await asyncio.Event().wait()


async def main() -> None:
    async with open_client(load("penstock.toml")) as client:
        answers = {name: packed(await ask(client, exchange)) for name, exchange in EXCHANGES.items()}
        facts = {**await facts_of_requests(client), **await facts_of_sockets(client)}
    print(json.dumps({"answers": answers, "facts": facts}))


if __name__ == "__main__":
    asyncio.run(main())
