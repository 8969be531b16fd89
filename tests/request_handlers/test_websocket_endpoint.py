"""Coroutine functions as endpoints of WebSockets: how they are called, and which could never be."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest

from penstock import ConfigurationError
from penstock.request_handlers.websocket_endpoint import websocket_handler
from penstock.server import open_client
from penstock.settings import LocationSettings, RouteSettings, SiteSettings, WebSocketSettings
from penstock.testing import WebSocketRefused


class Handshake:
    """A request that notes with what it was accepted."""

    def __init__(self, values: dict[str, Any] | None = None, offered: tuple[str, ...] | None = ()) -> None:
        self.route_values = values
        self.requested_protocols = offered
        self.accepted: list[tuple[Any, Any]] = []

    @property
    def websockets(self) -> "Handshake":
        return self

    def accept_websocket(self, endpoint: Any, options: Any = None) -> None:
        self.accepted.append((endpoint, options))


def called(function: Callable[..., Any], values: dict[str, Any] | None = None) -> Any:
    """What `function` returns when the socket, "S", is there."""
    context: Any = Handshake(values)
    assert websocket_handler(function, list(values or ()))(context) is None
    ((endpoint, options),) = context.accepted
    assert options is None

    async def open_it() -> Any:
        return await endpoint("S")

    result = asyncio.run(open_it())
    return ["C" if each is context else each for each in result] if isinstance(result, list) else result


async def first(ws: Any) -> Any:
    return ws


async def by_name(name: str, websocket: Any) -> Any:
    return [name, websocket]


async def all_of_it(websocket: Any, context: Any, number: int, name: str = "") -> Any:
    return [websocket, context, number, name]


async def first_and_others(ws: Any, /, *, context: Any, name: str) -> Any:
    return [ws, context, name]


async def context_by_another_name(websocket: Any, request: Any = "default") -> Any:
    return [websocket, request]


async def anything(*rest: Any) -> Any:
    return list(rest)


async def anything_by_name(**rest: Any) -> Any:
    return rest


async def positional_socket(websocket: Any, /, **rest: Any) -> Any:
    return [websocket, rest]


def not_a_coroutine_function(websocket: Any) -> Any:
    return first(websocket)


class Room:
    async def enter(self, websocket: Any) -> Any:
        return ["room", websocket]

    async def __call__(self, websocket: Any, name: str) -> Any:
        return [name, websocket]


VALUES = {"name": "eva", "number": 7}


class TestParameters:
    @pytest.mark.parametrize(
        ("function", "result"),
        [
            (first, "S"),
            (by_name, ["eva", "S"]),
            (all_of_it, ["S", "C", 7, "eva"]),
            (first_and_others, ["S", "C", "eva"]),
            (context_by_another_name, ["S", "default"]),
            (anything, ["S"]),
            (anything_by_name, {"websocket": "S", **VALUES}),
            (positional_socket, ["S", VALUES]),
            (not_a_coroutine_function, "S"),
            (Room().enter, ["room", "S"]),
            (Room(), ["eva", "S"]),
            (partial(by_name, "adam"), ["adam", "S"]),
            (partial(first), "S"),
        ],
    )
    def test_they_are_given_what_they_ask_for(self, function: Callable[..., Any], result: object) -> None:
        assert called(function, dict(VALUES)) == result

    def test_a_route_without_values(self) -> None:
        assert called(first) == "S"
        assert called(anything_by_name) == {"websocket": "S"}


class TestSubprotocols:
    @pytest.mark.parametrize(
        ("offered", "chosen"),
        [
            (("chat.v1", "chat.v2"), "chat.v2"),
            (("other", "chat.v1"), "chat.v1"),
            (("Chat.v1",), None),
            (("other",), None),
            ((), None),
            (None, None),
        ],
    )
    def test_websockets_dv2_the_first_of_ours_that_is_offered(
        self, offered: tuple[str, ...] | None, chosen: str | None
    ) -> None:
        context: Any = Handshake(offered=offered)
        websocket_handler(first, subprotocols=["chat.v2", "chat.v1"])(context)
        ((_, options),) = context.accepted
        assert (None if options is None else options.subprotocol) == chosen


async def needs_more(websocket: Any, database: Any) -> None: ...


async def no_place() -> None: ...


async def only_context(context: Any) -> None: ...


async def only_value(name: str) -> None: ...


async def only_by_name(*, socket: Any) -> None: ...


async def by_position(websocket: Any, name: str, /) -> None: ...


async def asgi(scope: Any, receive: Any, send: Any) -> None: ...


async def stream(websocket: Any) -> AsyncIterator[str]:
    yield ""


def old_style(websocket: Any) -> Iterator[str]:
    yield ""


class Stream:
    async def __call__(self, websocket: Any) -> AsyncIterator[str]:
        yield ""


class Plain:
    def __init__(self, websocket: Any) -> None: ...


class TestMistakes:
    @pytest.mark.parametrize(
        ("function", "told"),
        [
            (7, "is 'int', which cannot be called: name a coroutine function"),
            (no_place, "has no place for the socket: give it a parameter called 'websocket'"),
            (only_context, "has no place for the socket"),
            (only_value, "has no place for the socket"),
            (only_by_name, "has no place for the socket"),
            (needs_more, "wants 'database', but there are only: context, name, websocket"),
            (by_position, "takes 'name' by position only"),
            (asgi, "looks like an ASGI application: mount it under [[site.app]] with asgi ="),
            (stream, "has a `yield` in it"),
            (old_style, "has a `yield` in it"),
            (Stream(), "has a `yield` in it"),
            (partial(stream), "has a `yield` in it"),
            (Plain, "is a class, and what it makes cannot be awaited"),
            (max, "cannot be called with a WebSocket: it has no signature"),
        ],
    )
    def test_what_could_never_be_called_is_told_at_start(self, function: Any, told: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            websocket_handler(function, ["name"], label="websocket shop:prices")
        (problem,) = caught.value.problems
        assert problem.message.startswith(f"websocket shop:prices {told}")

    def test_a_value_of_the_route_cannot_have_the_name_of_the_socket(self) -> None:
        with pytest.raises(ConfigurationError, match=r"by_name has a route with \{websocket\}"):
            websocket_handler(by_name, ["websocket", "name"])


async def tell(websocket: Any, context: Any, name: str) -> None:
    await websocket.send(f"{name} at {context.request.path} by {websocket.subprotocol}")


def site_of(**keys: Any) -> SiteSettings:
    route = RouteSettings(at="/tell/{name}", websocket="the:tell", **keys)
    return SiteSettings(routes=(route,), locations=(LocationSettings(at="/", websockets=RULES),))


RULES = WebSocketSettings(origins=("https://example.org",))


def on_site(ask: Callable[[Any], Any], site: SiteSettings) -> Any:
    async def journey() -> Any:
        async with open_client(site, objects={"the:tell": tell}) as client:
            return await ask(client)

    return asyncio.run(journey())


class TestOnASite:
    def test_the_endpoint_gets_the_values_of_its_route(self) -> None:
        async def ask(client: Any) -> Any:
            async with client.websocket("/tell/ada", subprotocols=["v1", "v2"]) as socket:
                return await socket.receive(), socket.subprotocol

        assert on_site(ask, site_of(subprotocols=("v2", "v1"))) == ("ada at /tell/ada by v2", "v2")
        assert on_site(ask, site_of()) == ("ada at /tell/ada by None", None)

    def test_a_person_is_told_what_this_is(self) -> None:
        async def ask(client: Any) -> Any:
            plain = await client.get("/tell/ada")
            posted = await client.post("/tell/ada", b"x")
            return plain.status, plain.text, posted.status, posted.headers["allow"]

        status, text, posted, allow = on_site(ask, site_of())
        assert (status, posted, allow) == (400, 405, "GET, OPTIONS")
        assert "this is a WebSocket endpoint" in text

    @pytest.mark.parametrize(
        ("origin", "status"), [("https://example.org", 101), (None, 101), ("https://a.example", 403)]
    )
    def test_websockets_dv4_the_rules_of_the_location_hold(self, origin: str | None, status: int) -> None:
        async def ask(client: Any) -> int:
            try:
                async with client.websocket("/tell/ada", origin=origin):
                    return 101
            except WebSocketRefused as refused:
                return refused.response.status

        assert on_site(ask, site_of()) == status

    def test_a_function_is_mounted_as_an_application_of_its_own(self) -> None:
        async def echo(websocket: Any) -> None:
            async for message in websocket:
                await websocket.send(message)

        async def journey() -> Any:
            async with open_client(echo) as client, client.websocket("/any/path") as socket:
                await socket.send("hello")
                return await socket.receive()

        assert asyncio.run(journey()) == "hello"
