"""This file is the test of `check_host`: our own hosts keep the contract, and each broken rule is found and named."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from penstock.errors import ContractError
from penstock.http.messages import ResponseHead
from penstock.settings.model import LimitSettings
from penstock.testing import Asked, AskHost, Received, check_host
from penstock.testing.both_ends import MemoryRequestUnderTest, memory_requests
from tests.testing.http1_requests import ask_http1

LIMITS = LimitSettings()


class TestOurHosts:
    def test_in_memory(self) -> None:
        check_host(memory_requests(LIMITS), holds_back=False)

    def test_http1_over_a_socket(self) -> None:
        check_host(ask_http1)


class Broken:
    """A request of the in-memory host, with something put in place of what it does."""

    def __init__(self, made: Any, **instead: Any) -> None:
        self.made = made
        self.instead = instead

    def __getattr__(self, name: str) -> Any:
        instead = self.__dict__["instead"]
        return instead[name] if name in instead else getattr(self.__dict__["made"], name)


class BrokenUnderTest(MemoryRequestUnderTest):
    def __init__(self, made: Any, broken: Callable[[Any], dict[str, Any]]) -> None:
        super().__init__(made)
        self.broken = Broken(made, **broken(made))

    @property
    def worker_request(self) -> Any:
        return self.broken

    async def receive(self) -> Received:
        received = await super().receive()
        self.broken.instead.get("seen", lambda received: None)(received)
        return received


def broken_host(broken: Callable[[Any], dict[str, Any]]) -> AskHost:
    ask = memory_requests(LIMITS)

    @asynccontextmanager
    async def ask_broken(asked: Asked) -> AsyncIterator[BrokenUnderTest]:
        async with ask(asked) as made:
            yield BrokenUnderTest(made.worker_request, broken)

    return ask_broken


def taken_twice(made: Any) -> dict[str, Any]:
    kept: list[bytes] = []

    def take() -> bytes | None:
        kept.extend([made.take()] if not kept else [])
        return kept[0]

    return {"take": take}


def never_none(made: Any) -> dict[str, Any]:
    return {"take": lambda: made.take() or b""}


def no_limit(made: Any) -> dict[str, Any]:
    return {"limit_body": lambda limit: None}


def impatient(made: Any) -> dict[str, Any]:
    async def wait_body() -> None:
        pass

    return {"wait_body": wait_body}


def waits_together(made: Any) -> dict[str, Any]:
    waiting: list[asyncio.Future[None]] = []

    async def wait_body() -> None:
        if not waiting:
            waiting.append(asyncio.ensure_future(made.wait_body()))
        await waiting[0]

    return {"wait_body": wait_body}


def knows_no_leaving(made: Any) -> dict[str, Any]:
    return {"on_disconnect": lambda callback: None}


def tells_at_once(made: Any) -> dict[str, Any]:
    return {"on_disconnect": lambda callback: callback()}


def tells_twice(made: Any) -> dict[str, Any]:
    def on_disconnect(callback: Callable[[], None]) -> None:
        made.on_disconnect(callback)
        made.on_disconnect(callback)

    return {"on_disconnect": on_disconnect}


def accepts_everything(made: Any) -> dict[str, Any]:
    def send(head: ResponseHead | None, body: bytes, more: bool) -> None:
        try:
            made.send(head, body, more)
        except ContractError:
            pass

    return {"send": send}


def refuses_oddly(made: Any) -> dict[str, Any]:
    def send(head: ResponseHead | None, body: bytes, more: bool) -> Any:
        try:
            return made.send(head, body, more)
        except ContractError as error:
            raise ValueError(str(error)) from error

    return {"send": send}


def fails_for_leavers(made: Any) -> dict[str, Any]:
    def send(head: ResponseHead | None, body: bytes, more: bool) -> Any:
        if made.is_disconnected:
            raise RuntimeError("nobody there")
        return made.send(head, body, more)

    return {"send": send}


def closes_files(made: Any) -> dict[str, Any]:
    async def send_file(head: ResponseHead | None, descriptor: int, offset: int, count: int, more: bool) -> None:
        await made.send_file(head, descriptor, offset, count, more)
        os.close(os.dup2(os.open(os.devnull, os.O_RDONLY), descriptor))

    return {"send_file": send_file}


def forgets_the_offset(made: Any) -> dict[str, Any]:
    async def send_file(head: ResponseHead | None, descriptor: int, offset: int, count: int, more: bool) -> None:
        await made.send_file(head, descriptor, 0, count, more)

    return {"send_file": send_file}


def quiet(name: str) -> Callable[[Any], dict[str, Any]]:
    return lambda made: {name: lambda *arguments: None}


def counts_nothing(made: Any) -> dict[str, Any]:
    return {"bytes_sent": 0}


def never_done(made: Any) -> dict[str, Any]:
    return {"has_sent_all": False}


def seen(change: Callable[[Received], None]) -> Callable[[Any], dict[str, Any]]:
    return lambda made: {"seen": change}


def body_for_head(received: Received) -> None:
    received.body = received.body or b"hello"


def sorted_fields(received: Received) -> None:
    received.headers = [*dict(received.headers).items()]


def whole(received: Received) -> None:
    received.is_whole = True


def more_behind(received: Received) -> None:
    received.rest = b"late"


BROKEN: list[tuple[Callable[[Any], dict[str, Any]], list[str]]] = [
    (taken_twice, ["a body that is there: raised RuntimeError: 10000 calls of take()"]),
    (never_none, ["take() gave b'' before a piece came"]),
    (no_limit, ["limit_body() said nothing", "with a limit of 1000"]),
    (impatient, ["wait_body() returned although nothing had come"]),
    (waits_together, ["two that wait for a body: a wait_body() that was cancelled ended another one"]),
    (knows_no_leaving, ["a client that leaves: was not done after"]),
    (tells_at_once, ["called back although the client is there", "called back before it returned"]),
    (tells_twice, ["called back 2 times"]),
    (accepts_everything, ["a second head was accepted", "a line break in a value was accepted"]),
    (refuses_oddly, ["a blank in a name raised ValueError"]),
    (fails_for_leavers, ["writing to a client that has left raised RuntimeError"]),
    (closes_files, ["a file: raised OSError"]),
    (forgets_the_offset, ["a file: the client received the body b'0123456789"]),
    (quiet("inform"), ["an interim answer: the client received the interim answers []"]),
    (quiet("trailers"), ["trailers: the client received the trailers []"]),
    (counts_nothing, ["bytes_sent is 0, 5 bytes of body were sent"]),
    (never_done, ["has_sent_all is false behind the last piece"]),
    (seen(body_for_head), ["an answer to HEAD: the client received the body b'hello'", "an answer with 204"]),
    (seen(sorted_fields), ["all of them, in order"]),
    (seen(whole), ["an answer that is cut off: abort() left an answer"]),
    (seen(more_behind), ["b'late' came behind the answer"]),
]


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.testing.findings.PATIENCE", 0.3)


@pytest.mark.usefixtures("short_patience")
class TestBrokenHosts:
    @pytest.mark.parametrize(("broken", "told"), BROKEN)
    def test_each_broken_rule_is_named(self, broken: Callable[[Any], dict[str, Any]], told: list[str]) -> None:
        with pytest.raises(AssertionError) as caught:
            check_host(broken_host(broken), holds_back=False, name="Mine")
        assert str(caught.value).startswith("Mine breaks its contract in ")
        assert [words for words in told if words not in str(caught.value)] == [], str(caught.value)

    def test_a_host_that_keeps_everything_for_a_client_that_does_not_read(self) -> None:
        with pytest.raises(AssertionError, match="never asked to wait: 64 MiB"):
            check_host(memory_requests(LIMITS))

    def test_a_host_that_cannot_even_be_asked(self) -> None:
        def ask(asked: Asked) -> Any:
            raise OSError("no route to host")

        with pytest.raises(AssertionError, match="no body: raised OSError: no route to host"):
            check_host(ask)
