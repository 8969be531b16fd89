"""What `check_host` has in its hands when it tries a WebSocket: it asks no host for what it does not promise."""

from typing import Any

from penstock.intake.worker_request import Capability
from penstock.settings import LimitSettings
from penstock.testing import Asked
from penstock.testing.both_ends import memory_requests
from penstock.testing.findings import Findings
from penstock.testing.host_sockets import OpenedSocket, upgrade_probes
from tests.pipeline.subject import run
from tests.testing.broken_sockets import Broken


async def never(under_test: Any, findings: Findings) -> None:
    raise AssertionError("it was tried")


def found(make: Any) -> list[str]:
    findings = Findings("the host")

    async def journey() -> None:
        async with memory_requests(LimitSettings())(Asked()) as made:
            for _, _, probe in upgrade_probes({"early": never}, {"open": never}):
                await probe(make(made), findings)

    run(journey)
    return findings.problems


def test_a_host_that_promises_no_upgrades() -> None:
    plain = {"capabilities": Capability.SEND_FILE}
    assert found(lambda made: Broken(made, worker_request=Broken(made.worker_request, **plain))) == []


def test_a_host_whose_client_cannot_send_bytes() -> None:
    class WithoutBytes:
        def __init__(self, made: Any) -> None:
            self.worker_request = made.worker_request

    assert found(WithoutBytes) == [
        "its capabilities promise upgrades, and what check_host is given has no send_bytes and no receive_bytes"
    ]


def test_reading_ends_with_the_connection() -> None:
    async def journey() -> bytes:
        async with memory_requests(LimitSettings())(Asked()) as made:
            opened = OpenedSocket.open(made, Findings("the host"))
            assert opened is not None
            opened.transport.write(1, b"hello")
            opened.transport.close()
            return await opened.read(100)

    assert run(journey) == b"\x81\x05hello"
