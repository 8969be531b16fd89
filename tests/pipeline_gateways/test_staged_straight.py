"""The straight way to an application answers as the framed one does, which a module that does nothing makes of it."""

import asyncio
import gc
import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import pytest

from penstock import Context, Hooks, Stage
from penstock.errors import ContractError
from penstock.pipeline_gateways.staged_passage import StagedPassage
from penstock.pipeline_gateways.staged_straight import StraightExchange, StraightLink
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


# Behind them the middleware has seen something of their answer already when they fail: see below.
BEGUN = [fails_late, fails_halfway, stops_halfway, starts_twice, begins_with_a_body]


def answer_of(seen: list[object]) -> list[object]:
    return seen[: 3 if isinstance(seen[0], int) else 1]


@pytest.mark.parametrize("relays", [False, True])
@pytest.mark.parametrize("middleware", [Watching, Forgiving, Renaming, Apart])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
@pytest.mark.parametrize("application", APPLICATIONS)
def test_both_ways_answer_alike(application: Any, method: str, middleware: type, relays: bool) -> None:
    straight = told(middleware, application, method=method, is_framed=False, relays=relays)
    framed = told(middleware, application, method=method, is_framed=True, relays=relays)
    assert answer_of(straight) == answer_of(framed)
    if application not in BEGUN and (application, middleware) != (is_cancelled, Apart):
        assert straight == framed


@pytest.mark.parametrize("application", [each for each in BEGUN if each is not stops_halfway])
def test_who_fails_behind_the_head_fails_through_the_middleware(application: Any) -> None:
    seen = told(Watching, application, method="GET", is_framed=False)
    assert "ValueError" in seen or "ContractError" in seen
    assert "back" not in seen[:-2]


def test_who_is_cancelled_in_a_task_of_the_middleware_is_no_answer() -> None:
    seen = told(Apart, is_cancelled, method="GET", is_framed=False)
    assert seen[0] == 500
    assert "CancelledError" in seen


@pytest.mark.parametrize(("relays", "status"), [(False, 201), (True, 500)])
def test_who_fails_behind_its_answer_has_answered(relays: bool, status: int, caplog: pytest.LogCaptureFixture) -> None:
    seen = told(Watching, fails_behind, method="GET", is_framed=False, relays=relays)
    assert seen[0] == status
    assert ("ValueError" in seen) is relays
    assert ("failed behind its answer to GET /here" in caplog.text) is not relays


@pytest.mark.parametrize("is_framed", [False, True])
def test_a_field_that_http_does_not_allow_is_not_sent(is_framed: bool) -> None:
    assert told(Watching, has_a_bad_field, method="GET", is_framed=is_framed)[0] == 500


class Refusing(Watching):
    """Answers itself, and keeps its application for later."""

    kept: tuple[Any, ...] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        type(self).kept = (self.app, scope, receive, send)
        await send({"type": "http.response.start", "status": 403, "headers": []})
        await send(body(b"no"))


class Silent(Watching):
    """Says nothing, and asks nobody."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class Halting(Watching):
    """Stops in the middle of its answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await send(start())


class Swallowing(Watching):
    """Lets nothing of an answer out."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def nowhere(message: Message) -> None: ...

        await self.app(scope, receive, nowhere if scope["type"] == "http" else send)


class Twice(Watching):
    """Calls its application twice."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app({**scope}, receive, send)
        if scope["type"] == "http":
            await self.app({**scope}, receive, send)


@pytest.mark.parametrize("is_framed", [False, True])
@pytest.mark.parametrize(
    ("middleware", "status"), [(Refusing, 403), (Silent, 200), (Halting, 500), (Swallowing, 200), (Twice, 500)]
)
def test_what_the_middleware_says_itself(middleware: type, status: int, is_framed: bool) -> None:
    seen = told(middleware, whole, method="GET", is_framed=is_framed)
    assert (seen[0], b"/here" in bytes(str(seen[2]), "ascii")) == (status, False)


def test_middleware_r_sg_28_its_application_is_called_in_time_and_once(caplog: pytest.LogCaptureFixture) -> None:
    assert told(Twice, whole, method="GET", is_framed=False)[0] == 500
    assert "the:Middleware called its application twice" in caplog.text or "called its application twice" in caplog.text
    told(Refusing, whole, method="GET", is_framed=False)
    app, *arguments = Refusing.kept
    with pytest.raises(ContractError, match="called its application when the request had left it"):
        asyncio.run(app(*arguments))


def test_what_is_sent_when_the_application_has_returned_is_refused() -> None:
    kept: list[Send] = []

    async def keeping(scope: Scope, receive: Receive, send: Send) -> None:
        kept.append(send)
        await whole(scope, receive, send)

    told(Watching, keeping, method="GET", is_framed=False)
    with pytest.raises(ContractError, match="by an application that had returned already"):
        asyncio.run(kept[-1](body(b"late")))  # type: ignore[arg-type]


def asked_at(site: SiteSettings, objects: dict[str, Any], path: str = "/") -> tuple[int, bytes, dict[str, str]]:
    async def journey() -> tuple[int, bytes, dict[str, str]]:
        async with open_client(site, objects=objects) as client:
            answer = await client.get(path)
            return answer.status, answer.body, dict(answer.headers.items())

    return asyncio.run(journey())


def test_the_scope_is_that_of_the_application() -> None:
    async def setting_up(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["pool"] = 7
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        text = f"{scope['root_path']} {scope['path']} {scope['state']} {'penstock.frame' in scope}".encode()
        await send(start())
        await send(body(text))

    site, objects = site_of(Watching, setting_up, is_framed=False)
    site = SiteSettings(middleware=site.middleware, apps=(AppSettings(at="/api", asgi="the:application"),))
    assert asked_at(site, objects, "/api/x")[1] == b"/api /api/x {'pool': 7} False"


class Ending:
    """Notes who asks at END, and changes the answer there; answers with a header of its own from BEGIN on, if told to."""

    def attach(self, hooks: Hooks) -> None:
        hooks.on(Stage.END, self.end)

    def end(self, context: Context) -> None:
        SEEN.append((context.stage.name, context.principal.name))
        context.response.headers["x-end"] = "1"


def test_middleware_g11_end_comes_behind_it_and_can_change_the_answer() -> None:
    SEEN.clear()
    site, objects = site_of(Watching, whole, is_framed=False)
    site = SiteSettings(middleware=site.middleware, apps=site.apps, modules=(ModuleSettings(use="the:Ending"),))
    status, _, fields = asked_at(site, {**objects, "the:Ending": Ending})
    assert (status, fields["x-end"]) == (201, "1")
    assert SEEN[-4:-2] == ["back", ("END", "anna")]


@pytest.mark.parametrize("is_framed", [False, True])
@pytest.mark.parametrize("relays", [False, True])
@pytest.mark.parametrize("application", [whole, streams, echoes, fails, fails_late, fails_halfway, is_silent])
def test_what_is_left_of_a_request_needs_no_garbage_collector(
    application: Any, relays: bool, is_framed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("penstock"), "disabled", True)  # pytest keeps what is logged, with tracebacks
    site, objects = site_of(Watching, application, is_framed=is_framed, relays=relays)

    async def ask(client: Any) -> None:
        try:
            await client.get("/")
        except ConnectionError:
            pass  # half an answer
        await asyncio.sleep(0)

    def alive() -> list[str]:
        kept = Context, StagedPassage, StraightExchange, StraightLink
        return sorted(type(each).__name__ for each in gc.get_objects() if type(each) in kept)

    async def journey() -> tuple[list[str], list[str]]:
        async with open_client(site, objects=objects) as client:
            await ask(client)
            gc.collect()
            gc.disable()
            try:
                before = alive()
                await ask(client)
                SEEN.clear()
                return before, alive()
            finally:
                gc.enable()

    before, behind = asyncio.run(journey())
    assert behind == before
