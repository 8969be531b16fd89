"""A release is switched under a running server with real sockets: pipeline E-02."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.server import ServerThread
from tests.server.release_subject import Releases
from tests.server.test_generations import settings_of
from tests.wire.raw_client import RawClient

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Releases]:
    monkeypatch.delitem(sys.modules, "django", raising=False)  # another test may have imported it
    before = list(sys.path)
    subject = Releases(tmp_path, "wired_shop")
    for name in "12":
        subject.add(name)
    subject.switch("1")
    yield subject
    sys.path[:] = before
    for each in [each for each in sys.modules if each.partition(".")[0] == subject.name]:
        del sys.modules[each]


def test_pipeline_e02_every_request_of_every_connection_is_answered_by_old_or_new_code(releases: Releases) -> None:
    answers: list[list[tuple[int, bytes]]] = [[] for _ in range(4)]
    is_enough = threading.Event()

    def ask(number: int) -> None:
        with RawClient(server.address) as client:
            while not is_enough.is_set():
                client.send([GET])
                answer = client.read_answer()
                answers[number].append((answer.status, answer.body))
                if answers[number].count((200, b"2")) == 20:
                    break

    with ServerThread(settings_of(releases)) as server:
        server.call(lambda: server.server.generations.watch(server.runtime, interval=0.01))
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        with RawClient(server.address) as client:
            client.send([GET])
            assert client.read_answer().body == b"1"
            releases.switch("2")
        for thread in threads:
            thread.join(10)
        is_enough.set()
        statistics = server.call(server.runtime.statistics)
        assert (statistics.executing, statistics.queued, statistics.failed, statistics.rejected) == (0, 0, 0, 0)
    for given in answers:
        bodies = [body for _, body in given]
        assert {status for status, _ in given} == {200}
        assert bodies == sorted(bodies)  # who has seen the new code never sees the old again
        assert bodies[-1] == b"2"
