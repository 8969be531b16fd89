"""Sites under other people's servers: one start per loop, whoever asks; failures in words; what only the own listener does."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock import ConfigurationError, Context, WebSocket
from penstock.intake.worker_request import Capability
from penstock.server import guests
from penstock.server.guests import AsgiGuest, Guest, keys_left_to_the_host, load_subject, needs_beyond
from penstock.settings import (
    AppSettings,
    HealthPathSettings,
    LimitSettings,
    LogSettings,
    ProxySettings,
    RouteSettings,
    ServerSettings,
    Settings,
    SiteSettings,
    TlsSettings,
)
from tests.intake.asgi_server import AsgiServer, scope_of

Message = dict[str, Any]


def hello() -> str:
    return "hello"


async def echo(websocket: WebSocket) -> None:
    async for message in websocket:
        await websocket.send(message)


async def upload(context: Context) -> None:
    async for piece in context.request.stream():
        context.response.write(piece)
        await context.response.flush()


class Life:
    """An application that notes how often it is started and stopped, and may fail."""

    def __init__(self) -> None:
        self.started = 0
        self.stopped = 0
        self.failures = 0
        self.scopes: list[Message] = []
        self.release = asyncio.Event()

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            self.scopes.append(scope)
            if scope["path"].endswith("/slow"):
                await self.release.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"hello"})
            return
        await receive()
        self.started += 1
        await asyncio.sleep(0.01)
        if self.failures:
            self.failures -= 1
            await send({"type": "lifespan.startup.failed", "message": "no database"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.stopped += 1
        await send({"type": "lifespan.shutdown.complete"})


def settings_of(*, server: ServerSettings | None = None, **site: Any) -> Settings:
    routes = (RouteSettings(at="/hello", function="the:hello"), RouteSettings(at="/echo", websocket="the:echo"))
    quiet = ServerSettings(log=LogSettings(access=False), graceful_timeout=5)
    apps = (AppSettings(at="/life", asgi="the:life"),)
    return Settings(server=server or quiet, sites=(SiteSettings(**{"routes": routes, "apps": apps, **site}),))


class Served:
    """An application of `AsgiGuest`, and an ASGI server that calls it."""

    def __init__(self, **options: Any) -> None:
        self.life = Life()
        self.application = AsgiGuest(
            options.pop("subject", settings_of()),
            objects={"the:hello": hello, "the:echo": echo, "the:upload": upload, "the:life": self.life},
            **options,
        )

    async def ask(self, path: str = "/hello", **scope: Any) -> tuple[int, bytes]:
        server = AsgiServer()
        server.begin_taking()
        await self.application(scope_of(path=path, **scope), server.receive, server.send)
        return server.sent[0]["status"], b"".join(each.get("body", b"") for each in server.sent)

    @asynccontextmanager
    async def living(self) -> AsyncIterator[AsgiServer]:
        """The lifespan, as servers speak it."""
        server = AsgiServer()
        server.put("lifespan.startup")
        task = asyncio.ensure_future(self.application({"type": "lifespan"}, server.receive, server.send))
        await server.wait_sent(1)
        try:
            yield server
        finally:
            server.put("lifespan.shutdown")
            await task

    def lives(self) -> list[Guest]:
        return [each.guest for each in self.application._lives.values()]


def run(journey: Callable[[Served], Awaitable[None]], **options: Any) -> None:
    async def journey_on_a_loop() -> None:
        served = Served(**options)
        await journey(served)
        for each in served.lives():
            await each.stop()

    asyncio.run(journey_on_a_loop())


class TestLifespan:
    def test_starts_and_stops_with_the_server(self) -> None:
        async def journey(served: Served) -> None:
            async with served.living() as server:
                assert server.sent == [{"type": "lifespan.startup.complete"}]
                assert served.life.started == 1
                assert await served.ask() == (200, b"hello")
                assert await served.ask("/life/x") == (200, b"hello")
            assert server.sent[1:] == [{"type": "lifespan.shutdown.complete"}]
            assert (served.life.started, served.life.stopped) == (1, 1)

        run(journey)

    def test_a_second_life_on_the_same_loop_begins_anew(self) -> None:
        """As test suites do, with one application and one loop for all tests."""

        async def journey(served: Served) -> None:
            for count in (1, 2):
                async with served.living() as server:
                    assert server.sent[0] == {"type": "lifespan.startup.complete"}
                    assert (await served.ask("/life/x"))[0] == 200
                    assert served.life.started == count
                assert served.life.stopped == count
                # A straggler does not bring it back to life.
                assert (await served.ask("/life/x"))[0] == 503
                assert served.life.started == count

        run(journey)

    def test_startup_failed_says_what_the_command_line_would(self) -> None:
        async def journey(served: Served) -> None:
            async with served.living() as server:
                assert server.sent == [
                    {
                        "type": "lifespan.startup.failed",
                        "message": "ASGI the:life failed to start: no database",
                    }
                ]

        def failing(served: Served) -> Awaitable[None]:
            served.life.failures = 1
            return journey(served)

        run(failing)

    def test_every_mistake_of_the_site_file_is_told(self, tmp_path: Path) -> None:
        site = tmp_path / "penstock.toml"
        site.write_text('[[site]]\nroot = "nowhere"\n[[site.route]]\nat = "x"\nfunction = "a:b"\n', encoding="utf-8")

        async def journey(served: Served) -> None:
            async with served.living() as server:
                message: str = server.sent[0]["message"]
                assert message.count("\n") >= 1
                assert "penstock.toml:" in message

        run(journey, subject=site)

    def test_requests_inside_end_before_the_applications_do(self) -> None:
        async def journey(served: Served) -> None:
            async with served.living():
                asking = asyncio.ensure_future(served.ask("/life/slow"))
                await asyncio.sleep(0.01)
                asyncio.get_running_loop().call_later(0.05, served.life.release.set)
            assert await asking == (200, b"hello")
            assert served.life.stopped == 1
            assert (await served.ask())[0] == 503

        run(journey)

    def test_websockets_py12_sockets_are_told_that_the_server_goes_away(self) -> None:
        async def journey(served: Served) -> None:
            server = AsgiServer()
            server.begin_taking()
            server.put("websocket.connect")
            async with served.living():
                scope = scope_of("websocket", path="/echo")
                talking = asyncio.ensure_future(served.application(scope, server.receive, server.send))
                await server.wait_sent(1)
                server.put("websocket.receive", text="hello")
                await server.wait_sent(2)
            await talking
            assert server.sent[1:] == [
                {"type": "websocket.send", "text": "hello"},
                {"type": "websocket.close", "code": 1001, "reason": ""},
            ]

        run(journey)


class TestWithoutLifespan:
    def test_services_ho07_fifty_at_once_start_it_once(self) -> None:
        async def journey(served: Served) -> None:
            answers = await asyncio.gather(*[served.ask() for _ in range(50)])
            assert set(answers) == {(200, b"hello")}
            assert served.life.started == 1

        run(journey)

    def test_services_ho07_a_failure_is_remembered_for_a_while(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(guests, "FIRST_DELAY", 0.2)

        async def journey(served: Served) -> None:
            served.life.failures = 1
            answers = await asyncio.gather(*[served.ask() for _ in range(50)])
            assert {status for status, _ in answers} == {503}
            assert answers[0][1] == b"503 Service Unavailable: the site could not be started\n"
            assert (await served.ask())[0] == 503
            assert served.life.started == 1
            (guest,) = served.lives()
            guest.retry_at = 0.0
            assert await served.ask() == (200, b"hello")
            assert served.life.started == 2

        with caplog.at_level(logging.ERROR, "penstock"):
            run(journey)
        assert caplog.messages == [
            "the site could not be started under an ASGI server: ASGI the:life failed to start: no database"
        ]

    def test_services_ho07_who_is_cancelled_takes_nobody_along(self) -> None:
        async def journey(served: Served) -> None:
            first, second = (asyncio.ensure_future(served.ask()) for _ in range(2))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            first.cancel()
            assert await second == (200, b"hello")
            assert (first.cancelled(), served.life.started) == (True, 1)

        run(journey)

    def test_services_ho07_one_start_on_each_loop(self) -> None:
        served = Served()
        answers: list[Any] = []

        def on_a_loop() -> None:
            async def journey() -> None:
                answers.append(await served.ask())
                await served.application._lives[asyncio.get_running_loop()].guest.stop()

            asyncio.run(journey())

        threads = [threading.Thread(target=on_a_loop) for _ in range(3)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert answers == [(200, b"hello")] * 3
        assert served.life.started == 3

    def test_a_handshake_that_finds_no_site(self) -> None:
        async def journey(served: Served) -> None:
            served.life.failures = 1
            server = AsgiServer()
            server.put("websocket.connect")
            extensions: dict[str, Any] = {"websocket.http.response": {}}
            await served.application(scope_of("websocket", extensions=extensions), server.receive, server.send)
            assert server.sent[0]["status"] == 503

        run(journey)

    def test_a_server_on_another_kind_of_loop_is_told_so(self) -> None:
        with pytest.raises(RuntimeError, match="Penstock runs on asyncio and uvloop"):
            Served().application({"type": "http"}, AsgiServer().receive, AsgiServer().send).send(None)

    def test_scopes_that_nobody_knows_are_refused(self) -> None:
        async def journey(served: Served) -> None:
            server = AsgiServer()
            with pytest.raises(ValueError, match="not 'webtransport'"):
                await served.application({"type": "webtransport"}, server.receive, server.send)

        run(journey)


class TestRequests:
    def test_the_place_of_the_site_is_told_to_applications(self) -> None:
        async def journey(served: Served) -> None:
            assert (await served.ask("/site/life/x", root_path="/site"))[0] == 200
            (scope,) = served.life.scopes
            assert (scope["path"], scope["root_path"]) == ("/site/life/x", "/site/life")

        run(journey, root_path="/site/")

    def test_probes_are_answered_under_somebody_elses_server_too(self) -> None:
        server = ServerSettings(
            log=LogSettings(access=False), health=HealthPathSettings(live="/live", ready="/ready"), graceful_timeout=5
        )

        async def journey(served: Served) -> None:
            assert await served.ask("/live") == await served.ask("/ready") == (200, b"ok\n")
            assert (await served.ask("/ready", method="HEAD"))[0] == 200
            assert (await served.ask("/ready", method="POST"))[0] == 405
            guest = served.lives()[0]
            assert guest.runtime is not None
            guest.runtime.announce_stop()
            assert await served.ask("/ready") == (503, b"503 Service Unavailable: stopping\n")

        run(journey, subject=settings_of(server=server, hosts=("example.org",)))

    def test_deadlines_and_the_access_log_hold(self, tmp_path: Path) -> None:
        log = tmp_path / "access.log"
        server = ServerSettings(
            log=LogSettings(access_file=str(log), access_format="%(r)s %(s)s %(b)s"),
            limits=LimitSettings(deadline=0.05),
        )

        async def journey(served: Served) -> None:
            assert (await served.ask("/life/slow"))[0] == 504
            assert await served.ask() == (200, b"hello")

        run(journey, subject=settings_of(server=server))
        assert log.read_text(encoding="utf-8").splitlines()[1] == "GET /hello HTTP/1.1 200 5"

    def test_websockets_h07_a_server_that_carries_no_sockets_is_told_so(self) -> None:
        fields = [
            (b"host", b"a"), (b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-version", b"13"),
            (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ]  # fmt: skip

        async def journey(served: Served) -> None:
            status, body = await served.ask("/echo", headers=fields)
            assert (status, b"this host carries no WebSockets" in body) == (501, True)

        run(journey)


class TestSettings:
    def test_a_site_alone_is_enough(self) -> None:
        site = SiteSettings(routes=(RouteSettings(at="/", status=410),))
        assert load_subject(site).sites == (site,)
        assert load_subject(Settings(sites=(site,))).sites == (site,)

    def test_a_site_file_is_not_read_before_it_is_needed(self, tmp_path: Path) -> None:
        application = penstock.asgi(tmp_path / "penstock.toml")
        assert callable(application)
        (tmp_path / "penstock.toml").write_text("[[site]]\n[[site.route]]\nat = '/'\nstatus = 410\n", encoding="utf-8")

        async def journey() -> None:
            server = AsgiServer()
            await application(scope_of(), server.receive, server.send)
            assert server.sent[0]["status"] == 410
            await next(iter(application._lives.values())).guest.stop()

        asyncio.run(journey())

    def test_keys_that_only_the_own_listener_follows_are_named(self, caplog: pytest.LogCaptureFixture) -> None:
        tls = TlsSettings(certificate="a", key="b")
        server = ServerSettings(
            listen=(":80",), backlog=5, loop="asyncio", server_header=False, max_requests=5, tls=tls,
            proxy=ProxySettings(hops=2), limits=LimitSettings(keep_alive=1, data_rate=0, body=5), workers=2,
        )  # fmt: skip
        found = list(keys_left_to_the_host(settings_of(server=server, tls=tls)))
        assert found == [
            "server.listen", "server.workers", "server.backlog", "server.loop", "server.server_header", "server.max_requests",
            "server.tls",
            "server.limits.keep_alive", "server.limits.data_rate", "site.tls",
        ]  # fmt: skip
        assert list(keys_left_to_the_host(settings_of())) == []

        async def journey(served: Served) -> None:
            await served.ask()

        quiet = ServerSettings(listen=(":80",), log=LogSettings(access=False))
        with caplog.at_level(logging.INFO, "penstock"):
            run(journey, subject=settings_of(server=quiet))
        assert "under an ASGI server these keys of the site file are without effect: server.listen" in caplog.messages


class TestNeeds:
    def test_services_ho13_what_a_host_cannot_do_is_told_at_the_start(self, caplog: pytest.LogCaptureFixture) -> None:
        assert list(needs_beyond(settings_of(), Capability.UPGRADE)) == []
        assert list(needs_beyond(settings_of(), Capability.NONE)) == ["[[site.route]] /echo is a WebSocket"]
        objects = {"the:hello": hello, "the:echo": echo, "the:life": Life()}

        async def journey() -> None:
            guest = Guest(settings_of(), host="a test", capabilities=Capability.NONE, objects=objects)
            await guest.start()
            await guest.stop()

        with caplog.at_level(logging.WARNING, "penstock"):
            asyncio.run(journey())
        told = "[[site.route]] /echo is a WebSocket, which a test does not carry: such requests are answered with 501"
        assert caplog.messages == [told]

    @pytest.mark.parametrize("is_said_in_file", [False, True])
    def test_services_ho13_a_strict_one_does_not_start(self, is_said_in_file: bool) -> None:
        async def journey() -> None:
            settings = settings_of(server=ServerSettings(strict_host=is_said_in_file))
            guest = Guest(settings, host="a test", capabilities=Capability.NONE, strict_host=not is_said_in_file)
            with pytest.raises(ConfigurationError, match="/echo is a WebSocket, which a test does not carry"):
                await guest.start()
            assert guest.runtime is None
            await guest.stop()

        asyncio.run(journey())


class TestCancelling:
    """A server ends its applications whenever it likes: nothing is left inside then (services HO-11)."""

    @pytest.mark.parametrize(("kind", "path"), [("http", "/life/x"), ("http", "/upload"), ("websocket", "/echo")])
    def test_services_ho11_at_every_turn(self, kind: str, path: str) -> None:
        async def journey(served: Served) -> None:
            await served.ask()
            runtime = served.lives()[0].runtime
            assert runtime is not None
            for turns in range(25):
                call = asyncio.ensure_future(self.call(served, kind, path))
                for _ in range(turns):
                    await asyncio.sleep(0)
                call.cancel()
                await asyncio.wait((call,), timeout=10)
                assert call.done()
            for _ in range(20):
                await asyncio.sleep(0)
            assert (runtime.statistics().executing, runtime.sockets.statistics().executing) == (0, 0)

        routes = (
            RouteSettings(at="/hello", function="the:hello"),
            RouteSettings(at="/upload", function="the:upload", methods=("POST",)),
            RouteSettings(at="/echo", websocket="the:echo"),
        )
        run(journey, subject=settings_of(routes=routes))

    @staticmethod
    async def call(served: Served, kind: str, path: str) -> None:
        """A server that gives and takes each message a turn later."""
        coming: list[Message] = [{"type": "websocket.connect"}, *[{"type": "websocket.receive", "text": "x"}] * 3]
        if kind == "http":
            coming = [{"type": "http.request", "body": b"x", "more_body": more} for more in (True, True, False)]

        async def receive() -> Message:
            await asyncio.sleep(0)
            if not coming:
                await asyncio.Event().wait()
            return coming.pop(0)

        async def send(message: MutableMapping[str, Any]) -> None:
            await asyncio.sleep(0)

        fields = [(b"host", b"example.org"), (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ==")]
        fields += [(b"transfer-encoding", b"chunked")] if path == "/upload" else []
        method = "POST" if path == "/upload" else "GET"
        await served.application(scope_of(kind, method=method, path=path, headers=fields), receive, send)
