"""What backends get to see of a request: the path, the Host, the client's fields, and who it is by what we know."""

from typing import Any

import pytest

from penstock.errors import RequestRejected
from penstock.http.head import read_head
from penstock.http.messages import RequestHead
from penstock.http.targets import rewritten
from penstock.request_handlers.proxy_request_head import RequestWriter
from penstock.settings import LimitSettings

OWN = b"127.0.0.1:9000"
LIMITS = LimitSettings()


class Request:
    """As much of a worker request as is asked for."""

    def __init__(self, head: RequestHead, *, scheme: str = "http", client: Any = ("192.0.2.7", 4711)) -> None:
        self.head = head
        self.scheme = scheme
        self.client = client


def request(target: str = "/", *fields: str, method: str = "GET", **keys: Any) -> Any:
    lines = "".join(f"{field}\r\n" for field in ("Host: Example.org:8000", *fields))
    return Request(read_head(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1"), LIMITS), **keys)


def written(asked: Any, writer: RequestWriter | None = None, **keys: Any) -> list[bytes]:
    return (writer or RequestWriter("/api")).write(asked, OWN, **keys).split(b"\r\n")


def fields_of(asked: Any, writer: RequestWriter) -> dict[bytes, bytes]:
    return {name: value for name, _, value in [line.partition(b": ") for line in written(asked, writer)[1:-1]]}


@pytest.mark.parametrize(
    ("target", "strips", "seen"),
    [
        ("/api", False, b"/api"),
        ("/api/x?y=z", False, b"/api/x?y=z"),
        ("/api/x?", False, b"/api/x?"),
        ("/api/a%2Fb%20c", False, b"/api/a%2Fb%20c"),
        ("http://Example.org:8000/api/x?y", False, b"/api/x?y"),
        ("/api", True, b"/"),
        ("/api/", True, b"/"),
        ("/api/x?y=z", True, b"/x?y=z"),
        ("/api/a%2Fb", True, b"/a%2Fb"),
        ("/%61pi/x%20y", True, b"/x%20y"),
    ],
)
def test_the_path_stays_as_it_was_sent(target: str, strips: bool, seen: bytes) -> None:
    assert written(request(target), RequestWriter("/api", strips=strips))[0] == b"GET %b HTTP/1.1" % seen


@pytest.mark.parametrize("target", ["/x/../api/y", "/api/./y", "/api/x/%2e%2e/y", "/api/x/..%2fy", "/api/x/%2e%2E%2Fy"])
def test_row_82_dots_are_resolved_as_they_were_for_the_rules(target: str) -> None:
    assert written(request(target))[0] == b"GET /api/y HTTP/1.1"


@pytest.mark.parametrize(
    "target", ["/api/..;/y", "/api/.;x/y", "/api/%2e%2e;/y", "/api/..%5Cy", "/api/x%5C..%5Cy", "/api/x\\..\\y"]
)
def test_row_82_dots_that_some_servers_resolve_and_others_do_not_are_refused(target: str) -> None:
    writer = RequestWriter("/api")
    with pytest.raises(RequestRejected) as caught:
        writer.judge(request(target).head.line)
    assert caught.value.status == 400


@pytest.mark.parametrize("target", ["/api/a..b", "/api/...", "/api/a;b=..c", "/api/a%5Cb", "/api/.well-known"])
def test_dots_that_nobody_resolves_may_stand(target: str) -> None:
    assert written(request(target))[0] == f"GET {target} HTTP/1.1".encode()


def test_pipeline_h06_a_rewritten_path_is_the_one_that_is_asked_for() -> None:
    asked = request("/old?a=b")
    asked.head.line = rewritten(asked.head.line, "/api/größe", None)
    assert written(asked)[0] == b"GET /api/gr%C3%B6%C3%9Fe?a=b HTTP/1.1"


def test_the_root_has_nothing_to_take_off() -> None:
    assert written(request("/x"), RequestWriter("/", strips=True))[0] == b"GET /x HTTP/1.1"
    assert written(request("*", method="OPTIONS"), RequestWriter("/", strips=True))[0] == b"OPTIONS * HTTP/1.1"


@pytest.mark.parametrize(("is_own", "host"), [(False, b"Example.org:8000"), (True, OWN)])
def test_the_host_is_the_clients_or_the_backends(is_own: bool, host: bytes) -> None:
    found = fields_of(request(), RequestWriter("/", is_own_host=is_own))
    assert found[b"host"] == host
    assert found[b"x-forwarded-host"] == b"Example.org:8000"


def test_rfc9110_section_7_6_1_what_is_the_connections_own_goes_no_further() -> None:
    asked = request(
        "/",
        "Connection: keep-alive, X-Hop",
        "Keep-Alive: 5",
        "Proxy-Connection: x",
        "Proxy-Authorization: Basic x",
        "TE: trailers",
        "Trailer: x",
        "Upgrade: h2c",
        "HTTP2-Settings: x",
        "X-Hop: 1",
        "X-Stays: 2",
        "Cookie: a=b",
    )
    found = fields_of(asked, RequestWriter("/", forwarded="none"))
    assert found == {b"host": b"Example.org:8000", b"x-stays": b"2", b"cookie": b"a=b"}


def test_what_strangers_say_of_clients_is_dropped() -> None:
    lies = (
        "X-Forwarded-For: 10.0.0.1",
        "Forwarded: for=10.0.0.1",
        "X-Real-IP: 10.0.0.1",
        "X-Forwarded-Port: 1",
        "Proxy: x",
    )
    twins = ("X_Forwarded_For: 10.0.0.1", "X_Real_IP: 10.0.0.1", "Content_Length: 5")
    found = fields_of(request("/", *lies, *twins, "A_B: c"), RequestWriter("/"))
    assert b"10.0.0.1" not in found.values()
    assert set(found) == {b"host", b"a_b", b"x-forwarded-proto", b"x-forwarded-for", b"x-forwarded-host"}


def test_who_asks_is_said_by_what_we_know() -> None:
    asked = request(scheme="https", client=("2001:db8::7", 1))
    assert fields_of(asked, RequestWriter("/", forwarded="both")) == {
        b"host": b"Example.org:8000",
        b"x-forwarded-proto": b"https",
        b"x-forwarded-for": b"2001:db8::7",
        b"x-forwarded-host": b"Example.org:8000",
        b"forwarded": b'for="[2001:db8::7]";proto=https;host="Example.org:8000"',
    }
    assert fields_of(request(), RequestWriter("/", forwarded="forwarded"))[b"forwarded"] == (
        b'for=192.0.2.7;proto=http;host="Example.org:8000"'
    )
    unknown = request(client=None)
    found = fields_of(unknown, RequestWriter("/", forwarded="both"))
    assert b"x-forwarded-for" not in found
    assert found[b"forwarded"].startswith(b"for=unknown;")
    assert fields_of(request(client=("a\r\nb", 1)), RequestWriter("/")).get(b"x-forwarded-for") is None


def test_fields_are_set_and_dropped_as_the_operator_says() -> None:
    writer = RequestWriter("/", forwarded="none", replaced={b"x-key": b"s3cret", b"cookie": b""})
    found = fields_of(request("/", "X-Key: guess", "Cookie: a=b"), writer)
    assert found == {b"host": b"Example.org:8000", b"x-key": b"s3cret"}


def test_heads_that_are_alike_are_written_once_and_others_are_not_mixed_up() -> None:
    writer = RequestWriter("/")
    one, two = request("/", "Cookie: one"), request("/", "Cookie: two")
    for _ in range(2):
        assert b"cookie: one" in written(one, writer)
        assert b"cookie: two" in written(two, writer)
    # A trusted proxy has said something: such heads are alike to the byte, and mean different things.
    forwarded = request("/", "X-Forwarded-For: 192.0.2.1")
    assert forwarded.head.block == b""
    for number in range(3):
        forwarded.client = (f"192.0.2.{number}", 1)
        assert b"x-forwarded-for: 192.0.2.%d" % number in written(forwarded, writer)


def test_what_is_remembered_has_a_bound() -> None:
    writer = RequestWriter("/")
    for number in range(1200):
        assert b"a: %d" % number in written(request(f"/{number}", f"A: {number}"), writer)


def test_rfc6455_section_4_1_a_handshake_is_our_own() -> None:
    asked = request(
        "/",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: x",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Extensions: x",
        "Sec-WebSocket-Protocol: v1",
        "Origin: https://example.org",
    )
    lines = written(asked, RequestWriter("/", forwarded="none"), is_handshake=True)
    assert lines[1:-1] == [b"host: Example.org:8000", b"sec-websocket-protocol: v1", b"origin: https://example.org"]
