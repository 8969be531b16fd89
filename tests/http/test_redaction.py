"""What is kept of a request: pipeline D-04, redaction."""

import pytest

from penstock.http.redaction import REDACTED, is_secret, printable, query_names, redact_fields, shorten


class TestFields:
    @pytest.mark.parametrize(
        "name",
        [
            "authorization",
            "proxy-authorization",
            "cookie",
            "set-cookie",
            "x-api-key",
            "x-amz-security-token",
            "x-csrf-token",
            "x-xsrf-token",
            "x-session-id",
            "x-hub-signature-256",
            "x-forwarded-access-token",
            "x-auth-request-email",
            "client-secret",
            "x-password",
            "authentication-info",
        ],
    )
    def test_pipeline_d04_values_of_secrets_are_never_kept(self, name: str) -> None:
        assert is_secret(name.encode())
        assert redact_fields([(name.encode(), b"s3cret")]) == [(name, REDACTED)]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("host", "example.org"),
            ("accept", "text/html;q=0.9, */*"),
            ("sec-ch-ua-mobile", "?0"),
            ("priority", "u=0, i"),
            ("www-authenticate", 'Basic realm="x"'),
            ("content-type", "application/json"),
            ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ],
    )
    def test_the_others_are_kept(self, name: str, value: str) -> None:
        assert redact_fields([(name.encode(), value.encode())]) == [(name, value)]

    @pytest.mark.parametrize(
        ("name", "value", "kept"),
        [
            ("referer", "https://example.org/a?token=1&b=2", "https://example.org/a?[redacted]"),
            ("location", "/next?code=abc#id_token=x", "/next?[redacted]"),
            ("location", "?code=abc", "?[redacted]"),
            ("location", "/next#id_token=x", "/next?[redacted]"),
            ("x-forwarded-uri", "/a?b=c", "/a?[redacted]"),
            (
                "link",
                "</a?b=c>; rel=preload, </b?d>; rel=next",
                "</a?[redacted]>; rel=preload, </b?[redacted]>; rel=next",
            ),
            ("origin", "https://user:word@example.org", "https://[redacted]@example.org"),
        ],
    )
    def test_urls_lose_query_fragment_and_user(self, name: str, value: str, kept: str) -> None:
        assert redact_fields([(name.encode(), value.encode())]) == [(name, kept)]

    def test_bytes_of_any_kind_become_text(self) -> None:
        assert redact_fields([(b"x-name", b"caf\xe9")]) == [("x-name", "caf\xe9")]

    def test_a_long_value_is_cut(self) -> None:
        assert redact_fields([(b"x-long", b"a" * 9000)]) == [("x-long", "a" * 2000 + "...")]


class TestQuery:
    @pytest.mark.parametrize(
        ("query", "names"),
        [
            (b"", []),
            (b"page=2&token=abc", ["page", "token"]),
            (b"a=1&a=2&&b=", ["a", "a", "b"]),
            (b"0c88b3b1", [REDACTED]),
            (b"=value", [REDACTED]),
            (b"a=1&flag", ["a", REDACTED]),
            (b"n" * 70 + b"=1", ["n" * 64 + "..."]),
        ],
    )
    def test_pipeline_d04_names_are_kept_values_are_not(self, query: bytes, names: list[str]) -> None:
        assert query_names(query) == names

    def test_a_hundred_names_are_enough(self) -> None:
        names = query_names(b"&".join(b"a%d=1" % number for number in range(150)))
        assert len(names) == 101
        assert names[-1] == "..."


def test_short_texts_stay_as_they_are() -> None:
    assert shorten("abc", 3) == "abc"
    assert shorten("abcd", 3) == "abc..."


def test_what_a_terminal_would_obey_is_escaped() -> None:
    assert printable("/caf\u00e9\x1b[2J\n\ud800") == "/caf\u00e9\\x1b[2J\\n\\ud800"
