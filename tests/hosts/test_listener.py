"""This file is the test of the sockets a server listens on, with real ones on the loopback address."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import ConfigurationError
from penstock.hosts.listener import Bind, BoundSocket, open_sockets, parse_bind, peer_address


@pytest.fixture
def opened() -> Iterator[list[BoundSocket]]:
    sockets: list[BoundSocket] = []
    yield sockets
    for bound in sockets:
        bound.close()


def listen(opened: list[BoundSocket], *texts: str) -> list[BoundSocket]:
    found = open_sockets([parse_bind(text) for text in texts])
    opened += found
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def refusals(*texts: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        open_sockets([parse_bind(text) for text in texts])
    return [problem.message for problem in caught.value.problems]


def talk(family: int, address: object) -> bool:
    with socket.socket(family) as client:
        client.settimeout(5)
        client.connect(address)  # type: ignore[arg-type]  # of either family
        return True


class TestTcp:
    def test_port_0_is_told(self, opened: list[BoundSocket]) -> None:
        (bound,) = listen(opened, "127.0.0.1:0")
        port = bound.socket.getsockname()[1]
        assert port
        assert bound.url == f"http://127.0.0.1:{port}"
        assert talk(socket.AF_INET, ("127.0.0.1", port))

    def test_is_not_blocking_and_not_inherited_unless_told(self, opened: list[BoundSocket]) -> None:
        (bound,) = listen(opened, "127.0.0.1:0")
        assert not bound.socket.getblocking()
        assert not bound.socket.get_inheritable()
        bound.socket.set_inheritable(True)
        assert bound.socket.get_inheritable()

    def test_url_says_https_with_tls(self, opened: list[BoundSocket]) -> None:
        opened += open_sockets([parse_bind("127.0.0.1:0")], tls=True)
        assert opened[0].tls
        assert opened[0].url.startswith("https://127.0.0.1:")

    @pytest.mark.parametrize("text", [":0", "[::]:0"])
    def test_every_address_is_one_socket_for_both_families(self, opened: list[BoundSocket], text: str) -> None:
        (bound,) = listen(opened, text)
        port = bound.socket.getsockname()[1]
        assert bound.url == f"http://[::]:{port}"
        assert talk(socket.AF_INET6, ("::1", port))
        assert talk(socket.AF_INET, ("127.0.0.1", port))

    def test_ipv4_and_ipv6_everywhere_share_a_port(self, opened: list[BoundSocket]) -> None:
        port = free_port()
        listen(opened, f"[::]:{port}", f"0.0.0.0:{port}")
        assert [bound.url for bound in opened] == [f"http://[::]:{port}", f"http://0.0.0.0:{port}"]

    def test_without_ipv6_every_address_is_ipv4(
        self, opened: list[BoundSocket], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        genuine = socket.socket

        def without_ipv6(family: int = -1, kind: int = -1, proto: int = -1, fileno: int | None = None) -> socket.socket:
            if family == socket.AF_INET6:
                raise OSError(97, "Address family not supported by protocol")
            return genuine(family, kind, proto, fileno)

        monkeypatch.setattr("penstock.hosts.listener.socket.socket", without_ipv6)
        (bound,) = listen(opened, ":0")
        assert bound.url.startswith("http://0.0.0.0:")
        assert refusals("[::]:0") == ["[::]:0: this machine has no address ::"]

    def test_a_name_stands_for_all_its_addresses_on_one_port(
        self, opened: list[BoundSocket], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        both = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)),
        ]
        monkeypatch.setattr("penstock.hosts.listener.socket.getaddrinfo", lambda *_, **__: both)
        listen(opened, "localhost:0")
        ports = {bound.socket.getsockname()[1] for bound in opened}
        assert len(ports) == 1
        port = ports.pop()
        assert [bound.url for bound in opened] == [f"http://127.0.0.1:{port}", f"http://[::1]:{port}"]

    def test_a_free_port_that_is_taken_on_the_second_address_is_another_one(
        self, opened: list[BoundSocket], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("127.0.0.1", "127.0.0.2")]
        monkeypatch.setattr("penstock.hosts.listener.socket.getaddrinfo", lambda *_, **__: both)
        tried: list[object] = []
        genuine = socket.socket.bind

        class Rivalled(socket.socket):
            def bind(self, address: tuple[str, int]) -> None:  # type: ignore[override]  # of these addresses only
                tried.append(address)
                if len(tried) == 2:
                    raise OSError(98, "Address already in use")
                genuine(self, address)

        monkeypatch.setattr("penstock.hosts.listener.socket.socket", Rivalled)
        listen(opened, "twice.example:0")
        first, second = (bound.socket.getsockname() for bound in opened)
        assert (first[0], second[0]) == ("127.0.0.1", "127.0.0.2")
        assert first[1] == second[1]
        assert len(tried) == 4

    def test_a_port_in_use_is_named_with_the_way_out(self, opened: list[BoundSocket]) -> None:
        (bound,) = listen(opened, "127.0.0.1:0")
        port = bound.socket.getsockname()[1]
        assert refusals(f"127.0.0.1:{port}") == [
            f"127.0.0.1:{port} is already in use (by another process): choose another with --port"
        ]

    def test_all_failures_at_once_and_nothing_stays_open(self, opened: list[BoundSocket], tmp_path: Path) -> None:
        port = free_port()
        (rival,) = listen(opened, "127.0.0.1:0")
        taken = rival.socket.getsockname()[1]
        path = tmp_path / "app.sock"
        messages = refusals(
            f"127.0.0.1:{port}", f"unix:{path}", f"127.0.0.1:{taken}", "192.0.2.1:0", "no.such.invalid:0"
        )
        assert messages == [
            f"127.0.0.1:{taken} is already in use (by another process): choose another with --port",
            "192.0.2.1:0: this machine has no address 192.0.2.1",
            "no.such.invalid:0: this machine knows no address of no.such.invalid",
        ]
        assert not path.exists()
        assert listen(opened, f"127.0.0.1:{port}")

    def test_the_same_place_twice_is_named(self, tmp_path: Path) -> None:
        port = free_port()
        text = f"127.0.0.1:{port}"
        assert refusals(text, text) == [f"{text} is the same place as {text}: take one of them out"]
        text = f"unix:{tmp_path}/app.sock"
        assert refusals(text, text) == [f"{text} is the same place as {text}: take one of them out"]

    def test_places_that_overlap_are_named(self) -> None:
        port = free_port()
        assert refusals(f":{port}", f"127.0.0.1:{port}") == [
            f"127.0.0.1:{port} overlaps with :{port}: take one of them out"
        ]

    def test_a_reserved_port_is_explained(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(self: socket.socket, address: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("socket.socket.bind", refuse, raising=False)
        assert refusals("127.0.0.1:80") == [
            "127.0.0.1:80: ports below 1024 are reserved for root: choose a higher one with --port"
        ]

    def test_a_name_that_cannot_be_one(self) -> None:
        (message,) = refusals(f"{'a' * 70}.example:0")
        assert "cannot be the name of a machine" in message


class TestUnix:
    def test_file_has_its_mode_and_goes_in_the_end(self, opened: list[BoundSocket], tmp_path: Path) -> None:
        path = tmp_path / "app.sock"
        (bound,) = listen(opened, f"unix:{path}")
        assert bound.is_unix
        assert bound.url == f"unix:{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o666
        assert talk(socket.AF_UNIX, str(path))
        bound.close()
        bound.close()
        assert not path.exists()

    def test_mode_can_be_narrower(self, opened: list[BoundSocket], tmp_path: Path) -> None:
        path = tmp_path / "app.sock"
        opened += open_sockets([Bind(text="unix:app", path=str(path))], unix_mode=0o600)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_file_of_a_dead_server_is_replaced(self, opened: list[BoundSocket], tmp_path: Path) -> None:
        path = tmp_path / "app.sock"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        listen(opened, f"unix:{path}")
        assert talk(socket.AF_UNIX, str(path))

    def test_file_of_a_living_server_is_an_error(self, opened: list[BoundSocket], tmp_path: Path) -> None:
        path = tmp_path / "app.sock"
        listen(opened, f"unix:{path}")
        assert refusals(f"unix:{path}") == [f"unix:{path} is already in use (by another process): choose another path"]
        assert path.exists()

    def test_a_living_server_with_a_full_backlog_is_alive(self, tmp_path: Path) -> None:
        path = str(tmp_path / "app.sock")
        with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as first:
            busy.bind(path)
            busy.listen(0)
            first.connect(path)
            assert "already in use" in refusals(f"unix:{path}")[0]

    def test_a_file_that_is_no_socket_is_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "notes.txt"
        path.write_text("keep me")
        assert refusals(f"unix:{path}") == [f"unix:{path}: the file at {path} is not a socket: choose another path"]
        assert path.read_text() == "keep me"

    def test_a_folder_that_is_missing_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "missing" / "app.sock"
        assert refusals(f"unix:{path}") == [f"unix:{path}: no socket can be made there (No such file or directory)"]

    def test_a_path_that_is_too_long_is_named(self, tmp_path: Path) -> None:
        assert "path too long" in refusals(f"unix:{tmp_path}/{'a' * 120}")[0]

    def test_a_file_that_became_anothers_stays(self, opened: list[BoundSocket], tmp_path: Path) -> None:
        path = tmp_path / "app.sock"
        (bound,) = listen(opened, f"unix:{path}")
        path.unlink()
        listen(opened, f"unix:{path}")
        bound.close()
        assert talk(socket.AF_UNIX, str(path))

    def test_a_forked_worker_leaves_the_file(self, opened: list[BoundSocket], tmp_path: Path) -> None:
        path = tmp_path / "app.sock"
        program = (
            "import os, sys\n"
            "from penstock.hosts.listener import open_sockets, parse_bind\n"
            "[bound] = open_sockets([parse_bind('unix:' + sys.argv[1])])\n"
            "if not (child := os.fork()):\n"
            "    bound.close()\n"
            "    os._exit(0)\n"
            "os.waitpid(child, 0)\n"
            "print(os.path.exists(sys.argv[1]))\n"
            "bound.close()\n"
            "print(os.path.exists(sys.argv[1]))\n"
        )
        done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["True", "False"]


class TestInherited:
    def test_a_tcp_socket(self, opened: list[BoundSocket]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as given:
            port = given.getsockname()[1]
            (bound,) = listen(opened, f"fd:{os.dup(given.fileno())}")
            assert bound.url == f"http://127.0.0.1:{port}"
            assert not bound.is_unix

    def test_a_unix_socket_whose_file_stays(self, opened: list[BoundSocket], tmp_path: Path) -> None:
        path = tmp_path / "app.sock"
        with socket.socket(socket.AF_UNIX) as given:
            given.bind(str(path))  # not listening yet, as some starters hand it over
            (bound,) = listen(opened, f"fd:{os.dup(given.fileno())}")
            assert bound.is_unix
            assert bound.url == f"unix:{path}"
            assert talk(socket.AF_UNIX, str(path))
            bound.close()
            assert path.exists()

    def test_what_is_no_listening_socket_is_refused_and_stays_open(self) -> None:
        read_end, write_end = os.pipe()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            number = datagrams.fileno()
            assert refusals(f"fd:{number}") == [f"fd:{number} is not a stream socket"]
            assert datagrams.getsockname()
        assert "no listening socket was handed over" in refusals(f"fd:{read_end}")[0]
        os.close(read_end)
        os.close(write_end)
        assert "no listening socket was handed over" in refusals(f"fd:{read_end}")[0]


class TestPeerAddress:
    def test_ipv4_on_a_dual_stack_socket_is_ipv4(self) -> None:
        assert peer_address(("::ffff:192.0.2.1", 5, 0, 0)) == ("192.0.2.1", 5)

    def test_a_zone_is_dropped(self) -> None:
        assert peer_address(("fe80::1%eth0", 5, 0, 2)) == ("fe80::1", 5)

    def test_others_are_kept(self) -> None:
        assert peer_address(("127.0.0.1", 5)) == ("127.0.0.1", 5)
        assert peer_address(("2001:db8::1", 5, 0, 0)) == ("2001:db8::1", 5)
