"""What an RSGI server is given: started around its loop, or at the first request, once (services HO-07)."""

import asyncio
import logging
from typing import Any

import pytest

import penstock
from penstock.server.rsgi_guest import RsgiGuest
from penstock.settings import RouteSettings
from tests.hosts.rsgi_server import RsgiProtocol, SocketProtocol, scope_of
from tests.server.test_guests import Life, echo, hello, settings_of


class Served:
    def __init__(self, **options: Any) -> None:
        self.life = Life()
        self.application = RsgiGuest(
            options.pop("subject", settings_of()),
            objects={"the:hello": hello, "the:echo": echo, "the:life": self.life},
            **options,
        )

    async def ask(self, path: str = "/hello") -> RsgiProtocol:
        protocol = RsgiProtocol()
        protocol.put_body(b"", more=False)
        await self.application.__rsgi__(scope_of(path=path), protocol)
        return protocol


@pytest.fixture
def loop() -> Any:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def test_it_is_started_and_stopped_around_the_loop(loop: asyncio.AbstractEventLoop) -> None:
    served = Served()
    served.application.__rsgi_init__(loop)
    assert served.life.started == 1
    answer = loop.run_until_complete(served.ask())
    assert (answer.status, answer.body, answer.calls) == (200, b"hello", ["bytes"])
    assert loop.run_until_complete(served.ask("/life/x")).body == b"hello"
    served.application.__rsgi_del__(loop)
    assert (served.life.started, served.life.stopped) == (1, 1)


def test_a_second_life_on_the_same_loop_begins_anew(loop: asyncio.AbstractEventLoop) -> None:
    served = Served()
    for count in (1, 2):
        served.application.__rsgi_init__(loop)
        assert loop.run_until_complete(served.ask("/life/x")).status == 200
        served.application.__rsgi_del__(loop)
        assert (served.life.started, served.life.stopped) == (count, count)


def test_services_ho07_first_requests_at_once_start_once(loop: asyncio.AbstractEventLoop) -> None:
    served = Served()

    async def journey() -> list[RsgiProtocol]:
        return await asyncio.gather(*(served.ask() for _ in range(5)))

    assert [each.status for each in loop.run_until_complete(journey())] == [200] * 5
    assert served.life.started == 1
    served.application.__rsgi_del__(loop)


def test_services_ho07_a_failure_at_the_first_request_is_503_for_a_while(loop: asyncio.AbstractEventLoop) -> None:
    served = Served()
    served.life.failures = 1

    async def journey() -> tuple[RsgiProtocol, SocketProtocol]:
        answers = [await served.ask() for _ in range(2)]
        socket = SocketProtocol()
        await served.application.__rsgi__(scope_of("ws", path="/echo"), socket)
        assert [each.status for each in answers] == [503, 503]
        return answers[0], socket

    answer, socket = loop.run_until_complete(journey())
    assert answer.body == b"503 Service Unavailable: the site could not be started\n"
    assert int(dict(answer.fields)["retry-after"]) >= 1
    assert socket.closes == [503]
    assert served.life.started == 1


def test_a_failure_at_the_start_ends_the_server(
    loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    served = Served()
    served.life.failures = 1
    with caplog.at_level(logging.ERROR), pytest.raises(SystemExit) as caught:
        served.application.__rsgi_init__(loop)
    assert caught.value.code == 3
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert told[0].startswith("the site could not be started under an RSGI server: ")
    assert "no database" in told[0]


def test_strict_host_refuses_sub_protocols(loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture) -> None:
    routes = (RouteSettings(at="/echo", websocket="the:echo", subprotocols=("v1",)),)
    served = Served(subject=settings_of(routes=routes), strict_host=True)
    with pytest.raises(SystemExit):
        served.application.__rsgi_init__(loop)
    assert "/echo is a WebSocket with sub-protocols, which an RSGI server does not carry" in caplog.text


def test_it_is_a_public_name() -> None:
    assert isinstance(penstock.rsgi("penstock.toml"), RsgiGuest)
