"""What the tests of OWIN ask: a site that is one OWIN application, with modules around it, without a socket."""

from collections.abc import Awaitable, Callable
from typing import Any

from penstock.server import open_client
from penstock.settings import AppSettings, LogSettings, ModuleSettings, ServerSettings, SiteSettings
from penstock.testing import Client, ClientResponse, ClientWebSocket
from tests.pipeline.subject import ask, run

Environment = Any
Application = Callable[[Environment], Awaitable[None]]
HANDSHAKE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def open_owin(application: Callable[..., Any], *modules: object, at: str = "/", **settings: Any) -> Client:
    """A client of one OWIN application with `modules` around it; `settings` as in `AppSettings`."""
    objects = {f"tested:module{number}": each for number, each in enumerate(modules)}
    site = SiteSettings(
        modules=tuple(ModuleSettings(use=name) for name in objects),
        apps=(AppSettings(at=at, owin="tested:app", **settings),),
    )
    return open_client(
        site, server=ServerSettings(log=LogSettings(access=False)), objects={**objects, "tested:app": application}
    )


def answer_of(
    application: Application, *modules: object, at: str = "/", target: str = "/", **asked: Any
) -> ClientResponse:
    """What one request is answered with."""
    return ask(open_owin(application, *modules, at=at), target, **asked)


def talk(
    application: Application,
    conversation: Callable[[ClientWebSocket], Awaitable[Any]],
    *modules: object,
    path: str = "/",
    loop: str = "asyncio",
    **opening: Any,
) -> Any:
    """What `conversation` returns of one socket of `application`, which has ended then."""

    async def journey() -> Any:
        async with open_owin(application, *modules) as client, client.websocket(path, **opening) as socket:
            return await conversation(socket)

    return run(journey, loop)
