"""Who is let into a pool: requests that the default pool has signed, and nobody else."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from penstock.intake.metadata import Metadata, MetadataSigner
from penstock.server.life import build
from penstock.server.pool_entry import PoolEntry
from penstock.server.pool_sites import pool_settings
from penstock.testing import Client
from tests.pipeline.subject import run
from tests.request_handlers.pool_subject import KEY, NAME, REFERENCE, Pooled, settings_for

CALLED: list[str] = []
FACTS = Metadata(None, ("192.0.2.1", 5), ("127.0.0.1", 80), "https", b"a", "/", "")


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    CALLED.append(environ["PATH_INFO"])
    start_response("200 OK", [])
    return [f"{environ['wsgi.url_scheme']} {environ.get('REMOTE_ADDR')} {environ.get('REMOTE_USER')}".encode()]


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pooled]:
    subject = Pooled(settings_for(), {REFERENCE: app}, tmp_path_factory.mktemp("pool"))
    with subject.listening, subject.worker():
        yield subject


def ask(subject: Pooled, *fields: bytes, line: bytes = b"GET /x HTTP/1.1") -> tuple[int, bytes]:
    """What the socket of the pool answers whoever can reach it."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(subject.path)
        return ask_by(client, *fields, line=line)


def ask_by(client: socket.socket, *fields: bytes, line: bytes = b"GET /x HTTP/1.1") -> tuple[int, bytes]:
    client.sendall(b"\r\n".join([line, b"Host: a", *fields, b"", b""]))
    data = b""
    while True:
        data += client.recv(65536)
        head, blank, body = data.partition(b"\r\n\r\n")
        length = next((line[16:] for line in head.split(b"\r\n") if line.startswith(b"content-length: ")), b"")
        if blank and len(body) == int(length):
            return int(head[9:12]), body


def field(facts: Metadata = FACTS, key: bytes = KEY, pool: str = NAME) -> bytes:
    return b"penstock-metadata: " + MetadataSigner(key, pool).sign(facts)


def test_pipeline_w01_what_the_front_has_signed_is_let_in_as_if_it_had_come_directly(subject: Pooled) -> None:
    assert ask(subject, field()) == (200, b"https 192.0.2.1 None")


REFUSED = {
    "without metadata": [],
    "with another key": [field(key=b"x" * 32)],
    "for another pool": [field(pool="sales")],
    "for another host": [field(FACTS._replace(authority=b"b"))],
    "twice": [field(), field()],
    "a changed letter": [field()[:-4] + b"AAA="],
    "an empty one": [b"penstock-metadata:"],
    "under a twin's name": [field().replace(b"penstock-metadata", b"penstock_metadata")],
    "as what a client sent": [field().replace(b"penstock-metadata", b"penstock-was-penstock-metadata")],
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_pipeline_w01_whoever_else_asks_is_refused_and_nothing_is_run(
    subject: Pooled, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = len(CALLED)
    for _ in range(2):
        status, body = ask(subject, *REFUSED[name])
        assert (status, b"this socket is for the server's own processes" in body) == (403, True)
    assert len(CALLED) == before
    assert "a request that did not come from the front was refused: " in caplog.text
    assert "https" not in caplog.text


def test_pipeline_w01_a_connection_that_was_let_in_once_is_judged_each_time(subject: Pooled) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(subject.path)
        for _ in range(2):
            assert ask_by(client, field())[0] == 200
            assert ask_by(client)[0] == 403
            other = field(FACTS._replace(client=("192.0.2.9", 1)))
            assert ask_by(client, other) == (200, b"https 192.0.2.9 None")


def test_heads_that_are_too_long_to_be_remembered_are_judged_each_time(subject: Pooled) -> None:
    filler = b"x: " + b"y" * 3000
    assert ask(subject, filler, field())[0] == 200
    assert ask(subject, filler)[0] == 403


def test_what_is_remembered_is_bounded_and_what_was_forgotten_is_judged_again(subject: Pooled) -> None:
    with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
        for client in (first, second):
            client.settimeout(5)
            client.connect(subject.path)
        assert ask_by(first, field())[0] == 200
        for port in range(1500):
            assert ask_by(second, field(FACTS._replace(client=("192.0.2.1", port))))[0] == 200
        assert ask_by(first, field())[0] == 200


def test_pipeline_w03_a_worker_that_warms_up_may_ask_itself() -> None:
    settings = pool_settings(settings_for(), NAME)

    async def journey() -> None:
        server = build(settings, objects={REFERENCE: app}, entry=PoolEntry(KEY, NAME))
        async with Client(server.sites, limits=settings.server.limits) as client:
            assert (await client.get("/x")).status == 200

    run(journey)
