"""How upgrades of a host are tried: a sound host passes, and each broken rule is found and named."""

from typing import Any

import pytest

from penstock.errors import ContractError
from penstock.http.messages import ResponseHead
from penstock.intake.frame_transport import UpgradeTerms
from penstock.settings import LimitSettings
from penstock.testing.both_ends import memory_requests
from penstock.testing.host_upgrading import UPGRADING
from tests.testing.broken_sockets import problems_of
from tests.testing.http1_requests import ask_http1


@pytest.mark.parametrize("host", [ask_http1, memory_requests(LimitSettings())], ids=["HTTP/1.1", "in memory"])
def test_a_sound_host_passes(host: Any) -> None:
    assert problems_of(UPGRADING, host) == ""


def names_fields_only(made: Any, head: ResponseHead, terms: UpgradeTerms) -> Any:
    socket = made.upgrade(head, terms)
    if socket is not None:
        made.response_head = ResponseHead(101, list(head.raw_headers))
    return socket


def takes_any_head(made: Any, head: ResponseHead, terms: UpgradeTerms) -> Any:
    try:
        return made.upgrade(head, terms)
    except ContractError:
        return made.upgrade(ResponseHead(101, []), terms)


def never_compresses(made: Any, head: ResponseHead, terms: UpgradeTerms) -> Any:
    terms.deflate = None
    return made.upgrade(head, terms)


def takes_any_size(made: Any, head: ResponseHead, terms: UpgradeTerms) -> Any:
    terms.max_message_size = 1 << 30
    return made.upgrade(head, terms)


def serves_nobody(made: Any, head: ResponseHead, terms: UpgradeTerms) -> Any:
    made.is_disconnected = False
    return made.upgrade(head, terms)


def gives_nothing(made: Any, head: ResponseHead, terms: UpgradeTerms) -> Any:
    made.upgrade(head, terms)


@pytest.mark.parametrize(
    ("upgrade", "told"),
    [
        (names_fields_only, ["has sec-websocket-accept: None", "has upgrade: b''", "has a content-length"]),
        (takes_any_head, ["a line break in a field of a 101 was accepted"]),
        (never_compresses, ["compressed messages: a compressed 'Hello' was told as [('fail', 1002)]"]),
        (takes_any_size, ["a message that is too long: it was told as [('message', 'xxxxxxxxxxx'), "]),
        (serves_nobody, ["upgrade() gave a transport although the client has left"]),
        (gives_nothing, ["a WebSocket handshake: upgrade() gave None", "frames that come: upgrade() gave None"]),
    ],
)
def test_each_broken_rule_of_an_upgrade_is_named(upgrade: Any, told: list[str]) -> None:
    problems = problems_of(UPGRADING, upgrade=upgrade)
    assert [words for words in told if words not in problems] == [], problems


def forgets_what_came_early(socket: Any) -> dict[str, Any]:
    socket._received.clear()
    return {}


def compresses_all(socket: Any) -> dict[str, Any]:
    def write(opcode: int, payload: bytes, *, fin: bool = True, compress: bool = True) -> None:
        socket.write(opcode, payload, fin=fin)

    return {"write": write}


def is_always_final(socket: Any) -> dict[str, Any]:
    return {"write": lambda opcode, payload, fin=True, compress=True: socket.write(opcode, payload, compress=compress)}


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (forgets_what_came_early, "frames right behind a handshake: was not done"),
        (compresses_all, "compressed messages: a message that shall not be compressed ends in"),
        (is_always_final, "frames that leave: the client received the frames b'\\x81\\x02he"),
    ],
)
def test_each_broken_rule_of_frames_is_named(broken: Any, told: str) -> None:
    problems = problems_of(UPGRADING, broken=broken)
    assert told in problems, problems
