"""The head of a request as a pool gets it: written once for what comes again, never for somebody else."""

from typing import Any

import pytest

from penstock import Principal
from penstock.http.head import read_head
from penstock.http.messages import RequestHead
from penstock.http.targets import rewritten
from penstock.intake.metadata import FIELD, MetadataSigner, User
from penstock.pipeline.principal import ANONYMOUS
from penstock.request_handlers.pool_request_head import PoolRequestWriter
from penstock.settings import LimitSettings

SIGNER = MetadataSigner(b"k" * 32, "reports")
RAW = b"GET /x HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n"


class Known:
    def __init__(self, principal: Principal = ANONYMOUS, trace_id: str = "") -> None:
        self.principal = principal
        self.trace_id = trace_id or None


class Asked:
    """A worker request, and the context of it."""

    def __init__(
        self, raw: bytes = RAW, *, client: Any = ("192.0.2.1", 5), scheme: str = "http", known: Any = None
    ) -> None:
        self.head: RequestHead = read_head(raw, LimitSettings())
        self.client = client
        self.server = ("127.0.0.1", 80)
        self.scheme = scheme
        self.known = known


@pytest.fixture
def writer() -> PoolRequestWriter:
    return PoolRequestWriter(SIGNER, "/app")


def written(writer: PoolRequestWriter, asked: Asked, **keys: bool) -> bytes:
    return writer.write(asked, asked, **keys)  # type: ignore[arg-type]


def told(head: bytes) -> Any:
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-1])
    return SIGNER.read(fields[FIELD])


def test_pipeline_w01_what_only_the_front_knows_is_told_and_signed(writer: PoolRequestWriter) -> None:
    user = Principal("ann", roles=frozenset(("b", "a")))
    facts = told(written(writer, Asked(scheme="https", known=Known(user, "1f" * 16))))
    assert facts.user == User("ann", ("a", "b"), True)
    assert (facts.client, facts.server, facts.scheme) == (("192.0.2.1", 5), ("127.0.0.1", 80), "https")
    assert (facts.authority, facts.mount, facts.trace_id) == (b"a", "/app", "1f" * 16)


def test_heads_of_one_client_are_written_once_and_those_of_others_are_their_own(writer: PoolRequestWriter) -> None:
    plain = written(writer, Asked())
    assert written(writer, Asked()) == plain
    others = [
        Asked(client=("192.0.2.1", 6)),
        Asked(client=None),
        Asked(scheme="https"),
        Asked(known=Known(Principal("ann"))),
        Asked(known=Known(Principal("ann", roles=frozenset(("staff",))))),
        Asked(known=Known(trace_id="1f" * 16)),
    ]
    assert len({plain, *[written(writer, other) for other in others]}) == 7
    assert told(written(writer, Asked(known=Known(Principal("bob"))))).user.name == "bob"
    assert told(written(writer, Asked(known=Known()))).user is None


def test_a_head_that_a_proxy_has_changed_is_written_anew(writer: PoolRequestWriter) -> None:
    for client in ("192.0.2.1", "192.0.2.2"):
        asked = Asked(b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n", client=(client, 0))
        assert asked.head.block == b""
        assert told(written(writer, asked)).client == (client, 0)


def test_pipeline_h06_the_target_that_the_client_sent_goes_along(writer: PoolRequestWriter) -> None:
    asked = Asked()
    asked.head.line = rewritten(asked.head.line, "/y z", "q=1")
    assert written(writer, asked).startswith(b"GET /y%20z?q=1 HTTP/1.1\r\npenstock-target: /x\r\nhost: a\r\n")
    absolute = Asked(b"GET http://a/x?y HTTP/1.1\r\nHost: a\r\n\r\n")
    assert written(writer, absolute).startswith(b"GET /x?y HTTP/1.1\r\npenstock-target: http://a/x?y\r\n")


def test_rfc9112_9_3_http_1_0_keeps_the_connection_to_the_pool(writer: PoolRequestWriter) -> None:
    assert written(writer, Asked(b"GET /x HTTP/1.0\r\n\r\n")).startswith(
        b"GET /x HTTP/1.0\r\nconnection: keep-alive\r\npenstock-metadata: "
    )


def test_a_handshake_asks_for_a_websocket(writer: PoolRequestWriter) -> None:
    assert b"\r\nconnection: Upgrade\r\nupgrade: websocket\r\nhost: a\r\n" in written(
        writer, Asked(), is_handshake=True
    )


def test_what_is_remembered_is_bounded(writer: PoolRequestWriter) -> None:
    for number in range(3000):
        raw = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number
        assert told(written(writer, Asked(raw, client=("192.0.2.1", number)))).client[1] == number
