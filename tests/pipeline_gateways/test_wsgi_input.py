"""`wsgi.input`, PEP 3333 section "Input and Error Streams", and middleware section 15.4 rule 3."""

import io

import pytest

from penstock.errors import ClientGone, RequestRejected
from penstock.pipeline_gateways.wsgi_input import WsgiInput

TEXT = b"first line\nsecond\n\nlast without end"


class Pieces:
    """A body that comes in pieces; an exception among them is raised."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self.pieces = list(pieces)
        self.pulls = 0

    def pull(self) -> bytes:
        self.pulls += 1
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece


def cut(text: bytes, size: int) -> list[bytes]:
    return [text[at : at + size] for at in range(0, len(text), size)]


@pytest.fixture(params=[1, 3, 7, 1000])
def stream(request: pytest.FixtureRequest) -> WsgiInput:
    first, *rest = cut(TEXT, request.param)
    return WsgiInput(Pieces(*rest), first)


class TestRead:
    def test_all(self, stream: WsgiInput) -> None:
        assert stream.read() == TEXT
        assert stream.read() == b""

    @pytest.mark.parametrize("size", [None, -1, -100])
    def test_no_size_means_all(self, stream: WsgiInput, size: int | None) -> None:
        assert stream.read(size) == TEXT

    @pytest.mark.parametrize("size", [1, 2, 5, 11, 34, 35, 36, 1000])
    def test_sizes_are_met_until_the_end(self, stream: WsgiInput, size: int) -> None:
        assert list(iter(lambda: stream.read(size), b"")) == cut(TEXT, size)

    def test_nothing(self, stream: WsgiInput) -> None:
        assert stream.read(0) == b""
        assert stream.read() == TEXT

    def test_what_has_come_needs_no_wait(self) -> None:
        source = Pieces(b"later")
        stream = WsgiInput(source, b"early")
        assert (stream.read(5), source.pulls) == (b"early", 0)
        assert (stream.read(2), source.pulls) == (b"la", 1)

    def test_the_end_is_asked_for_once(self) -> None:
        source = Pieces(b"b")
        stream = WsgiInput(source, b"a")
        assert [stream.read(), stream.read(), stream.readline(), stream.read(4)] == [b"ab", b"", b"", b""]
        assert source.pulls == 2


class TestReadline:
    def test_lines(self, stream: WsgiInput) -> None:
        assert list(iter(stream.readline, b"")) == TEXT.splitlines(keepends=True)

    @pytest.mark.parametrize("size", [1, 2, 5, 10, 11, 12, 100])
    def test_as_a_file_does_it(self, stream: WsgiInput, size: int) -> None:
        file = io.BytesIO(TEXT)
        assert list(iter(lambda: stream.readline(size), b"")) == list(iter(lambda: file.readline(size), b""))

    def test_no_size(self, stream: WsgiInput) -> None:
        assert [stream.readline(None), stream.readline(-1)] == [b"first line\n", b"second\n"]

    def test_nothing(self, stream: WsgiInput) -> None:
        assert stream.readline(0) == b""
        assert stream.read() == TEXT

    def test_a_limit_that_is_met_does_not_wait_for_the_line_s_end(self) -> None:
        source = Pieces(b"more\n")
        assert WsgiInput(source, b"12345").readline(5) == b"12345"
        assert source.pulls == 0


class TestLines:
    def test_readlines(self, stream: WsgiInput) -> None:
        assert stream.readlines() == TEXT.splitlines(keepends=True)

    def test_iteration(self, stream: WsgiInput) -> None:
        assert list(stream) == TEXT.splitlines(keepends=True)

    @pytest.mark.parametrize("hint", [1, 11, 12, 19, 1000, 0, -1, None])
    def test_a_hint_is_read_as_a_file_reads_it(self, stream: WsgiInput, hint: int | None) -> None:
        assert stream.readlines(hint) == io.BytesIO(TEXT).readlines(-1 if hint is None else hint)

    def test_reads_can_be_mixed(self, stream: WsgiInput) -> None:
        assert [stream.read(3), stream.readline(), stream.read(2)] == [b"fir", b"st line\n", b"se"]
        assert stream.readlines() == [b"cond\n", b"\n", b"last without end"]


class TestFailure:
    @pytest.mark.parametrize(
        "error", [ClientGone("the client left"), RequestRejected(413, "the body is larger than 5 bytes")]
    )
    def test_it_is_raised_where_the_application_reads(self, error: Exception) -> None:
        stream = WsgiInput(Pieces(b"a", error), b"")
        assert stream.read(1) == b"a"
        with pytest.raises(type(error)):
            stream.read()

    def test_a_client_that_left_is_an_os_error(self) -> None:
        with pytest.raises(OSError):
            WsgiInput(Pieces(ClientGone("the client left")), b"").readline()


def test_a_long_line_in_many_pieces_is_read_in_linear_time() -> None:
    pieces = [b"x" * 65_536] * 300
    assert len(WsgiInput(Pieces(*pieces), b"").readline()) == 300 * 65_536
