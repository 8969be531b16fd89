"""Streams of frames that nobody thought of: split into any reads they mean the same, and others read them as we do."""

import zlib
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import Frame
from websockets.protocol import State
from websockets.server import ServerProtocol
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from penstock.http.deflate_offers import DeflateParameters
from penstock.request_sockets.deflate import Deflater, Inflater
from penstock.request_sockets.frames import FrameReader
from tests.request_sockets.recorded_calls import Call, Recorder, frame

PARAMETERS = DeflateParameters()
LARGEST = 300_000

MASKS = st.binary(min_size=4, max_size=4)
SIZES = st.sampled_from([0, 1, 2, 5, 124, 125, 126, 127, 200, 4100, 65535, 65536, 70_000])
TEXTS = st.text(max_size=60) | SIZES.map(lambda size: "é" * (size // 2) + "x" * (size % 2))
BLOBS = st.binary(max_size=200) | SIZES.map(lambda size: (b"0123456789" * (size // 10 + 1))[:size])
CONTROLS = st.tuples(st.sampled_from([9, 10]), st.binary(max_size=125), MASKS)


@st.composite
def messages(draw: st.DrawFn, deflater: Deflater | None = None) -> bytes:
    """One message, perhaps compressed, perhaps in fragments, with control frames between them."""
    is_text = draw(st.booleans())
    payload = draw(TEXTS).encode() if is_text else draw(BLOBS)
    is_compressed = deflater is not None and draw(st.booleans())
    if deflater is not None and is_compressed:
        payload = deflater.deflate(payload)
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=4)))
    edges = [0, *cuts, len(payload)]
    parts = []
    for number, (start, end) in enumerate(pairwise(edges)):
        opcode = 0 if number else 1 if is_text else 2
        rsv1 = is_compressed and not number
        parts.append(frame(opcode, payload[start:end], fin=number == len(edges) - 2, rsv1=rsv1, mask=draw(MASKS)))
        parts += [frame(code, content, mask=mask) for code, content, mask in draw(st.lists(CONTROLS, max_size=1))]
    return b"".join(parts)


@st.composite
def streams(draw: st.DrawFn, deflater: Deflater | None = None) -> bytes:
    """Good messages, then perhaps a Close or something broken, then perhaps more."""
    stream = b"".join(draw(st.lists(messages(deflater), max_size=6)))
    ending = st.one_of(
        st.just(b""),
        st.binary(max_size=20),
        MASKS.map(lambda mask: frame(8, b"\x03\xe8bye", mask=mask)),
        st.tuples(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=30)).map(
            lambda parts: bytes(parts[:2]) + parts[2]
        ),
        st.binary(max_size=10).map(lambda text: frame(1, text, mask=b"abcd")),
    )
    return stream + draw(ending) + draw(st.just(b"") | messages())


def read(reads: list[bytes], *, deflate: DeflateParameters | None = None) -> list[Call]:
    sink = Recorder()
    inflater = None if deflate is None else Inflater(deflate, max_size=LARGEST)
    reader = FrameReader(sink, max_message_size=LARGEST, inflater=inflater)
    for data in reads:
        reader.feed(data)
    return sink.joined()


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


CUTS = st.lists(st.integers(0, 400_000), max_size=30)
THOROUGH = settings(
    max_examples=200, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


# Heads, masks and payloads all look alike here.
AMBIGUOUS = [
    b"\x80",
    b"\x81",
    b"\x82",
    b"\x82\x82",
    b"\x89",
    b"\x00",
    b"\x01",
    b"\x82\x80\x80\x80\x80\x80",
    b"\x82\x81\x80\x80\x80\x80\x80",
    b"\x89\x81\x80\x80\x80\x80\x80",
    b"\x81\x81\x81\x81\x81\x81\x80",
]


class TestSplits:
    @THOROUGH
    @given(streams(), CUTS)
    def test_websockets_f07_any_split_gives_the_same_calls(self, stream: bytes, cuts: list[int]) -> None:
        assert read(split(stream, cuts)) == read([stream])

    @THOROUGH
    @given(streams(), st.integers(1, 7))
    def test_websockets_f07_dribbled_the_calls_are_the_same(self, stream: bytes, step: int) -> None:
        stream = stream[:3000]
        assert read([stream[at : at + step] for at in range(0, len(stream), step)]) == read([stream])

    @THOROUGH
    @given(st.lists(st.sampled_from(AMBIGUOUS), max_size=30).map(b"".join), st.lists(st.integers(0, 60), max_size=10))
    def test_websockets_f07_what_could_begin_anywhere_begins_where_it_does(
        self, stream: bytes, cuts: list[int]
    ) -> None:
        assert read(split(stream, cuts)) == read([stream])

    @THOROUGH
    @given(st.data(), CUTS)
    def test_websockets_f07_compressed_messages_too(self, data: st.DataObject, cuts: list[int]) -> None:
        stream = data.draw(streams(Deflater(PARAMETERS)))
        whole = read([stream], deflate=PARAMETERS)
        assert read(split(stream, cuts), deflate=PARAMETERS) == whole
        assert read([stream[at : at + 3] for at in range(0, len(stream), 3)], deflate=PARAMETERS) == whole

    @THOROUGH
    @given(st.integers(1, 40), st.integers(1, 4000), st.integers(1, 200), CUTS)
    def test_bad_input_row_63_limits_do_not_depend_on_reads(
        self, blanks: int, noise: int, ratio: int, cuts: list[int]
    ) -> None:
        """A message whose beginning inflates to much and whose end to little is refused in all splits, or in none."""
        payload = bytes(blanks * 10_000) + zlib.compress(bytes(range(256)) * (noise // 256 + 1), 0)
        deflated = Deflater(PARAMETERS).deflate(payload)

        def inflated(pieces: list[bytes]) -> str:
            sink = Recorder()
            subject = Inflater(PARAMETERS, max_size=LARGEST, max_ratio=ratio)
            reader = FrameReader(sink, max_message_size=LARGEST, inflater=subject)
            for piece in pieces:
                reader.feed(piece)
            return str(sink.joined()[-1][0])

        stream = frame(2, deflated, rsv1=True)
        assert inflated(split(stream, cuts)) == inflated([stream])


def ask_websockets(stream: bytes) -> list[Call]:
    """What the library `websockets` reads in the stream, as calls."""
    protocol = ServerProtocol(state=State.OPEN, max_size=LARGEST)
    protocol.receive_data(stream)
    calls: list[Call] = []
    opcode, parts = 0, b""
    for event in protocol.events_received():
        assert isinstance(event, Frame)
        content = bytes(event.data)
        if event.opcode < 3:
            opcode, parts = event.opcode or opcode, parts + content
            if event.fin:
                try:
                    calls.append(("message", parts.decode() if opcode == 1 else parts))
                except UnicodeDecodeError:  # left to its caller
                    return [*calls, ("fail", 1007)]
                parts = b""
        elif event.opcode == 9:
            calls.append(("ping", content))
        elif event.opcode == 10:
            calls.append(("pong", content))
    if protocol.close_rcvd is not None:
        calls.append(("close", protocol.close_rcvd.code, protocol.close_rcvd.reason))
    elif protocol.parser_exc is not None:
        code = 1007 if isinstance(protocol.parser_exc, UnicodeDecodeError) else 1002
        assert isinstance(protocol.parser_exc, (ProtocolError, PayloadTooBig, UnicodeDecodeError, EOFError))
        calls.append(("fail", 1009 if isinstance(protocol.parser_exc, PayloadTooBig) else code))
    return calls


def ask_wsproto(stream: bytes) -> list[Call]:
    """What wsproto reads in the stream, as calls; a failure is a failure, its code is left out."""
    connection = Connection(ConnectionType.SERVER)
    connection.receive_data(stream)
    calls: list[Call] = []
    text, blob = "", b""
    try:
        for event in connection.events():
            if isinstance(event, TextMessage):
                text += event.data
                if event.message_finished:
                    calls.append(("message", text))
                    text = ""
            elif isinstance(event, BytesMessage):
                blob += event.data
                if event.message_finished:
                    calls.append(("message", blob))
                    blob = b""
            elif isinstance(event, Ping):
                calls.append(("ping", bytes(event.payload)))
            elif isinstance(event, Pong):
                calls.append(("pong", bytes(event.payload)))
            elif isinstance(event, CloseConnection):
                calls.append(("close", int(event.code), event.reason or ""))
    except Exception:
        calls.append(("fail",))
    return calls


class TestOthers:
    @THOROUGH
    @given(st.lists(messages(), max_size=6), CUTS)
    def test_good_streams_mean_to_us_what_they_mean_to_others(self, stream: list[bytes], cuts: list[int]) -> None:
        data = b"".join(stream) + frame(8, b"\x03\xe8bye")
        ours = read(split(data, cuts))
        assert ours == ask_websockets(data)
        assert ours == ask_wsproto(data)

    @THOROUGH
    @given(streams())
    def test_what_others_refuse_is_refused_here_and_what_they_read_is_read(self, stream: bytes) -> None:
        ours, theirs = read([stream]), ask_websockets(stream)
        shared = min(len(ours), len(theirs))
        if ours[-1:] and ours[-1][0] == "fail":
            assert ours[:-1] == theirs[: len(ours) - 1]
        else:
            assert ours[:shared] == theirs[:shared]
            assert not (theirs and theirs[-1][0] == "fail")
