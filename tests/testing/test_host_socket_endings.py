"""How the ends of a host's WebSockets are tried: a sound host passes, and each broken rule is found and named."""

from typing import Any

import pytest

from penstock.settings import LimitSettings
from penstock.testing.both_ends import memory_requests
from penstock.testing.host_socket_endings import SOCKET_ENDINGS
from tests.testing.broken_sockets import Broken, problems_of
from tests.testing.http1_requests import ask_http1


@pytest.mark.parametrize("host", [ask_http1, memory_requests(LimitSettings())], ids=["HTTP/1.1", "in memory"])
def test_a_sound_host_passes(host: Any) -> None:
    assert problems_of(SOCKET_ENDINGS, host) == ""


def never_full(socket: Any) -> dict[str, Any]:
    return {"is_paused": False}


def reads_on(socket: Any) -> dict[str, Any]:
    return {"pause_reading": lambda: None}


def forgets_at_its_end(socket: Any) -> dict[str, Any]:
    def close() -> None:
        socket.take()
        socket.close()

    return {"close": close}


class Twice(Broken):
    """A sink that is told twice of its end."""

    def lose(self, error: Exception | None) -> None:
        self.whole.lose(error)
        self.whole.lose(error)


def loses_twice(socket: Any) -> dict[str, Any]:
    return {"attach": lambda sink: socket.attach(Twice(sink))}


def never_loses(socket: Any) -> dict[str, Any]:
    return {"attach": lambda sink: socket.attach(Broken(sink, lose=lambda error: None))}


def never_resumes(socket: Any) -> dict[str, Any]:
    return {"attach": lambda sink: socket.attach(Broken(sink, resume_sending=lambda: None))}


def is_never_drained(socket: Any) -> dict[str, Any]:
    return {"wait_drained": lambda: "later"}


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (never_full, ["is_paused stayed false: 64 MiB are kept"]),
        (reads_on, ["bytes came behind pause_reading()"]),
        (forgets_at_its_end, ["written before close() the client received 0"]),
        (loses_twice, ["is closed: lose() was called 2 times, not once", "is dropped: lose() was called 2 times"]),
        (never_loses, ["a WebSocket that is dropped: was not done after", "whose client leaves: was not done"]),
        (never_resumes, ["a WebSocket whose client reads slowly: was not done"]),
        (is_never_drained, ["wait_drained() is not None although the connection is gone"]),
    ],
)
def test_each_broken_rule_is_named(broken: Any, told: list[str]) -> None:
    problems = problems_of(SOCKET_ENDINGS, broken=broken)
    assert [words for words in told if words not in problems] == [], problems
