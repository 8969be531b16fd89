"""The graph of conversions: which way is taken, and what is not done on the others (middleware R-PY-10 to R-PY-13, R-CV-01 to R-CV-06)."""

from typing import Any

import pytest

from penstock.pipeline_gateways.asgi_in_wsgi import AsgiInWsgi
from penstock.pipeline_gateways.conversions import Conversion, Conversions, losses_of, unwrapped
from penstock.pipeline_gateways.hosted import host_wsgi
from penstock.pipeline_gateways.middleware_errors import NoConversion
from tests.pipeline_gateways.chain_subject import answering, wsgi_page


def graph(*edges: tuple[str, str], log: list[str] | None = None, **more: Any) -> Conversions:
    conversions = Conversions()
    for source, target in edges:

        def convert(app: str, target: str = target) -> str:
            if log is not None:
                log.append(target)
            return f"{app}{target}"

        conversions.add(Conversion(source, target, convert, **more))
    return conversions


def test_middleware_r_cv_04_any_number_of_steps_and_nothing_beside_the_way_is_called() -> None:
    log: list[str] = []
    conversions = graph(("a", "x"), ("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"), ("x", "y"), log=log)
    assert conversions.convert("A", "a", "e", name="it") == "Abcde"
    assert log == ["b", "c", "d", "e"]


def test_middleware_r_cv_03_of_equal_ways_the_first_that_was_added() -> None:
    assert graph(("a", "p"), ("a", "q"), ("p", "z"), ("q", "z")).convert("A", "a", "z", name="it") == "Apz"


def test_middleware_r_py_10_fewest_losses_then_cost_then_steps() -> None:
    conversions = graph(("a", "m"), ("m", "z"))
    conversions.add(Conversion("a", "z", lambda app: "lossy", loses=("websocket",)))
    assert conversions.convert("A", "a", "z", name="it") == "Amz"
    conversions.add(Conversion("a", "z", lambda app: "dear", cost=50))
    assert conversions.convert("A", "a", "z", name="it") == "Amz"
    conversions.add(Conversion("a", "z", lambda app: "direct", cost=2))
    assert conversions.convert("A", "a", "z", name="it") == "direct"


def test_middleware_r_py_13_without_a_way_both_ends_and_what_can_be_reached_are_named() -> None:
    with pytest.raises(
        NoConversion, match="it is of signature 'a', and nothing makes 'q' of that; it can become: b, c"
    ):
        graph(("a", "b"), ("b", "c"), ("q", "a")).convert("A", "a", "q", name="it")


def test_middleware_r_cv_06_what_a_conversion_raises_comes_as_it_is() -> None:
    def failing(app: Any) -> Any:
        raise KeyError("meant")

    conversions = Conversions()
    conversions.add(Conversion("a", "b", failing))
    with pytest.raises(KeyError, match="meant"):
        conversions.convert("A", "a", "b", name="it")


def test_a_conversion_that_makes_none_is_named() -> None:
    conversions = Conversions()
    conversions.add(Conversion("a", "b", lambda app: None))
    with pytest.raises(TypeError, match="the conversion from a to b made None of it"):
        conversions.convert("A", "a", "b", name="it")


def test_middleware_r_py_11_what_was_converted_is_unwrapped() -> None:
    application = answering(b"")
    conversions = Conversions()
    there = conversions.convert(application, "asgi3", "wsgi", name="it")
    assert isinstance(there, AsgiInWsgi)
    assert conversions.convert(there, "wsgi", "asgi3", name="it") is application
    assert unwrapped(host_wsgi(wsgi_page), "wsgi") is wsgi_page
    assert unwrapped(wsgi_page, "wsgi") is None


def test_what_is_lost_is_known() -> None:
    path = Conversions().find_path("asgi3", "wsgi")
    assert path is not None
    assert losses_of(path) == {"websocket", "trailers", "early disconnect", "duplex"}
    with pytest.raises(
        NoConversion, match="it needs trailers, websocket, which the conversion asgi3 -> wsgi would lose"
    ):
        Conversions().convert(answering(b""), "asgi3", "wsgi", name="it", needs=("websocket", "trailers"))
