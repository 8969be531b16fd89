"""This file is the test of requests that come by FastCGI, as worker requests."""

from penstock.testing import check_host
from tests.testing.fastcgi_requests import ask_fastcgi


def test_keeps_the_contract_of_worker_requests() -> None:
    check_host(ask_fastcgi, name="FastCGI")
