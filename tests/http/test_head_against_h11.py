"""Heads judged by us and by h11, as an oracle: every disagreement has a reason, and we are never the laxer one."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

import h11
import pytest
from h11._connection import _body_framing, _keep_alive
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.errors import RequestRejected
from penstock.http.head import read_head
from penstock.http.messages import CHUNKED, RequestHead
from tests.http.good_heads import GOOD_HEADS
from tests.wire.bad_input_cases import read_cases

# Where h11 accepts a head of the corpus and we refuse it: the reason, and the cases. A pattern that no longer fits any
# disagreement is stale and fails. There is no list of heads that we accept and h11 refuses: it must stay empty.
STRICTER = {
    "a leading zero of Content-Length means eight times less to whoever reads it as octal": (
        "row_04_content_length_leading_zero",
    ),
    "h11 lets Transfer-Encoding win over Content-Length; RFC 9112 section 6.3 lets us refuse": ["row_01_*chunk*"],
    "h11 takes one of several equal lengths; the table refuses all": ["row_02_same_lengths", "row_02_three_lengths", "row_03_list_same"],
    "h11 takes lengths of up to 20 digits; beyond any limit they only overflow": ["row_05_*"],
    "a tab behind chunked is optional white space, but also a known disguise; llhttp refuses it": ["row_10_tab_behind"],
    "h11 reads Transfer-Encoding in HTTP/1.0; RFC 9112 section 6.1 calls the framing faulty": ["row_11_*"],
    "h11 takes a bare LF as the end of a line; RFC 9112 section 2.2 lets us refuse": ["row_13_*"],
    "h11 unfolds obs-fold; RFC 9112 section 5.2 lets a server refuse": ["row_16_fold_*"],
    "h11 lets control characters but NUL, CR, LF, VT and FF stand in values; RFC 9110 section 5.5 does not": ["row_18_splitlines_*", "row_18_value_*", "row_34_*"],
    "h11 judges no target beyond its characters; RFC 9112 section 3.2 knows four forms": ["row_27_exclamation_target", "row_27_fragment", "row_29_*"],
    "h11 takes any token as a method; llhttp the registered ones": ["row_27_*method"],
    "h11 leaves the judgement of versions to its caller": ["row_28_version_*", "row_39_h2_preface"],
    "h11 does not look into Host": ["row_30_host_*"],
    "h11 knows no singletons but Host, Content-Length and Transfer-Encoding": ["row_31_*"],
    "h11 has one limit for the whole head, and it is the caller's": ["row_32_*", "row_33_*"],
    "h11 leaves the refusal of expectations to its caller": ["row_40_*"],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Limits:
    request_line: int = 8192
    header_section: int = 32768
    headers: int = 100


LIMITS = Limits()

# What is between the start of a case and its body. Empty lines before a request line are the connection's affair.
HEADS = {
    case.name: case.request[: case.request.index(b"\r\n\r\n") + 4]
    for case in read_cases()
    if b"\r\n\r\n" in case.request and not case.request.startswith((b"\r", b"\n"))
}


def ask_h11(raw: bytes) -> h11.Request | None:
    """The request h11 sees in `raw`; None where it refuses it."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=10_000_000)
    connection.receive_data(raw)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return None
    return event if isinstance(event, h11.Request) else None


def ask_us(raw: bytes) -> RequestHead | None:
    """The head we see in `raw`; None where we refuse it."""
    refusals: list[RequestRejected] = []
    try:
        return read_head(raw, LIMITS)
    except RequestRejected as error:
        refusals.append(error)
    assert refusals[0].status in (400, 414, 417, 431, 501, 505)
    assert refusals[0].detail
    assert refusals[0].rule.startswith("RFC ")
    return None


def check_agreement(ours: RequestHead, theirs: h11.Request) -> None:
    assert ours.method.encode("ascii") == theirs.method
    assert ours.target == theirs.target
    assert ours.version.encode("ascii") == theirs.http_version
    assert normal(ours.headers) == normal(list(theirs.headers))
    framing, length = _body_framing(b"GET", theirs)
    assert (ours.content_length,) == ((CHUNKED,) if framing == "chunked" else length)
    if ours.version == "1.1":  # h11 keeps no HTTP/1.0 connection open
        assert ours.keep_alive == _keep_alive(theirs)


def normal(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    # h11 writes Transfer-Encoding in lower case.
    return [(name, value.lower() if name == b"transfer-encoding" else value) for name, value in headers]


class TestCorpus:
    @pytest.mark.parametrize("name", HEADS)
    def test_verdict_is_that_of_h11_or_stricter(self, name: str) -> None:
        ours, theirs = ask_us(HEADS[name]), ask_h11(HEADS[name])
        if ours is not None:
            assert theirs is not None, "we accept what h11 refuses"
            check_agreement(ours, theirs)
        elif theirs is not None:
            reasons = [why for why, patterns in STRICTER.items() if any(fnmatchcase(name, p) for p in patterns)]
            assert len(reasons) == 1, f"refused by us alone, with {len(reasons)} reasons"

    def test_no_reason_is_stale(self) -> None:
        refused = [name for name, raw in HEADS.items() if ask_us(raw) is None and ask_h11(raw) is not None]
        patterns = [pattern for listed in STRICTER.values() for pattern in listed]
        assert [p for p in patterns if not any(fnmatchcase(name, p) for name in refused)] == []

    def test_refused_heads_of_the_corpus_are_refused_here(self) -> None:
        """What must not reach an application by its head alone is not read by the pure function either."""
        alone = [case for case in read_cases() if case.body_prefix is None and not case.before and case.name in HEADS]
        must_fail = [case for case in alone if min(case.status) >= 400 and not case.answer_optional]
        accepted = [case.name for case in must_fail if ask_us(HEADS[case.name]) is not None]
        assert accepted == []

    def test_refused_heads_get_the_status_of_the_corpus(self) -> None:
        wrong = []
        for case in read_cases():
            if case.name not in HEADS or case.before:
                continue
            try:
                read_head(HEADS[case.name], LIMITS)
            except RequestRejected as error:
                wrong += [(case.name, error.status)] if error.status not in case.status else []
        assert wrong == []


class TestGoodHeads:
    @pytest.mark.parametrize("name", GOOD_HEADS)
    def test_what_clients_send_is_accepted(self, name: str) -> None:
        theirs = ask_h11(GOOD_HEADS[name])
        assert theirs is not None
        check_agreement(read_head(GOOD_HEADS[name], LIMITS), theirs)


MATERIAL = [
    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\0", b"\t", b" ", b"  ", b"\x0b", b"\x0c", b"\x1c", b"\x7f", b"\x85", b"\xa0", b"\xff", b":", b"::",
    b",", b";", b"/", b"//", b"?", b"#", b"%", b"%00", b"%2e%2e", b"\\", b"@", b"[", b"]", b"*", b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0",
    b"Content-Length: 5\r\n", b"content-length: 0\r\n", b"Transfer-Encoding: chunked\r\n", b"transfer-encoding: gzip, chunked\r\n", b"chunked",
    b"Host: a\r\n", b"Connection: close\r\n", b"connection: upgrade, keep-alive\r\n", b"Upgrade: foo\r\n", b"Expect: 100-continue\r\n",
    b"X: y\r\n", b"_", b"-", b"0", b"5", b"+", b"http://", b"https://", b"GET ", b"POST ", b" x: y\r\n",
]  # fmt: skip


@st.composite
def mutated_heads(draw: st.DrawFn) -> bytes:
    """A good head with one to four wounds, and the empty line behind it."""
    raw = bytearray(draw(st.sampled_from(list(GOOD_HEADS.values())))[:-2])
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(raw)))
        end = min(len(raw), start + draw(st.sampled_from([0, 0, 0, 1, 1, 2, 9])))
        raw[start:end] = draw(st.sampled_from(MATERIAL) | st.binary(max_size=2))
    return bytes(raw) + b"\r\n"


class TestFuzz:
    @settings(
        max_examples=1000, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(mutated_heads())
    def test_what_we_accept_h11_accepts_with_the_same_meaning(self, raw: bytes) -> None:
        raw = raw[: raw.find(b"\r\n\r\n") + 4]
        ours = ask_us(raw)
        if ours is not None:
            theirs = ask_h11(raw)
            assert theirs is not None, "we accept what h11 refuses"
            check_agreement(ours, theirs)
