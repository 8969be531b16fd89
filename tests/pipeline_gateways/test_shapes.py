"""What kind of application an object is: middleware section 15.2, R-PY-02 and R-PY-03."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.compatibility import guarantee_single_callable
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware

from penstock import ConfigurationError
from penstock.pipeline_gateways.shapes import Shape, detect_shape


async def asgi3(scope: Any, receive: Any, send: Any) -> None:
    pass


async def asgi3_by_count(a: Any, b: Any, c: Any, d: Any = None, *, e: Any = None) -> None:
    pass


def asgi3_plain(first: Any, second: Any, third: Any) -> Any:
    return asgi3(first, second, third)


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    return []


def wsgi_by_count(e: Any, s: Any, *rest: Any) -> list[bytes]:
    return []


async def rsgi(first: Any, second: Any) -> None:
    pass


async def native(context: Any) -> str:
    return ""


def native_plain(context: Any) -> str:
    return ""


async def owin(environment: Any) -> None:
    pass


def owin_plain(environment: Any) -> Any:
    return owin(environment)


async def endpoint(websocket: Any, room: str = "") -> None:
    pass


async def endpoint_with_context(websocket: Any, context: Any) -> None:
    pass


def asgi2_plain(scope: Any) -> Any:
    return asgi3


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


class AsgiObject:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        pass

    async def method(self, one: Any, two: Any, three: Any) -> None:
        pass

    @staticmethod
    async def static(one: Any, two: Any, three: Any) -> None:
        pass


class WsgiObject:
    def __call__(self, one: Any, two: Any) -> list[bytes]:
        return []

    def method(self, one: Any, two: Any) -> list[bytes]:
        return []


class Asgi2Class:
    def __init__(self, scope: Any) -> None:
        pass

    async def __call__(self, receive: Any, send: Any) -> None:
        pass


class WsgiClass:
    def __init__(self, environ: Any, start_response: Any) -> None:
        pass

    def __iter__(self) -> Any:
        return iter([])


async def with_more(scope: Any, receive: Any, send: Any, extra: Any) -> None:
    pass


def with_config(config: Any, environ: Any, start_response: Any) -> list[bytes]:
    return []


def tagged(shape: str) -> Callable[..., Any]:
    def application(*args: Any) -> Any:
        return None

    application.__gateway__ = shape  # type: ignore[attr-defined]
    return application


TABLE: list[tuple[str, Any, Shape]] = [
    ("async function of three", asgi3, Shape.ASGI3),
    ("async function of three by count", asgi3_by_count, Shape.ASGI3),
    ("plain function of three", asgi3_plain, Shape.ASGI3),
    ("plain function of two", wsgi, Shape.WSGI),
    ("plain function of two by count", wsgi_by_count, Shape.WSGI),
    ("async function of two", rsgi, Shape.RSGI),
    ("async function of one", native, Shape.NATIVE),
    ("plain function of context", native_plain, Shape.NATIVE),
    ("async function of a websocket", endpoint, Shape.WEBSOCKET),
    ("async function of a websocket and the context", endpoint_with_context, Shape.WEBSOCKET),
    ("async function of an environment", owin, Shape.OWIN),
    ("plain function of an environment", owin_plain, Shape.OWIN),
    ("plain function of nothing", lambda: "hello", Shape.NATIVE),
    ("plain function of scope", asgi2_plain, Shape.ASGI2),
    ("object with async call", AsgiObject(), Shape.ASGI3),
    ("object with plain call", WsgiObject(), Shape.WSGI),
    ("bound async method", AsgiObject().method, Shape.ASGI3),
    ("static async method", AsgiObject.static, Shape.ASGI3),
    ("bound plain method", WsgiObject().method, Shape.WSGI),
    ("class of ASGI 2", Asgi2Class, Shape.ASGI2),
    ("class of WSGI", WsgiClass, Shape.WSGI),
    ("partial by keyword", functools.partial(with_more, extra=1), Shape.ASGI3),
    ("partial by position", functools.partial(with_config, {}), Shape.WSGI),
    ("partial of an object", functools.partial(AsgiObject()), Shape.ASGI3),
    ("partial of a partial", functools.partial(functools.partial(with_more), extra=1), Shape.ASGI3),
    ("decorated async function", decorated(asgi3), Shape.ASGI3),
    ("decorated plain function", decorated(wsgi), Shape.WSGI),
    ("decorated async function by count", decorated(native), Shape.NATIVE),
    ("lambda of two", lambda e, s: [], Shape.WSGI),
    ("tag asgi3", tagged("asgi3"), Shape.ASGI3),
    ("tag in capitals", tagged("WSGI"), Shape.WSGI),
    ("tag owin", tagged("owin"), Shape.OWIN),
    ("mark of asgiref", guarantee_single_callable(asgi3), Shape.ASGI3),  # type: ignore[no-untyped-call]
    ("FastAPI", FastAPI(), Shape.ASGI3),
    ("Starlette", Starlette(), Shape.ASGI3),
    ("middleware of Starlette", GZipMiddleware(Starlette()), Shape.ASGI3),
    ("Flask", Flask("tested"), Shape.WSGI),
    ("Django by WSGI", WSGIHandler.__call__.__get__(object()), Shape.WSGI),
    ("Django by ASGI", ASGIHandler.__call__.__get__(object()), Shape.ASGI3),
]


class TestDetection:
    @pytest.mark.parametrize(("application", "shape"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
    def test_middleware_r_py_02_table(self, application: Any, shape: Shape) -> None:
        assert detect_shape(application, "shop:app") is shape

    def test_a_tag_wins_over_everything(self) -> None:
        @functools.wraps(asgi3)
        async def application(scope: Any, receive: Any, send: Any) -> None:
            pass

        application.__gateway__ = "wsgi"  # type: ignore[attr-defined]
        assert detect_shape(application, "shop:app") is Shape.WSGI

    def test_the_marks_of_asgiref_are_believed(self) -> None:
        def double(*args: Any) -> Any:
            return None

        double._asgi_double_callable = True  # type: ignore[attr-defined]
        assert detect_shape(double, "shop:app") is Shape.ASGI2


class TestDoubt:
    """Never guessed: what is in doubt is refused with the candidates and the way out."""

    @pytest.mark.parametrize("application", [None, 7, "shop:app", object()])
    def test_what_cannot_be_called_is_no_application(self, application: Any) -> None:
        with pytest.raises(ConfigurationError) as caught:
            detect_shape(application, "shop:app")
        assert "shop:app" in str(caught.value)
        assert type(application).__name__ in str(caught.value)

    @pytest.mark.parametrize(
        "application",
        [lambda x: None, lambda a, b, c, d: None, lambda *args: None, type("Empty", (), {})],
    )
    def test_what_is_ambiguous_says_what_it_may_be(self, application: Any) -> None:
        with pytest.raises(ConfigurationError) as caught:
            detect_shape(application, "shop:app")
        message = str(caught.value)
        assert "shop:app" in message
        assert "asgi =" in message

    def test_one_parameter_names_both_candidates(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            detect_shape(lambda x: None, "shop:app")
        assert "ASGI 2 or a plain function" in str(caught.value)

    @pytest.mark.parametrize("application", [dict.fromkeys, min, functools.partial(min)])
    def test_middleware_r_py_03_a_callable_written_in_c_goes_by_tag_only(self, application: Any) -> None:
        with pytest.raises(ConfigurationError) as caught:
            detect_shape(application, "shop:app")
        assert "shop:app" in str(caught.value)

    def test_an_unknown_tag_lists_the_known_ones(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            detect_shape(tagged("cgi"), "shop:app")
        assert "asgi3, asgi2, wsgi, rsgi, native" in str(caught.value)
