"""A frame sink that remembers what it was told, and can be waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class RecordingSink:
    """As `FrameSink`: `told` is what was called, by its name and with its arguments; `size` the bytes of data among it."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.size = 0
        self._changed = asyncio.Event()

    def take_message(self, data: str | bytes) -> None:
        self.size += len(data)
        self._note("message", data)

    def take_part(self, opcode: int, data: bytes, is_end: bool) -> None:  # noqa: FBT001 - as FrameSink has it
        self.size += len(data)
        self._note("part", opcode, data, is_end)

    def take_close(self, code: int, reason: str) -> None:
        self._note("close", code, reason)

    def take_ping(self, payload: bytes) -> None:
        self._note("ping", payload)

    def take_pong(self, payload: bytes) -> None:
        self._note("pong", payload)

    def fail(self, code: int, reason: str) -> None:
        self._note("fail", code)

    def lose(self, error: Exception | None) -> None:
        self._note("lose")

    def resume_sending(self) -> None:
        self._note("resume")

    def count(self, kind: str) -> int:
        return [each[0] for each in self.told].count(kind)

    async def wait(self, is_there: Callable[[], bool]) -> None:
        """Wait until `is_there`, which is asked again whenever something was told."""
        while not is_there():
            self._changed.clear()
            await self._changed.wait()

    async def wait_for(self, kind: str) -> None:
        await self.wait(lambda: self.count(kind) > 0)

    async def wait_for_any(self) -> None:
        await self.wait(lambda: bool(self.told))

    def _note(self, *what: object) -> None:
        self.told.append(what)
        self._changed.set()
