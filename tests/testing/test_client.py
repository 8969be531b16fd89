"""This file is the test of the client without a socket: what it sends, and what an answer tells."""

import asyncio
from collections.abc import AsyncIterator

from penstock import Context
from penstock.pipeline.request import Request
from penstock.testing import ClientResponse
from tests.pipeline.subject import open_site, run


def show(request: Request) -> dict[str, object]:
    return {"host": request.host, "kept": request.headers.get_all("x-kept"), "cookies": dict(request.cookies)}


async def with_everything(context: Context) -> None:
    context.response.early_hints({"link": "</a.css>; rel=preload"})
    context.response.trailers({"x-sum": "5d41"})
    context.response.write("one,")
    await context.response.flush()
    context.response.write("two")


def answers(*asked: object) -> list[ClientResponse]:
    async def journey() -> list[ClientResponse]:
        async with open_site(functions={"/": show, "/all": with_everything}) as client:
            return [await client.get("/", headers=each) for each in asked] + [await client.get("/all")]  # type: ignore[arg-type]

    return run(journey)


class TestRequests:
    def test_fields_by_name_and_as_pairs(self) -> None:
        by_name, pairs, _ = answers(
            {"x-kept": "1", "cookie": "a=b"}, [("Host", "mill.example"), ("x-kept", "1"), ("x-kept", "2")]
        )
        assert by_name.json() == {"host": "testserver", "kept": ["1"], "cookies": {"a": "b"}}
        assert pairs.json() == {"host": "mill.example", "kept": ["1", "2"], "cookies": {}}

    def test_a_body_of_pieces(self) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"one,"
            await asyncio.sleep(0)
            yield b"two"

        async def echo(request: Request) -> bytes:
            return await request.body()

        async def journey() -> bytes:
            async with open_site(function=echo) as client:
                return (await client.request("POST", "/", body=pieces())).body

        assert run(journey) == b"one,two"


class TestAnswers:
    def test_what_comes_before_and_behind(self) -> None:
        answer = answers()[0]
        assert [(status, fields["link"]) for status, fields in answer.informed] == [(103, "</a.css>; rel=preload")]
        assert answer.trailers.items() == [("x-sum", "5d41")]
        assert answer.pieces == [b"one,", b"two"]
        assert answer.text == "one,two"
