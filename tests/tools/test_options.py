import os
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import ConfigurationError
from penstock.settings import ControlSettings, PoolSettings, RecycleSettings, ServerSettings, Settings, TlsSettings
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


class TestProcesses:
    def test_workers(self) -> None:
        assert server(workers=3).workers == 3
        assert server(ServerSettings(workers=2), workers="auto").workers == "auto"
        assert server(ServerSettings(workers=2)).workers == 2

    def test_paths_are_those_of_the_current_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        said = server(ServerSettings(control=ControlSettings(mode="0660")), pid="a.pid", control="a.sock")
        assert said.pid_file == str(tmp_path / "a.pid")
        assert said.control == ControlSettings(socket=str(tmp_path / "a.sock"), mode="0660")

    def test_the_number_of_requests_wins_under_both_its_names(self) -> None:
        before = ServerSettings(recycle=RecycleSettings(requests=9, jitter=1))
        said = server(before, limit_max_requests=7, limit_max_requests_jitter=3)
        assert (said.recycle_requests, said.recycle.jitter) == (7, 3)
        assert server(before).recycle_requests == 9

    def test_what_is_started_anew_all_the_time_has_no_workers(self) -> None:
        before = ServerSettings(
            workers=4,
            watch=True,
            pid_file="/a.pid",
            control=ControlSettings(),
            recycle=RecycleSettings(age=5, requests=6),
        )
        said = server(before, one_process=True)
        assert said == ServerSettings()

    def test_pools_stay_when_it_is_started_anew(self) -> None:
        pools = (PoolSettings(name="a"),)
        assert overlay(Settings(pools=pools), one_process=True).pools == pools

    def test_what_has_no_effect_without_workers_is_told(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            server(ServerSettings(watch=True, recycle=RecycleSettings(age=5, schedule=("03:30",), requests=5)))
        told = [
            (each.where, each.message.partition(" needs a supervisor: say workers = 1")[0])
            for each in caught.value.problems
        ]
        assert told == [("[server]", "watch"), ("[server.recycle]", "age"), ("[server.recycle]", "schedule")]

    def test_wrong_places_are_told(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError) as caught:
            server(pid=str(tmp_path / "no" / "a.pid"), control="a" * 200)
        assert [each.where for each in caught.value.problems] == ["--pid", "--control"]

    def test_what_only_root_may_do_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
        with pytest.raises(ConfigurationError, match="nice: only root can go below 0, and this is -5"):
            overlay(Settings(pools=(PoolSettings(name="a", nice=-5),)))


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
