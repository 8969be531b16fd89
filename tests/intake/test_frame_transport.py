"""The shape in which hosts carry the frames of a WebSocket: every transport has it, and the WebSocket is what it feeds."""

import ast

import pytest

from penstock.intake.frame_transport import UpgradeTerms
from tests.intake.test_worker_request import functions_of, parameters_of, read_class, slots_of

CONTRACT = "intake/frame_transport.py"
TRANSPORTS = {
    "FrameConnection": "hosts/frame_connection.py",
    "MemorySocket": "hosts/memory_socket.py",
    "NoTransport": "request_sockets/states.py",
}
METHODS = functions_of(read_class("FrameTransport", CONTRACT))


@pytest.mark.parametrize("name", sorted(METHODS))
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_transport_has_every_method_with_its_parameters(transport: str, name: str) -> None:
    found = functions_of(read_class(transport, TRANSPORTS[transport]))[name]
    assert parameters_of(found) == parameters_of(METHODS[name])
    assert isinstance(found, ast.FunctionDef)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_transport_says_whether_its_client_reads_slowly(transport: str) -> None:
    source = read_class(transport, TRANSPORTS[transport])
    assert "is_paused" in slots_of(source) or "is_paused" in functions_of(source)


def test_its_terms_have_limits_by_default() -> None:
    terms = UpgradeTerms(b"key")
    assert (terms.max_message_size, terms.max_ratio) == (16 * 1024 * 1024, 100)
    assert (terms.keepalive_interval, terms.keepalive_timeout) == (20.0, 20.0)
    assert (terms.subprotocol, terms.deflate) == (None, None)
