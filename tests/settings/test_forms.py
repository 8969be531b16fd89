"""This file is the test of the patterns that the schema has for texts: they judge as the loader does."""

import re

import pytest
from msgspec import Meta

from penstock.settings import forms
from penstock.settings.languages import JUDGES

FORMS = {name: value for name, value in vars(forms).items() if isinstance(value, Meta)}

# What is right and what is wrong in each language.
TEXTS: dict[str, tuple[list[str], list[str]]] = {
    "reference": (["shop:app", "a.b:c.d", "größe:app"], ["shop", "shop:", ":app", "1a:b", "a-b:c", "a/b.py:c", ""]),
    "prefix": (
        ["/", "/a", "/a/b", "/a...b", "/.well-known"],
        ["", "a", "/a/", "/a//b", "/a/../b", "/./a", "/{a}", "/a?b"],
    ),
    "template": (["/", "/a/", "/{name}", "/{rest:path}"], ["", "a", "/a?b", "/a b"]),
    "method": (["GET", "M-SEARCH"], ["get", "", "G T", "GET,PUT"]),
    "header_name": (["X-One", "a"], ["", "a b", "a:"]),
    "header_value": (["", "a", 'a, b; c="d"', "größe"], [" a", "a ", "\x00", "€"]),
    "listen": (
        [":80", "127.0.0.1:0", "[::1]:80", "unix:/a", "fd:3", "fd://3"],
        ["80", "a", "::1", "unix:", "fd:", "a:b"],
    ),
    "trusted": (["*", "unix:", "10.0.0.0/8", "::1"], ["", "localhost", "10.0.0.0/", "unix:/a"]),
    "host": (["*", "*.example.org", "example.org", "[::1]"], ["", "http://a", "a:80", "*.", "a.*", "a..b"]),
    "statuses": (["404", "5xx", "5XX", "500-599"], ["", "5x", "6xx", "500-", "404.7"]),
    "path": (["/", "/oops/", "/a/b"], ["", "a", "/{a}", "/a?b", "/a b", "/a//b", "//", "/a/../b", "/."]),
    "stage": (["begin", "pre_execute", "AUTHORIZE"], ["", "execute", "log", "end", "before"]),
    "module_name": (["", "sign-in.v2", "Gate"], ["1st", "-a", "a b"]),
    "extension": ([".py", ".tar.gz"], ["", "py", "*.py", "./py"]),
    "segment": ([".git", "größe", "a b"], ["", "/a", "a/b"]),
    "file_name": (["index.html", "a b"], ["", "a/b"]),
    "origin": (
        ["*", "https://example.org", "HTTP://localhost:8000", "https://[::1]:81", "chrome-extension://abcdef"],
        [
            "",
            "null",
            "example.org",
            "https://",
            "https://a/",
            "https://a/b",
            "wss://a",
            "WS://a",
            "https://*.a",
            "https://a:x",
        ],
    ),
    "backend": (
        ["http://127.0.0.1:9000", "https://localhost", "http://app_1.internal:80/", "http://[::1]:9000", "unix:/run/a"],
        ["", "localhost:9000", "HTTPS://a", "ws://a", "http://", "http://a/b", "http://u@a", "http://a:x", "unix:"],
    ),
    "health_path": (["", "/", "/health?full=1"], ["health", "/a b", "/a#b"]),
    "probe_path": (["", "/live", "/health/live"], ["/", "live", "/live/", "/a//b", "/a b", "/{a}", "/a?b"]),
    "pool_name": (["reports", "a", "a-b_2", "0"], ["", "default", "Reports", "a b", "a/b", "a" * 33, "größe"]),
    "variable_name": (["PATH", "_a1", "http_proxy"], ["", "1A", "A-B", "A=B", "A B"]),
    "clock": (["00:00", "03:30", "23:59"], ["", "3:30", "24:00", "12:60", "12", "12:30:00", "noon"]),
    "file_mode": (["0600", "660", "0666"], ["", "0o600", "0888", "rw", "06000", "0060", "0400"]),
    "subprotocol": (["chat", "chat.v1", "a+b"], ["", "a b", "a,b", "chat/1", "é"]),
}


def language_of(form: Meta) -> str:
    return str((form.extra or {})["language"])


def pattern_of(form: Meta) -> re.Pattern[str]:
    return re.compile(str((form.extra_json_schema or {})["pattern"]))


def cases(*, good: bool) -> list[tuple[Meta, str]]:
    return [(form, text) for form in FORMS.values() for text in TEXTS[language_of(form)][0 if good else 1]]


def test_every_form_has_a_pattern_and_a_language_that_the_loader_knows() -> None:
    assert {language_of(form) for form in FORMS.values()} == set(TEXTS)
    assert set(TEXTS) <= set(JUDGES)


@pytest.mark.parametrize(("form", "text"), cases(good=True))
def test_what_is_right_passes_both(form: Meta, text: str) -> None:
    assert pattern_of(form).search(text)
    assert JUDGES[language_of(form)](text) == ""


@pytest.mark.parametrize(("form", "text"), cases(good=False))
def test_what_is_wrong_passes_neither(form: Meta, text: str) -> None:
    assert not pattern_of(form).search(text)
    assert JUDGES[language_of(form)](text) != ""
