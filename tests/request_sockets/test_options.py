"""What an endpoint and its location decide about a socket (websockets section 1.4, PY-23)."""

import pytest

from penstock import AcceptOptions, ContractError
from penstock.request_sockets.options import SocketRules


class TestAcceptOptions:
    @pytest.mark.parametrize("name", ["", "a b", "chat/1", "é", "a,b", 'a"', "a;b", "{a}", "a\t"])
    def test_websockets_sw23_what_is_no_token_is_no_sub_protocol(self, name: str) -> None:
        with pytest.raises(ValueError, match="sub-protocol"):
            AcceptOptions(name)

    @pytest.mark.parametrize("name", ["chat", "chat.v1", "v1_2!", "GraphQL-transport-ws"])
    def test_websockets_sw23_a_token_is_one(self, name: str) -> None:
        assert AcceptOptions(name).subprotocol == name

    def test_none_means_as_the_location_says(self) -> None:
        options = AcceptOptions()
        assert [options.subprotocol, options.compression, options.max_message_size] == [None] * 3
        assert [options.allowed_origins, options.require_same_origin, options.keepalive_interval] == [None] * 3

    @pytest.mark.parametrize(
        "name", ["Sec-WebSocket-Protocol", "sec-websocket-accept", "Sec-WebSocket-Extensions", "Connection", "upgrade"]
    )
    def test_websockets_py23_what_the_handshake_sets_itself_cannot_be_given(self, name: str) -> None:
        with pytest.raises(ValueError, match="the handshake itself sets"):
            AcceptOptions(headers={name: "x"})
        with pytest.raises(ValueError, match="the handshake itself sets"):
            AcceptOptions(headers=[(name.encode(), b"x")])

    def test_websockets_py23_nor_can_a_pseudo_header(self) -> None:
        with pytest.raises(ValueError, match="the handshake itself sets"):
            AcceptOptions(headers=[(b":status", b"101")])

    def test_headers_are_a_mapping_of_texts_or_pairs_of_bytes(self) -> None:
        assert AcceptOptions(headers={"X-Id": "1"}).headers == [(b"x-id", b"1")]
        assert AcceptOptions(headers=[(b"X-Id", b"1"), (b"x-id", b"2")]).headers == [(b"x-id", b"1"), (b"x-id", b"2")]

    def test_headers_of_another_kind_are_named(self) -> None:
        wrong: list[tuple[bytes, bytes]] = [("x", "y")]  # type: ignore[list-item]
        with pytest.raises(TypeError, match="pairs of bytes, or a mapping of texts"):
            AcceptOptions(headers=wrong)

    def test_headers_that_would_begin_a_line_of_their_own_are_refused(self) -> None:
        with pytest.raises(ContractError, match="control character"):
            AcceptOptions(headers=[(b"x", b"a\r\nset-cookie: b=1")])


class TestSocketRules:
    def test_the_defaults_are_those_that_are_documented(self) -> None:
        rules = SocketRules()
        assert rules.allowed_origins is None
        assert (rules.max_message_size, rules.max_ratio) == (16 * 1024 * 1024, 100)
        assert (rules.keepalive_interval, rules.keepalive_timeout, rules.close_timeout) == (20.0, 20.0, 10.0)
        assert (rules.compression, rules.require_same_origin, rules.per_client) == (False, False, 0)
