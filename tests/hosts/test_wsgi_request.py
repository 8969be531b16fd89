"""Requests that a WSGI server hands over keep the contract of hosts (middleware section 15.4, «ASGI3 -> WSGI»)."""

from penstock.testing import check_host
from tests.hosts.wsgi_server import ask_wsgi


def test_the_contract_of_hosts() -> None:
    check_host(ask_wsgi, notices_leaving=False)
