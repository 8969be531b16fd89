"""What an RSGI server says becomes a head, or a refusal; and its requests pass through a whole site."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from penstock.errors import RequestRejected
from penstock.hosts.rsgi_host import RsgiHost
from penstock.http.messages import RequestHead
from penstock.intake.runtime import Runtime
from penstock.server.trust import Trust
from penstock.settings.model import LimitSettings, ProxySettings
from tests.hosts.rsgi_server import RsgiProtocol, SocketProtocol, scope_of
from tests.intake.subject import FakeSite, started
from tests.testing.http1_requests import CatchingSite

HOST = ("host", "example.org")


def with_host(test: Callable[[RsgiHost, Runtime], Awaitable[Any]], **limits: int) -> Any:
    async def hold() -> Any:
        runtime = Runtime([CatchingSite()])
        await runtime.start()
        try:
            return await test(RsgiHost(runtime, LimitSettings(**limits)), runtime)
        finally:
            await runtime.stop()

    return asyncio.run(hold())


def head_of(scope: Any, **limits: int) -> RequestHead:
    async def judge(host: RsgiHost, _: Runtime) -> RequestHead:
        assert host.head_of(scope).line is host.head_of(scope).line
        return host.head_of(scope)

    head: RequestHead = with_host(judge, **limits)
    return head


class TestHeads:
    def test_middleware_15_4_what_was_asked(self) -> None:
        head = head_of(scope_of(method="PUT", path="/a b/ü?", query_string="q=%20", headers=[HOST, ("x-a", "1")]))
        assert (head.method, head.path, head.raw_path, head.query) == ("PUT", "/a b/ü?", b"/a%20b/%C3%BC%3F", b"q=%20")
        assert head.headers == [(b"host", b"example.org"), (b"x-a", b"1")]
        assert (head.host, head.version) == ("example.org", "1.1")

    @pytest.mark.parametrize(("told", "version"), [("1", "1.0"), ("1.1", "1.1"), ("2", "2")])
    def test_middleware_15_4_versions(self, told: str, version: str) -> None:
        assert head_of(scope_of(http_version=told)).version == version

    def test_rfc_9113_section_8_3_1_the_authority_is_the_host(self) -> None:
        head = head_of(scope_of(http_version="2", authority="example.net", headers=[]))
        assert (head.host, head.headers) == ("example.net", [(b"host", b"example.net")])

    def test_rfc_9113_section_8_2_2_a_body_needs_no_field_over_http_2(self) -> None:
        assert head_of(scope_of(http_version="2", method="POST")).content_length == -1
        assert head_of(scope_of(http_version="2")).content_length == 0

    @pytest.mark.parametrize(
        ("said", "status"),
        [
            ({"path": "/../x"}, 400),
            ({"path": "/a/../../x"}, 400),
            ({"path": "/\0"}, 400),
            ({"path": "/\ufffd"}, 400),  # what granian makes of bytes that are not UTF-8
            ({"method": "CONNECT"}, 501),
            ({"method": "G T"}, 400),
            ({"headers": []}, 400),
            ({"headers": [HOST, HOST]}, 400),
            ({"headers": [("host", "a b")]}, 400),
            ({"headers": [HOST, ("content-length", "1, 1")]}, 400),
            ({"headers": [HOST, ("content-length", "1"), ("transfer-encoding", "chunked")]}, 400),
            ({"headers": [HOST, ("transfer-encoding", "gzip")]}, 501),
            ({"headers": [HOST, ("expect", "tea")]}, 417),
            ({"headers": [HOST, ("x-a", "a\r\nb: c")]}, 400),
            ({"headers": [HOST, ("x a", "1")]}, 400),
            ({"authority": "example.net"}, 400),  # bad-input rows 29 and 81: the target names another host
            ({"http_version": "2", "authority": "example.net"}, 400),
        ],
    )
    def test_bad_heads_are_judged_as_our_own(self, said: dict[str, Any], status: int) -> None:
        with pytest.raises(RequestRejected) as caught:
            head_of(scope_of(**said))
        assert caught.value.status == status

    @pytest.mark.parametrize(
        ("said", "limits", "status"),
        [
            ({"path": "/" + "a" * 100}, {"request_line": 100}, 414),
            ({"headers": [HOST, *[("x-a", "1")] * 10]}, {"headers": 10}, 431),
            ({"headers": [HOST, ("x-a", "1" * 1000)]}, {"header_section": 1000}, 431),
        ],
    )
    def test_limits_of_heads(self, said: dict[str, Any], limits: dict[str, int], status: int) -> None:
        with pytest.raises(RequestRejected) as caught:
            head_of(scope_of(**said), **limits)
        assert caught.value.status == status

    def test_what_is_remembered_of_lines_has_a_bound(self) -> None:
        async def many(host: RsgiHost, _: Runtime) -> None:
            for number in range(3000):
                assert host.head_of(scope_of(path=f"/{number}")).path == f"/{number}"

        with_host(many)

    def test_fields_that_are_remembered_belong_to_every_line(self) -> None:
        async def twice(host: RsgiHost, _: Runtime) -> None:
            first, second = host.head_of(scope_of(path="/1")), host.head_of(scope_of(path="/2", method="POST"))
            assert (first.path, second.path, second.method, second.host) == ("/1", "/2", "POST", "example.org")
            assert first.headers is second.headers
            with pytest.raises(RequestRejected):
                host.head_of(scope_of(path="/" + "a" * 10_000))

        with_host(twice)

    def test_what_is_remembered_of_fields_has_a_bound(self) -> None:
        async def many(host: RsgiHost, _: Runtime) -> None:
            for number in range(1000):
                head = host.head_of(scope_of(headers=[HOST, ("x-a", str(number))]))
                assert head.headers[1] == (b"x-a", b"%d" % number)
            long = [HOST, ("x-a", "a" * 3000)]
            assert host.head_of(scope_of(headers=long)).headers is not host.head_of(scope_of(headers=long)).headers

        with_host(many)


class TestProxies:
    """[server.proxy] holds for guests as for the own listener."""

    def test_rfc7239_section_4_who_is_trusted_is_believed_and_nobody_else_is_mistaken_for_them(self) -> None:
        fields = [HOST, ("x-forwarded-for", "198.51.100.9"), ("x-forwarded-host", "other.example")]

        async def ask() -> None:
            site = FakeSite()
            runtime = await started(site)
            host = RsgiHost(runtime, LimitSettings(), Trust(ProxySettings()).find_guest_policy())
            for client, seen, name in (
                ("127.0.0.1:5", ("198.51.100.9", 0), "other.example"),
                ("203.0.113.7:5", ("203.0.113.7", 5), "example.org"),
                ("unix:", ("198.51.100.9", 0), "other.example"),
            ):
                await host.handle(scope_of(client=client, headers=fields), RsgiProtocol())
                made = site.inside[-1]
                assert (made.client, made.head.host) == (seen, name)
            await runtime.stop()

        asyncio.run(ask())

    def test_what_a_trusted_one_says_and_makes_no_sense_is_refused(self) -> None:
        async def ask(_: RsgiHost, runtime: Runtime) -> None:
            host = RsgiHost(runtime, LimitSettings(), Trust(ProxySettings()).find_guest_policy())
            nonsense = [HOST, ("x-forwarded-host", "a b")]
            protocol = RsgiProtocol()
            await host.handle(scope_of(client="[::1]:5", headers=nonsense), protocol)
            socket = SocketProtocol()
            await host.handle(scope_of("ws", client="[::1]:5", headers=nonsense), socket)
            assert (protocol.status, socket.closes) == (400, [400])

        with_host(ask)


class TestRefusals:
    def test_a_request_that_is_none_is_answered_and_counted(self) -> None:
        async def refuse(host: RsgiHost, runtime: Runtime) -> RsgiProtocol:
            protocol = RsgiProtocol()
            await host.handle(scope_of(path="/../x"), protocol)
            assert runtime.statistics().rejected == 1
            return protocol

        protocol = with_host(refuse)
        assert (protocol.status, protocol.body) == (400, b"400 Bad Request: the path climbs above the root\n")
        assert ("connection", "close") in protocol.fields

    def test_a_handshake_that_is_none_is_answered_with_its_status(self) -> None:
        async def refuse(host: RsgiHost, _: Runtime) -> SocketProtocol:
            protocol = SocketProtocol()
            await host.handle(scope_of("ws", path="/../x"), protocol)
            return protocol

        assert with_host(refuse).closes == [400]
