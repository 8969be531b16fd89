"""Groups 2, 5 and 7: pings and pongs, fragments, and the close handshake (RFC 6455 sections 5.4, 5.5 and 7)."""

from tests.wire.websocket.cases import FAILING, Case, chopped, echoed, text
from tests.wire.websocket.frames_client import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_payload, frame

_ALL_BYTES = bytes(range(256))[-125:]
_TEN = [(PONG, b"payload-%d" % number) for number in range(10)]
_TEN_PINGS = [frame(PING, payload) for _, payload in _TEN]

# Section 5.5.3 lets an endpoint answer only the newest of several pings; it does not have to.
_NEWEST = "section 5.5.3: an endpoint may answer the newest ping only"

PINGS = [
    Case("2.1", "ping without payload", [frame(PING)], [(PONG, b"")]),
    Case("2.2", "ping with payload", [frame(PING, b"Hello, world!")], [(PONG, b"Hello, world!")]),
    Case("2.3", "ping that is no text", [frame(PING, b"\x00\xff\xfe\xfd\xfc")], [(PONG, b"\x00\xff\xfe\xfd\xfc")]),
    Case("2.4", "ping of 125 bytes", [frame(PING, _ALL_BYTES)], [(PONG, _ALL_BYTES)]),
    Case("2.5", "ping of 126 bytes", [frame(PING, b"\xfe" * 126)], [], 1002),
    Case("2.6", "ping of 125 bytes, byte by byte", chopped(frame(PING, _ALL_BYTES)), [(PONG, _ALL_BYTES)]),
    Case("2.7", "pong nobody asked for", [frame(PONG)]),
    Case("2.8", "pong nobody asked for, with payload", [frame(PONG, b"unsolicited")]),
    Case("2.9", "that pong, then a ping", [frame(PONG, b"one"), frame(PING, b"two")], [(PONG, b"two")]),
    Case("2.10", "ten pings", _TEN_PINGS, _TEN, choices=[(_TEN[-1:], 0)], why=_NEWEST),
    Case("2.11", "ten pings, byte by byte", chopped(b"".join(_TEN_PINGS)), _TEN, choices=[(_TEN[-1:], 0)], why=_NEWEST),
]

_ONE, _TWO = frame(TEXT, b"fragment1", fin=False), frame(CONTINUATION, b"fragment2")
_WHOLE = echoed("fragment1fragment2")
_PING = frame(PING, b"between")
_PONG = (PONG, b"between")
_STRAY = frame(CONTINUATION, b"stray")
_FIVE = [
    frame(TEXT, b"1", fin=False),
    *(frame(CONTINUATION, b"%d" % number, fin=number == 5) for number in (2, 3, 4, 5)),
]
_FIVE_PINGED = [*_FIVE[:2], frame(PING, b"one"), *_FIVE[2:4], frame(PING, b"two"), _FIVE[4]]
_FIVE_ECHOED = [(PONG, b"one"), (PONG, b"two"), echoed("12345")]
_EMPTY_ONES = [
    frame(TEXT, fin=False),
    frame(CONTINUATION, b"a", fin=False),
    frame(CONTINUATION, fin=False),
    frame(CONTINUATION),
]

FRAGMENTS = [
    Case("5.1", "ping in two fragments", [frame(PING, b"a", fin=False), frame(CONTINUATION, b"b")], [], 1002),
    Case("5.2", "pong in two fragments", [frame(PONG, b"a", fin=False), frame(CONTINUATION, b"b")], [], 1002),
    Case("5.3", "text in two fragments", [_ONE, _TWO], [_WHOLE]),
    Case("5.4", "both in one write", [_ONE + _TWO], [_WHOLE]),
    Case("5.5", "byte by byte", chopped(_ONE + _TWO), [_WHOLE]),
    Case("5.6", "ping between two fragments", [_ONE, _PING, _TWO], [_PONG, _WHOLE]),
    Case("5.7", "all in one write", [_ONE + _PING + _TWO], [_PONG, _WHOLE]),
    Case("5.8", "all byte by byte", chopped(_ONE + _PING + _TWO), [_PONG, _WHOLE]),
    Case("5.9", "continuation of nothing", [_STRAY, text("Hello")], [], 1002),
    Case("5.10", "it and a text in one write", [_STRAY + text("Hello")], [], 1002),
    Case("5.11", "it and a text, byte by byte", chopped(_STRAY + text("Hello")), [], 1002),
    Case("5.12", "fragment of nothing", [frame(CONTINUATION, b"stray", fin=False), text("Hello")], [], 1002),
    Case("5.13", "it and a text in one write", [frame(CONTINUATION, b"stray", fin=False) + text("Hello")], [], 1002),
    Case("5.14", "both, byte by byte", chopped(frame(CONTINUATION, b"stray", fin=False) + text("Hello")), [], 1002),
    Case("5.15", "continuation behind the last", [_ONE, _TWO, _STRAY], [_WHOLE], 1002, [([], 1002)], FAILING),
    Case(
        "5.16", "fragment of nothing, then a message", [frame(CONTINUATION, b"x", fin=False), _ONE, _TWO] * 2, [], 1002
    ),
    Case("5.17", "continuation of nothing, then a message", [_STRAY, _ONE, _TWO] * 2, [], 1002),
    Case("5.18", "text within a text", [_ONE, frame(TEXT, b"fragment2")], [], 1002),
    Case("5.19", "five fragments, two pings between", _FIVE_PINGED, _FIVE_ECHOED),
    Case("5.20", "all in one write", [b"".join(_FIVE_PINGED)], _FIVE_ECHOED),
    Case("5.21", "binary within a text", [_ONE, frame(BINARY, b"fragment2")], [], 1002),
    Case("5.22", "empty fragments before, between and behind", _EMPTY_ONES, [echoed("a")]),
    Case("5.23", "Close in two fragments", [frame(CLOSE, b"\x03", fin=False), frame(CONTINUATION, b"\xe8")], [], 1002),
]

_CLOSE = frame(CLOSE, close_payload(1000))
_BIG = b"BAsd7&jh23" * 26000
_MAY_DROP = "section 5.5.1: an endpoint may finish what it sends before it closes; it does not have to"
_NO_CODE = "section 5.5.1 wants a Close back, and does not say with which code where none came"


def _closed(number: str, title: str, payload: bytes, end: int) -> Case:
    return Case(number, title, [frame(CLOSE, payload)], [], end)


CLOSES = [
    Case("7.1.1", "text, then Close", [text("Hello"), _CLOSE], [echoed("Hello")], 1000, [([], 1000)], _MAY_DROP),
    Case("7.1.2", "two Closes", [_CLOSE + _CLOSE], [], 1000),
    Case("7.1.3", "ping behind the Close", [_CLOSE + frame(PING, b"late")], [], 1000),
    Case("7.1.4", "text behind the Close", [_CLOSE + text("late")], [], 1000),
    Case("7.1.5", "Close within a message", [_ONE + _CLOSE + _TWO], [], 1000),
    Case("7.1.6", "much, Close, ping", [text(_BIG), _CLOSE, frame(PING)], [echoed(_BIG)], 1000, [([], 1000)], _MAY_DROP),
    Case("7.3.1", "Close without a code", [frame(CLOSE)], [], 1005, [([], 1000)], _NO_CODE),
    _closed("7.3.2", "Close of one byte", b"a", 1002),
    _closed("7.3.3", "Close with a code", close_payload(1000), 1000),
    _closed("7.3.4", "Close with a reason", close_payload(1000, b"Hello"), 1000),
    _closed("7.3.5", "Close with 123 bytes of reason", close_payload(1000, b"*" * 123), 1000),
    _closed("7.3.6", "Close with 124 bytes of reason", close_payload(1000, b"*" * 124), 1002),
    # Section 8.1: what must be UTF-8 and is not fails the connection; with 1007 where it is the data, 1002 is right too.
    Case("7.5.1", "reason that is no UTF-8", [frame(CLOSE, close_payload(1000, b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80"))], [], 1002,
         [([], 1007)], "section 7.4.1 defines 1007 for data within a message, and says nothing of the reason of a Close"),
]  # fmt: skip

_VALID = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)
_INVALID = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999)
_BEYOND = (5000, 65535)
_TYPICAL = "section 5.5.1: the code is typically echoed; 1010 is a client's code, so a server may answer 1000"
_UNDEFINED = "section 7.4.2 defines no codes of 5000 and above: neither valid nor forbidden"

CODES = [
    *(
        Case(
            f"7.7.{number}",
            f"Close with {code}",
            [frame(CLOSE, close_payload(code))],
            [],
            code,
            [([], 1000)] if code == 1010 else (),
            _TYPICAL if code == 1010 else "",
        )
        for number, code in enumerate(_VALID, 1)
    ),
    *(
        _closed(f"7.9.{number}", f"Close with {code}", close_payload(code), 1002)
        for number, code in enumerate(_INVALID, 1)
    ),
    *(
        Case(
            f"7.13.{number}",
            f"Close with {code}",
            [frame(CLOSE, close_payload(code))],
            [],
            1002,
            [([], 1000)],
            _UNDEFINED,
        )
        for number, code in enumerate(_BEYOND, 1)
    ),
]

CASES = [*PINGS, *FRAGMENTS, *CLOSES, *CODES]
