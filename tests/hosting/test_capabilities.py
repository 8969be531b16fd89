"""This file is the test of what hosts cannot do: it is as declared, refused with the reason, and the table on the page is true."""

import pytest

from penstock.hosts import asgi_host, fastcgi_request, rsgi_host, wsgi_host
from penstock.intake.worker_request import Capability
from tests.hosting.capabilities import table_of, table_on_the_page
from tests.hosting.facts import FACTS, NO, YES
from tests.hosting.hosts import ALL, MEMORY, OWN
from tests.hosting.recordings import Recordings

EVERYTHING = Capability.SEND_FILE | Capability.INFORM | Capability.TRAILERS | Capability.UPGRADE
DECLARED = {
    OWN: EVERYTHING,
    "uvicorn": asgi_host.CAPABILITIES,
    "hypercorn": asgi_host.CAPABILITIES,
    "granian (ASGI)": asgi_host.CAPABILITIES,
    "granian (RSGI)": rsgi_host.CAPABILITIES,
    "gunicorn": wsgi_host.CAPABILITIES,
    "waitress": wsgi_host.CAPABILITIES,
    "nginx + FastCGI": fastcgi_request.CAPABILITIES,
    MEMORY: EVERYTHING,
}


@pytest.mark.parametrize("host", ALL)
class TestDeclared:
    def test_websockets_are_carried_or_refused_with_501(self, recordings: Recordings, host: str) -> None:
        """That the answer names the reason is asserted where it is asked (services HO-13)."""
        facts, declared = recordings.of(host).facts, DECLARED[host]
        assert facts["WebSockets"] == (YES if Capability.UPGRADE in declared else "no: 501")
        if Capability.BARE_UPGRADE in declared:
            assert (facts["sub-protocols"], facts["header fields of a 101"]) == (NO, NO)
        elif Capability.UPGRADE in declared:
            assert facts["sub-protocols"] == YES
        assert facts["a refused handshake"].startswith("403, ")

    def test_early_hints_and_trailers(self, recordings: Recordings, host: str) -> None:
        facts, declared = recordings.of(host).facts, DECLARED[host]
        assert facts["early hints (103)"] == (YES if Capability.INFORM in declared else NO)
        assert facts["trailers"] == (YES if Capability.TRAILERS in declared else NO)

    def test_streams_are_not_held_back(self, recordings: Recordings, host: str) -> None:
        facts = recordings.of(host).facts
        assert facts["pieces of a stream leave at once"] == YES
        assert list(facts) == list(FACTS)


def test_the_table_on_the_page_is_that_of_this_run(recordings: Recordings) -> None:
    assert table_on_the_page() == table_of(recordings), "python -m tests.hosting.capabilities writes it anew"
