"""What the tests of the pipeline ask: a site of modules, functions and applications, without a socket."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from penstock import Context, Hooks, Stage
from penstock.hosts.loop import new_event_loop
from penstock.pipeline.stages import RULES
from penstock.server import open_client
from penstock.settings import (
    AppSettings,
    LimitSettings,
    LocationSettings,
    LogSettings,
    ModuleSettings,
    RouteSettings,
    ServerSettings,
    SiteSettings,
    TraceSettings,
)
from penstock.testing import Client, ClientResponse

T = TypeVar("T")
Attach = Callable[[Hooks], object]

LOOPS = ("asyncio", "uvloop")

# What a recorder sees of a request that passes every stage.
WHOLE = [
    "BEGIN",
    "AUTHENTICATE",
    "AUTHENTICATE+",
    "AUTHORIZE",
    "AUTHORIZE+",
    "RESOLVE_CACHE",
    "RESOLVE_CACHE+",
    "MAP_HANDLER",
    "MAP_HANDLER+",
    "ACQUIRE_STATE",
    "ACQUIRE_STATE+",
    "PRE_EXECUTE",
    "EXECUTE",
    "EXECUTE+",
    "RELEASE_STATE",
    "RELEASE_STATE+",
    "UPDATE_CACHE",
    "UPDATE_CACHE+",
    "LOG",
    "LOG+",
    "END",
]
FINAL = ["LOG", "LOG+", "END"]
RELEASE = ["RELEASE_STATE", "RELEASE_STATE+"]


class Attached:
    """A module whose whole code is one function."""

    def __init__(self, attach: Attach) -> None:
        self.attach = attach


class Recorder:
    """A module that writes down what it sees of a request: "BEGIN" for a stage, "AUTHORIZE+" for the half behind it."""

    def __init__(self, log: list[str], name: str = "") -> None:
        self.log = log
        self.name = name

    def attach(self, hooks: Hooks) -> None:
        for stage in Stage:
            hooks.on(stage, self.note(stage.name))
            if RULES[stage].has_post:
                hooks.after(stage, self.note(f"{stage.name}+"))

    def note(self, text: str) -> Callable[[Context], None]:
        entry = f"{self.name}.{text}" if self.name else text
        return lambda context: self.log.append(entry)


def seen_before(stage: Stage) -> list[str]:
    """What a recorder has seen when a module in front of it acts at `stage`."""
    return WHOLE[: WHOLE.index(stage.name)]


def hello() -> str:
    return "hello"


def noted_handler(log: list[str]) -> Callable[[], str]:
    """A function that answers "hello" and writes down that it was called."""

    def handler() -> str:
        log.append("handler")
        return "hello"

    return handler


def on(stage: Stage, hook: Callable[[Context], Any]) -> Attached:
    """A module with one hook."""
    return Attached(lambda hooks: hooks.on(stage, hook))


def raising(error: Exception) -> Callable[[Context], None]:
    """A hook that fails."""

    def fail(context: Context) -> None:
        raise error

    return fail


def open_site(
    *modules: object,
    function: Callable[..., object] | None = hello,
    functions: Mapping[str, Callable[..., object]] | None = None,
    methods: Sequence[str] = ("GET", "POST"),
    apps: Mapping[str, Callable[..., Any]] | None = None,
    locations: Mapping[str, Sequence[object]] | None = None,
    headers: Mapping[str, Mapping[str, str]] | None = None,
    mode: Any = "production",
    verifier: bool = False,
    traces: str = "",
    **limits: Any,
) -> Client:
    """A client of a site: `modules` are objects, `function` answers "/", `functions` and `apps` by path, `locations` are
    modules by path, `headers` headers by path; `traces` is the folder for the traces of all that failed."""
    objects: dict[str, object] = {}

    def name(kind: str, subject: object) -> str:
        reference = f"tested:{kind}{len(objects)}"
        objects[reference] = subject
        return reference

    routes = dict(functions or {})
    if function is not None and not apps:
        routes.setdefault("/", function)
    places = {**(locations or {}), **{at: (locations or {}).get(at, ()) for at in headers or {}}}
    site = SiteSettings(
        modules=tuple(ModuleSettings(use=name("module", each)) for each in modules),
        routes=tuple(
            RouteSettings(at=at, function=name("function", each), methods=tuple(methods)) for at, each in routes.items()
        ),
        apps=tuple(AppSettings(at=at, asgi=name("app", each)) for at, each in (apps or {}).items()),
        locations=tuple(
            LocationSettings(
                at=at,
                modules=tuple(ModuleSettings(use=name("module", each)) for each in placed),
                headers=dict((headers or {}).get(at, {})),
            )
            for at, placed in places.items()
        ),
        traces=(TraceSettings(status=("400-599",)),) if traces else (),
    )
    server = ServerSettings(
        mode=mode,
        verifier=verifier,
        log=LogSettings(access=False, traces=traces),
        limits=LimitSettings(**limits),
    )
    return open_client(site, server=server, objects=objects)


def open_app(application: Callable[..., Any], *modules: object, at: str = "/", **settings: Any) -> Client:
    """A client of one ASGI application with `modules` around it; `settings` as in `AppSettings`."""
    objects = {f"tested:module{number}": each for number, each in enumerate(modules)}
    site = SiteSettings(
        modules=tuple(ModuleSettings(use=name) for name in objects),
        apps=(AppSettings(at=at, asgi="tested:app", **settings),),
    )
    return open_client(
        site, server=ServerSettings(log=LogSettings(access=False)), objects={**objects, "tested:app": application}
    )


def run(journey: Callable[[], Awaitable[T]], loop: str = "asyncio") -> T:
    """Run `journey` to its end on a loop of its own, as the server would make it."""

    async def whole() -> T:
        async with asyncio.timeout(10):
            return await journey()

    with asyncio.Runner(loop_factory=lambda: new_event_loop(loop)) as runner:
        return runner.run(whole())


def ask(
    client: Client,
    target: str = "/",
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | AsyncIterable[bytes] = b"",
    loop: str = "asyncio",
) -> ClientResponse:
    """One request, and its whole answer; the site is stopped when this returns."""

    async def journey() -> ClientResponse:
        async with client:
            return await client.request(method, target, headers=headers, body=body)

    return run(journey, loop)


async def settle(turns: int = 20) -> None:
    """Let the loop turn until what is ready has run."""
    for _ in range(turns):
        await asyncio.sleep(0)
