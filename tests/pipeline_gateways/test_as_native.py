"""ASGI applications called with a context, and middleware (context, next) around applications."""

from typing import Any

import pytest

from penstock import Builder, Context
from penstock.pipeline_gateways.as_native import Answering, AsgiAsNative
from penstock.pipeline_gateways.hosted import host_native
from tests.pipeline.subject import run
from tests.pipeline_gateways.chain_subject import answering, ask_app, asked


async def doubling(context: Context, following: Any) -> None:
    await following()
    context.response.body = context.response.body * 2


def test_the_answer_of_an_asgi_application_is_in_the_response() -> None:
    assert asked(host_native(AsgiAsNative(answering(b"page", 201)))).status == 201
    assert asked(Builder().use(doubling).run(answering(b"page")).build()).body == b"pagepage"


def test_middleware_r_sg_22_what_is_in_the_scope_comes_through() -> None:
    async def showing(scope: Any, receive: Any, send: Any) -> None:
        await answering(f"{scope['mark']} {scope['root_path']}".encode())(scope, receive, send)

    app = Builder().use(doubling).run(showing).build()
    assert asked(app, "/a/b", mark="m", root_path="/a").body == b"m /am /a"


def test_half_an_answer_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    async def half(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    assert asked(host_native(AsgiAsNative(half))).status == 500
    assert "returned in the middle of its answer" in caplog.text


def test_a_stream_passes() -> None:
    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in (b"a", b"b"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"c"})

    async def passing(context: Context, following: Any) -> None:
        await following()

    assert asked(Builder().use(passing).run(stream).build()).body == b"abc"


def test_next_is_called_once(caplog: pytest.LogCaptureFixture) -> None:
    async def twice(context: Context, following: Any) -> None:
        await following()
        await following()

    assert asked(Builder().use(twice).run(answering(b"page")).build()).status == 500
    assert "twice called next twice" in caplog.text


def test_middleware_15_9_the_lifespan_is_that_of_what_is_inside() -> None:
    log: list[str] = []

    async def living(scope: Any, receive: Any, send: Any) -> None:
        log.append(scope["type"])

    app = Builder().use(doubling).use(doubling).run(living).build()
    run(lambda: ask_app(app, {"type": "lifespan"}, [{"type": "lifespan.startup"}]))
    assert log == ["lifespan"]


def test_what_an_application_returns_is_written() -> None:
    assert asked(host_native(Answering(lambda context: "text"))).body == b"text"
