"""A site as the guest of real ASGI servers: uvicorn, hypercorn and granian (services HO-01 to HO-15, websockets T-31, T-33)."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.wire.guest_requests import Asking, NoticingGuest, ask, client_of, open_socket, told, write_guest
from tests.wire.guest_servers import SERVERS, GuestServer, guest_of, write_site
from tests.wire.guest_subject import APPLICATION, SITE
from tests.wire.listener_subject import eventually

FACES = ("later", "inline", "asgi/x", "owin/x")
MIB = 1 << 20


@pytest.fixture(scope="module", params=[name for name in SERVERS if name != "penstock"])
def guest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuestServer]:
    with guest_of(request.param, write_guest(tmp_path_factory.mktemp("guest"))) as server:
        yield server


class TestRequests(NoticingGuest):
    def test_services_ho09_pipeline_x07_half_an_answer_never_passes_for_a_whole_one(self, guest: GuestServer) -> None:
        answer = ask(guest, b"GET /cut HTTP/1.1\r\nHost: a\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"half" in answer
        assert b"\r\n0\r\n\r\n" not in answer

    @pytest.mark.parametrize(
        ("request_line", "fields", "status"),
        [
            (b"GET /hello/../../x", b"Host: a\r\n", 400),
            (b"GET /hello/%2e%2e/%2e%2e/x", b"Host: a\r\n", 400),
            (b"GET /hello/A%zz", b"Host: a\r\n", 400),
            (b"GET /hello/A%00", b"Host: a\r\n", 400),
            (b"GET /hello/Ada", b"Host: a\r\nHost: b\r\n", 400),
            (b"GET /hello/Ada", b"Host: a b\r\n", 400),
            (b"GET /hello/Ada", b"Host: a\r\nAuthorization: a\r\nAuthorization: b\r\n", 400),
            (b"GET /hello/" + b"x" * 9000, b"Host: a\r\n", 414),
            (b"GET /hello/Ada", b"Host: a\r\n" + b"X-A: b\r\n" * 100, 431),
        ],
    )
    def test_bad_input_what_the_server_lets_through_is_refused(
        self, guest: GuestServer, request_line: bytes, fields: bytes, status: int
    ) -> None:
        answer = ask(guest, b"%b HTTP/1.1\r\n%bConnection: close\r\n\r\n" % (request_line, fields))
        assert answer.startswith(b"HTTP/1.1 %d" % status), answer[:200]


class TestWebSockets(Asking):
    """websockets T-31 and T-33: one conversation, whatever style the application is written in."""

    @pytest.mark.parametrize("path", FACES)
    def test_websockets_t31_upgrade_headers_and_messages(self, guest: GuestServer, path: str) -> None:
        with open_socket(guest, path) as websocket:
            assert websocket.response is not None
            # granian drops the headers of an accept.
            style = None if guest.name == "granian" else path.partition("/")[0]
            assert websocket.response.headers.get("x-style") == style
            assert websocket.subprotocol is None
            for message in ("Grüße", b"\x00\xff", ""):
                websocket.send(message)
                assert websocket.recv(timeout=10) == message

    @pytest.mark.parametrize("path", FACES)
    def test_websockets_t31_the_sub_protocol_that_was_chosen(self, guest: GuestServer, path: str) -> None:
        offered = [Subprotocol("chat.v1"), Subprotocol("chat.v2")]
        with open_socket(guest, path, subprotocols=offered) as websocket:
            assert websocket.subprotocol == "chat.v2"

    @pytest.mark.parametrize("path", FACES)
    def test_websockets_t31_a_large_message(self, guest: GuestServer, path: str) -> None:
        message = "x" * MIB
        with open_socket(guest, path, max_size=None) as websocket:
            websocket.send(iter([message[:1000], message[1000:-1000], message[-1000:]]))
            received = ""
            while len(received) < MIB:
                piece = websocket.recv(timeout=10)
                assert isinstance(piece, str)
                received += piece
        assert received == message

    @pytest.mark.parametrize("path", ["later", "inline", "asgi/x", "owin/x"])
    def test_websockets_t31_a_veto_is_an_ordinary_answer(self, guest: GuestServer, path: str) -> None:
        with pytest.raises(InvalidStatus) as caught, open_socket(guest, f"{path}?veto=1"):
            pass
        answer = caught.value.response
        assert (answer.status_code, answer.headers["x-veto"], answer.body) == (409, "yes", b"not today")

    def test_a_path_without_a_socket_is_404(self, guest: GuestServer) -> None:
        with pytest.raises(InvalidStatus) as caught, open_socket(guest, "nowhere"):
            pass
        assert caught.value.response.status_code == 404

    def test_websockets_t31_close_codes_of_the_endpoint(self, guest: GuestServer) -> None:
        for path, code, reason in (("close", 4001, "enough"), ("fail", 1011, None)):
            with open_socket(guest, path) as websocket:
                websocket.send("x")
                with pytest.raises(ConnectionClosed) as caught:
                    websocket.recv(timeout=10)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == code
            assert reason is None or caught.value.rcvd.reason == reason

    def test_fragments_of_the_endpoint_leave_as_one_message(self, guest: GuestServer) -> None:
        with open_socket(guest, "fragments") as websocket:
            websocket.send("Grüße")
            assert websocket.recv(timeout=10) == "Grüße"

    def test_the_code_with_which_a_client_closes(self, guest: GuestServer, client: httpx.Client) -> None:
        with open_socket(guest, "reader") as websocket:
            websocket.send("x")
            websocket.close(3005, "bye")
        # hypercorn does not tell its applications.
        wanted = "closed 1006" if guest.name == "hypercorn" else "closed 3005"
        assert eventually(lambda: wanted in told(client))


class TestFaces:
    def test_websockets_t33_whatever_the_style_and_the_host_the_client_sees_the_same(
        self, guest: GuestServer, own_transcripts: dict[str, list[Any]]
    ) -> None:
        for path, own in own_transcripts.items():
            wanted = [each for each in own if guest.name != "granian" or each[0] != "x-style"]
            assert transcript(guest, path) == wanted, path
        transcripts = [[each for each in own if each[0] != "x-style"] for own in own_transcripts.values()]
        assert all(each == transcripts[0] for each in transcripts)


@pytest.fixture(scope="module")
def own_transcripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What clients see of our own listener."""
    folder = tmp_path_factory.mktemp("own")
    write_site(folder, application=APPLICATION, site=SITE)
    with guest_of("penstock", folder) as server:
        return {path: transcript(server, path) for path in FACES}


def transcript(server: GuestServer, path: str) -> list[Any]:
    """One conversation, as the client sees it."""
    told: list[Any] = []
    offered = [Subprotocol("chat.v1"), Subprotocol("chat.v2")]
    with open_socket(server, path, subprotocols=offered) as websocket:
        assert websocket.response is not None
        style = websocket.response.headers.get("x-style")
        if style is not None:
            told.append(("x-style", style))
        told.append(("subprotocol", websocket.subprotocol))
        for message in ("hello", b"\x00\x01", "ü" * 1000, b""):
            websocket.send(message)
            told.append(("message", websocket.recv(timeout=10)))
        websocket.close(1000, "bye")
        told.append(("close", websocket.close_code))
    try:
        open_socket(server, f"{path}?veto=1").__enter__()
    except InvalidStatus as refused:
        told.append(("veto", refused.response.status_code, refused.response.body))
    return told


SERVERS_THAT_DENY = ("uvicorn", "hypercorn")
WITHOUT_DENIAL = """

served = application


async def application(scope, receive, send):
    scope.get("extensions", {}).pop("websocket.http.response", None)
    await served(scope, receive, send)
"""


@pytest.mark.parametrize("server", SERVERS_THAT_DENY)
def test_websockets_t31_without_the_extension_a_refusal_is_403(server: str, tmp_path: Path) -> None:
    write_site(tmp_path, application=APPLICATION, site=SITE, guest=WITHOUT_DENIAL)
    with guest_of(server, tmp_path) as guest:
        for path in ("later?veto=1", "inline?veto=1", "nowhere"):
            with pytest.raises(InvalidStatus) as caught, open_socket(guest, path):
                pass
            assert caught.value.response.status_code == 403
        with open_socket(guest, "later") as websocket:
            websocket.send("still here")
            assert websocket.recv(timeout=10) == "still here"


def test_middleware_15_11_a_server_without_websockets_gets_501(tmp_path: Path) -> None:
    write_site(tmp_path, application=APPLICATION, site=SITE)
    with guest_of("uvicorn", tmp_path, "--ws", "none") as guest:
        for path in ("later", "inline", "asgi/x", "close"):  # OWIN has its own way: there is no websocket.Accept
            with pytest.raises(InvalidStatus) as caught, open_socket(guest, path):
                pass
            assert caught.value.response.status_code == 501, path


class TestPlaces:
    @pytest.mark.parametrize("server", ["uvicorn", "hypercorn"])
    def test_below_a_prefix_that_a_proxy_takes_off(self, server: str, tmp_path: Path) -> None:
        write_site(tmp_path, application=APPLICATION, site=SITE, options=', root_path="/site"')
        with guest_of(server, tmp_path, "--root-path", "/site") as guest, client_of(guest) as client:
            assert client.get("/hello/Ada").text == "Hello, Ada!"
            assert client.get("/asgi/x").text == "/site/asgi|/site/asgi/x|http|1.1"
            with open_socket(guest, "later") as websocket:
                websocket.send("hello")
                assert websocket.recv(timeout=10) == "hello"

    def test_mounted_in_another_application(self, tmp_path: Path) -> None:
        mounted = """
from starlette.applications import Starlette
from starlette.routing import Mount

inner = penstock.asgi("penstock.toml", root_path="/in/site")
application = Starlette(routes=[Mount("/in/site", inner)])
"""
        write_site(tmp_path, application=APPLICATION, site=SITE, guest=mounted)
        with guest_of("uvicorn", tmp_path) as guest, client_of(guest) as client:
            assert client.get("/in/site/hello/Ada").text == "Hello, Ada!"
            assert client.get("/in/site/asgi/x").text == "/in/site/asgi|/in/site/asgi/x|http|1.1"
            with open_socket(guest, "in/site/later") as websocket:
                websocket.send("hello")
                assert websocket.recv(timeout=10) == "hello"


class TestLife:
    @pytest.mark.parametrize("server", ["uvicorn", "hypercorn", "granian"])
    def test_services_ho15_stops_when_the_server_does(self, server: str, tmp_path: Path) -> None:
        write_site(tmp_path, application=APPLICATION, site=SITE)
        with guest_of(server, tmp_path) as guest:
            with socket.create_connection(guest.address, timeout=10) as connection:
                with client_of(guest) as client:
                    assert client.get("/hello/Ada").text == "Hello, Ada!"
                connection.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
                assert eventually(lambda: "slow began" in guest.text)
                assert guest.stop() in (0, -signal.SIGTERM)  # uvicorn passes the signal on when it is done
                assert b"slow" in connection.recv(4096)
            assert "the application was told to stop" in guest.text
            assert '"GET /hello/Ada HTTP/1.1" 200 11' in guest.text  # our own access log, to the last line
            assert "Traceback" not in guest.text

    @pytest.mark.parametrize(("server", "code"), [("uvicorn", 1012), ("hypercorn", 1001)])
    def test_websockets_py12_sockets_end_when_the_server_stops(self, server: str, code: int, tmp_path: Path) -> None:
        write_site(tmp_path, application=APPLICATION, site=SITE)
        with guest_of(server, tmp_path) as guest, open_socket(guest, "later") as websocket:
            websocket.send("hello")
            assert websocket.recv(timeout=10) == "hello"
            guest.process.terminate()
            with pytest.raises(ConnectionClosed) as caught:
                websocket.recv(timeout=10)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == code  # uvicorn closes them itself

    def test_services_ho07_without_lifespan_it_starts_at_the_first_request(self, tmp_path: Path) -> None:
        write_site(tmp_path, application=APPLICATION, site=SITE)
        with guest_of("uvicorn", tmp_path, "--lifespan", "off") as guest:
            with client_of(guest) as client:
                assert client.get("/hello/Ada").text == "Hello, Ada!"
            guest.stop()
            assert '"GET /hello/Ada HTTP/1.1" 200 11' in guest.text

    @pytest.mark.parametrize("server", ["uvicorn", "hypercorn", "granian"])
    def test_a_failed_start_is_told_in_our_words(self, server: str, tmp_path: Path) -> None:
        write_site(tmp_path, application=APPLICATION, site='[[site]]\n[[site.route]]\nat = "x"\nstatus = 410\n')
        with guest_of(server, tmp_path, ready="penstock.toml:3") as guest:
            guest.process.wait(30)
        assert "penstock.toml:3" in guest.text
