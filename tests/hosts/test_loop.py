"""The event loop."""

import asyncio
import sys

import pytest

from penstock.errors import ConfigurationError
from penstock.hosts.loop import new_event_loop


@pytest.mark.parametrize("kind", ["auto", "uvloop", "asyncio"])
def test_kinds(kind: str) -> None:
    loop = new_event_loop(kind)
    try:
        assert (type(loop).__module__.startswith("asyncio")) is (kind == "asyncio")
        assert loop.run_until_complete(asyncio.sleep(0, "done")) == "done"
    finally:
        loop.close()


def test_missing_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    new_event_loop("auto").close()
    with pytest.raises(ConfigurationError, match="pip install uvloop"):
        new_event_loop("uvloop")
