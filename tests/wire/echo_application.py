"""The application behind the corpus: it reads its whole body, echoes it, and remembers what reached it."""

import threading
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(slots=True)
class Seen:
    """One request as the application saw it."""

    method: str
    path: str
    headers: list[tuple[bytes, bytes]]
    body: bytearray = field(default_factory=bytearray)
    is_answered: bool = False
    is_told: bool = False  # that there will be no complete body


class EchoApplication:
    """`/unread` is answered without reading the body, `/big` with 64 KiB, everything else with the body it sent."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._changed = threading.Condition()

    def forget(self) -> None:
        self.seen = []

    def wait_until(self, is_so: Callable[[], bool], *, seconds: float = 3.0) -> bool:
        """Whether `is_so` comes true within `seconds`."""
        with self._changed:
            return self._changed.wait_for(is_so, seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await live(receive, send)
            return
        seen = Seen(scope["method"], scope["path"], [(bytes(name), bytes(value)) for name, value in scope["headers"]])
        with self._changed:
            self.seen.append(seen)
        try:
            await self._answer(seen, receive, send)
        except OSError:
            self._tell(seen)  # a native exception tells as well as http.disconnect

    async def _answer(self, seen: Seen, receive: Receive, send: Send) -> None:
        if seen.path == "/big":
            seen.body += b"b" * 65_536
        elif seen.path != "/unread" and not await self._read(seen, receive):
            self._tell(seen)
            return
        with self._changed:
            seen.is_answered = True
            self._changed.notify_all()
        headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(seen.body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": bytes(seen.body)})

    async def _read(self, seen: Seen, receive: Receive) -> bool:
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return False
            with self._changed:
                seen.body += message.get("body", b"")
                self._changed.notify_all()
            more = message.get("more_body", False)
        return True

    def _tell(self, seen: Seen) -> None:
        with self._changed:
            seen.is_told = True
            self._changed.notify_all()


async def live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return
