"""What is wrong with middleware is a TypeError, as Python has it, and one of Penstock's (middleware 15.11)."""

import pytest

from penstock import PenstockError
from penstock.pipeline_gateways.middleware_errors import AmbiguousSignature, NoConversion, UnsupportedMiddleware


@pytest.mark.parametrize("kind", [AmbiguousSignature, NoConversion, UnsupportedMiddleware])
def test_middleware_15_11_both(kind: type[Exception]) -> None:
    assert issubclass(kind, TypeError)
    assert issubclass(kind, PenstockError)
