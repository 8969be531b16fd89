"""Forms on their whole way: limits, uploads that go with their request, preloading (pipeline L-01, L-02, H-12; bad-input rows 76 to 78)."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from penstock import Context, HTTPError, Stage
from penstock.server import open_client
from penstock.settings import (
    LimitSettings,
    LocationLimitSettings,
    LocationSettings,
    LogSettings,
    RouteSettings,
    ServerSettings,
    SiteSettings,
)
from penstock.testing import Client, ClientResponse
from tests.pipeline.subject import LOOPS, on, open_site, run, settle
from tests.pipeline.temporary_files import TemporaryFiles

URLENCODED = {"content-type": "application/x-www-form-urlencoded"}
MULTIPART = {"content-type": "multipart/form-data; boundary=b"}
FIELD = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
FILE = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\n'
END = b"\r\n--b--\r\n"
LARGE = FIELD + FILE + b"x" * 100_000 + END


def post(client: Client, body: Any, headers: dict[str, str] = MULTIPART, loop: str = "asyncio") -> ClientResponse:
    async def journey() -> ClientResponse:
        async with client:
            answer = await client.request("POST", "/", headers=headers, body=body)
            assert not client.runtime.inside
            return answer

    return run(journey, loop)


async def describe(context: Context) -> dict[str, Any]:
    form = await context.request.form()
    return {
        "fields": form.items(),
        "files": [[each.filename, each.size, each.is_in_memory] for each in form.files.values()],
    }


class TestReading:
    @pytest.mark.parametrize("loop", LOOPS)
    def test_urlencoded(self, loop: str) -> None:
        answer = post(open_site(function=describe), b"a=1&b=%C3%A4", URLENCODED, loop)
        assert answer.text == '{"fields":[["a","1"],["b","ä"]],"files":[]}'

    @pytest.mark.parametrize("loop", LOOPS)
    def test_multipart_as_it_comes(self, loop: str) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for at in range(0, len(LARGE), 1000):
                await asyncio.sleep(0)
                yield LARGE[at : at + 1000]

        answer = post(open_site(function=describe), pieces(), loop=loop)
        assert answer.text == '{"fields":[["a","1"]],"files":[["a.txt",100000,false]]}'

    def test_a_module_and_the_handler_share_one_form(self) -> None:
        forms: list[object] = []

        async def look(context: Context) -> None:
            forms.append(await context.request.form())

        assert post(open_site(on(Stage.AUTHORIZE, look), function=look), LARGE).status == 200
        assert forms[0] is forms[1]

    def test_what_was_uploaded_can_be_streamed_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        files = TemporaryFiles(monkeypatch)

        async def echo(context: Context) -> None:
            upload = (await context.request.form()).files["f"]
            while piece := await upload.read(30_000):
                context.response.write(piece)
                await context.response.flush()

        answer = post(open_site(function=echo), LARGE)
        assert answer.body == b"x" * 100_000
        assert len(answer.pieces) == 4
        assert files.states == ["closed"]


class TestLimits:
    def test_pipeline_l01_fields_and_files_at_the_limit_and_beyond(self) -> None:
        for body, headers in ((b"a=1&b=2", URLENCODED), (LARGE, MULTIPART)):
            assert post(open_site(function=describe, form_fields=2), body, headers).status == 200
            answer = post(open_site(function=describe, form_fields=1), body, headers)
            assert (answer.status, "more than 1 fields" in answer.text) == (400, True)

    def test_pipeline_l01_memory_at_the_limit_and_beyond(self) -> None:
        body = FILE + b"x" * 10 + END
        assert '["a.txt",10,true]' in post(open_site(function=describe, form_memory=10), body).text
        assert '["a.txt",10,false]' in post(open_site(function=describe, form_memory=9), body).text

    def test_pipeline_l02_the_body_at_the_limit_and_beyond(self) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield LARGE

        assert post(open_site(function=describe, body=len(LARGE)), LARGE).status == 200
        assert post(open_site(function=describe, body=len(LARGE) - 1), LARGE).status == 413
        assert post(open_site(function=describe, body=len(LARGE)), pieces()).status == 200
        assert post(open_site(function=describe, body=len(LARGE) - 1), pieces()).status == 413

    def test_pipeline_l01_limits_of_a_location(self) -> None:
        site = SiteSettings(
            routes=(RouteSettings(at="/", function="tested:form", methods=("POST",)),),
            locations=(LocationSettings(at="/", limits=LocationLimitSettings(form_fields=1, form_memory=1)),),
        )
        server = ServerSettings(log=LogSettings(access=False))

        def client() -> Client:
            return open_client(site, server=server, objects={"tested:form": describe})

        assert post(client(), LARGE).status == 400
        assert '["a.txt",2,false]' in post(client(), FILE + b"xx" + END).text

    @pytest.mark.parametrize(
        "headers", [{"content-type": "application/json"}, {"content-encoding": "gzip", **MULTIPART}]
    )
    def test_415_for_what_is_no_form(self, headers: dict[str, str]) -> None:
        assert post(open_site(function=describe), b"{}", headers).status == 415

    @pytest.mark.parametrize("body", [b"", b"--b\r\n", FIELD, b"x" + LARGE, LARGE[:-10]])
    def test_400_for_a_form_that_is_not_whole(self, body: bytes) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield body

        assert post(open_site(function=describe), pieces()).status == 400


def fail(context: Context) -> None:
    raise RuntimeError("the handler failed")


def refuse(context: Context) -> None:
    raise HTTPError(422)


class TestRow78:
    @pytest.mark.parametrize("loop", LOOPS)
    @pytest.mark.parametrize(("end", "status"), [(describe, 200), (fail, 500), (refuse, 422), (Context.complete, 200)])
    def test_uploads_are_gone_however_the_request_ends(
        self, monkeypatch: pytest.MonkeyPatch, end: Callable[[Context], Any], status: int, loop: str
    ) -> None:
        files = TemporaryFiles(monkeypatch)

        async def handle(context: Context) -> Any:
            await context.request.form()
            assert files.states == ["open"]
            result = end(context)
            return await result if hasattr(result, "__await__") else result

        assert post(open_site(function=handle), LARGE, loop=loop).status == status
        assert files.states == ["closed"]

    @pytest.mark.parametrize("loop", LOOPS)
    @pytest.mark.parametrize("how", ["left", "cancelled", "cancelled when it is read"])
    def test_uploads_are_gone_when_they_break_off(self, monkeypatch: pytest.MonkeyPatch, how: str, loop: str) -> None:
        files = TemporaryFiles(monkeypatch)
        tasks: list[asyncio.Task[None]] = []
        is_read = asyncio.Event()

        async def handle(context: Context) -> None:
            assert context.task is not None
            tasks.append(context.task)
            await context.request.form()
            is_read.set()
            await asyncio.Event().wait()

        async def pieces() -> AsyncIterator[bytes]:
            yield LARGE if how == "cancelled when it is read" else LARGE[:-20]
            if how != "cancelled when it is read":
                await asyncio.Event().wait()

        async def journey() -> None:
            client = open_site(function=handle)
            async with client:
                request = client.open("POST", "/", headers=MULTIPART, body=pieces())
                await files.wait_opened()
                if how == "left":
                    request.disconnect()
                else:
                    if how == "cancelled when it is read":
                        await is_read.wait()
                        assert files.states == ["open"]
                    tasks[0].cancel()
                await request.wait_finished()
                assert request.feeding is not None
                request.feeding.cancel()
                await settle()
                assert not client.runtime.inside
            await asyncio.get_running_loop().shutdown_default_executor()
            assert files.states == ["closed"]

        run(journey, loop)

    def test_what_remains_goes_without_waiting_for_the_garbage_collector(self) -> None:
        def count() -> int:
            return sum(type(each).__name__ in {"Context", "Request", "Form", "Upload"} for each in gc.get_objects())

        async def journey() -> None:
            async with open_site(function=describe) as client:
                await client.post("/", LARGE, headers=MULTIPART)
                gc.collect()
                gc.disable()
                try:
                    before = count()
                    for _ in range(10):
                        assert (await client.post("/", LARGE, headers=MULTIPART)).status == 200
                    await settle()
                    assert count() <= before + 4  # compiled, the last request may not be through yet
                finally:
                    gc.enable()

        run(journey)

    def test_a_disk_that_cannot_be_written_to_is_not_the_client_s_fault(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tempfile.tempdir", "/proc/self/none")
        answer = post(open_site(function=describe), LARGE)
        assert answer.status == 500
        assert "none" not in answer.text

    def test_others_are_served_while_a_disk_is_slow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import threading

        files = TemporaryFiles(monkeypatch)
        make, may_open = files.open, threading.Event()

        def open_slowly() -> Any:
            assert may_open.wait(10)
            return make()

        monkeypatch.setattr("tempfile.TemporaryFile", open_slowly)

        async def journey() -> None:
            client = open_site(functions={"/upload": describe})
            async with client:
                request = client.open("POST", "/upload", headers=MULTIPART, body=LARGE)
                assert (await client.get("/")).text == "hello"
                assert not request.has_sent_all
                may_open.set()
                await request.wait_finished()
            assert files.states == ["closed"]

        run(journey)


class TestRow76:
    def test_a_million_parts_are_refused_when_the_first_too_many_has_come(self) -> None:
        sent = 0

        async def pieces() -> AsyncIterator[bytes]:
            nonlocal sent
            while sent < 1_000_000:
                yield FIELD * 500
                sent += 500
                await settle(3)

        answer = post(open_site(function=describe), pieces())
        assert answer.status == 400
        assert sent < 1_000_000


class TestPreload:
    def client(self, function: Callable[..., object], **settings: Any) -> Client:
        site = SiteSettings(
            routes=(RouteSettings(at="/", function="tested:form", methods=("GET", "POST"), **settings),)
        )
        server = ServerSettings(log=LogSettings(access=False), limits=LimitSettings(body=200_000))
        return open_client(site, server=server, objects={"tested:form": function})

    @pytest.mark.parametrize("settings", [{"threads": 1}, {"preload": True}, {"threads": 1, "preload": True}])
    @pytest.mark.parametrize("loop", LOOPS)
    def test_pipeline_h12_a_plain_function_reads_at_once_what_came_slowly(
        self, settings: dict[str, Any], loop: str
    ) -> None:
        def read(context: Context) -> str:
            form = context.request.read_form()
            return f"{form['a']} {form.files['f'].file.read(3)!r} {len(context.request.read())}"

        async def pieces() -> AsyncIterator[bytes]:
            for at in range(0, len(LARGE), 10_000):
                await asyncio.sleep(0)
                yield LARGE[at : at + 10_000]

        answer = post(self.client(read, **settings), pieces(), loop=loop)
        assert answer.text == f"1 b'xxx' {len(LARGE)}"

    def test_pipeline_h12_without_a_body_nothing_is_read(self) -> None:
        def read(context: Context) -> str:
            return repr(context.request.read())

        assert post(self.client(read, preload=True), b"", {}).text == "b''"

    def test_pipeline_h12_too_large_a_body_never_reaches_the_function(self) -> None:
        called: list[object] = []

        def handle(context: Context) -> None:
            called.append(context)

        async def pieces() -> AsyncIterator[bytes]:
            yield b"x" * 200_001

        answer = post(self.client(handle, preload=True), pieces(), {})
        assert (answer.status, called) == (413, [])

    def test_pipeline_h12_what_a_module_has_read_is_kept(self) -> None:
        async def look(context: Context) -> None:
            await context.request.body()

        def read(context: Context) -> bytes:
            return context.request.read()

        assert post(open_site(on(Stage.BEGIN, look), function=read), b"abc", {}).body == b"abc"

    def test_pipeline_h12_not_preloaded_says_how_to(self) -> None:
        def read(context: Context) -> bytes:
            return context.request.read()

        assert post(self.client(read), b"abc", {}).status == 500
        assert "preload = true" in post(open_site(function=read, mode="development"), b"abc", {}).text
