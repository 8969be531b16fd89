"""What is started with a site: once, in order, tried again where that is wanted, and stopped in reverse (pipeline A-04 to A-08)."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from penstock import Stage, StartupError
from penstock.pipeline.starting import Part, Starting
from penstock.server import open_client
from penstock.settings import (
    AppSettings,
    LogSettings,
    ModuleSettings,
    RouteSettings,
    ServerSettings,
    SiteSettings,
)
from tests.pipeline.subject import Attached, hello, on, run, settle

SERVER = ServerSettings(start_failure="retry", log=LogSettings(access=False))


class Timers:
    """Timers that go off when the test says so."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self.waiting: list[tuple[Callable[[], None], asyncio.TimerHandle]] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        self.delays.append(delay)
        handle = asyncio.get_running_loop().call_later(1000, callback)
        self.waiting.append((callback, handle))
        return handle

    async def ring(self) -> None:
        """Let the timer go off that was set last, and let what it starts come to its end."""
        callback, handle = self.waiting.pop()
        handle.cancel()
        callback()
        await settle()


class Life:
    """A part that notes in `log` what is done to it, and fails its first `failures` starts."""

    def __init__(self, log: list[str], name: str, *, failures: int = 0, error: Exception | None = None) -> None:
        self.log = log
        self.name = name
        self.failures = failures
        self.error = error or OSError("no database")

    async def start(self) -> None:
        self.log.append(f"start {self.name}")
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise self.error

    def stop(self) -> None:
        self.log.append(f"stop {self.name}")

    def part(self, *, is_for_all: bool = False) -> Part:
        return Part(self.name, (self.start,), (self.stop,), is_for_all=is_for_all)


def retrying(*parts: Part, timers: Timers, changes: list[int] | None = None) -> Starting:
    starting = Starting(parts, lambda: (changes if changes is not None else []).append(1))
    starting.retries = True
    starting.call_later = timers.call_later
    return starting


class TestOnce:
    def test_pipeline_a04_each_part_is_started_once_and_in_order(self) -> None:
        log: list[str] = []

        async def journey() -> None:
            starting = Starting([Life(log, name).part() for name in "abc"], lambda: None)
            await starting.start()
            await starting.stop()
            await starting.stop()

        run(journey)
        assert log == ["start a", "start b", "start c", "stop c", "stop b", "stop a"]

    @pytest.mark.parametrize("error", [OSError("no database"), StartupError("no database")])
    def test_pipeline_a05_by_default_the_first_failure_keeps_the_site_from_starting(self, error: Exception) -> None:
        log: list[str] = []
        parts = [Life(log, "a").part(), Life(log, "b", failures=1, error=error).part(), Life(log, "c").part()]
        with pytest.raises(StartupError, match="no database"):
            run(Starting(parts, lambda: None).start)
        assert log == ["start a", "start b", "stop a"]

    def test_pipeline_a06_what_never_started_is_not_stopped(self) -> None:
        log: list[str] = []
        run(Starting([Life(log, "a").part()], lambda: None).stop)
        assert log == []

    def test_pipeline_a08_stopping_goes_in_reverse_and_one_that_fails_harms_no_other(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        log: list[str] = []

        def fail() -> None:
            raise OSError("the disk is full")

        async def journey() -> None:
            starting = Starting([Life(log, "a").part(), Part("b", (), (fail,)), Life(log, "c").part()], lambda: None)
            await starting.start()
            await starting.stop()

        run(journey)
        assert log == ["start a", "start c", "stop c", "stop a"]
        assert "the disk is full" in caplog.text


class TestRetries:
    def test_pipeline_a05_it_is_tried_again_after_10_20_40_seconds_and_at_most_300(self) -> None:
        log: list[str] = []
        timers = Timers()

        async def journey() -> None:
            starting = retrying(Life(log, "a", failures=7).part(), timers=timers)
            await starting.start()
            for _ in range(7):
                await timers.ring()
            await starting.stop()

        run(journey)
        assert timers.delays == [10, 20, 40, 80, 160, 300, 300]
        assert log == ["start a"] * 8 + ["stop a"]
        assert timers.waiting == []

    def test_pipeline_a05_an_application_that_fails_harms_no_other(self) -> None:
        log: list[str] = []
        timers = Timers()
        changes: list[int] = []

        async def journey() -> None:
            good, bad = Life(log, "good").part(), Life(log, "bad", failures=1).part()
            starting = retrying(bad, good, timers=timers, changes=changes)
            await starting.start()
            assert starting.find_failed(bad) is bad
            assert starting.find_failed(good) is starting.find_failed(None) is None
            assert changes == []
            await timers.ring()
            assert starting.find_failed(bad) is None
            assert changes == [1]
            await starting.stop()

        run(journey)
        assert log == ["start bad", "start good", "start bad", "stop bad", "stop good"]

    def test_pipeline_a05_a_module_that_fails_holds_up_all_that_comes_behind_it(self) -> None:
        log: list[str] = []
        timers = Timers()

        async def journey() -> None:
            first, second = Life(log, "A").part(is_for_all=True), Life(log, "B", failures=2).part(is_for_all=True)
            application = Life(log, "app").part()
            starting = retrying(first, second, application, timers=timers)
            await starting.start()
            for _ in range(2):
                assert {starting.find_failed(each) for each in (first, application, None)} == {second}
                await timers.ring()
            assert starting.find_failed(application) is None
            await starting.stop()

        run(journey)
        assert log == ["start A", "start B", "start B", "start B", "start app", "stop app", "stop B", "stop A"]

    def test_pipeline_a05_a_second_module_may_fail_behind_the_first(self) -> None:
        log: list[str] = []
        timers = Timers()

        async def journey() -> None:
            first, second = (Life(log, name, failures=1).part(is_for_all=True) for name in "AB")
            starting = retrying(first, second, timers=timers)
            await starting.start()
            await timers.ring()
            assert starting.find_failed(None) is second
            await timers.ring()
            assert starting.find_failed(None) is None
            await starting.stop()

        run(journey)
        assert log == ["start A", "start A", "start B", "start B", "stop B", "stop A"]

    def test_pipeline_a05_an_action_that_has_succeeded_is_not_called_again(self) -> None:
        log: list[str] = []
        timers = Timers()
        once, twice = Life(log, "once"), Life(log, "twice", failures=1)

        async def journey() -> None:
            part = Part("module", (once.start, twice.start), (once.stop,), is_for_all=True)
            starting = retrying(part, timers=timers)
            await starting.start()
            await timers.ring()
            await starting.stop()

        run(journey)
        assert log == ["start once", "start twice", "start twice", "stop once"]

    def test_pipeline_a05_the_log_says_what_failed_and_when_it_is_tried_again(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        timers = Timers()

        async def journey() -> None:
            starting = retrying(Life([], "WSGI shop:app", failures=1).part(), timers=timers)
            await starting.start()
            await timers.ring()

        with caplog.at_level(logging.INFO, logger="penstock"):
            run(journey)
        first, last = caplog.messages[0], caplog.messages[-1]
        assert "WSGI shop:app failed to start: no database; its requests are answered with 503" in first
        assert "tried again in 10 s (try 1)" in first
        assert last == "WSGI shop:app has started, at try 2"

    def test_pipeline_a06_nothing_is_tried_again_behind_the_stop(self) -> None:
        log: list[str] = []
        timers = Timers()

        async def journey() -> None:
            starting = retrying(Life(log, "a", failures=9).part(), Life(log, "b").part(), timers=timers)
            await starting.start()
            _, handle = timers.waiting.pop()
            await starting.stop()
            assert handle.cancelled()
            handle.cancel()

        run(journey)
        assert log == ["start a", "start b", "stop b"]

    def test_pipeline_a06_a_try_that_is_under_way_ends_with_the_stop(self) -> None:
        log: list[str] = []
        timers = Timers()

        async def journey() -> None:
            gate = asyncio.Event()
            tries: list[int] = []

            async def start() -> None:
                tries.append(1)
                if len(tries) == 1:
                    raise OSError("no database")
                try:
                    await gate.wait()
                finally:
                    log.append("cut off")

            starting = retrying(Part("a", (start,), (lambda: log.append("stop"),)), timers=timers)
            await starting.start()
            await timers.ring()
            await starting.stop()

        run(journey)
        assert log == ["cut off"]


class TestRequests:
    """What is answered meanwhile, by a whole site."""

    def test_scenario_12_a_start_that_fails_twice_and_then_succeeds(self, caplog: pytest.LogCaptureFixture) -> None:
        """Pipeline section 20, scenario 12."""
        log: list[str] = []
        life = Life(log, "shop", failures=2, error=OSError("secret: no database"))
        with caplog.at_level(logging.INFO, logger="penstock"):
            answers = _ask_while_starting(lambda hooks: (hooks.on_start(life.start), hooks.on_stop(life.stop)), tries=2)
        assert [status for status, _, _ in answers] == [503, 503, 200]
        assert [wait for _, wait, _ in answers] == ["10", "20", None]
        assert "secret" not in "".join(text for _, _, text in answers)
        refusals = [each for each in caplog.records if "refused with 503" in each.message]
        assert len(refusals) == 2
        assert "no database" in refusals[0].message
        assert refusals[0].exc_info is None
        assert log == ["start shop"] * 3 + ["stop shop"]

    def test_pipeline_a05_no_module_takes_part_while_one_has_failed(self) -> None:
        log: list[str] = []
        life = Life([], "shop", failures=1)

        def attach(hooks: Any) -> None:
            hooks.on_start(life.start)
            hooks.on(Stage.BEGIN, lambda context: log.append("begin"))

        assert [status for status, _, _ in _ask_while_starting(attach, tries=1)] == [503, 200]
        assert log == ["begin"]

    def test_pipeline_a05_modules_take_part_while_an_application_has_failed(self) -> None:
        log: list[str] = []
        tries: list[int] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                tries.append(1)
                await receive()
                if len(tries) == 1:
                    await send({"type": "lifespan.startup.failed", "message": "no database"})
                    return
                await send({"type": "lifespan.startup.complete"})
                await receive()
                await send({"type": "lifespan.shutdown.complete"})
                return
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"app"})

        site = SiteSettings(
            modules=(ModuleSettings(use="t:module"),),
            routes=(RouteSettings(at="/plain", function="t:plain"),),
            apps=(AppSettings(at="/app", asgi="t:app"),),
        )
        objects = {
            "t:module": on(Stage.AUTHORIZE, lambda context: log.append(context.request.path)),
            "t:plain": lambda: "plain",
            "t:app": application,
        }

        async def journey() -> list[int]:
            timers = Timers()
            client = open_client(site, server=SERVER, objects=objects)
            pipeline_site: Any = client._sites[0]
            pipeline_site.starting.call_later = timers.call_later
            async with client:
                statuses = [(await client.get(path)).status for path in ("/plain", "/app", "/app")]
                await timers.ring()
                return [*statuses, (await client.get("/app")).status]

        assert run(journey) == [200, 503, 503, 200]
        assert log == ["/plain", "/app", "/app", "/app"]
        assert len(tries) == 2


def _ask_while_starting(attach: Callable[[Any], object], *, tries: int) -> list[tuple[int, str | None, str]]:
    """Status, Retry-After and body of "/" before each try, and behind the last of them."""
    site = SiteSettings(modules=(ModuleSettings(use="t:m"),), routes=(RouteSettings(at="/", function="t:f"),))

    async def journey() -> list[tuple[int, str | None, str]]:
        timers = Timers()
        client = open_client(site, server=SERVER, objects={"t:m": Attached(attach), "t:f": hello})
        pipeline_site: Any = client._sites[0]
        pipeline_site.starting.call_later = timers.call_later
        answers = []
        async with client:
            for number in range(tries + 1):
                answer = await client.get("/")
                answers.append((answer.status, answer.headers.get("retry-after"), answer.text))
                if number < tries:
                    await timers.ring()
        return answers

    return run(journey)
