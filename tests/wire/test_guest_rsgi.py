"""A site as the guest of a real RSGI server: granian (middleware section 15.4, websockets section 7.3 «RSGI host»)."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.wire.guest_requests import Asking, NoticingGuest, open_socket, told, write_guest
from tests.wire.guest_servers import GuestServer, guest_of, write_site
from tests.wire.listener_subject import eventually
from tests.wire.raw_client import RawClient


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_guest(tmp_path_factory.mktemp("guest"), face="rsgi")


@pytest.fixture(scope="module")
def guest(folder: Path) -> Iterator[GuestServer]:
    with guest_of("granian-rsgi", folder) as server:
        yield server


class TestRequests(NoticingGuest):
    def test_a_body_whose_last_chunk_comes_late(self, guest: GuestServer) -> None:
        with RawClient(guest.address) as raw:
            raw.send([b"POST /size HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"])
            assert not eventually(lambda: False, seconds=0.1)
            raw.send([b"0\r\n\r\n"])
            assert raw.read_answer().body == b'{"size":5}'

    def test_rfc_9113_bodies_over_http_2(self, guest: GuestServer) -> None:
        host, port = guest.address
        with httpx.Client(base_url=f"http://{host}:{port}", http1=False, http2=True) as client:
            for content in (b"x" * 5000, iter([b"x" * 1000] * 5)):
                answer = client.post("/size", content=content)
                assert (answer.http_version, answer.json()) == ("HTTP/2", {"size": 5000})

    def test_a_body_in_chunks_that_breaks_off_is_not_read_as_a_whole_one(
        self, guest: GuestServer, client: httpx.Client
    ) -> None:
        before = guest.text.count('"POST /size')
        with socket.create_connection(guest.address, timeout=10) as connection:
            connection.sendall(b"POST /size HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        assert eventually(lambda: guest.text.count('"POST /size') > before)
        line = [line for line in guest.lines if '"POST /size' in line][-1]
        assert line.split('HTTP/1.1" ')[1].split()[1] == "-"  # nothing was answered


class TestWebSockets(Asking):
    @pytest.mark.parametrize("path", ["close", "reader"])
    def test_a_socket_opens_without_sub_protocol(self, guest: GuestServer, path: str) -> None:
        with open_socket(guest, path, subprotocols=[Subprotocol("chat.v9")]) as websocket:
            assert websocket.subprotocol is None

    @pytest.mark.parametrize("path", ["later", "inline", "asgi/x"])
    def test_websockets_7_3_what_an_accept_cannot_carry_is_501(self, guest: GuestServer, path: str) -> None:
        with pytest.raises(InvalidStatus) as caught, open_socket(guest, path, subprotocols=[Subprotocol("chat.v2")]):
            pass
        assert caught.value.response.status_code == 501
        assert eventually(lambda: "this host accepts no WebSocket with a sub-protocol" in guest.text)

    def test_websockets_rs_2_a_refusal_is_its_status_alone(self, guest: GuestServer) -> None:
        with pytest.raises(InvalidStatus) as caught, open_socket(guest, "nowhere"):
            pass
        assert (caught.value.response.status_code, caught.value.response.body) == (404, b"")

    def test_messages_and_fragments(self, guest: GuestServer) -> None:
        with open_socket(guest, "fragments") as websocket:
            websocket.send("Grüße")
            assert websocket.recv(timeout=10) == "Grüße"

    def test_websockets_rs_3_a_close_of_the_endpoint_has_no_code(self, guest: GuestServer) -> None:
        for path in ("close", "fail"):
            with open_socket(guest, path) as websocket:
                websocket.send("x")
                with pytest.raises(ConnectionClosed) as caught:
                    websocket.recv(timeout=10)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1005

    def test_websockets_rs_6_the_code_of_a_client_is_not_told(self, guest: GuestServer, client: httpx.Client) -> None:
        with open_socket(guest, "reader") as websocket:
            websocket.send("x")
            websocket.close(3005, "bye")
        assert eventually(lambda: "closed 1005" in told(client))


class TestLife:
    def test_the_application_is_stopped_with_the_server(self, folder: Path) -> None:
        with guest_of("granian-rsgi", folder) as server:
            server.stop()
            assert server.text.count("the application was told to stop") == 1

    def test_requests_inside_end_before_the_stop(self, folder: Path) -> None:
        with guest_of("granian-rsgi", folder) as server, RawClient(server.address) as raw:
            raw.send([b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"])
            assert eventually(lambda: "slow began" in server.text)
            server.process.terminate()
            assert raw.read_answer().body == b"slow"

    def test_a_start_that_fails_is_told_as_by_the_command_line(self, tmp_path: Path) -> None:
        write_site(tmp_path, application="", site="[[site]]\nhots = 1\n", face="rsgi")
        with (
            pytest.raises(AssertionError) as caught,
            guest_of("granian-rsgi", tmp_path, ready="Started worker-1"),
        ):
            pass
        assert 'penstock.toml:2: [[site]] does not know "hots"' in str(caught.value)
        assert "Traceback" not in str(caught.value)

    def test_what_only_the_own_listener_does_is_named(self, guest: GuestServer, tmp_path: Path) -> None:
        write_site(tmp_path, application="", site='[server]\nlisten = ["127.0.0.1:1"]\n[[site]]\n', face="rsgi")
        with guest_of("granian-rsgi", tmp_path) as server:
            wanted = "under an RSGI server these keys of the site file are without effect: server.listen"
            assert eventually(lambda: wanted in server.text)
