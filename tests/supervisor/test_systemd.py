"""This file is the test of what systemd is told, and of the sockets it hands over."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import ConfigurationError
from penstock.supervisor.systemd import (
    HandedSocket,
    Notifier,
    child_environment,
    find_sockets,
    places_with,
)


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(10)
        yield listener


@pytest.fixture
def notifier(systemd: socket.socket) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": str(systemd.getsockname())})


class TestNotifier:
    def test_ready_names_the_process_and_the_status(self, notifier: Notifier, systemd: socket.socket) -> None:
        notifier.ready("2 workers\nat http://127.0.0.1:8000")
        assert systemd.recv(4096).decode() == (
            f"READY=1\nMAINPID={os.getpid()}\nSTATUS=2 workers at http://127.0.0.1:8000"
        )

    def test_reloading_tells_the_time(self, notifier: Notifier, systemd: socket.socket) -> None:
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        notifier.reloading()
        first, second = systemd.recv(4096).decode().split("\n")
        assert first == "RELOADING=1"
        assert second.startswith("MONOTONIC_USEC=")
        assert before <= int(second.partition("=")[2]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000

    def test_the_other_messages(self, notifier: Notifier, systemd: socket.socket) -> None:
        notifier.stopping("3 requests inside")
        notifier.status("all well")
        notifier.extend(1.5)
        assert [systemd.recv(4096) for _ in range(3)] == [
            b"STOPPING=1\nSTATUS=3 requests inside",
            b"STATUS=all well",
            b"EXTEND_TIMEOUT_USEC=1500000",
        ]

    def test_an_abstract_socket(self) -> None:
        name = f"penstock-test-{os.getpid()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind("\0" + name)
            Notifier({"NOTIFY_SOCKET": "@" + name}).status("here")
            assert listener.recv(4096) == b"STATUS=here"

    @pytest.mark.parametrize("address", ["", "/nowhere/at/all", "relative", "vsock:2:1234", "/" + "x" * 200, "/a\0b"])
    def test_nothing_is_raised_when_nobody_listens(self, address: str) -> None:
        notifier = Notifier({"NOTIFY_SOCKET": address})
        notifier.ready()
        notifier.stopping()

    def test_the_watchdog_is_fed_at_half_the_time(self, systemd: socket.socket) -> None:
        address = str(systemd.getsockname())
        notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())})
        assert notifier.watchdog_interval == 15
        notifier.watchdog()
        assert systemd.recv(4096) == b"WATCHDOG=1"

    @pytest.mark.parametrize(
        "variables",
        [{}, {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "0"}],
    )
    def test_no_watchdog_for_this_process(self, systemd: socket.socket, variables: dict[str, str]) -> None:
        notifier = Notifier({"NOTIFY_SOCKET": str(systemd.getsockname()), **variables})
        assert notifier.watchdog_interval == 0
        notifier.watchdog()
        notifier.status("only this")
        assert systemd.recv(4096) == b"STATUS=only this"


class TestSockets:
    def test_they_begin_at_3_and_have_names(self) -> None:
        variables = {"LISTEN_FDS": "3", "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": "web:fcgi"}
        assert find_sockets(variables) == [(3, "web"), (4, "fcgi"), (5, "")]
        assert find_sockets({**variables, "LISTEN_FDNAMES": ""}) == [(3, ""), (4, ""), (5, "")]

    @pytest.mark.parametrize(
        "variables",
        [
            {},
            {"LISTEN_FDS": "1"},
            {"LISTEN_FDS": "1", "LISTEN_PID": "1"},
            {"LISTEN_FDS": "many", "LISTEN_PID": str(os.getpid())},
        ],
    )
    def test_sockets_of_another_process_are_left(self, variables: dict[str, str]) -> None:
        assert find_sockets(variables) == []


class TestPlaces:
    def test_they_take_the_place_of_tcp_addresses(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            handed = [HandedSocket(sock.fileno(), "shop.socket")]
            places = places_with(handed, ["127.0.0.1:8000", "unix:/run/shop.sock", ":80"])
            assert places == (f"fd:{sock.fileno()}", "unix:/run/shop.sock")
            assert sock.fileno() >= 0

    def test_a_unix_socket_that_is_handed_over_is_not_opened_again(self, tmp_path: Path) -> None:
        path = str(tmp_path / "shop.sock")
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(path)
            handed = [HandedSocket(sock.fileno(), "")]
            assert places_with(handed, [f"unix:{path}", "unix:/run/other.sock"]) == (
                f"fd:{sock.fileno()}",
                "unix:/run/other.sock",
            )

    def test_one_named_fcgi_is_for_fastcgi(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            assert places_with([HandedSocket(sock.fileno(), "fcgi")], [":80"]) == (f"fcgi+fd:{sock.fileno()}",)

    def test_settings_that_name_descriptors_are_left(self) -> None:
        assert places_with([HandedSocket(3, "")], ["fd:3", ":80"]) == ("fd:3", ":80")

    def test_without_sockets_nothing_changes(self) -> None:
        assert places_with([], [":80"]) == (":80",)

    def test_a_place_that_is_none_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="does not say where to listen"):
            places_with([HandedSocket(3, "")], ["nowhere"])


class TestChildren:
    def test_children_do_not_speak_in_our_name(self) -> None:
        environment = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "1", "LISTEN_FDS": "1", "HOME": "/home/shop"}
        assert child_environment(environment) == {"HOME": "/home/shop"}
        assert child_environment()["PATH"] == os.environ["PATH"]
