"""Time limits without waiting: the sweep is told what time it is."""

import asyncio
from typing import Any

import pytest

from penstock.errors import RequestRejected
from penstock.hosts.time_limits import DataRate
from penstock.settings.model import LimitSettings
from tests.hosts.wired import GET, Wired, post, run, turn

LIMITS = LimitSettings()


class TestDataRate:
    def test_windows_of_the_grace_period(self) -> None:
        rate = DataRate(0.0, 0)
        assert [rate.is_too_low(second, second * 240, LIMITS) for second in range(1, 20)] == [False] * 19
        # The windows ended at 6, 12 and 18 seconds; what was fast before does not help now.
        assert not rate.is_too_low(23, 19 * 240 + 100, LIMITS)
        assert rate.is_too_low(24, 19 * 240 + 100, LIMITS)

    def test_time_in_which_nobody_waits_does_not_count(self) -> None:
        rate = DataRate(0.0, 0)
        for second in range(1, 100):
            rate.pause(second, 0)
        assert not rate.is_too_low(100, 0, LIMITS)
        assert not rate.is_too_low(104, 0, LIMITS)
        assert rate.is_too_low(106, 0, LIMITS)

    def test_zero_turns_it_off(self) -> None:
        rate = DataRate(0.0, 0)
        assert not rate.is_too_low(1000, 0, LimitSettings(data_rate=0))


class TestHeads:
    @run
    async def test_pipeline_l04_30_seconds_then_408(self) -> None:
        wired = await Wired().begin()
        wired.receive(GET[:10])
        wired.sweep(30)
        assert wired.transport.written == b""
        wired.sweep(31)
        assert wired.transport.written.startswith(b"HTTP/1.1 408 ")
        assert wired.transport.calls == ["write_eof"]
        wired.sweep(1)
        assert wired.transport.calls == ["write_eof"]
        wired.sweep(3)
        assert wired.transport.calls == ["write_eof", "abort"]

    @run
    async def test_time_begins_with_the_first_byte(self) -> None:
        wired = await Wired().begin()
        wired.clock.now += 60
        wired.receive(GET[:1])
        wired.sweep(29)
        assert wired.transport.calls == []


class TestIdleConnections:
    @run
    async def test_pipeline_l04_75_seconds(self) -> None:
        wired = await Wired().begin()
        wired.receive(GET)
        wired.sweep(1000)  # a request that is inside may take its time
        wired.answer()
        wired.sweep(75)
        assert wired.transport.calls == []
        wired.sweep(76)
        assert wired.transport.calls == ["close"]

    @run
    async def test_short_keep_alive_leaves_the_first_request_its_time(self) -> None:
        wired = await Wired(keep_alive=1.0).begin()
        wired.sweep(29)
        assert wired.transport.calls == []
        wired.sweep(31)
        assert wired.transport.calls == ["close"]

    @pytest.mark.parametrize("between", [b"\r", b"\r\n"])
    def test_empty_line_does_not_make_it_a_request(self, between: bytes) -> None:
        @run
        async def check(_: Any) -> None:
            wired = await Wired().begin()
            wired.receive(between)
            wired.sweep(40)
            assert wired.transport.written == b""
            wired.sweep(76)
            assert wired.transport.calls == ["close"]

        check(None)


class TestBodies:
    @run
    async def test_pipeline_l04_too_slow_is_408_to_whoever_reads(self) -> None:
        wired = await Wired().begin()
        wired.receive(post(1000))
        (request,) = wired.requests
        reading = asyncio.ensure_future(request.wait_body())
        await turn()
        wired.sweep(0)
        wired.sweep(5)
        assert not reading.done()
        wired.sweep(6)
        await reading
        with pytest.raises(RequestRejected, match="too slowly") as caught:
            request.take()
        assert caught.value.status == 408

    @run
    async def test_who_gave_up_reading_does_not_count(self) -> None:
        wired = await Wired().begin()
        wired.receive(post(1000))
        (request,) = wired.requests
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(request.wait_body(), 0.001)
        for second in range(60):
            wired.sweep(second)
        assert request.take() is None

    @run
    async def test_discarded_body_that_never_comes_is_cut(self) -> None:
        wired = await Wired().begin()
        wired.receive(post(1000))
        wired.answer()
        wired.sweep(0)
        wired.sweep(6)
        assert wired.transport.calls == ["abort"]


class TestReaders:
    @run
    async def test_pipeline_l04_who_takes_nothing_is_cut(self) -> None:
        wired = await Wired().begin()
        wired.receive(GET)
        wired.transport.unsent = 100_000
        wired.connection.pause_writing()
        wired.sweep(0)
        wired.sweep(5)
        assert wired.transport.calls == []
        wired.sweep(6)
        assert wired.transport.calls == ["abort"]

    @run
    async def test_pipeline_l04_who_takes_enough_is_not(self) -> None:
        wired = await Wired().begin()
        wired.receive(GET)
        wired.connection.pause_writing()
        for second in range(100):
            wired.transport.unsent = 100_000 - second * 250
            wired.sweep(second)
        assert wired.transport.calls == []

    @run
    async def test_file_that_nobody_takes(self) -> None:
        wired = await Wired().begin()
        wired.receive(GET)
        wired.connection.watch_file(asyncio.get_running_loop().create_future())
        wired.sweep(0)
        wired.sweep(6)
        assert wired.transport.calls == ["abort"]

    @run
    async def test_answer_that_is_made_slowly_is_not_the_readers_fault(self) -> None:
        wired = await Wired().begin()
        wired.receive(GET)
        wired.transport.unsent = 100
        for second in range(100):
            wired.sweep(second)
        assert wired.transport.calls == []
