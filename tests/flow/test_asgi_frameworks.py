"""Whole journeys of Starlette and FastAPI applications."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route

from tests.pipeline.subject import LOOPS, ask, open_app, run, settle


class TestFrameworks:
    @pytest.mark.parametrize("at", ["/", "/api"])
    def test_starlette_knows_its_own_urls(self, at: str) -> None:
        async def item(request: Any) -> PlainTextResponse:
            return PlainTextResponse(str(request.url_for("item", number=request.path_params["number"])))

        async def inner_item(request: Any) -> PlainTextResponse:
            return PlainTextResponse(str(request.url_for("inner:item", number=request.path_params["number"])))

        inner = Starlette(routes=[Route("/{number:int}", inner_item, name="item")])
        application = Starlette(
            routes=[Route("/items/{number:int}", item, name="item"), Mount("/inner", inner, name="inner")]
        )
        mount = at.rstrip("/")
        found = ask(open_app(application, at=at), f"{mount}/items/7")
        assert found.text == f"http://testserver{mount}/items/7"
        assert ask(open_app(application, at=at), f"{mount}/inner/7").text == f"http://testserver{mount}/inner/7"

    def test_starlette_redirects_to_the_slash_below_its_mount(self) -> None:
        application = Starlette(routes=[Route("/items/", lambda request: PlainTextResponse("items"))])
        found = ask(open_app(application, at="/api"), "/api/items")
        assert (found.status, found.headers["location"]) == (307, "http://testserver/api/items/")

    @pytest.mark.parametrize(("at", "root_path"), [("/", ""), ("/api", ""), ("/api", "/shop")])
    def test_fastapi_finds_its_documentation_below_a_mount(self, at: str, root_path: str) -> None:
        application = FastAPI()
        mount = at.rstrip("/")
        docs = ask(open_app(application, at=at, root_path=root_path), f"{mount}/docs")
        assert docs.status == 200
        assert f"{root_path}{mount}/openapi.json" in docs.text
        description = ask(open_app(FastAPI(), at=at, root_path=root_path), f"{mount}/openapi.json")
        assert description.status == 200

    @pytest.mark.parametrize("loop", LOOPS)
    def test_base_http_middleware(self, loop: str) -> None:
        class Stamp(BaseHTTPMiddleware):
            async def dispatch(self, request: Any, call_next: Any) -> Any:
                response = await call_next(request)
                response.headers["x-stamp"] = "yes"
                return response

        application = FastAPI()
        application.add_middleware(Stamp)

        @application.post("/")
        async def echo(request: Request) -> str:
            return (await request.body()).decode()

        found = ask(open_app(application), method="POST", body=b"text", loop=loop)
        assert (found.status, found.text, found.headers["x-stamp"]) == (200, '"text"', "yes")

    @pytest.mark.parametrize("loop", LOOPS)
    def test_streaming_response(self, loop: str) -> None:
        async def numbers() -> AsyncIterator[str]:
            for number in range(3):
                await asyncio.sleep(0)
                yield str(number)

        application = Starlette(routes=[Route("/", lambda request: StreamingResponse(numbers()))])
        assert ask(open_app(application), loop=loop).pieces == [b"0", b"1", b"2"]

    def test_a_streaming_response_ends_when_its_client_leaves(self, caplog: pytest.LogCaptureFixture) -> None:
        async def journey() -> None:
            gate = asyncio.Event()

            async def endless() -> AsyncIterator[bytes]:
                while True:
                    yield b"tick"
                    await gate.wait()

            async def page(request: Any) -> StreamingResponse:
                return StreamingResponse(endless())

            async with open_app(Starlette(routes=[Route("/", page)])) as client:
                request = client.open("GET", "/")
                await settle()
                assert request.pieces == [b"tick"]
                request.disconnect()
                gate.set()
                await request.wait_finished()
                assert client.runtime.statistics().disconnected == 1

        run(journey)
        assert caplog.records == []  # a client that leaves is nobody's fault

    def test_gzip_middleware(self) -> None:
        import gzip

        application = Starlette(routes=[Route("/", lambda request: PlainTextResponse("text " * 1000))])
        application.add_middleware(GZipMiddleware)
        found = ask(open_app(application), headers={"accept-encoding": "gzip"})
        assert found.headers["content-encoding"] == "gzip"
        assert gzip.decompress(found.body) == b"text " * 1000
        assert int(found.headers["content-length"]) == len(found.body)

    def test_an_error_of_fastapi_is_logged_once_and_answered_by_it(self, caplog: pytest.LogCaptureFixture) -> None:
        application = FastAPI()

        @application.get("/")
        async def page() -> None:
            raise ValueError("boom")

        found = ask(open_app(application))
        assert (found.status, found.text) == (500, "Internal Server Error")
        assert [record.levelno for record in caplog.records] == [logging.ERROR]
