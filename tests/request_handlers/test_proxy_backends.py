"""Several backends: who is asked next, who is not asked at all, and what is answered when nobody is there."""

import asyncio
import socket

import pytest

from penstock.errors import BackendFailed
from penstock.request_handlers.proxy_answer_head import AnswerReader
from penstock.request_handlers.proxy_backends import Backend as Place
from penstock.request_handlers.proxy_backends import Backends, make_backend
from penstock.request_handlers.proxy_health import Health
from penstock.request_handlers.proxy_pool import PoolLimits
from penstock.server import open_client
from penstock.settings import HealthSettings
from tests.pipeline.subject import LOOPS, run
from tests.pipeline_gateways.wsgi_subject import wait_until
from tests.request_handlers.proxy_subject import OK, Backend, Conversation, Script, logged, proxy_site, quiet, saying


def place(name: str) -> Place:
    limits = PoolLimits(connections=1, queue=0, keep_alive=1, connect_timeout=1, read_timeout=1)
    return make_backend(name, Health(name, unhealthy_after=1), reader=AnswerReader(1000), limits=limits)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.parametrize(
    ("name", "where", "host"),
    [
        ("http://localhost", ("localhost", 80, ""), b"localhost"),
        ("http://a.example:9000/", ("a.example", 9000, ""), b"a.example:9000"),
        ("http://[::1]", ("::1", 80, ""), b"[::1]"),
        ("http://[::1]:81", ("::1", 81, ""), b"[::1]:81"),
        ("unix:/run/a.sock", ("", 0, "/run/a.sock"), b"localhost"),
        ("unix:///run/a.sock", ("", 0, "/run/a.sock"), b"localhost"),
    ],
)
def test_where_a_backend_is(name: str, where: tuple[str, int, str], host: bytes) -> None:
    async def journey() -> None:
        found = place(name)
        assert (found.pool.host, found.pool.port, found.pool.path) == where
        assert found.host == host

    run(journey)


def test_each_in_turn_and_the_idle_first() -> None:
    async def journey() -> None:
        places = [place(f"http://{name}") for name in "abc"]
        in_turn = Backends(places)
        assert [in_turn.choose().name[-1] for _ in range(6)] == list("abcabc")
        places[0].inside, places[1].inside, places[2].inside = 2, 1, 2
        least = Backends(places, is_least=True)
        assert [least.choose().name[-1] for _ in range(3)] == list("bbb")
        places[1].inside = 3
        assert {least.choose().name[-1] for _ in range(6)} == {"a", "c"}, "ties are broken in turn"

    run(journey)


def test_those_that_were_tried_come_last_and_those_that_are_down_not_at_all() -> None:
    async def journey() -> None:
        places = [place(f"http://{name}") for name in "abc"]
        backends = Backends(places)
        assert backends.choose(places[:2]) is places[2]
        assert backends.choose(places[:2]) is places[2]
        assert backends.choose(places) in places
        assert backends.has_untried(places[:2])
        assert not backends.has_untried(places)
        now = asyncio.get_running_loop().time()
        places[2].health.note_no_connection("refused", now)
        assert not backends.has_untried(places[:2])
        assert {backends.choose() for _ in range(6)} == set(places[:2])
        for each in places:
            each.health.note_no_connection("refused", now)
        with pytest.raises(BackendFailed) as caught:
            backends.choose()
        assert (caught.value.status, caught.value.headers) == (503, ((b"retry-after", b"5"),))
        assert "http" not in caught.value.detail

    run(journey)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_when_one_cannot_be_reached_another_is_asked(method: str, loop: str) -> None:
    async def journey() -> None:
        async with Backend(saying(OK)) as backend:
            gone = f"http://127.0.0.1:{free_port()}"
            async with open_client(proxy_site(gone, backend), server=quiet()) as client:
                for _ in range(8):
                    answer = await client.request(method, "/", body=b"x" if method == "POST" else b"")
                    assert answer.status == 200, "it has seen nothing of the request yet"

    run(journey, loop)


@pytest.mark.parametrize(("retries", "statuses"), [(0, {200, 502}), (1, {200})])
def test_each_is_tried_once(retries: int, statuses: set[int]) -> None:
    async def journey() -> None:
        async with Backend(saying(OK)) as backend:
            gone = [f"http://127.0.0.1:{free_port()}" for _ in range(3)]
            health = HealthSettings(unhealthy_after=1000)
            async with open_client(
                proxy_site(*gone, backend, retries=retries, health=health), server=quiet()
            ) as client:
                assert {(await client.get("/")).status for _ in range(8)} == statuses

    run(journey)


def test_502_when_the_only_one_refuses_then_503_until_it_is_tried_again() -> None:
    async def journey() -> None:
        backend = Backend(saying(OK))
        await backend.listen()
        await backend.vanish()
        health = HealthSettings(unhealthy_after=2, interval=0.2)
        async with open_client(proxy_site(backend, health=health), server=quiet()) as client:
            with logged() as lines:
                first = [(await client.get("/")).status for _ in range(3)]
            assert first == [502, 502, 503]
            assert "Connect call failed" in lines[0] or "refused" in lines[0]
            answer = await client.get("/")
            assert answer.headers["retry-after"] == "1"
            assert "127.0.0.1" not in answer.text
            await backend.listen()
            await asyncio.sleep(0.25)
            assert (await client.get("/")).status == 200
            await backend.vanish()

    run(journey)


def test_a_backend_that_says_it_is_ill_gets_no_requests_until_it_is_well() -> None:
    is_well = asyncio.Event()

    def named(name: bytes, *, is_ill: bool) -> Script:
        async def script(conversation: Conversation) -> None:
            while True:
                head = await conversation.head()
                if b" /health " in head:
                    is_bad = is_ill and not is_well.is_set()
                    await conversation.say(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % (503 if is_bad else 200))
                    return
                await conversation.say(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n" + name)

        return script

    async def journey() -> None:
        health = HealthSettings(path="/health", interval=0.02, unhealthy_after=1, healthy_after=1)
        async with (
            Backend(named(b"a", is_ill=True)) as a,
            Backend(named(b"b", is_ill=False)) as b,
            open_client(proxy_site(a, b, health=health), server=quiet()) as client,
        ):
            await wait_until(lambda: len(a.heads) > 1)
            assert {(await client.get("/")).body for _ in range(4)} == {b"b"}
            is_well.set()
            asked = len(a.heads)
            await wait_until(lambda: len(a.heads) > asked + 2)
            assert {(await client.get("/")).body for _ in range(4)} == {b"a", b"b"}

    run(journey)


def test_504_when_a_connect_takes_too_long() -> None:
    """A socket that listens and whose queue is full takes no more connections, and does not refuse them either."""

    async def journey() -> None:
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen(0)
            port = deaf.getsockname()[1]
            fillers = [socket.socket() for _ in range(3)]
            for each in fillers:
                each.setblocking(False)
                each.connect_ex(("127.0.0.1", port))
            async with open_client(
                proxy_site(f"http://127.0.0.1:{port}", connect_timeout=0.1), server=quiet()
            ) as client:
                with logged() as lines:
                    assert (await client.get("/")).status == 504
                assert "no connection in time" in lines[0]
            for each in fillers:
                each.close()

    run(journey)
