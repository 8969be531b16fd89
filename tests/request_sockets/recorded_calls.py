"""A sink that writes down what a FrameReader calls, and frames as a client writes them."""

from penstock.request_sockets.frame_writing import encode_frame

MASK = b"\x37\xfa\x21\x3d"  # RFC 6455 section 5.7

Call = tuple[object, ...]


class Recorder:
    """A FrameSink. `calls` are the names of what was called, with what."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def take_message(self, data: str | bytes) -> None:
        self.calls.append(("message", data))

    def take_part(self, opcode: int, data: bytes, is_end: bool) -> None:
        assert type(data) is bytes
        self.calls.append(("part", opcode, data, is_end))

    def take_close(self, code: int, reason: str) -> None:
        self.calls.append(("close", code, reason))

    def take_ping(self, payload: bytes) -> None:
        self.calls.append(("ping", payload))

    def take_pong(self, payload: bytes) -> None:
        self.calls.append(("pong", payload))

    def fail(self, code: int, reason: str) -> None:
        assert reason
        self.calls.append(("fail", code))

    def lose(self, error: Exception | None) -> None:
        self.calls.append(("lose",))

    def resume_sending(self) -> None:
        self.calls.append(("resume",))

    def joined(self) -> list[Call]:
        """The calls, with the parts of each message put together: what does not depend on how bytes are split into reads.

        A message that was broken off is left out, for how much of it was seen depends on that.
        """
        calls: list[Call] = []
        parts: list[bytes] = []
        for call in self.calls:
            if call[0] != "part":
                calls.append(call)
                continue
            assert isinstance(call[2], bytes)
            parts.append(call[2])
            if call[3]:
                whole = b"".join(parts)
                calls.append(("message", whole.decode() if call[1] == 1 else whole))
                parts = []
        return calls


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv1: bool = False, mask: bytes = MASK) -> bytes:
    """A frame as a client writes it."""
    return encode_frame(opcode, payload, fin=fin, rsv1=rsv1, mask=mask)
