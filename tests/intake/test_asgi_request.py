"""This file is the test of requests by `scope`, `receive` and `send`."""

from penstock.testing import check_host
from tests.intake.asgi_server import ask_asgi


class TestContract:
    def test_keeps_the_contract_of_hosts(self) -> None:
        check_host(ask_asgi, name="the ASGI host")
