"""The life of a server: what happens to requests and connections when it stops, and what a failed start leaves behind."""

import asyncio
import logging
import socket
import threading
import time
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedOK
from websockets.sync.client import connect

from penstock import WebSocket
from penstock.errors import ConfigurationError, StartupError
from penstock.server import Server, ServerThread, build, open_listeners
from penstock.settings import AppSettings, RouteSettings, Settings, SiteSettings
from tests.wire.listener_subject import Errors, Serving, eventually, get, post, server_settings, serving
from tests.wire.raw_client import RawClient


def begin_stop(served: Serving) -> None:
    """Ask the server to stop, as a signal would, and let it begin."""
    served.thread.call(served.thread.server.stop)


def wait_stopped(served: Serving, *, seconds: float = 5.0) -> None:
    served.thread._thread.join(seconds)
    assert not served.thread._thread.is_alive()


class TestStop:
    """Nothing that was accepted is lost."""

    @pytest.mark.parametrize("loop", ["auto", "asyncio"])
    def test_request_inside_is_answered_and_told_that_it_is_the_last(self, loop: str) -> None:
        with serving(server_settings(loop=loop, graceful_timeout=5)) as served, RawClient(served.address) as client:
            client.send([get("/late")])
            assert eventually(lambda: served.subject.begun)
            begin_stop(served)
            served.open_gate()
            answer = client.read_answer()
            assert (answer.body, answer.find(b"connection")) == (b"late", b"close")
            assert client.read_end() == b""
            wait_stopped(served)

    @pytest.mark.parametrize("loop", ["auto", "asyncio"])
    def test_accepted_connection_that_was_never_served_gets_its_answer(self, loop: str) -> None:
        with serving(server_settings(loop=loop, graceful_timeout=5)) as served, RawClient(served.address) as client:
            assert eventually(lambda: len(served.service.connections) == 1)
            begin_stop(served)
            client.send([get()])
            answer = client.read_answer()
            assert (answer.status, answer.body, answer.find(b"connection")) == (200, b"hello", b"close")
            assert client.read_end() == b""
            wait_stopped(served)

    def test_request_that_has_come_in_part_gets_its_answer(self) -> None:
        with serving(server_settings(graceful_timeout=5)) as served, RawClient(served.address) as client:
            client.send([get()])
            assert client.read_answer().body == b"hello"
            client.send([get()[:-5]])
            assert eventually(lambda: any(each.buffer for each in served.service.connections))
            begin_stop(served)
            client.send([get()[-5:]])
            answer = client.read_answer()
            assert (answer.status, answer.find(b"connection")) == (200, b"close")
            wait_stopped(served)

    @pytest.mark.parametrize("loop", ["auto", "asyncio"])
    def test_requests_on_their_way_are_answered(self, loop: str) -> None:
        """Stop and requests meet: everything that was in a socket when the stop came is answered."""
        with serving(server_settings(loop=loop, graceful_timeout=5)) as served:
            used = [RawClient(served.address) for _ in range(20)]
            for client in used:
                client.send([get()])
                assert client.read_answer().body == b"hello"

            def send_and_stop() -> None:
                # Within one turn of the server's loop: it sees neither the requests nor the new connections before the stop.
                for client in used:
                    client.send([get()])
                fresh.extend(RawClient(served.address) for _ in range(20))
                for client in fresh:
                    client.send([post(b"fresh")])
                served.thread.server.stop()

            fresh: list[RawClient] = []
            served.thread.call(send_and_stop)
            assert [client.read_answer().body for client in used] == [b"hello"] * 20
            answers = [client.read_answer() for client in fresh]
            assert [(answer.body, answer.find(b"connection")) for answer in answers] == [(b"fresh", b"close")] * 20
            for client in used + fresh:
                assert client.read_end() == b""
                client.close()
            wait_stopped(served)

    def test_idle_connections_close_at_once(self) -> None:
        with serving(server_settings(graceful_timeout=5)) as served, RawClient(served.address) as client:
            client.send([get()])
            assert client.read_answer().body == b"hello"
            started = time.monotonic()
            begin_stop(served)
            assert client.read_end() == b""
            wait_stopped(served)
            assert time.monotonic() - started < 0.4

    def test_silent_connections_get_half_a_second(self) -> None:
        with serving(server_settings(graceful_timeout=5)) as served, RawClient(served.address) as client:
            assert eventually(lambda: len(served.service.connections) == 1)
            started = time.monotonic()
            begin_stop(served)
            assert client.read_end() == b""
            wait_stopped(served)
            assert 0.3 < time.monotonic() - started < 2

    def test_nobody_new_is_accepted(self) -> None:
        with serving(server_settings(graceful_timeout=5)) as served, RawClient(served.address) as client:
            client.send([get("/late")])
            assert eventually(lambda: served.subject.begun)
            begin_stop(served)
            address = served.address
            assert eventually(lambda: is_refused(address))
            served.open_gate()
            assert client.read_answer().body == b"late"
            wait_stopped(served)

    def test_stream_that_has_begun_is_finished_and_its_connection_closed(self) -> None:
        with serving(server_settings(graceful_timeout=5)) as served, RawClient(served.address) as client:
            client.send([get("/begun-stream")])
            assert eventually(lambda: served.subject.begun)
            assert client.has_answer()
            begin_stop(served)
            assert eventually(lambda: served.runtime.state.value == "draining")
            served.open_gate()
            assert client.read_answer().body == b"one,two"
            assert client.read_end() == b""
            wait_stopped(served)

    def test_answer_that_a_slow_client_has_not_taken_yet_is_not_cut(self) -> None:
        with serving(server_settings(graceful_timeout=10)) as served, RawClient(served.address) as client:
            client.send([get("/large?30000000")])
            assert client.has_answer()
            begin_stop(served)
            threading.Event().wait(0.3)
            assert len(client.read_answer().body) == 30_000_000
            wait_stopped(served)

    @pytest.mark.parametrize("loop", ["auto", "asyncio"])
    def test_requests_that_do_not_end_are_cut_off(self, loop: str, caplog: pytest.LogCaptureFixture) -> None:
        with serving(server_settings(loop=loop, graceful_timeout=0.2)) as served, RawClient(served.address) as client:
            client.send([get("/late")])
            assert eventually(lambda: served.subject.begun)
            begin_stop(served)
            assert not client.has_answer()
            wait_stopped(served)
        assert "1 requests did not end in time" in caplog.text

    @pytest.mark.parametrize("loop", ["auto", "asyncio"])
    def test_websockets_py12_sockets_whose_endpoint_does_not_end_are_cut_off(
        self, loop: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        ends: list[str] = []

        async def stuck(websocket: WebSocket) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ends.append("cancelled")
                raise

        with ServerThread(stuck, server=server_settings(loop=loop, graceful_timeout=0.2)) as server:
            host, port = server.address
            with connect(f"ws://{host}:{port}/") as client:
                server.stop()
                with pytest.raises(ConnectionClosedOK) as caught:
                    client.recv(timeout=20)
            server._thread.join()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1001
        assert ends == ["cancelled"]
        assert "1 WebSockets did not end in time and are cut off" in caplog.text

    @pytest.mark.parametrize("loop", ["auto", "asyncio"])
    def test_second_stop_is_immediate(self, loop: str) -> None:
        with (
            serving(server_settings(loop=loop, graceful_timeout=60)) as served,
            RawClient(served.address) as client,
            RawClient(served.address) as silent,
        ):
            client.send([get("/late")])
            assert eventually(lambda: served.subject.begun)
            begin_stop(served)
            started = time.monotonic()
            begin_stop(served)
            assert not client.has_answer()
            assert not silent.has_answer()
            wait_stopped(served)
            assert time.monotonic() - started < 0.3

    def test_stop_without_anybody_is_quick(self) -> None:
        with serving() as served:
            started = time.monotonic()
            begin_stop(served)
            wait_stopped(served)
            assert time.monotonic() - started < 0.3

    def test_max_requests_stops_and_loses_nothing(self) -> None:
        with serving(server_settings(max_requests=10, graceful_timeout=5)) as served:
            clients = [RawClient(served.address) for _ in range(12)]
            for client in clients:
                client.send([get()])
            assert [client.read_answer().body for client in clients] == [b"hello"] * 12
            for client in clients:
                client.close()
            wait_stopped(served)


def is_refused(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(address) != 0


class TestStart:
    def site(self, reference: str = "name:app", **changes: Any) -> Settings:
        return Settings(
            server=server_settings(), sites=(SiteSettings(apps=(AppSettings(at="/", asgi=reference, **changes),)),)
        )

    def test_failing_lifespan_leaves_nothing_open(self) -> None:
        async def failing(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no database"})

        settings = self.site()
        bound = open_listeners(settings)
        address = bound[0].socket.getsockname()

        async def start() -> None:
            await Server(settings, objects={"name:app": failing}).start(bound)

        with pytest.raises(StartupError, match="no database"):
            asyncio.run(start())
        assert is_refused(address)

    def test_every_mistake_at_once(self) -> None:
        routes = (RouteSettings(at="/a", function="no.such:thing"), RouteSettings(at="/b", function="os:nothing"))
        with pytest.raises(ConfigurationError) as caught:
            build(Settings(server=server_settings(), sites=(SiteSettings(routes=routes),)))
        assert len(caught.value.problems) == 2

    def test_close_before_start_does_nothing(self) -> None:
        async def close() -> None:
            await build(self.site("name:app"), objects={"name:app": lambda scope, receive, send: None}).close()

        asyncio.run(close())

    def test_server_header_can_be_left_out(self) -> None:
        for wanted in (True, False):
            with serving(server_settings(server_header=wanted)) as served, RawClient(served.address) as client:
                client.send([get()])
                assert client.read_answer().find(b"server") == (b"penstock" if wanted else None)

    def test_functions_are_served(self) -> None:
        site = SiteSettings(routes=(RouteSettings(at="/hello/{name}", function="name:hello"),))
        errors = Errors()
        objects = {"name:hello": lambda name: f"hello {name}"}
        with errors, ServerThread(site, objects=objects) as server, RawClient(server.address) as client:
            client.send([get("/hello/world")])
            assert client.read_answer().body == b"hello world"
        assert errors.lines == []
        assert logging.getLogger("penstock").isEnabledFor(logging.WARNING)
