"""This file is the test of what an accept says in OWIN's words (websockets CO-9, CO-37, KA-4, KA-23, section 2.4; T-24)."""

from datetime import timedelta
from typing import Any

import pytest

from penstock.errors import ContractError
from penstock.request_sockets.options import AcceptOptions
from penstock.request_sockets.owin_options import (
    NATIVE_OPTIONS,
    OwinAcceptContext,
    drop_subprotocol,
    from_owin,
    native_options,
    to_owin,
    with_subprotocol,
)

SUBPROTOCOL = "websocket.SubProtocol"


class TestOwinAcceptContext:
    def test_setting_makes_the_dictionary(self) -> None:
        context = OwinAcceptContext(None)
        assert context.subprotocol is None
        context.subprotocol = "x"
        assert context.options == {SUBPROTOCOL: "x"}
        assert context.subprotocol == "x"

    def test_the_dictionary_that_is_there_is_used(self) -> None:
        options = {"other": 1}
        context = OwinAcceptContext(options)
        assert context.subprotocol is None
        context.subprotocol = "x"
        assert options == {"other": 1, SUBPROTOCOL: "x"}


class TestToOwin:
    """websockets CO-9."""

    def test_websockets_t24_nothing(self) -> None:
        assert to_owin(None) is None
        assert to_owin(AcceptOptions()) is None

    def test_websockets_t24_co9_its_own_dictionary(self) -> None:
        options = {SUBPROTOCOL: "p", "other": 1}
        assert to_owin(OwinAcceptContext(options)) is options

    def test_websockets_t24_a_subprotocol(self) -> None:
        assert to_owin(AcceptOptions("p")) == {SUBPROTOCOL: "p"}

    def test_what_owin_has_words_for(self) -> None:
        options = AcceptOptions(keepalive_interval=5.0, receive_buffer_size=300, extra={"other": 1})
        assert to_owin(options) == {
            "websocket.KeepAliveInterval": 5.0,
            "websocket.ReceiveBufferSize": 300,
            "other": 1,
        }

    @pytest.mark.parametrize(
        "said", [{"require_same_origin": True}, {"allowed_origins": ["https://a"]}, {"compression": True}]
    )
    def test_what_it_has_none_for(self, said: dict[str, Any]) -> None:
        with pytest.raises(ContractError, match=f"cannot be told {next(iter(said))}: leave it out"):
            to_owin(AcceptOptions(**said))


class TestFromOwin:
    """websockets CO-37."""

    def test_websockets_t24_nothing(self) -> None:
        assert from_owin(None) is None

    def test_websockets_t24_native_options(self) -> None:
        native = AcceptOptions("p")
        assert NATIVE_OPTIONS == "penstock.request_sockets.options.AcceptOptions"
        assert from_owin({NATIVE_OPTIONS: native}) is native
        assert from_owin({NATIVE_OPTIONS: "p"}) is None

    @pytest.mark.parametrize("interval", [3000, 3000.0, timedelta(minutes=50)])
    def test_websockets_ka23_options(self, interval: object) -> None:
        said = {SUBPROTOCOL: "p", "websocket.KeepAliveInterval": interval, "websocket.ReceiveBufferSize": 300}
        options = from_owin(said)
        assert options is not None
        assert (options.subprotocol, options.keepalive_interval, options.receive_buffer_size) == ("p", 3000.0, 300)
        assert options.extra == said

    @pytest.mark.parametrize(
        ("key", "value", "message"),
        [
            ("SubProtocol", 1, "websocket.SubProtocol is text, not 'int'"),
            ("KeepAliveInterval", "1", "a timedelta or a number of seconds, not 'str'"),
            ("ReceiveBufferSize", 1.5, "a number of bytes, not 'float'"),
        ],
    )
    def test_what_cannot_be_meant(self, key: str, value: object, message: str) -> None:
        with pytest.raises(TypeError, match=message):
            from_owin({f"websocket.{key}": value})

    def test_a_subprotocol_that_is_no_token(self) -> None:
        with pytest.raises(ValueError, match="is no sub-protocol"):
            from_owin({SUBPROTOCOL: "a b"})

    def test_either_style_as_the_pipeline_takes_it(self) -> None:
        native = AcceptOptions("p")
        assert native_options(native) is native
        assert native_options(None) is None
        found = native_options(OwinAcceptContext({SUBPROTOCOL: "q"}))
        assert found is not None
        assert found.subprotocol == "q"


class TestSubprotocolOfTheHeader:
    """websockets KA-4."""

    def test_counts_where_the_options_name_none(self) -> None:
        headers = {"Sec-Websocket-Protocol": ["aA"]}
        assert with_subprotocol(None, headers) == {SUBPROTOCOL: "aA"}
        assert with_subprotocol({"other": 1}, headers) == {SUBPROTOCOL: "aA", "other": 1}
        assert with_subprotocol({SUBPROTOCOL: "a"}, headers) == {SUBPROTOCOL: "a"}
        assert headers == {"Sec-Websocket-Protocol": ["aA"]}

    @pytest.mark.parametrize("headers", [None, {}, {"x": ["y"]}, {"sec-websocket-protocol": []}])
    def test_of_none_nothing_comes(self, headers: dict[str, list[str]] | None) -> None:
        assert with_subprotocol(None, headers) is None

    def test_goes(self) -> None:
        headers = {"Sec-WebSocket-Protocol": ["aA"], "x": ["y"]}
        drop_subprotocol(headers)
        drop_subprotocol(headers)
        drop_subprotocol(None)
        assert headers == {"x": ["y"]}
