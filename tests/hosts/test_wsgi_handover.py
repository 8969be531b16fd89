"""The way of an answer into the server's thread, and of a body out of it (middleware section 15.4, «ASGI3 -> WSGI»)."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import ClientGone
from penstock.hosts.wsgi_handover import End, FilePart, Handover, Read
from penstock.hosts.wsgi_request import WsgiRequest
from penstock.http.foreign_head import foreign_head, foreign_line
from penstock.http.messages import ResponseHead
from penstock.intake.worker_request import WorkerRequest
from penstock.testing import Asked
from tests.hosts.wsgi_server import HIGH_WATER, Environ, WsgiServer, ask_wsgi, environ_of

Step = Callable[[WorkerRequest], Awaitable[Any]]
TEXT = [(b"content-type", b"text/plain")]


def exchange(
    step: Step, asked: Asked | None = None, *, before: Callable[[WsgiServer], None] | None = None
) -> WsgiServer:
    """Let `step` answer; the client reads everything."""

    async def journey() -> WsgiServer:
        async with ask_wsgi(asked or Asked()) as under_test:
            if before is not None:
                before(under_test.server)
            under_test.server.wire.tell(is_taking=True)
            await step(under_test.worker_request)
            await under_test.receive()
            return under_test.server

    return asyncio.run(journey())


async def send(request: WorkerRequest, body: bytes, *, more: bool, first: bool = False) -> None:
    pending = request.send(ResponseHead(200, list(TEXT)) if first else None, body, more)
    if pending is not None:
        await pending


class TestAnswers:
    def test_middleware_15_4_each_piece_is_handed_over_by_itself(self) -> None:
        written: list[bytes] = []

        async def step(request: WorkerRequest) -> None:
            await send(request, b"one", more=True, first=True)
            await send(request, b"two", more=True)
            await send(request, b"", more=False)

        def watch(server: WsgiServer) -> None:
            write = server.wire.write
            server.wire.write = lambda piece: (written.append(piece), write(piece))[1]  # type: ignore[method-assign, func-returns-value]

        server = exchange(step, before=watch)
        assert (written, server.status, server.starts) == ([b"one", b"two"], "200 OK", 1)

    def test_middleware_15_4_a_slow_client_holds_the_application_back(self) -> None:
        async def journey() -> int:
            async with ask_wsgi(Asked()) as under_test:
                request = under_test.worker_request
                await send(request, b"x", more=True, first=True)
                for count in range(1000):
                    pending = request.send(None, b"x" * 16_384, True)
                    if pending is not None:
                        waiting = asyncio.ensure_future(wait(pending))
                        await asyncio.wait([waiting], timeout=0.05)
                        if not waiting.done():
                            under_test.server.wire.tell(is_taking=True)
                            await waiting
                            return count
                return 1000

        assert asyncio.run(journey()) <= (2 * HIGH_WATER + 65_536) // 16_384

    def test_middleware_15_4_failing_before_a_byte_left_is_a_500_by_exc_info(self) -> None:
        async def step(request: WorkerRequest) -> None:
            request.abort()

        server = exchange(step)
        assert (server.status, server.is_failed, server.failure) == ("500 Internal Server Error", True, None)

    def test_middleware_15_4_failing_behind_the_first_byte_is_raised_to_the_server(self) -> None:
        async def step(request: WorkerRequest) -> None:
            await send(request, b"half", more=True, first=True)
            request.abort()

        server = exchange(step)
        assert isinstance(server.failure, ClientGone)
        assert (server.status, server.body) == ("200 OK", b"half")

    def test_middleware_15_4_the_server_closes_the_iterable_when_the_client_has_left(self) -> None:
        async def journey() -> None:
            async with ask_wsgi(Asked()) as under_test:
                gone = asyncio.Event()
                request = under_test.worker_request
                request.on_disconnect(gone.set)
                await send(request, b"one", more=True, first=True)
                under_test.leave()
                request.send(None, b"two", True)
                await gone.wait()
                assert request.is_disconnected
                with pytest.raises(ClientGone):
                    for _ in range(20):
                        await send(request, b"x" * HIGH_WATER, more=True)

        asyncio.run(journey())

    def test_fields_are_those_of_pep_3333(self) -> None:
        async def step(request: WorkerRequest) -> None:
            fields = [*TEXT, (b"connection", b"close"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=\xfc")]
            request.send(ResponseHead(404, fields), b"hello", False)

        server = exchange(step)
        expected = [
            ("content-type", "text/plain"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=ü"),
            ("content-length", "5"),
        ]
        assert (server.status, server.fields) == ("404 Not Found", expected)

    def test_a_reason_of_its_own_is_kept(self) -> None:
        async def step(request: WorkerRequest) -> None:
            head = ResponseHead(299, [])
            head.reason_phrase = b"Quite Right"
            request.send(head, b"x", False)

        assert exchange(step).status == "299 Quite Right"


class TestBodies:
    def test_middleware_15_4_the_input_is_read_on_demand_and_in_the_servers_thread(self) -> None:
        async def step(request: WorkerRequest) -> None:
            received = b""
            while (piece := request.take()) != b"":
                received += piece or b""
                if piece is None:
                    await request.wait_body()
            request.send(ResponseHead(200, list(TEXT)), b"%d" % len(received), False)

        assert exchange(step, Asked(method="POST", body=b"x" * 200_000)).body == b"200000"

    def test_a_body_may_be_read_while_the_answer_streams(self) -> None:
        async def step(request: WorkerRequest) -> None:
            await send(request, b"", more=True, first=True)
            while (piece := request.take()) != b"":
                if piece is None:
                    await request.wait_body()
                else:
                    await send(request, piece, more=True)
            await send(request, b"", more=False)

        assert exchange(step, Asked(method="POST", body=b"x" * 200_000)).body == b"x" * 200_000

    @pytest.mark.parametrize("given", [None, "text", b"x" * 11])
    def test_an_input_that_breaks_pep_3333_is_a_body_that_broke_off(self, given: Any) -> None:
        class Input:
            def read(self, size: int) -> Any:
                return given

        async def journey() -> None:
            request, handover = handed_over({"wsgi.input": Input()})
            handover.put(Read(10))
            handover.put(End(is_cut_off=False))
            await asyncio.to_thread(handover.begin)
            await asyncio.sleep(0)
            with pytest.raises(ClientGone):
                request.take()

        asyncio.run(journey())


def test_services_ho15_a_thread_does_not_wait_for_a_site_that_has_stopped() -> None:
    told: list[str] = []

    async def journey() -> Handover:
        return handed_over({}, lambda status, *_: told.append(status))[1]

    handover = asyncio.run(journey())  # what was handed over then, nobody takes in any more
    assert handover.begin() == []
    assert told == ["500 Internal Server Error"]


def handed_over(environ: Environ, start_response: Any = lambda *_: None) -> tuple[WsgiRequest, Handover]:
    """A request that says nothing by itself, on the running loop, and its way into the server's thread."""
    loop = asyncio.get_running_loop()
    fields = [(b"host", b"example.org"), (b"content-length", b"10")]
    head = foreign_head(foreign_line("POST", b"/", b""), fields)
    request = WsgiRequest(head, scheme="http", client=None, server=None, loop=loop)
    handover = Handover(request, environ_of(**environ), start_response, loop)
    request.handover = handover
    return request, handover


class Wrapper:
    """A wsgi.file_wrapper."""

    used = 0

    def __init__(self, file: Any, size: int) -> None:
        Wrapper.used += 1
        self.file = file
        self.size = size

    def __iter__(self) -> "Wrapper":
        return self

    def __next__(self) -> bytes:
        piece: bytes = self.file.read(self.size)
        if not piece:
            raise StopIteration
        return piece

    def close(self) -> None:
        self.file.close()


class TestFiles:
    @pytest.mark.parametrize(
        ("offset", "count", "wrapped"), [(0, 300_000, True), (5, 299_995, True), (5, 100_000, False)]
    )
    @pytest.mark.parametrize("has_wrapper", [True, False])
    def test_middleware_15_4_the_wrapper_is_used_where_the_file_ends_with_the_answer(
        self, tmp_path: Path, *, offset: int, count: int, wrapped: bool, has_wrapper: bool
    ) -> None:
        whole = os.urandom(300_000)
        (tmp_path / "file").write_bytes(whole)
        descriptor = os.open(tmp_path / "file", os.O_RDONLY)
        opened = _descriptors()
        used = Wrapper.used

        async def step(request: WorkerRequest) -> None:
            await request.send_file(ResponseHead(200, []), descriptor, offset, count, False)
            os.close(descriptor)  # it stays the caller's

        def add(server: WsgiServer) -> None:
            if has_wrapper:
                server.environ["wsgi.file_wrapper"] = Wrapper

        server = exchange(step, before=add)
        assert server.failure is None
        assert server.body == whole[offset : offset + count]
        assert Wrapper.used - used == (wrapped and has_wrapper)
        assert len(_descriptors() - opened) == 0

    def test_parts_of_a_file_within_a_stream(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"0123456789")
        descriptor = os.open(tmp_path / "file", os.O_RDONLY)

        async def step(request: WorkerRequest) -> None:
            await send(request, b"<", more=True, first=True)
            await request.send_file(None, descriptor, 2, 3, True)
            await send(request, b"|", more=True)
            await request.send_file(None, descriptor, 7, 2, False)
            os.close(descriptor)

        assert exchange(step).body == b"<234|78"

    def test_a_part_that_is_dropped_closes_its_file(self) -> None:
        reading, writing = os.pipe()
        os.close(writing)
        part = FilePart(reading, 0, 1, is_to_the_end=False)
        del part
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(reading)

    def test_a_file_that_became_shorter(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"0123")
        part = FilePart(os.open(tmp_path / "file", os.O_RDONLY), 0, 10, is_to_the_end=False)
        assert part.read() == b"0123"
        with pytest.raises(ClientGone, match="shorter"):
            part.read()


def _descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()


async def wait(pending: Awaitable[None]) -> None:
    await pending
