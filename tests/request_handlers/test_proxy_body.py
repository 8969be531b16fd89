"""Bodies on their way to a backend: whole, in pieces, too large, broken off, expected, unwanted, read by somebody before."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from penstock import Context, Stage
from penstock.server import open_client
from penstock.settings import LocationLimitSettings, LocationSettings, ModuleSettings, SiteSettings
from penstock.testing import ClientResponse
from tests.pipeline.subject import LOOPS, on, run
from tests.pipeline_gateways.wsgi_subject import wait_until
from tests.request_handlers.proxy_subject import OK, Backend, Conversation, logged, proxy_site, proxying, quiet

BIG = b"z" * 300_000


async def echo(conversation: Conversation) -> None:
    """Answers with the body it got, and how that was framed in X-Framing."""
    while True:
        head = await conversation.head()
        framing = b"none"
        body = b""
        for line in head.split(b"\r\n"):
            if line.startswith(b"content-length: "):
                framing = b"length"
                body = await conversation.reader.readexactly(int(line[16:]))
            if line == b"transfer-encoding: chunked":
                framing = b"chunks"
                while size := int(await conversation.reader.readline(), 16):
                    body += await conversation.reader.readexactly(size)
                    await conversation.reader.readexactly(2)
                await conversation.reader.readexactly(2)
        told = b"HTTP/1.1 200 OK\r\nx-framing: %b\r\ncontent-length: %d\r\n\r\n" % (framing, len(body))
        await conversation.say(told, body)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("method", "body", "framing"),
    [
        ("POST", b"hello", "length"),
        ("POST", b"", "length"),
        ("PUT", BIG, "length"),
        ("GET", b"", "none"),
        ("DELETE", b"", "none"),
        ("DELETE", b"why", "length"),
    ],
)
def test_rfc9110_section_8_6_whole_bodies_have_a_length(method: str, body: bytes, framing: str, loop: str) -> None:
    async def journey() -> None:
        async with proxying(echo) as (client, backend):
            for _ in range(3):
                answer = await client.request(method, "/", body=body)
                assert (answer.body, answer.headers["x-framing"]) == (body, framing)
            assert backend.connections == 1

    run(journey, loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_body_is_passed_on_as_it_comes(loop: str) -> None:
    async def journey() -> None:
        async with proxying(echo) as (client, backend):

            async def slowly() -> AsyncIterator[bytes]:
                for piece in (b"hello", b"world"):
                    await wait_until(lambda: backend.heads)
                    yield piece

            answer = await client.request("POST", "/", body=slowly())
            assert answer.body == b"helloworld"
            assert answer.headers["x-framing"] == "chunks"

    run(journey, loop)


def test_the_body_limit_of_the_location_holds() -> None:
    async def journey() -> None:
        async with Backend(echo) as backend:
            limits = LocationLimitSettings(body=10)
            site = SiteSettings(
                proxies=proxy_site(backend, connections=1).proxies, locations=(LocationSettings(at="/", limits=limits),)
            )
            async with open_client(site, server=quiet()) as client:
                assert (await client.post("/", b"x" * 11)).status == 413
                assert backend.heads == []
                assert (await client.post("/", b"x" * 10)).body == b"x" * 10
                request = client.open("POST", "/", body=growing())
                await request.wait_finished()
                assert request.response_head is not None
                assert request.response_head.status == 413

    async def growing() -> AsyncIterator[bytes]:
        for _ in range(5):
            await asyncio.sleep(0)
            yield b"12345"

    run(journey)


def test_a_body_that_breaks_off_never_looks_whole_to_the_backend() -> None:
    async def journey() -> None:
        async with proxying(echo) as (client, backend):
            request = client.open("POST", "/", body=stopping())
            await wait_until(lambda: backend.heads)
            request.disconnect()
            await backend.ended.wait()

    async def stopping() -> AsyncIterator[bytes]:
        yield b"hello"
        await asyncio.Event().wait()

    run(journey)


@pytest.mark.parametrize("loop", LOOPS)
def test_rfc9112_section_9_5_an_early_answer_ends_the_sending(loop: str) -> None:
    async def early(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.say(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 5\r\n\r\nlarge")
        await conversation.wait_end()

    async def journey() -> None:
        async with proxying(early) as (client, backend):
            request = client.open("POST", "/", body=endless())
            await request.wait_finished()
            answer = ClientResponse(request)
            assert (answer.status, answer.body) == (413, b"large")
            await backend.ended.wait()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0)
            yield b"x" * 100

    run(journey, loop)


def test_answers_and_bodies_pass_one_another() -> None:
    """The backend answers each piece as it comes."""

    async def conversing(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while size := int(await conversation.reader.readline(), 16):
            piece = await conversation.reader.readexactly(size + 2)
            await conversation.say(b"%x\r\n%b" % (size, piece.upper()))
        await conversation.say(b"0\r\n\r\n")
        await conversation.wait_end()

    async def journey() -> None:
        async with proxying(conversing) as (client, _):
            request = client.open("POST", "/", body=talking())
            await request.wait_finished()
            assert b"".join(request.pieces) == b"ABC"

    async def talking() -> AsyncIterator[bytes]:
        for piece in (b"a", b"b", b"c"):
            for _ in range(20):
                await asyncio.sleep(0)
            yield piece

    run(journey)


@pytest.mark.parametrize("is_wanted", [True, False])
def test_rfc9110_section_10_1_1_the_body_waits_for_a_100(is_wanted: bool) -> None:
    seen: list[bytes] = []

    async def careful(conversation: Conversation) -> None:
        head = await conversation.head()
        assert b"expect: 100-continue\r\n" in head
        if not is_wanted:
            await conversation.say(b"HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic\r\ncontent-length: 0\r\n\r\n")
            seen.append(await conversation.wait_end())
            return
        await conversation.say(b"HTTP/1.1 100 Continue\r\n\r\n")
        seen.append(await conversation.reader.readexactly(15))
        await conversation.say(OK)

    async def journey() -> None:
        async with proxying(careful) as (client, backend):
            fields = {"expect": "100-continue"}
            request = client.open("POST", "/", headers=fields, body=waiting(backend))
            await request.wait_finished()
            assert ClientResponse(request).status == (200 if is_wanted else 401)
            if not is_wanted:
                await backend.ended.wait()
            assert seen == ([b"5\r\nhello\r\n0\r\n\r\n"] if is_wanted else [b""])

    async def waiting(backend: Backend) -> AsyncIterator[bytes]:
        await wait_until(lambda: backend.heads)
        for _ in range(20):
            await asyncio.sleep(0)
        yield b"hello"

    run(journey)


def test_a_body_that_a_module_has_read_is_passed_on_all_the_same() -> None:
    async def read(context: Context) -> None:
        assert await context.request.body() == b"hello"

    answer = behind(read)
    assert answer.body == b"hello"


def test_a_body_that_a_module_has_read_and_lost_is_told() -> None:
    async def read(context: Context) -> None:
        async for _ in context.request.stream():
            pass

    with logged() as lines:
        assert behind(read).status == 500
    assert "EXECUTE" in lines[0]


def behind(hook: Callable[[Context], object]) -> ClientResponse:
    async def journey() -> ClientResponse:
        async with Backend(echo) as backend:
            site = SiteSettings(proxies=proxy_site(backend).proxies, modules=(ModuleSettings(use="tested:module"),))
            objects = {"tested:module": on(Stage.PRE_EXECUTE, hook)}
            async with open_client(site, server=quiet(), objects=objects) as client:
                return await client.post("/", b"hello")

    return run(journey)
