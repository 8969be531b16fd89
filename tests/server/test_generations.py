"""New code takes over in the running process when its folder's real path has changed: pipeline E-02."""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from penstock.server import build
from penstock.server.life import Server
from penstock.settings import LogSettings, ModuleSettings, RouteSettings, ServerSettings, Settings, SiteSettings
from penstock.testing import Client
from tests.intake.test_statistics import total_of
from tests.pipeline.subject import LOOPS, run
from tests.pipeline_gateways.wsgi_subject import wait_until
from tests.server.release_subject import Releases


@pytest.fixture
def releases(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Releases]:
    monkeypatch.delitem(sys.modules, "django", raising=False)  # another test may have imported it
    name = f"shop_{abs(hash(request.node.nodeid))}"
    before = list(sys.path)
    yield Releases(tmp_path, name)
    sys.path[:] = before
    for each in [each for each in sys.modules if each.partition(".")[0] == name]:
        del sys.modules[each]


def settings_of(releases: Releases, *, start_failure: Any = "exit") -> Settings:
    name = releases.name
    site = SiteSettings(
        root=str(releases.current / "public"),
        modules=(ModuleSettings(use=f"{name}.web:Life"),),
        routes=(
            RouteSettings(at="/", function=f"{name}.web:hello"),
            RouteSettings(at="/slow", function=f"{name}.web:slow"),
        ),
    )
    server = ServerSettings(
        listen=("127.0.0.1:0",),
        app_dirs=(str(releases.current),),
        log=LogSettings(access=False),
        start_failure=start_failure,
    )
    return Settings(server=server, sites=(site,))


def serve(
    releases: Releases,
    journey: Callable[[Client, Server], Awaitable[None]],
    loop: str = "asyncio",
    *,
    has_successor: bool = False,
) -> None:
    """Run `journey` with a client of the current release; the folders are looked at in front of every request."""

    async def whole() -> None:
        server = build(settings_of(releases))
        client = Client(server.sites, limits=server.settings.server.limits)
        async with client:
            server.generations.has_successor = has_successor
            server.generations.watch(client.runtime, interval=0)
            await asyncio.sleep(0)
            await journey(client, server)
            await server.generations.stop()

    run(whole, loop)


def web_of(releases: Releases) -> Any:
    return sys.modules[f"{releases.name}.web"]


@pytest.mark.parametrize("loop", LOOPS)
def test_pipeline_e02_no_request_is_executed_by_old_code_and_none_is_lost(
    releases: Releases, loop: str, caplog: pytest.LogCaptureFixture
) -> None:
    for name in "12":
        releases.add(name)
    releases.switch("1")
    caplog.set_level(logging.INFO, "penstock")

    async def journey(client: Client, server: Server) -> None:
        assert (await client.get("/")).text == "1"
        assert (await client.get("/name.txt")).text == "1"
        old = web_of(releases)
        slow = client.open("GET", "/slow")
        await wait_until(lambda: old.GATES)
        releases.switch("2")
        held = [client.open("GET", "/") for _ in range(5)]
        assert client.runtime.statistics().queued == 5
        for each in held:
            await each.wait_finished()
        assert [b"".join(each.pieces) for each in held] == [b"2"] * 5
        assert (await client.get("/name.txt")).text == "2"
        assert old.LOG == ["start"]  # a request is still inside
        assert len(client.runtime.requests()) == 1
        old.GATES[0].set()
        await slow.wait_finished()
        assert b"".join(slow.pieces) == b"slow 1"
        await wait_until(lambda: old.LOG == ["start", "stop"])
        assert web_of(releases) is not old
        assert web_of(releases).LOG == ["start"]
        statistics = client.runtime.statistics()
        assert statistics.total == total_of(statistics) == statistics.succeeded == 9
        assert (statistics.executing, statistics.queued) == (0, 0)

    serve(releases, journey, loop)
    text = caplog.text
    assert "a recycle was asked for" in text
    assert str(releases.folder / "releases" / "2") in text


def test_pipeline_e02_it_can_happen_again_and_back(releases: Releases) -> None:
    for name in "123":
        releases.add(name)
    releases.switch("1")

    async def journey(client: Client, server: Server) -> None:
        for name in "2312":
            releases.switch(name)
            assert (await client.get("/")).text == name

    serve(releases, journey)


@pytest.mark.parametrize("failing", ["start", "import"])
def test_pipeline_e02_new_code_that_does_not_start_is_503_and_tried_again(
    releases: Releases, failing: str, caplog: pytest.LogCaptureFixture
) -> None:
    releases.add("1")
    if failing == "start":
        releases.add("2", start="raise OSError('secret: no database')")
    else:
        releases.add("2", code="import nowhere_to_be_found")
    releases.add("3")
    releases.switch("1")

    async def journey(client: Client, server: Server) -> None:
        old = web_of(releases)
        releases.switch("2")
        held = [client.open("GET", "/") for _ in range(3)]
        for each in held:
            await each.wait_finished()
            assert each.response_head is not None
            assert (each.response_head.status, dict(each.response_head.raw_headers)[b"retry-after"]) == (503, b"10")
            assert b"secret" not in b"".join(each.pieces)
        assert (await client.get("/")).status == 503
        assert web_of(releases) is old  # what is still inside has its own modules
        assert old.LOG == ["start"]
        releases.switch("3")
        assert (await client.get("/")).status == 503  # it is not tried with every request
        client.runtime.gate.turn_away("as if the time were over", 0)
        await asyncio.sleep(0)
        await wait_until(lambda: not client.runtime.gate.reason)
        assert (await client.get("/")).text == "3"
        statistics = client.runtime.statistics()
        assert (statistics.total, statistics.rejected, statistics.succeeded) == (6, 5, 1)

    serve(releases, journey)
    assert "does not start; requests are answered with 503, tried again in 10 s; or restart the server" in caplog.text


def test_pipeline_e02_what_cannot_be_exchanged_is_not_served_from_old_code(
    releases: Releases, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in "12":
        releases.add(name)
    releases.switch("1")
    monkeypatch.setitem(sys.modules, "django", ModuleType("django"))

    async def journey(client: Client, server: Server) -> None:
        releases.switch("2")
        assert (await client.get("/")).status == 503
        releases.switch("1")
        client.runtime.turn_away("as if the time were over", 0)
        await wait_until(lambda: not client.runtime.gate.reason)
        assert (await client.get("/")).text == "1"

    serve(releases, journey)
    assert "Django keeps what it has imported for the life of a process" in caplog.text


@pytest.mark.parametrize("why", ["django", "start"])
def test_pipeline_e02_in_a_worker_the_old_code_serves_until_its_successor_does(
    releases: Releases, why: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    releases.add("1")
    releases.add("2", start="raise OSError('no database')" if why == "start" else "pass")
    releases.add("3")
    releases.switch("1")
    asked: list[str] = []

    async def journey(client: Client, server: Server) -> None:
        client.runtime.on_recycle = asked.append
        if why == "django":
            monkeypatch.setitem(sys.modules, "django", ModuleType("django"))
        releases.switch("2")
        held = [client.open("GET", "/") for _ in range(3)]
        for each in held:
            await each.wait_finished()
        assert [b"".join(each.pieces) for each in held] == [b"1"] * 3
        assert (await client.get("/")).text == "1"  # it is not tried with every request
        assert len(asked) == 1
        monkeypatch.delitem(sys.modules, "django", raising=False)
        releases.switch("3")
        await wait_until(lambda: client.runtime.gate.is_shut)  # it is time to look again
        assert (await client.get("/")).text == "3"  # another release is another matter
        assert len(asked) == 2

    serve(releases, journey, has_successor=True)
    assert "the old one goes on until another worker takes over" in caplog.text


def test_pipeline_e02_who_switches_back_gets_the_old_code_again(releases: Releases) -> None:
    releases.add("1")
    releases.add("2", start="raise OSError('no database')")
    releases.switch("1")

    async def journey(client: Client, server: Server) -> None:
        releases.switch("2")
        assert (await client.get("/")).status == 503
        releases.switch("1")
        client.runtime.turn_away("as if the time were over", 0)
        await wait_until(lambda: not client.runtime.gate.reason)
        assert (await client.get("/")).text == "1"

    serve(releases, journey)


def test_pipeline_e02_a_link_that_leads_nowhere_for_a_moment_changes_nothing(releases: Releases) -> None:
    releases.add("1")
    releases.switch("1")

    async def journey(client: Client, server: Server) -> None:
        releases.current.unlink()
        assert (await client.get("/")).text == "1"
        assert client.runtime.recycle_reasons == []

    serve(releases, journey)


def test_pipeline_g04_who_waits_at_a_stop_is_told_and_nothing_is_left_running(releases: Releases) -> None:
    releases.add("1")
    releases.add("2", start="import time; raise OSError('no database')")
    releases.switch("1")

    async def journey(client: Client, server: Server) -> None:
        old = web_of(releases)
        releases.switch("2")
        held = client.open("GET", "/")
        assert await client.runtime.drain(1)
        await server.generations.stop()
        await client.runtime.stop()
        assert held.response_head is not None
        assert held.response_head.status == 503
        assert old.LOG == ["start", "stop"]

    serve(releases, journey)


def test_pipeline_g01_a_recycle_for_another_reason_says_what_to_do(
    releases: Releases, caplog: pytest.LogCaptureFixture
) -> None:
    releases.add("1")
    releases.switch("1")

    async def journey(client: Client, server: Server) -> None:
        client.runtime.recycle("10 threads are stuck")
        client.runtime.recycle("and more")

    serve(releases, journey)
    assert (
        "this server is one process, which cannot replace itself: restart it (10 threads are stuck)" in caplog.messages
    )
    assert "a recycle was asked for again: and more (first: 10 threads are stuck)" in caplog.messages
