"""The early word that the server stops: asked, awaited, from threads and on other loops (pipeline G-06)."""

import asyncio
import copy
import threading

from penstock.intake.stopping import Stopping


async def turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_asked_and_awaited() -> None:
    async def check() -> None:
        stopping = Stopping()
        waiting = [asyncio.ensure_future(stopping.wait()) for _ in range(3)]
        awaiting = asyncio.ensure_future(asyncio.wait_for(stopping, 5))
        await turn()
        assert not stopping
        assert not stopping.is_set()
        assert not stopping.for_threads
        stopping.set()
        assert stopping
        assert stopping.is_set()
        assert stopping.for_threads.is_set()
        await asyncio.gather(awaiting, *waiting)
        await stopping  # at once
        assert stopping.for_threads.wait()
        stopping.reset()
        assert not stopping
        assert not stopping.for_threads

    asyncio.run(check())


def test_who_gives_up_waiting_leaves_nothing_behind() -> None:
    async def check() -> None:
        stopping = Stopping()
        for _ in range(3):
            try:
                async with asyncio.timeout(0):
                    await stopping
            except TimeoutError:
                pass
        assert not stopping._waiters
        late = asyncio.ensure_future(stopping.wait())
        await turn()
        stopping.set()
        late.cancel()  # in the same turn
        await turn()
        assert late.cancelled()

    asyncio.run(check())


def test_threads_wait_for_it() -> None:
    stopping = Stopping()
    found: list[bool] = [stopping.for_threads.wait(0.001)]
    thread = threading.Thread(target=lambda: found.append(stopping.for_threads.wait(5)))
    thread.start()
    stopping.set()
    thread.join()
    assert found == [False, True]


def test_other_loops_wait_for_it_and_those_that_are_gone_harm_nobody() -> None:
    stopping = Stopping()
    begun = threading.Event()

    async def wait() -> None:
        begun.set()
        await stopping

    gone = asyncio.new_event_loop()
    stopping._waiters.add(gone.create_future())
    gone.close()
    thread = threading.Thread(target=lambda: asyncio.run(wait()))
    thread.start()
    assert begun.wait(5)
    while len(stopping._waiters) < 2:
        pass
    stopping.set()
    thread.join(5)
    assert not thread.is_alive()


def test_a_copied_scope_has_the_same_one() -> None:
    stopping = Stopping()
    scope = {"extensions": {"penstock.stopping": stopping}, "penstock.stopping": stopping.for_threads}
    copied = copy.deepcopy(scope)
    assert copied["extensions"]["penstock.stopping"] is stopping  # type: ignore[index]
    assert copied["penstock.stopping"] is stopping.for_threads
