"""A client of raw frames that has agreed on permessage-deflate: it inflates no more leniently than its parameters allow."""

import zlib
from typing import Any

from tests.wire.websocket.cases import fragments
from tests.wire.websocket.frames_client import CONTINUATION, FramesClient, frame

_TAIL = b"\x00\x00\xff\xff"


class DeflatingClient(FramesClient):
    """`bits` and `keeps` say how the server compresses, `client_bits` and `client_keeps` how this client does."""

    def __init__(
        self,
        address: tuple[str, int],
        *,
        bits: int = 15,
        keeps: bool = True,
        client_bits: int = 15,
        client_keeps: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(address, **options)
        self._bits, self._keeps = bits, keeps
        self._client_bits, self._client_keeps = client_bits, client_keeps
        self._inflater = zlib.decompressobj(wbits=-bits)
        self._deflater = zlib.compressobj(wbits=-client_bits)
        self.deflated = 0  # messages that came compressed

    def deflate(self, payload: bytes) -> bytes:
        """RFC 7692 section 7.2.1: deflate, flush, and cut off the last four bytes."""
        if not self._client_keeps:
            self._deflater = zlib.compressobj(wbits=-self._client_bits)
        packed = self._deflater.compress(payload) + self._deflater.flush(zlib.Z_SYNC_FLUSH)
        assert packed.endswith(_TAIL)
        return packed[:-4]

    def send_deflated(self, opcode: int, payload: bytes, cut: int = 0) -> None:
        """A compressed message, in frames of `cut` bytes (0: one)."""
        packed = self.deflate(payload)
        if not cut or len(packed) <= cut:
            self.send([frame(opcode, packed, rsv=4)])
            return
        first, *rest = fragments(opcode, packed, cut)
        # Section 7.2.1: RSV 1 stands in the first frame only.
        self.send([b"".join([bytes([first[0] | 0x40]) + first[1:], *rest])])

    def read_inflated(self) -> tuple[int, bytes]:
        """The next message, inflated if it is marked."""
        found = self.read_frame()
        assert found is not None, "the connection ended"
        opcode, is_deflated, pieces = found.opcode, found.rsv == 4, [found.payload]
        assert found.rsv in (0, 4)
        while not found.fin:
            found = self.read_frame()
            assert found is not None, "the connection ended within a message"
            assert (found.opcode, found.rsv) == (CONTINUATION, 0)
            pieces.append(found.payload)
        payload = b"".join(pieces)
        return opcode, self._inflate(payload) if is_deflated else payload

    def _inflate(self, packed: bytes) -> bytes:
        self.deflated += 1
        if not self._keeps:
            self._inflater = zlib.decompressobj(wbits=-self._bits)
        whole = self._inflater.decompress(packed + _TAIL)
        assert not self._inflater.unconsumed_tail
        return whole
