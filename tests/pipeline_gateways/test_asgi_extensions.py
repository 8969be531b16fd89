"""What an ASGI scope offers by a host's capabilities, and the messages that use it."""

from typing import Any

import pytest

from penstock import ContractError
from penstock.intake.worker_request import Capability
from penstock.pipeline_gateways.asgi_extensions import (
    EARLY_HINT,
    TRAILERS,
    extensions_of,
    read_trailers,
    send_early_hint,
)


class Host:
    """The host's side of a request, as far as interim answers go."""

    def __init__(self, capabilities: Capability) -> None:
        self.capabilities = capabilities
        self.informed: list[tuple[int, list[tuple[bytes, bytes]]]] = []

    def inform(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.informed.append((status, headers))


class TestOffer:
    @pytest.mark.parametrize(
        ("capabilities", "offered"),
        [
            (Capability(0), []),
            (Capability.INFORM, [EARLY_HINT]),
            (Capability.TRAILERS | Capability.SEND_FILE, [TRAILERS]),
            (Capability.INFORM | Capability.TRAILERS, [EARLY_HINT, TRAILERS]),
        ],
    )
    def test_is_what_the_host_can_carry(self, capabilities: Capability, offered: list[str]) -> None:
        assert extensions_of(capabilities, {}) == {name: {} for name in offered}

    def test_comes_beside_others_which_are_left_as_they_are(self) -> None:
        others: dict[str, dict[str, Any]] = {"http.response.pathsend": {}}
        assert sorted(extensions_of(Capability.INFORM, others)) == [EARLY_HINT, "http.response.pathsend"]
        assert others == {"http.response.pathsend": {}}


class TestEarlyHints:
    def test_every_link_is_a_field(self) -> None:
        host: Any = Host(Capability.INFORM)
        send_early_hint(host, {"type": EARLY_HINT, "links": [b"</a>", b"</b>"]})
        assert host.informed == [(103, [(b"link", b"</a>"), (b"link", b"</b>")])]

    def test_a_host_that_cannot_is_not_asked(self) -> None:
        host: Any = Host(Capability.TRAILERS)
        send_early_hint(host, {"type": EARLY_HINT, "links": [b"</a>"]})
        assert host.informed == []

    @pytest.mark.parametrize("links", ["</a>", b"</a>", ["</a>"], [b"</a>", None]])
    @pytest.mark.parametrize("capabilities", [Capability.INFORM, Capability(0)])
    def test_what_is_no_list_of_byte_strings_is_refused(self, links: Any, capabilities: Capability) -> None:
        host: Any = Host(capabilities)
        with pytest.raises(ContractError, match=r"the links of http\.response\.early_hint are byte strings such as"):
            send_early_hint(host, {"type": EARLY_HINT, "links": links})
        assert host.informed == []


class TestTrailers:
    def test_names_become_lower_case(self) -> None:
        message = {"type": TRAILERS, "headers": [(b"X-Sum", b"1"), [b"x-count", b"2"]]}
        assert read_trailers(message) == [(b"x-sum", b"1"), (b"x-count", b"2")]
        assert read_trailers({"type": TRAILERS}) == []

    @pytest.mark.parametrize(
        "headers",
        [[("x-sum", "1")], [(b"x-sum", None)], [(b"x-sum",)], [b"x"], [(b"a b", b"1")], [(b"x", b"a\r\nb")], 7],
    )
    def test_what_are_no_pairs_of_bytes_is_refused(self, headers: Any) -> None:
        with pytest.raises(ContractError):
            read_trailers({"type": TRAILERS, "headers": headers})

    @pytest.mark.parametrize("name", [b"Content-Length", b"transfer-encoding", b"host", b"Set-Cookie"])
    def test_rfc9110_section_6_5_1_what_cannot_follow_a_body_is_refused(self, name: bytes) -> None:
        with pytest.raises(ContractError, match=r"section 6\.5\.1"):
            read_trailers({"type": TRAILERS, "headers": [(name, b"1")]})
