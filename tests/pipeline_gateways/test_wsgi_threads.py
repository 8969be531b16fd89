"""The threads of WSGI: bounds, names, one wake for many answers, the switch interval, and how they end."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar

import pytest

from penstock.errors import HTTPError
from penstock.hosts.memory_host import MemoryRequest
from penstock.intake.stuck_threads import StuckThreads
from penstock.pipeline_gateways import wsgi_threads
from penstock.pipeline_gateways.wsgi_threads import (
    SWITCH_INTERVAL,
    ThreadPool,
    give_switch_interval_back,
    take_switch_interval,
)
from penstock.server import open_client
from penstock.settings import AppSettings, LimitSettings, LogSettings, ServerSettings, SiteSettings
from penstock.testing import Client
from tests.pipeline_gateways.wsgi_subject import (
    OK,
    TEXT,
    Application,
    Closing,
    Environ,
    Start,
    ask,
    open_wsgi,
    wait_until,
)


class Gate:
    """An application that waits until it is let go, and says in which thread it ran."""

    def __init__(self) -> None:
        self.is_open = threading.Event()
        self.entered = threading.Semaphore(0)
        self.threads: list[threading.Thread] = []

    def __call__(self, environ: Environ, start_response: Start) -> list[bytes]:
        self.threads.append(threading.current_thread())
        self.entered.release()
        self.is_open.wait(10)
        start_response(OK, TEXT)
        return [threading.current_thread().name.encode()]


class TestBounds:
    def test_middleware_15_4_f_two_threads_and_a_queue_of_one_refuse_the_fourth(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO", "penstock")
        gate = Gate()

        async def journey() -> list[int]:
            async with open_wsgi(gate, threads=2, queue=1) as client:
                requests = [client.open("GET", "/") for _ in range(4)]
                await requests[3].wait_finished()
                refused = requests[3].response_head
                assert refused is not None
                assert (b"retry-after", b"1") in refused.raw_headers
                gate.is_open.set()
                for request in requests:
                    await request.wait_finished()
                return [0 if each.response_head is None else each.response_head.status for each in requests]

        assert asyncio.run(journey()) == [200, 200, 200, 503]
        assert [record.exc_info for record in caplog.records if record.name == "penstock"] == [None]
        assert len(gate.threads) == 3

    def test_there_is_room_again_when_the_answers_are_out(self) -> None:
        gate = Gate()

        async def journey() -> None:
            async with open_wsgi(gate, threads=1, queue=0) as client:
                first = client.open("GET", "/")
                assert (await client.get("/")).status == 503
                gate.is_open.set()
                await first.wait_finished()
                assert [(await client.get("/")).status for _ in range(5)] == [200] * 5

        asyncio.run(journey())

    def test_a_request_whose_client_left_in_the_queue_does_not_run(self) -> None:
        gate = Gate()

        async def journey() -> None:
            async with open_wsgi(gate, threads=1, queue=5) as client:
                first = client.open("GET", "/")
                await asyncio.to_thread(gate.entered.acquire)
                second = client.open("GET", "/")
                second.disconnect()
                gate.is_open.set()
                await first.wait_finished()
                await second.wait_finished()
                assert second.is_aborted

        asyncio.run(journey())
        assert len(gate.threads) == 1

    def test_threads_come_when_they_are_needed(self) -> None:
        gate = Gate()

        async def journey() -> None:
            async with open_wsgi(gate, threads=8, queue=0) as client:
                requests = [client.open("GET", "/") for _ in range(3)]
                for _ in requests:
                    await asyncio.to_thread(gate.entered.acquire)
                gate.is_open.set()
                for request in requests:
                    await request.wait_finished()

        asyncio.run(journey())
        assert sorted(thread.name for thread in gate.threads) == [f"penstock-wsgi-{number}" for number in (1, 2, 3)]
        assert all(thread.daemon for thread in gate.threads)

    def test_blocked_threads_do_not_hold_the_others_up(self) -> None:
        gate = Gate()

        def application(environ: Environ, start_response: Start) -> list[bytes]:
            if environ["PATH_INFO"] == "/slow":
                return gate(environ, start_response)
            start_response(OK, TEXT)
            return [b"quick"]

        async def journey() -> None:
            async with open_wsgi(application, threads=2) as client:
                slow = client.open("GET", "/slow")
                answers = await asyncio.gather(*[client.get("/") for _ in range(40)])
                assert [answer.body for answer in answers] == [b"quick"] * 40
                gate.is_open.set()
                await slow.wait_finished()

        asyncio.run(journey())


class TestLoop:
    def test_the_loop_goes_on_while_threads_are_busy(self) -> None:
        gate = Gate()

        async def journey() -> None:
            async with open_wsgi(gate, threads=1) as client:
                request = client.open("GET", "/")
                await asyncio.to_thread(gate.entered.acquire)
                for _ in range(10):
                    await asyncio.sleep(0)
                gate.is_open.set()
                await request.wait_finished()

        asyncio.run(journey())

    def test_an_application_runs_in_a_thread_and_never_in_the_loop_s(self) -> None:
        answer = ask(Gate.__call__.__get__(_opened()), threads=1)
        assert answer.body == b"penstock-wsgi-1"

    def test_changes_to_context_variables_do_not_come_back(self) -> None:
        variable: ContextVar[str] = ContextVar("variable", default="unset")

        def application(environ: Environ, start_response: Start) -> list[bytes]:
            variable.set("set in a thread")
            start_response(OK, TEXT)
            return [environ["penstock.context"].variables.run(variable.get).encode()]

        assert ask(application).body == b"unset"


class TestSwitchInterval:
    def test_it_is_short_while_there_are_threads_and_restored_behind_them(self) -> None:
        usual = sys.getswitchinterval()
        seen = []

        def application(environ: Environ, start_response: Start) -> list[bytes]:
            seen.append(sys.getswitchinterval())
            start_response(OK, TEXT)
            return [b""]

        ask(application, threads=1)
        ask(application, threads=0)
        assert seen == [pytest.approx(SWITCH_INTERVAL), pytest.approx(usual)]
        assert sys.getswitchinterval() == usual

    def test_several_pools_take_it_once_and_a_shorter_one_is_kept(self) -> None:
        usual = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL / 2)
        try:
            take_switch_interval()
            take_switch_interval()
            assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL / 2, rel=0.05)
            give_switch_interval_back()
            give_switch_interval_back()
            assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL / 2, rel=0.05)
        finally:
            sys.setswitchinterval(usual)


class TestStop:
    def test_threads_end_with_the_gateway(self) -> None:
        gate = _opened()
        ask(gate, threads=2)
        assert [thread for thread in gate.threads if thread.is_alive()] == []

    def test_one_that_is_stuck_is_left_behind_and_named(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(wsgi_threads, "_PATIENCE", 0.02)
        gate = Gate()

        async def journey() -> None:
            client = open_wsgi(gate, threads=1)
            async with client:
                request = client.open("GET", "/")
                await asyncio.to_thread(gate.entered.acquire)
                request.disconnect()
                for site in client._sites:
                    await site.stop()
                gate.is_open.set()
                await request.wait_finished()

        asyncio.run(journey())
        assert "1 WSGI threads are still busy" in caplog.text
        gate.threads[0].join(5)

    def test_one_that_is_left_behind_ends_quietly_when_the_loop_is_gone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(wsgi_threads, "_PATIENCE", 0.02)
        gate = Gate()

        async def journey() -> None:
            client = await open_wsgi(gate, threads=1).__aenter__()
            client.open("GET", "/")
            await asyncio.to_thread(gate.entered.acquire)
            await client.runtime.stop()

        asyncio.run(journey())
        gate.is_open.set()
        gate.threads[0].join(5)
        assert not gate.threads[0].is_alive()

    def test_a_pool_can_start_again(self) -> None:
        pool = ThreadPool(1, 0)

        async def journey() -> None:
            for _ in range(2):
                pool.make_room(asyncio.get_running_loop())
                await pool.stop()

        asyncio.run(journey())
        assert pool._workers == []

    def test_full_is_503(self) -> None:
        pool = ThreadPool(1, 0)

        async def journey() -> None:
            loop = asyncio.get_running_loop()
            pool.make_room(loop)
            pool._submitted += 1
            with pytest.raises(HTTPError) as caught:
                pool.make_room(loop)
            assert (caught.value.status, caught.value.headers) == (503, ((b"retry-after", b"1"),))
            await pool.stop()

        asyncio.run(journey())


class TestStuck:
    """A thread whose request is over the deadline (pipeline T-03)."""

    def test_pipeline_t03_it_is_answered_for_named_and_another_takes_its_place(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        gate = Gate()

        async def journey() -> list[int]:
            async with open_hasty(gate, threads=1) as client:
                stuck = client.open("GET", "/stuck?secret")
                await stuck.wait_finished()
                first = gate.threads[0]
                assert client.runtime.stuck.threads == {first}
                other = client.open("GET", "/other")
                await asyncio.to_thread(gate.entered.acquire)
                await asyncio.to_thread(gate.entered.acquire)
                gate.is_open.set()
                await other.wait_finished()
                await wait_until(lambda: not first.is_alive())
                await wait_until(lambda: not client.runtime.stuck.threads)
                statistics = client.runtime.statistics()
                assert (statistics.timed_out, statistics.executing, statistics.succeeded) == (1, 0, 1)
                return [status_of(stuck), status_of(other)]

        assert asyncio.run(journey()) == [504, 200]
        assert len({thread.name for thread in gate.threads}) == 2
        named = [each for each in caplog.messages if "is stuck in GET /stuck and was left behind" in each]
        assert len(named) == 1
        assert "self.is_open.wait(10)" in named[0]
        assert "secret" not in caplog.text
        assert "has come back" in caplog.text

    def test_pipeline_t03_the_late_answer_is_dropped_and_closed_in_its_thread(self) -> None:
        gate = Gate()
        results: list[Closing] = []

        def application(environ: Environ, start_response: Start) -> Closing:
            results.append(Closing(gate(environ, start_response) * 2))
            return results[0]

        async def journey() -> tuple[int, list[bytes]]:
            async with open_hasty(application, threads=1) as client:
                request = client.open("GET", "/")
                await request.wait_finished()
                pieces = list(request.pieces)
                gate.is_open.set()
                await wait_until(lambda: results and results[0].closed)
                await wait_until(lambda: not gate.threads[0].is_alive())
                assert request.pieces == pieces
                return status_of(request), pieces

        status, pieces = asyncio.run(journey())
        assert (status, len(pieces), results[0].closed) == (504, 1, 1)

    def test_pipeline_t03_who_waited_for_a_thread_until_the_deadline_is_never_run(self) -> None:
        gate = Gate()

        async def journey() -> list[int]:
            async with open_hasty(gate, threads=1) as client:
                requests = [client.open("GET", "/") for _ in range(3)]
                for request in requests:
                    await request.wait_finished()
                assert len(client.runtime.stuck.threads) == 1
                gate.is_open.set()
                last = await client.get("/")
                return [*(status_of(each) for each in requests), last.status]

        assert asyncio.run(journey()) == [504, 504, 504, 200]
        assert len(gate.threads) == 2

    def test_pipeline_t03_as_many_fit_as_before_whatever_came_back(self) -> None:
        gate = Gate()

        async def journey() -> None:
            async with open_hasty(gate, threads=1, queue=1) as client:
                for _ in range(3):
                    await client.open("GET", "/").wait_finished()
                assert len(client.runtime.stuck.threads) == 3
                gate.is_open.set()
                await wait_until(lambda: not client.runtime.stuck.threads)
                gate.is_open.clear()
                requests = [client.open("GET", "/") for _ in range(3)]
                await asyncio.to_thread(gate.entered.acquire)
                assert [status_of(each) for each in requests] == [0, 0, 503]
                gate.is_open.set()
                for request in requests:
                    await request.wait_finished()

        asyncio.run(journey())

    def test_pipeline_t03_when_many_are_stuck_a_recycle_is_asked_for(self) -> None:
        gate = Gate()
        reasons: list[str] = []

        async def journey() -> None:
            async with open_hasty(gate, threads=4) as client:
                client.runtime.stuck = StuckThreads(3, client.runtime.recycle)
                client.runtime.on_recycle = reasons.append
                requests = [client.open("GET", "/") for _ in range(4)]
                for request in requests:
                    await request.wait_finished()
                gate.is_open.set()

        asyncio.run(journey())
        assert reasons == ["3 threads are stuck"]

    def test_pipeline_t03_a_thread_that_waits_for_the_body_is_told_and_goes_on(self) -> None:
        raised: list[BaseException] = []
        is_over = threading.Event()

        def application(environ: Environ, start_response: Start) -> list[bytes]:
            try:
                environ["wsgi.input"].read()
            except OSError as error:
                raised.append(error)
            is_over.set()
            start_response(OK, TEXT)
            return [b"late"]

        async def body() -> AsyncIterator[bytes]:
            yield b"beginning"
            await asyncio.to_thread(is_over.wait, 10)

        async def journey() -> int:
            async with open_hasty(application, threads=1) as client:
                answer = await client.post("/", body())  # type: ignore[arg-type]
                assert not client.runtime.stuck.threads
                assert (await client.get("/")).body == b"late"
                return answer.status

        assert asyncio.run(journey()) == 504
        assert len(raised) == 1

    def test_pipeline_t03_an_answer_that_streams_has_met_its_deadline(self) -> None:
        is_late = threading.Event()

        def application(environ: Environ, start_response: Start) -> Iterator[bytes]:
            start_response(OK, TEXT)
            yield b"one"
            is_late.wait(10)
            yield b"two"

        async def journey() -> list[bytes]:
            async with open_hasty(application, threads=2) as client:
                request = client.open("GET", "/")
                await wait_until(lambda: request.pieces)
                await wait_until(lambda: client.runtime.loop.time() > request.started + 0.3)
                is_late.set()
                await request.wait_finished()
                assert not client.runtime.stuck.threads
                return request.pieces

        assert asyncio.run(journey()) == [b"one", b"two"]


def open_hasty(application: Application, *, threads: int, queue: int = 64) -> Client:
    """A client of `application` whose requests must be answered within a twentieth of a second."""
    settings = AppSettings(at="/", wsgi="tested:application", threads=threads, queue=queue)
    server = ServerSettings(log=LogSettings(access=False), limits=LimitSettings(deadline=0.05))
    return open_client(SiteSettings(apps=(settings,)), server=server, objects={"tested:application": application})


def status_of(request: MemoryRequest) -> int:
    return 0 if request.response_head is None else request.response_head.status


def _opened() -> Gate:
    gate = Gate()
    gate.is_open.set()
    return gate
