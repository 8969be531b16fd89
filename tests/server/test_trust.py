"""Whose word about client, scheme and host is taken."""

from typing import Any

import pytest

from penstock.errors import ConfigurationError, RequestRejected
from penstock.hosts.http1_request import Http1Request
from penstock.server.trust import Trust
from penstock.settings import ProxySettings
from tests.hosts.wired import Wired, run

FIELDS = b"X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example:8443\r\n"


async def applied(*, is_unix: bool = False, peer: object = ("127.0.0.1", 4711), **settings: Any) -> Http1Request:
    wired = await Wired(is_unix=is_unix).begin()
    wired.transport.info["peername"] = peer
    wired.receive(b"GET / HTTP/1.1\r\nHost: example.org\r\n" + FIELDS + b"\r\n")
    (request,) = wired.requests
    Trust(ProxySettings(**settings)).apply(request)
    return request


class TestTrust:
    @run
    async def test_loopback_is_believed(self) -> None:
        request = await applied()
        assert (request.client, request.scheme) == (("203.0.113.9", 0), "https")
        assert (request.head.host, request.head.authority) == ("shop.example", b"shop.example:8443")
        assert request.head.headers[0] == (b"host", b"shop.example:8443")
        assert [name for name, _ in request.head.headers].count(b"host") == 1

    @run
    async def test_strangers_are_not(self) -> None:
        request = await applied(peer=("192.0.2.1", 4711))
        assert (request.client, request.scheme, request.head.host) == (("192.0.2.1", 4711), "http", "example.org")

    @run
    async def test_unix_sockets_are_believed_unless_told(self) -> None:
        assert (await applied(is_unix=True, peer="")).scheme == "https"
        assert (await applied(is_unix=True, peer="", trusted=("::1",))).scheme == "http"

    @run
    async def test_row_80_client_without_an_address_is_no_unix_socket(self) -> None:
        request = await applied(peer=None)
        assert (request.client, request.scheme, request.head.host) == (None, "http", "example.org")

    @run
    async def test_nonsense_is_refused(self) -> None:
        wired = await Wired().begin()
        wired.receive(b"GET / HTTP/1.1\r\nHost: example.org\r\nX-Forwarded-Host: a b\r\n\r\n")
        with pytest.raises(RequestRejected):
            Trust(ProxySettings()).apply(wired.requests[0])


def test_no_policy_where_nobody_is_believed() -> None:
    assert Trust(ProxySettings(headers="none")).find_policy() is None
    assert Trust(ProxySettings(trusted=())).find_policy() is None
    assert Trust(ProxySettings()).find_policy() is not None
    for none in (ProxySettings(headers="none"), ProxySettings(trusted=())):
        assert Trust(none).find_guest_policy() is None


def test_networks_that_are_none() -> None:
    with pytest.raises(ConfigurationError, match=r"10\.0\.0\.0/99"):
        Trust(ProxySettings(trusted=("10.0.0.0/99",)))
