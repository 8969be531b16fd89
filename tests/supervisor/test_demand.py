"""The first connection to a pool wakes it, and is left to whoever accepts (pipeline W-01)."""

import asyncio
import socket

from penstock.supervisor.demand import Demand
from penstock.supervisor.slots import Listening
from tests.supervisor.on_loop import on_loop


@on_loop
async def test_pipeline_w01_the_first_connection_wakes_and_waits() -> None:
    woken = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        demand = Demand(lambda: [Listening(server, f"fd:{server.fileno()}")], woken.set)
        demand.watch()
        with socket.create_connection(server.getsockname()):
            async with asyncio.timeout(5):
                await woken.wait()
            server.accept()[0].close()


@on_loop
async def test_nobody_is_woken_any_more_when_it_has_stopped() -> None:
    woken = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        demand = Demand(lambda: [Listening(server, f"fd:{server.fileno()}")], woken.set)
        demand.watch()
        demand.stop()
        demand.stop()
        with socket.create_connection(server.getsockname()):
            for _ in range(5):
                await asyncio.sleep(0)
        assert not woken.is_set()
