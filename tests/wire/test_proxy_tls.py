"""Backends that are asked over TLS: whose certificate is believed, what is told of one that is not, and what passes."""

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from websockets.asyncio.server import serve

from penstock.request_handlers.proxy_place import make_tls
from penstock.server import open_client
from penstock.settings import HealthSettings
from tests.pipeline.subject import LOOPS, run
from tests.pipeline_gateways.wsgi_subject import wait_until
from tests.request_handlers.proxy_subject import OK, Backend, Conversation, Script, logged, proxy_site, quiet, saying
from tests.request_handlers.test_proxy_socket import echo


class Authority:
    """Vouches for certificates; `file` is its own."""

    def __init__(self, folder: Path) -> None:
        self._made = trustme.CA()
        self.file = str(folder / "ca.pem")
        self._made.cert_pem.write_to_path(self.file)

    def backend(self, script: Script, *, certified: str = "localhost", name: str = "localhost") -> Backend:
        return Backend(script, tls=self.context(certified), name=name)

    def context(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._made.issue_cert(name).configure_cert(context)
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


async def ask(backend: Backend, **keys: Any) -> tuple[int, str]:
    """The status and body of one answer, and with them what the log says."""
    async with backend, open_client(proxy_site(backend, retries=0, **keys), server=quiet()) as client:
        with logged() as lines:
            answer = await client.get("/")
        return answer.status, "\n".join([answer.text, *lines])


@pytest.mark.parametrize("loop", LOOPS)
def test_rfc9110_section_4_3_4_a_certificate_that_is_vouched_for_is_believed(authority: Authority, loop: str) -> None:
    async def journey() -> None:
        backend = authority.backend(saying(OK))
        async with backend, open_client(proxy_site(backend, ca=authority.file), server=quiet()) as client:
            for _ in range(3):
                assert (await client.get("/")).text == "ok"
            assert backend.connections == 1

    run(journey, loop=loop)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_rfc9110_section_4_3_4_names_and_addresses_are_looked_at(authority: Authority, name: str) -> None:
    async def journey() -> None:
        assert await ask(authority.backend(saying(OK), certified=name, name=name), ca=authority.file) == (200, "ok")
        other = "localhost" if name == "127.0.0.1" else "other.example"
        status, told = await ask(authority.backend(saying(OK), certified=other, name=name), ca=authority.file)
        assert status == 502
        assert "its certificate is refused:" in told
        assert "mismatch" in told

    run(journey)


@pytest.mark.parametrize("loop", LOOPS)
def test_nobody_but_the_system_is_trusted_by_itself(authority: Authority, loop: str) -> None:
    async def journey() -> None:
        backend = authority.backend(saying(OK))
        status, told = await ask(backend)
        assert status == 502
        assert f"GET / answered with 502: {backend.url}: its certificate is refused: unable to get local issuer" in told
        assert backend.heads == [], "nothing of the request was told to a stranger"

    run(journey, loop=loop)


def test_a_backend_that_speaks_no_tls_is_a_502() -> None:
    async def nonsense(conversation: Conversation) -> None:
        await conversation.say(OK)
        await conversation.wait_end()

    async def journey() -> None:
        async with Backend(nonsense) as backend:
            secure = backend.url.replace("http:", "https:")
            async with open_client(proxy_site(secure, retries=0), server=quiet()) as client:
                with logged() as lines:
                    assert (await client.get("/")).status == 502
                assert f"{secure}: no connection: " in lines[0]

    run(journey)


def test_504_when_a_handshake_does_not_end() -> None:
    async def silent(conversation: Conversation) -> None:
        await conversation.wait_end()

    async def journey() -> None:
        async with Backend(silent) as backend:
            secure = backend.url.replace("http:", "https:")
            async with open_client(proxy_site(secure, retries=0, connect_timeout=0.1), server=quiet()) as client:
                assert (await client.get("/")).status == 504

    run(journey)


@pytest.mark.parametrize("loop", LOOPS)
def test_bodies_pass_both_ways_and_slow_clients_slow_the_backend_down(authority: Authority, loop: str) -> None:
    async def echo(conversation: Conversation) -> None:
        await conversation.head()
        body = await conversation.body(3_000_000)
        await conversation.say(b"HTTP/1.1 200 OK\r\ncontent-length: 3000000\r\n\r\n", body)
        await conversation.wait_end()

    async def journey() -> None:
        backend = authority.backend(echo)
        async with (
            backend,
            open_client(proxy_site(backend, ca=authority.file, buffer=65_536), server=quiet()) as client,
        ):
            body = b"0123456789" * 300_000
            assert (await client.post("/", body)).body == body

    run(journey, loop=loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_rfc6455_websockets_pass_over_tls(authority: Authority, loop: str) -> None:
    async def journey() -> None:
        async with serve(echo, "127.0.0.1", 0, ssl=authority.context("127.0.0.1"), max_size=None) as server:
            port = server.sockets[0].getsockname()[1]
            site = proxy_site(f"https://127.0.0.1:{port}", ca=authority.file)
            async with open_client(site, server=quiet()) as client, client.websocket("/") as websocket:
                for message in ("text", b"bytes", b"x" * 1_000_000):
                    await websocket.send(message)
                    assert await websocket.receive() == message

    run(journey, loop=loop)


def test_health_is_asked_over_tls(authority: Authority) -> None:
    async def journey() -> None:
        for ca, word in ((authority.file, "is up again"), ("", "its certificate is refused")):
            backend = authority.backend(saying(OK))
            health = HealthSettings(path="/health", interval=0.02, unhealthy_after=1, healthy_after=1)
            with logged() as lines:
                async with backend, open_client(proxy_site(backend, ca=ca, health=health), server=quiet()):
                    if ca:
                        await wait_until(lambda: len(backend.heads) > 1)  # noqa: B023 - at once
                        continue
                    await wait_until(lambda: any(word in line for line in lines))  # noqa: B023 - at once

    run(journey)


@pytest.mark.parametrize("loop", LOOPS)
def test_rfc9112_section_9_8_an_answer_that_ends_without_a_word_is_not_whole(authority: Authority, loop: str) -> None:
    """Whoever stands between could cut off an answer that ends with its connection: only close_notify says that it is whole."""

    async def cut(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.say(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        conversation.reset()

    async def whole(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.say(b"HTTP/1.1 200 OK\r\n\r\nwhole")

    async def journey() -> None:
        assert await ask(authority.backend(whole), ca=authority.file) == (200, "whole")
        async with (
            authority.backend(cut) as backend,
            open_client(proxy_site(backend, ca=authority.file), server=quiet()) as client,
        ):
            answer = await client.get("/")
            assert answer.status == 502 or answer.is_aborted

    run(journey, loop=loop)


def test_what_is_offered_to_backends(authority: Authority) -> None:
    context = make_tls(authority.file)
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
