"""How the body of a request becomes a form: which bodies are one, and what remains of one that breaks off."""

import asyncio
from collections.abc import Mapping

import pytest

from penstock.errors import ClientGone, RequestRejected
from penstock.hosts.memory_host import MemoryRequest
from penstock.http.headers import Headers
from penstock.http.media_type import MediaType
from penstock.pipeline.form_reading import MULTIPART, URLENCODED, form_type, read_form_from, read_form_of
from penstock.settings import LimitSettings
from tests.pipeline.subject import run, settle
from tests.pipeline.temporary_files import TemporaryFiles

FIELD = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
FILE = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\n'
END = b"\r\n--b--\r\n"
BOUNDARY = MediaType(MULTIPART, {"boundary": "b"})


def headers(fields: Mapping[str, str]) -> Headers:
    return Headers([(name.encode(), value.encode()) for name, value in fields.items()])


def coming() -> MemoryRequest:
    return MemoryRequest.make("POST", "/", [(b"host", b"shop")], None, LimitSettings())


class TestType:
    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("application/x-www-form-urlencoded", URLENCODED),
            ("Application/X-WWW-Form-Urlencoded; charset=UTF-8", URLENCODED),
            ("multipart/form-data; boundary=b", MULTIPART),
        ],
    )
    def test_what_is_a_form(self, text: str, name: str) -> None:
        assert form_type(headers({"content-type": text, "content-encoding": "Identity"})).name == name

    @pytest.mark.parametrize(
        ("fields", "match"),
        [
            ({"content-type": "application/json"}, "not application/json"),
            ({"content-type": "multipart/mixed; boundary=b"}, "not multipart/mixed"),
            ({}, "not application/octet-stream"),
            ({"content-type": f"{URLENCODED}; charset=iso-8859-1"}, "UTF-8 only"),
            ({"content-type": URLENCODED, "content-encoding": "gzip"}, "content-encoding"),
        ],
    )
    def test_415_for_what_is_none(self, fields: dict[str, str], match: str) -> None:
        with pytest.raises(RequestRejected, match=match) as caught:
            form_type(headers(fields))
        assert caught.value.status == 415

    def test_multipart_needs_a_boundary(self) -> None:
        with pytest.raises(RequestRejected, match="needs a boundary") as caught:
            read_form_of(b"", MediaType(MULTIPART, {}), limit=1)
        assert caught.value.status == 400


class TestAtHand:
    def test_urlencoded(self) -> None:
        assert read_form_of(b"a=1&b=2", MediaType(URLENCODED, {}), limit=2).items() == [("a", "1"), ("b", "2")]

    def test_uploads_stay_where_the_body_is(self) -> None:
        form = read_form_of(FIELD + FILE + b"x" * 1_000_000 + END, BOUNDARY, limit=2)
        assert (form["a"], form.files["f"].size, form.files["f"].is_in_memory) == ("1", 1_000_000, True)


class TestComing:
    @pytest.mark.parametrize("size", [10, 300_000])
    def test_urlencoded(self, size: int) -> None:
        async def journey() -> None:
            request = coming()
            reading = asyncio.create_task(read_form_from(request, MediaType(URLENCODED, {}), limit=2, memory=10))
            for piece in (b"a=", b"%4", b"1" * size):
                request.feed(piece)
                await settle()
            request.end_body()
            assert (await reading).items() == [("a", "A" + "1" * (size - 1))]

        run(journey)

    def test_a_large_upload_goes_to_disk_as_it_comes(self) -> None:
        async def journey() -> None:
            request = coming()
            reading = asyncio.create_task(read_form_from(request, BOUNDARY, limit=2, memory=10))
            for piece in (FIELD, FILE, *[b"x" * 100_000] * 10, END):
                request.feed(piece)
                await settle()
            request.end_body()
            form = await reading
            upload = form.files["f"]
            assert (form["a"], upload.size, upload.is_in_memory) == ("1", 1_000_000, False)
            assert await upload.read() == b"x" * 1_000_000
            form.close()

        run(journey)


class TestRow78:
    """Nothing remains of an upload that breaks off."""

    @pytest.mark.parametrize("how", ["the client leaves", "cancelled", "broken form", "no closing boundary"])
    def test_when_it_breaks_off(self, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
        files = TemporaryFiles(monkeypatch)

        async def journey() -> None:
            request = coming()
            reading = asyncio.create_task(read_form_from(request, BOUNDARY, limit=2, memory=10))
            request.feed(FILE + b"x" * 1000)
            await files.wait_opened()
            expected: type[BaseException] = RequestRejected
            match how:
                case "the client leaves":
                    request.disconnect()
                    expected = ClientGone
                case "cancelled":
                    reading.cancel()
                    expected = asyncio.CancelledError
                case "broken form":
                    request.feed(b"\r\n--b??")
                case _:
                    request.end_body()
            with pytest.raises(expected):
                await reading
            await asyncio.get_running_loop().shutdown_default_executor()
            assert files.states == ["closed"]

        run(journey)
