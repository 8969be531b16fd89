"""This file is the test of what holds for a server of which nothing is said."""

import msgspec
import pytest

from penstock.settings import LimitSettings, LogSettings, ProxySettings, ServerSettings, Settings


def test_limits_by_default_are_those_of_the_issue() -> None:
    limits = LimitSettings()
    assert (limits.request_line, limits.header_section, limits.headers, limits.body) == (
        8192,
        32768,
        100,
        30_000_000,
    )
    assert (limits.deadline, limits.form_fields, limits.form_memory) == (110.0, 1000, 81_920)  # pipeline L-01
    assert (limits.header_timeout, limits.keep_alive) == (30.0, 75.0)
    assert (limits.data_rate, limits.data_rate_grace) == (240, 5.0)


def test_only_the_machine_itself_is_listened_to_and_believed() -> None:
    assert ServerSettings().listen == ("127.0.0.1:8000",)
    proxy = ProxySettings()
    assert (proxy.trusted, proxy.headers, proxy.hops) == (("127.0.0.0/8", "::1", "unix:"), "x-forwarded", 1)


def test_pipeline_a05_a_server_that_cannot_start_ends() -> None:
    assert (ServerSettings().start_failure, ServerSettings().mode) == ("exit", "production")


def test_pipeline_d04_fifty_traces_are_kept_beside_the_site_file() -> None:
    assert (LogSettings().traces, LogSettings().trace_files) == ("", 50)


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("request_line", 255),
        ("headers", 0),
        ("body", 0),
        ("header_timeout", 0),
        ("deadline", -1),
        ("form_fields", 0),
        ("form_memory", -1),
        ("stuck_threads", 0),
        ("requests_inside", 0),
        ("queue", -1),
        ("retry_after", 0),
    ],
)
def test_a_limit_has_bounds_of_its_own(limit: str, value: float) -> None:
    with pytest.raises(msgspec.ValidationError, match=limit):
        msgspec.convert({"server": {"limits": {limit: value}}}, Settings)
