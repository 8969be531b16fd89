"""The gauge of requests that wait in middleware of stages (middleware R-SG-35)."""

import asyncio
from typing import Any

import pytest

from penstock import Context
from penstock.request_handlers.request_list import count_parked
from penstock.server import open_client
from penstock.settings import AppSettings, MiddlewareSettings, SiteSettings
from tests.pipeline.subject import run


def asgi(app: Any) -> Any:
    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)

    return middleware


async def around(context: Context, following: Any) -> None:
    await following()


@pytest.mark.parametrize("stages", [[asgi], [around], [asgi, asgi], [asgi, around], []])
def test_middleware_r_sg_35_requests_that_wait_are_counted_once(stages: list[Any]) -> None:
    async def journey() -> None:
        gate, entered = asyncio.Event(), asyncio.Event()

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                raise RuntimeError("no lifespan")
            entered.set()
            await gate.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"page"})

        names = [f"piece{number}:made" for number in range(len(stages))]
        site = SiteSettings(
            middleware=tuple(MiddlewareSettings(use=name, name=name[:6]) for name in names),
            apps=(AppSettings(at="/", asgi="it:application"),),
        )
        objects = {"it:application": application, **dict(zip(names, stages, strict=True))}
        async with open_client(site, objects=objects) as client:
            inside = client.runtime.inside
            asked = asyncio.ensure_future(client.get("/"))
            await entered.wait()
            assert count_parked(inside.values()) == (1 if stages else 0)
            gate.set()
            assert (await asked).text == "page"
            assert count_parked(inside.values()) == 0

    run(journey)
