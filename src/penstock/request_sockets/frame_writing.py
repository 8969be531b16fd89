"""How a frame becomes bytes (RFC 6455 section 5.2)."""

from __future__ import annotations

from typing import Final

from penstock.intake.frame_transport import BINARY
from penstock.request_sockets.masking import load_mask

_FIN: Final = 0x80
_RSV1: Final = 0x40
_MASKED: Final = 0x80
_LENGTH_16: Final = 126
_LENGTH_64: Final = 127

# The heads of whole messages of few bytes, by opcode and length: what is sent most.
SHORT: Final = [[bytes((_FIN | opcode, length)) for length in range(126)] for opcode in range(BINARY + 1)]


def encode_frame(opcode: int, payload: bytes, *, fin: bool = True, rsv1: bool = False, mask: bytes = b"") -> bytes:
    """One frame, with the shortest length there is (websockets F-4).

    `rsv1`: the payload is compressed (RFC 7692 section 6). `mask` has four bytes when a client writes, and none when a
    server does (websockets F-2).
    """
    size = len(payload)
    if size < 126 and fin and opcode < 3 and not rsv1 and not mask:
        return SHORT[opcode][size] + payload
    head = encode_head(opcode, size, fin=fin, rsv1=rsv1, is_masked=bool(mask))
    if not mask:
        return head + payload
    return head + mask + load_mask()(payload, mask)


def encode_head(opcode: int, size: int, *, fin: bool = True, rsv1: bool = False, is_masked: bool = False) -> bytes:
    """What stands before the mask and the payload of `size` bytes."""
    first = opcode | (_FIN if fin else 0) | (_RSV1 if rsv1 else 0)
    bit = _MASKED if is_masked else 0
    if size < _LENGTH_16:
        return bytes((first, bit | size))
    if size < 65536:
        return bytes((first, bit | _LENGTH_16, size >> 8, size & 0xFF))
    return bytes((first, bit | _LENGTH_64)) + size.to_bytes(8, "big")
