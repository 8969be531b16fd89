"""ASGI 2 and ASGI 3 as each other (middleware section 15.4, PY-T12)."""

from typing import Any

import pytest
from asgiref import compatibility

from penstock.pipeline_gateways.double_callable import Double, Single
from tests.pipeline_gateways.chain_subject import answering, asked


class Old:
    def __init__(self, scope: Any) -> None:
        if scope["path"] == "/bad":
            raise ValueError("in the first step")
        self.scope = scope

    async def __call__(self, receive: Any, send: Any) -> None:
        await answering(self.scope["path"].encode())(self.scope, receive, send)


def test_middleware_py_t12_asgi_2_is_called_as_asgi_3() -> None:
    assert asked(Double(Old), "/a").body == b"/a"
    with pytest.raises(ValueError, match="in the first step"):
        asked(Double(Old), "/bad")


def test_and_asgi_3_as_asgi_2() -> None:
    single = Single(answering(b"page"))
    asgiref: Any = compatibility
    assert asgiref.is_double_callable(single)
    assert asked(Double(single)).body == b"page"
