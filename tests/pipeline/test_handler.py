"""What a handler may return, and what becomes of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from penstock import Context, Response, Stage
from penstock.pipeline.handler import DONE, PARKED
from tests.pipeline.subject import LOOPS, ask, on, open_site


@dataclass
class Item:
    name: str
    price: float


def returning(value: Any, *, is_async: bool) -> Callable[[], Any]:
    async def later() -> Any:
        return value

    return later if is_async else lambda: value


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("loop", LOOPS)
class TestValues:
    @pytest.mark.parametrize(
        ("value", "body", "content_type"),
        [
            ("é", "é".encode(), "text/plain; charset=utf-8"),
            (b"\xff\x00", b"\xff\x00", "application/octet-stream"),
            ({"a": [1, None, True]}, b'{"a":[1,null,true]}', "application/json"),
            ([], b"[]", "application/json"),
            (0, b"0", "application/json"),
            (False, b"false", "application/json"),
            (1.5, b"1.5", "application/json"),
            (Item("pen", 1.5), b'{"name":"pen","price":1.5}', "application/json"),
        ],
    )
    def test_become_the_body_and_its_type(
        self, value: Any, body: bytes, content_type: str, is_async: bool, loop: str
    ) -> None:
        found = ask(open_site(function=returning(value, is_async=is_async)), loop=loop)
        assert (found.status, found.body, found.headers["content-type"]) == (200, body, content_type)
        assert found.headers["cache-control"] == "private"

    def test_a_response_is_taken_as_it_is(self, is_async: bool, loop: str) -> None:
        value = Response("made", status=201, headers={"x-one": "1"})
        found = ask(open_site(function=returning(value, is_async=is_async)), loop=loop)
        assert (found.status, found.text, found.headers["x-one"]) == (201, "made", "1")
        assert found.headers.get("cache-control") is None

    @pytest.mark.parametrize("value", [object(), {"a": object()}, lambda: None, {1, object()}])
    def test_what_cannot_be_sent_is_500(self, value: Any, is_async: bool, loop: str) -> None:
        assert ask(open_site(function=returning(value, is_async=is_async)), loop=loop).status == 500

    def test_none_means_that_the_handler_wrote_it(self, is_async: bool, loop: str) -> None:
        def handler(context: Context) -> None:
            context.response.status = 202
            context.response.write("written")

        async def later(context: Context) -> None:
            handler(context)

        found = ask(open_site(function=later if is_async else handler), loop=loop)
        assert (found.status, found.text) == (202, "written")

    def test_nothing_at_all_is_an_empty_answer(self, is_async: bool, loop: str) -> None:
        found = ask(open_site(function=returning(None, is_async=is_async)), loop=loop)
        assert (found.status, found.body, found.headers.get("content-type")) == (200, b"", None)


class TestDefaults:
    @pytest.mark.parametrize("value", ["text", b"bytes", {"json": 1}])
    def test_pipeline_h10_what_somebody_has_set_stays(self, value: Any) -> None:
        def handler(context: Context) -> Any:
            context.response.headers["cache-control"] = "no-cache"
            context.response.headers["content-type"] = "own/type"
            return value

        found = ask(open_site(function=handler))
        assert found.headers.get_all("cache-control") == ["no-cache"]
        assert found.headers.get_all("content-type") == ["own/type"]

    def test_pipeline_o06_an_empty_answer_has_no_type(self) -> None:
        def handler(context: Context) -> None:
            context.response.status = 204

        found = ask(open_site(function=handler))
        assert (found.status, found.headers.get("content-type")) == (204, None)

    def test_pipeline_o05_head_is_get_without_the_body(self) -> None:
        get = ask(open_site(function=lambda: "hello"))
        head = ask(open_site(function=lambda: "hello", methods=("GET",)), method="HEAD")
        assert (head.status, head.body, head.headers.raw) == (200, b"", get.headers.raw)

    def test_a_status_set_before_stays_when_text_is_returned(self) -> None:
        def handler(context: Context) -> str:
            context.response.status = 404
            return "not here"

        assert ask(open_site(function=handler)).status == 404


class TestSignals:
    def test_they_say_their_names(self) -> None:
        assert (repr(DONE), repr(PARKED)) == ("DONE", "PARKED")

    def test_a_hook_behind_the_handler_sees_its_answer(self) -> None:
        seen: list[object] = []
        module = on(Stage.RELEASE_STATE, lambda context: seen.append((context.response.status, context.response.body)))
        ask(open_site(module, function=lambda: "text"))
        assert seen == [(200, b"text")]
