"""WSGI and native applications called as ASGI 3 ones: the edge semantics (middleware section 15.4, WSGI -> ASGI3)."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from penstock import Context
from penstock.pipeline_gateways.hosted import host_native, host_owin, host_wsgi
from tests.pipeline.subject import run
from tests.pipeline_gateways.chain_subject import ask_app, asked, scope_of, shaken, wsgi_page

WAIT = 10.0


async def silent() -> Any:
    """The `receive` of a client that sends nothing, and stays."""
    await asyncio.Event().wait()
    raise AssertionError


class TestWsgi:
    @pytest.mark.parametrize(
        ("root", "path", "script", "info"),
        [("", "/", "", "/"), ("/a", "/a/b", "/a", "/b"), ("/a", "/a", "/a", ""), ("/a", "/ab", "/a", "/ab")],
    )
    def test_middleware_15_4_e_the_path_is_cut_by_segments(self, root: str, path: str, script: str, info: str) -> None:
        answer = asked(host_wsgi(wsgi_page), path, root_path=root)
        assert (answer.headers["x-script"], answer.headers["x-path"]) == (script, info)

    def test_middleware_15_4_a_pieces_arrive_one_by_one(self) -> None:
        gate = threading.Event()

        def page(environ: Any, start_response: Any) -> Iterator[bytes]:
            start_response("200 OK", [])
            yield b"one"
            assert gate.wait(WAIT)
            yield b"two"
            yield b"three"

        async def journey() -> list[bytes]:
            sent: list[Any] = []

            async def send(message: Any) -> None:
                sent.append(message)
                gate.set()

            await host_wsgi(page)(scope_of(), silent, send)
            return [each.get("body", b"") for each in sent if each["type"] == "http.response.body"]

        pieces = run(journey)
        assert pieces[0] == b"one"
        assert b"".join(pieces) == b"onetwothree"

    def test_middleware_15_4_c_an_error_before_the_first_piece_is_a_500(self, caplog: pytest.LogCaptureFixture) -> None:
        def page(environ: Any, start_response: Any) -> list[bytes]:
            start_response("201 Created", [])
            raise ValueError("meant")

        assert asked(host_wsgi(page)).status == 500

    def test_middleware_15_4_d_a_client_that_leaves_has_it_closed_once(self) -> None:
        closes: list[str] = []
        closed = threading.Event()

        class Pieces:
            def __iter__(self) -> Iterator[bytes]:
                while True:
                    yield b"x" * 1000

            def close(self) -> None:
                closes.append("closed")
                closed.set()

        def page(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [])
            return Pieces()

        async def journey() -> None:
            count = 0

            async def send(message: Any) -> None:
                nonlocal count
                count += 1
                if count > 3:
                    raise OSError("gone")

            await host_wsgi(page)(scope_of(), silent, send)
            assert await asyncio.to_thread(closed.wait, WAIT)

        run(journey)
        assert closes == ["closed"]

    def test_middleware_15_4_f_who_finds_no_thread_and_no_place_is_answered_503(self) -> None:
        gate = threading.Event()

        def page(environ: Any, start_response: Any) -> list[bytes]:
            assert gate.wait(WAIT)
            start_response("200 OK", [])
            return [b"page"]

        async def journey() -> list[int]:
            app = host_wsgi(page, threads=2, queue=1)
            tasks = [asyncio.ensure_future(ask_app(app, scope_of())) for _ in range(4)]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            assert [task.result().headers["retry-after"] for task in done] == ["1"]
            gate.set()
            return sorted([(await task).status for task in tasks])

        assert run(journey) == [200, 200, 200, 503]

    def test_each_loop_that_calls_it_has_threads_of_its_own(self) -> None:
        app = host_wsgi(wsgi_page)
        assert [asked(app).body for _ in range(3)] == [b"wsgi"] * 3
        assert len(app._runtimes) == 1, "loops that are closed are forgotten"

    def test_it_reads_the_body(self) -> None:
        def page(environ: Any, start_response: Any) -> list[bytes]:
            start_response("200 OK", [])
            return [environ["wsgi.input"].read()]

        assert asked(host_wsgi(page), body=b"hello").body == b"hello"

    def test_a_websocket_is_refused(self) -> None:
        assert shaken(host_wsgi(wsgi_page)).sent == [{"type": "websocket.close", "code": 1000, "reason": ""}]

    def test_it_has_a_lifespan_and_answers_behind_it_no_more(self) -> None:
        async def journey() -> list[str]:
            app = host_wsgi(wsgi_page)
            await ask_app(app, scope_of())
            messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
            return [each["type"] for each in (await ask_app(app, {"type": "lifespan"}, messages)).sent]

        assert run(journey) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]

    def test_a_head_that_http_does_not_allow_is_refused(self) -> None:
        assert asked(host_wsgi(wsgi_page), headers=[(b"host", b"a b")]).status == 400


class TestNative:
    @pytest.mark.parametrize(
        ("value", "body"), [("text", b"text"), (b"bytes", b"bytes"), ({"a": 1}, b'{"a":1}'), (None, b"")]
    )
    def test_what_it_returns_is_the_answer(self, value: object, body: bytes) -> None:
        assert asked(host_native(lambda context: value)).body == body

    def test_it_streams(self) -> None:
        async def page(context: Context) -> None:
            for piece in ("a", "b"):
                context.response.write(piece)
                await context.response.flush()

        assert asked(host_native(page)).body == b"ab"

    def test_an_error_is_answered(self) -> None:
        def page(context: Context) -> None:
            raise ValueError("meant")

        assert asked(host_native(page)).status == 500

    def test_owin_is_called_with_its_environment(self) -> None:
        async def page(environment: Any) -> None:
            await environment["owin.ResponseBody"].write(environment["owin.RequestPath"].encode())

        assert asked(host_owin(page), "/a").body == b"/a"
