"""Forms over real sockets: those of a real client, and those that nobody should send (bad-input rows 76 to 78)."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from penstock import Context
from penstock.server import ServerThread
from penstock.settings import LimitSettings, RouteSettings, Settings, SiteSettings
from tests.pipeline.temporary_files import TemporaryFiles
from tests.wire.listener_subject import Errors, eventually, get, server_settings
from tests.wire.raw_client import RawClient

FIELD = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
FILE = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\n'
END = b"\r\n--b--\r\n"
MULTIPART = b"Content-Type: multipart/form-data; boundary=b"
LIMIT = 3_000_000


async def form(context: Context) -> dict[str, Any]:
    fields = await context.request.form()
    return {
        "fields": fields.items(),
        "files": [[each.filename, each.content_type, each.size, each.is_in_memory] for each in fields.files.values()],
        "heads": [(await each.read(5)).decode() for each in fields.files.values()],
    }


@pytest.fixture
def server() -> Iterator[ServerThread]:
    site = SiteSettings(routes=(RouteSettings(at="/form", function="t:form", methods=("POST",)),))
    settings = Settings(server=server_settings(limits=LimitSettings(body=LIMIT)), sites=(site,))
    errors = Errors()
    with errors, ServerThread(settings, objects={"t:form": form}) as thread:
        yield thread
        assert eventually(lambda: thread.runtime.statistics().executing == 0)
    assert errors.lines == [], "\n".join(errors.lines)


def begin_upload(client: RawClient, length: int = 1_000_000) -> None:
    head = get("/form", MULTIPART, b"Content-Length: %d" % length, method="POST")
    client.send([head, FILE + b"x" * 200_000])


class TestGood:
    def test_a_real_client_sends_fields_and_files(self, server: ServerThread, monkeypatch: pytest.MonkeyPatch) -> None:
        files = TemporaryFiles(monkeypatch)
        answer = httpx.post(
            f"{server.url}/form",
            data={"name": ["ä", 'b"c'], "empty": ""},
            files=[("f", ("naïve.txt", b"small", "text/plain")), ("f", ("large.bin", b"l" * 1_000_000))],
        )
        assert answer.json() == {
            "fields": [["name", "ä"], ["name", 'b"c'], ["empty", ""]],
            "files": [
                ["naïve.txt", "text/plain", 5, True],
                ["large.bin", "application/octet-stream", 1_000_000, False],
            ],
            "heads": ["small", "lllll"],
        }
        assert eventually(lambda: files.states == ["closed"])

    def test_a_real_client_sends_urlencoded_fields(self, server: ServerThread) -> None:
        answer = httpx.post(f"{server.url}/form", data={"a": "1 2+3&4", "ü": "€"})
        assert answer.json()["fields"] == [["a", "1 2+3&4"], ["ü", "€"]]

    def test_byte_by_byte_in_chunks(self, server: ServerThread) -> None:
        body = FIELD + FILE + b"\r\n--" + END
        with RawClient(server.address) as client:
            client.send([get("/form", MULTIPART, b"Transfer-Encoding: chunked", method="POST")])
            client.send([b"1\r\n%c\r\n" % byte for byte in body])
            client.send([b"0\r\n\r\n"])
            answer = client.read_answer()
        assert (answer.status, b'"a.txt","",4,true' in answer.body) == (200, True)


class TestRow78:
    @pytest.mark.parametrize("how", ["ends", "resets"])
    def test_a_client_that_leaves_within_its_upload_leaves_nothing(
        self, server: ServerThread, monkeypatch: pytest.MonkeyPatch, how: str
    ) -> None:
        files = TemporaryFiles(monkeypatch)
        with RawClient(server.address) as client:
            begin_upload(client)
            assert eventually(lambda: files.states == ["open"])
            if how == "resets":
                client.reset()
        assert eventually(lambda: files.states == ["closed"])
        assert httpx.post(f"{server.url}/form", data={"a": "1"}).status_code == 200

    def test_a_server_that_stops_within_an_upload_leaves_nothing(
        self, server: ServerThread, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        files = TemporaryFiles(monkeypatch)
        with RawClient(server.address) as client:
            begin_upload(client)
            assert eventually(lambda: files.states == ["open"])
            server.stop()
            assert eventually(lambda: files.states == ["closed"])

    def test_many_leave_at_once(self, server: ServerThread, monkeypatch: pytest.MonkeyPatch) -> None:
        files = TemporaryFiles(monkeypatch)
        clients = [RawClient(server.address) for _ in range(20)]
        for client in clients:
            begin_upload(client)
        assert eventually(lambda: files.states == ["open"] * 20)
        for client in clients:
            client.reset()
        assert eventually(lambda: files.states == ["closed"] * 20)


class TestRow76:
    def test_a_million_parts_are_refused_at_once(self, server: ServerThread) -> None:
        started = time.perf_counter()
        with RawClient(server.address) as client:
            client.send([get("/form", MULTIPART, b"Transfer-Encoding: chunked", method="POST")])
            piece = FIELD * 1000
            client.send([b"%x\r\n%b\r\n" % (len(piece), piece)] * 1000)
            answer = client.read_answer()
        assert (answer.status, b"more than 1000 fields and files" in answer.body) == (400, True)
        assert time.perf_counter() - started < 5

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (FIELD + FIELD[:-10], 400),
            (FILE + b"x" * 200_000 + b"\r\n--b?!", 400),
            (b"\r\n" * 1_000_000, 400),
            (FILE + b"x" * LIMIT, 413),
            (b'--b\r\nContent-Disposition: form-data; name="f"; filename="' + b"x" * 1_000_000, 400),
            (b"--b\r\n" + b"X: 1\r\n" * 100_000, 400),
        ],
    )
    def test_a_broken_form_is_answered_and_leaves_nothing(
        self, server: ServerThread, monkeypatch: pytest.MonkeyPatch, body: bytes, status: int
    ) -> None:
        files = TemporaryFiles(monkeypatch)
        with RawClient(server.address) as client:
            client.send([get("/form", MULTIPART, b"Transfer-Encoding: chunked", method="POST")])
            client.send([b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)])
            assert client.read_answer().status == status
        assert eventually(lambda: "open" not in files.states)

    def test_a_client_that_asks_first_is_refused_before_it_sends(self, server: ServerThread) -> None:
        with RawClient(server.address) as client:
            fields = (b"Content-Type: text/plain", b"Content-Length: 1000000", b"Expect: 100-continue")
            client.send([get("/form", *fields, method="POST")])
            assert client.read_answer().status == 415
