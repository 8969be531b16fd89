"""What kind of middleware an object is: the detection table (middleware section 15.2, R-PY-01 to R-PY-04)."""

import functools
from typing import Any

import pytest

from penstock.pipeline_gateways import tags
from penstock.pipeline_gateways.middleware_errors import AmbiguousSignature, UnsupportedMiddleware
from penstock.pipeline_gateways.middleware_shapes import Form, detect_application, detect_middleware, name_of
from penstock.pipeline_gateways.shapes import Shape
from tests.pipeline_gateways.chain_subject import Marking, WsgiMarking, answering


class Native:
    def __init__(self, app: Any) -> None: ...

    async def __call__(self, context: Any) -> None: ...


class Invoking:
    def __init__(self, app: Any) -> None: ...

    async def invoke(self, context: Any) -> None: ...


class Old:
    """ASGI 2."""

    _asgi_double_callable = True

    def __init__(self, app: Any) -> None: ...

    def __call__(self, scope: Any) -> Any: ...


Old.__gateway__ = "asgi2"  # type: ignore[attr-defined]


class Instance:
    def initialize(self, app: Any) -> None: ...

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class Configured:
    """Called with the application, later."""

    def __call__(self, app: Any) -> Any: ...


class Method:
    async def around(self, context: Any, following: Any) -> None: ...


def factory(app: Any) -> Any: ...


@functools.wraps(factory)
def wrapped(*arguments: Any, **settings: Any) -> Any: ...


async def around(context: Any, following: Any) -> None: ...


async def generator(context: Any) -> Any:
    yield


def leveled(app: Any, level: int) -> Any: ...


@pytest.mark.parametrize(
    ("candidate", "form", "consumes"),
    [
        (Marking, Form.CLASS, "asgi3"),
        (WsgiMarking, Form.CLASS, "wsgi"),
        (Native, Form.CLASS, "native"),
        (Invoking, Form.CLASS, "native"),
        (Old, Form.CLASS, "asgi2"),
        (Instance(), Form.INSTANCE, "asgi3"),
        (Configured(), Form.FACTORY, None),
        (factory, Form.FACTORY, None),
        (wrapped, Form.FACTORY, None),
        (functools.partial(leveled, level=1), Form.FACTORY, None),
        (functools.partial(Marking, mark="m"), Form.FACTORY, None),
        (around, Form.AROUND, "native"),
        (Method().around, Form.AROUND, "native"),
        (functools.partial(around), Form.AROUND, "native"),
        (generator, Form.GENERATOR, "native"),
    ],
)
def test_middleware_r_py_02_the_table(candidate: Any, form: Form, consumes: str | None) -> None:
    found = detect_middleware(candidate)
    assert (found.form, found.consumes) == (form, consumes)


@pytest.mark.parametrize(
    ("tag", "form", "consumes"),
    [
        (tags.wsgi, Form.FACTORY, "wsgi"),
        (tags.asgi2, Form.FACTORY, "asgi2"),
        (tags.factory, Form.FACTORY, None),
        (tags.around, Form.AROUND, "native"),
    ],
)
def test_middleware_py_t03_a_tag_decides(tag: Any, form: Form, consumes: str | None) -> None:
    found = detect_middleware(tag(iter))
    assert (found.form, found.consumes) == (form, consumes)


def test_a_tag_that_is_none_is_told() -> None:
    with pytest.raises(UnsupportedMiddleware, match="__gateway__ = 'cgi', which is none of: around, factory, asgi3"):
        detect_middleware(tags.Tagged(factory, "cgi"))


def test_middleware_r_ab_13_wrong_arguments_are_told_with_the_signature() -> None:
    with pytest.raises(TypeError, match=r"leveled\(app: Any, level: int\).*missing a required argument: 'level'"):
        detect_middleware(leveled)
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'depth'"):
        detect_middleware(leveled, (1,), {"depth": 2})


def test_a_class_whose_instances_cannot_be_called_is_none() -> None:
    class Plain:
        def __init__(self, app: Any) -> None: ...

    with pytest.raises(UnsupportedMiddleware, match="the instances of Plain cannot be called"):
        detect_middleware(Plain)


def test_a_coroutine_function_of_four_parameters_is_ambiguous() -> None:
    async def many(a: Any, b: Any, c: Any, d: Any) -> None: ...

    with pytest.raises(AmbiguousSignature, match="is async and takes 4 parameters"):
        detect_middleware(many)


def test_a_generator_of_two_parameters_is_refused() -> None:
    async def two(context: Any, more: Any) -> Any:
        yield

    with pytest.raises(TypeError, match=r"is called with \(context\) alone"):
        detect_middleware(two)
    assert detect_middleware(two, (), {"more": 1}).form is Form.GENERATOR


def test_settings_are_bound_to_what_is_called_around() -> None:
    def noting(context: Any, following: Any, level: int) -> tuple[Any, ...]:
        return context, following, level

    found = detect_middleware(tags.around(noting), (), {"level": 3})
    assert found.around()(1, 2) == (1, 2, 3)


def test_an_application_with_invoke_is_native() -> None:
    assert detect_application(Invoking(None), "it") is Shape.NATIVE
    assert detect_application(answering(b""), "it") is Shape.ASGI3


def test_names_are_those_of_what_is_behind_a_partial() -> None:
    assert name_of(functools.partial(functools.partial(factory), 1)) == "factory"
    assert name_of(Instance()) == "Instance"
