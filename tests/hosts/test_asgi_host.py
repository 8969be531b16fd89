"""Requests that an ASGI server hands over: their heads are judged as our own, and they go where our own go."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest

from penstock import ClientGone, RequestRejected
from penstock.hosts.asgi_host import CAPABILITIES, AsgiHost, refuse_request
from penstock.http.messages import CHUNKED, ResponseHead
from penstock.intake.runtime import Runtime
from penstock.intake.worker_request import Capability, WorkerRequest
from penstock.server.trust import Trust
from penstock.settings import LimitSettings, ProxySettings
from tests.intake.asgi_server import AsgiServer, scope_of
from tests.intake.subject import FakeSite, keep, started

HOST = (b"host", b"example.org")


class Hosted:
    """One host in front of a site that keeps or answers what comes."""

    def __init__(self, runtime: Runtime, site: FakeSite) -> None:
        self.runtime = runtime
        self.site = site
        self.host = AsgiHost(runtime, LimitSettings(request_line=300, header_section=1024, headers=10))

    async def ask(self, **scope: Any) -> AsgiServer:
        server = AsgiServer()
        if scope.get("kind") == "websocket":
            server.put("websocket.connect")
        await self.host.handle(scope_of(**scope), server.receive, server.send)
        return server

    async def status(self, **scope: Any) -> int:
        server = await self.ask(**scope)
        status: int = server.sent[0]["status"]
        return status

    @property
    def last(self) -> WorkerRequest:
        return self.site.inside[-1]


def hosted(journey: Callable[[Hosted], Awaitable[None]]) -> None:
    async def run() -> None:
        site = FakeSite()
        runtime = await started(site)
        await journey(Hosted(runtime, site))
        assert runtime.statistics().executing == 0
        await runtime.stop()

    asyncio.run(run())


class TestHeads:
    def test_a_request_is_led_into_its_site(self) -> None:
        async def journey(hosted: Hosted) -> None:
            assert await hosted.status(path="/a b", raw_path=b"/a%20b", query_string=b"q=1") == 200
            head = hosted.last.head
            assert (head.method, head.target, head.path, head.query) == ("GET", b"/a%20b?q=1", "/a b", b"q=1")
            assert (head.host, head.headers) == ("example.org", [HOST])
            assert hosted.last.started > 0

        hosted(journey)

    def test_what_a_server_may_leave_out(self) -> None:
        async def journey(hosted: Hosted) -> None:
            scope = scope_of(path="/ü b")
            for name in ("raw_path", "query_string", "scheme", "root_path", "client", "server", "http_version"):
                del scope[name]
            server = AsgiServer()
            await hosted.host.handle(scope, server.receive, server.send)
            head = hosted.last.head
            assert (head.raw_path, head.path, head.version) == (b"/%C3%BC%20b", "/ü b", "1.1")
            assert (hosted.last.scheme, hosted.last.client, hosted.last.server) == ("http", None, None)

        hosted(journey)

    def test_the_same_line_is_read_once(self) -> None:
        async def journey(hosted: Hosted) -> None:
            for path in ("/a", "/a", "/b"):
                await hosted.ask(path=path)
            lines = [each.head.line for each in hosted.site.inside]
            assert lines[0] is lines[1]
            assert lines[0] is not lines[2]
            for number in range(3000):
                await hosted.ask(path=f"/{number}")
            assert len(hosted.host._lines) <= 1024

        hosted(journey)

    @pytest.mark.parametrize(
        ("scope", "status"),
        [
            ({"path": "/../x"}, 400),
            ({"path": "/%zz"}, 400),
            ({"headers": []}, 400),
            ({"headers": [HOST, HOST]}, 400),
            ({"headers": [HOST, (b"x a", b"1")]}, 400),
            ({"headers": [HOST, (b"content-length", b"5"), (b"transfer-encoding", b"chunked")]}, 400),
            ({"method": "CONNECT"}, 501),
            ({"path": "/" + "x" * 300}, 414),
            ({"headers": [HOST] + [(b"x", b"1")] * 10}, 431),
            ({"headers": [HOST, (b"x", b"x" * 1024)]}, 431),
        ],
    )
    def test_bad_input_is_refused_at_the_door(self, scope: dict[str, Any], status: int) -> None:
        async def journey(hosted: Hosted) -> None:
            server = await hosted.ask(**scope)
            start = server.sent[0]
            assert (start["status"], dict(start["headers"])[b"connection"]) == (status, b"close")
            assert server.sent[1]["body"].startswith(b"%d " % status)
            statistics = hosted.runtime.statistics()
            assert (statistics.total, statistics.rejected, hosted.site.inside) == (1, 1, [])

        hosted(journey)

    def test_rfc9112_section_3_2_2_a_whole_url_counts_together_with_host(self) -> None:
        async def journey(hosted: Hosted) -> None:
            assert await hosted.status(raw_path=b"http://example.org/x") == 200
            assert hosted.last.head.path == "/x"
            assert await hosted.status(raw_path=b"http://example.org/x", headers=[(b"host", b"other")]) == 400

        hosted(journey)

    def test_rfc9113_section_8_1_a_body_over_http_2_needs_no_length(self) -> None:
        async def journey(hosted: Hosted) -> None:
            for method, length in (("POST", CHUNKED), ("GET", 0)):
                assert await hosted.status(method=method, http_version="2") == 200
                assert hosted.last.head.content_length == length

        hosted(journey)

    @pytest.mark.parametrize(
        ("root", "path", "seen"),
        [
            ("/site", "/site/a%20b", "/a b"),
            ("/site/", "/site/a", "/a"),
            ("/site", "/site", "/"),
            ("/site", "/site/", "/"),
            ("/site", "/sites", "/sites"),
            ("/site", "/other", "/other"),  # a server that does not put it in front
            ("/a b", "/a%20b/c", "/c"),
            ("/site", "/%73ite/a", "/a"),
            ("/in/site", "/in/site/a", "/a"),
            ("/", "/a", "/a"),
            ("", "/a", "/a"),
        ],
    )
    def test_the_place_where_the_server_has_put_the_site_is_taken_off(self, root: str, path: str, seen: str) -> None:
        async def journey(hosted: Hosted) -> None:
            assert await hosted.status(root_path=root, path=unquote(path), raw_path=path.encode()) == 200
            assert hosted.last.head.path == seen
            assert hosted.last.head.target == path.encode()  # what the access log shows

        hosted(journey)

    @pytest.mark.parametrize(
        ("path", "raw_path", "root", "seen"),
        [
            ("/new", b"/old", "", b"/new"),
            ("/new", b"/old?q=1", "", b"/new"),
            ("/ü", b"/old", "", b"/%C3%BC"),
            ("/in/new", b"/in/old", "/in", b"/new"),
            ("/b", b"/in/b", "/in", b"/b"),  # as Starlette mounted before 0.33
            ("/a/b", b"/a%2Fb", "", b"/a%2Fb"),  # the same: only what was sent tells that this is no separator
        ],
    )
    def test_middleware_15_4_middleware_in_front_may_lead_elsewhere(
        self, path: str, raw_path: bytes, root: str, seen: bytes
    ) -> None:
        async def journey(hosted: Hosted) -> None:
            await hosted.ask(path="/old", raw_path=raw_path, root_path=root)  # what is remembered of it is not taken
            assert await hosted.status(path=path, raw_path=raw_path, root_path=root) == 200
            assert hosted.last.head.raw_path == seen

        hosted(journey)

    def test_what_no_client_can_have_sent_is_refused(self) -> None:
        async def journey(hosted: Hosted) -> None:
            server = AsgiServer()
            scope = {**scope_of(), "path": "/\udc80", "raw_path": None}
            await hosted.host.handle(scope, server.receive, server.send)
            assert server.sent[0]["status"] == 400

        hosted(journey)

    def test_what_a_server_may_leave_empty(self) -> None:
        async def journey(hosted: Hosted) -> None:
            nothing = {"raw_path": None, "query_string": None, "root_path": None, "extensions": None}
            for client in (None, (None, None), ("", 0)):
                assert await hosted.status(**nothing, client=client, server=None) == 200
                assert (hosted.last.head.target, hosted.last.client) == (b"/", None)

        hosted(journey)


class TestFields:
    def test_rfc9110_section_6_6_1_date_and_server_are_the_servers(self) -> None:
        def answer(worker_request: WorkerRequest, runtime: Runtime) -> None:
            fields = [(b"date", b"Mon, 01 Jan 2001 00:00:00 GMT"), (b"server", b"a backend"), (b"x-kept", b"1")]
            worker_request.send(ResponseHead(200, fields), b"hello", False)
            runtime.leave(worker_request, 200, [], True)

        async def journey() -> None:
            runtime = await started(FakeSite(process=answer))
            server = AsgiServer()
            await AsgiHost(runtime, LimitSettings()).handle(scope_of(), server.receive, server.send)
            assert server.sent[0]["headers"] == [(b"x-kept", b"1"), (b"content-length", b"5")]
            await runtime.stop()

        asyncio.run(journey())


class TestProxies:
    """[server.proxy] holds for guests as for the own listener."""

    def test_rfc7239_section_4_who_is_trusted_is_believed(self) -> None:
        async def journey(hosted: Hosted) -> None:
            hosted.host = AsgiHost(hosted.runtime, LimitSettings(), Trust(ProxySettings()).find_guest_policy())
            fields = [HOST, (b"x-forwarded-for", b"198.51.100.9"), (b"x-forwarded-proto", b"https")]
            for peer, client, scheme in (
                (("127.0.0.1", 5), ("198.51.100.9", 0), "https"),
                (None, ("198.51.100.9", 0), "https"),  # a Unix socket
                (("203.0.113.7", 5), ("203.0.113.7", 5), "http"),
                (("testclient", 5), ("testclient", 5), "http"),
            ):
                assert await hosted.status(client=peer, headers=fields) == 200
                assert (hosted.last.client, hosted.last.scheme) == (client, scheme)
            assert await hosted.status(client=None, headers=[HOST, (b"x-forwarded-proto", b"gopher")]) == 400

        hosted(journey)


class TestSockets:
    def test_a_handshake_over_http_2_is_completed(self) -> None:
        async def journey(hosted: Hosted) -> None:
            server = await hosted.ask(kind="websocket", http_version="2", scheme="wss", subprotocols=["v1"])
            assert server.sent[0]["type"] == "websocket.close"
            assert (hosted.last.head.method, hosted.last.head.is_upgrade, hosted.last.scheme) == ("GET", True, "https")
            assert hosted.last.head.find(b"sec-websocket-protocol") == b"v1"
            assert Capability.UPGRADE in hosted.last.capabilities

        hosted(journey)

    def test_one_that_cannot_be_read_is_refused(self) -> None:
        async def journey(hosted: Hosted) -> None:
            extensions: dict[str, Any] = {"websocket.http.response": {}}
            server = await hosted.ask(kind="websocket", path="/../x", extensions=extensions)
            assert server.sent[0]["status"] == 400

        hosted(journey)

    def test_one_that_never_comes(self) -> None:
        async def journey(hosted: Hosted) -> None:
            server = AsgiServer()
            server.leave("websocket.disconnect", code=1006)
            await hosted.host.handle(scope_of("websocket"), server.receive, server.send)
            assert (server.sent, hosted.site.inside) == ([], [])

        hosted(journey)


class TestEnds:
    def test_an_answer_that_is_cut_off_leaves_as_an_error(self) -> None:
        def cut(worker_request: WorkerRequest, runtime: Runtime) -> None:
            worker_request.send(ResponseHead(200, []), b"half", True)
            worker_request.abort()
            runtime.leave(worker_request, 200, [], False)

        async def run() -> None:
            site = FakeSite(process=cut)
            hosted = Hosted(await started(site), site)
            with pytest.raises(ClientGone):
                await hosted.ask()

        asyncio.run(run())

    def test_a_server_that_goes_away_takes_its_requests_along(self) -> None:
        async def run() -> None:
            site = FakeSite(process=keep)
            hosted = Hosted(await started(site), site)
            asking = asyncio.ensure_future(hosted.ask())
            await asyncio.sleep(0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert hosted.last.is_disconnected

        asyncio.run(run())

    def test_without_a_runtime_there_is_still_an_answer(self) -> None:
        async def run() -> None:
            error = RequestRejected(503, "not today", headers=[(b"retry-after", b"7")])
            server = AsgiServer()
            await refuse_request(error, scope_of(), server.receive, server.send)
            assert server.sent[1]["body"] == b"503 Service Unavailable: not today\n"
            assert dict(server.sent[0]["headers"])[b"retry-after"] == b"7"

        asyncio.run(run())


def test_services_ho02_what_every_server_can_do() -> None:
    assert CAPABILITIES == Capability.SEND_FILE | Capability.UPGRADE


def test_limits_are_those_of_any_object_that_has_them() -> None:
    async def run() -> None:
        site = FakeSite()
        hosted = Hosted(await started(site), site)
        hosted.host = AsgiHost(hosted.runtime, SimpleNamespace(request_line=5, header_section=100, headers=1))
        assert await hosted.status(path="/12345") == 414

    asyncio.run(run())
