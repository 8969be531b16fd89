"""Bad-input rows 60 to 69: handshakes and frames that no honest client sends, each beside a socket that must not notice."""

import gc
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from penstock import AcceptOptions, Context
from tests.wire.listener_subject import eventually
from tests.wire.websocket.cases import chopped
from tests.wire.websocket.cases_bad import FRAMES, HANDSHAKES, BadFrames, BadHandshake
from tests.wire.websocket.deflating_client import DeflatingClient
from tests.wire.websocket.frames_client import (
    BINARY,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    FramesClient,
    close_frame,
    frame,
    handshake,
)
from tests.wire.websocket.subject import SocketServer, accepting, echo, serving

DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate"
MIB = 1024 * 1024


def choose_first(context: Context) -> None:
    """Accepts, with the first of the sub-protocols that are offered."""
    offered = context.websockets.requested_protocols
    context.accept_websocket(echo, AcceptOptions(offered[0] if offered else None))


def decorate(context: Context) -> None:
    """Accepts, with all the fields that a response may have, and some that a 101 may not."""
    context.accept_websocket(echo)
    for name in (
        "content-type",
        "content-length",
        "transfer-encoding",
        "connection",
        "upgrade",
        "keep-alive",
        "trailer",
    ):
        context.response.headers[name] = "5"
    context.response.headers["sec-websocket-protocol"] = "chat"
    context.response.headers["x-kept"] = "1"
    context.response.set_cookie("a", "b")


ROUTES: dict[str, Callable[..., object]] = {
    "/echo": accepting(echo),
    "/small": accepting(echo, max_message_size=65_536),
    "/chosen": choose_first,
    "/decorated": decorate,
    "/private": accepting(echo, allowed_origins=["https://example.org"]),
    "/deflate": accepting(echo, compression=True),
    "/watched": accepting(echo, keepalive_interval=0.5, keepalive_timeout=0.5),
}


@pytest.fixture(scope="module")
def server() -> Iterator[SocketServer]:
    with serving(ROUTES) as server:
        yield server


@pytest.fixture
def bystander(server: SocketServer) -> Iterator[FramesClient]:
    """An open socket of somebody else: it is served before, and it is served behind."""
    with server.connect() as client:
        client.open("/echo")
        client.echo(b"before")
        yield client
        client.echo(b"behind")
        client.leave()


@contextmanager
def bounded(limit: int, *, at_its_end: bool = False) -> Iterator[None]:
    """At no time, or just not at its end, may more than `limit` bytes be kept that were not before."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        yield
        if at_its_end:
            gc.collect()
        kept = tracemalloc.get_traced_memory()[0 if at_its_end else 1] - before
    finally:
        tracemalloc.stop()
    assert kept < limit, f"{kept} bytes"


class TestTheRows:
    def test_every_row_has_cases(self) -> None:
        rows = {case.row for case in HANDSHAKES} | {case.row for case in FRAMES}
        assert rows == set(range(60, 70))

    @pytest.mark.parametrize("case", HANDSHAKES, ids=lambda case: f"{case.row}-{case.title}")
    def test_websockets_t34_cw09_rows_60_61_and_69_handshakes(
        self, server: SocketServer, bystander: FramesClient, case: BadHandshake
    ) -> None:
        with server.connect() as client:
            client.send([case.request])
            answer = client.read_answer(case.request_line.partition(b" ")[0].decode())
            assert answer.status in case.status, answer
            chosen = answer.find(b"sec-websocket-protocol")
            assert chosen in (None, b"p0")
            if answer.status == 426:
                # RFC 6455 section 4.4: it says which version there is.
                assert answer.find(b"sec-websocket-version") == b"13"
            if answer.status == 101:
                client.echo()
                client.leave()
            else:
                assert b"upgrade" not in (answer.find(b"connection") or b"").lower() or answer.status == 426

    @pytest.mark.parametrize("case", FRAMES, ids=lambda case: f"{case.row}-{case.title}")
    def test_websockets_f01_f03_rt06_rt08_dv15_rows_62_to_68_frames(
        self, server: SocketServer, bystander: FramesClient, case: BadFrames
    ) -> None:
        with server.connect() as client:
            client.open(case.target)
            client.send(case.sent, server.take_turn if len(case.sent) < 20 else None)
            assert client.read_close() in case.codes

    @pytest.mark.parametrize("case", FRAMES, ids=lambda case: f"{case.row}-{case.title}")
    def test_websockets_h10_rows_62_to_68_frames_in_the_write_of_the_handshake(
        self, server: SocketServer, case: BadFrames
    ) -> None:
        # H-10: what comes behind the head belongs to the frames, and is judged as they are.
        with server.connect() as client:
            client.open(case.target, behind=b"".join(case.sent))
            assert client.read_close() in case.codes


class TestMemory:
    """Row 62 and 63: what is announced costs nothing, what comes costs no more than it is."""

    def test_row_62_announced_sizes_are_not_reserved(self, server: SocketServer, bystander: FramesClient) -> None:
        announced = frame(BINARY, bytes(16 * MIB))[:14]
        with server.connect() as client, bounded(MIB):
            client.open("/echo")
            client.send([announced + b"x" * 10])
            server.take_turn()
        assert eventually(lambda: server.open_count() == 1)

    def test_row_62_bytes_that_come_one_by_one_cost_what_they_are(
        self, server: SocketServer, bystander: FramesClient
    ) -> None:
        payload = b"x" * 4000
        with server.connect() as client:
            client.open("/echo")
            client.send([frame(BINARY, payload)[:10]])
            server.take_turn()
            pieces = chopped(frame(BINARY, payload)[10:-1])
            with bounded(3 * len(payload), at_its_end=True):
                client.send(pieces, server.take_turn)
            client.send([frame(BINARY, payload)[-1:]])
            assert client.read_message() == (BINARY, payload)

    def test_row_62_fragments_of_one_byte_cost_what_they_are(
        self, server: SocketServer, bystander: FramesClient
    ) -> None:
        count = 50_000
        with server.connect() as client:
            client.open("/small")
            client.send([frame(BINARY, b"x", fin=False)])
            stream = frame(CONTINUATION, b"x", fin=False) * count
            with bounded(3 * MIB):  # the stream in the kernel is not Python's; what is read at once is
                client.send([stream])
                server.take_turn()
            client.send([frame(CONTINUATION, b"x")])
            assert client.read_message() == (BINARY, b"x" * (count + 2))

    def test_row_62_a_gigabyte_in_fragments_ends_at_the_limit(
        self, server: SocketServer, bystander: FramesClient
    ) -> None:
        piece = frame(CONTINUATION, bytes(MIB // 2), fin=False)
        with server.connect() as client:
            client.open("/echo")
            client.send([frame(BINARY, b"x", fin=False)])
            with bounded(64 * MIB):
                client.flood(piece, at_most=256 * MIB, seconds=1.0)
            found = client.read_frame()
            assert found is not None
            assert int.from_bytes(found.payload[:2], "big") == 1009

    @pytest.mark.parametrize("is_cut", [False, True], ids=["one frame", "frames of 1000 bytes"])
    def test_row_63_a_bomb_is_refused_before_it_is_inflated(
        self, server: SocketServer, bystander: FramesClient, is_cut: bool
    ) -> None:
        bomb = zlib.compress(bytes(200 * MIB), 9, wbits=-15)
        with DeflatingClient(server.address) as client:
            client.open("/deflate", DEFLATE)
            first, rest = bomb[:1000], bomb[1000:]
            sent = [
                frame(BINARY, first, fin=False, rsv=4),
                *(frame(CONTINUATION, rest[at : at + 1000], fin=False) for at in range(0, len(rest), 1000)),
            ]
            with bounded(24 * MIB):  # the largest message, and what comes
                client.send([b"".join(sent)] if is_cut else [frame(BINARY, bomb, rsv=4)])
                assert client.read_close() == 1009

    def test_row_63_a_bomb_within_the_ratio_ends_at_the_size(
        self, server: SocketServer, bystander: FramesClient
    ) -> None:
        # 90 times its size: letters enough to stay below the ratio, until the message is larger than allowed.
        block = bytes(range(256)) * 4 + bytes(160_000)
        bomb = zlib.compress(block * 130, 6, wbits=-15)
        with DeflatingClient(server.address) as client:
            client.open("/deflate", DEFLATE)
            client.send([frame(BINARY, bomb, rsv=4)])
            assert client.read_close() == 1009


class TestDeflate:
    def test_row_63_a_compressed_control_frame(self, server: SocketServer, bystander: FramesClient) -> None:
        with DeflatingClient(server.address) as client:
            client.open("/deflate", DEFLATE)
            client.send([frame(PING, b"\x00", rsv=4)])
            assert client.read_close() == 1002

    def test_row_63_a_context_that_was_to_be_reset(self, server: SocketServer, bystander: FramesClient) -> None:
        # The client agrees to forget its context and refers to it all the same: there is nothing to refer to.
        with DeflatingClient(server.address) as client:
            client.open("/deflate", DEFLATE + b"; client_no_context_takeover")
            client.send_deflated(TEXT, b"remember this, please" * 10)
            assert client.read_inflated() == (TEXT, b"remember this, please" * 10)
            client.send_deflated(TEXT, b"remember this, please" * 10)
            assert client.read_close() in (1002, 1007)

    @pytest.mark.parametrize("tail", [b"", b"\x00\x00\xff\xff" * 1000, b"\x03\x00" * 1000])
    def test_row_63_odd_ends_of_a_stream_end_in_time(
        self, server: SocketServer, bystander: FramesClient, tail: bytes
    ) -> None:
        with DeflatingClient(server.address) as client:
            client.open("/deflate", DEFLATE)
            client.send([frame(TEXT, zlib.compress(b"final", wbits=-15) + tail, rsv=4), close_frame()])
            found = client.read_frame()
            assert found is not None  # echoed, or refused: but soon


class TestBehaviour:
    """Row 68: who sends too early, too late, too much; who never answers; who never reads."""

    def test_row_68_frames_in_the_write_of_the_handshake_come_through(
        self, server: SocketServer, bystander: FramesClient
    ) -> None:
        with server.connect() as client:
            client.open("/echo", behind=frame(TEXT, b"early") + frame(TEXT, b"and again"))
            assert client.read_message() == (TEXT, b"early")
            assert client.read_message() == (TEXT, b"and again")
            client.leave()

    def test_row_68_a_handshake_byte_by_byte_and_frames_glued_to_it(
        self, server: SocketServer, bystander: FramesClient
    ) -> None:
        whole = handshake("/echo") + frame(TEXT, b"early")
        for cut in (1, len(whole) - 12, len(handshake("/echo")), len(handshake("/echo")) + 3):
            with server.connect() as client:
                client.send([whole[:cut], whole[cut:]], server.take_turn)
                assert client.read_answer().status == 101
                assert client.read_message() == (TEXT, b"early")
                client.leave()

    def test_row_68_a_flood_of_pings_that_nobody_reads_the_pongs_of(
        self, server: SocketServer, bystander: FramesClient
    ) -> None:
        with server.connect(receive_buffer=4096) as client:
            client.open("/echo")
            flood = frame(PING, b"x" * 125) * 500
            with bounded(4 * MIB):
                client.flood(flood, at_most=4 * MIB, seconds=0.2)

    def test_row_68_a_flood_of_pongs_is_nothing(self, server: SocketServer, bystander: FramesClient) -> None:
        with server.connect() as client:
            client.open("/echo")
            client.send([frame(PONG, b"x" * 125) * 20_000])
            client.echo()
            client.leave()

    def test_row_68_who_never_reads_is_not_read_from(self, server: SocketServer, bystander: FramesClient) -> None:
        with server.connect(receive_buffer=4096) as client:
            client.open("/echo")
            with bounded(16 * MIB):
                sent = client.flood(frame(BINARY, bytes(60_000)) * 10, at_most=64 * MIB, seconds=0.3)
            assert sent < 32 * MIB

    def test_websockets_cw10_dv23_row_68_who_never_answers_a_ping_is_closed_with_1011(
        self, server: SocketServer, bystander: FramesClient
    ) -> None:
        with server.connect() as client:
            client.open("/watched")
            ping = client.read_frame()
            assert ping is not None
            assert ping.opcode == PING
            assert len(ping.payload) == 4
            assert client.read_close() == 1011

    def test_row_68_who_answers_its_pings_stays(self, server: SocketServer, bystander: FramesClient) -> None:
        with server.connect() as client:
            client.open("/watched")
            ping = client.read_frame()
            assert ping is not None
            assert ping.opcode == PING
            client.send([frame(PONG, ping.payload)])
            # Past the time-out: it is still there, and pinged again.
            again = client.read_frame()
            assert again is not None
            assert again.opcode == PING
            client.echo()
            client.leave()

    def test_row_64_every_mask_is_a_mask(self, server: SocketServer, bystander: FramesClient) -> None:
        with server.connect() as client:
            client.open("/echo")
            for mask in (b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x00\x01\x00\x01"):
                client.send([frame(TEXT, b"masked", mask=mask)])
                assert client.read_message() == (TEXT, b"masked")
            client.leave()

    def test_websockets_py24_h04_a_101_has_its_own_fields_and_none_of_a_body(
        self, server: SocketServer, bystander: FramesClient
    ) -> None:
        with server.connect() as client:
            answer = client.open("/decorated", b"Sec-WebSocket-Protocol: chat")
            names = [name.decode() for name, _ in answer.headers]
            assert sorted(names) == [
                "connection",
                "date",
                "sec-websocket-accept",
                "server",
                "set-cookie",
                "upgrade",
                "x-kept",
            ]
            client.echo()

    @pytest.mark.parametrize("end", range(0, 30, 3))
    def test_row_37_a_client_that_resets_at_any_byte_harms_nobody(
        self, server: SocketServer, bystander: FramesClient, end: int
    ) -> None:
        stream = frame(TEXT, b"one", fin=False) + frame(PING, b"x") + frame(CONTINUATION, b"two")
        client = server.connect()
        client.open("/echo")
        client.send([stream[:end]])
        client.reset()
        assert eventually(lambda: server.open_count() == 1)
