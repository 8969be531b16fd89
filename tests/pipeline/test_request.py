"""The request: what was asked, read when it is asked for."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from penstock import ContractError, Request, RequestRejected
from penstock.hosts.memory_host import MemoryRequest
from penstock.settings import LimitSettings
from tests.pipeline.subject import run, settle


def make(
    target: str = "/", *, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes = b""
) -> Request:
    fields = [(name.lower().encode(), value.encode()) for name, value in {"host": "shop", **(headers or {})}.items()]
    return Request(MemoryRequest.make(method, target, fields, body, LimitSettings()))


class TestHead:
    def test_the_parts_of_the_target(self) -> None:
        async def journey() -> None:
            request = make("/a%20b/../%C3%A9?x=1&x=2&y=", method="PUT")
            assert (request.method, request.path, request.raw_path) == ("PUT", "/é", b"/a%20b/../%C3%A9")
            assert request.query_string == b"x=1&x=2&y="
            assert request.query == {"x": ["1", "2"], "y": [""]}

        run(journey)

    def test_where_it_came_from_and_to(self) -> None:
        async def journey() -> None:
            request = make(headers={"host": "Shop.Example:8000"})
            assert (request.host, request.scheme, request.client) == ("shop.example", "http", ("127.0.0.1", 50000))

        run(journey)

    def test_the_media_type_is_bare_and_lower_case(self) -> None:
        async def journey() -> None:
            assert make(headers={"content-type": "Text/HTML; charset=utf-8"}).content_type == "text/html"
            assert make().content_type == ""

        run(journey)

    def test_the_size_of_the_body_is_told_unless_it_comes_in_chunks(self) -> None:
        async def journey() -> None:
            assert make(method="POST", body=b"12345").content_length == 5
            assert make().content_length == 0
            fields = [(b"host", b"shop")]
            chunked = MemoryRequest.make("POST", "/", fields, None, LimitSettings())
            assert Request(chunked).content_length is None

        run(journey)

    def test_the_query_is_read_once(self) -> None:
        async def journey() -> None:
            request = make("/?a=1")
            assert request.query is request.query

        run(journey)

    def test_pipeline_l01_a_query_of_too_many_fields_is_refused(self) -> None:
        async def journey() -> None:
            assert len(make("/?" + "&".join(f"a{n}" for n in range(1000))).query) == 1000
            with pytest.raises(RequestRejected) as caught:
                _ = make("/?" + "&".join(f"a{n}" for n in range(1001))).query
            assert caught.value.status == 400

        run(journey)


class TestCookies:
    @pytest.mark.parametrize(
        ("line", "cookies"),
        [
            ("a=1; b=2", {"a": "1", "b": "2"}),
            ("a=1;b=2", {"a": "1", "b": "2"}),
            ('a="quoted"', {"a": '"quoted"'}),
            ("a=1; a=2", {"a": "1"}),
            ("a=b=c", {"a": "b=c"}),
            ("no-value; a=", {"a": ""}),
            ("", {}),
        ],
    )
    def test_rfc6265_section_5_4(self, line: str, cookies: dict[str, str]) -> None:
        async def journey() -> None:
            assert make(headers={"cookie": line}).cookies == cookies

        run(journey)

    def test_they_are_read_once_and_cannot_be_changed(self) -> None:
        async def journey() -> None:
            request = make(headers={"cookie": "a=1"})
            assert request.cookies is request.cookies
            with pytest.raises(TypeError):
                request.cookies["a"] = "2"  # type: ignore[index]

        run(journey)


class TestBody:
    def test_it_is_read_once_and_may_be_asked_for_often(self) -> None:
        async def journey() -> None:
            request = make(method="POST", body=b'{"a": 1}')
            assert await request.body() == b'{"a": 1}'
            assert await request.text() == '{"a": 1}'
            assert await request.json() == {"a": 1}

        run(journey)

    def test_without_a_body_it_is_empty(self) -> None:
        async def journey() -> None:
            assert await make().body() == b""

        run(journey)

    def test_it_is_waited_for(self) -> None:
        async def journey() -> None:
            worker_request = MemoryRequest.make("POST", "/", [(b"host", b"shop")], None, LimitSettings())
            reading = asyncio.create_task(Request(worker_request).body())
            for piece in (b"one", b"two"):
                await settle()
                assert not reading.done()
                worker_request.feed(piece)
            worker_request.end_body()
            assert await reading == b"onetwo"

        run(journey)

    def test_it_can_be_read_as_a_stream_once(self) -> None:
        async def journey() -> None:
            worker_request = MemoryRequest.make("POST", "/", [(b"host", b"shop")], None, LimitSettings())
            feeding = asyncio.create_task(worker_request.feed_from(_pieces(b"one", b"two")))
            request = Request(worker_request)
            assert [piece async for piece in request.stream()] == [b"one", b"two"]
            await feeding
            with pytest.raises(ContractError):
                request.stream()
            with pytest.raises(ContractError):
                await request.body()

        run(journey)

    @pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"{'a': 1}"])
    def test_what_is_no_json_is_the_client_s_fault(self, body: bytes) -> None:
        async def journey() -> None:
            with pytest.raises(RequestRejected) as caught:
                await make(method="POST", body=body).json()
            assert (caught.value.status, caught.value.rule) == (400, "RFC 8259")

        run(journey)

    def test_what_is_no_text_is_the_client_s_fault(self) -> None:
        async def journey() -> None:
            with pytest.raises(RequestRejected) as caught:
                await make(method="POST", body=b"\xff").text()
            assert caught.value.status == 400

        run(journey)

    def test_pipeline_l02_what_is_read_one_way_cannot_be_read_another(self) -> None:
        async def journey() -> None:
            form = {"content-type": "application/x-www-form-urlencoded"}
            for first, second in [
                ("stream", "form"),
                ("stream", "body"),
                ("stream", "text"),
                ("stream", "stream"),
                ("body", "stream"),
                ("form", "body"),
                ("form", "json"),
                ("form", "stream"),
            ]:
                request = make(method="POST", headers=form, body=b"a=1")
                await _read(request, first)
                with pytest.raises(ContractError, match=rf"^{first}\(\) has read the body .* Await body\(\) first"):
                    await _read(request, second)

        run(journey)

    def test_pipeline_l02_a_body_read_whole_may_be_read_as_anything(self) -> None:
        async def journey() -> None:
            request = make(
                method="POST", headers={"content-type": "application/x-www-form-urlencoded"}, body=b"a=1&a=2"
            )
            assert await request.body() == request.read() == b"a=1&a=2"
            form = await request.form()
            assert form.get_all("a") == ["1", "2"]
            assert await request.form() is request.read_form() is form
            assert await request.text() == "a=1&a=2"

        run(journey)

    def test_at_once_only_what_has_been_read(self) -> None:
        async def journey() -> None:
            assert make().read() == b""
            request = make(method="POST", body=b"x")
            for attempt in (request.read, request.read_form):
                with pytest.raises(ContractError, match="preload = true"):
                    attempt()
            await request.body()
            assert request.read() == b"x"

        run(journey)

    def test_pipeline_h12_preloaded_at_once_when_it_has_come(self) -> None:
        async def journey() -> None:
            request = make(method="POST", body=b"x")
            assert request.preload() is None
            assert request.read() == await request.body() == b"x"
            assert request.preload() is None
            with pytest.raises(ContractError):
                request.stream()

        run(journey)

    def test_pipeline_h12_preloaded_as_it_comes(self) -> None:
        async def journey() -> None:
            worker_request = MemoryRequest.make("POST", "/", [(b"host", b"shop")], None, LimitSettings())
            worker_request.feed(b"one")
            request = Request(worker_request)
            pending = request.preload()
            assert pending is not None
            worker_request.feed(b"two")
            worker_request.end_body()
            await pending
            assert request.read() == b"onetwo"

        run(journey)

    def test_pipeline_h12_not_when_somebody_has_begun_to_read(self) -> None:
        async def journey() -> None:
            request = make(method="POST", body=b"x")
            stream = request.stream()
            assert request.preload() is None
            assert [piece async for piece in stream] == [b"x"]

        run(journey)


class TestForm:
    def test_without_a_body_it_is_empty(self) -> None:
        async def journey() -> None:
            form = await make().form()
            assert (form.items(), form.files.items()) == ([], [])

        run(journey)

    def test_it_is_read_once_and_may_be_asked_for_often(self) -> None:
        async def journey() -> None:
            request = make(method="POST", headers={"content-type": "application/x-www-form-urlencoded"}, body=b"a=1")
            assert await request.form() is await request.form()

        run(journey)

    def test_415_leaves_the_body_to_be_read_otherwise(self) -> None:
        async def journey() -> None:
            request = make(method="POST", headers={"content-type": "application/json"}, body=b"{}")
            with pytest.raises(RequestRejected) as caught:
                await request.form()
            assert caught.value.status == 415
            assert await request.json() == {}

        run(journey)


async def _read(request: Request, how: str) -> None:
    if how == "stream":
        async for _ in request.stream():
            pass
        return
    await getattr(request, how)()


async def _pieces(*pieces: bytes) -> AsyncIterator[Any]:
    for piece in pieces:
        await asyncio.sleep(0)
        yield piece
        await settle(3)


def test_the_headers_of_a_request_are_to_be_read_only() -> None:
    async def journey() -> None:
        request = make(headers={"x-a": "1"})
        with pytest.raises(TypeError, match="'x-b' too"):
            request.headers["x-b"] = "2"
        assert request.headers is request.headers

    run(journey)
