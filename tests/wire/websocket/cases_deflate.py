"""Groups 12 and 13: permessage-deflate, the kinds of data and the combinations of parameters by size (RFC 7692)."""

import json
import random
from typing import NamedTuple

from tests.wire.websocket.frames_client import BINARY, TEXT

_random = random.Random(7692)
_SIZES = (16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072)
# Size and, where the message comes in fragments, their size.
SHAPES = [
    *((size, 0) for size in _SIZES),
    *((131072, cut) for cut in (256, 1024, 4096, 32768)),
    (8192, 256),
    (16384, 256),
]


class Data(NamedTuple):
    """A kind of data: what is cut out of `source`, over and over, as messages."""

    name: str
    opcode: int
    source: bytes


class Parameters(NamedTuple):
    """One combination: what is offered, and what the answer must be with defaults that ask for nothing (table A of ours).

    `answer` None: no extension. `bits` are the window with which the server compresses, `keeps` whether it may keep its
    context from message to message; `client_bits` and `client_keeps` the same of the client.
    """

    id: str
    offer: bytes
    answer: bytes | None
    bits: int = 15
    keeps: bool = True
    client_bits: int = 15
    client_keeps: bool = True


def _json() -> bytes:
    rows = [{"id": n, "name": f"user {n}", "on": n % 3 == 0, "at": n * 0.25} for n in range(4000)]
    return json.dumps(rows).encode()


def _prose() -> bytes:
    words = ["Wer", "über", "den", "Fluß", "will", "mag", "die", "Brücke", "nehmen", "oder", "schwimmen", "€", "日本"]
    return " ".join(_random.choice(words) for _ in range(50_000)).encode()


DATA = [
    Data("JSON", TEXT, _json()),
    Data("prose", TEXT, _prose()),
    Data("zeros", BINARY, bytes(140_000)),
    Data("noise", BINARY, _random.randbytes(140_000)),
    Data("pixels", BINARY, bytes(value // 7 % 256 for value in range(140_000))),
]

_NAME = b"permessage-deflate"

PARAMETERS = [
    Parameters("13.1", _NAME, _NAME),
    Parameters("13.2", _NAME + b"; server_no_context_takeover", _NAME + b"; server_no_context_takeover", keeps=False),
    Parameters("13.3", _NAME + b"; server_max_window_bits=9", _NAME + b"; server_max_window_bits=9", 9),
    Parameters("13.4", _NAME + b"; server_max_window_bits=15", _NAME + b"; server_max_window_bits=15", 15),
    Parameters(
        "13.5",
        _NAME + b"; server_no_context_takeover; server_max_window_bits=9",
        _NAME + b"; server_no_context_takeover; server_max_window_bits=9",
        9,
        keeps=False,
    ),
    Parameters(
        "13.6",
        _NAME + b"; server_no_context_takeover; server_max_window_bits=15",
        _NAME + b"; server_no_context_takeover; server_max_window_bits=15",
        keeps=False,
    ),
    Parameters(
        "13.7",
        _NAME + b"; server_max_window_bits=8, " + _NAME + b"; server_no_context_takeover, " + _NAME,
        _NAME + b"; server_no_context_takeover",
        keeps=False,
    ),
    Parameters(
        "13.8", _NAME + b"; client_no_context_takeover", _NAME + b"; client_no_context_takeover", client_keeps=False
    ),
    Parameters("13.10", _NAME + b'; server_max_window_bits="10"', _NAME + b"; server_max_window_bits=10", 10),
    Parameters("13.9", _NAME + b"; client_max_window_bits=9", _NAME + b"; client_max_window_bits=9", client_bits=9),
]

# Offers that are declined: no extension is agreed, and the handshake succeeds (section 7.1: an offer with a parameter that is
# unknown, has a bad value, or occurs twice must be declined).
DECLINED = [
    b"x-webkit-deflate-frame",
    _NAME + b"; unknown",
    _NAME + b"; server_max_window_bits",
    _NAME + b"; server_max_window_bits=7",
    _NAME + b"; server_max_window_bits=16",
    _NAME + b"; server_max_window_bits=09",
    _NAME + b"; client_max_window_bits=16",
    _NAME + b"; server_no_context_takeover=1",
    _NAME + b"; client_no_context_takeover=true",
    _NAME + b"; server_no_context_takeover; server_no_context_takeover",
    _NAME + b"; client_max_window_bits; client_max_window_bits",
    _NAME + b"; server_max_window_bits=8",
]
