"""The WebSocket in journeys that nobody thought of: whatever happens in whatever order, some things always hold."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from penstock.errors import ContractError, PenstockError
from penstock.request_sockets.messages import MessageType
from penstock.request_sockets.states import WebSocketState
from tests.request_sockets.fake_transport import CLOSE, CONTINUATION, TEXT, advance, begin, open_socket, run, settle

USUAL = ["message", "message", "part", "receive", "receive", "send", "send_part", "pause", "resume", "cancel"]
USUAL += ["settle", "settle", "ping", "pass_time"]
SELDOM = ["close", "close_output", "peer_close", "go_away", "abort", "lose", "fail", "abort_async"]


class Journey:
    """One socket, and what is done to it and by it; each method is something that can happen."""

    def __init__(self, seed: int) -> None:
        self.chance = chance = random.Random(seed)
        self.socket, self.transport = open_socket(
            is_strict=chance.random() < 0.2, answers_close=chance.random() < 0.2, close_timeout=5.0
        )
        self.transport.loses = chance.choice(["", "later", "at once"])
        self.tasks: list[asyncio.Task[None]] = []
        self.received: list[str | bytes] = []
        self.arrived: list[str] = []
        self.arriving: str | None = None
        self.number = 0
        self.has_ended = False

    async def go(self) -> None:
        for _ in range(self.chance.randint(5, 60)):
            await getattr(self, self.chance.choice(USUAL if self.chance.random() < 0.9 else SELDOM))()
            self.check()
        await settle()
        finishing = await begin(self.socket.finish(1000, "", 1.0))
        await advance(1.0)
        assert finishing.done()
        finishing.result()
        self.socket.dispose()
        await self.socket.abort_async()
        assert [task for task in self.tasks if not task.done()] == []
        for task in self.tasks:
            if not task.cancelled():
                task.result()
        self.check()
        await self.lose()

    def check(self) -> None:
        frames = [entry for entry in self.transport.log if isinstance(entry, tuple)]
        closes = [at for at, entry in enumerate(frames) if entry[0] == CLOSE]
        assert closes in ([], [len(frames) - 1])  # one, and nothing behind it (C-3, PY-20)
        is_open = False
        for opcode, _, fin in [entry for entry in frames if len(entry) == 3]:
            assert (opcode == CONTINUATION) == is_open  # no message within a message (F-6)
            is_open = not fin
        assert self.received == self.arrived[: len(self.received)]  # in order, none lost, none twice

    def call(self, function: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any) -> None:
        self.tasks.append(asyncio.ensure_future(self.await_it(function, *arguments)))

    async def await_it(self, function: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any) -> None:
        try:
            result = await function(*arguments)
        except PenstockError as error:
            assert not isinstance(error, ContractError)  # noqa: PT017 - every other one is one of the ends
        else:
            if result is not None:
                self.received.append(result)

    def is_reading(self) -> bool:
        is_open = self.socket.state in (WebSocketState.OPEN, WebSocketState.CLOSE_SENT)
        return is_open and not self.has_ended and self.transport.sink is not None

    # -- by the client -------------------------------------------------------------------------------------------------------

    async def message(self) -> None:
        if self.is_reading() and self.arriving is None:
            self.number += 1
            self.arrived.append(str(self.number))
            self.socket.take_message(str(self.number))

    async def part(self) -> None:
        if self.is_reading():
            self.number += 1
            whole = (self.arriving or "") + f"{self.number} "
            is_end = self.chance.random() < 0.5
            self.arriving = None if is_end else whole
            if is_end:
                self.arrived.append(whole)
            self.socket.take_part(TEXT, f"{self.number} ".encode(), is_end)

    async def ping(self) -> None:
        if self.is_reading():
            self.socket.take_ping(b"ping")

    async def peer_close(self) -> None:
        if self.is_reading():
            self.has_ended = True
            self.socket.take_close(1000, "")

    async def fail(self) -> None:
        if self.is_reading():
            self.has_ended = True
            self.socket.fail(1002, "")

    async def lose(self) -> None:
        self.transport.lose(None)

    async def pause(self) -> None:
        self.transport.is_paused = True

    async def resume(self) -> None:
        if self.transport.sink is not None:
            self.transport.resume()

    # -- by the endpoint -----------------------------------------------------------------------------------------------------

    async def receive(self) -> None:
        self.call(self.socket.receive)

    async def send(self) -> None:
        self.call(lambda: self.socket.send("x"))

    async def send_part(self) -> None:
        is_end = self.chance.random() < 0.5
        self.call(lambda: self.socket.send_fragment(b"x", MessageType.TEXT, is_end))

    async def close(self) -> None:
        seconds = self.chance.choice([None, 1.0])
        self.call(lambda: self.socket.close(timeout=seconds))

    async def close_output(self) -> None:
        self.call(self.socket.close_output)

    async def cancel(self) -> None:
        if self.tasks:
            self.chance.choice(self.tasks).cancel()

    async def abort(self) -> None:
        self.socket.abort()

    # -- by the server -------------------------------------------------------------------------------------------------------

    async def go_away(self) -> None:
        self.socket.go_away(1001, "")

    async def abort_async(self) -> None:
        self.socket.abort_async()

    async def settle(self) -> None:
        await settle()

    async def pass_time(self) -> None:
        await advance(self.chance.choice([0.5, 2.0, 6.0]))


@pytest.mark.parametrize("seed", range(250))
def test_websockets_at_random(seed: int) -> None:
    async def journey() -> None:
        await Journey(seed).go()

    run(journey)
