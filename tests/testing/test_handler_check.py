"""This file is the test of `check_handler`: sound handlers pass, and each broken rule is found and named."""

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest

from penstock import Context, HTTPError, Response
from penstock.testing import Asked, check_handler


def plain(context: Context) -> str:
    return context.request.path


async def with_body(context: Context) -> dict[str, int]:
    return {"size": len(await context.request.body())}


async def streamed(context: Context) -> None:
    context.response.headers["content-type"] = "text/plain; charset=utf-8"
    for number in range(5):
        context.response.write(f"{number}\n")
        await context.response.flush()
        await asyncio.sleep(0)


def refusing(context: Context) -> None:
    raise HTTPError(403)


class Numbers:
    """Different answers each time."""

    def __init__(self) -> None:
        self.numbers = itertools.count()

    def handle(self, context: Context) -> Response:
        return Response("x", headers={"x-number": str(next(self.numbers))})


class TestSoundHandlers:
    @pytest.mark.parametrize("handler", [plain, with_body, streamed, refusing, Numbers()])
    def test_passes(self, handler: Any) -> None:
        check_handler(handler)

    def test_with_requests_of_its_own(self) -> None:
        check_handler(with_body, requests=[Asked(method="POST", body=b"12345"), Asked(method="POST", body=b"6")])


class KeepsPath:
    """Answers with what the last request asked for."""

    path = ""

    async def handle_async(self, context: Context) -> str:
        self.path = context.request.path
        await asyncio.sleep(0)
        return self.path


class KeepsNumber:
    """The same, with a number."""

    number = 0

    async def handle_async(self, context: Context) -> str:
        self.number = int(context.request.path[1:])
        await asyncio.sleep(0)
        return f"order {self.number}"


class KeepsContexts:
    def __init__(self) -> None:
        self.seen: list[Context] = []

    def handle(self, context: Context) -> str:
        self.seen.append(context)
        return "kept"


def failing(context: Context) -> str:
    raise KeyError("price")


def returning_what_cannot_be_sent(context: Context) -> object:
    return object()


def not_for_head(context: Context) -> str:
    if context.request.method == "HEAD":
        raise HTTPError(405)
    return "hello"


def other_type_for_head(context: Context) -> Response:
    kind = "text/html" if context.request.method == "HEAD" else "text/plain"
    return Response(b"hello", content_type=kind)


async def swallows_everything(context: Context) -> str:
    try:
        await context.request.body()
    except Exception:
        raise RuntimeError("no body") from None
    return "fine"


async def never_ends(context: Context) -> str:
    if context.disconnected:
        await asyncio.Event().wait()
    return "fine"


class LeavesTask:
    def __init__(self) -> None:
        self.tasks: list[Any] = []

    async def handle_async(self, context: Context) -> str:
        self.tasks.append(asyncio.ensure_future(asyncio.Event().wait()))
        return "fine"


async def writes_late(context: Context) -> str:
    async def write() -> None:
        await asyncio.sleep(0.01)
        context.response.write("late")

    writes_late.task = asyncio.ensure_future(write())  # type: ignore[attr-defined]
    return "fine"


async def writes_in_a_thread(context: Context) -> None:
    await asyncio.to_thread(context.response.write, "hello")


def blocks(context: Context) -> str:
    until = time.perf_counter() + 0.006
    while time.perf_counter() < until:
        pass
    return "done"


BROKEN: list[tuple[Callable[[], object], str]] = [
    (KeepsPath, "20 requests at once: body was"),
    (KeepsContexts, "it keeps the Context of a request that has left, below self.seen"),
    (lambda: failing, "alone: it raised KeyError: 'price'"),
    (lambda: failing, "alone: answered with 500 (KeyError: 'price')"),
    (lambda: returning_what_cannot_be_sent, "(ContractError: a handler returned 'object'"),
    (lambda: not_for_head, "asked with HEAD: status was 405, and 200 as GET"),
    (lambda: other_type_for_head, "asked with HEAD: header content-type was 'text/html' , and 'text/plain'  as GET"),
    (lambda: swallows_everything, "it raised RuntimeError: no body"),
    (lambda: never_ends, "a client that has left: was not done after 0.5 s"),
    (LeavesTask, "still runs"),
    (lambda: writes_late, "the checked handler at EXECUTE writes to the response behind END"),
    (lambda: writes_in_a_thread, "the checked handler at EXECUTE writes to the response from a foreign thread"),
    (lambda: blocks, "it held the loop for"),
    (lambda: 42, "42"),
]


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.testing.findings.PATIENCE", 0.5)
    monkeypatch.setattr("penstock.testing.observed.LONGEST", 0.005)


@pytest.mark.usefixtures("short_patience")
class TestBrokenHandlers:
    @pytest.mark.parametrize(("make", "told"), BROKEN)
    def test_each_broken_rule_is_named(self, make: Callable[[], object], told: str) -> None:
        with pytest.raises(AssertionError) as caught:
            check_handler(make())
        assert told in str(caught.value)

    def test_numbers_of_another_request(self) -> None:
        with pytest.raises(AssertionError, match="body was b'order 8', and b'order 7' alone"):
            check_handler(KeepsNumber(), requests=[Asked(target="/7"), Asked(target="/8")])
