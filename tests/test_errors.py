"""This file is the test of what can be raised: who is to blame, and what is shown of it."""

from typing import Any

import pytest

import penstock
from penstock import errors
from penstock.errors import (
    ClientGone,
    ConfigurationError,
    ContractError,
    HTTPError,
    PenstockError,
    Problem,
    RequestRejected,
    ResponseComplete,
    ResponseCompleted,
    ResponseStarted,
)


def test_all_have_one_root_but_for_what_ends_a_request() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BaseException)]
    assert {kind for kind in kinds if not issubclass(kind, PenstockError)} == {ResponseComplete}
    assert not issubclass(ResponseComplete, Exception)
    assert {kind.__name__ for kind in kinds} <= set(penstock.__all__)


def test_pipeline_o03_what_comes_behind_the_end_comes_behind_the_head_too() -> None:
    assert issubclass(ResponseCompleted, ResponseStarted)
    assert issubclass(ResponseStarted, ContractError)


def test_asgi_2_4_a_client_that_has_left_is_an_os_error() -> None:
    assert issubclass(ClientGone, OSError)
    assert str(ClientGone("the client left")) == "the client left"


class TestConfigurationError:
    def test_tells_all_mistakes_at_once_with_their_places(self) -> None:
        error = ConfigurationError([Problem("is wrong", "site.toml:3"), Problem("is wrong, too")])
        assert str(error) == "site.toml:3: is wrong\nis wrong, too"
        assert error.problems == (Problem("is wrong", "site.toml:3"), Problem("is wrong, too", ""))


class TestHTTPError:
    def test_has_a_status_a_detail_and_headers(self) -> None:
        error = HTTPError(405, "ask otherwise", headers=[(b"allow", b"GET")])
        assert (error.status, error.detail, error.headers) == (405, "ask otherwise", ((b"allow", b"GET"),))
        assert str(error) == "ask otherwise"
        assert (HTTPError(404).detail, HTTPError(404).headers, str(HTTPError(404))) == ("", (), "status 404")

    @pytest.mark.parametrize("status", [0, 200, 302, 399, 600, -404])
    def test_a_status_that_is_no_error_is_refused(self, status: int) -> None:
        with pytest.raises(ValueError, match=f"a status from 400 to 599, not {status}"):
            HTTPError(status)

    def test_its_headers_are_pairs_of_bytes_in_lower_case(self) -> None:
        assert HTTPError(405, headers=[(b"Allow", b"GET")]).headers == ((b"allow", b"GET"),)
        not_bytes: Any = [("allow", "GET")]
        with pytest.raises(TypeError, match="the headers of an HTTPError are pairs of bytes"):
            HTTPError(405, headers=not_bytes)

    def test_a_rejected_request_has_a_rule_and_may_have_a_reason_for_the_log_alone(self) -> None:
        error = RequestRejected(400, "malformed Host", rule="RFC 9110 section 7.2")
        assert (error.status, error.detail, error.rule, str(error)) == (
            400,
            "malformed Host",
            "RFC 9110 section 7.2",
            "malformed Host",
        )
        hidden = RequestRejected(404, "", reason="hidden segment 'bin'")
        assert (hidden.detail, hidden.rule, str(hidden)) == ("", "", "hidden segment 'bin'")


@pytest.mark.parametrize("status", [399, 600, "404", 404.5, None, True])
def test_an_http_error_has_a_status_of_an_error(status: Any) -> None:
    with pytest.raises(ValueError, match="from 400 to 599, not"):
        HTTPError(status)


@pytest.mark.parametrize("headers", [[("a", "b")], [(b"a", "b")], [(b"a", None)]])
def test_the_headers_of_an_http_error_are_pairs_of_bytes(headers: Any) -> None:
    with pytest.raises(TypeError, match="the headers of an HTTPError are pairs of bytes, not"):
        HTTPError(404, headers=headers)
