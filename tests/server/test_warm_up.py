"""What a new worker answers before it gets requests from clients."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from penstock.errors import StartupError
from penstock.pipeline.context import Context
from penstock.server import build
from penstock.server.warm_up import warm_up
from penstock.settings import LimitSettings, RouteSettings, ServerSettings, Settings, SiteSettings
from penstock.testing import Client


def warmed(*paths: str, hosts: tuple[str, ...] = ("shop.example",), deadline: float = 0.05) -> list[str]:
    """Host and path of all that was asked when `paths` are to be preloaded."""
    asked: list[str] = []

    async def answer(context: Context) -> None:
        request = context.request
        asked.append(f"{request.headers['host']}{request.path}")
        if request.path == "/hangs":
            await asyncio.Event().wait()
        if request.path == "/fails":
            raise OSError("no database")
        context.response.status = {"/moved": 302, "/gone": 410}.get(request.path, 200)

    async def journey() -> None:
        routes = tuple([RouteSettings(at=at, function="test:answer") for at in ("/", "/{rest:path}")])
        sites = tuple([SiteSettings(hosts=(host,), routes=routes) for host in hosts])
        server = ServerSettings(listen=("127.0.0.1:0",), limits=LimitSettings(deadline=deadline))
        settings = Settings(server=server, sites=sites)
        objects: dict[str, Callable[..., Any]] = {"test:answer": answer}
        async with Client(build(settings, objects=objects).sites, limits=server.limits) as client:
            await warm_up(client.runtime, settings, paths)

    asyncio.run(journey())
    return asked


def test_pipeline_w08_every_site_is_asked_for_every_path_in_turn() -> None:
    asked = warmed("/", "/moved", hosts=("shop.example", "*.example.org"))
    assert asked == ["shop.example/", "shop.example/moved", "www.example.org/", "www.example.org/moved"]


def test_a_site_for_every_host_is_asked_as_localhost() -> None:
    assert warmed("/", hosts=("*",)) == ["localhost/"]


def test_without_paths_nothing_is_asked() -> None:
    assert warmed() == []


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/gone", "/gone of shop.example is answered with 410; a new worker must answer it with 200 to 399"),
        ("/fails", "/fails of shop.example is answered with 500"),
        ("/hangs", "/hangs of shop.example is answered with 504|is not answered within the deadline"),
    ],
)
def test_pipeline_w03_one_that_is_not_answered_well_refuses_the_worker(path: str, told: str) -> None:
    with pytest.raises(StartupError, match=told):
        warmed(path, "/never")
