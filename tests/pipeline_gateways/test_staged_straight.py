"""The straight way to an application answers as the framed one does, which a module that does nothing makes of it."""

import asyncio
import gc
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import pytest

from penstock import Context, Hooks, Stage
from penstock.errors import ContractError
from penstock.pipeline_gateways.staged_passage import StagedPassage
from penstock.pipeline_gateways.staged_straight import StraightAnswer
from penstock.server import open_client
from penstock.settings import AppSettings, MiddlewareSettings, ModuleSettings, SiteSettings

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

SEEN: list[object] = []


class Idle:
    """Takes part between the middleware and the application, and does nothing."""

    def attach(self, hooks: Hooks) -> None:
        hooks.on(Stage.AUTHORIZE, self.pass_by)

    def pass_by(self, context: Context) -> None:
        pass


class Watching:
    """Notes what comes back through it, and how."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def note(message: Message) -> None:
            SEEN.append((message["type"], message.get("status"), nameless(message.get("body", b""))))
            await send(message)

        try:
            await self.app({**scope, "user": "anna", "added": 1}, receive, note)
        except BaseException as error:
            SEEN.append(type(error).__name__)
            raise
        SEEN.append("back")


class Forgiving(Watching):
    """Lets no error out, and answers itself when nothing else has."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except OSError:
            await whole(scope, receive, send)


class Renaming(Watching):
    """Leads to another path."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__({**scope, "path": "/other", "raw_path": b"/other"}, receive, send)


class Apart(Watching):
    """Calls the application in a task of its own."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.ensure_future(super().__call__(scope, receive, send))


def start(*fields: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": 201, "headers": [*fields]}


def body(text: bytes, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": text, "more_body": more}


async def whole(scope: Scope, receive: Receive, send: Send) -> None:
    text = f"{scope['path']} {scope.get('added')} {sorted(name for name in scope if '.' in name)}".encode()
    await send(start((b"content-type", b"text/plain"), (b"content-length", b"%d" % len(text))))
    await send(body(text))


async def streams(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start())
    await send(body(b"one", more=True))
    await send(body(b"two", more=True))
    await send(body(b""))


async def echoes(scope: Scope, receive: Receive, send: Send) -> None:
    pieces = []
    while (message := await receive()).get("more_body"):
        pieces.append(message["body"])
    await send(start())
    await send(body(b"".join([*pieces, message["body"]])))


async def fails(scope: Scope, receive: Receive, send: Send) -> None:
    raise ValueError("broken")


async def fails_late(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start((b"x-lost", b"1")))
    raise ValueError("broken")


async def fails_halfway(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start())
    await send(body(b"half", more=True))
    raise ValueError("broken")


async def fails_behind(scope: Scope, receive: Receive, send: Send) -> None:
    await whole(scope, receive, send)
    raise ValueError("broken")


async def is_silent(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()


async def stops_halfway(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start())
    await send(body(b"half", more=True))


async def begins_with_a_body(scope: Scope, receive: Receive, send: Send) -> None:
    await send(body(b"early"))


async def starts_twice(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start())
    await send(start())


async def has_a_bad_field(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start((b"x-bad", b"a\nb")))
    await send(body(b"never"))


async def is_cancelled(scope: Scope, receive: Receive, send: Send) -> None:
    raise asyncio.CancelledError


APPLICATIONS = [
    whole, streams, echoes, fails, fails_late, fails_halfway, is_silent, stops_halfway, begins_with_a_body,
    starts_twice, is_cancelled,
]  # fmt: skip


def nameless(text: bytes) -> bytes:
    """An error answer without the id of the error."""
    return re.sub(rb"error id \w+", b"error id", text)


def site_of(
    middleware: type, application: Any, *, is_framed: bool, relays: bool = False
) -> tuple[SiteSettings, dict[str, Any]]:
    site = SiteSettings(
        middleware=(MiddlewareSettings(use="the:Middleware", stage="authenticate", relay_errors=relays),),
        modules=(ModuleSettings(use="the:Idle"),) if is_framed else (),
        apps=(AppSettings(at="/", asgi="the:application"),),
    )
    return site, {"the:Middleware": middleware, "the:Idle": Idle, "the:application": application}


def told(middleware: type, application: Any, *, method: str, is_framed: bool, relays: bool = False) -> list[object]:
    SEEN.clear()
    site, objects = site_of(middleware, application, is_framed=is_framed, relays=relays)

    async def journey() -> list[object]:
        async with open_client(site, objects=objects) as client:
            try:
                answer = await client.request(method, "/here?q=1", body=b"sent" if method == "POST" else b"")
            except Exception as error:
                return [type(error).__name__]
            fields = sorted(pair for pair in answer.headers.items() if pair[0] != "content-length")
            return [answer.status, fields, nameless(answer.body)]

    return [*asyncio.run(journey()), *SEEN]


@pytest.mark.parametrize("relays", [False, True])
@pytest.mark.parametrize("middleware", [Watching, Forgiving, Renaming, Apart])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
@pytest.mark.parametrize("application", APPLICATIONS)
def test_both_ways_answer_alike(application: Any, method: str, middleware: type, relays: bool) -> None:
    straight = told(middleware, application, method=method, is_framed=False, relays=relays)
    assert straight == told(middleware, application, method=method, is_framed=True, relays=relays)
    assert straight


@pytest.mark.parametrize(("relays", "status"), [(False, 201), (True, 500)])
def test_who_fails_behind_its_answer_has_answered(relays: bool, status: int) -> None:
    seen = told(Watching, fails_behind, method="GET", is_framed=False, relays=relays)
    assert seen[0] == status
    assert ("ValueError" in seen) is relays


@pytest.mark.parametrize("is_framed", [False, True])
def test_a_field_that_http_does_not_allow_is_not_sent(is_framed: bool) -> None:
    assert told(Watching, has_a_bad_field, method="GET", is_framed=is_framed)[0] == 500


def test_nothing_is_taken_behind_a_whole_answer() -> None:
    async def send(message: Message) -> None:
        SEEN.append(message["type"])

    async def journey() -> None:
        answer = StraightAnswer(send)
        await answer.send({**start(), "trailers": True})
        await answer.send(body(b"text"))
        await answer.send({"type": "http.response.trailers", "headers": []})
        await answer.send(body(b"late"))

    with pytest.raises(ContractError, match=r"http.response.body after the response was complete"):
        asyncio.run(journey())


@pytest.mark.parametrize("is_framed", [False, True])
@pytest.mark.parametrize("application", [whole, streams, echoes])
def test_what_is_left_of_a_request_needs_no_garbage_collector(application: Any, is_framed: bool) -> None:
    site, objects = site_of(Watching, application, is_framed=is_framed)

    async def journey() -> int:
        async with open_client(site, objects=objects) as client:
            await client.get("/")
            await asyncio.sleep(0)
            gc.collect()
            gc.disable()
            try:
                await client.get("/")
                await asyncio.sleep(0)
                return sum(isinstance(each, StagedPassage) for each in gc.get_objects())
            finally:
                gc.enable()

    assert asyncio.run(journey()) == 0
