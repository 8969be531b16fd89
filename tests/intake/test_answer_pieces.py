"""What hosts do alike when an answer leaves in pieces."""

import asyncio
import os
from collections.abc import Awaitable, Iterator
from pathlib import Path

import pytest

from penstock import ClientGone, ContractError
from penstock.http.foreign_head import foreign_head, foreign_line
from penstock.http.messages import ResponseHead
from penstock.intake.answer_pieces import Turns, announce_file, check_length, leaves_body_out, read_at, send_pieces

HOST = (b"host", b"example.org")


class Sender:
    """A request that keeps what it is given; `most` is how much it takes before it has sent all."""

    def __init__(self, method: str = "GET", *, most: int = 1 << 30) -> None:
        self.head = foreign_head(foreign_line(method, b"/", b""), [HOST])
        self.sent: list[tuple[bool, bytes, bool]] = []
        self.is_aborted = False
        self.most = most

    @property
    def has_sent_all(self) -> bool:
        return sum(len(body) for _, body, _ in self.sent) >= self.most

    def send(self, head: ResponseHead | None, body: bytes, more: bool) -> Awaitable[None] | None:
        self.sent.append((head is not None, body, more))
        return asyncio.sleep(0) if more else None

    def abort(self) -> None:
        self.is_aborted = True


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789" * 100_000)
    opened = os.open(path, os.O_RDONLY)
    yield opened
    os.close(opened)


def test_reads_at_an_offset(descriptor: int) -> None:
    assert read_at(descriptor, 5, 8) == b"89012"
    assert read_at(descriptor, 5, 1_000_000) == b""


class TestPieces:
    @pytest.mark.parametrize("on_loop", [True, False])
    def test_the_head_goes_with_the_first(self, descriptor: int, on_loop: bool) -> None:
        sender = Sender()
        pieces = send_pieces(
            sender, ResponseHead(200, []), descriptor=descriptor, offset=10, count=600_000, more=False, on_loop=on_loop
        )
        asyncio.run(pieces)
        assert [(with_head, more) for with_head, _, more in sender.sent] == [
            (True, True),
            (False, True),
            (False, False),
        ]
        assert b"".join(body for _, body, _ in sender.sent) == b"0123456789" * 60_000

    def test_a_file_that_became_shorter_is_a_broken_promise(self, descriptor: int) -> None:
        sender = Sender()
        with pytest.raises(ClientGone, match="shorter"):
            asyncio.run(send_pieces(sender, None, descriptor=descriptor, offset=999_999, count=2, more=False))
        assert sender.is_aborted

    @pytest.mark.parametrize(("method", "status", "count"), [("HEAD", 200, 9), ("GET", 304, 9), ("GET", 200, 0)])
    def test_rfc9110_section_6_4_1_no_body_where_there_is_none(self, method: str, status: int, count: int) -> None:
        sender = Sender(method)
        asyncio.run(send_pieces(sender, ResponseHead(status, []), descriptor=-1, offset=0, count=count, more=False))
        assert sender.sent == [(True, b"", False)]

    def test_nothing_is_read_for_an_answer_that_is_over(self, descriptor: int) -> None:
        sender = Sender(most=1)
        asyncio.run(send_pieces(sender, None, descriptor=descriptor, offset=0, count=900_000, more=False))
        assert len(sender.sent) == 1


def test_rfc9110_section_8_6_a_file_alone_says_how_long_it_is() -> None:
    for fields, more, wanted in (
        ([], False, [(b"content-length", b"5")]),
        ([], True, []),
        ([(b"content-length", b"9")], False, [(b"content-length", b"9")]),
    ):
        head = ResponseHead(200, list(fields))
        announce_file(head, 5, more)
        assert head.raw_headers == wanted
    announce_file(None, 5, False)


def test_bad_input_43_neither_more_nor_fewer_bytes() -> None:
    check_length(-1, 100, False)
    check_length(5, 5, False)
    check_length(5, 4, True)
    with pytest.raises(ContractError, match="longer"):
        check_length(5, 6, True)
    with pytest.raises(ContractError, match="shorter"):
        check_length(5, 4, False)


def test_what_has_no_body() -> None:
    head = foreign_head(foreign_line("GET", b"/", b""), [HOST])
    assert not leaves_body_out(head, None)
    assert not leaves_body_out(head, ResponseHead(200, []))
    assert leaves_body_out(head, ResponseHead(204, []))


def test_turns_are_taken_one_at_a_time_and_survive_who_gives_up() -> None:
    async def journey() -> None:
        turns = Turns()
        order: list[int] = []

        async def send(number: int) -> None:
            while turns.is_taken:
                await turns.wait()
            turns.is_taken = True
            await asyncio.sleep(0)
            order.append(number)
            turns.pass_on()

        senders = [asyncio.ensure_future(send(number)) for number in range(4)]
        await asyncio.sleep(0)
        senders[1].cancel()
        await asyncio.wait(senders)
        assert order == [0, 2, 3]

    asyncio.run(journey())
