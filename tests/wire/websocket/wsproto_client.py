"""A small client over wsproto and a plain socket: another reading of RFC 6455 than ours."""

import socket
from collections.abc import Sequence
from typing import Self

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Pong,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.extensions import Extension, PerMessageDeflate


class WsprotoClient:
    """One connection; every wait ends after five seconds."""

    def __init__(
        self, address: tuple[str, int], target: str, *, subprotocols: Sequence[str] = (), deflate: bool = False
    ) -> None:
        self._socket = socket.create_connection(address, timeout=5)
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._events: list[Event] = []
        extensions: list[Extension] = [PerMessageDeflate()] if deflate else []
        self.send(Request(host="example.org", target=target, subprotocols=list(subprotocols), extensions=extensions))
        self.opening = self.next()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.close()

    @property
    def accepted(self) -> AcceptConnection:
        assert isinstance(self.opening, AcceptConnection), self.opening
        return self.opening

    def send(self, event: Event) -> None:
        self._socket.sendall(self._protocol.send(event))

    def next(self) -> Event | None:
        """The next event, None at the end of the connection."""
        while not self._events:
            received = self._socket.recv(65_536)
            self._protocol.receive_data(received or None)
            self._events += self._protocol.events()
            if not received and not self._events:
                return None
        return self._events.pop(0)

    def read_message(self) -> str | bytes:
        """The next message, however many events it comes in."""
        pieces: list[str] | list[bytes] = []
        while True:
            event = self.next()
            assert isinstance(event, TextMessage | BytesMessage), event
            pieces.append(event.data)  # type: ignore[arg-type]
            if event.message_finished:
                return "".join(pieces) if isinstance(event, TextMessage) else b"".join(pieces)  # type: ignore[arg-type]

    def read_pong(self) -> bytes:
        event = self.next()
        assert isinstance(event, Pong), event
        return bytes(event.payload)

    def read_close(self) -> tuple[int, str]:
        """Code and reason of the Close that comes next, answered, and then the end."""
        event = self.next()
        assert isinstance(event, CloseConnection), event
        if self._protocol.state.name != "CLOSED":
            self.send(event.response())
        assert self._socket.recv(1) == b""
        return event.code, event.reason or ""


__all__ = ["CloseConnection", "Message", "RejectConnection", "RejectData", "WsprotoClient"]
