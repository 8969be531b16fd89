"""One request to a scripted backend and its answer: every shape of answer, every fault, both loops."""

import asyncio
import gc
from typing import Any

import pytest

from penstock import Context, Stage
from penstock.request_handlers.proxy_exchange import Exchange
from penstock.server import open_client
from penstock.settings import LimitSettings, ModuleSettings, SiteSettings
from penstock.testing import ClientResponse
from tests.pipeline.subject import LOOPS, on, run
from tests.pipeline_gateways.wsgi_subject import wait_until
from tests.request_handlers.proxy_subject import (
    OK,
    Backend,
    Conversation,
    Script,
    logged,
    proxy_site,
    proxying,
    quiet,
    saying,
)

HEAD = b"HTTP/1.1 200 OK\r\n"


def ask(
    script: Script, target: str = "/", *, loop: str = "asyncio", method: str = "GET", **keys: object
) -> ClientResponse:
    async def journey() -> ClientResponse:
        async with proxying(script, **keys) as (client, _):
            return await client.request(method, target)

    return run(journey, loop)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("pieces", "then", "body"),
    [
        ((HEAD + b"content-length: 5\r\n\r\nhello",), "wait", b"hello"),
        ((HEAD + b"content-length: 0\r\n\r\n",), "wait", b""),
        ((HEAD, b"content-length: 5\r\n\r\n", b"hel", b"lo"), "wait", b"hello"),
        ((HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",), "wait", b"hello"),
        ((HEAD + b"transfer-encoding: chunked\r\n\r\n", b"5\r\nhel", b"lo\r\n0\r\n", b"\r\n"), "wait", b"hello"),
        ((HEAD + b"\r\nhello",), "close", b"hello"),
        ((b"HTTP/1.0 200 OK\r\n\r\n", b"hel", b"lo"), "close", b"hello"),
        ((HEAD + b"connection: close\r\ncontent-length: 5\r\n\r\nhello",), "close", b"hello"),
        ((b"HTTP/1.1 100 Continue\r\n\r\n" + OK,), "wait", b"ok"),
        ((b"HTTP/1.1 102 Processing\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", OK), "wait", b"ok"),
    ],
)
def test_rfc9112_section_6_answers_of_every_shape(pieces: tuple[bytes, ...], then: str, body: bytes, loop: str) -> None:
    async def journey() -> None:
        async with proxying(saying(*pieces, then=then)) as (client, backend):
            for _ in range(3):
                answer = await client.get("/")
                assert (answer.status, answer.body) == (200, body)
                assert not answer.is_aborted
            assert backend.connections == (1 if then == "wait" else 3)

    run(journey, loop)


def test_a_small_answer_in_two_reads_leaves_in_one_write() -> None:
    answer = ask(saying(HEAD + b"content-length: 5\r\n\r\n", b"hello"))
    assert answer.pieces == [b"hello"]


def test_a_small_answer_is_held_back_for_a_moment_only() -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.say(HEAD + b"content-length: 10\r\n\r\nhello")
        await conversation.backend.ended.wait()
        await conversation.say(b"world")
        await conversation.wait_end()

    async def journey() -> None:
        async with proxying(script) as (client, backend):
            request = client.open("GET", "/")
            await wait_until(lambda: request.pieces)
            assert request.pieces == [b"hello"]
            backend.ended.set()
            await request.wait_finished()
            assert b"".join(request.pieces) == b"helloworld"

    run(journey)


@pytest.mark.parametrize("loop", LOOPS)
def test_an_endless_answer_is_passed_on_as_it_comes(loop: str) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.say(HEAD + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for number in range(3):
            await conversation.backend.ended.wait()
            conversation.backend.ended.clear()
            await conversation.say(b"3\r\n%03d\r\n" % number)
        await conversation.wait_end()

    async def journey() -> None:
        async with proxying(script) as (client, backend):
            request = client.open("GET", "/")
            await wait_until(lambda: request.response_head)
            assert request.pieces == []
            for number in range(3):
                backend.ended.set()
                await wait_until(lambda: len(b"".join(request.pieces)) == 3 * number + 3)  # noqa: B023 - at once
            backend.ended.clear()
            request.disconnect()
            await backend.ended.wait()  # the client leaving cancels the exchange upstream

    run(journey, loop)


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (HEAD + b"content-length: 99\r\n\r\n", "99"),
        (HEAD + b"\r\n", None),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n", None),
    ],
)
def test_rfc9110_section_9_3_2_head_has_no_body_and_the_length_of_get(head: bytes, length: str | None) -> None:
    async def journey() -> None:
        async with proxying(saying(head)) as (client, backend):
            for _ in range(2):
                answer = await client.request("HEAD", "/")
                assert (answer.status, answer.body, answer.headers.get("content-length")) == (200, b"", length)
            assert backend.connections == 1
            assert backend.heads[0].startswith(b"HEAD / HTTP/1.1\r\n")

    run(journey)


@pytest.mark.parametrize(
    "framing",
    [b"content-length: 0\r\n\r\n", b"content-length: 5\r\n\r\nhello", b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n"],
)
def test_rfc9110_section_15_3_6_reset_content_has_none(framing: bytes) -> None:
    answer = ask(saying(b"HTTP/1.1 205 Reset Content\r\n" + framing))
    assert (answer.status, answer.body) == (205, b"")


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified", b"304 Not Modified\r\nContent-Length: 12"])
def test_rfc9110_section_6_4_1_statuses_without_a_body(status: bytes) -> None:
    async def journey() -> None:
        async with proxying(saying(b"HTTP/1.1 " + status + b"\r\netag: x\r\n\r\n")) as (client, backend):
            for _ in range(2):
                answer = await client.get("/")
                assert (answer.status, answer.body, answer.headers["etag"]) == (int(status[:3]), b"", "x")
            assert backend.connections == 1

    run(journey)


def test_rfc8297_early_hints_are_passed_on() -> None:
    answer = ask(saying(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: x\r\n\r\n" + OK))
    assert [(status, fields.items()) for status, fields in answer.informed] == [(103, [("link", "</a.css>")])]
    assert answer.body == b"ok"


@pytest.mark.parametrize(
    "pieces",
    [
        (HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nSet-Cookie: a=b\r\n\r\n",),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n", b"2\r\nok\r\n", b"0\r\nX-Sum: 1\r\n\r\n"),
    ],
)
def test_rfc9110_section_6_5_trailers_follow(pieces: tuple[bytes, ...]) -> None:
    answer = ask(saying(*pieces))
    assert answer.body == b"ok"
    assert answer.trailers.items() == [("x-sum", "1")]


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("pieces", "then", "reason"),
    [
        ((), "close", "was closed in front of its answer"),
        ((), "reset", "in front of its answer"),
        ((HEAD,), "close", "was closed in front of its answer"),
        ((HEAD + b"content-length: 5\r\n\r\nhel",), "close", "was closed in the middle of its answer"),
        ((b"SSH-2.0-x\r\n",), "wait", "not HTTP/1.1"),
        ((b"HTTP/1.1 200 OK\n\n",), "wait", "does not end with CRLF"),
        ((HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",), "wait", "malformed head"),
        ((HEAD + b"a: b\r\n c\r\n\r\n",), "wait", "malformed head"),
        ((HEAD + b"a: " + b"b" * 40_000,), "wait", "more than 32768 bytes"),
        ((HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhelloXX",), "wait", "the body of its answer: "),
        ((HEAD + b"transfer-encoding: chunked\r\n\r\n0x5\r\nhello\r\n",), "wait", "the body of its answer: "),
        ((b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",), "wait", "had asked"),
        ((b"HTTP/1.1 100 Continue\r\n\r\n" * 101,), "wait", "more than 100 interim answers"),
    ],
)
def test_a_backend_that_fails_is_answered_for_with_502(
    pieces: tuple[bytes, ...], then: str, reason: str, loop: str
) -> None:
    with logged() as lines:
        answer = ask(saying(*pieces, then=then), loop=loop, method="POST")
    assert answer.status == 502
    assert len(lines) == 1
    assert lines[0].startswith("POST / answered with 502: http://127.0.0.1:")
    assert reason in lines[0]
    assert "127.0.0.1" not in answer.text, "nobody outside learns where backends are"


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize(
    "head", [b"content-length: 100000\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n10\r\n"], ids=["length", "chunks"]
)
def test_a_backend_that_dies_in_mid_answer_cuts_ours(head: bytes, then: str, loop: str) -> None:
    with logged() as lines:
        answer = ask(saying(HEAD + head + b"hello", then=then), loop=loop)
    assert answer.status == 200
    assert answer.is_aborted
    assert lines[0].startswith("GET / was cut off in mid-answer: http://127.0.0.1:")
    assert answer.body in (b"hello", b"")


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("is_warm", [False, True])
def test_504_when_the_answer_does_not_begin_in_time(loop: str, is_warm: bool) -> None:
    async def script(conversation: Conversation) -> None:
        if is_warm:
            await conversation.head()
            await conversation.say(OK)
        await conversation.head()
        await conversation.wait_end()

    async def journey() -> None:
        async with proxying(script, read_timeout=0.1) as (client, backend):
            if is_warm:
                assert (await client.get("/")).body == b"ok"
            with logged() as lines:
                answer = await client.get("/")
            assert answer.status == 504
            assert "has said nothing for 0.1 s" in lines[0]
            await backend.ended.wait()

    run(journey, loop)


def test_an_answer_that_stops_in_the_middle_for_too_long_is_cut() -> None:
    answer = ask(saying(HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"), read_timeout=0.1)
    assert answer.is_aborted
    assert answer.body == b"hello"


def test_an_answer_may_take_longer_than_the_timeout_while_it_moves() -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.say(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        for _ in range(15):
            await asyncio.sleep(0.05)
            await conversation.say(b"1\r\n.\r\n")
        await conversation.say(b"0\r\n\r\n")

    assert ask(script, read_timeout=0.5).body == b"." * 15


@pytest.mark.parametrize("is_warm", [False, True])
def test_the_deadline_of_the_location_holds_and_drops_the_connection(is_warm: bool) -> None:
    async def script(conversation: Conversation) -> None:
        if is_warm:
            await conversation.head()
            await conversation.say(OK)
        await conversation.head()
        await conversation.wait_end()

    async def journey() -> None:
        server = quiet(limits=LimitSettings(deadline=0.3))
        async with Backend(script) as backend, open_client(proxy_site(backend), server=server) as client:
            if is_warm:
                await client.get("/")
            assert (await client.get("/")).status == 504
            await backend.ended.wait()

    run(journey)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("is_warm", [False, True])
def test_a_client_that_leaves_ends_the_exchange(loop: str, is_warm: bool) -> None:
    asked = asyncio.Event()

    async def script(conversation: Conversation) -> None:
        if is_warm:
            await conversation.head()
            await conversation.say(OK)
        await conversation.head()
        asked.set()
        await conversation.wait_end()

    async def journey() -> None:
        async with proxying(script) as (client, backend):
            if is_warm:
                await client.get("/")
            request = client.open("GET", "/")
            await asked.wait()
            request.disconnect()
            await backend.ended.wait()
            await request.wait_finished()

    run(journey, loop)


# -- retries ---------------------------------------------------------------------------------------------------------------


def breaking(times: int, *, warm: int = 0) -> Script:
    """Breaks so many connections in front of their answer, behind `warm` answers on the first of them."""

    async def script(conversation: Conversation) -> None:
        for _ in range(warm if conversation.backend.connections == 1 else 0):
            await conversation.head()
            await conversation.say(OK)
        if conversation.backend.connections <= times:
            await conversation.head()
            return
        while True:
            await conversation.head()
            await conversation.say(OK)

    return script


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("warm", [0, 1])
@pytest.mark.parametrize(
    ("method", "retries", "status"),
    [("GET", 1, 200), ("HEAD", 1, 200), ("DELETE", 1, 200), ("POST", 1, 502), ("PATCH", 1, 502), ("GET", 0, 502)],
)
def test_rfc9110_section_9_2_2_only_what_does_no_harm_twice_is_asked_again(
    method: str, retries: int, status: int, warm: int, loop: str
) -> None:
    async def journey() -> None:
        async with proxying(breaking(1, warm=warm), retries=retries) as (client, backend):
            for _ in range(warm):
                assert (await client.get("/")).status == 200
            assert (await client.request(method, "/")).status == status
            assert len(backend.heads) - warm == (2 if status == 200 else 1)

    run(journey, loop)


def test_what_breaks_again_and_again_is_given_up() -> None:
    async def journey() -> None:
        async with proxying(breaking(99), retries=3) as (client, backend):
            assert (await client.get("/")).status == 502
            assert len(backend.heads) == 4

    run(journey)


def test_an_answer_that_has_begun_is_not_asked_for_again() -> None:
    async def journey() -> None:
        async with proxying(saying(b"HTTP/1.1 2", then="close"), retries=3) as (client, backend):
            assert (await client.get("/")).status == 502
            assert len(backend.heads) == 1

    run(journey)


def test_a_body_that_was_sent_is_not_sent_again() -> None:
    async def journey() -> None:
        async with proxying(breaking(1)) as (client, backend):
            assert (await client.request("PUT", "/", body=b"once")).status == 502
            assert len(backend.heads) == 1

    run(journey)


# -- back-pressure -----------------------------------------------------------------------------------------------------------


def test_a_large_answer_comes_in_pieces() -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.say(HEAD + b"content-length: 20000000\r\n\r\n")
        for _ in range(20):
            await conversation.say(b"x" * 1_000_000)
        await conversation.wait_end()

    answer = ask(script, buffer=65536)
    assert len(answer.body) == 20_000_000
    assert max(map(len, answer.pieces)) < 1_000_000, "pieces, not the whole"


def test_two_requests_at_once_have_their_own_answers() -> None:
    async def script(conversation: Conversation) -> None:
        while True:
            target = (await conversation.head()).split(b" ")[1]
            await asyncio.sleep(0)
            await conversation.say(HEAD + b"content-length: %d\r\n\r\n%b" % (len(target), target))

    async def journey() -> None:
        async with proxying(script) as (client, _):

            async def one(number: int) -> None:
                assert (await client.get(f"/{number}")).body == b"/%d" % number

            await asyncio.gather(*[one(number) for number in range(300)])

    run(journey)


def test_row_48_bytes_behind_an_answer_are_nobodys() -> None:
    async def journey() -> None:
        async with proxying(saying(OK + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")) as (client, backend):
            for _ in range(3):
                assert (await client.get("/")).body == b"ok"
            assert backend.connections == 3

    run(journey)


def test_row_48_an_idle_connection_that_speaks_is_dropped() -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.say(OK)
        await asyncio.sleep(0.01)
        await conversation.say(OK.replace(b"ok", b"no"))
        await conversation.wait_end()

    async def journey() -> None:
        async with proxying(script) as (client, backend):
            assert (await client.get("/")).body == b"ok"
            await backend.ended.wait()
            assert (await client.get("/")).body == b"ok"
            assert backend.connections == 2

    run(journey)


def test_modules_change_what_passes() -> None:
    def mark(context: Context) -> None:
        context.response.headers["x-before"] = "module"
        context.response.headers["x-both"] = "module"
        context.response.set_cookie("m", "1")

    async def journey() -> None:
        said = HEAD + b"x-both: backend\r\nset-cookie: b=2\r\ncontent-length: 2\r\n\r\nok"
        async with Backend(saying(said)) as backend:
            plain = proxy_site(backend)
            site = SiteSettings(proxies=plain.proxies, modules=(ModuleSettings(use="tested:mark"),))
            objects = {"tested:mark": on(Stage.PRE_EXECUTE, mark)}
            async with open_client(site, server=quiet(), objects=objects) as client:
                answer = await client.get("/")
                assert answer.headers.get_all("x-both") == ["backend"]
                assert answer.headers["x-before"] == "module"
                assert len(answer.headers.get_all("set-cookie")) == 2

    run(journey)


def test_nothing_is_left_for_the_garbage_collector() -> None:
    async def journey() -> None:
        async with proxying(saying(OK)) as (client, _):
            await client.get("/")
            gc.collect()
            gc.disable()
            try:
                for _ in range(50):
                    await client.get("/")
                left = [each for each in gc.get_objects() if type(each) is Exchange]
            finally:
                gc.enable()
            assert len(left) <= 1

    run(journey)


@pytest.mark.parametrize(("keys", "seen"), [({}, "/in?a=1"), ({"rewrite_location": False}, None)])
def test_rfc9110_section_10_2_2_a_location_at_the_backend_is_one_at_this_server(keys: Any, seen: str | None) -> None:
    async def script(conversation: Conversation) -> None:
        while True:
            await conversation.head()
            link = conversation.backend.url.encode() + b"/in?a=1"
            await conversation.say(HEAD.replace(b"200 OK", b"302 Found"))
            await conversation.say(b"location: " + link + b"\r\ncontent-length: 0\r\n\r\n")

    async def journey() -> None:
        async with proxying(script, **keys) as (client, backend):
            for _ in range(2):
                answer = await client.get("/")
                assert answer.headers["location"] == (seen or f"{backend.url}/in?a=1")

    run(journey)
