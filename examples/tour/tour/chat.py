"""This file is the chat room: everybody who is in it, whatever way they came, and the plainest of these ways."""

import asyncio
import json
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from penstock.request_sockets.websocket import WebSocket

LONGEST_NAME = 40  # characters
LONGEST_TEXT = 500
WAYS = ("A plain coroutine", "FastAPI", "Django Channels")

Tell = Callable[[str], None]


class Room:
    """One room for all ways in. What is told is JSON: `said` (name, text, way, at), `present` (how many by each way), `refused`."""

    def __init__(self) -> None:
        self.listeners: list[Tell] = []
        self.last: deque[str] = deque(maxlen=20)
        self._present: Counter[str] = Counter(dict.fromkeys(WAYS, 0))

    def hear(self, way: str, received: str | bytes | None, *, user: str = "") -> str | None:
        """Tell everybody what one has said, as `{"name": ..., "text": ...}`; `user` is who it is for certain.

        Returns what to tell this one in place of it when it cannot be read.
        """
        try:
            message = json.loads(received or "")
            name, text = str(message["name"]).strip(), str(message["text"]).strip()
        except (ValueError, TypeError, KeyError, RecursionError):
            return _tell("refused", text='Say something like {"name": "Ada", "text": "Hello!"}')
        if not text or len(text) > LONGEST_TEXT or len(name) > LONGEST_NAME:
            return _tell("refused", text=f"A name has up to {LONGEST_NAME} characters, a text 1 to {LONGEST_TEXT}.")
        said = _tell("said", name=user or name or "Somebody", text=text, way=way, known=bool(user), at=time.time())
        self.last.append(said)
        self._tell_all(said)
        return None

    def come(self, way: str, count: int = 1) -> None:
        """One more has come this way; one less with -1."""
        self._present[way] += count
        self._tell_all(_tell("present", ways=self._present))

    @contextmanager
    def enter(self, way: str) -> Iterator[asyncio.Queue[str]]:
        """Be in the room as long as the block lasts; what is told comes out of the queue. Who is too slow misses some."""
        told: asyncio.Queue[str] = asyncio.Queue(100)

        def listen(text: str) -> None:
            if not told.full():
                told.put_nowait(text)

        for text in self.last:
            listen(text)
        self.listeners.append(listen)
        self.come(way)
        try:
            yield told
        finally:
            self.listeners.remove(listen)
            self.come(way, -1)

    def _tell_all(self, text: str) -> None:
        for listen in self.listeners:
            listen(text)


def _tell(kind: str, **fields: object) -> str:
    return json.dumps({"kind": kind, **fields})


ROOM = Room()


async def talk(websocket: WebSocket) -> None:
    """The plainest way in: a coroutine that the site file names, and that is given the socket."""
    with ROOM.enter(WAYS[0]) as told:
        websocket.start(_pass_on(told, websocket))
        async for text in websocket:
            if (problem := ROOM.hear(WAYS[0], text)) is not None:
                await websocket.send(problem)


async def _pass_on(told: asyncio.Queue[str], websocket: WebSocket) -> None:
    while True:
        await websocket.send(await told.get())
