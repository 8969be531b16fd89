"""The masking of payloads (RFC 6455 section 5.3): the C function of the library `websockets`, or the same in Python."""

from __future__ import annotations

import sys
from collections.abc import Callable

Mask = Callable[[bytes | memoryview, bytes], bytes]
_loaded: list[Mask] = []


def load_mask() -> Mask:
    """The function (payload, mask of 4 bytes) -> the payload masked, or unmasked, which is the same.

    The library is imported with the first socket: that takes 30 ms, which a server without sockets need not spend.
    """
    if not _loaded:
        try:
            from websockets.speedups import apply_mask
        except ImportError:  # a platform for which there is no wheel
            _loaded.append(mask_in_python)
        else:
            _loaded.append(apply_mask)
    return _loaded[0]


def mask_in_python(payload: bytes | memoryview, mask: bytes) -> bytes:
    """The same as one number of as many digits: slower than C, and much quicker than byte by byte."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    order = sys.byteorder
    return (int.from_bytes(payload, order) ^ int.from_bytes(key, order)).to_bytes(size, order)
