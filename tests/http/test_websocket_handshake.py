"""The opening handshake: every element that is missing or wrong is named, and what is asked for is read."""

import time

import pytest

from penstock import RequestRejected
from penstock.http.deflate_offers import ExtensionOffer
from penstock.http.head import read_head
from penstock.http.messages import RequestHead
from penstock.http.websocket_handshake import (
    Handshake,
    accept_value,
    asks_for_websocket,
    is_allowed_origin,
    is_same_origin,
    is_subprotocol,
    read_handshake,
    read_protocols,
)

SOUND = {
    "Host": "example.com",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


class Limits:
    request_line = 8192
    header_section = 200_000
    headers = 100


def make_head(
    changes: dict[str, str | None] | None = None, *more: tuple[str, str], line: str = "GET /chat HTTP/1.1"
) -> RequestHead:
    """The head of a sound handshake with some fields changed (None: left out) and `more` behind them."""
    fields = [*({**SOUND, **(changes or {})}).items(), *more]
    lines = [f"{name}: {value}" for name, value in fields if value is not None]
    return read_head("\r\n".join([line, *lines, "", ""]).encode("latin-1"), Limits())


def read(changes: dict[str, str | None] | None = None, *more: tuple[str, str]) -> Handshake:
    return read_handshake(make_head(changes, *more))


def refused(head: RequestHead) -> RequestRejected:
    with pytest.raises(RequestRejected) as caught:
        read_handshake(head)
    return caught.value


class TestSound:
    def test_websockets_h01_a_handshake(self) -> None:
        handshake = read()
        assert handshake.key == b"dGhlIHNhbXBsZSBub25jZQ=="
        assert (handshake.protocols, handshake.origin, handshake.extensions) == ((), None, ())

    @pytest.mark.parametrize(
        "changes",
        [
            {"Upgrade": "WebSocket"},
            {"Upgrade": "h2c, websocket"},
            {"Upgrade": " ,websocket , "},
            {"Connection": "keep-alive, Upgrade"},
            {"Connection": "keep-alive,UPGRADE"},
            {"Connection": "upgrade\t,\tkeep-alive"},
            {"Sec-WebSocket-Version": "8, 13"},
            {"Sec-WebSocket-Key": "UnQ3lpJAH6j2PslA993iKQ=="},
            {"Sec-WebSocket-Key": "VUfWn1u2Ot0AICM6f+/8Zg=="},
            {"Host": "[::1]:8000"},
        ],
    )
    def test_websockets_h01_tokens_in_any_case_and_lists_are_understood(self, changes: dict[str, str | None]) -> None:
        assert read(changes).key

    def test_websockets_h01_lists_may_be_split_over_lines(self) -> None:
        handshake = read(
            {"Connection": "keep-alive", "Upgrade": "h2c", "Sec-WebSocket-Protocol": "a, b"},
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Protocol", "c"),
        )
        assert handshake.protocols == ("a", "b", "c")

    def test_names_of_fields_in_any_case(self) -> None:
        head = make_head(dict.fromkeys(SOUND), *[(name.upper(), value) for name, value in SOUND.items()])
        assert read_handshake(head).key == b"dGhlIHNhbXBsZSBub25jZQ=="

    def test_websockets_h09_the_origin_is_read(self) -> None:
        assert read({"Origin": "https://example.com"}).origin == "https://example.com"

    def test_websockets_h08_extensions_are_read(self) -> None:
        assert read({"Sec-WebSocket-Extensions": "foo; a=1, bar"}).extensions == (
            ExtensionOffer("foo", (("a", "1"),)),
            ExtensionOffer("bar"),
        )


class TestRefused:
    @pytest.mark.parametrize(
        ("changes", "detail"),
        [
            ({"Upgrade": None}, "Upgrade field does not name websocket"),
            ({"Upgrade": "h2c"}, "Upgrade field does not name websocket"),
            ({"Upgrade": "websockets"}, "Upgrade field does not name websocket"),
            ({"Upgrade": "websocket/13"}, "Upgrade field does not name websocket"),
            ({"Connection": None}, "Connection field does not name Upgrade"),
            ({"Connection": "keep-alive"}, "Connection field does not name Upgrade"),
            ({"Connection": "close"}, "Connection field does not name Upgrade"),
            ({"Sec-WebSocket-Version": None}, "there is no Sec-WebSocket-Version"),
            ({"Sec-WebSocket-Key": None}, "there is no Sec-WebSocket-Key"),
            ({"Sec-WebSocket-Extensions": 'foo; a="1'}, "Sec-WebSocket-Extensions is malformed"),
            ({"Host": ""}, "names its Host"),
            ({"Content-Length": "5"}, "has no body"),
            ({"Transfer-Encoding": "chunked"}, "has no body"),
        ],
    )
    def test_websockets_h01_each_element_by_name(self, changes: dict[str, str | None], detail: str) -> None:
        error = refused(make_head(changes))
        assert error.status == 400
        assert detail in error.detail
        assert error.rule.startswith("RFC 6455 section ")

    @pytest.mark.parametrize(
        "key",
        [
            "",
            "VUfWn1u2Ot0AICM6f+/8",
            "VUfWn1u2Ot0AICM6f+/8ZgE=",
            "VUfWn1u2Ot0AICM6f+/8ZgEC",
            "VUfWn1u2Ot0AICM6f+/8Zg",
            "VUfWn1u2Ot0AICM6f+/8Zg=",
            "VUfWn1u2Ot0AICM6f+/8Zg===",
            "VUfWn1u2Ot0AICM6f-_8Zg==",
            "VUfWn1u2Ot0A ICM6f+/8Zg==",
            "not base64 at all, not base64",
            "VUfWn1u2Ot0AICM6f+/8Zg==, VUfWn1u2Ot0AICM6f+/8Zg==",
            "\xff" * 24,
        ],
    )
    def test_websockets_cw01_a_key_is_sixteen_bytes(self, key: str) -> None:
        error = refused(make_head({"Sec-WebSocket-Key": key}))
        assert (error.status, error.detail) == (400, "Sec-WebSocket-Key is not 16 bytes in base64")

    @pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "OPTIONS"])
    def test_websockets_h01_only_get(self, method: str) -> None:
        error = refused(make_head(line=f"{method} /chat HTTP/1.1"))
        assert (error.status, error.detail) == (400, f"a WebSocket handshake is a GET request, not {method}")

    def test_websockets_h01_only_http_1_1(self) -> None:
        error = refused(make_head(line="GET /chat HTTP/1.0"))
        assert (error.status, error.detail) == (400, "a WebSocket handshake needs HTTP/1.1")

    @pytest.mark.parametrize("version", ["12", "14", "8", "0", "", "013", "13.0", "1 3", "-13", "99999", "x", "8, 12"])
    def test_websockets_h02_another_version_is_told_the_right_one(self, version: str) -> None:
        error = refused(make_head({"Sec-WebSocket-Version": version}))
        assert error.status == 426
        assert (b"sec-websocket-version", b"13") in error.headers

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("Sec-WebSocket-Key", "UnQ3lpJAH6j2PslA993iKQ=="),
            ("Sec-WebSocket-Version", "13"),
            ("Origin", "https://other.example"),
        ],
    )
    def test_bad_input_row_61_what_comes_once_came_twice(self, name: str, value: str) -> None:
        error = refused(make_head({"Origin": "https://example.com"}, (name, value)))
        assert (error.status, error.detail) == (400, f"more than one {name} field")

    def test_websockets_h02_whoever_names_no_version_is_told_it_too(self) -> None:
        assert refused(make_head({"Sec-WebSocket-Version": None})).headers == ((b"sec-websocket-version", b"13"),)


class TestAsking:
    @pytest.mark.parametrize(
        ("changes", "asks"),
        [
            ({}, True),
            ({"Upgrade": "WEBSOCKET"}, True),
            ({"Upgrade": "h2c"}, False),
            ({"Upgrade": None}, False),
            ({"Sec-WebSocket-Key": None, "Sec-WebSocket-Version": "7", "Connection": None}, True),
        ],
    )
    def test_websockets_sw09_to_ask_is_not_to_be_sound(self, changes: dict[str, str | None], asks: bool) -> None:
        assert asks_for_websocket(make_head(changes)) is asks


class TestProtocols:
    @pytest.mark.parametrize("name", ["chat.v1", "chat", "a", "!#$%&'*+-.^_`|~", "CHAT", "0"])
    def test_websockets_sw23_names(self, name: str) -> None:
        assert is_subprotocol(name)

    @pytest.mark.parametrize(
        "name", ["", "a b", "chat/1", "é", "a,b", "a\tb", "\x7f", "\x00", *'()<>@,;:\\"/[]?={} \t']
    )
    def test_websockets_sw23_no_names(self, name: str) -> None:
        assert not is_subprotocol(name)

    @pytest.mark.parametrize(
        ("value", "protocols"),
        [
            ("a,, b ,", ("a", "b")),
            ("a,a", ()),
            ("a,b c", ()),
            ("a,A", ("a", "A")),
            (" , ", ()),
            ("", ()),
            ("chat.v2,\tchat.v1", ("chat.v2", "chat.v1")),
            ("\x80\xff", ()),
            ("a, \x80\xff", ()),
            ('"a"', ()),
        ],
    )
    def test_websockets_sw24_a_list_is_whole_or_nothing(self, value: str, protocols: tuple[str, ...]) -> None:
        assert read({"Sec-WebSocket-Protocol": value}).protocols == protocols

    def test_websockets_sw24_twice_over_two_lines(self) -> None:
        assert read({"Sec-WebSocket-Protocol": "a"}, ("Sec-WebSocket-Protocol", "a")).protocols == ()

    def test_bad_input_row_60_ten_thousand_take_linear_time(self) -> None:
        names = tuple(f"p{number}" for number in range(10_000))
        began = time.process_time()
        assert read({"Sec-WebSocket-Protocol": ",".join(names)}).protocols == names
        assert read_protocols([b"," * 100_000]) == ()
        assert time.process_time() - began < 1


class TestAccept:
    @pytest.mark.parametrize(
        ("key", "value"),
        [
            (b"dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            (b"UnQ3lpJAH6j2PslA993iKQ==", b"1BpNk/3ah1huDGgcuMJBcjcMbEA="),
        ],
    )
    def test_websockets_h03_the_answer_to_a_key(self, key: bytes, value: bytes) -> None:
        assert accept_value(key) == value


class TestOrigin:
    @pytest.mark.parametrize(
        ("scheme", "host", "origin", "same"),
        [
            ("http", "", "http://ex.com", False),  # SW-27
            ("http", "ex.com", None, False),  # SW-28
            ("http", "ex.com", "", False),
            ("http", "ex.com", "null", False),  # SW-29
            ("http", "ex.com", "ex.com", False),
            ("http", "ex.com", "http://", False),
            ("http", "ex.com", "http://ex.com:80", True),  # SW-30
            ("http", "ex.com:80", "http://ex.com", True),
            ("http", " ex.com ", " http://ex.com ", True),
            ("https", "ex.com", "https://ex.com:443", True),
            ("https", "ex.com:8443", "https://ex.com:8443", True),
            ("https", "ex.com:8443", "https://ex.com", False),
            ("https", "ex.com", "http://ex.com", False),  # SW-31
            ("http", "ex.com", "https://ex.com", False),
            ("http", "EX.com", "http://ex.COM", True),  # SW-32
            ("http", "EX.com", "http://ex.com:8080", False),
            ("http", "EX.com", "ws://ex.com", False),
            ("http", "ex.com", "http://ex.com.evil.example", False),
            ("http", "ex.com", "http://ex.com@evil.example", False),
            ("http", "ex.com", "http://evil.example/ex.com", False),
            ("http", "ex.com", "http://éx.com", False),
            ("http", "ex.com", "http://ex.com:99999", False),
            ("http", "[::1]", "http://[::1]", True),
            ("http", "[::1]:80", "http://[::1]", True),
            ("http", "[::1]:8000", "http://[::1]:8000", True),
            ("http", "[::1]", "http://[::2]", False),
        ],
    )
    def test_websockets_t39_same_origin(self, scheme: str, host: str, origin: str | None, same: bool) -> None:
        assert is_same_origin(scheme, host, origin) is same

    @pytest.mark.parametrize(
        ("allowed", "verdict"),
        [
            (None, True),
            ([], True),
            ([""], False),
            (["http://e.com"], False),
            (["http://e.com", "http://example.com"], True),
            (["*"], True),
            (["http://e.com", "*"], True),
            (["http://ExAmPLE.cOm"], True),
            (["https://example.com"], False),
            (["http://example.com:8080"], False),
        ],
    )
    def test_websockets_t39_the_list_of_cw06(self, allowed: list[str] | None, verdict: bool) -> None:
        assert is_allowed_origin("http://example.com", allowed) is verdict
        assert is_allowed_origin("HTTP://Example.COM", allowed) is verdict  # DV-4: on both sides

    def test_websockets_dv04_what_is_no_browser_is_allowed_by_a_list(self) -> None:
        assert is_allowed_origin(None, ["http://e.com"])
        assert not is_allowed_origin("null", ["http://e.com"])
        assert is_allowed_origin("null", ["null"])
