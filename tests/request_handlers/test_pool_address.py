"""Where a pool listens is shown; its key is not."""

from penstock.request_handlers.pool_address import PoolAddress


def test_the_key_is_not_shown() -> None:
    address = PoolAddress("/run/reports.sock", b"secret")
    assert (repr(address), str(address)) == ("PoolAddress('/run/reports.sock')",) * 2
    assert (address.path, address.key) == ("/run/reports.sock", b"secret")
