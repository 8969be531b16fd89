from typing import Any

import pytest

from penstock.errors import ConfigurationError
from penstock.settings import ServerSettings, Settings, TlsSettings
from penstock.tools.options import overlay


def server(before: ServerSettings | None = None, **options: Any) -> ServerSettings:
    return overlay(Settings(server=before or ServerSettings()), **options).server


def test_nothing_said_changes_nothing() -> None:
    assert overlay(Settings()) == Settings()
    assert server(bind=(), host=None, header=(), log_level=None) == ServerSettings()


@pytest.mark.parametrize(
    ("options", "listen"),
    [
        ({"host": "0.0.0.0"}, ("0.0.0.0:8000",)),
        ({"port": 0}, ("127.0.0.1:0",)),
        ({"host": "::1", "port": 9000}, ("[::1]:9000",)),
        ({"host": "[::1]"}, ("[::1]:8000",)),
        ({"host": ""}, (":8000",)),
        ({"uds": "/run/a.sock"}, ("unix:/run/a.sock",)),
        ({"fd": 3}, ("fd:3",)),
        ({"bind": ["127.0.0.1:1", "unix:a"], "port": 2}, ("127.0.0.1:1", "unix:a", "127.0.0.1:2")),
    ],
)
def test_places_to_listen(options: dict[str, Any], listen: tuple[str, ...]) -> None:
    assert server(**options).listen == listen


def test_a_port_alone_keeps_the_host_of_the_site_file() -> None:
    before = ServerSettings(listen=("unix:/run/a.sock", "[::1]:80", "127.0.0.1:81"))
    assert server(before, port=9000).listen == ("[::1]:9000",)
    assert server(before, host="10.0.0.1").listen == ("10.0.0.1:80",)


def test_limits_and_times() -> None:
    said = server(timeout_keep_alive=5.0, timeout_graceful_shutdown=1.0, limit_max_requests=7, backlog=9)
    assert (said.limits.keep_alive, said.graceful_timeout, said.max_requests, said.backlog) == (5.0, 1.0, 7, 9)


def test_strict_host_refuses_what_the_host_lacks() -> None:
    assert server(strict_host=True).strict_host
    assert not server().strict_host


def test_limit_concurrency_lets_nobody_wait_as_with_uvicorn() -> None:
    limits = server(limit_concurrency=3).limits
    assert (limits.requests_inside, limits.queue) == (3, 0)


def test_headers_are_added_to_those_of_the_site_file() -> None:
    before = ServerSettings(headers={"x-a": "1", "x-b": "1"})
    assert server(before, header=["X-B: 2", "x-c:3:4"]).headers == {"x-a": "1", "x-b": "2", "x-c": "3:4"}


def test_log() -> None:
    log = server(log_level="debug", access_log=False, access_log_format="json").log
    assert (log.level, log.access, log.access_format) == ("debug", False, "json")


def test_trusted_proxies() -> None:
    assert server(forwarded_allow_ips="10.0.0.0/8, unix:").proxy.trusted == ("10.0.0.0/8", "unix:")
    assert server(forwarded_allow_ips="*").proxy.trusted == ("*",)
    assert server(forwarded_allow_ips="").proxy.trusted == ()


def test_tls() -> None:
    assert server(ssl_certfile="c", ssl_keyfile="k").tls == TlsSettings(certificate="c", key="k")
    assert server(ssl_certfile="both").tls == TlsSettings(certificate="both", key="both")
    before = ServerSettings(tls=TlsSettings(certificate="c", key="k"))
    assert server(before, ssl_keyfile="other").tls == TlsSettings(certificate="c", key="other")


def test_folders_to_import_from_come_first() -> None:
    assert server(app_dir=["/a"]).app_dirs == ("/a", ".")


def test_every_mistake_is_said_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        server(
            bind=["8000", "127.0.0.1:99999"],
            header=["no colon", "x y: 1", "x: a\r\nb: c"],
            forwarded_allow_ips="10.0.0.1/8,banana",
            ssl_keyfile="k",
        )
    assert [problem.where for problem in caught.value.problems] == [
        "--bind", "--bind", "--header", "--header", "--header",
        "--forwarded-allow-ips", "--forwarded-allow-ips", "--ssl-keyfile",
    ]  # fmt: skip
