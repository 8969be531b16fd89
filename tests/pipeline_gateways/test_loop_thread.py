"""One loop in a thread of its own."""

import asyncio
import threading

from penstock.pipeline_gateways.loop_thread import begin_on_loop, the_loop


def test_it_runs_what_threads_ask_for() -> None:
    async def where() -> tuple[str, bool]:
        return threading.current_thread().name, asyncio.get_running_loop() is the_loop()

    assert begin_on_loop(where()).result(10) == ("penstock-asgi", True)
