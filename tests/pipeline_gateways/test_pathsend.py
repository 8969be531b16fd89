"""The ASGI extension `http.response.pathsend`."""

from pathlib import Path
from typing import Any

import pytest

from penstock import ContractError, Stage
from penstock.testing import ClientResponse
from tests.pipeline.subject import Recorder, ask, on, open_app


def sending(*messages: dict[str, Any], raised: list[BaseException] | None = None) -> Any:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("unsupported")
        try:
            for message in messages:
                await send(message)
        except BaseException as error:
            if raised is not None:
                raised.append(error)
            raise

    return application


def start(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": 200, "headers": list(headers)}


def pathsend(path: object) -> dict[str, Any]:
    return {"type": "http.response.pathsend", "path": path}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file.bin"
    path.write_bytes(b"0123456789")
    return path


class TestSending:
    def ask(self, *messages: dict[str, Any], method: str = "GET") -> ClientResponse:
        return ask(open_app(sending(*messages), pathsend=True), method=method)

    def test_the_file_is_the_answer(self, file: Path) -> None:
        found = self.ask(start((b"content-type", b"image/png")), pathsend(str(file)))
        assert (found.status, found.body, found.headers["content-type"]) == (200, b"0123456789", "image/png")
        assert found.headers.get_all("content-length") == ["10"]

    def test_a_declared_length_is_held(self, file: Path) -> None:
        found = self.ask(start((b"content-length", b"4")), pathsend(str(file)))
        assert (found.body, found.headers.get_all("content-length")) == (b"0123", ["4"])

    def test_head_has_the_length_and_no_body(self, file: Path) -> None:
        found = self.ask(start(), pathsend(str(file)), method="HEAD")
        assert (found.body, found.headers["content-length"]) == (b"", "10")

    def test_it_passes_the_stages_behind_execute(self, file: Path) -> None:
        log: list[str] = []
        application = sending(start(), pathsend(str(file)))
        change = on(Stage.END, lambda context: context.response.headers.add("x-late", "yes"))
        found = ask(open_app(application, Recorder(log), change, pathsend=True))
        assert (found.headers["x-late"], log[-3:]) == ("yes", ["LOG", "LOG+", "END"])


class TestMistakes:
    @pytest.mark.parametrize("path", ["relative.txt", "", None, 7, b"/bytes", "/is/not/there"])
    def test_what_is_no_absolute_path_of_a_file_is_500(self, path: object) -> None:
        raised: list[BaseException] = []
        found = ask(open_app(sending(start(), pathsend(path), raised=raised), pathsend=True))
        assert (found.status, found.is_aborted) == (500, False)
        assert isinstance(raised[0], ContractError)
        assert "pathsend" in str(raised[0])

    def test_a_folder_is_no_file(self, tmp_path: Path) -> None:
        assert ask(open_app(sending(start(), pathsend(str(tmp_path))), pathsend=True)).status == 500

    def test_a_length_that_is_none_is_500(self, file: Path) -> None:
        application = sending(start((b"content-length", b"ten")), pathsend(str(file)))
        assert ask(open_app(application, pathsend=True)).status == 500

    def test_a_length_beyond_the_file_cannot_be_held(self, file: Path) -> None:
        found = ask(open_app(sending(start((b"content-length", b"11")), pathsend(str(file))), pathsend=True))
        assert found.status == 500 or found.is_aborted

    def test_it_comes_right_behind_the_start_once(self, file: Path) -> None:
        piece = {"type": "http.response.body", "body": b"x", "more_body": True}
        for messages in ([pathsend(str(file))], [start(), piece, pathsend(str(file))]):
            raised: list[BaseException] = []
            ask(open_app(sending(*messages, raised=raised), pathsend=True))
            assert "right behind http.response.start" in str(raised[0])
        raised = []
        found = ask(open_app(sending(start(), pathsend(str(file)), pathsend(str(file)), raised=raised), pathsend=True))
        assert (found.body, len(raised)) == (b"0123456789", 1)

    def test_where_it_was_not_offered_it_is_refused(self, file: Path) -> None:
        raised: list[BaseException] = []
        found = ask(open_app(sending(start(), pathsend(str(file)), raised=raised)))
        assert found.status == 500
        assert isinstance(raised[0], ContractError)
