"""One handshake from its accept to the end of its socket (websockets section 1.1, DV-3, DV-4, DV-17)."""

from typing import Any

import pytest

from penstock import AcceptLost, AcceptOptions, HTTPError
from penstock.http.head import HeadLimits, read_head
from penstock.http.websocket_handshake import read_handshake
from penstock.request_sockets.options import SocketRules
from penstock.request_sockets.upgrade import Outcome, Phase, Upgrade
from penstock.settings import LimitSettings

LIMITS: HeadLimits = LimitSettings()


def upgrade(rules: SocketRules | None = None, **fields: str) -> Upgrade:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    raw = (
        "GET /chat HTTP/1.1\r\nHost: shop.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
    )
    return Upgrade(read_handshake(read_head(raw.encode(), LIMITS)), rules or SocketRules())


class TestPhases:
    def test_websockets_sw01_it_moves_by_one_and_never_back(self) -> None:
        one = upgrade()
        assert one.phase is Phase.INACTIVE
        with pytest.raises(AssertionError):
            one.move_to(Phase.TRANSITION_STARTED)
        for phase in (Phase.ACCEPT_CALLED, Phase.TRANSITION_STARTED, Phase.TRANSITION_COMPLETED):
            one.move_to(phase)
        with pytest.raises(AssertionError):
            one.move_to(Phase.ACCEPT_CALLED)


class TestOrigin:
    def check(self, one: Upgrade, options: AcceptOptions | None = None) -> None:
        one.check_origin(options, "http", "shop.test")

    def test_websockets_sw26_any_origin_is_allowed_unless_somebody_asks(self) -> None:
        self.check(upgrade(Origin="https://elsewhere.test"))

    def test_websockets_dv04_the_location_says_which_origins(self) -> None:
        rules = SocketRules(allowed_origins=["https://Shop.test"])
        self.check(upgrade(rules, Origin="https://shop.test"))
        self.check(upgrade(rules))
        with pytest.raises(HTTPError, match="origin") as caught:
            self.check(upgrade(rules, Origin="https://elsewhere.test"))
        assert caught.value.status == 403

    def test_websockets_dv04_same_origin_refuses_those_that_have_none(self) -> None:
        rules = SocketRules(require_same_origin=True)
        self.check(upgrade(rules, Origin="http://shop.test"))
        for fields in ({}, {"Origin": "https://shop.test"}, {"Origin": "null"}):
            with pytest.raises(HTTPError):
                self.check(upgrade(rules, **fields))

    def test_the_endpoint_has_the_last_word(self) -> None:
        strict = SocketRules(require_same_origin=True, allowed_origins=["https://a.test"])
        self.check(
            upgrade(strict, Origin="https://b.test"),
            AcceptOptions(require_same_origin=False, allowed_origins=["https://b.test"]),
        )
        with pytest.raises(HTTPError):
            self.check(upgrade(Origin="https://b.test"), AcceptOptions(require_same_origin=True))


class TestSubprotocol:
    def test_websockets_dv03_one_that_was_not_offered_cannot_be_chosen(self) -> None:
        with pytest.raises(ValueError, match="was not offered by the client; offered: a, b"):
            upgrade(Sec_WebSocket_Protocol="a, b").check_subprotocol(AcceptOptions("c"))

    def test_websockets_sw25_the_comparison_is_exact(self) -> None:
        with pytest.raises(ValueError, match="offered: Chat"):
            upgrade(Sec_WebSocket_Protocol="Chat").check_subprotocol(AcceptOptions("chat"))

    def test_one_of_those_offered_can_and_none_as_well(self) -> None:
        one = upgrade(Sec_WebSocket_Protocol="a, b")
        one.check_subprotocol(AcceptOptions("b"))
        one.check_subprotocol(AcceptOptions())
        one.check_subprotocol(None)


class TestTerms:
    def test_they_are_those_of_the_location(self) -> None:
        terms = upgrade(SocketRules(max_message_size=7, max_ratio=3, keepalive_interval=1, keepalive_timeout=2)).terms()
        assert (terms.max_message_size, terms.max_ratio) == (7, 3)
        assert (terms.keepalive_interval, terms.keepalive_timeout) == (1, 2)
        assert (terms.subprotocol, terms.deflate) == (None, None)

    def test_what_the_endpoint_says_goes_before_them(self) -> None:
        one = upgrade(SocketRules(max_message_size=7))
        one.options = AcceptOptions(max_message_size=9, keepalive_interval=0, keepalive_timeout=4)
        terms = one.terms()
        assert (terms.max_message_size, terms.keepalive_interval, terms.keepalive_timeout) == (9, 0, 4)

    def test_websockets_d15_compression_is_agreed_only_when_it_is_offered_and_wanted(self) -> None:
        offer: dict[str, Any] = {"Sec_WebSocket_Extensions": "permessage-deflate"}
        assert upgrade(**offer).terms().deflate is None
        assert upgrade(SocketRules(compression=True)).terms().deflate is None
        assert upgrade(SocketRules(compression=True), **offer).terms().deflate is not None
        refusing = upgrade(SocketRules(compression=True), **offer)
        refusing.options = AcceptOptions(compression=False)
        assert refusing.terms().deflate is None


class TestLost:
    def test_websockets_dv17_whoever_waits_is_told_and_the_place_is_given_back_once(self) -> None:
        one = upgrade()
        told: list[AcceptLost] = []
        freed: list[bool] = []
        one.on_lost = told.append
        one.release_place = lambda: freed.append(True)
        one.lose("answered with 403")
        one.lose("again")
        assert one.outcome is Outcome.LOST
        assert [str(each) for each in told] == ["answered with 403"]
        assert isinstance(one.lost, AcceptLost)
        assert freed == [True]

    def test_an_upgrade_that_was_completed_cannot_be_lost(self) -> None:
        one = upgrade()
        for phase in (Phase.ACCEPT_CALLED, Phase.TRANSITION_STARTED, Phase.TRANSITION_COMPLETED):
            one.move_to(phase)
        one.lose("too late")
        assert one.lost is None
