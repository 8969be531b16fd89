"""The states of a socket, and the transport of one that has none."""

import asyncio
import inspect

from penstock.intake.frame_transport import FrameTransport
from penstock.request_sockets.states import NO_TRANSPORT, WebSocketState
from penstock.request_sockets.websocket import WebSocket


def test_the_states_are_those_of_the_table() -> None:
    assert [state.name for state in WebSocketState] == ["OPEN", "CLOSE_SENT", "CLOSE_RECEIVED", "CLOSED", "ABORTED"]


def test_no_transport_takes_everything_and_does_nothing() -> None:
    async def journey() -> None:
        transport: FrameTransport = NO_TRANSPORT
        transport.attach(WebSocket(None))
        transport.write(1, b"a", fin=False, compress=False)
        transport.write_control(9, b"")
        for name in ("pause_reading", "resume_reading", "close", "abort"):
            assert getattr(transport, name)() is None
        assert transport.wait_drained() is None
        assert not transport.is_paused

    asyncio.run(journey())
    assert {name for name, _ in inspect.getmembers(NO_TRANSPORT) if name[0] != "_"} == {
        *(name for name in vars(FrameTransport) if name[0] != "_"),
        "is_paused",
    }
