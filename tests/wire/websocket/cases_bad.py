"""Bad-input rows 60 to 69: what no honest client sends, as data (RFC 6455, RFC 7692, and what hurt other servers)."""

from typing import NamedTuple

from tests.wire.websocket.cases import chopped
from tests.wire.websocket.frames_client import BINARY, CLOSE, CONTINUATION, KEY, PING, PONG, TEXT, close_payload, frame

_HOST = b"Host: example.org"
_UPGRADE = b"Upgrade: websocket"
_CONNECTION = b"Connection: Upgrade"
_KEY = b"Sec-WebSocket-Key: " + KEY
_VERSION = b"Sec-WebSocket-Version: 13"
_FIELDS = (_HOST, _UPGRADE, _CONNECTION, _KEY, _VERSION)


class BadHandshake(NamedTuple):
    """One handshake: its lines, and the statuses that are right. The target accepts the first sub-protocol offered.

    200 is the answer to a GET that asks for no WebSocket: the page that says what is there.
    """

    row: int
    title: str
    lines: tuple[bytes, ...]
    status: tuple[int, ...]
    request_line: bytes = b"GET /chosen HTTP/1.1"
    behind: bytes = b""

    @property
    def request(self) -> bytes:
        return b"\r\n".join([self.request_line, *self.lines, b"", b""]) + self.behind


def _without(field: bytes, *others: bytes) -> tuple[bytes, ...]:
    return (*(each for each in _FIELDS if each != field), *others)


def _offering(value: bytes) -> tuple[bytes, ...]:
    return (*_FIELDS, b"Sec-WebSocket-Protocol: " + value)


_THOUSANDS = b",".join(b"p%d" % number for number in range(4000))
_TOO_MANY = b",".join(b"p%d" % number for number in range(10_000))

HANDSHAKES = [
    # A list that is malformed is as if nothing had been offered (websockets SW-24).
    BadHandshake(60, "sub-protocol of bytes that are no ASCII", _offering(b"\x80\xff"), (101,)),
    BadHandshake(60, "empty sub-protocol", _offering(b""), (101,)),
    BadHandshake(60, "nothing but commas", _offering(b",,,, ,"), (101,)),
    BadHandshake(60, "4000 sub-protocols", _offering(_THOUSANDS), (101,)),
    BadHandshake(60, "10 000 sub-protocols", _offering(_TOO_MANY), (431,)),
    BadHandshake(60, "quoted sub-protocol", _offering(b'"a"'), (101,)),
    BadHandshake(60, "the same one twice", _offering(b"a, a"), (101,)),
    BadHandshake(60, "UTF-8 that would be lower-cased", _offering("İ".encode()), (101,)),
    BadHandshake(61, "space in front of the colon", _without(_KEY, b"Sec-WebSocket-Key : " + KEY), (400,)),
    BadHandshake(61, "underscores", _without(_KEY, b"Sec_WebSocket_Key: " + KEY), (400,)),
    BadHandshake(61, "two keys", (*_FIELDS, b"Sec-WebSocket-Key: " + b"A" * 22 + b"=="), (400,)),
    BadHandshake(61, "the same key twice", (*_FIELDS, _KEY), (400,)),
    BadHandshake(61, "two versions", (*_FIELDS, b"Sec-WebSocket-Version: 8"), (400, 426)),
    BadHandshake(61, "two hosts", (*_FIELDS, b"Host: elsewhere.example"), (400,)),
    BadHandshake(61, "a folded key", _without(_KEY, b"Sec-WebSocket-Key:\r\n " + KEY), (400,)),
    BadHandshake(61, "a CR within", _without(_UPGRADE, b"Upgrade: web\rsocket"), (400,)),
    BadHandshake(61, "a NUL within", _without(_UPGRADE, b"Upgrade: websocket\x00"), (400,)),
    BadHandshake(61, "a vertical tab behind", _without(_UPGRADE, b"Upgrade: websocket\x0b"), (400, 200)),
    BadHandshake(61, "a no-break space behind", _without(_UPGRADE, b"Upgrade: websocket\xa0"), (400, 200)),
    BadHandshake(61, "two origins", (*_FIELDS, b"Origin: https://a.example", b"Origin: https://b.example"), (400,)),
    BadHandshake(61, "an extension with an open quote", (*_FIELDS, b'Sec-WebSocket-Extensions: a; b="c'), (400,)),
    BadHandshake(68, "a body with its length", (*_FIELDS, b"Content-Length: 5"), (400,), behind=b"hello"),
    BadHandshake(
        68, "a body in chunks", (*_FIELDS, b"Transfer-Encoding: chunked"), (400,), behind=b"5\r\nhello\r\n0\r\n\r\n"
    ),
    BadHandshake(69, "no key", _without(_KEY), (400,)),
    BadHandshake(69, "empty key", _without(_KEY, b"Sec-WebSocket-Key:"), (400,)),
    BadHandshake(69, "key of 15 bytes", _without(_KEY, b"Sec-WebSocket-Key: " + b"A" * 20), (400,)),
    BadHandshake(69, "key of 17 bytes", _without(_KEY, b"Sec-WebSocket-Key: " + b"A" * 22 + b"A="), (400,)),
    BadHandshake(69, "key that is no base64", _without(_KEY, b"Sec-WebSocket-Key: " + b"!" * 22 + b"=="), (400,)),
    BadHandshake(69, "key of URLs", _without(_KEY, b"Sec-WebSocket-Key: " + b"-_" * 11 + b"=="), (400,)),
    BadHandshake(69, "key without padding", _without(_KEY, b"Sec-WebSocket-Key: " + b"A" * 22), (400,)),
    BadHandshake(69, "key with spaces", _without(_KEY, b"Sec-WebSocket-Key: " + b"AAAA " * 4 + b"AA=="), (400,)),
    BadHandshake(69, "no version", _without(_VERSION), (400, 426)),
    BadHandshake(69, "version 12", _without(_VERSION, b"Sec-WebSocket-Version: 12"), (426,)),
    BadHandshake(69, "version 8", _without(_VERSION, b"Sec-WebSocket-Version: 8"), (426,)),
    BadHandshake(69, "version 013", _without(_VERSION, b"Sec-WebSocket-Version: 013"), (400, 426)),
    BadHandshake(69, "version +13", _without(_VERSION, b"Sec-WebSocket-Version: +13"), (400, 426)),
    BadHandshake(69, "version in Arabic digits", _without(_VERSION, "Sec-WebSocket-Version: ١٣".encode()), (400, 426)),
    BadHandshake(69, "version 13.0", _without(_VERSION, b"Sec-WebSocket-Version: 13.0"), (400, 426)),
    BadHandshake(69, "POST", (*_FIELDS, b"Content-Length: 0"), (400, 405), b"POST /chosen HTTP/1.1"),
    BadHandshake(69, "HTTP/1.0", _FIELDS, (400, 426), b"GET /chosen HTTP/1.0"),
    BadHandshake(69, "no Upgrade", _without(_UPGRADE), (400,)),
    BadHandshake(69, "another Upgrade", _without(_UPGRADE, b"Upgrade: websockets"), (400,)),
    BadHandshake(69, "no Connection", _without(_CONNECTION), (400,)),
    BadHandshake(69, "Connection that does not name Upgrade", _without(_CONNECTION, b"Connection: keep-alive"), (400,)),
    BadHandshake(69, "Connection that says close", _without(_CONNECTION, b"Connection: close"), (400,)),
    BadHandshake(69, "no Host", _without(_HOST), (400,)),
    BadHandshake(69, "an origin that is not allowed", (*_FIELDS, b"Origin: https://evil.example"), (403,),
                 b"GET /private HTTP/1.1"),
    BadHandshake(69, "an origin of nothing", (*_FIELDS, b"Origin: null"), (403,), b"GET /private HTTP/1.1"),
    BadHandshake(69, "an origin with our name in it", (*_FIELDS, b"Origin: https://example.org.evil.example"), (403,),
                 b"GET /private HTTP/1.1"),
    BadHandshake(69, "no such resource", _FIELDS, (404,), b"GET /nowhere HTTP/1.1"),
    # And what is legal although it looks odd.
    BadHandshake(69, "lists and cases", (_HOST, b"upgrade: h2c, WebSocket", b"CONNECTION: keep-alive, UPGRADE", _KEY, _VERSION),
                 (101,)),
    BadHandshake(69, "lists in several lines",
                 (_HOST, b"Upgrade: h2c", b"Upgrade: websocket", b"Connection: keep-alive", b"Connection: upgrade", _KEY,
                  _VERSION), (101,)),
    BadHandshake(69, "an empty length", (*_FIELDS, b"Content-Length: 0"), (101,)),
]  # fmt: skip


class BadFrames(NamedTuple):
    """One stream of frames: what is sent behind a good handshake, and the codes with which the server may end it."""

    row: int
    title: str
    sent: tuple[bytes, ...]
    codes: tuple[int, ...]
    target: str = "/small"


_BEGIN = frame(TEXT, b"begun", fin=False)
_HUGE = bytes([0x82, 0xFF]) + (1 << 30).to_bytes(8, "big") + b"mask"

# /small takes messages of up to 64 KiB.
FRAMES = [
    BadFrames(62, "one frame of a gigabyte, announced", (_HUGE, b"x" * 10_000), (1009,)),
    BadFrames(62, "a frame of one byte too many", (frame(BINARY, b"x" * 65_537),), (1009,)),
    BadFrames(62, "fragments, together too many",
              (frame(BINARY, b"x" * 60_000, fin=False), frame(CONTINUATION, b"x" * 5537, fin=False)), (1009,)),
    BadFrames(62, "a last fragment that announces too much",
              (frame(TEXT, b"x", fin=False), frame(CONTINUATION, b"x" * 65_536)[:14]), (1009,)),
    BadFrames(62, "text of few characters and many bytes", (frame(TEXT, "é".encode() * 32_769),), (1009,)),
    BadFrames(63, "RSV 1, and nothing was agreed", (frame(TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00", rsv=4),), (1002,)),
    BadFrames(64, "an unmasked text", (frame(TEXT, b"hello", mask=None),), (1002,)),
    BadFrames(64, "an unmasked ping", (frame(PING, mask=None),), (1002,)),
    BadFrames(64, "an unmasked Close", (frame(CLOSE, close_payload(1000), mask=None),), (1002,)),
    BadFrames(64, "an unmasked continuation", (_BEGIN, frame(CONTINUATION, b"x", mask=None)), (1002,)),
    *(BadFrames(65, f"opcode {opcode}", (frame(opcode, b"x"),), (1002,)) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
    *(BadFrames(65, f"reserved bits {rsv}", (frame(BINARY, b"x", rsv=rsv),), (1002,)) for rsv in (1, 2, 3, 5, 6, 7)),
    BadFrames(65, "a ping of 126 bytes", (frame(PING, b"x" * 126),), (1002,)),
    BadFrames(65, "a pong of 65536 bytes, announced", (frame(PONG, b"x" * 65_536)[:14],), (1002,)),
    BadFrames(65, "a Close of 126 bytes", (frame(CLOSE, close_payload(1000, b"x" * 124)),), (1002,)),
    BadFrames(65, "a ping that is not whole", (frame(PING, b"x", fin=False),), (1002,)),
    BadFrames(65, "a continuation first", (frame(CONTINUATION, b"x"),), (1002,)),
    BadFrames(65, "a text within a text", (_BEGIN, frame(TEXT, b"x")), (1002,)),
    BadFrames(65, "empty fragments without end", (frame(TEXT, fin=False), frame(CONTINUATION, fin=False) * 20_000), (1008, 1002)),
    BadFrames(66, "text that is no UTF-8", (frame(TEXT, b"\xff"),), (1007,)),
    BadFrames(66, "half a character at the end", (frame(TEXT, b"\xc3"),), (1007,)),
    BadFrames(66, "half a character in front of a Close", (frame(TEXT, b"\xc3", fin=False), frame(CLOSE, close_payload(1000))),
              (1000,)),
    BadFrames(66, "a half that is never completed", (frame(TEXT, b"\xc3", fin=False), frame(CONTINUATION, b"a")), (1007,)),
    BadFrames(66, "a reason that is no UTF-8", (frame(CLOSE, close_payload(1000, b"\xff")),), (1002, 1007)),
    BadFrames(66, "a Close of one byte", (frame(CLOSE, b"\x03"),), (1002,)),
    *(
        BadFrames(66, f"a Close with {code}", (frame(CLOSE, close_payload(code)),), (1002,))
        for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535)
    ),
    BadFrames(67, "16 bits for 5", (frame(TEXT, b"hello", form=16),), (1002,)),
    BadFrames(67, "16 bits for 125", (frame(TEXT, b"x" * 125, form=16),), (1002,)),
    BadFrames(67, "64 bits for 5", (frame(TEXT, b"hello", form=64),), (1002,)),
    BadFrames(67, "64 bits for 65535", (frame(TEXT, b"x" * 65_535, form=64),), (1002,)),
    BadFrames(67, "64 bits for nothing", (frame(BINARY, form=64),), (1002,)),
    BadFrames(67, "the highest bit", (b"\x82\xff\x80" + bytes(7) + b"mask",), (1002,)),
    BadFrames(67, "all bits", (b"\x82\xff" + b"\xff" * 8 + b"mask",), (1002,)),
    BadFrames(67, "the largest there is", (b"\x82\xff\x7f" + b"\xff" * 7 + b"mask",), (1009,)),
    BadFrames(67, "all bits, byte by byte", tuple(chopped(b"\x82\xff" + b"\xff" * 8 + b"mask")), (1002,)),
    BadFrames(68, "frames behind a Close", (frame(CLOSE, close_payload(1000)) + frame(TEXT, b"late") * 100,), (1000,)),
    BadFrames(68, "garbage behind a Close", (frame(CLOSE, close_payload(1000)) + b"GET / HTTP/1.1\r\n\r\n" * 1000,), (1000,)),
    BadFrames(68, "a request in place of frames", (b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",), (1002,)),
    BadFrames(68, "a fault, and a megabyte behind it", (frame(3), b"x" * 1_000_000), (1002,)),
]  # fmt: skip
