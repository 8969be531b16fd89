"""What a middleware of unknown shape is given: called in whatever way that is done (middleware section 15.2)."""

import inspect
from typing import Any

import pytest
from asgiref import compatibility

from penstock import ContractError
from penstock.pipeline_gateways.polymorphic_next import PolymorphicNext
from penstock.pipeline_gateways.shapes import Shape


def recording(log: list[Any]) -> PolymorphicNext:
    def convert(shape: Shape) -> Any:
        log.append(shape.value)
        return lambda *arguments: (shape.value, *arguments)

    return PolymorphicNext(convert)


def test_it_is_dispatched_by_its_arguments_and_converted_once() -> None:
    log: list[Any] = []
    following = recording(log)
    scope: dict[str, Any] = {"type": "http"}
    assert following(scope, 2, 3) == ("asgi3", scope, 2, 3)
    assert following(scope)(2, 3) == ("asgi3", scope, 2, 3)
    assert following({"REQUEST_METHOD": "GET"}, 2)[0] == "wsgi"
    assert following("context") == ("native", "context")
    assert log == ["asgi3", "wsgi", "native"]
    assert following.consumed == (Shape.ASGI3, Shape.WSGI, Shape.NATIVE)


def test_any_other_call_is_refused() -> None:
    with pytest.raises(ContractError, match="was called with 2 arguments: ASGI takes"):
        recording([])("scope", "proto")


def test_compatibility_layers_take_it_for_asgi_3() -> None:
    following = recording([])
    asgiref: Any = compatibility
    assert not asgiref.is_double_callable(following)
    assert asgiref.guarantee_single_callable(following) is following
    assert not inspect.iscoroutinefunction(following)
