"""Hostile backends and clients of the proxy on real sockets: what each gets, and that nothing is left behind."""

import asyncio
import random
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from penstock.request_handlers.proxy import Proxy
from penstock.server import ServerThread
from penstock.settings import BackendSettings, Settings, SiteSettings
from tests.request_handlers.proxy_subject import OK, Backend, Conversation, Script
from tests.wire.listener_subject import eventually, get, server_settings
from tests.wire.raw_client import RawClient

HEAD = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def backend(script: Script) -> Iterator[Backend]:
    """A scripted backend on a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    made = Backend(script)
    asyncio.run_coroutine_threadsafe(made.listen(), loop).result(5)
    try:
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(made.vanish(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def proxying(script: Script, **keys: Any) -> Iterator[tuple[ServerThread, Backend]]:
    """A proxy in front of one scripted backend; at its end nothing is inside, and the backend serves nobody."""
    with backend(script) as behind:
        site = SiteSettings(proxies=(BackendSettings(at="/", to=(behind.url,), **keys),))
        with ServerThread(Settings(server=server_settings(), sites=(site,))) as front:
            yield front, behind
            assert eventually(lambda: front.runtime.statistics().executing == 0)
            (backend_of_it,) = proxy_of(front).backends._all
            assert backend_of_it.inside == 0
            assert len(backend_of_it.pool._idle) == backend_of_it.pool.open, "whoever is not idle is closed"
            assert not backend_of_it.pool._waiting
            assert not backend_of_it.pool._opening


def proxy_of(front: ServerThread) -> Proxy:
    (found,) = [each.handler for each in front.server.sites[0].mounts]
    assert isinstance(found, Proxy)
    return found


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def mirror(conversation: Conversation) -> None:
    while True:
        head = await conversation.head()
        await conversation.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(head), head))


SMUGGLING = {
    "both": b"Transfer-Encoding: chunked\r\nContent-Length: 4",
    "space in front of the colon": b"Transfer-Encoding : chunked",
    "vertical tab": b"Transfer-Encoding:\x0bchunked",
    "not chunked": b"Transfer-Encoding: xchunked",
    "chunked twice": b"Transfer-Encoding: chunked, chunked",
    "two fields": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "bare line feed": b"X: y\nTransfer-Encoding: chunked",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 6",
    "list of lengths": b"Content-Length: 5, 5",
    "sign": b"Content-Length: +5",
}


class TestClients:
    @pytest.mark.parametrize("framing", SMUGGLING.values(), ids=SMUGGLING)
    def test_rfc9112_section_11_2_smuggled_requests_reach_no_backend(self, framing: bytes) -> None:
        with proxying(mirror) as (front, behind), RawClient(front.address) as client:
            client.send([b"POST / HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n"])
            assert client.read_answer().status == 400
            assert behind.heads == []

    @pytest.mark.parametrize(
        "fields",
        [
            (b"Connection: host, x-forwarded-for, content-length", b"Content-Length: 0"),
            (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
            (b"Connection: x-secret", b"X-Secret: 1", b"Transfer_Encoding: chunked", b"Content_Length: 5"),
            (b"TE: trailers", b"Trailer: x", b"Keep-Alive: timeout=5", b"Proxy-Connection: x"),
        ],
    )
    def test_rfc9110_section_7_6_1_what_is_named_stays_here_and_what_is_ours_is_said(self, fields: Any) -> None:
        with proxying(mirror) as (front, _), RawClient(front.address) as client:
            client.send([get("/", *fields)])
            assert {line.partition(b":")[0] for line in client.read_answer().body.split(b"\r\n")[1:-2]} <= {
                b"host",
                b"x-forwarded-proto",
                b"x-forwarded-for",
                b"x-forwarded-host",
            }

    @pytest.mark.parametrize("sent", [b"", b"x" * 1000, b"x" * 150_000])
    def test_one_that_leaves_in_mid_upload_is_told_to_the_backend(self, sent: bytes) -> None:
        async def swallow(conversation: Conversation) -> None:
            await conversation.head()
            await conversation.wait_end()

        with proxying(swallow) as (front, behind):
            with RawClient(front.address) as client:
                client.send([get("/", b"Content-Length: 200000", method="POST") + sent])
                assert eventually(lambda: bool(behind.heads))
            assert eventually(behind.ended.is_set)

    def test_one_that_leaves_in_mid_download_is_told_to_the_backend(self) -> None:
        async def endless(conversation: Conversation) -> None:
            await conversation.head()
            await conversation.say(HEAD + b"transfer-encoding: chunked\r\n\r\n")
            while True:
                await conversation.say(b"1000\r\n" + b"x" * 4096 + b"\r\n")

        with proxying(endless) as (front, behind):
            with RawClient(front.address) as client:
                client.send([get()])
                assert client.has_answer()
            assert eventually(behind.ended.is_set)


class TestBackends:
    def test_rfc8297_and_rfc9110_section_6_5_hints_and_trailers_pass(self) -> None:
        async def script(conversation: Conversation) -> None:
            while True:
                await conversation.head()
                await conversation.say(
                    b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\nconnection: x-a\r\nx-a: 1\r\n\r\n"
                )
                await conversation.say(HEAD + b"transfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n5\r\nhello\r\n")
                await conversation.say(b"0\r\nx-sum: 7\r\n\r\n")

        with proxying(script) as (front, behind), socket.create_connection(front.address, timeout=5) as client:
            for _ in range(2):
                client.sendall(get("/", b"TE: trailers"))
                answer = b""
                while not answer.endswith(b"x-sum: 7\r\n\r\n"):
                    answer += client.recv(65_536)
                assert answer.startswith(b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\n")
            assert behind.connections == 1

    def test_rfc9112_section_9_3_1_a_stale_connection_is_no_error_for_what_may_be_repeated(self) -> None:
        async def once(conversation: Conversation) -> None:
            await conversation.head()
            await conversation.say(OK)
            await conversation.head()
            conversation.reset()

        with proxying(once) as (front, behind), RawClient(front.address) as client:
            statuses = []
            for method in ("GET", "GET", "GET", "POST", "GET"):
                client.send([get("/", b"Content-Length: 0", method=method)])
                statuses.append(client.read_answer().status)
            assert statuses == [200, 200, 200, 502, 200]
            assert len(behind.heads) == 7, "two were asked again, and the POST was not"

    def test_an_answer_in_front_of_the_upload_passes_and_ends_the_connection(self) -> None:
        async def early(conversation: Conversation) -> None:
            await conversation.head()
            await conversation.say(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
            await conversation.wait_end()

        with proxying(early) as (front, behind), RawClient(front.address) as client:
            client.send([get("/", b"Content-Length: 200000", method="POST"), b"x" * 10])
            assert client.read_answer().status == 413
            assert eventually(behind.ended.is_set)

    def test_bad_input_thousands_of_requests_at_random_leave_nothing_behind(self) -> None:
        with proxying(moody, connections=16, read_timeout=0.2) as (front, _):
            before = 0
            for number in range(3):
                with ThreadPoolExecutor(8) as threads:
                    list(
                        threads.map(lambda seed: disturb(front.address, seed), range(number * 400, number * 400 + 400))
                    )
                assert eventually(lambda: front.runtime.statistics().executing == 0)
                (pool,) = [each.pool for each in proxy_of(front).backends._all]
                assert eventually(lambda: pool.open == len(pool._idle))  # noqa: B023 - at once
                before = before or descriptors()
            assert descriptors() <= before + 20, "but for idle connections nothing is open"


async def moody(conversation: Conversation) -> None:
    """Answers as it should, or not; which of them is by chance, and always the same."""
    chance = random.Random(conversation.backend.connections)
    answers: list[tuple[bytes, ...]] = [
        (HEAD + b"content-length: 100000\r\n\r\n", b"x" * 5000),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhelloXX",),
        (HEAD + b"\r\nhello",),
        (HEAD + b"content-length: 2\r\n\r\n", b"ok", HEAD),
        (b"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",),
        (),
    ]
    while True:
        await conversation.head()
        if chance.random() < 0.6:
            await conversation.say(OK)
            continue
        await conversation.say(*chance.choice(answers))
        end = chance.randrange(3)
        if end == 0:
            conversation.reset()
        elif end == 1:
            await conversation.wait_end()
        return


def disturb(address: tuple[str, int], seed: int) -> None:
    chance = random.Random(seed)
    requests = [
        get("/", b"Connection: close"),
        get("/", b"Content-Length: 100000", method="POST") + b"x" * chance.choice((0, 10, 100_000)),
        get("/", b"Transfer-Encoding: chunked", method="POST")
        + b"5\r\nhello\r\n"
        + chance.choice((b"", b"z", b"0\r\n\r\n")),
    ]
    try:
        with socket.create_connection(address, timeout=1) as client:
            client.sendall(chance.choice(requests))
            for _ in range(chance.choice((0, 1, 20))):
                client.settimeout(0.1)
                if not client.recv(65_536):
                    break
    except OSError:
        pass  # it is what it asked for
