"""The registry of open WebSockets (websockets SW-63 to SW-67, PY-11 to PY-13)."""

import asyncio
from collections.abc import Callable

import pytest

from penstock import HTTPError
from penstock.intake.open_sockets import Entry, OpenSockets, SocketStatistics
from tests.pipeline.subject import run, settle


class FakeSocket:
    """A socket that writes down what is done to it. Its I/O is pending until `drained` is set."""

    def __init__(self) -> None:
        self.bytes_in = 3
        self.bytes_out = 5
        self.calls: list[object] = []
        self.drained = asyncio.Event()

    @property
    def state_name(self) -> str:
        return "open"

    def go_away(self, code: int, reason: str) -> None:
        self.calls.append((code, reason))

    def abort(self) -> None:
        self.calls.append("abort")

    async def abort_async(self) -> None:
        self.calls.append("abort_async")
        await self.drained.wait()


def entry(task: "asyncio.Task[None] | None" = None) -> Entry:
    return Entry("/chat", "192.0.2.1", asyncio.get_running_loop().time(), task=task)


def registry(limit: int = 0) -> OpenSockets:
    return OpenSockets(asyncio.get_running_loop(), limit)


class TestCounters:
    def test_websockets_sw64_total_executing_succeeded_and_failed(self) -> None:
        async def journey() -> None:
            sockets = registry()
            open_ones = [FakeSocket() for _ in range(4)]
            for each in open_ones:
                sockets.add(each, entry())
            assert sockets.statistics() == SocketStatistics(4, 4, 0, 0, 12, 20)
            sockets.remove(open_ones[0], succeeded=True)
            sockets.remove(open_ones[1], succeeded=True)
            sockets.remove(open_ones[2], succeeded=False)
            assert sockets.statistics() == SocketStatistics(4, 1, 2, 1, 12, 20)
            sockets.remove(open_ones[3], succeeded=False)
            assert sockets.statistics() == SocketStatistics(4, 0, 2, 2, 12, 20)

        run(journey)

    def test_websockets_sw63_a_socket_is_counted_out_once(self) -> None:
        async def journey() -> None:
            sockets, socket = registry(), FakeSocket()
            sockets.add(socket, entry())
            sockets.remove(socket, succeeded=True)
            sockets.remove(socket, succeeded=False)
            assert sockets.statistics()[:4] == (1, 0, 1, 0)

        run(journey)

    def test_people_see_the_open_ones_with_the_oldest_first(self) -> None:
        async def journey() -> None:
            sockets = registry()
            for path in ("/one", "/two"):
                sockets.add(FakeSocket(), Entry(path, "192.0.2.1", asyncio.get_running_loop().time() - 2))
            found = sockets.sockets()
            assert [(each.path, each.client, each.state) for each in found] == [
                ("/one", "192.0.2.1", "open"),
                ("/two", "192.0.2.1", "open"),
            ]
            assert all(2 <= each.age < 60 and (each.bytes_in, each.bytes_out) == (3, 5) for each in found)

        run(journey)


class TestPlaces:
    def test_no_more_than_the_limit_are_open_at_once(self) -> None:
        async def journey() -> None:
            sockets = registry(2)
            give_back = sockets.take_place(("site", "/", "a"), 0)
            sockets.take_place(("site", "/", "b"), 0)
            assert refusal(lambda: sockets.take_place(("site", "/", "c"), 0)) == 503
            give_back()
            sockets.take_place(("site", "/", "c"), 0)

        run(journey)

    def test_a_client_has_so_many_at_a_place_of_the_site_and_others_are_not_counted(self) -> None:
        async def journey() -> None:
            sockets = registry()
            give_back = sockets.take_place(("site", "/", "a"), 1)
            assert refusal(lambda: sockets.take_place(("site", "/", "a"), 1)) == 429
            sockets.take_place(("site", "/", "b"), 1)
            sockets.take_place(("site", "/chat", "a"), 1)
            sockets.take_place(("another site", "/", "a"), 1)
            give_back()
            sockets.take_place(("site", "/", "a"), 1)

        run(journey)

    def test_websockets_py12_none_is_accepted_once_the_server_stops(self) -> None:
        async def journey() -> None:
            sockets = registry()
            sockets.go_away()
            assert refusal(lambda: sockets.take_place(("site", "/", "a"), 0)) == 503

        run(journey)


class TestEnd:
    def test_websockets_py12_all_are_closed_politely(self) -> None:
        async def journey() -> None:
            sockets, socket = registry(), FakeSocket()
            sockets.add(socket, entry())
            sockets.go_away(1012, "a new version")
            late = FakeSocket()
            sockets.add(late, entry())
            assert socket.calls == late.calls == [(1012, "a new version")]

        run(journey)

    def test_websockets_sw65_aborting_waits_for_pending_io_and_not_for_endpoints(self) -> None:
        async def journey() -> None:
            sockets, open_ones = registry(), [FakeSocket(), FakeSocket()]
            for each in open_ones:
                sockets.add(each, entry())
            aborting = asyncio.ensure_future(sockets.abort_all_and_wait())
            await settle()
            assert not aborting.done()
            open_ones[0].drained.set()
            await settle()
            assert not aborting.done()
            open_ones[1].drained.set()
            await aborting
            assert sockets.statistics().executing == 2

        run(journey)

    def test_websockets_sw66_a_socket_that_comes_late_is_aborted_at_once_and_counted(self) -> None:
        async def journey() -> None:
            sockets, late = registry(), FakeSocket()
            await sockets.abort_all_and_wait()
            sockets.add(late, entry())
            assert late.calls == ["abort"]
            assert sockets.statistics().executing == 1

        run(journey)

    def test_waiting_until_all_have_ended_is_bounded(self) -> None:
        async def journey() -> None:
            sockets, socket = registry(), FakeSocket()
            assert await sockets.wait_empty(0)
            sockets.add(socket, entry())
            assert not await sockets.wait_empty(0.01)
            waiting = asyncio.ensure_future(sockets.wait_empty(60))
            sockets.remove(socket, succeeded=True)
            await settle()
            assert not waiting.done(), "something of it is still pending"
            sockets.complete()
            assert await waiting

        run(journey)

    def test_websockets_t17_endpoints_that_wait_for_something_else_are_cancelled_in_the_end(self) -> None:
        async def journey() -> None:
            sockets, socket = registry(), FakeSocket()
            socket.drained.set()

            async def stuck() -> None:
                try:
                    await asyncio.Event().wait()
                finally:
                    sockets.remove(socket, succeeded=False)
                    sockets.complete()

            task = asyncio.ensure_future(stuck())
            sockets.add(socket, entry(task))
            await settle()
            await sockets.stop(60)
            assert task.cancelled() or task.done()
            assert sockets.statistics()[:4] == (1, 0, 0, 1)
            await asyncio.wait((task,))

        run(journey)

    def test_websockets_t17_endpoints_that_begin_while_the_server_stops_come_to_their_end(self) -> None:
        async def endpoint(sockets: OpenSockets, socket: FakeSocket) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                sockets.remove(socket, succeeded=False)
                sockets.complete()

        async def journey() -> None:
            sockets, first = registry(), FakeSocket()
            sockets.add(first, entry())
            stopping = asyncio.ensure_future(sockets.stop(0.01))
            await settle()
            first.drained.set()
            tasks = []
            for _ in range(10):  # one of them is there when they are cancelled, and has not begun
                late = FakeSocket()
                tasks.append(asyncio.ensure_future(endpoint(sockets, late)))
                sockets.add(late, entry(tasks[-1]))
                await asyncio.sleep(0)
            await stopping
            ended = [task for task in tasks if task.done()]
            assert ended
            assert len(ended) == sockets.statistics().failed, "each has counted its socket out"
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

        run(journey)

    def test_pipeline_g04_the_sockets_of_sites_that_were_replaced_are_closed_and_no_others(self) -> None:
        async def journey() -> None:
            sockets, old, new = registry(), FakeSocket(), FakeSocket()
            now = asyncio.get_running_loop().time()
            gone = asyncio.Event()
            endpoint = asyncio.ensure_future(gone.wait())
            sockets.add(old, Entry("/", "", now, task=endpoint, site="old"))  # type: ignore[arg-type]
            sockets.add(new, Entry("/", "", now, site="new"))
            retiring = asyncio.ensure_future(sockets.retire(["old"], 60))
            await settle()
            assert (old.calls, new.calls, retiring.done()) == ([(1012, "")], [], False)
            gone.set()
            await retiring
            stuck = asyncio.ensure_future(asyncio.Event().wait())
            sockets.add(FakeSocket(), Entry("/", "", now, task=stuck, site="stuck"))  # type: ignore[arg-type]
            await sockets.retire(["stuck"], 0.01)
            assert stuck.cancelled()

        run(journey)

    def test_a_stop_without_sockets_is_at_once(self) -> None:
        async def journey() -> None:
            sockets = registry()
            await sockets.stop(60)
            assert sockets.is_going_away

        run(journey)


def refusal(call: Callable[[], object]) -> int:
    with pytest.raises(HTTPError) as caught:
        call()
    assert caught.value.headers == ((b"retry-after", b"1"),)
    return caught.value.status
