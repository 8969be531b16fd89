"""Close codes and reasons: what may be sent, what may come, and the payload that says so."""

import pytest

from penstock.request_sockets.close_codes import (
    encode_close,
    encode_echo,
    is_receivable_code,
    is_sendable_code,
    read_close,
)

ON_BOTH_WAYS = [*range(1000, 1004), *range(1007, 1010), *range(1011, 1015), 3000, 3999, 4000, 4999]
ON_NO_WAY = [-1, 0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535, 65536, 10**9]


class TestCodes:
    @pytest.mark.parametrize("code", ON_BOTH_WAYS)
    def test_websockets_py17_py18_good_codes(self, code: int) -> None:
        assert is_sendable_code(code)
        assert is_receivable_code(code)
        assert read_close(encode_close(code, "bye")) == (code, "bye")

    @pytest.mark.parametrize("code", ON_NO_WAY)
    def test_websockets_py17_py18_bad_codes(self, code: int) -> None:
        assert not is_sendable_code(code)
        assert not is_receivable_code(code)
        if 0 <= code < 65536:
            assert read_close(code.to_bytes(2, "big")) is None

    def test_websockets_c05_1010_is_the_clients(self) -> None:
        assert not is_sendable_code(1010)
        assert read_close(b"\x03\xf2") == (1010, "")


class TestWriting:
    @pytest.mark.parametrize("code", [code for code in ON_NO_WAY if code != 1005] + [1010])
    def test_websockets_t14_a_code_that_is_not_sent_is_the_callers_fault(self, code: int) -> None:
        with pytest.raises(ValueError, match=f"{code} is not a code to close with: 1000-1003"):
            encode_close(code, "")

    @pytest.mark.parametrize(
        ("code", "reason", "payload"),
        [
            (1000, "", b"\x03\xe8"),
            (1000, None, b"\x03\xe8"),
            (1001, "é", b"\x03\xe9\xc3\xa9"),
            (4999, "x", b"\x13\x87x"),
            (None, "", b""),
            (None, None, b""),
            (1005, "", b""),
            (1005, None, b""),
        ],
    )
    def test_websockets_section_1_16_payloads(self, code: int | None, reason: str | None, payload: bytes) -> None:
        assert encode_close(code, reason) == payload

    def test_websockets_section_1_16_a_reason_has_123_bytes(self) -> None:
        assert len(encode_close(1000, "é" * 61)) == 124
        assert len(encode_close(1000, "e" * 123)) == 125
        for reason in ("é" * 62, "e" * 124):
            with pytest.raises(ValueError, match="at most 123 bytes in UTF-8, not 124"):
                encode_close(1000, reason)

    @pytest.mark.parametrize("code", [None, 1005])
    def test_websockets_section_1_16_no_reason_without_a_code(self, code: int | None) -> None:
        with pytest.raises(ValueError, match="no reason"):
            encode_close(code, "x")

    def test_a_reason_that_is_no_text_is_refused(self) -> None:
        with pytest.raises(ValueError, match="surrogates not allowed"):
            encode_close(1000, "\ud800")

    def test_websockets_c02_the_answer_to_a_close_says_the_same(self) -> None:
        assert [encode_echo(code) for code in (1005, 1001, 1010, 4321)] == [b"", b"\x03\xe9", b"\x03\xf2", b"\x10\xe1"]


class TestReading:
    def test_websockets_dv01_without_a_code(self) -> None:
        assert read_close(b"") == (1005, "")

    @pytest.mark.parametrize(
        "payload", [b"\x03", b"\x00", b"\xe8", b"\x03\xe8\xff", b"\x03\xe8\xed\xa0\x80", b"\x03\xe8ok\xc3"]
    )
    def test_websockets_c01_half_a_code_and_reasons_that_are_no_text(self, payload: bytes) -> None:
        assert read_close(payload) is None

    def test_a_reason(self) -> None:
        assert read_close(b"\x03\xe8" + "grüß".encode()) == (1000, "grüß")
