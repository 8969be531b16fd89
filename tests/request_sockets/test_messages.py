"""What messages are, and one that is put together or handed out in pieces."""

import sys

from penstock.request_sockets.messages import MessageType, PartialMessage, ReceiveResult


class TestMessageType:
    def test_values_are_the_opcodes(self) -> None:
        assert [int(kind) for kind in MessageType] == [1, 2, 8]


class TestReceiveResult:
    def test_of_data_has_no_close(self) -> None:
        assert ReceiveResult(b"a", MessageType.TEXT, True)[3:] == (None, None)


class TestPartialMessage:
    def test_websockets_sw80_hands_out_pieces(self) -> None:
        message = PartialMessage(1)
        message.buffer += b"0123456789"
        message.is_ended = True
        pieces = [message.take(4)[:3] for _ in range(3)]
        assert pieces == [(b"0123", 1, False), (b"4567", 1, False), (b"89", 1, True)]

    def test_the_last_piece_so_far_is_no_end(self) -> None:
        message = PartialMessage(2)
        message.buffer += b"0123"
        assert message.take(4) == (b"0123", 2, False, None, None)

    def test_joins_text_and_bytes(self) -> None:
        text, binary = PartialMessage(1), PartialMessage(2)
        text.buffer += "é".encode()
        binary.buffer += b"\xff"
        assert (text.join(), binary.join()) == ("é", b"\xff")

    def test_a_byte_at_a_time_costs_a_byte_at_a_time(self) -> None:
        message = PartialMessage(2)
        for _ in range(10_000):
            message.buffer += b"x"
        assert sys.getsizeof(message.buffer) < 12_000
