"""Who is at the two ends."""

import pytest

from penstock.hosts.addresses import find_own, find_peer
from tests.hosts.wired import FakeTransport


@pytest.mark.parametrize(
    ("peer", "found"),
    [
        (("127.0.0.1", 4711), ("127.0.0.1", 4711)),
        (("::1", 4711, 0, 0), ("::1", 4711)),
        (("::ffff:192.0.2.1", 4711, 0, 0), ("192.0.2.1", 4711)),
        (("fe80::1%eth0", 4711, 0, 2), ("fe80::1", 4711)),
        ("", None),
        (None, None),
    ],
)
def test_peer(peer: object, found: object) -> None:
    transport = FakeTransport()
    transport.info["peername"] = peer
    assert find_peer(transport) == found


@pytest.mark.parametrize(
    ("own", "found"),
    [
        (("127.0.0.1", 80), ("127.0.0.1", 80)),
        (("::1", 80, 0, 0), ("::1", 80)),
        ("/run/a", ("/run/a", None)),
        ("", None),
    ],
)
def test_own(own: object, found: object) -> None:
    transport = FakeTransport()
    transport.info["sockname"] = own
    assert find_own(transport) == found
