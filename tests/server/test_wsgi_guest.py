"""What a WSGI server is given: one loop in one thread, started once, whoever asks first, and in whichever process (services HO-07)."""

import logging
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

import penstock
from penstock import ConfigurationError
from penstock.server import wsgi_guest
from penstock.server.wsgi_guest import WsgiGuest
from penstock.settings import (
    DrainSettings,
    HealthPathSettings,
    LogSettings,
    RouteSettings,
    ServerSettings,
    Settings,
    SiteSettings,
)
from tests.hosts.wsgi_server import WsgiServer, environ_of
from tests.server.test_guests import Life, echo, hello, settings_of


@contextmanager
def serving(life: Life, **options: Any) -> Iterator[WsgiGuest]:
    objects = {"the:hello": hello, "the:echo": echo, "the:life": life}
    guest = WsgiGuest(options.pop("subject", settings_of()), objects=objects, **options)
    try:
        yield guest
    finally:
        guest.stop()


def ask(guest: WsgiGuest, path: str = "/hello", **environ: Any) -> tuple[str, bytes, dict[str, str]]:
    server = WsgiServer(guest, environ_of(path=path, **environ))
    server.wire.tell(is_whole=True)
    server.serve()
    assert server.failure is None
    return server.status, server.body, dict(server.fields)


def loops() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "penstock-loop"]


class TestLife:
    def test_it_is_started_with_the_first_request_and_stopped_with_its_thread(self) -> None:
        life = Life()
        with serving(life) as guest:
            assert (life.started, loops()) == (0, [])
            assert ask(guest)[:2] == ("200 OK", b"hello")
            assert ask(guest, "/life/x")[1] == b"hello"
            assert (life.started, life.stopped, len(loops())) == (1, 0, 1)
        assert (life.started, life.stopped, loops()) == (1, 1, [])

    def test_services_ho07_first_requests_at_once_start_once(self) -> None:
        life = Life()
        with serving(life) as guest, ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: ask(guest)[0], range(32)))
            assert answers == ["200 OK"] * 32
            assert (life.started, len(loops())) == (1, 1)

    def test_services_ho07_a_failure_is_503_for_a_while(self, caplog: pytest.LogCaptureFixture) -> None:
        life = Life()
        life.failures = 1
        with serving(life) as guest, caplog.at_level(logging.ERROR):
            for _ in range(2):
                status, body, fields = ask(guest)
                assert status == "503 Service Unavailable"
                assert body == b"503 Service Unavailable: the site could not be started\n"
                assert int(fields["retry-after"]) >= 1
            assert life.started == 1
            assert len([each for each in caplog.records if "no database" in each.getMessage()]) == 1

    def test_a_hook_may_start_it_and_is_told_what_fails(self) -> None:
        life = Life()
        life.failures = 1
        with serving(life) as guest:
            with pytest.raises(penstock.StartupError):
                guest.start()
            assert life.started == 1

    def test_a_process_that_was_forked_starts_its_own(self) -> None:
        life = Life()
        with serving(life) as guest:
            guest.start()
            first = guest._life
            guest._forget()  # as in a forked process
            assert ask(guest)[0] == "200 OK"
            assert life.started == 2
            assert first is not None
            first.stop()

    def test_services_ho15_a_loop_that_is_held_up_does_not_keep_the_process(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(wsgi_guest, "_LAST_WORDS", 0.1)
        let_go, is_inside = threading.Event(), threading.Event()

        def hold() -> str:
            is_inside.set()
            let_go.wait(30)
            return "at last"

        quick = ServerSettings(log=LogSettings(access=False), graceful_timeout=0, drain=DrainSettings(cancel=0))
        site = SiteSettings(routes=(RouteSettings(at="/hold", function="the:hold"),))
        guest = WsgiGuest(Settings(server=quick, sites=(site,)), objects={"the:hold": hold})
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(ask, guest, "/hold")
            assert is_inside.wait(10)
            thread = next(each for each in threading.enumerate() if each.name == "penstock-loop")
            guest.stop()
            assert "the site did not stop in time: something holds its event loop up" in caplog.messages
            let_go.set()
            assert answer.result(20)[0] == "200 OK"
            thread.join(20)
            assert loops() == []

    def test_it_can_be_started_again(self) -> None:
        life = Life()
        with serving(life) as guest:
            for _ in range(2):
                assert ask(guest)[0] == "200 OK"
                guest.stop()
                guest.stop()
            assert (life.started, life.stopped) == (2, 2)


def test_probes_are_answered() -> None:
    health = HealthPathSettings(live="/live", ready="/ready")
    server = ServerSettings(log=LogSettings(access=False), health=health, graceful_timeout=5)
    with serving(Life(), subject=settings_of(server=server)) as guest:
        for path in ("/live", "/ready"):
            status, body, _ = ask(guest, path)
            assert (status, body) == ("200 OK", b"ok\n")


class TestMistakes:
    def test_strict_host_refuses_what_wsgi_cannot_do(self) -> None:
        with pytest.raises(ConfigurationError, match="/echo is a WebSocket, which a WSGI server does not carry"):
            WsgiGuest(
                settings_of(), objects={"the:hello": hello, "the:echo": echo, "the:life": Life()}, strict_host=True
            )

    def test_without_strict_host_it_is_named(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING), serving(Life()):
            assert "/echo is a WebSocket, which a WSGI server does not carry" in caplog.text

    def test_middleware_15_8_a_handshake_is_501(self) -> None:
        fields = {
            "HTTP_CONNECTION": "Upgrade",
            "HTTP_UPGRADE": "websocket",
            "HTTP_SEC_WEBSOCKET_VERSION": "13",
            "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        with serving(Life()) as guest:
            status, body, _ = ask(guest, "/echo", **fields)
            assert (status, b"this host carries no WebSockets" in body) == ("501 Not Implemented", True)

    def test_mistakes_in_settings_are_told_at_once(self) -> None:
        with pytest.raises(ConfigurationError):
            penstock.wsgi("nowhere.toml")

    @pytest.mark.parametrize(
        ("module", "question"), [("gevent.monkey", "is_module_patched"), ("eventlet.patcher", "is_monkey_patched")]
    )
    def test_green_threads_are_refused(self, monkeypatch: pytest.MonkeyPatch, module: str, question: str) -> None:
        monkeypatch.setitem(sys.modules, module, SimpleNamespace(**{question: lambda name: True}))
        with pytest.raises(ConfigurationError, match="needs real threads"):
            WsgiGuest(SiteSettings())
        monkeypatch.setitem(sys.modules, module, SimpleNamespace(**{question: lambda name: False}))
        WsgiGuest(SiteSettings())


def test_it_is_a_public_name() -> None:
    assert penstock.wsgi is wsgi_guest.wsgi
