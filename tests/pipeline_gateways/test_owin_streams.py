"""This file is the test of the headers and bodies of OWIN (websockets CO-51)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from penstock import Context, ResponseStarted, Stage
from penstock.errors import ContractError
from penstock.http.headers import Headers
from penstock.pipeline_gateways.owin_streams import OwinHeaders
from tests.pipeline.subject import on, run
from tests.pipeline_gateways.owin_subject import Environment, answer_of, open_owin


class TestHeaders:
    def test_names_in_any_case_to_lists_of_values(self) -> None:
        fields = Headers([(b"set-cookie", b"a=1"), (b"x", b"1"), (b"set-cookie", b"b=2")])
        headers = OwinHeaders(fields)
        assert headers["Set-Cookie"] == ["a=1", "b=2"]
        assert "SET-COOKIE" in headers
        assert dict(headers) == {"set-cookie": ["a=1", "b=2"], "x": ["1"]}
        assert len(headers) == 2
        assert repr(headers) == repr(dict(headers))
        with pytest.raises(KeyError, match="y"):
            headers["y"]

    def test_writing_goes_through(self) -> None:
        fields = Headers([(b"x", b"1")])
        headers = OwinHeaders(fields)
        headers["X"] = ["2", "3"]
        headers["Y"] = ("4",)
        assert fields.raw == [(b"x", b"2"), (b"x", b"3"), (b"y", b"4")]
        headers["x"] = []
        del headers["Y"]
        assert fields.raw == []
        with pytest.raises(KeyError):
            del headers["Y"]

    @pytest.mark.parametrize(
        ("name", "values", "error", "message"),
        [
            ("x", "text", TypeError, "OWIN has lists of values, so .'text'."),
            ("x", b"bytes", TypeError, "OWIN has lists of values"),
            ("x", ["a", "b\r\nc"], ValueError, "control character"),
            ("not a name", ["a"], ValueError, "is not a header name"),
        ],
    )
    def test_what_is_refused_changes_nothing(self, name: str, values: Any, error: Any, message: str) -> None:
        fields = Headers([(b"x", b"1")])
        with pytest.raises(error, match=message):
            OwinHeaders(fields)[name] = values
        assert fields.raw == [(b"x", b"1")]


class TestRequestBody:
    @pytest.mark.parametrize(
        ("sizes", "read"),
        [
            ([-1, -1], [b"hello world", b""]),
            ([4, 4, 4, 4], [b"hell", b"o wo", b"rld", b""]),
            ([4, -1, 1], [b"hell", b"o world", b""]),
            ([99, 99], [b"hello world", b""]),
        ],
    )
    def test_is_read_as_it_comes(self, sizes: list[int], read: list[bytes]) -> None:
        found: list[bytes] = []

        async def application(environment: Environment) -> None:
            found.extend([await environment["owin.RequestBody"].read(size) for size in sizes])

        assert answer_of(application, method="POST", body=b"hello world").status == 200
        assert found == read

    def test_is_waited_for(self) -> None:
        found: list[bytes] = []
        asked = asyncio.Event()

        async def application(environment: Environment) -> None:
            body = environment["owin.RequestBody"]
            found.append(await body.read(2))
            asked.set()
            found.append(await body.read())

        async def pieces() -> AsyncIterator[bytes]:
            yield b"hello"
            await asked.wait()
            yield b" world"

        assert answer_of(application, method="POST", body=pieces()).status == 200
        assert found == [b"he", b"llo world"]

    @pytest.mark.parametrize("body", [b"", b"hello"])
    def test_that_a_module_has_read_can_be_read_again(self, body: bytes) -> None:
        found: list[bytes] = []

        async def read(context: Context) -> None:
            await context.request.body()

        async def application(environment: Environment) -> None:
            found.extend([await environment["owin.RequestBody"].read() for _ in range(2)])

        assert answer_of(application, on(Stage.AUTHORIZE, read), method="POST", body=body).status == 200
        assert found == [body, b""]


class TestResponseBody:
    def test_what_is_written_is_held_back(self) -> None:
        async def application(environment: Environment) -> None:
            body = environment["owin.ResponseBody"]
            await body.write(b"hello ")
            environment["owin.ResponseStatusCode"] = 201
            await body.write(bytearray(b"world"))

        response = answer_of(application)
        assert (response.status, response.body, response.headers.get("content-type")) == (201, b"hello world", None)

    def test_a_long_one_is_streamed(self) -> None:
        async def application(environment: Environment) -> None:
            for _ in range(3):
                await environment["owin.ResponseBody"].write(bytes(50_000))
            with pytest.raises(ResponseStarted):
                environment["owin.ResponseHeaders"]["x"] = ["late"]

        response = answer_of(application)
        assert (response.status, len(response.body)) == (200, 150_000)

    def test_flushing_sends_what_there_is(self) -> None:
        async def application(environment: Environment) -> None:
            body = environment["owin.ResponseBody"]
            await body.write(b"now")
            await body.flush()
            with pytest.raises(ResponseStarted):
                environment["owin.ResponseStatusCode"] = 500
            await body.write(b" and later")

        assert answer_of(application).body == b"now and later"

    @pytest.mark.parametrize("data", [5, "text", None])
    def test_what_is_not_bytes_is_refused(self, data: Any) -> None:
        async def application(environment: Environment) -> None:
            with pytest.raises(TypeError, match="a bytes-like object is required"):
                await environment["owin.ResponseBody"].write(data)

        assert answer_of(application).body == b""

    def test_behind_the_answer_nothing_is_written(self) -> None:
        kept: list[Any] = []

        async def application(environment: Environment) -> None:
            kept.append(environment["owin.ResponseBody"])

        async def journey() -> None:
            async with open_owin(application) as client:
                await client.get("/")
                await asyncio.sleep(0)
                with pytest.raises(ContractError, match="the answer has ended"):
                    await kept[0].write(b"late")

        run(journey)
