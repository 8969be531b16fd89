"""Filters: what the body passes on its way out, each with the header fields that tell of it (pipeline O-08, X-09)."""

import gzip
import zlib
from pathlib import Path
from typing import Any

import pytest

from penstock import Context, ContractError, Hooks, HTTPError, Response, ResponseSealed, ResponseStarted, Stage
from penstock.http.messages import ResponseHead
from penstock.pipeline.filters import FilterChain
from tests.pipeline.subject import Attached, ask, on, open_app, open_site, run


class Wrap:
    """Puts a letter around every piece, and writes down what is asked of it."""

    def __init__(self, letter: str, log: list[str] | None = None, *, takes_part: bool = True) -> None:
        self.letter = letter.encode()
        self.log = [] if log is None else log
        self.takes_part = takes_part

    def begin(self, head: ResponseHead) -> bool:
        self.log.append(f"{self.letter.decode()} begins")
        if self.takes_part:
            head.headers.add("x-wrapped", self.letter.decode())
        return self.takes_part

    def feed(self, piece: bytes) -> bytes:
        self.log.append(f"{self.letter.decode()} {piece.decode()}")
        return self.letter + piece + self.letter

    def finish(self) -> bytes:
        self.log.append(f"{self.letter.decode()} ends")
        return b"." + self.letter


class Gzip:
    """What a compressing module adds."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj(wbits=31)

    def begin(self, head: ResponseHead) -> bool:
        head.headers["content-encoding"] = "gzip"
        head.headers["vary"] = "accept-encoding"
        return True

    def feed(self, piece: bytes) -> bytes:
        return self._stream.compress(piece)

    def flush(self) -> bytes:
        return self._stream.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._stream.flush()


class Failing(Wrap):
    def feed(self, piece: bytes) -> bytes:
        raise RuntimeError("the filter fails")


def adding(*filters: object) -> Attached:
    def add(context: Context) -> None:
        for each in filters:
            context.response.add_filter(each)  # type: ignore[arg-type]

    return on(Stage.BEGIN, add)


class TestBuffered:
    def test_pipeline_o08_the_first_added_is_fed_first_and_each_ends_once(self) -> None:
        log: list[str] = []
        found = ask(open_site(adding(Wrap("a", log), Wrap("b", log))))
        assert found.body == b"bahelloab" + b"b.ab" + b".b" or found.body == b"bahelloa.ab.b"
        assert log == ["a begins", "b begins", "a hello", "a ends", f"b {'ahelloa.a'}", "b ends"]
        assert found.headers.get_all("x-wrapped") == ["a", "b"]

    def test_pipeline_o08_the_length_is_counted_anew(self) -> None:
        def handler() -> Response:
            return Response("hello", headers={"content-length": "5"})

        found = ask(open_site(adding(Wrap("a")), function=handler))
        assert found.body == b"ahelloa.a"
        assert found.headers.get("content-length") in (None, "9")

    def test_pipeline_o08_hooks_of_update_cache_see_what_leaves(self) -> None:
        seen: list[bytes] = []
        cache = on(Stage.UPDATE_CACHE, lambda context: seen.append(context.response.body))
        found = ask(open_site(adding(Wrap("a")), cache))
        assert seen == [b"ahelloa.a"] == [found.body]

    def test_pipeline_o08_who_is_not_for_this_answer_is_left_out(self) -> None:
        log: list[str] = []
        found = ask(open_site(adding(Wrap("a", log, takes_part=False), Wrap("b", log))))
        assert found.body == b"bhellob.b"
        assert log == ["a begins", "b begins", "b hello", "b ends"]
        found = ask(open_site(adding(Wrap("a", takes_part=False))))
        assert (found.body, "x-wrapped" in found.headers) == (b"hello", False)

    def test_pipeline_o08_an_answer_that_comes_early_passes_them_too(self) -> None:
        def answer(context: Context) -> None:
            context.response.write("early")
            context.complete()

        found = ask(open_site(adding(Wrap("a")), on(Stage.AUTHORIZE, answer)))
        assert found.body == b"aearlya.a"

    @pytest.mark.parametrize("status", [204, 206, 304])
    def test_pipeline_o08_no_body_and_counted_parts_are_left_alone(self, status: int) -> None:
        log: list[str] = []

        def handler(context: Context) -> bytes:
            context.response.status = status
            return b"part" if status == 206 else b""

        found = ask(open_site(adding(Wrap("a", log)), function=handler))
        assert (found.status, found.body, log) == (status, b"part" if status == 206 else b"", [])

    def test_pipeline_o05_head_says_what_get_says(self) -> None:
        site = (adding(Gzip()),)
        get = ask(open_site(*site, methods=("GET", "HEAD")))
        head = ask(open_site(adding(Gzip()), methods=("GET", "HEAD")), method="HEAD")
        assert gzip.decompress(get.body) == b"hello"
        assert (head.status, head.body, head.headers.items()) == (200, b"", get.headers.items())

    def test_a_returned_response_may_bring_its_own(self) -> None:
        def handler() -> Response:
            response = Response("own")
            response.add_filter(Wrap("a"))
            return response

        assert ask(open_site(function=handler)).body == b"aowna.a"


class TestStreamed:
    def test_pipeline_o08_a_flush_pushes_data_through_and_ends_nothing(self) -> None:
        log: list[str] = []

        async def handler(context: Context) -> None:
            for word in ("one", "two"):
                context.response.write(word)
                await context.response.flush()
            context.response.write("end")

        found = ask(open_site(adding(Wrap("a", log), Wrap("b", log)), function=handler))
        assert found.pieces == [b"baoneab", b"batwoab", b"baenda.ab.b"]
        assert [line for line in log if line.endswith("ends")] == ["a ends", "b ends"]

    def test_pipeline_o08_what_a_filter_holds_back_leaves_with_a_flush(self) -> None:
        async def handler(context: Context) -> None:
            context.response.write("event 1\n")
            await context.response.flush()
            context.response.write("event 2\n")

        found = ask(open_site(adding(Gzip()), function=handler))
        first = zlib.decompressobj(wbits=31)
        assert first.decompress(found.pieces[0]) == b"event 1\n"
        assert gzip.decompress(found.body) == b"event 1\nevent 2\n"
        assert found.headers["content-encoding"] == "gzip"

    @pytest.mark.parametrize("pieces", [[b"whole"], [b"one", b"two"], [b"", b"one", b""], []])
    def test_pipeline_o08_an_asgi_application_passes_them(self, pieces: list[bytes]) -> None:
        async def application(scope: object, receive: object, send: object) -> None:
            assert callable(send)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"end"})

        found = ask(open_app(application, adding(Gzip())))
        assert gzip.decompress(found.body) == b"".join(pieces) + b"end"
        assert found.headers["content-encoding"] == "gzip"

    def test_pipeline_o08_a_length_that_an_application_has_said_is_dropped(self) -> None:
        async def application(scope: object, receive: object, send: object) -> None:
            assert callable(send)
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"6")]})
            await send({"type": "http.response.body", "body": b"one", "more_body": True})
            await send({"type": "http.response.body", "body": b"two"})

        found = ask(open_app(application, adding(Wrap("a"))))
        assert (found.body, found.headers.get("content-length")) == (b"aoneaatwoa.a", None)

    @pytest.mark.parametrize("size", [0, 10, 200_000])
    def test_pipeline_o08_a_file_passes_them(self, size: int, tmp_path: Path) -> None:
        content = bytes(range(256)) * (size // 256 + 1)
        (tmp_path / "f").write_bytes(content[:size])

        def handler(context: Context) -> None:
            context.response.send_file(tmp_path / "f")

        found = ask(open_site(adding(Gzip()), function=handler))
        assert gzip.decompress(found.body) == content[:size]
        assert found.headers.get("content-length") in (None, str(len(found.body)))

    def test_a_filter_that_fails_in_a_stream_cuts_it_off(self) -> None:
        class Late(Wrap):
            def finish(self) -> bytes:
                raise RuntimeError("the filter fails")

        async def handler(context: Context) -> None:
            context.response.write("part")
            await context.response.flush()

        found = ask(open_site(adding(Late("a")), function=handler))
        assert (found.is_aborted, found.body) == (True, b"aparta")


class TestErrors:
    def test_pipeline_x09_an_error_answer_drops_filter_and_headers(self) -> None:
        def fail() -> None:
            raise RuntimeError("secret")

        found = ask(open_site(adding(Gzip()), function=fail))
        assert found.status == 500
        assert "content-encoding" not in found.headers
        assert found.body.startswith(b"500 Internal Server Error")

    @pytest.mark.parametrize("stage", [Stage.UPDATE_CACHE, Stage.LOG, Stage.END])
    def test_pipeline_x09_also_when_it_comes_behind_the_filter(self, stage: Stage) -> None:
        def fail(context: Context) -> None:
            raise HTTPError(503)

        found = ask(open_site(adding(Gzip()), on(Stage.UPDATE_CACHE, lambda context: None), on(stage, fail)))
        assert found.status == 503
        assert "content-encoding" not in found.headers
        assert found.body.startswith(b"503 Service Unavailable")

    def test_pipeline_x09_what_an_error_hook_returns_is_not_filtered(self) -> None:
        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.BEGIN, lambda context: context.response.add_filter(Gzip()))
            hooks.on_error(lambda context: Response("instead", status=502))

        def fail() -> None:
            raise RuntimeError("secret")

        found = ask(open_site(Attached(attach), function=fail))
        assert (found.status, found.body, "content-encoding" in found.headers) == (502, b"instead", False)

    def test_pipeline_x09_writing_behind_the_filters_is_refused_and_recorded(self) -> None:
        errors: list[Exception] = []

        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.BEGIN, lambda context: context.response.add_filter(Gzip()))
            hooks.on(Stage.UPDATE_CACHE, lambda context: None)
            hooks.on(Stage.END, lambda context: context.response.write("<!-- too late -->"))
            hooks.on(Stage.END, lambda context: errors.extend(context.errors))

        found = ask(open_site(Attached(attach)))
        assert [type(error) for error in errors] == [ResponseSealed]
        assert "its filters have finished" in str(errors[0])
        assert (found.status, b"too late" in found.body) == (500, False)

    def test_pipeline_x10_replace_takes_filter_and_headers_back(self) -> None:
        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.BEGIN, lambda context: context.response.headers.add("vary", "cookie"))
            hooks.on(Stage.BEGIN, lambda context: context.response.add_filter(Gzip()))
            hooks.on(Stage.UPDATE_CACHE, lambda context: None)
            hooks.on(Stage.END, lambda context: context.response.replace("plain"))

        found = ask(open_site(Attached(attach)))
        assert (found.status, found.body, "content-encoding" in found.headers) == (200, b"plain", False)
        assert found.headers.get_all("vary") == ["cookie"]

    def test_pipeline_o07_clearing_the_headers_keeps_those_of_the_filters(self) -> None:
        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.BEGIN, lambda context: context.response.headers.add("x-one", "1"))
            hooks.on(Stage.BEGIN, lambda context: context.response.add_filter(Gzip()))
            hooks.on(Stage.UPDATE_CACHE, lambda context: None)
            hooks.on(Stage.END, lambda context: context.response.clear_headers())

        found = ask(open_site(Attached(attach)))
        assert gzip.decompress(found.body) == b"hello"
        assert (found.headers["content-encoding"], "x-one" in found.headers) == ("gzip", False)

    def test_what_a_location_sets_does_not_hide_what_a_filter_says(self) -> None:
        found = ask(open_site(adding(Gzip()), headers={"/": {"vary": "cookie", "x-one": "1"}}))
        assert gzip.decompress(found.body) == b"hello"
        assert (found.headers["vary"], found.headers["x-one"]) == ("accept-encoding", "1")

    def test_a_filter_that_fails_is_a_500(self) -> None:
        found = ask(open_site(adding(Failing("a"))))
        assert (found.status, "x-wrapped" in found.headers) == (500, False)

    def test_a_filter_that_fails_before_anything_has_left_is_a_500(self) -> None:
        async def handler(context: Context) -> None:
            context.response.write("part")
            await context.response.flush()

        found = ask(open_site(adding(Failing("a")), function=handler))
        assert (found.status, found.is_aborted, "x-wrapped" in found.headers) == (500, False, False)

    @pytest.mark.parametrize("error", [RuntimeError("the filter fails"), ContractError("the filter fails")])
    def test_a_filter_that_fails_in_a_file_cuts_it_off(self, error: Exception, tmp_path: Path) -> None:
        class Late(Wrap):
            def feed(self, piece: bytes) -> bytes:
                raise error

        (tmp_path / "f").write_bytes(b"x" * 200_000)

        def handler(context: Context) -> None:
            context.response.send_file(tmp_path / "f")

        found = ask(open_site(adding(Late("a")), function=handler))
        assert (found.status, found.is_aborted, found.body) == (200, True, b"")

    def test_a_filter_that_has_failed_is_not_asked_again(self) -> None:
        chain = FilterChain()
        chain.add(Failing("a"))
        chain.begin(ResponseHead(200, []))
        with pytest.raises(RuntimeError):
            chain.feed(b"x")
        with pytest.raises(ContractError, match="has failed"):
            chain.finish(b"")

    def test_a_filter_gives_bytes(self) -> None:
        class Text(Wrap):
            def finish(self) -> bytes:
                return "text"  # type: ignore[return-value]

        chain = FilterChain()
        chain.add(Text("a"))
        chain.begin(ResponseHead(200, []))
        with pytest.raises(ContractError, match="'Text' gives bytes, not 'str'"):
            chain.finish(b"")

    @pytest.mark.parametrize("answer", [None, 1, "yes"])
    def test_a_filter_says_whether_it_takes_part(self, answer: Any) -> None:
        class Silent(Wrap):
            def begin(self, head: ResponseHead) -> Any:
                return answer

        chain = FilterChain()
        chain.add(Silent("a"))
        with pytest.raises(ContractError, match="begin of the filter 'Silent' says True, or False"):
            chain.begin(ResponseHead(200, []))

    @pytest.mark.parametrize("method", ["begin", "feed", "flush"])
    def test_pep_479_a_filter_that_raises_stop_iteration_has_failed(self, method: str) -> None:
        class Stops(Wrap):
            def flush(self) -> bytes:
                return b""

        def stop(*_: object) -> bytes:
            raise StopIteration

        async def handler(context: Context) -> None:
            stops = Stops("a")
            setattr(stops, method, stop)
            context.response.add_filter(stops)
            context.response.write("part")
            await context.response.flush()

        found = ask(open_site(function=handler))
        assert (found.status, found.is_aborted) == (500, False)


class TestAdding:
    def test_what_is_no_filter_is_refused(self) -> None:
        with pytest.raises(TypeError, match="'object' has no begin and no feed and no finish"):
            Response().add_filter(object())  # type: ignore[arg-type]

    def test_pipeline_o02_behind_the_head_it_is_too_late(self) -> None:
        async def journey() -> None:
            async def handler(context: Context) -> None:
                await context.response.flush()
                with pytest.raises(ResponseStarted):
                    context.response.add_filter(Gzip())

            async with open_site(function=handler) as client:
                assert (await client.get("/")).status == 200

        run(journey)

    def test_pipeline_x09_behind_an_error_answer_it_is_too_late(self) -> None:
        errors: list[Exception] = []

        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.LOG, lambda context: context.response.add_filter(Gzip()))
            hooks.on(Stage.END, lambda context: errors.extend(context.errors))

        def fail() -> None:
            raise HTTPError(404)

        found = ask(open_site(Attached(attach), function=fail))
        assert (found.status, [type(error) for error in errors]) == (404, [HTTPError, ResponseSealed])
