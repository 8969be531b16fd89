"""The event loop: uvloop where there is one, else asyncio's own."""

# Not compiled: whether uvloop is there is asked each time, and compiled code remembers what it has imported.

from __future__ import annotations

import asyncio

from penstock.errors import ConfigurationError, Problem


def new_event_loop(kind: str = "auto") -> asyncio.AbstractEventLoop:
    """A new loop: "uvloop", "asyncio", or "auto", which is uvloop where it is installed.

    Raises ConfigurationError when uvloop is asked for and missing.
    """
    if kind != "asyncio":
        try:
            import uvloop

            return uvloop.new_event_loop()
        except ImportError:
            if kind == "uvloop":
                raise ConfigurationError(
                    [Problem("uvloop is not installed: pip install uvloop, or loop = 'auto'")]
                ) from None
    return asyncio.new_event_loop()
