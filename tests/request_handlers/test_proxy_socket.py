"""WebSockets passed on: the handshake, messages of every kind, every end, and handshakes of backends that are none."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from os import urandom
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from penstock import Context, Stage, WebSocketDisconnect
from penstock.errors import WebSocketProtocolError
from penstock.http.websocket_handshake import accept_value
from penstock.request_sockets.masking import mask_in_python
from penstock.server import open_client
from penstock.settings import LocationSettings, ModuleSettings, SiteSettings, WebSocketSettings
from penstock.testing import Client, WebSocketRefused
from tests.pipeline.subject import LOOPS, on, run
from tests.request_handlers.proxy_subject import (
    Backend,
    Conversation,
    Script,
    logged,
    proxy_site,
    proxying,
    quiet,
    saying,
)

Talk = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def relaying(
    talk: Talk, *modules: object, rules: WebSocketSettings | None = None, **keys: Any
) -> AsyncIterator[Client]:
    """A client of a proxy in front of a server of the library `websockets`; it speaks v2."""
    async with serve(talk, "127.0.0.1", 0, select_subprotocol=choose, max_size=None) as server:
        port = server.sockets[0].getsockname()[1]
        objects = {f"tested:module{number}": each for number, each in enumerate(modules)}
        site = SiteSettings(
            proxies=proxy_site(f"http://127.0.0.1:{port}", **keys).proxies,
            modules=tuple(ModuleSettings(use=name) for name in objects),
            locations=(LocationSettings(at="/", websockets=rules or WebSocketSettings()),),
        )
        async with open_client(site, server=quiet(), objects=objects) as client:
            yield client


def choose(connection: ServerConnection, offered: Sequence[Any]) -> Any:
    return "v2" if "v2" in offered else None


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("compression", [False, True])
def test_messages_of_every_kind_and_size_come_and_go(loop: str, compression: bool) -> None:
    async def journey() -> None:
        rules = WebSocketSettings(compression=True)
        texts: list[str | bytes] = ["", "Käse", "x" * 200, "ä" * 300, urandom(300_000).hex()]
        async with (
            relaying(echo, rules=rules) as client,
            client.websocket("/chat", compression=compression) as websocket,
        ):
            for message in [*texts, b"", b"\0\xff", urandom(60_000), urandom(3_000_000)]:
                await websocket.send(message)
                assert await websocket.receive() == message

    run(journey, loop)


def test_rfc6455_section_4_2_2_the_backend_chooses_the_subprotocol() -> None:
    async def journey() -> None:
        async with relaying(echo) as client:
            async with client.websocket("/", subprotocols=["v9", "v2"]) as websocket:
                assert websocket.subprotocol == "v2"
            async with client.websocket("/") as websocket:
                assert websocket.subprotocol is None

    run(journey)


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "gone"), (4001, "own words"), (1011, "broken")])
def test_a_close_of_the_backend_reaches_the_client(code: int, reason: str) -> None:
    async def closing(connection: ServerConnection) -> None:
        await connection.send("last")
        await connection.close(code, reason)

    async def journey() -> None:
        async with relaying(closing) as client, client.websocket("/") as websocket:
            assert await websocket.receive() == "last"
            with pytest.raises(WebSocketDisconnect) as caught:
                await websocket.receive()
            assert (caught.value.code, caught.value.reason) == (code, reason)

    run(journey)


@pytest.mark.parametrize(
    ("sent", "received"), [((1000, ""), 1000), ((4001, "own words"), 4001), ((None, ""), 1005), ((3000, "x"), 3000)]
)
def test_a_close_of_the_client_reaches_the_backend(sent: tuple[int | None, str], received: int) -> None:
    ends: list[tuple[int, str]] = []

    async def listening(connection: ServerConnection) -> None:
        try:
            await connection.recv()
        except ConnectionClosed as error:
            ends.append((error.rcvd.code, error.rcvd.reason) if error.rcvd else (0, ""))

    async def journey() -> None:
        async with relaying(listening) as client, client.websocket("/") as websocket:
            await websocket.close(*sent)
        assert ends == [(received, sent[1])]

    run(journey)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_client_that_is_lost_is_told_as_going_away(loop: str) -> None:
    ends: list[int] = []
    ended = asyncio.Event()

    async def listening(connection: ServerConnection) -> None:
        try:
            await connection.recv()
        except ConnectionClosed as error:
            ends.append(0 if error.rcvd is None else error.rcvd.code)
        ended.set()

    async def journey() -> None:
        async with relaying(listening) as client, client.websocket("/") as websocket:
            websocket.leave()
            await ended.wait()
        assert ends == [1001]

    run(journey, loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_backend_that_is_lost_is_told_as_a_bad_gateway(loop: str) -> None:
    async def dying(connection: ServerConnection) -> None:
        await connection.recv()
        connection.transport.abort()

    async def journey() -> None:
        async with relaying(dying) as client, client.websocket("/") as websocket:
            await websocket.send("die")
            with pytest.raises(WebSocketDisconnect) as caught:
                await websocket.receive()
            assert caught.value.code == 1014

    run(journey, loop)


def test_pings_are_answered_on_each_side() -> None:
    async def pinging(connection: ServerConnection) -> None:
        pong = await connection.ping(b"are you there?")
        await pong
        await connection.send("yes")

    async def journey() -> None:
        async with relaying(pinging) as client, client.websocket("/") as websocket:
            await websocket.ping(b"and you?")
            assert await websocket.receive() == "yes"

    run(journey)


def test_fragments_are_passed_on_before_the_message_is_whole() -> None:
    async def stream(connection: ServerConnection) -> None:
        async def parts() -> AsyncIterator[str]:
            yield "hel"
            assert await connection.recv() == "go on"
            yield "lo"

        await connection.send(parts())

    async def journey() -> None:
        async with relaying(stream) as client, client.websocket("/") as websocket:
            await websocket.send("go on")
            assert await websocket.receive() == "hello"

    run(journey)


def test_messages_that_come_with_the_handshake_are_not_lost() -> None:
    async def hasty(conversation: Conversation) -> None:
        await answer_handshake(conversation, rest=b"\x81\x05hello")
        await conversation.wait_end()

    async def journey() -> None:
        async with proxying(hasty) as (client, _), client.websocket("/") as websocket:
            assert await websocket.receive() == "hello"
            websocket.leave()

    run(journey)


@pytest.mark.parametrize(("sent", "code"), [(b"\x81\x01\xff", 1014), (b"\x81\x85aaaahello", 1014), (b"\x83\x00", 1014)])
def test_a_backend_that_breaks_the_protocol_is_a_bad_gateway(sent: bytes, code: int) -> None:
    async def broken(conversation: Conversation) -> None:
        await answer_handshake(conversation, rest=sent)
        await conversation.wait_end()

    async def journey() -> None:
        async with proxying(broken) as (client, backend), client.websocket("/") as websocket:
            with pytest.raises(WebSocketDisconnect) as caught:
                await websocket.receive()
            assert caught.value.code == code
            await backend.ended.wait()

    run(journey)


@pytest.mark.parametrize("is_alive", [True, False])
def test_a_backend_that_is_silent_is_pinged_and_dropped_when_it_does_not_answer(is_alive: bool) -> None:
    pings = 0

    async def silent(conversation: Conversation) -> None:
        nonlocal pings
        await answer_handshake(conversation)
        while True:
            ping = await conversation.reader.readexactly(10)
            if ping[:2] != b"\x89\x84":
                return
            pings += 1
            if pings == 3:
                await conversation.say(b"\x81\x05alive")
            elif is_alive:
                await conversation.say(b"\x8a\x04" + mask_in_python(ping[6:], ping[2:6]))

    async def journey() -> None:
        rules = WebSocketSettings(keep_alive=0.1, keep_alive_timeout=0.5)
        async with Backend(silent) as backend:
            site = SiteSettings(
                proxies=proxy_site(backend).proxies, locations=(LocationSettings(at="/", websockets=rules),)
            )
            async with open_client(site, server=quiet()) as client, client.websocket("/") as websocket:
                if is_alive:
                    assert await websocket.receive() == "alive"
                    websocket.leave()
                else:
                    with pytest.raises(WebSocketDisconnect) as caught:
                        await websocket.receive()
                    assert caught.value.code == 1014
                    assert pings == 1
            await backend.ended.wait()

    run(journey)


def test_the_limits_of_the_location_hold() -> None:
    async def journey() -> None:
        rules = WebSocketSettings(max_message=1000, origins=("https://good.example",))
        async with relaying(echo, rules=rules) as client:
            with pytest.raises(WebSocketRefused, match="403"):
                async with client.websocket("/", origin="https://evil.example"):
                    pass
            async with client.websocket("/") as websocket:
                await websocket.send(b"x" * 1001)
                with pytest.raises((WebSocketDisconnect, WebSocketProtocolError)) as caught:
                    await websocket.receive()
                assert getattr(caught.value, "code", 0) == 1009

    run(journey)


# -- handshakes ------------------------------------------------------------------------------------------------------------


async def answer_handshake(conversation: Conversation, *fields: bytes, rest: bytes = b"", accept: bytes = b"") -> None:
    head = await conversation.head()
    found = re.search(rb"\r\nsec-websocket-key: ([^\r]+)", head)
    assert found is not None
    lines = [
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + (accept or accept_value(found[1])),
        *fields,
    ]
    await conversation.say(b"\r\n".join((*lines, b"", rest)))


def handshaking(*fields: bytes, accept: bytes = b"") -> Script:
    async def script(conversation: Conversation) -> None:
        await answer_handshake(conversation, *fields, accept=accept)
        await conversation.wait_end()

    return script


def test_what_the_backend_is_asked_and_what_its_101_says() -> None:
    async def journey() -> None:
        script = handshaking(b"Set-Cookie: a=b", b"X-One: 1", b"Server: other", b"Keep-Alive: x")
        async with proxying(script) as (client, backend):
            fields = {"cookie": "c=d", "sec-websocket-extensions": "permessage-deflate"}
            async with client.websocket("/a?b=c", headers=fields) as websocket:
                headers = websocket.response_headers
                assert (headers["set-cookie"], headers["x-one"]) == ("a=b", "1")
                assert "server" not in headers
                assert "keep-alive" not in headers
                websocket.leave()
            (head,) = backend.heads
            assert head.startswith(b"GET /a?b=c HTTP/1.1\r\n")
            for line in (b"connection: Upgrade", b"upgrade: websocket", b"sec-websocket-version: 13", b"cookie: c=d"):
                assert head.count(line + b"\r\n") == 1
            assert head.count(b"sec-websocket-key: ") == 1
            assert b"sec-websocket-extensions" not in head
            assert b"x-forwarded-for: 127.0.0.1\r\n" in head

    run(journey)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_refused_handshake_is_an_ordinary_answer(loop: str) -> None:
    said = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX-Why: tired\r\n\r\nno"

    async def journey() -> None:
        async with proxying(saying(said)) as (client, backend):
            for _ in range(2):
                with pytest.raises(WebSocketRefused) as caught:
                    async with client.websocket("/"):
                        pass
                answer = caught.value.response
                assert (answer.status, answer.body, answer.headers["x-why"]) == (403, b"no", "tired")
            await backend.ended.wait()

    run(journey, loop)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (handshaking(accept=b"bm90aGluZw=="), "does not answer our key"),
        (handshaking(b"Sec-WebSocket-Protocol: v7"), "a sub-protocol that was not offered"),
        (handshaking(b"Sec-WebSocket-Extensions: permessage-deflate"), "an extension that was not offered"),
        (saying(b"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"), "does not switch to websocket"),
        (saying(b"HTTP/1.1 101 X\r\n\r\n"), "lacks Connection: Upgrade"),
        (saying(b"nonsense\r\n"), "not HTTP/1.1"),
        (saying(then="close"), "in front of its answer"),
    ],
)
def test_rfc6455_section_4_1_a_handshake_that_is_none_is_a_502(script: Script, reason: str) -> None:
    async def journey() -> None:
        async with proxying(script, retries=0) as (client, backend):
            with logged() as lines, pytest.raises(WebSocketRefused, match="502"):
                async with client.websocket("/"):
                    pass
            assert reason in lines[0]
            await backend.ended.wait()

    run(journey)


def test_a_handshake_that_hangs_is_a_504() -> None:
    async def journey() -> None:
        async with proxying(saying(), read_timeout=0.1) as (client, backend):
            with pytest.raises(WebSocketRefused, match="504"):
                async with client.websocket("/"):
                    pass
            await backend.ended.wait()

    run(journey)


def test_websockets_o4_an_answer_of_a_module_behind_it_drops_the_backend() -> None:
    def veto(context: Context) -> None:
        context.response.status = 418

    async def journey() -> None:
        ended = asyncio.Event()

        async def waiting(connection: ServerConnection) -> None:
            await connection.wait_closed()
            ended.set()

        async with relaying(waiting, on(Stage.LOG, veto)) as client:
            with pytest.raises(WebSocketRefused, match="418"):
                async with client.websocket("/"):
                    pass
            await ended.wait()

    run(journey)


def test_websockets_can_be_left_out() -> None:
    async def journey() -> None:
        said = b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n"
        async with proxying(saying(said), websockets=False) as (client, backend):
            with pytest.raises(WebSocketRefused, match="426"):
                async with client.websocket("/"):
                    pass
            assert b"upgrade" not in backend.heads[0]

    run(journey)


def test_sockets_take_no_place_among_connections() -> None:
    async def journey() -> None:
        async with (
            relaying(echo, connections=1) as client,
            client.websocket("/") as one,
            client.websocket("/") as two,
        ):
            for websocket in (one, two):
                await websocket.send("hello")
                assert await websocket.receive() == "hello"

    run(journey)


def test_the_stop_of_the_server_closes_both_sides() -> None:
    ends: list[int] = []

    async def listening(connection: ServerConnection) -> None:
        try:
            await connection.recv()
        except ConnectionClosed as error:
            ends.append(0 if error.rcvd is None else error.rcvd.code)

    async def journey() -> None:
        async with relaying(listening) as client, client.websocket("/") as websocket:
            client.runtime.sockets.go_away(1012)
            with pytest.raises(WebSocketDisconnect) as caught:
                await websocket.receive()
            assert caught.value.code == 1012
        assert ends == [1012]

    run(journey)
