"""A request at the door: taken in once, answered once, counted out once, whatever fails on the way (pipeline E-01 to E-13)."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from penstock import Context, Stage
from penstock.hosts.memory_host import MemoryRequest
from penstock.server import ServerThread
from penstock.testing import Client
from tests.intake.subject import make_request
from tests.intake.test_statistics import total_of
from tests.pipeline.subject import LOOPS, Attached, on, open_site, raising, run, settle
from tests.wire.raw_client import RawClient


class Faulty:
    """A request of a host that is broken: what is named in `faults` raises instead of answering, so many times."""

    def __init__(self, request: MemoryRequest, **faults: int) -> None:
        self._request = request
        self._faults = faults
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if self._faults.get(name, 0) > 0:
            self._faults[name] -= 1
            raise OSError(f"the host has no {name}")
        if name in ("send", "abort"):
            self.calls.append(name)
        return getattr(self._request, name)


def check_balance(client: Client, *, total: int = 1) -> None:
    statistics = client.runtime.statistics()
    assert (statistics.executing, statistics.queued, statistics.background) == (0, 0, 0)
    assert statistics.total == total_of(statistics) == total
    assert client.runtime.requests() == []
    assert client.runtime.admission.inside == 0


class TestHosts:
    def test_pipeline_e01_every_host_s_request_is_counted_once(self) -> None:
        async def in_memory() -> int:
            async with open_site() as client:
                assert (await client.get("/")).body == b"hello"
                return client.runtime.statistics().total

        assert run(in_memory) == 1
        with ServerThread(lambda: "hello") as server, RawClient(server.address) as client:
            client.send([b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"])
            assert client.read_answer().body == b"hello"
            assert server.runtime.statistics().total == 1


class TestContext:
    @pytest.mark.parametrize("loop", LOOPS)
    def test_pipeline_e04_a_request_without_a_context_is_answered_with_400_and_counted(
        self, loop: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        seen: list[str] = []
        recorded: list[int] = []

        async def journey() -> MemoryRequest:
            async with open_site(on(Stage.BEGIN, lambda context: seen.append("begin"))) as client:
                client.runtime.record = lambda request, status, headers: recorded.append(status)
                request = make_request()
                client.runtime.process(Faulty(request, head=1))
                check_balance(client)
                assert client.runtime.statistics().failed == 1
                return request

        request = run(journey, loop)
        assert request.response_head is not None
        assert request.response_head.status == 400
        assert b"".join(request.pieces) == b"400 Bad Request\n"
        assert (seen, recorded) == ([], [400])
        assert len([each for each in caplog.messages if "the host has no head" in each]) == 1

    def test_pipeline_e04_a_length_beyond_all_numbers_closes_the_connection(self) -> None:
        with ServerThread(lambda: "hello") as server, RawClient(server.address) as client:
            client.send([b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n"])
            assert client.read_answer().status in (400, 413)
            assert client.read_end() == b""
            statistics = server.call(server.runtime.statistics)
            assert (statistics.executing, statistics.rejected + statistics.failed) == (0, 1)


class TestErrors:
    def test_pipeline_e03_an_error_in_front_of_the_answer_is_answered_and_logged_once(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def journey() -> None:
            async with open_site() as client:
                request = Faulty(make_request(), head=1)
                client.runtime.process(request)
                assert request.calls == ["send"]
                check_balance(client)

        run(journey)
        assert len([each for each in caplog.records if each.levelno >= logging.ERROR]) == 1

    def test_pipeline_e03_a_host_that_can_not_even_refuse_is_cut_off(self) -> None:
        async def journey() -> None:
            async with open_site() as client:
                request = Faulty(make_request(), head=1, send=1)
                client.runtime.process(request)
                assert request.calls == ["abort"]
                check_balance(client)

        run(journey)

    def test_pipeline_e03_an_error_behind_the_answer_is_not_answered_again(self) -> None:
        async def journey() -> None:
            async with open_site() as client:
                request = Faulty(make_request())
                client.runtime.record = _fail_to_record
                client.runtime.process(request)
                assert request.calls == ["send"]
                check_balance(client)

        run(journey)


def _fail_to_record(*_: object) -> None:
    raise OSError("the disk is full")


def _failing_callback(context: Context) -> None:
    context.response.on_sending_headers(raising(ValueError("callback")))  # type: ignore[arg-type]


async def _fail_later(context: Context) -> None:
    await asyncio.sleep(0)
    raise ValueError("later")


FAULTS: dict[str, Callable[[], tuple[list[object], dict[str, int]]]] = {
    "nothing": lambda: ([], {}),
    "head": lambda: ([], {"head": 1}),
    "BEGIN": lambda: ([on(Stage.BEGIN, raising(ValueError("begin")))], {}),
    "BEGIN, later": lambda: ([on(Stage.BEGIN, _fail_later)], {}),
    "AUTHORIZE": lambda: ([on(Stage.AUTHORIZE, raising(ValueError("authorize")))], {}),
    "EXECUTE": lambda: ([on(Stage.EXECUTE, raising(ValueError("execute")))], {}),
    "LOG": lambda: ([on(Stage.LOG, raising(ValueError("log")))], {}),
    "END": lambda: ([on(Stage.END, raising(ValueError("end")))], {}),
    "END, later": lambda: ([on(Stage.END, _fail_later)], {}),
    "sending headers": lambda: ([on(Stage.BEGIN, _failing_callback)], {}),
    "send once": lambda: ([], {"send": 1}),
    "send always": lambda: ([], {"send": 99}),
    "error hook": lambda: (
        [
            on(Stage.BEGIN, raising(ValueError("begin"))),
            Attached(lambda hooks: hooks.on_error(raising(ValueError("error hook")))),
        ],
        {},
    ),
}


class TestBalance:
    @pytest.mark.parametrize("loop", LOOPS)
    @pytest.mark.parametrize("fault", list(FAULTS))
    def test_pipeline_e13_whatever_fails_the_request_is_finished_once_and_nobody_stays_inside(
        self, fault: str, loop: str
    ) -> None:
        modules, broken = FAULTS[fault]()

        async def journey() -> None:
            async with open_site(*modules) as client:
                request = make_request()
                faulty = Faulty(request, **broken)
                client.runtime.process(faulty)
                await settle()
                await request.wait_finished()
                await settle()
                assert len(request.pieces) <= 1
                assert faulty.calls[-1:] in (["send"], ["abort"])
                check_balance(client)

        run(journey, loop)

    @pytest.mark.parametrize("loop", LOOPS)
    def test_pipeline_e10_a_record_or_a_quota_that_fails_does_not_keep_a_request_inside(
        self, loop: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail_to_stop() -> None:
            raise RuntimeError("cannot stop")

        async def journey() -> None:
            async with open_site(requests_inside=1) as client:
                client.runtime.record = _fail_to_record
                client.runtime.limit_requests(1, fail_to_stop)
                for _ in range(3):
                    assert (await client.get("/")).status == 200
                client.runtime.reject(None, 400, reason="nonsense", client=None)
                check_balance(client, total=4)

        run(journey, loop)
        assert "the disk is full" in caplog.text
        assert "cannot stop" in caplog.text

    def test_pipeline_e12_failures_are_counted_by_what_they_are(self) -> None:
        def handler(context: Context, status: str) -> None:
            context.response.status = int(status)

        async def journey() -> None:
            async with open_site(functions={"/{status}": handler}) as client:
                for status in (200, 401, 404, 414, 500, 504, 504):
                    await client.get(f"/{status}")
                statistics = client.runtime.statistics()
                assert statistics.failed == 6
                assert (statistics.not_authorized, statistics.not_found, statistics.timed_out) == (1, 2, 2)

        run(journey)

    @pytest.mark.parametrize("loop", LOOPS)
    def test_pipeline_e09_two_run_three_wait_and_five_are_told_when_to_come_again(self, loop: str) -> None:
        async def journey() -> None:
            gate = asyncio.Event()
            started: list[int] = []

            async def slow() -> str:
                started.append(1)
                await gate.wait()
                return "slow"

            async with open_site(function=slow, requests_inside=2, queue=3, retry_after=7) as client:
                requests = [client.open("GET", "/") for _ in range(10)]
                await settle()
                statistics = client.runtime.statistics()
                assert (len(started), statistics.executing, statistics.queued, statistics.rejected) == (2, 2, 3, 5)
                refused = [each.response_head for each in requests if each.response_head is not None]
                assert [each.status for each in refused] == [503] * 5
                assert [(b"retry-after", b"7") in each.raw_headers for each in refused] == [True] * 5
                requests[2].disconnect()  # it waits in the queue
                gate.set()
                for each in requests:
                    await each.wait_finished()
                await settle()
                assert len(started) == 4
                statistics = client.runtime.statistics()
                assert (statistics.succeeded, statistics.disconnected, statistics.rejected) == (4, 1, 5)
                check_balance(client, total=10)

        run(journey, loop)

    def test_pipeline_e05_who_comes_while_the_server_drains_is_sent_away_and_delays_nothing(self) -> None:
        async def journey() -> None:
            gate = asyncio.Event()

            async def slow() -> str:
                await gate.wait()
                return "slow"

            async with open_site(function=slow) as client:
                first = client.open("GET", "/")
                await settle()
                draining = asyncio.ensure_future(client.runtime.drain(10))
                await settle()
                late = await client.get("/")
                assert (late.status, late.headers["retry-after"]) == (503, "1")
                gate.set()
                assert await draining
                await first.wait_finished()
                check_balance(client, total=2)

        run(journey)


def test_pipeline_d05_a_plain_function_is_never_on_the_list_of_those_who_wait() -> None:
    seen: list[int] = []

    def handler(context: Context) -> str:
        seen.append(len(context.runtime.requests()))
        return "hello"

    async def journey() -> None:
        async with open_site(function=handler) as client:
            await client.get("/")

    run(journey)
    assert seen == [0]
