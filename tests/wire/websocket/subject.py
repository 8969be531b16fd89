"""The endpoints behind the tests of WebSockets on the wire, and a server for them that must be left clean."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from penstock import Context
from penstock.request_sockets.options import AcceptOptions
from penstock.request_sockets.websocket import WebSocket
from penstock.server import ServerThread
from penstock.settings import AppSettings, LocationSettings, RouteSettings, ServerSettings, Settings, SiteSettings
from penstock.settings.websocket_model import WebSocketSettings
from tests.wire.listener_subject import Errors, eventually, server_settings
from tests.wire.websocket.frames_client import FramesClient

PIECE = 1300


async def echo(websocket: WebSocket) -> None:
    async for message in websocket:
        await websocket.send(message)


async def echo_in_fragments(websocket: WebSocket) -> None:
    """Answers in fragments of PIECE bytes, however the message came."""
    while True:
        received = await websocket.receive_fragment()
        if received.close_code is not None:
            return
        pieces = [received.data[start : start + PIECE] for start in range(0, max(1, len(received.data)), PIECE)]
        for piece in pieces[:-1]:
            await websocket.send_fragment(piece, received.type, False)
        await websocket.send_fragment(pieces[-1], received.type, received.end_of_message)


Endpoint = Callable[[WebSocket], Any]


def accepting(endpoint: Endpoint, **options: Any) -> Callable[..., None]:
    """A handler that accepts with `options` and leaves the socket to `endpoint`."""

    def handler(context: Context) -> None:
        context.accept_websocket(endpoint, AcceptOptions(**options) if options else None)

    return handler


ENDPOINTS: dict[str, Callable[..., object]] = {
    "/echo": accepting(echo),
    "/in-fragments": accepting(echo_in_fragments),
    "/in-compressed-fragments": accepting(echo_in_fragments, compression=True),
    "/deflate": accepting(echo),  # any ratio: zeros are packed 1000 times
    "/deflate-capped": accepting(echo, compression=True),
}


class SocketServer:
    """A server of endpoints being asked."""

    def __init__(self, thread: ServerThread) -> None:
        self.thread = thread

    @property
    def address(self) -> tuple[str, int]:
        return self.thread.address

    def connect(self, **options: Any) -> FramesClient:
        return FramesClient(self.address, **options)

    def take_turn(self) -> None:
        """Let the server's loop turn, so that what was sent does not melt into one read with what comes next."""
        self.thread.call(dict)

    def open_count(self) -> int:
        return int(self.thread.runtime.sockets.statistics().executing)

    def check_empty(self) -> None:
        runtime = self.thread.runtime
        assert eventually(lambda: self.open_count() == 0), f"{self.open_count()} sockets were left open"
        assert eventually(lambda: runtime.statistics().executing == 0), runtime.statistics()


@contextmanager
def serving(
    routes: Mapping[str, Callable[..., object]] | None = None,
    *,
    app: Callable[..., object] | None = None,
    server: ServerSettings | None = None,
    locations: Sequence[LocationSettings] = (),
) -> Iterator[SocketServer]:
    """Serve `routes`, and `app` at /asgi; at the end no socket is left, and nothing was logged as an error."""
    routes = ENDPOINTS if routes is None else routes
    objects = {f"tested:route{number}": handler for number, handler in enumerate(routes.values())}
    site = SiteSettings(
        routes=tuple(RouteSettings(at=at, function=name) for at, name in zip(routes, tuple(objects), strict=True)),
        locations=(
            LocationSettings(at="/deflate", websockets=WebSocketSettings(compression=True, max_ratio=0)),
            *locations,
        ),
        apps=() if app is None else (AppSettings(at="/asgi", asgi="tested:app"),),
    )
    if app is not None:
        objects["tested:app"] = app
    errors = Errors()
    settings = Settings(server=server or server_settings(), sites=(site,))
    with errors, ServerThread(settings, objects=objects) as thread:
        served = SocketServer(thread)
        yield served
        if thread.server._host is not None:
            served.check_empty()
    assert errors.lines == [], "\n".join(errors.lines)
