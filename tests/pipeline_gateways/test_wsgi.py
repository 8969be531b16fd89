"""The gateway of WSGI, in threads and inline: PEP 3333 by its sections, middleware section 15.4."""

import asyncio
import io
import sys
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import pytest

from penstock.errors import HTTPError, RequestRejected
from penstock.pipeline.stages import Stage
from penstock.pipeline_gateways.wsgi import WsgiGateway
from penstock.server import open_client
from penstock.settings import AppSettings, LocationLimitSettings, LocationSettings, ModuleSettings, SiteSettings
from tests.pipeline_gateways.wsgi_subject import OK, TEXT, Application, Closing, Environ, Start, ask, open_wsgi

BOTH = pytest.mark.parametrize("threads", [0, 1, 2], ids=["inline", "one thread", "threads"])


def returning(result: Any, headers: list[tuple[str, str]] | None = None, status: str = OK) -> Application:
    """An application that returns `result`."""

    def application(environ: Environ, start_response: Start) -> Any:
        start_response(status, TEXT if headers is None else headers)
        return result

    return application


@BOTH
class TestBuffered:
    @pytest.mark.parametrize("result", [[b"body"], (b"body",)])
    def test_a_list_of_one_is_the_body(self, threads: int, result: Any) -> None:
        answer = ask(returning(result), threads=threads)
        assert (answer.status, answer.body, answer.pieces) == (200, b"body", [b"body"])
        assert answer.headers["content-type"] == "text/plain"

    @pytest.mark.parametrize("result", [[], (), [b""], [b"", b""], iter([])])
    def test_nothing_is_an_empty_body(self, threads: int, result: Any) -> None:
        answer = ask(returning(result), threads=threads)
        assert (answer.status, answer.body, answer.is_aborted) == (200, b"", False)

    def test_a_first_piece_that_meets_the_length_is_the_body(self, threads: int) -> None:
        result = Closing([b"body"])
        answer = ask(returning(result, [("Content-Length", "4")]), threads=threads)
        assert (answer.pieces, result.closed) == ([b"body"], 1)

    def test_enough_is_enough(self, threads: int) -> None:
        def pieces() -> Iterator[bytes]:
            yield b"body"
            raise AssertionError("PEP 3333: the server stops iterating when enough was sent")

        answer = ask(returning(pieces(), [("Content-Length", "4")]), threads=threads)
        assert (answer.body, answer.is_aborted) == (b"body", False)

    def test_the_head_can_still_be_changed_when_the_application_has_answered(self, threads: int) -> None:
        class Veto:
            def attach(self, hooks: Any) -> None:
                hooks.on(Stage.END, self.end)

            def end(self, context: Any) -> None:
                context.response.redirect("/sign-in")

        settings = SiteSettings(
            apps=(AppSettings(at="/", wsgi="t:app", threads=threads),), modules=(ModuleSettings(use="t:Veto"),)
        )

        async def journey() -> None:
            client = open_client(settings, objects={"t:app": returning([b"no"], status="401 No"), "t:Veto": Veto})
            async with client:
                answer = await client.get("/")
                assert (answer.status, answer.headers["location"]) == (303, "/sign-in")

        asyncio.run(journey())


@BOTH
class TestStreamed:
    def test_each_piece_is_sent_as_it_is(self, threads: int) -> None:
        answer = ask(returning([b"one", b"two", b"three"]), threads=threads)
        assert answer.pieces == [b"one", b"two", b"three"]

    def test_empty_pieces_are_left_out(self, threads: int) -> None:
        answer = ask(returning(iter([b"", b"one", b"", b"two", b""])), threads=threads)
        assert answer.pieces == [b"one", b"two"]

    def test_start_response_may_come_as_late_as_the_first_piece(self, threads: int) -> None:
        def application(environ: Environ, start_response: Start) -> Iterator[bytes]:
            yield b""
            start_response("201 Created", TEXT)
            yield b"one"
            yield b"two"

        answer = ask(application, threads=threads)
        assert (answer.status, answer.body) == (201, b"onetwo")

    def test_the_length_is_where_iteration_stops(self, threads: int) -> None:
        closed = []

        def pieces() -> Iterator[bytes]:
            try:
                yield b"123"
                yield b"456"
                raise AssertionError("never asked for")
            finally:
                closed.append(True)

        answer = ask(returning(pieces(), [("Content-Length", "6")]), threads=threads)
        assert (answer.body, answer.is_aborted, closed) == (b"123456", False, [True])

    def test_row_43_more_than_the_length_cuts_the_answer_off(self, threads: int) -> None:
        answer = ask(returning(iter([b"123", b"456"]), [("Content-Length", "5")]), threads=threads)
        assert answer.is_aborted

    def test_row_43_less_than_the_length_cuts_the_answer_off(self, threads: int) -> None:
        answer = ask(returning(iter([b"123"]), [("Content-Length", "5")]), threads=threads)
        assert answer.is_aborted

    def test_head_has_no_body_and_an_endless_one_ends(self, threads: int) -> None:
        def endless() -> Iterator[bytes]:
            while True:
                yield b"again"

        answer = ask(returning(endless()), method="HEAD", threads=threads)
        assert (answer.status, answer.body, answer.is_aborted) == (200, b"", False)


@BOTH
class TestWrite:
    def test_written_pieces_come_before_the_returned(self, threads: int) -> None:
        def application(environ: Environ, start_response: Start) -> list[bytes]:
            write = start_response(OK, TEXT)
            write(b"one")
            write(b"")
            write(b"two")
            return [b"three"]

        assert ask(application, threads=threads).pieces == [b"one", b"two", b"three"]

    def test_written_only(self, threads: int) -> None:
        def application(environ: Environ, start_response: Start) -> list[bytes]:
            start_response(OK, TEXT)(b"one")
            return []

        answer = ask(application, threads=threads)
        assert (answer.pieces, answer.is_aborted) == ([b"one"], False)

    def test_text_is_refused(self, threads: int) -> None:
        def application(environ: Environ, start_response: Start) -> list[bytes]:
            start_response(OK, TEXT)("one")  # type: ignore[arg-type]
            return []

        assert ask(application, threads=threads).status == 500


@BOTH
class TestErrors:
    def test_middleware_15_4_c_raising_before_the_first_piece_is_a_500(self, threads: int) -> None:
        def application(environ: Environ, start_response: Start) -> Iterator[bytes]:
            start_response(OK, [("X-Secret", "1")])
            yield b""
            raise ValueError("boom")

        answer = ask(application, threads=threads)
        assert (answer.status, answer.is_aborted) == (500, False)
        assert "x-secret" not in answer.headers

    def test_middleware_15_4_c_raising_behind_it_cuts_the_answer_off(self, threads: int) -> None:
        def pieces() -> Iterator[bytes]:
            yield b"one"
            raise ValueError("boom")

        answer = ask(returning(pieces()), threads=threads)
        assert (answer.status, answer.is_aborted) == (200, True)

    def test_an_application_that_raises_is_a_500(self, threads: int) -> None:
        def application(environ: Environ, start_response: Start) -> list[bytes]:
            raise ValueError("boom")

        assert ask(application, threads=threads).status == 500

    def test_http_error_is_its_status(self, threads: int) -> None:
        def application(environ: Environ, start_response: Start) -> list[bytes]:
            raise HTTPError(418, "short and stout")

        assert ask(application, threads=threads).status == 418

    @pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit(), StopIteration()])
    def test_what_would_end_a_server_ends_the_request(self, threads: int, error: BaseException) -> None:
        def application(environ: Environ, start_response: Start) -> list[bytes]:
            raise error

        def later() -> Iterator[bytes]:
            yield b""
            raise SystemExit(3)

        assert ask(application, threads=threads).status == 500
        assert ask(returning(later()), threads=threads).status == 500

    @pytest.mark.parametrize(
        "result",
        [None, 5, ["text"], "text", {"text"}, {""}, {None}, [None], [5], [bytearray(b"a")], {memoryview(b"a")}],
    )
    def test_row_45_what_is_no_body_is_a_500(self, threads: int, result: Any) -> None:
        assert ask(returning(result), threads=threads).status == 500

    def test_answering_without_start_response_is_a_500(self, threads: int) -> None:
        def application(environ: Environ, start_response: Start) -> list[bytes]:
            return [b"body"]

        def empty(environ: Environ, start_response: Start) -> Iterator[bytes]:
            return iter([])

        assert ask(application, threads=threads).status == 500
        assert ask(empty, threads=threads).status == 500

    def test_bytes_as_the_result_are_sent_as_their_iteration_would_be(self, threads: int) -> None:
        assert ask(returning(b"text"), threads=threads).status == 500  # it yields int

    def test_start_response_with_exc_info_makes_an_error_page(self, threads: int) -> None:
        def application(environ: Environ, start_response: Start) -> list[bytes]:
            start_response(OK, [("X-One", "1")])
            try:
                raise ValueError("boom")
            except ValueError:
                start_response("503 Later", TEXT, sys.exc_info())
            return [b"sorry"]

        answer = ask(application, threads=threads)
        assert (answer.status, answer.body) == (503, b"sorry")
        assert "x-one" not in answer.headers

    def test_start_response_with_exc_info_behind_the_head_cuts_the_answer_off(self, threads: int) -> None:
        def application(environ: Environ, start_response: Start) -> Iterator[bytes]:
            start_response(OK, TEXT)
            yield b"one"
            try:
                raise ValueError("boom")
            except ValueError:
                start_response("500 Oops", TEXT, sys.exc_info())
            yield b"never"

        assert ask(application, threads=threads).is_aborted

    def test_row_42_a_bad_header_is_a_500_that_the_application_hears_of(self, threads: int) -> None:
        heard = []

        def application(environ: Environ, start_response: Start) -> list[bytes]:
            try:
                start_response(OK, [("X-One", "a\r\nSet-Cookie: evil=1")])
            except Exception as error:
                heard.append(str(error))
                raise
            return [b""]

        answer = ask(application, threads=threads)
        assert answer.status == 500
        assert "control character" in heard[0]

    def test_an_error_of_close_harms_nobody(self, threads: int, caplog: pytest.LogCaptureFixture) -> None:
        class Failing(Closing):
            def close(self) -> None:
                super().close()
                raise ValueError("in close")

        result = Failing([b"one", b"two"])
        answer = ask(returning(result), threads=threads)
        assert (answer.body, answer.is_aborted, result.closed) == (b"onetwo", False, 1)
        assert "close() of the WSGI answer" in caplog.text


@BOTH
class TestClose:
    @pytest.mark.parametrize("pieces", [[], [b""], [b"one"], [b"one", b"two"]])
    def test_it_is_called_once(self, threads: int, pieces: list[bytes]) -> None:
        result = Closing(pieces)
        ask(returning(result), threads=threads)
        assert result.closed == 1

    def test_also_when_iteration_fails(self, threads: int) -> None:
        def failing() -> Iterator[bytes]:
            yield b"one"
            raise ValueError("boom")

        for pieces in (failing(), iter(["text"]), iter([b"one", "text"])):
            result = Closing(pieces)  # type: ignore[arg-type]
            ask(returning(result), threads=threads)
            assert result.closed == 1

    def test_the_answer_is_handed_over_before(self, threads: int) -> None:
        seen: list[bool] = []

        class Asking(Closing):
            def close(self) -> None:
                super().close()
                seen.append(True)

        result = Asking([b"body"])

        async def journey() -> None:
            async with open_wsgi(returning(result, [("Content-Length", "4")]), threads=threads) as client:
                request = client.open("GET", "/")
                await request.wait_finished()
                assert (request.pieces, threads > 0 or seen == []) == ([b"body"], True)

        asyncio.run(journey())
        assert result.closed == 1


@BOTH
class TestBody:
    def test_a_whole_body_is_at_hand(self, threads: int) -> None:
        answer = ask(_echo, method="POST", body=b"body" * 1000, threads=threads)
        assert answer.body == b"body" * 1000

    def test_no_body(self, threads: int) -> None:
        assert ask(_echo, threads=threads).body == b""

    def test_a_body_that_comes_in_pieces(self, threads: int) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for number in range(20):
                await asyncio.sleep(0)
                yield b"piece %d\n" % number

        answer = ask(_echo, method="POST", body=pieces(), threads=threads)
        assert answer.body == b"".join(b"piece %d\n" % number for number in range(20))

    def test_reading_may_be_left_to_chance(self, threads: int) -> None:
        assert ask(returning([b"unread"]), method="POST", body=b"body", threads=threads).body == b"unread"

    @pytest.mark.parametrize("catches", [False, True])
    def test_a_body_that_grows_too_large_is_413_unless_the_application_answers(
        self, threads: int, catches: bool
    ) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(20):
                await asyncio.sleep(0)
                yield b"x" * 100

        def application(environ: Environ, start_response: Start) -> list[bytes]:
            try:
                environ["wsgi.input"].read()
            except RequestRejected:
                if not catches:
                    raise
            start_response("400 No", TEXT)
            return [b"caught"]

        answer = _ask_limited(application, pieces(), threads)
        expected = 400 if catches and threads else 413  # inline the body is read before the application is called
        assert answer.status == expected

    def test_a_framework_s_500_for_a_body_that_was_refused_is_still_413(self, threads: int) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(20):
                await asyncio.sleep(0)
                yield b"x" * 100

        def application(environ: Environ, start_response: Start) -> list[bytes]:
            try:
                environ["wsgi.input"].read()
            except Exception:
                start_response("500 Internal Server Error", TEXT)
            return [b"a bug"]

        assert _ask_limited(application, pieces(), threads).status == 413


@BOTH
class TestFiles:
    def test_a_real_file_is_sent_and_closed(self, threads: int, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"0123456789")
        file = (tmp_path / "file").open("rb")
        file.read(2)

        def application(environ: Environ, start_response: Start) -> Any:
            start_response(OK, TEXT)
            return environ["wsgi.file_wrapper"](file, 3)

        answer = ask(application, threads=threads)
        assert (answer.body, answer.headers["content-length"]) == (b"23456789", "8")
        assert file.closed

    def test_its_length_is_the_application_s(self, threads: int, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"0123456789")

        def application(environ: Environ, start_response: Start) -> Any:
            length = environ["QUERY_STRING"]
            start_response(OK, [("Content-Length", length)])
            return environ["wsgi.file_wrapper"]((tmp_path / "file").open("rb"))

        assert ask(application, "/?4", threads=threads).body == b"0123"
        assert ask(application, "/?11", threads=threads).status == 500

    def test_what_is_no_file_is_sent_in_blocks(self, threads: int) -> None:
        def application(environ: Environ, start_response: Start) -> Any:
            start_response(OK, TEXT)
            return environ["wsgi.file_wrapper"](io.BytesIO(b"0123456789"), 4)

        assert ask(application, threads=threads).pieces == [b"0123", b"4567", b"89"]

    def test_behind_write_it_is_sent_in_blocks(self, threads: int, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"file")

        def application(environ: Environ, start_response: Start) -> Any:
            start_response(OK, TEXT)(b"written ")
            return environ["wsgi.file_wrapper"]((tmp_path / "file").open("rb"))

        assert ask(application, threads=threads).body == b"written file"

    def test_without_start_response_it_is_a_500(self, threads: int, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"file")

        def application(environ: Environ, start_response: Start) -> Any:
            return environ["wsgi.file_wrapper"]((tmp_path / "file").open("rb"))

        assert ask(application, threads=threads).status == 500


@BOTH
class TestContextVariables:
    def test_one_request_s_are_never_seen_in_another(self, threads: int) -> None:
        variable: ContextVar[str] = ContextVar("variable", default="unset")

        def application(environ: Environ, start_response: Start) -> Iterator[bytes]:
            start_response(OK, TEXT)
            before = variable.get()
            variable.set("set")
            yield before.encode()
            yield variable.get().encode()

        async def journey() -> None:
            async with open_wsgi(application, threads=threads) as client:
                assert [(await client.get("/")).pieces for _ in range(6)] == [[b"unset", b"set"]] * 6

        asyncio.run(journey())

    def test_those_of_modules_are_seen(self, threads: int) -> None:
        variable: ContextVar[str] = ContextVar("variable", default="unset")

        class Sets:
            def attach(self, hooks: Any) -> None:
                hooks.on(Stage.BEGIN, self.begin)

            def begin(self, context: Any) -> None:
                variable.set("by a module")

        def application(environ: Environ, start_response: Start) -> list[bytes]:
            start_response(OK, TEXT)
            return [variable.get().encode()]

        settings = SiteSettings(
            apps=(AppSettings(at="/", wsgi="t:app", threads=threads),), modules=(ModuleSettings(use="t:Sets"),)
        )

        async def journey() -> None:
            async with open_client(settings, objects={"t:app": application, "t:Sets": Sets}) as client:
                assert (await client.get("/")).body == b"by a module"

        asyncio.run(journey())


@BOTH
class TestWsgirefValidate:
    @pytest.mark.parametrize("pieces", [[b"one"], [b"one", b"two"], []])
    def test_it_finds_nothing(self, threads: int, pieces: list[bytes], capsys: pytest.CaptureFixture[str]) -> None:
        application: Any = validator(returning(pieces))  # type: ignore[arg-type]

        async def journey() -> None:
            async with open_wsgi(application, threads=threads) as client:
                for method in ("GET", "POST", "HEAD"):
                    answer = await client.request(method, "/a?b", body=b"x" if method == "POST" else b"")
                    assert (answer.status, answer.is_aborted) == (200, False)

        asyncio.run(journey())
        assert capsys.readouterr().err == ""  # its iterator complains here when it was not closed

    def test_nor_with_write_and_lengths(self, threads: int) -> None:
        def application(environ: Environ, start_response: Start) -> list[bytes]:
            write = start_response(OK, [("Content-Type", "text/plain"), ("Content-Length", "6")])
            write(b"one")
            return [b"two"]

        checked: Any = validator(application)  # type: ignore[arg-type]
        assert ask(checked, threads=threads).body == b"onetwo"


def test_what_the_server_is_given() -> None:
    gateway = WsgiGateway(returning([b""]))
    asyncio.run(gateway.start())
    asyncio.run(gateway.stop())
    assert gateway.finish is None


def _echo(environ: Environ, start_response: Start) -> list[bytes]:
    start_response(OK, TEXT)
    return [environ["wsgi.input"].read()]


def _ask_limited(application: Application, body: AsyncIterator[bytes], threads: int) -> Any:
    site = SiteSettings(
        apps=(AppSettings(at="/", wsgi="t:app", threads=threads),),
        locations=(LocationSettings(at="/", limits=LocationLimitSettings(body=1000)),),
    )

    async def journey() -> Any:
        async with open_client(site, objects={"t:app": application}) as client:
            return await client.request("POST", "/", body=body)

    return asyncio.run(journey())
